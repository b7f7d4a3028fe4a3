//! Claims by code. A code of a coupon's list that is not claimed yet becomes a claim of the account that sends it.
//!
//! A code is looked up among the codes of one shop. An unknown code and a code of another account get the same answer.

use entity::{AccountId, CouponId, ShopId, claim, coupon};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    claim::{ClaimRequest, Refusal, TRIES, grant, is_free, replayed},
    code::Code,
    offer_terms, throttle,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Result},
    idempotency::{self, Attempt, Key},
};

/// The input of [`claim()`].
#[derive(Clone, Debug)]
pub struct ClaimCode {
    /// The shop of the code.
    pub shop: ShopId,
    /// The code as the buyer typed it.
    pub code: String,
    /// The caller's idempotency key.
    pub key: String,
}

/// Claims the copy of a free coupon that has this code. If the viewer has that claim already, returns it.
pub async fn claim(app: &App, viewer: &Viewer, input: ClaimCode) -> Result<claim::Model, Refusal> {
    let account = viewer.account()?;
    let key = Key::new(account, "claimCode", &input.key, &(input.shop, &input.code))?;
    let replay = |subject| replayed(app, account, subject);
    idempotency::once(app, &key, replay, Box::pin(attempt(app, viewer, &input, &key))).await
}

async fn attempt(app: &App, viewer: &Viewer, input: &ClaimCode, key: &Key) -> Attempt<claim::Model, Refusal> {
    let account = viewer.account()?;
    let guess = throttle::begin(app, viewer).await.map_err(|error| error.map_refusal(Refusal::from))?;
    let claimed = match Code::parse(&input.code) {
        Some(code) => claim_or_find(app, account, (input.shop, &code), Some(key)).await,
        None => Err(Error::Refused(Refusal::UnknownCode).into()),
    };
    guess.judge_attempt(&claimed).await;
    claimed
}

/// Returns the account's claim with this code. If the code is on a free coupon's list and not claimed yet, claims it.
pub(super) async fn claim_or_find(
    app: &App,
    account: AccountId,
    (shop, code): (ShopId, &Code),
    key: Option<&Key>,
) -> Attempt<claim::Model, Refusal> {
    for _ in 0..TRIES {
        // Race: read the list before the claims. A code that is claimed in between is then found as a claim.
        let free = unclaimed(app, shop, code).await?;
        if let Some(claim) = claim_of(app, shop, code).await? {
            return Ok(own(claim, account)?);
        }
        let Some(coupon) = free else { break };
        let snapshot = match offer_terms::current(app, coupon, is_free).await {
            // A draft is visible to its shop only.
            Err(Fault::NotFound(_)) => break,
            snapshot => snapshot?,
        };
        if !is_free(&snapshot.coupon) {
            break;
        }
        let request = ClaimRequest { buyer: account, code: Some(code.clone()), key: key.cloned() };
        match grant(app, &snapshot, request).await {
            // Race: the coupon changed. Try again.
            Ok(None) => {}
            Ok(Some(claim)) => return Ok(claim),
            // Race: the viewer or another account may have claimed the code meanwhile.
            Err(error) if error.is_refusal() => {
                return match claim_of(app, shop, code).await? {
                    Some(claim) => Ok(own(claim, account)?),
                    None => Err(error),
                };
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::Refused(Refusal::UnknownCode).into())
}

fn own(claim: claim::Model, account: AccountId) -> Result<claim::Model, Refusal> {
    if claim.account_id == account { Ok(claim) } else { Err(Error::Refused(Refusal::UnknownCode)) }
}

/// Returns the shop's claim with this code.
pub(super) async fn claim_of(app: &App, shop: ShopId, code: &Code) -> FaultResult<Option<claim::Model>> {
    Ok(claim::Entity::find()
        .filter(claim::Column::ShopId.eq(shop))
        .filter(claim::Column::Code.eq(code.as_str()))
        .one(app.store.read())
        .await?)
}

/// Returns the coupon whose list has this code, if the code is not claimed.
async fn unclaimed(app: &App, shop: ShopId, code: &Code) -> FaultResult<Option<CouponId>> {
    let row =
        coupon::code::Entity::find_by_id((shop, code.as_str().to_owned())).one(app.store.read()).await?;
    Ok(row.filter(|row| row.claim_id.is_none()).map(|row| row.coupon_id))
}

//! Claims by code. A code of a coupon's list that is not claimed yet becomes a claim of the account that sends it.
//!
//! A code is looked up among the codes of one shop. An unknown code and a code of another account get the same answer.

use std::sync::Arc;

use entity::{
    AccountId, ClaimId, CouponId, ShopId, claim,
    coupon::{self, CouponState},
};
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
    inventory::{self, NewClaim, NewClaimCode},
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
    // A text that cannot be a code is no guess.
    let code = Code::parse(&input.code).ok_or(Error::Refused(Refusal::UnknownCode))?;
    let guess = throttle::begin(app, viewer).await.map_err(|error| error.map_refusal(Refusal::from))?;
    let claimed = claim_or_find(app, account, (input.shop, &code), key).await;
    guess.judge_attempt(&claimed).await;
    claimed
}

/// Returns the account's claim with this code. If the code is on a free coupon's list and not claimed yet, claims it.
async fn claim_or_find(
    app: &App,
    account: AccountId,
    (shop, code): (ShopId, &Code),
    key: &Key,
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
        let request = ClaimRequest { buyer: account, code: Some(code.clone()), key: Some(key.clone()) };
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

/// A claim that a transaction can make of an unclaimed code of a list.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The coupon.
    pub coupon: CouponId,
    /// The claim as the desk's command carries it.
    pub new_claim: Arc<NewClaim>,
}

/// Returns the claim that the account would get for an unclaimed code of the coupon's list, and `None` if it may not
/// claim one now. The desk decides again.
pub(super) async fn prospect(
    app: &App,
    account: AccountId,
    (coupon, code): (CouponId, &Code),
) -> FaultResult<Option<(claim::Model, Grant)>> {
    let snapshot =
        match offer_terms::current(app, coupon, |coupon| is_free(coupon) && is_open(app, coupon)).await {
            // A draft is visible to its shop only.
            Err(Fault::NotFound(_)) => return Ok(None),
            snapshot => snapshot?,
        };
    let limit = snapshot.coupon.limit_per_buyer.unsigned_abs();
    let taken = inventory::taken_by(app, account, coupon).await?;
    if !is_free(&snapshot.coupon) || !is_open(app, &snapshot.coupon) || taken >= limit {
        return Ok(None);
    }
    let mut row = snapshot.new_claim(app, ClaimId(app.clock.new_uuid()), account);
    code.as_str().clone_into(&mut row.code);
    let new_claim = Arc::new(snapshot.granted(&row, NewClaimCode::Listed(row.code.clone())));
    Ok(Some((row, Grant { coupon, new_claim })))
}

/// Returns whether the coupon can be claimed now.
fn is_open(app: &App, coupon: &coupon::Model) -> bool {
    let now = app.clock.now();
    let ends = [coupon.publish_until, coupon.valid_until];
    coupon.state == CouponState::Published
        && coupon.publish_from.is_none_or(|from| from <= now)
        && ends.into_iter().flatten().all(|end| now < end)
}

/// Returns the coupon whose list has this code, if the code is not claimed.
pub(super) async fn unclaimed(app: &App, shop: ShopId, code: &Code) -> FaultResult<Option<CouponId>> {
    let row =
        coupon::code::Entity::find_by_id((shop, code.as_str().to_owned())).one(app.store.read()).await?;
    Ok(row.filter(|row| row.claim_id.is_none()).map(|row| row.coupon_id))
}

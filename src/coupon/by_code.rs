//! Codes in people's hands: the claim that a code names, and a code of a coupon's list that nobody has claimed, which
//! becomes the claim of whoever has it.
//!
//! A code is looked for among those of one shop. One that is not there and one that is somebody else's are answered alike.

use entity::{AccountId, CouponId, ShopId, claim, coupon};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    claim::{Refusal, TRIES, Wish, grant, is_free, replayed},
    code::Code,
    promise, throttle,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, Faulty, Result},
    idempotency::Key,
};

/// Which code to claim.
#[derive(Clone, Debug)]
pub struct ClaimCode {
    /// Of which shop.
    pub shop: ShopId,
    /// As it was typed.
    pub code: String,
    /// The caller's idempotency key.
    pub key: String,
}

/// Puts the copy of a free coupon that has this code into the viewer's bag. If it is there already, it stays.
pub async fn claim(app: &App, viewer: &Viewer, input: ClaimCode) -> Result<claim::Model, Refusal> {
    let account = viewer.account()?;
    let key = Key::new(account, "claimCode", &input.key, &(input.shop, &input.code))?;
    if let Some(subject) = key.subject(app.store.read()).await? {
        return replayed(app, account, subject).await;
    }
    let guess = throttle::begin(app, viewer).await.map_err(|error| error.map_refusal(Refusal::from))?;
    let claimed = match Code::parse(&input.code) {
        Some(code) => held(app, account, (input.shop, &code), Some(key)).await,
        None => Err(Error::Refused(Refusal::UnknownCode)),
    };
    guess.judge(&claimed).await;
    claimed
}

/// The account's claim with the code; one that nobody has yet is claimed for it.
pub(super) async fn held(
    app: &App,
    account: AccountId,
    (shop, code): (ShopId, &Code),
    key: Option<Key>,
) -> Result<claim::Model, Refusal> {
    for _ in 0..TRIES {
        // Before the claims: claimed in between, the code is found as a claim's.
        let free = unclaimed(app, shop, code).await?;
        if let Some(claim) = claim_of(app, shop, code).await? {
            return own(claim, account);
        }
        let Some(coupon) = free else { break };
        let promise = match promise::current(app, coupon, is_free).await {
            // Only its shop knows of a draft.
            Err(Fault::NotFound(_)) => break,
            promise => promise?,
        };
        if !is_free(&promise.coupon) {
            break;
        }
        let wish = Wish { buyer: account, code: Some(code.clone()), key: key.clone() };
        match grant(app, &promise, wish).await {
            // The coupon was changed meanwhile.
            Ok(None) => {}
            Ok(Some(claim)) => return Ok(claim),
            // Race: it may be the viewer's own by now, or somebody else's.
            Err(Error::Refused(refusal)) => {
                let claim = claim_of(app, shop, code).await?;
                return claim.map_or(Err(Error::Refused(refusal)), |claim| own(claim, account));
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::Refused(Refusal::UnknownCode))
}

fn own(claim: claim::Model, account: AccountId) -> Result<claim::Model, Refusal> {
    if claim.account_id == account { Ok(claim) } else { Err(Error::Refused(Refusal::UnknownCode)) }
}

/// The claim that has the code in the shop.
pub(super) async fn claim_of(app: &App, shop: ShopId, code: &Code) -> Faulty<Option<claim::Model>> {
    Ok(claim::Entity::find()
        .filter(claim::Column::ShopId.eq(shop))
        .filter(claim::Column::Code.eq(code.as_str()))
        .one(app.store.read())
        .await?)
}

/// The coupon in whose list the code is, if nobody has claimed it.
async fn unclaimed(app: &App, shop: ShopId, code: &Code) -> Faulty<Option<CouponId>> {
    let row =
        coupon::code::Entity::find_by_id((shop, code.as_str().to_owned())).one(app.store.read()).await?;
    Ok(row.filter(|row| row.claim_id.is_none()).map(|row| row.coupon_id))
}

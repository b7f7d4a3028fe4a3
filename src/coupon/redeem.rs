//! Redemption at a counter: a scanner of the shop sends the claim's code. Gift cards can be used in part.

use entity::{
    RedemptionId, ShopId,
    claim::{self, ClaimState, redemption},
    coupon::code,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::{
    budget, by_id as coupon_by_id,
    claim::{Refusal, by_id, change_in_tx, usable},
    code::Code,
    terms::{Terms, Worth},
    throttle,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, Object, Result},
    idempotency::{self, Attempt, AttemptError, Key},
    shop::{self, rules::Power},
    store::violates,
};

/// Attempts, if the claim changes at the same time.
const TRIES: usize = 5;

/// The input of [`redeem`].
#[derive(Clone, Debug)]
pub struct Redeem {
    /// The shop. `None` for any shop where the viewer is a scanner.
    pub shop: Option<ShopId>,
    /// The code as it was scanned or typed.
    pub code: String,
    /// The amount to take from a gift card, in minor units, and its currency. `None` for other kinds.
    pub amount: Option<(i64, String)>,
    /// The caller's idempotency key.
    pub key: String,
}

/// The result of a redemption.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// The claim after the redemption.
    pub claim: claim::Model,
    /// The redemption.
    pub redemption: redemption::Model,
}

/// Redeems a claim, or takes an amount from a gift card. A code of another shop is refused as unknown.
pub async fn redeem(app: &App, viewer: &Viewer, input: Redeem) -> Result<Redeemed, Refusal> {
    let scanner = viewer.user()?;
    if let Some(shop) = input.shop {
        shop::authorise(app, viewer, shop, Power::Scan).await?;
    }
    let key = Key::new(scanner, "redeemClaim", &input.key, &(input.shop, &input.code, &input.amount))?;
    let replay = |subject| redeemed(app, RedemptionId(subject));
    let attempt = Box::pin(attempt(app, viewer, &input, &key));
    let done = idempotency::once(app, &key, replay, attempt).await?;
    app.outbox.wake();
    Ok(done)
}

async fn attempt(app: &App, viewer: &Viewer, input: &Redeem, key: &Key) -> Attempt<Redeemed, Refusal> {
    for _ in 0..TRIES {
        // Race: look up the code in each round. If the claim was given away, its code has changed.
        let claim = found(app, viewer, input).await?;
        match redeem_claim(app, viewer, &claim, input, key).await {
            // Race: another counter was first.
            Err(AttemptError::Failed(Error::Fault(Fault::Stale(_)))) => {}
            result => return result,
        }
    }
    Err(Fault::unavailable().into())
}

/// Returns the claim with the code, if the viewer is a scanner of its shop.
///
/// A caller that names a shop is its scanner and has the scanners' limits. A caller that names no shop may be any user,
/// and has the buyers' limits.
async fn found(app: &App, viewer: &Viewer, input: &Redeem) -> Result<claim::Model, Refusal> {
    let (shops, guess) = if let Some(shop) = input.shop {
        (vec![shop], throttle::begin_scan(app, viewer).await)
    } else {
        (shop::with_power(app, viewer, Power::Scan).await?, throttle::begin(app, viewer).await)
    };
    let guess = guess.map_err(|error| error.map_refusal(Refusal::from))?;
    // A text that cannot be a code is no guess.
    let Some(code) = Code::parse(&input.code) else {
        guess.forgive().await;
        return Err(Error::Refused(Refusal::UnknownCode));
    };
    let located = locate(app, shops, &code).await;
    guess.judge(&located).await;
    match located? {
        Located::Claim(claim) => Ok(*claim),
        Located::Unclaimed => Err(Error::Refused(Refusal::NotClaimed)),
        Located::Several => Err(Error::Refused(Refusal::SeveralShops)),
    }
}

/// The result of looking up a code in the scanner's shops.
enum Located {
    /// The code of one claim.
    Claim(Box<claim::Model>),
    /// A code of a list that is not claimed.
    Unclaimed,
    /// Several shops have this code.
    Several,
}

async fn locate(app: &App, shops: Vec<ShopId>, code: &Code) -> Result<Located, Refusal> {
    let unknown = || Error::Refused(Refusal::UnknownCode);
    // Race: read the lists before the claims. A code that is claimed in between is then found as a claim.
    let mut free = code::Entity::find()
        .filter(code::Column::ShopId.is_in(shops.clone()))
        .filter(code::Column::Code.eq(code.as_str()))
        .filter(code::Column::ClaimId.is_null())
        .all(app.store.read())
        .await?;
    let claims = claim::Entity::find()
        .filter(claim::Column::ShopId.is_in(shops))
        .filter(claim::Column::Code.eq(code.as_str()))
        .all(app.store.read())
        .await?;
    free.retain(|row| claims.iter().all(|claim| claim.shop_id != row.shop_id));
    match (claims.len() + free.len(), claims.into_iter().next()) {
        (0, _) => Err(unknown()),
        (1, Some(claim)) => Ok(Located::Claim(Box::new(claim))),
        (1, None) => Ok(Located::Unclaimed),
        (_, _) => Ok(Located::Several),
    }
}

/// Tries once to redeem the claim as it was read.
async fn redeem_claim(
    app: &App,
    viewer: &Viewer,
    claim: &claim::Model,
    input: &Redeem,
    key: &Key,
) -> Attempt<Redeemed, Refusal> {
    let scanner = viewer.user()?;
    let now = app.clock.now();
    usable(claim, now).map_err(Error::Refused)?;
    if claim.valid_from > now {
        return Err(Error::Refused(Refusal::NotYetValid { from: claim.valid_from }).into());
    }
    let terms = Terms::from_json(&claim.terms)?;
    let left = left(claim, &terms, input.amount.as_ref())?;
    let given = given(app, claim, &terms).await?;
    let id = RedemptionId(app.clock.new_uuid());
    let tx = app.store.begin().await?;
    key.claim_in_tx(&tx, id.0, now).await?;
    let is_used_up = left.is_none_or(|left| left == 0);
    let change = |row: &mut claim::ActiveModel| {
        row.balance_minor = Set(left);
        if is_used_up {
            row.state = Set(ClaimState::Redeemed);
            row.redeemed_at = Set(Some(now));
        }
    };
    let changed = change_in_tx(&tx, claim, now, change).await?;
    if let Some(amount) = given {
        let spent = budget::spend_in_tx(&tx, &[(claim.coupon_id, amount)].into()).await;
        spent.map_err(|error| error.map_refusal(|budget::Spent| Refusal::BudgetSpent))?;
    }
    let redemption = redemption::Model {
        id,
        claim_id: claim.id,
        order_id: None,
        amount_minor: input.amount.as_ref().map(|(amount, _)| *amount),
        given_minor: given,
        account_id: scanner,
        at: now,
        reversed_at: None,
    };
    let row: redemption::ActiveModel = redemption.clone().into();
    match redemption::Entity::insert(row.reset_all()).exec_without_returning(&tx).await {
        Ok(_) => {}
        // The claim's version guards this too; the constraint is the last line of defence.
        Err(error) if violates(&error, "redemption_once", "redemption.claim_id") => {
            return Err(Fault::Stale(Object::Claim).into());
        }
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    Ok(Redeemed { claim: changed, redemption })
}

/// Returns the discount at the counter, which counts for the coupon's budget. Returns `None` for a gift card, which is a
/// payment, and for kinds whose discount depends on the purchase. Refuses those kinds if the coupon has a budget.
async fn given(app: &App, claim: &claim::Model, terms: &Terms) -> Result<Option<i64>, Refusal> {
    match terms.worth {
        Worth::AmountOff { amount } => Ok(Some(amount)),
        Worth::GiftCard { .. } => Ok(None),
        Worth::PercentOff { .. } | Worth::FreeItem | Worth::FixedPrice { .. } | Worth::AccessCode => {
            match coupon_by_id(app, claim.coupon_id).await?.budget_minor {
                Some(_) => Err(Error::Refused(Refusal::NotAtCounter)),
                None => Ok(None),
            }
        }
    }
}

/// Returns the gift card's balance after the redemption, and `None` for other kinds.
fn left(claim: &claim::Model, terms: &Terms, amount: Option<&(i64, String)>) -> Result<Option<i64>, Refusal> {
    match (claim.balance_minor, amount) {
        (Some(_), Some((_, currency))) if *currency != terms.currency => {
            Err(Fault::invalid("amount.currency", "is not the currency of the gift card").into())
        }
        (Some(balance), Some((amount, _))) if *amount > balance => {
            Err(Error::Refused(Refusal::BalanceTooLow { balance, currency: terms.currency.clone() }))
        }
        (Some(balance), Some((amount, _))) if *amount > 0 => Ok(Some(balance - amount)),
        (Some(_), Some(_) | None) => {
            Err(Fault::invalid("amount", "must be more than zero for a gift card").into())
        }
        (None, Some(_)) => Err(Fault::invalid("amount", "is for gift cards only").into()),
        (None, None) if terms.worth == Worth::AccessCode => Err(Error::Refused(Refusal::NotAtCounter)),
        (None, None) => Ok(None),
    }
}

/// Returns the result of an earlier redemption.
async fn redeemed(app: &App, id: RedemptionId) -> Result<Redeemed, Refusal> {
    let redemption = redemption::Entity::find_by_id(id).one(app.store.read()).await?;
    let redemption = redemption.ok_or_else(Fault::unavailable)?;
    Ok(Redeemed { claim: by_id(app, redemption.claim_id).await?, redemption })
}

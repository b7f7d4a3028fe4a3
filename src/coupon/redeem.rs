//! Redeeming a claim at a counter: the vendor's scanner shows its code, once; a gift card's in part.

use entity::{
    AccountId, RedemptionId, ShopId,
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
    error::{Error, Fault, Result},
    idempotency::Key,
    shop::{self, rules::Power},
    store::violates,
};

/// How often it is tried again because somebody else changed the claim at the same moment.
const TRIES: usize = 5;

/// What is redeemed.
#[derive(Clone, Debug)]
pub struct Redeem {
    /// At whose counter; none: at that of any shop whose scanner the viewer is.
    pub shop: Option<ShopId>,
    /// As it was scanned or typed.
    pub code: String,
    /// How much of a gift card, in minor units, and of which currency; none of anything else.
    pub amount: Option<(i64, String)>,
    /// The caller's idempotency key.
    pub key: String,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// The claim as it is now.
    pub claim: claim::Model,
    /// The use that was made of it.
    pub redemption: redemption::Model,
}

/// Uses a claim up, or takes an amount off a gift card. A code of another shop is as unknown as one that nobody has.
pub async fn redeem(app: &App, viewer: &Viewer, input: Redeem) -> Result<Redeemed, Refusal> {
    let scanner = viewer.user()?;
    if let Some(shop) = input.shop {
        shop::authorise(app, viewer, shop, Power::Scan).await?;
    }
    let key = Key::new(scanner, "redeemClaim", &input.key, &(input.shop, &input.code, &input.amount))?;
    if let Some(subject) = key.subject(app.store.read()).await? {
        return redeemed(app, RedemptionId(subject)).await;
    }
    for _ in 0..TRIES {
        // By its code each time: given away meanwhile, it has another, and this one is dead.
        let claim = found(app, viewer, &input).await?;
        match attempt(app, scanner, &claim, &input, &key).await {
            // Another counter was first: look again.
            Err(Error::Fault(Fault::Stale(_))) => {}
            Ok(None) => {
                let subject = key.subject(app.store.read()).await?.ok_or_else(Fault::unavailable)?;
                return redeemed(app, RedemptionId(subject)).await;
            }
            Ok(Some(done)) => {
                app.outbox.wake();
                return Ok(done);
            }
            // The same call twice at once: the later one finds used what the earlier one used.
            Err(Error::Refused(refusal)) => {
                return match key.subject(app.store.read()).await? {
                    Some(subject) => redeemed(app, RedemptionId(subject)).await,
                    None => Err(Error::Refused(refusal)),
                };
            }
            Err(error) => return Err(error),
        }
    }
    Err(Fault::unavailable().into())
}

/// The claim with the code, if it is of a shop whose scanner the viewer is.
///
/// A caller that names a shop is its scanner, and may show many unknown codes; a caller that names none could be
/// anybody, and is throttled as a buyer is.
async fn found(app: &App, viewer: &Viewer, input: &Redeem) -> Result<claim::Model, Refusal> {
    let (shops, guess) = if let Some(shop) = input.shop {
        (vec![shop], throttle::begin_scan(app, viewer).await)
    } else {
        (shop::with_power(app, viewer, Power::Scan).await?, throttle::begin(app, viewer).await)
    };
    let guess = guess.map_err(|error| error.map_refusal(Refusal::from))?;
    let located = locate(app, shops, &input.code).await;
    guess.judge(&located).await;
    match located? {
        Located::Claim(claim) => Ok(*claim),
        Located::Unclaimed => Err(Error::Refused(Refusal::NotClaimed)),
        Located::Several => Err(Error::Refused(Refusal::SeveralShops)),
    }
}

/// Where a code of the scanner's shops was found.
enum Located {
    /// It is a claim's.
    Claim(Box<claim::Model>),
    /// It is of a list, and nobody has it.
    Unclaimed,
    /// Several shops have it.
    Several,
}

async fn locate(app: &App, shops: Vec<ShopId>, text: &str) -> Result<Located, Refusal> {
    let unknown = || Error::Refused(Refusal::UnknownCode);
    let code = Code::parse(text).ok_or_else(unknown)?;
    // Those that nobody has come first: claimed in between, a code is found as a claim's.
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

/// One try; none when the key was used meanwhile.
async fn attempt(
    app: &App,
    scanner: AccountId,
    claim: &claim::Model,
    input: &Redeem,
    key: &Key,
) -> Result<Option<Redeemed>, Refusal> {
    let now = app.clock.now();
    usable(claim, now).map_err(Error::Refused)?;
    if claim.valid_from > now {
        return Err(Error::Refused(Refusal::NotYetValid { from: claim.valid_from }));
    }
    let terms = Terms::from_json(&claim.terms)?;
    let left = left(claim, &terms, input.amount.as_ref())?;
    let given = given(app, claim, &terms).await?;
    let id = RedemptionId(app.clock.new_uuid());
    let tx = app.store.begin().await?;
    if !key.claim_in_tx(&tx, id.0, now).await? {
        return Ok(None);
    }
    let is_used_up = left.is_none_or(|left| left == 0);
    let change = |row: &mut claim::ActiveModel| {
        row.balance_minor = Set(left);
        if is_used_up {
            row.state = Set(ClaimState::Redeemed);
            row.redeemed_at = Set(Some(now));
        }
    };
    let changed = change_in_tx(&tx, claim, now, change).await?;
    if let Some(amount) = given
        && !budget::spend_in_tx(&tx, &[(claim.coupon_id, amount)].into()).await?
    {
        return Err(Error::Refused(Refusal::BudgetSpent));
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
        // The claim's version guards this already; the constraint holds it whatever the code says.
        Err(error) if violates(&error, "redemption_once", "redemption.claim_id") => {
            return Err(Fault::Stale("claim").into());
        }
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    Ok(Some(Redeemed { claim: changed, redemption }))
}

/// What the claim takes off at the counter, which its coupon's budget counts; none of a gift card, which pays, and where
/// nobody knows what is bought. A campaign with a budget cannot give what nobody knows.
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

/// What is left of a gift card when the amount is taken off; none for everything else, which is used up.
fn left(claim: &claim::Model, terms: &Terms, amount: Option<&(i64, String)>) -> Result<Option<i64>, Refusal> {
    match (claim.balance_minor, amount) {
        (Some(_), Some((_, currency))) if *currency != terms.currency => {
            Err(Fault::invalid("amount.currency", "is not the gift card's").into())
        }
        (Some(balance), Some((amount, _))) if *amount > balance => {
            Err(Error::Refused(Refusal::BalanceTooLow { balance }))
        }
        (Some(balance), Some((amount, _))) if *amount > 0 => Ok(Some(balance - amount)),
        (Some(_), Some(_) | None) => {
            Err(Fault::invalid("amount", "say how much of the gift card is taken").into())
        }
        (None, Some(_)) => Err(Fault::invalid("amount", "only gift cards are used in part").into()),
        (None, None) if terms.worth == Worth::AccessCode => Err(Error::Refused(Refusal::NotAtCounter)),
        (None, None) => Ok(None),
    }
}

async fn redeemed(app: &App, id: RedemptionId) -> Result<Redeemed, Refusal> {
    let redemption = redemption::Entity::find_by_id(id).one(app.store.read()).await?;
    let redemption = redemption.ok_or_else(Fault::unavailable)?;
    Ok(Redeemed { claim: by_id(app, redemption.claim_id).await?, redemption })
}

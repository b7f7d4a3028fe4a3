//! Discounts of claims on reservations, for the checkout and for previews.

use entity::{AccountId, ClaimId, OrderId, ReservationId, claim, claim::ClaimState, order::OrderState};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::ExprTrait,
};

use super::{
    Refusal,
    basket::{Basket, Line},
    by_id,
    checkout::RESERVATIONS_MAX,
    expiry::expire_or_prolong,
    live_reservations,
};
use crate::{
    app::App,
    auth::Viewer,
    coupon::{
        claim_code::Grant,
        discount::{self, DiscountRefusal},
        order_claims::AppliedClaim,
        spend::{self, ClaimRefusal, Found, Named, RefusedClaim},
    },
    error::{Check, Error, Fault, FaultResult, Object, Result},
    inventory::{self, Reservation},
};

/// Maximum number of claims examined for one preview, newest first.
const CLAIMS_SHOWN_MAX: u64 = 100;

/// Order lines and the discounts on them.
#[derive(Debug)]
pub(super) struct DiscountedLines {
    /// The lines, before discounts.
    pub(super) lines: Vec<Line>,
    /// The claims and their discounts.
    pub(super) spent: Vec<AppliedClaim>,
    /// The claims that the order's transaction makes of unclaimed codes, and where the input names them.
    pub(super) grants: Vec<(Named, Grant)>,
}

/// The discount of one of the viewer's claims, if it were spent alone.
#[derive(Clone, Debug)]
pub struct ApplicableClaim {
    /// The claim.
    pub claim: claim::Model,
    /// ISO 4217 code of the amount.
    pub currency: String,
    /// The discount in minor units, or the reason why there is none.
    pub saves: std::result::Result<i64, DiscountRefusal>,
}

/// Returns the reservations' lines with the discounts of the named claims.
pub(super) async fn discounted_lines(
    app: &App,
    viewer: &Viewer,
    claims: spend::NamedClaims<'_>,
    basket: &Basket,
    reservations: &[Reservation],
) -> Result<DiscountedLines, Refusal> {
    let lines = basket.lines(reservations.iter().map(|reservation| &reservation.snapshot))?;
    if claims.is_empty() {
        return Ok(DiscountedLines { lines, spent: Vec::new(), grants: Vec::new() });
    }
    let found = free(app, viewer, claims, basket).await?;
    let offers = spend::offers(app, found.iter().map(|found| &found.claim)).await?;
    let discountable = basket.discountable(&lines)?;
    let now = app.clock.now();
    let all = discount::Basket { lines: &discountable, currency: &basket.currency, now };
    let discounts = discount::apply(all, &offers).map_err(|refused| {
        let named = |(claim, reason)| {
            let found = found.iter().find(|found| found.claim.id == claim)?;
            Some(RefusedClaim { named: found.named, why: ClaimRefusal::Rule(reason) })
        };
        claims_refused(basket, refused.into_iter().filter_map(named).collect())
    })?;
    let seen = |claim: ClaimId| found.iter().find(|found| found.claim.id == claim);
    let spent = discounts
        .into_iter()
        .filter_map(|discount| seen(discount.claim).map(|found| (discount, found.claim.version)))
        .map(|(discount, seen)| AppliedClaim { discount, seen })
        .collect();
    let grants = found.into_iter().filter_map(|found| Some((found.named, found.grant?))).collect();
    Ok(DiscountedLines { lines, spent, grants })
}

/// Returns the named claims. Fails unless all of them are free. Claims of overdue orders are released first.
async fn free(
    app: &App,
    viewer: &Viewer,
    claims: spend::NamedClaims<'_>,
    basket: &Basket,
) -> Result<Vec<Found>, Refusal> {
    let find = async || match spend::named(app, viewer, basket.shop, claims).await {
        Err(Error::Refused(refused)) => Err(claims_refused(basket, refused)),
        Err(Error::Fault(fault)) => Err(fault.into()),
        Ok(found) => Ok(found),
    };
    let mut found = find().await?;
    let reserved: Vec<_> = found
        .iter()
        .filter(|found| found.claim.state == ClaimState::Reserved)
        .filter_map(|found| found.claim.order_id)
        .collect();
    if !reserved.is_empty() {
        for order in reserved {
            expire_or_prolong(app, order).await?;
        }
        found = find().await?;
    }
    let unavailable = spend::unavailable(&found);
    if unavailable.is_empty() { Ok(found) } else { Err(claims_refused(basket, unavailable)) }
}

pub(super) fn claims_refused(basket: &Basket, refused: Vec<RefusedClaim>) -> Error<Refusal> {
    Error::Refused(Refusal::Claims { currency: basket.currency.clone(), refused })
}

/// Returns what each of the viewer's unused claims would take off an unpaid order if it were made again. Claims that
/// the order spends now count as unused.
pub async fn applicable_to_order(
    app: &App,
    viewer: &Viewer,
    id: OrderId,
) -> FaultResult<Vec<ApplicableClaim>> {
    let account = viewer.account()?;
    let order = by_id(app, id).await?;
    if order.account_id != account {
        return Err(Fault::NotFound(Object::Order));
    }
    if order.state != OrderState::AwaitingPayment {
        return Err(Fault::invalid("orderId", "the order does not wait for its payment any more"));
    }
    let live = live_reservations(app, id).await?;
    let reservations: Vec<ReservationId> = live.into_values().flatten().collect();
    if reservations.is_empty() {
        return Err(Fault::invalid("orderId", "the order's time is up"));
    }
    applicable_claims(app, viewer, &reservations, Some(id)).await
}

/// Returns the discount of each of the viewer's unused claims on the reservations, largest first.
pub async fn applicable(
    app: &App,
    viewer: &Viewer,
    reservations: &[ReservationId],
) -> FaultResult<Vec<ApplicableClaim>> {
    Check::default()
        .that(!reservations.is_empty(), "reservationIds", "name at least one reservation")
        .that(reservations.len() <= RESERVATIONS_MAX, "reservationIds", "at most 20 reservations")
        .done()?;
    applicable_claims(app, viewer, reservations, None).await
}

async fn applicable_claims(
    app: &App,
    viewer: &Viewer,
    reservations: &[ReservationId],
    order: Option<OrderId>,
) -> FaultResult<Vec<ApplicableClaim>> {
    let account = viewer.account()?;
    let mut owned = Vec::with_capacity(reservations.len());
    for id in reservations {
        owned.push(inventory::owned(app, viewer, *id).await?);
    }
    let basket = match Basket::of(app, &owned).await {
        Ok(basket) => basket,
        Err(Error::Fault(fault)) => return Err(fault),
        Err(Error::Refused(_)) => {
            return Err(Fault::invalid("reservationIds", "are of several shops or currencies"));
        }
    };
    let lines = basket.discountable(&basket.lines(owned.iter().map(|reservation| &reservation.snapshot))?)?;
    let claims = unused_of(app, account, order).await?;
    let offers = spend::offers(app, claims.iter()).await?;
    let all = discount::Basket { lines: &lines, currency: &basket.currency, now: app.clock.now() };
    let mut applicable: Vec<ApplicableClaim> = claims
        .into_iter()
        .zip(&offers)
        .map(|(claim, offer)| {
            let saves = match discount::apply(all, std::slice::from_ref(offer)) {
                Ok(discounts) => Ok(discounts.iter().map(discount::Discount::total).sum()),
                Err(refused) => {
                    Err(refused.first().map_or(DiscountRefusal::NothingLeft, |(_, reason)| *reason))
                }
            };
            ApplicableClaim { claim, currency: basket.currency.clone(), saves }
        })
        .collect();
    applicable.sort_by_key(|one| std::cmp::Reverse(one.saves.unwrap_or(-1)));
    Ok(applicable)
}

/// Returns the account's claims that are unused, or reserved by this order.
async fn unused_of(app: &App, account: AccountId, order: Option<OrderId>) -> FaultResult<Vec<claim::Model>> {
    let in_hand = claim::Column::State.eq(ClaimState::Claimed);
    let in_order =
        order.map(|id| claim::Column::State.eq(ClaimState::Reserved).and(claim::Column::OrderId.eq(id)));
    Ok(claim::Entity::find()
        .filter(claim::Column::AccountId.eq(account))
        .filter(Condition::any().add(in_hand).add_option(in_order))
        .order_by_desc(claim::Column::Id)
        .limit(CLAIMS_SHOWN_MAX)
        .all(app.store.read())
        .await?)
}

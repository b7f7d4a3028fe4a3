//! Paid copies of a coupon. They are issued as claims when their order becomes paid, as tickets are, and revoked by a
//! refund.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use chrono::{DateTime, Utc};
use entity::{
    ClaimId, CouponId, OrderLineId, ReservationId,
    claim::{self, ClaimState},
    order::{self, line},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use super::{
    claim::change_in_tx,
    offer_terms::{self, ClaimIds, ReservedTerms},
};
use crate::{
    app::App,
    error::{Error, FaultResult, Result},
    inventory, outbox,
    store::Tx,
};

/// SQLite accepts 32,766 values in a statement, and a claim has 18.
const CLAIMS_PER_STATEMENT: usize = 1_000;

/// Returns a new claim for each line of the order that is a copy of a coupon. The claims have the terms and the price
/// that were reserved. [`issue_in_tx`] stores them.
pub(crate) async fn new_claims(
    app: &App,
    order: &order::Model,
    lines: impl Iterator<Item = &line::Model>,
) -> FaultResult<Vec<claim::Model>> {
    let mut reserved: BTreeMap<ReservationId, ReservedTerms> = BTreeMap::new();
    let mut claims = Vec::new();
    for line in lines {
        let Some(coupon) = line.coupon_id else { continue };
        let terms = match reserved.entry(line.reservation_id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(terms_of(app, line.reservation_id, coupon).await?),
        };
        let claim = ClaimId(app.clock.new_uuid());
        let ids = ClaimIds { claim, coupon, shop: order.shop_id, buyer: order.account_id };
        let mut claim = terms.new_claim(app, ids)?;
        claim.order_line_id = Some(line.id);
        claims.push(claim);
    }
    Ok(claims)
}

/// Returns the terms that the reservation stored.
async fn terms_of(app: &App, id: ReservationId, coupon: CouponId) -> FaultResult<ReservedTerms> {
    let reservation = inventory::by_id(app, id).await?;
    match reservation.snapshot.items.first().and_then(|item| item.coupon_terms.as_deref()) {
        Some(text) => ReservedTerms::from_json(text),
        // The previous version of the server did not store the terms.
        None => Ok(offer_terms::current(app, coupon, |_| true).await?.reserved.clone()),
    }
}

/// Stores the claims of one order, which puts them into the buyer's bag.
pub(crate) async fn issue_in_tx(tx: &Tx, claims: &[claim::Model], now: DateTime<Utc>) -> FaultResult<()> {
    let Some(first) = claims.first() else { return Ok(()) };
    for claims in claims.chunks(CLAIMS_PER_STATEMENT) {
        let rows = claims.iter().cloned().map(IntoActiveModel::into_active_model);
        claim::Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    outbox::record_in_tx(tx, outbox::Kind::BagChanged, first.account_id.0, now).await?;
    let coupons: BTreeSet<_> = claims.iter().map(|claim| claim.coupon_id.0).collect();
    outbox::record_all_in_tx(tx, outbox::Kind::CouponChanged, coupons, now).await
}

/// A claim that was issued for an order line was used or given away.
pub(crate) struct ClaimUsed;

/// Revokes the claims that were issued for these lines of the order. If a claim was used or given away, refuses, and the
/// caller rolls back.
pub(crate) async fn revoke_in_tx(
    tx: &Tx,
    order: &order::Model,
    lines: &[OrderLineId],
    now: DateTime<Utc>,
) -> Result<(), ClaimUsed> {
    if lines.is_empty() {
        return Ok(());
    }
    let claims = claim::Entity::find()
        .filter(claim::Column::OrderLineId.is_in(lines.iter().copied()))
        .order_by_asc(claim::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    if claims.len() != lines.len() || !claims.iter().all(|claim| is_unused(order, claim)) {
        return Err(Error::Refused(ClaimUsed));
    }
    for claim in &claims {
        change_in_tx(tx, claim, now, |row| row.state = Set(ClaimState::Revoked)).await?;
    }
    Ok(())
}

/// Returns the lines whose claims cannot be revoked: they are used, given away or reserved by another order.
pub(crate) async fn used_of(
    app: &App,
    order: &order::Model,
    lines: impl Iterator<Item = OrderLineId>,
) -> FaultResult<BTreeSet<OrderLineId>> {
    let claims = of_order(app, lines.collect()).await?;
    let used = claims.into_iter().filter(|claim| !is_unused(order, claim));
    Ok(used.filter_map(|claim| claim.order_line_id).collect())
}

fn is_unused(order: &order::Model, claim: &claim::Model) -> bool {
    matches!(claim.state, ClaimState::Claimed | ClaimState::Expired)
        && claim.opened_at.is_none()
        && claim.account_id == order.account_id
        && claim.balance_minor == claim.face_minor
}

/// Returns the claims that were issued for these order lines, oldest first.
pub async fn of_order(app: &App, lines: Vec<OrderLineId>) -> FaultResult<Vec<claim::Model>> {
    Ok(claim::Entity::find()
        .filter(claim::Column::OrderLineId.is_in(lines))
        .order_by_asc(claim::Column::Id)
        .all(app.store.read())
        .await?)
}

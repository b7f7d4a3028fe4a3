//! The claims of an order, from the checkout to the order's end. Every step is part of the transaction that changes the
//! order's state, so that an order and its claims always agree.
//!
//! Locks: claims before budgets, each in ascending order of ids.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    ClaimId, OrderId, RedemptionId,
    claim::{self, ClaimState, redemption},
    order::{self, discount},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use uuid::Uuid;

use super::{budget, discount::Discount, spend::is_over};
use crate::{
    app::App,
    error::{Error, Fault, FaultResult, Object, Result},
    outbox,
    store::{Tx, save_versioned},
};

/// A claim, a budget or a place has changed since the discounts were calculated. The caller calculates them again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiscountsChanged;

/// The shortest time for which a gift card is valid after a refund.
const REFUND_VALIDITY: TimeDelta = TimeDelta::days(90);

/// A claim that applies to an order: its discount, and the version of the claim that the discount was calculated for.
#[derive(Clone, Debug)]
pub struct AppliedClaim {
    /// The discount.
    pub discount: Discount,
    /// The claim's version.
    pub seen: i64,
}

/// Reserves the claims for an order that this transaction creates, stores the discounts, and takes them from the
/// budgets. Refuses if a claim or budget has changed.
pub(crate) async fn reserve_in_tx(
    tx: &Tx,
    order: OrderId,
    applied: &[AppliedClaim],
    now: DateTime<Utc>,
) -> Result<(), DiscountsChanged> {
    if applied.is_empty() {
        return Ok(());
    }
    let seen: BTreeMap<ClaimId, i64> =
        applied.iter().map(|applied| (applied.discount.claim, applied.seen)).collect();
    for claim in locked_in_tx(tx, seen.keys().copied()).await? {
        if claim.state != ClaimState::Claimed || seen.get(&claim.id) != Some(&claim.version) {
            return Err(Error::Refused(DiscountsChanged));
        }
        let mut row = claim.clone().into_active_model();
        row.order_id = Set(Some(order));
        move_in_tx(tx, (&claim, row), ClaimState::Reserved, now).await?;
    }
    let rows: Vec<discount::Model> = (0..)
        .zip(applied)
        .map(|(position, AppliedClaim { discount, .. })| discount::Model {
            order_id: order,
            position,
            claim_id: discount.claim,
            coupon_id: discount.coupon,
            label: discount.title.clone(),
            amount_minor: discount.total(),
        })
        .collect();
    let spent = budget::spend_in_tx(tx, &budget::amounts(&rows)).await;
    spent.map_err(|error| error.map_refusal(|budget::Spent| DiscountsChanged))?;
    discount::Entity::insert_many(rows.into_iter().map(IntoActiveModel::into_active_model))
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Redeems the claims of an order that becomes paid. A gift card with a remaining balance stays usable.
pub(crate) async fn redeem_in_tx(
    tx: &Tx,
    order: &order::Model,
    discounts: &[discount::Model],
    now: DateTime<Utc>,
) -> FaultResult<()> {
    for (claim, discount) in claims_of_in_tx(tx, discounts).await? {
        if claim.state != ClaimState::Reserved || claim.order_id != Some(order.id) {
            return Err(Fault::internal("a claim of the order is reserved by another order"));
        }
        let mut row = claim.clone().into_active_model();
        let left = claim.balance_minor.map(|balance| balance - discount.amount_minor);
        row.balance_minor = Set(left);
        let to = match left {
            Some(1..) => unreserved(&claim, now),
            Some(_) | None => ClaimState::Redeemed,
        };
        if to == ClaimState::Redeemed {
            row.redeemed_at = Set(Some(now));
        }
        move_in_tx(tx, (&claim, row), to, now).await?;
        let redemption = redemption::ActiveModel {
            id: Set(redemption_id(order.id, discount.position)),
            claim_id: Set(claim.id),
            order_id: Set(Some(order.id)),
            amount_minor: Set(left.map(|_| discount.amount_minor)),
            given_minor: Set(None),
            account_id: Set(order.account_id),
            at: Set(now),
            reversed_at: Set(None),
        };
        redemption::Entity::insert(redemption).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Releases the claims of an order that ends unpaid, and gives their discounts back to the budgets.
pub(crate) async fn release_in_tx(tx: &Tx, order: OrderId, now: DateTime<Utc>) -> FaultResult<()> {
    let discounts = discounts_in_tx(tx, order).await?;
    for (claim, _) in claims_of_in_tx(tx, &discounts).await? {
        if claim.state != ClaimState::Reserved || claim.order_id != Some(order) {
            return Err(Fault::internal("a claim of the order is reserved by another order"));
        }
        let row = claim.clone().into_active_model();
        move_in_tx(tx, (&claim, row), unreserved(&claim, now), now).await?;
    }
    budget::refill_in_tx(tx, &budget::amounts(&discounts)).await
}

/// Restores the claims of a refunded order, and gives their discounts back to the budgets.
///
/// A redeemed claim can be used again unless it has expired. A gift card is money: it gets its balance back in any
/// state, and is valid for at least [`REFUND_VALIDITY`].
pub(crate) async fn restore_in_tx(tx: &Tx, order: OrderId, now: DateTime<Utc>) -> FaultResult<()> {
    let discounts = discounts_in_tx(tx, order).await?;
    for (claim, discount) in claims_of_in_tx(tx, &discounts).await? {
        let mut row = claim.clone().into_active_model();
        row.balance_minor = Set(claim.balance_minor.map(|balance| balance + discount.amount_minor));
        let is_money = claim.balance_minor.is_some();
        if is_money {
            row.valid_until = Set(claim.valid_until.map(|until| until.max(now + REFUND_VALIDITY)));
        }
        let to = match claim.state {
            ClaimState::Redeemed | ClaimState::Expired if is_money => ClaimState::Claimed,
            ClaimState::Redeemed => unreserved(&claim, now),
            ClaimState::Claimed
            | ClaimState::Reserved
            | ClaimState::Expired
            | ClaimState::Revoked
            | ClaimState::Released => claim.state,
        };
        if to != ClaimState::Redeemed {
            row.redeemed_at = Set(None);
        }
        move_in_tx(tx, (&claim, row), to, now).await?;
    }
    if !discounts.is_empty() {
        redemption::Entity::update_many()
            .col_expr(redemption::Column::ReversedAt, Expr::value(now))
            .filter(redemption::Column::OrderId.eq(order))
            .exec(tx)
            .await?;
    }
    budget::refill_in_tx(tx, &budget::amounts(&discounts)).await
}

/// Returns the order's discounts in the order of application.
pub async fn discounts_of(app: &App, order: OrderId) -> FaultResult<Vec<discount::Model>> {
    Ok(discount::Entity::find()
        .filter(discount::Column::OrderId.eq(order))
        .order_by_asc(discount::Column::Position)
        .all(app.store.read())
        .await?)
}

async fn discounts_in_tx(tx: &Tx, order: OrderId) -> FaultResult<Vec<discount::Model>> {
    Ok(discount::Entity::find().filter(discount::Column::OrderId.eq(order)).all(tx).await?)
}

/// Returns the claims, locked until the end of the transaction.
async fn locked_in_tx(tx: &Tx, ids: impl Iterator<Item = ClaimId>) -> FaultResult<Vec<claim::Model>> {
    Ok(claim::Entity::find()
        .filter(claim::Column::Id.is_in(ids))
        .order_by_asc(claim::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?)
}

/// Returns the locked claims of the discounts, each with its discount.
async fn claims_of_in_tx<'a>(
    tx: &Tx,
    discounts: &'a [discount::Model],
) -> FaultResult<Vec<(claim::Model, &'a discount::Model)>> {
    if discounts.is_empty() {
        return Ok(Vec::new());
    }
    let claims = locked_in_tx(tx, discounts.iter().map(|discount| discount.claim_id)).await?;
    let of = |claim: &claim::Model| discounts.iter().find(|discount| discount.claim_id == claim.id);
    Ok(claims.into_iter().filter_map(|claim| of(&claim).map(|discount| (claim, discount))).collect())
}

/// Stores a claim's next state, and notifies its holder and the vendor.
async fn move_in_tx(
    tx: &Tx,
    (claim, mut row): (&claim::Model, claim::ActiveModel),
    to: ClaimState,
    now: DateTime<Utc>,
) -> FaultResult<()> {
    row.state = Set(to);
    row.updated_at = Set(now);
    save_versioned::<claim::Entity>(tx, row, claim.version, Object::Claim).await?;
    outbox::record_in_tx(tx, outbox::Kind::BagChanged, claim.account_id.0, now).await?;
    outbox::record_in_tx(tx, outbox::Kind::CouponChanged, claim.coupon_id.0, now).await
}

/// Returns the state of a claim that no order reserves.
fn unreserved(claim: &claim::Model, now: DateTime<Utc>) -> ClaimState {
    if is_over(claim, now) { ClaimState::Expired } else { ClaimState::Claimed }
}

/// Returns the redemption's id, which is derived from the order's id and the discount's position.
fn redemption_id(order: OrderId, position: i32) -> RedemptionId {
    let mut bytes = order.0.into_bytes();
    bytes[15] ^= position.to_le_bytes()[0].wrapping_add(1);
    RedemptionId(Uuid::from_bytes(bytes))
}

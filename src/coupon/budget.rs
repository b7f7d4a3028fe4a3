//! Budgets: the exact sum of a coupon's discounts, and its limit.
//!
//! Every coupon has a row. If the row has a limit, `spent` equals at every commit the discounts of the coupon's claims
//! on live orders plus those at counters. Without a limit nothing is counted, so that buyers do not wait for each
//! other. A limit that is set later starts with the sum of the earlier discounts.
//!
//! Locks: after the claims and the inventory, in ascending order of ids.

use std::collections::BTreeMap;

use entity::{
    CouponId,
    claim::{self, redemption},
    coupon::{self, budget},
    order::discount,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, LockType, Query},
};

use super::rules::Refusal;
use crate::{
    app::App,
    error::{Error, FaultResult, Result},
    store::Tx,
};

/// Sets the limit to that of the coupon. Refuses a limit below the spent sum.
pub(super) async fn set_in_tx(tx: &Tx, app: &App, coupon: &coupon::Model) -> Result<(), Refusal> {
    let allowed = coupon.budget_minor;
    let Some(row) = budget::Entity::find_by_id(coupon.id).lock_exclusive().one(tx).await? else {
        let row = budget::ActiveModel { coupon_id: Set(coupon.id), allowed: Set(allowed), spent: Set(0) };
        budget::Entity::insert(row).exec_without_returning(tx).await?;
        return Ok(());
    };
    let spent = match (row.allowed, allowed) {
        (_, None) => 0,
        (Some(_), Some(_)) => row.spent,
        // Race: the row lock orders this with transactions that spend at the same time.
        (None, Some(_)) => given_in_tx(tx, app, coupon.id).await?,
    };
    if allowed.is_some_and(|allowed| spent > allowed) {
        return Err(Error::Refused(Refusal::BudgetSpent { spent }));
    }
    let row = budget::ActiveModel { coupon_id: Set(coupon.id), allowed: Set(allowed), spent: Set(spent) };
    budget::Entity::update(row).exec(tx).await?;
    Ok(())
}

/// A budget is too small for the amount.
pub(super) struct Spent;

/// Takes the amounts from the budgets. If a budget is too small, refuses, and the caller rolls back.
pub(super) async fn spend_in_tx(tx: &Tx, amounts: &BTreeMap<CouponId, i64>) -> Result<(), Spent> {
    for (coupon, amount) in amounts {
        let spent = Expr::col(budget::Column::Spent).add(*amount);
        let written = budget::Entity::update_many()
            .col_expr(budget::Column::Spent, spent.clone())
            .filter(budget::Column::CouponId.eq(*coupon))
            .filter(spent.lte(Expr::col(budget::Column::Allowed)))
            .exec(tx)
            .await?;
        if written.rows_affected == 1 {
            continue;
        }
        // A shared lock until the commit: a transaction that sets a limit waits for it, and counts this discount.
        let row = budget::Entity::find_by_id(*coupon).lock(LockType::Share).one(tx).await?;
        if row.is_some_and(|row| row.allowed.is_some()) {
            return Err(Error::Refused(Spent));
        }
    }
    Ok(())
}

/// Gives the amounts back to the budgets with a limit.
pub(super) async fn refill_in_tx(tx: &Tx, amounts: &BTreeMap<CouponId, i64>) -> FaultResult<()> {
    for (coupon, amount) in amounts {
        // The lock waits for a transaction that sets a limit. That transaction counted the discount that ends here.
        let row = budget::Entity::find_by_id(*coupon).lock_exclusive().one(tx).await?;
        let Some(spent) = row.filter(|row| row.allowed.is_some()).map(|row| row.spent) else { continue };
        budget::Entity::update_many()
            .col_expr(budget::Column::Spent, Expr::value(spent - amount))
            .filter(budget::Column::CouponId.eq(*coupon))
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Returns the sum of the discounts by coupon.
pub(super) fn amounts(discounts: &[discount::Model]) -> BTreeMap<CouponId, i64> {
    let mut sums = BTreeMap::new();
    for discount in discounts {
        *sums.entry(discount.coupon_id).or_default() += discount.amount_minor;
    }
    sums
}

/// Returns the discounts of the coupon's claims on live orders and at counters.
async fn given_in_tx(tx: &Tx, app: &App, coupon: CouponId) -> FaultResult<i64> {
    let claims = Query::select()
        .column(claim::Column::Id)
        .from(claim::Entity)
        .and_where(claim::Column::CouponId.eq(coupon))
        .to_owned();
    let discounts: Vec<i64> = discount::Entity::find()
        .select_only()
        .column(discount::Column::AmountMinor)
        .filter(discount::Column::CouponId.eq(coupon))
        .filter(discount::Column::OrderId.in_subquery((app.coupon.live_orders)()))
        .into_tuple()
        .all(tx)
        .await?;
    let at_counters: Vec<Option<i64>> = redemption::Entity::find()
        .select_only()
        .column(redemption::Column::GivenMinor)
        .filter(redemption::Column::ClaimId.in_subquery(claims))
        .filter(redemption::Column::GivenMinor.is_not_null())
        .into_tuple()
        .all(tx)
        .await?;
    Ok(discounts.into_iter().chain(at_counters.into_iter().flatten()).sum())
}

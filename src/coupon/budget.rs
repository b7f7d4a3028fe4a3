//! What a campaign may give: the sum of its discounts, kept exactly.
//!
//! Every coupon has a row. Where it allows a sum, what is spent is at every commit what the coupon's claims take off the
//! orders that are alive, and what they took off at counters. Where it allows any, nobody counts, so that buyers do not
//! wait for one another; a budget that is set later begins with the sum of what was given before.
//!
//! Locks: after the claims and the inventory, in ascending order of ids.

use std::collections::BTreeMap;

use entity::{
    CouponId,
    claim::{self, redemption},
    coupon::{self, budget},
    order::{self, OrderState, discount},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, LockType, Query},
};

use super::rules::Refusal;
use crate::{
    error::{Error, Faulty, Result},
    store::Tx,
};

/// Makes the budget what the coupon says; what is spent stays spent.
pub(super) async fn set_in_tx(tx: &Tx, coupon: &coupon::Model) -> Result<(), Refusal> {
    let allowed = coupon.budget_minor;
    let Some(row) = budget::Entity::find_by_id(coupon.id).lock_exclusive().one(tx).await? else {
        let row = budget::ActiveModel { coupon_id: Set(coupon.id), allowed: Set(allowed), spent: Set(0) };
        budget::Entity::insert(row).exec_without_returning(tx).await?;
        return Ok(());
    };
    let spent = match (row.allowed, allowed) {
        (_, None) => 0,
        (Some(_), Some(_)) => row.spent,
        // Whoever spends at this moment waits for the row, or is waited for.
        (None, Some(_)) => given_in_tx(tx, coupon.id).await?,
    };
    if allowed.is_some_and(|allowed| spent > allowed) {
        return Err(Error::Refused(Refusal::BudgetSpent { spent }));
    }
    let row = budget::ActiveModel { coupon_id: Set(coupon.id), allowed: Set(allowed), spent: Set(spent) };
    budget::Entity::update(row).exec(tx).await?;
    Ok(())
}

/// Takes the amounts from the budgets. `false`: one of them has not as much, and everything must be rolled back.
pub(super) async fn spend_in_tx(tx: &Tx, amounts: &BTreeMap<CouponId, i64>) -> Faulty<bool> {
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
        // Shared, and kept until the end: a budget that is set meanwhile counts this in.
        let row = budget::Entity::find_by_id(*coupon).lock(LockType::Share).one(tx).await?;
        if row.is_some_and(|row| row.allowed.is_some()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives the amounts back to the budgets that count.
pub(super) async fn refill_in_tx(tx: &Tx, amounts: &BTreeMap<CouponId, i64>) -> Faulty<()> {
    for (coupon, amount) in amounts {
        // Waits for a budget that is being set, and sees it: what ends here was counted in.
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

/// What discounts take from each coupon's budget.
pub(super) fn amounts(discounts: &[discount::Model]) -> BTreeMap<CouponId, i64> {
    let mut sums = BTreeMap::new();
    for discount in discounts {
        *sums.entry(discount.coupon_id).or_default() += discount.amount_minor;
    }
    sums
}

/// What the coupon's claims have taken off orders that are alive, and at counters.
async fn given_in_tx(tx: &Tx, coupon: CouponId) -> Faulty<i64> {
    // A part of an order is refunded with all that claims took off it.
    let dead =
        [OrderState::Expired, OrderState::Cancelled, OrderState::Refunded, OrderState::PartiallyRefunded];
    let alive = Query::select()
        .column(order::Column::Id)
        .from(order::Entity)
        .and_where(order::Column::State.is_not_in(dead))
        .to_owned();
    let claims = Query::select()
        .column(claim::Column::Id)
        .from(claim::Entity)
        .and_where(claim::Column::CouponId.eq(coupon))
        .to_owned();
    let discounts: Vec<i64> = discount::Entity::find()
        .select_only()
        .column(discount::Column::AmountMinor)
        .filter(discount::Column::CouponId.eq(coupon))
        .filter(discount::Column::OrderId.in_subquery(alive))
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

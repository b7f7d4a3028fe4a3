//! Expiry of unpaid orders: an order ends with the first of its reservations.

use chrono::{DateTime, Utc};
use entity::{
    OrderId,
    order::{self, OrderState},
    reservation::{self, ReservationState},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Query},
};

use super::{by_id, end, has_live_payment, state::Step};
use crate::{
    app::App,
    error::{Fault, FaultResult, Object},
    store::save_versioned,
    telemetry::log_fault,
};

/// Overdue orders read per query.
const EXPIRE_BATCH: u64 = 100;

/// Ends the unpaid orders that are overdue or have lost a reservation. Returns the number of orders examined.
///
/// Correctness does not depend on this: the places of an overdue order can be reserved at once.
pub async fn expire_due(app: &App) -> FaultResult<usize> {
    let released = Query::select()
        .column(reservation::Column::Id)
        .from(reservation::Entity)
        .and_where(
            Expr::col((reservation::Entity, reservation::Column::OrderId))
                .equals((order::Entity, order::Column::Id)),
        )
        .and_where(reservation::Column::State.eq(ReservationState::Released))
        .to_owned();
    let due = order::Entity::find()
        .select_only()
        .column(order::Column::Id)
        .filter(order::Column::State.eq(OrderState::AwaitingPayment))
        .filter(
            Condition::any()
                .add(order::Column::ExpiresAt.lte(app.clock.now()))
                // The event of a reservation was cancelled.
                .add(Expr::exists(released)),
        )
        .filter(order::Column::Id.not_in_subquery((app.order.being_paid)(None)))
        .order_by_asc(order::Column::Id)
        .limit(EXPIRE_BATCH);
    let (mut count, mut last) = (0, None);
    loop {
        let after = last.map(|last| order::Column::Id.gt(last));
        let ids: Vec<OrderId> =
            due.clone().filter(Condition::all().add_option(after)).into_tuple().all(app.store.read()).await?;
        for id in &ids {
            // A failure of one order, or of many, must not block the others.
            if let Err(fault) = expire_or_prolong(app, *id).await {
                log_fault!(&fault, order = %id.0, "cannot end an overdue order; will retry");
            }
        }
        count += ids.len();
        last = ids.last().copied();
        if last.is_none() {
            return Ok(count);
        }
    }
}

/// Sets the order's end to the first deadline of its reservations, or ends it if one of them has ended.
pub(super) async fn expire_or_prolong(app: &App, id: OrderId) -> FaultResult<()> {
    let order = by_id(app, id).await?;
    // Checked before the reservations are read. A payment that begins afterwards changes the order's version, and this
    // decision fails as stale. In the other order, a payment that ended in between would leave the reservations looking
    // as if they were being paid.
    if order.state != OrderState::AwaitingPayment || has_live_payment(app, id).await? {
        return Ok(());
    }
    let now = app.clock.now();
    let reservations =
        reservation::Entity::find().filter(reservation::Column::OrderId.eq(id)).all(app.store.read()).await?;
    let alive = |row: &reservation::Model| row.state == ReservationState::Active && row.deadline > now;
    let until = reservations.iter().map(|row| row.deadline).min();
    match until {
        Some(until) if reservations.iter().all(alive) => prolong(app, order, until).await,
        Some(_) | None => end(app, order, Step::Expire).await,
    }
}

/// Sets the order's end to `until`.
async fn prolong(app: &App, order: order::Model, until: DateTime<Utc>) -> FaultResult<()> {
    if order.expires_at == until {
        return Ok(());
    }
    let tx = app.store.begin().await?;
    let version = order.version;
    let mut row = order.into_active_model();
    row.expires_at = Set(until);
    row.updated_at = Set(app.clock.now());
    match save_versioned::<order::Entity>(&tx, row, version, Object::Order).await {
        Ok(_) => Ok(tx.commit().await?),
        // Paid or cancelled meanwhile: nothing to prolong.
        Err(Fault::Stale(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

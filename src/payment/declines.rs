//! Limits on declined payments: per order and per account, counted in the database, and per network.
//!
//! A successful payment takes back one of its network's declines, and an account that has paid before does not count
//! for its network. So a school class behind one address can pay, but a list of stolen cards cannot be tried.

use chrono::TimeDelta;
use entity::{
    order::{self, OrderState},
    payment::{self, PaymentState},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::Refusal;
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, FaultResult, Result},
    limits::{Exceeded, Rule, Subject},
};

/// Refuses another payment of the order if too many were declined.
pub(super) async fn check(app: &App, viewer: &Viewer, order: &order::Model) -> Result<(), Refusal> {
    check_stored(app, order).await?;
    let Some(network) = app.limits.network_subject(viewer) else { return Ok(()) };
    match app.limits.check((Rule::NetworkDeclines, network)).await {
        Err(exceeded) if !has_paid(app, order).await? => Err(refused(app, exceeded)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Counts the result of a payment that was open before.
pub(super) async fn note(app: &App, viewer: &Viewer, payment: &payment::Model) {
    let Some(network) = app.limits.network_subject(viewer) else { return };
    match payment.state {
        PaymentState::Failed => app.limits.failed((Rule::NetworkDeclines, network)).await,
        PaymentState::Captured => app.limits.relieve((Rule::NetworkDeclines, network)).await,
        PaymentState::Created
        | PaymentState::Submitted
        | PaymentState::RequiresAction
        | PaymentState::Authorised
        | PaymentState::Capturing
        | PaymentState::Cancelled => {}
    }
}

/// Refuses if the account's orders have reached the allowed number of declined payments in the window. This includes
/// the declines of this order.
async fn check_stored(app: &App, order: &order::Model) -> Result<(), Refusal> {
    let window = app.config.limits.declines;
    let (now, length) = (app.clock.now(), TimeDelta::minutes(window.minutes.into()));
    let orders = order::Entity::find()
        .select_only()
        .column(order::Column::Id)
        .filter(order::Column::AccountId.eq(order.account_id))
        .into_query();
    let failed = payment::Entity::find()
        .filter(payment::Column::OrderId.in_subquery(orders))
        .filter(payment::Column::State.eq(PaymentState::Failed))
        .filter(payment::Column::UpdatedAt.gt(now - length))
        .order_by_desc(payment::Column::UpdatedAt)
        .limit(u64::from(window.most))
        .all(app.store.read())
        .await?;
    // Another payment is allowed when the oldest of the last `most` declines leaves the window.
    let most = usize::try_from(window.most).unwrap_or(usize::MAX);
    let Some(first) = failed.get(most.saturating_sub(1)) else { return Ok(()) };
    let bucket = if failed.iter().all(|failed| failed.order_id == order.id) {
        (Rule::OrderDeclines, Subject::Id(order.id.0))
    } else {
        (Rule::AccountDeclines, Subject::Id(order.account_id.0))
    };
    Err(refused(app, app.limits.refused(bucket, length - (now - first.updated_at))))
}

/// Returns whether the order's account has paid an order before.
async fn has_paid(app: &App, order: &order::Model) -> FaultResult<bool> {
    let paid = order::Entity::find()
        .filter(order::Column::AccountId.eq(order.account_id))
        .filter(order::Column::TotalMinor.gt(0))
        .filter(order::Column::State.is_in([
            OrderState::Paid,
            OrderState::PartiallyRefunded,
            OrderState::Refunded,
        ]));
    Ok(paid.limit(1).count(app.store.read()).await? > 0)
}

fn refused(app: &App, exceeded: Exceeded) -> Error<Refusal> {
    Error::Refused(Refusal::TooManyDeclines { available_at: app.clock.now() + exceeded.retry_after })
}

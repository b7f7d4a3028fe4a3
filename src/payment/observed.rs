//! Metrics, traces and audit records of payments.

use std::collections::BTreeMap;

use entity::{
    RefundId,
    order::Model as Order,
    payment::{self, PaymentState, RefundState, refund},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde_json::json;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::provider::ProviderError;
use crate::{
    app::App,
    audit::{self, Action, By, Entry},
    auth::Viewer,
    error::FaultResult,
    store::Tx,
};

/// The states of undecided payments.
const OPEN: [PaymentState; 5] = [
    PaymentState::Created,
    PaymentState::Submitted,
    PaymentState::RequiresAction,
    PaymentState::Authorised,
    PaymentState::Capturing,
];

/// Returns the number of undecided payments by state. Reads a partial index that contains only these.
pub async fn open_by_state(app: &App) -> FaultResult<BTreeMap<&'static str, i64>> {
    let rows: Vec<(PaymentState, i64)> = payment::Entity::find()
        .select_only()
        .column(payment::Column::State)
        .column_as(payment::Column::Id.count(), "count")
        .filter(payment::Column::State.is_not_in([
            PaymentState::Captured,
            PaymentState::Failed,
            PaymentState::Cancelled,
        ]))
        .group_by(payment::Column::State)
        .into_tuple()
        .all(app.store.read())
        .await?;
    let mut counts: BTreeMap<_, _> = OPEN.into_iter().map(|state| (outcome(state), 0)).collect();
    counts.extend(rows.into_iter().map(|(state, count)| (outcome(state), count)));
    Ok(counts)
}

/// Returns the name of a payment state in metrics.
pub(super) fn outcome(state: PaymentState) -> &'static str {
    match state {
        PaymentState::Created => "created",
        PaymentState::Submitted => "submitted",
        PaymentState::RequiresAction => "requires_action",
        PaymentState::Authorised => "authorised",
        PaymentState::Capturing => "capturing",
        PaymentState::Captured => "captured",
        PaymentState::Failed => "failed",
        PaymentState::Cancelled => "cancelled",
    }
}

/// Returns the name of a refund's final state in metrics; `None` while it is pending.
pub(super) fn refund_outcome(state: RefundState) -> Option<&'static str> {
    match state {
        RefundState::Succeeded => Some("succeeded"),
        RefundState::Failed => Some("failed"),
        RefundState::Manual => Some("manual"),
        RefundState::Requested | RefundState::Submitted | RefundState::Pending => None,
    }
}

/// Runs a call to the provider with a trace span and a duration metric.
pub(super) async fn call<T>(
    app: &App,
    name: &'static str,
    call: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let begun = Instant::now();
    let answer = call.instrument(tracing::info_span!("provider call", call = name)).await;
    let outcome = match &answer {
        Ok(_) => "ok",
        Err(ProviderError::Unknown) => "unknown",
        Err(ProviderError::Refused(_)) => "refused",
    };
    app.metrics.provider_call(name, outcome, begun.elapsed());
    answer
}

/// A requested refund.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefundRequest {
    /// The refund's id, also if no money moves.
    pub(super) refund: Uuid,
    /// Amount in minor units.
    pub(super) amount: i64,
    /// Whether the whole order is refunded.
    pub(super) whole: bool,
}

/// Records the request to refund an order or a part of it.
pub(super) async fn record_request_in_tx(
    tx: &Tx,
    app: &App,
    viewer: &Viewer,
    (order, request): (&Order, RefundRequest),
) -> FaultResult<()> {
    let RefundRequest { refund, amount, whole } = request;
    let details =
        json!({ "order": order.id.0, "amount": amount, "currency": order.currency, "whole": whole });
    let entry = Entry::new(Action::RefundRequested, RefundId(refund), details).of_shop(order.shop_id);
    audit::record_in_tx(tx, app, By::Viewer(*viewer), entry).await
}

/// Records that a payment was captured.
pub(super) async fn record_capture_in_tx(
    tx: &Tx,
    app: &App,
    order: &Order,
    payment: &payment::Model,
) -> FaultResult<()> {
    let details =
        json!({ "order": order.id.0, "amount": payment.amount_minor, "currency": payment.currency });
    let entry = Entry::new(Action::PaymentCaptured, payment.id, details).of_shop(order.shop_id);
    audit::record_in_tx(tx, app, By::Server, entry).await
}

/// Records that the provider refunded the money.
pub(super) async fn record_refund_in_tx(
    tx: &Tx,
    app: &App,
    order: &Order,
    refund: &refund::Model,
) -> FaultResult<()> {
    let details = json!({
        "order": order.id.0,
        "payment": refund.payment_id.0,
        "amount": refund.amount_minor,
        "currency": refund.currency,
    });
    let entry = Entry::new(Action::PaymentRefunded, refund.id, details).of_shop(order.shop_id);
    audit::record_in_tx(tx, app, By::Server, entry).await
}

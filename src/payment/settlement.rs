//! Settlement of a payment: one question to the provider and one commit of its answer at a time, until it is decided.
//!
//! Invariant: every step can be the last before a crash, and several processes can run the same step.

use chrono::{DateTime, Duration, Utc};
use entity::{
    PaymentId,
    payment::{self, PaymentState},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

use super::{
    CHECK_SECONDS, RECOVER_BATCH, by_id, ledger, observed, parts,
    provider::{Intent, NewIntent, ProviderError},
    sell, state,
};
use crate::{
    app::App,
    error::{Fault, FaultResult, Object},
    inventory::{
        Command,
        transaction::{Companion, InventoryTransaction, TransactionError, transact},
    },
    order::{
        self as orders,
        state::{self as order_state, Step},
    },
    outbox,
    store::save_versioned,
    telemetry::log_fault,
};

/// Maximum steps of one settlement. A payment has fewer states.
const STEPS_MAX: usize = 12;
/// The failure code of a payment whose method the provider does not know.
pub(super) const UNKNOWN_METHOD: &str = "unknown_method";

/// Settles all undecided payments whose `check_at` has passed, for example after a crash. Returns their number.
pub async fn recover(app: &App) -> FaultResult<usize> {
    let due: Vec<PaymentId> = payment::Entity::find()
        .select_only()
        .column(payment::Column::Id)
        .filter(payment::Column::State.is_not_in([
            PaymentState::Captured,
            PaymentState::Failed,
            PaymentState::Cancelled,
        ]))
        .filter(payment::Column::CheckAt.lte(app.clock.now()))
        .order_by_asc(payment::Column::CheckAt)
        .limit(RECOVER_BATCH)
        .into_tuple()
        .all(app.store.read())
        .await?;
    for id in &due {
        if let Err(fault) = settle(app, *id).await {
            log_fault!(&fault, payment = %id.0, "cannot settle a payment; will retry");
            // Postponed, so that it does not block others.
            if let Ok(payment) = by_id(app, *id).await {
                drop(postpone(app, &payment).await);
            }
        }
    }
    Ok(due.len())
}

/// Advances the payment as far as the provider's answers allow. Idempotent; concurrent calls are safe.
pub async fn settle(app: &App, id: PaymentId) -> FaultResult<()> {
    settle_or_cancel(app, id, false).await
}

/// Settles the payment, and cancels it at the provider if it is undecided there.
pub(super) async fn cancel(app: &App, id: PaymentId) -> FaultResult<()> {
    settle_or_cancel(app, id, true).await
}

async fn settle_or_cancel(app: &App, id: PaymentId, cancel: bool) -> FaultResult<()> {
    for _ in 0..STEPS_MAX {
        let payment = by_id(app, id).await?;
        let before = (payment.state, payment.version);
        match step(app, &payment, cancel).await {
            // Stale: a concurrent call advanced it; read it again.
            Ok(()) | Err(Fault::Stale(_)) => {}
            Err(fault) => return Err(fault),
        }
        let after = by_id(app, id).await?;
        if (after.state, after.version) == before || state::has_ended(after.state) {
            break;
        }
    }
    app.outbox.wake();
    Ok(())
}

/// Asks the provider one question and commits its answer.
async fn step(app: &App, payment: &payment::Model, cancel: bool) -> FaultResult<()> {
    let provider = &*app.payment.provider;
    let overdue = cancel || payment.deadline <= app.clock.now();
    let fenced;
    let payment = if overdue && state::is_cancellable(payment.state) && payment.provider_ref.is_some() {
        fenced = fence(app, payment).await?;
        &fenced
    } else {
        payment
    };
    let reference = payment.provider_ref.as_deref();
    let answer = match (payment.state, reference) {
        (PaymentState::Captured | PaymentState::Failed | PaymentState::Cancelled, _) => return Ok(()),
        // Cancelled or overdue: a buyer who returns later must not be charged.
        (
            PaymentState::Authorised | PaymentState::RequiresAction | PaymentState::Submitted,
            Some(reference),
        ) if overdue => observed::call(app, "cancel", provider.cancel(reference)).await,
        (PaymentState::Authorised, Some(_)) => {
            return match sell::sell(app, payment).await {
                Ok(()) => Ok(()),
                Err(TransactionError::Fault(fault)) => Err(fault),
                // The seats are gone: the authorisation is cancelled next, and nobody is charged. Race: a concurrent
                // settlement may have sold them; then the fence fails as stale.
                Err(TransactionError::Refused(_) | TransactionError::KeyUsed) => {
                    fence(app, payment).await.map(|_| ())
                }
            };
        }
        (PaymentState::Capturing, Some(reference)) => {
            observed::call(app, "capture", provider.capture(reference)).await
        }
        (_, Some(reference)) => observed::call(app, "find", provider.find(reference)).await,
        // There is no answer yet: the same key finds the existing intent or creates it.
        (_, None) => observed::call(app, "create", provider.create(&new_intent(payment))).await,
    };
    match answer {
        Ok(intent) => observe(app, payment, &intent).await,
        Err(ProviderError::Unknown) => postpone(app, payment).await,
        Err(ProviderError::Refused(code)) if reference.is_none() => {
            tracing::info!(payment = %payment.id.0, code, "the provider refused the payment");
            end(app, payment, PaymentState::Failed, None, Some(UNKNOWN_METHOD)).await
        }
        Err(ProviderError::Refused(code)) => {
            tracing::error!(payment = %payment.id.0, code, "the provider refused a call about its own intent");
            postpone(app, payment).await
        }
    }
}

/// Stores that the payment is cancelled, before the provider is told. From then on no call sells seats for it. A
/// concurrent sale was either first, and this fails as stale, or comes later and fails itself.
async fn fence(app: &App, payment: &payment::Model) -> FaultResult<payment::Model> {
    if payment.updated_at >= payment.deadline {
        // Already stored after its deadline: every reader knows that it is over.
        return Ok(payment.clone());
    }
    let now = app.clock.now();
    let mut row = payment.clone().into_active_model();
    row.deadline = Set(payment.deadline.min(now));
    row.updated_at = Set(now);
    let tx = app.store.begin().await?;
    let fenced = save_versioned::<payment::Entity>(&tx, row, payment.version, Object::Payment).await?;
    tx.commit().await?;
    Ok(fenced)
}

/// Fails as stale if the payment has changed since it was read. Race: a concurrent settlement may have sold its seats,
/// which is why they cannot be sold now. That sale advanced the payment in the same commit.
async fn unchanged(app: &App, payment: &payment::Model) -> FaultResult<()> {
    let now = by_id(app, payment.id).await?;
    if now.version == payment.version { Ok(()) } else { Err(Fault::Stale(Object::Payment)) }
}

/// Stores the provider's answer if it advances the payment.
async fn observe(app: &App, payment: &payment::Model, intent: &Intent) -> FaultResult<()> {
    if intent.amount != payment.amount_minor || intent.currency != payment.currency {
        return stuck(app, payment, "the provider reports another amount").await;
    }
    let observed = state::state_of(intent.status);
    if payment.state == PaymentState::Capturing
        && matches!(observed, PaymentState::Failed | PaymentState::Cancelled)
    {
        return stuck(app, payment, "the seats are sold, but the authorisation is gone").await;
    }
    let Some(next) = state::advance(payment.state, observed) else {
        return postpone(app, payment).await;
    };
    if matches!(next, PaymentState::Failed | PaymentState::Cancelled) {
        return end(app, payment, next, Some(intent), intent.failure_code.as_deref()).await;
    }
    if next == PaymentState::Captured && payment.state != PaymentState::Capturing {
        // Captured although we only authorise: sell the seats first, then book.
        return match sell::sell(app, payment).await {
            Ok(()) => Ok(()),
            Err(TransactionError::Fault(fault)) => Err(fault),
            Err(TransactionError::Refused(_) | TransactionError::KeyUsed) => {
                unchanged(app, payment).await?;
                stuck(app, payment, "captured, but the seats are gone").await
            }
        };
    }
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let mut row = payment.clone().into_active_model();
    row.state = Set(next);
    row.provider_ref = Set(Some(intent.reference.clone()));
    row.next_action_url = Set(intent.next_action_url.clone());
    row.check_at = Set(next_check(payment, now));
    row.updated_at = Set(now);
    save_versioned::<payment::Entity>(&tx, row, payment.version, Object::Payment).await?;
    if next == PaymentState::Captured {
        let order = orders::by_id(app, payment.order_id).await?;
        ledger::book_capture_in_tx(&tx, app, &order, payment).await?;
        observed::record_capture_in_tx(&tx, app, &order, payment).await?;
    }
    outbox::record_in_tx(&tx, outbox::Kind::OrderChanged, payment.order_id.0, now).await?;
    tx.commit().await?;
    if next == PaymentState::Captured {
        app.metrics.payment("captured");
    }
    Ok(())
}

/// Ends a payment that was seen as failed or cancelled, and lets its reservations expire again, in one transaction.
async fn end(
    app: &App,
    payment: &payment::Model,
    observed: PaymentState,
    intent: Option<&Intent>,
    failure: Option<&str>,
) -> FaultResult<()> {
    let Some(to) = state::advance(payment.state, observed) else { return Ok(()) };
    let now = app.clock.now();
    let mut row = payment.clone().into_active_model();
    row.state = Set(to);
    row.failure_code = Set(failure.map(str::to_owned));
    row.next_action_url = Set(None);
    row.updated_at = Set(now);
    if let Some(intent) = intent {
        row.provider_ref = Set(Some(intent.reference.clone()));
    }
    let (version, order) = (payment.version, payment.order_id);
    let write: Companion = Box::new(move |tx, _| {
        let row = row.clone();
        Box::pin(async move {
            save_versioned::<payment::Entity>(tx, row, version, Object::Payment).await?;
            Ok(outbox::record_in_tx(tx, outbox::Kind::OrderChanged, order.0, now).await?)
        })
    });
    let parts =
        parts(orders::live_reservations(app, order).await?, |id| vec![Command::EndPayment { id, order }]);
    if parts.is_empty() {
        let tx = app.store.begin().await?;
        write(&tx, &[]).await?;
        tx.commit().await?;
        app.metrics.payment(observed::outcome(to));
        return Ok(());
    }
    match transact(app, InventoryTransaction { parts, companion: Some(write), key: None }).await {
        Ok(_) => {
            app.metrics.payment(observed::outcome(to));
            Ok(())
        }
        // The reservations changed meanwhile; the next step reads them again.
        Err(TransactionError::Refused(_) | TransactionError::KeyUsed) => {
            Err(Fault::Stale(Object::Reservation))
        }
        Err(TransactionError::Fault(fault)) => Err(fault),
    }
}

/// Returns when the payment is checked next: at its deadline at the latest, so that its places become free then.
fn next_check(payment: &payment::Model, now: DateTime<Utc>) -> DateTime<Utc> {
    let next = now + Duration::seconds(CHECK_SECONDS);
    if payment.deadline > now { next.min(payment.deadline) } else { next }
}

/// Schedules the next check of the payment.
async fn postpone(app: &App, payment: &payment::Model) -> FaultResult<()> {
    let check_at = next_check(payment, app.clock.now());
    let tx = app.store.begin().await?;
    payment::Entity::update_many()
        .col_expr(payment::Column::CheckAt, Expr::value(check_at))
        .filter(payment::Column::Id.eq(payment.id))
        .filter(payment::Column::Version.eq(payment.version))
        .exec(&tx)
        .await?;
    Ok(tx.commit().await?)
}

/// Marks the order of an undecidable payment as stuck, and alerts the operators.
async fn stuck(app: &App, payment: &payment::Model, why: &str) -> FaultResult<()> {
    tracing::error!(payment = %payment.id.0, order = %payment.order_id.0, why, "a payment is stuck");
    app.metrics.payment("stuck");
    let order = orders::by_id(app, payment.order_id).await?;
    if order_state::after(order.state, Step::Suspend).is_ok() {
        let tx = app.store.begin().await?;
        orders::move_in_tx(&tx, &order, Step::Suspend, app.clock.now()).await?;
        tx.commit().await?;
    }
    postpone(app, payment).await
}

fn new_intent(payment: &payment::Model) -> NewIntent {
    NewIntent {
        payment: payment.id,
        order: payment.order_id,
        amount: payment.amount_minor,
        currency: payment.currency.clone(),
        method: payment.method.clone(),
    }
}

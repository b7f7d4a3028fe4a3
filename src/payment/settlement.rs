//! Settling a payment: one question to the provider and one commit of its answer at a time, until it is decided.
//!
//! Invariant: every step can be the last before a crash, and can be taken by several at once.

use chrono::{DateTime, Duration, Utc};
use entity::{
    PaymentId,
    order::OrderState,
    payment::{self, PaymentState},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

use super::{
    CHECK_SECONDS, RECOVER_BATCH, by_id, ledger, parts, observed,
    provider::{Intent, NewIntent, ProviderError},
    sell, state,
};
use crate::{
    app::App,
    error::{Fault, Faulty},
    inventory::{
        Command,
        transaction::{Companion, InventoryTransaction, TransactionError, transact},
    },
    order as orders, outbox,
    store::save_versioned,
    telemetry::log_fault,
};

/// Steps that one settlement takes at the most; a payment has fewer states.
const STEPS_MAX: usize = 12;
/// The failure code of a payment whose method the provider does not know.
pub(super) const UNKNOWN_METHOD: &str = "unknown_method";

/// Takes up every payment that is not decided and not being looked at; says how many. This is how a crash is mended.
pub async fn recover(app: &App) -> Faulty<usize> {
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
            log_fault!(&fault, payment = %id.0, "a payment could not be settled; it is tried again");
            // Later, so that it does not stand in the way of others.
            if let Ok(payment) = by_id(app, *id).await {
                drop(postpone(app, &payment).await);
            }
        }
    }
    Ok(due.len())
}

/// Moves the payment on as far as the provider's answers reach. Idempotent; concurrent calls are harmless.
pub async fn settle(app: &App, id: PaymentId) -> Faulty<()> {
    settle_or_cancel(app, id, false).await
}

/// Settles the payment, and cancels it at the provider if that has not decided it.
pub(super) async fn give_up(app: &App, id: PaymentId) -> Faulty<()> {
    settle_or_cancel(app, id, true).await
}

async fn settle_or_cancel(app: &App, id: PaymentId, give_up: bool) -> Faulty<()> {
    for _ in 0..STEPS_MAX {
        let payment = by_id(app, id).await?;
        let before = (payment.state, payment.version);
        match step(app, &payment, give_up).await {
            // Stale: somebody else moved it on; look again.
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

/// One question to the provider, and one commit of its answer.
async fn step(app: &App, payment: &payment::Model, give_up: bool) -> Faulty<()> {
    let provider = &*app.provider;
    let overdue = give_up || payment.deadline <= app.clock.now();
    let fenced;
    let payment = if overdue && state::can_be_given_up(payment.state) && payment.provider_ref.is_some() {
        fenced = fence(app, payment).await?;
        &fenced
    } else {
        payment
    };
    let reference = payment.provider_ref.as_deref();
    let answer = match (payment.state, reference) {
        (PaymentState::Captured | PaymentState::Failed | PaymentState::Cancelled, _) => return Ok(()),
        // Given up, or too late: whoever comes back after that must not be charged.
        (
            PaymentState::Authorised | PaymentState::RequiresAction | PaymentState::Submitted,
            Some(reference),
        ) if overdue => observed::call(app, "cancel", provider.cancel(reference)).await,
        (PaymentState::Authorised, Some(_)) => {
            return match sell::sell(app, payment).await {
                Ok(()) => Ok(()),
                Err(TransactionError::Fault(fault)) => Err(fault),
                // The seats are gone: the authorisation is given up next, and nobody is charged. Race: whoever settles it
                // at the same time may have sold them, and then the fence does not hold.
                Err(TransactionError::Refused(_) | TransactionError::KeyUsed) => fence(app, payment).await.map(|_| ()),
            };
        }
        (PaymentState::Capturing, Some(reference)) => {
            observed::call(app, "capture", provider.capture(reference)).await
        }
        (_, Some(reference)) => observed::call(app, "find", provider.find(reference)).await,
        // Never answered: the same key finds what was made, or makes it now.
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

/// Writes down that the payment is given up, before the provider is told: from here on nobody sells for it. Whoever is
/// selling for it right now was first, and then it is stale; or comes later, and then the sale is.
async fn fence(app: &App, payment: &payment::Model) -> Faulty<payment::Model> {
    if payment.updated_at >= payment.deadline {
        // Written after its time: whoever read it as it is knows that it is over.
        return Ok(payment.clone());
    }
    let now = app.clock.now();
    let mut row = payment.clone().into_active_model();
    row.deadline = Set(payment.deadline.min(now));
    row.updated_at = Set(now);
    let tx = app.store.begin().await?;
    let fenced = save_versioned::<payment::Entity>(&tx, row, payment.version, "payment").await?;
    tx.commit().await?;
    Ok(fenced)
}

/// Whether the payment is still as it was read. Race: whoever settles it at the same time may have sold its seats, and
/// that is why they cannot be sold now; the sale moved the payment on in the same commit.
async fn unchanged(app: &App, payment: &payment::Model) -> Faulty<()> {
    let now = by_id(app, payment.id).await?;
    if now.version == payment.version { Ok(()) } else { Err(Fault::Stale("payment")) }
}

/// Writes down what the provider says, if it is news.
async fn observe(app: &App, payment: &payment::Model, intent: &Intent) -> Faulty<()> {
    if intent.amount != payment.amount_minor || intent.currency != payment.currency {
        return stuck(app, payment, "the provider has another amount").await;
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
        // Collected although we only ever authorise: the seats first, then the books.
        return match sell::sell(app, payment).await {
            Ok(()) => Ok(()),
            Err(TransactionError::Fault(fault)) => Err(fault),
            Err(TransactionError::Refused(_) | TransactionError::KeyUsed) => {
                unchanged(app, payment).await?;
                stuck(app, payment, "collected, but the seats are gone").await
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
    save_versioned::<payment::Entity>(&tx, row, payment.version, "payment").await?;
    if next == PaymentState::Captured {
        let order = orders::by_id(app, payment.order_id).await?;
        ledger::captured_in_tx(&tx, app, &order, payment).await?;
        observed::record_capture_in_tx(&tx, app, &order, payment).await?;
    }
    outbox::record_in_tx(&tx, outbox::Kind::OrderChanged, payment.order_id.0, now).await?;
    tx.commit().await?;
    if next == PaymentState::Captured {
        app.metrics.payment("captured");
    }
    Ok(())
}

/// Ends a payment that came to nothing, and lets its reservations run again, in one transaction.
async fn end(
    app: &App,
    payment: &payment::Model,
    to: PaymentState,
    intent: Option<&Intent>,
    failure: Option<&str>,
) -> Faulty<()> {
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
            save_versioned::<payment::Entity>(tx, row, version, "payment").await?;
            outbox::record_in_tx(tx, outbox::Kind::OrderChanged, order.0, now).await
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
        // The reservations changed meanwhile; the next step sees how.
        Err(TransactionError::Refused(_) | TransactionError::KeyUsed) => Err(Fault::Stale("reservation")),
        Err(TransactionError::Fault(fault)) => Err(fault),
    }
}

/// When the payment is looked at again: at its deadline at the latest, so that its places are free then.
fn next_check(payment: &payment::Model, now: DateTime<Utc>) -> DateTime<Utc> {
    let next = now + Duration::seconds(CHECK_SECONDS);
    if payment.deadline > now { next.min(payment.deadline) } else { next }
}

/// Looks at the payment later.
async fn postpone(app: &App, payment: &payment::Model) -> Faulty<()> {
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

/// What no rule decides is shown and alarmed, and waits for an operator.
async fn stuck(app: &App, payment: &payment::Model, why: &str) -> Faulty<()> {
    tracing::error!(payment = %payment.id.0, order = %payment.order_id.0, why, "a payment is stuck");
    app.metrics.payment("stuck");
    let order = orders::by_id(app, payment.order_id).await?;
    if matches!(order.state, OrderState::AwaitingPayment | OrderState::Paid) {
        let tx = app.store.begin().await?;
        orders::move_in_tx(&tx, &order, OrderState::Stuck, app.clock.now()).await?;
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

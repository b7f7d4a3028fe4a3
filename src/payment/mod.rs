//! Payments: how an order becomes paid, or not, whatever happens on the way.
//!
//! An intent is written down before the provider is called, in the transaction that keeps the seats from running out.
//! From then on everybody who wants to know how it stands calls [`settle`]: the buyer's call, the browser's return, the
//! worker after a crash. It asks the provider, and moves the payment on by one commit at a time, so that it can stop
//! anywhere and be called again. A card is authorised, then the seats are sold, then the amount is collected: nobody is
//! charged without a seat.

mod ledger;
pub mod provider;
mod refund;
pub mod sandbox;
mod sell;
pub mod state;

use chrono::Duration;
use entity::{
    InventoryId, OrderId, PaymentId, ReservationId,
    order::{self, OrderState},
    payment::{self, PaymentState},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use self::provider::{Intent, NewIntent, ProviderError};
pub use self::refund::{Refund, RefundOrder, recover_refunds, refund_order, refunds_of};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, Faulty, Result},
    idempotency::Key,
    inventory::{
        self, Command,
        desk::{Companion, Deal, NoDeal, transact},
    },
    order as orders, outbox,
    store::{Tx, save_versioned},
};

/// An undecided payment is looked at again after so many seconds.
const CHECK_SECONDS: i64 = 5;
/// Steps that one settlement takes at the most; a payment has fewer states.
const STEPS_MAX: usize = 12;
/// Payments that one round of the worker looks at.
const RECOVER_BATCH: u64 = 100;

/// Why the business says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The order is paid already.
    AlreadyPaid,
    /// The order's time is up, or it was cancelled.
    OrderEnded,
    /// Another payment of it is under way.
    BeingPaid,
    /// The provider has no such method of payment.
    UnknownMethod,
    /// The order is not paid, so there is nothing to refund.
    NotPaid,
    /// The order was refunded before.
    AlreadyRefunded,
    /// A ticket of it was used.
    TicketUsed,
    /// The buyer's time for refunds is over; the shop may still refund.
    RefundClosed,
}

/// What to pay, and how.
#[derive(Clone, Debug)]
pub struct Pay {
    /// The order.
    pub order: OrderId,
    /// Its access token, for those without the buyer's session.
    pub access_token: Option<String>,
    /// The provider's id of a payment method.
    pub method: String,
    /// The caller's idempotency key.
    pub key: String,
}

/// How paying went: the order as it is then, and the payment, which there is none of for nothing to pay.
#[derive(Clone, Debug)]
pub struct Paid {
    /// The order.
    pub order: order::Model,
    /// The payment, paid, failed, or waiting for the buyer's other step.
    pub payment: Option<payment::Model>,
}

/// Pays an order: it comes back paid, declined, or with another step for the buyer to take.
pub async fn pay(app: &App, viewer: &Viewer, input: Pay) -> Result<Paid, Refusal> {
    Check::default().text(&input.method, "method", 1, 255).done()?;
    let order = orders::own(app, viewer, input.access_token.as_deref(), input.order).await?;
    let key = Key::new(order.account_id, "payOrder", &input.key, &(order.id, &input.method))?;
    if let Some(subject) = key.subject(app.store.read()).await? {
        return Ok(paid(app, order.id, PaymentId(subject)).await?);
    }
    payable(&order)?;
    let id = PaymentId(app.clock.new_uuid());
    let begun = if order.total_minor == 0 {
        sell::give_away(app, &order, (key.clone(), id.0)).await
    } else {
        begin(app, &order, &input, (key.clone(), id)).await
    };
    if let Err(no_deal) = begun {
        // Race: the same call at the same time may have been first.
        if let Some(subject) = key.subject(app.store.read()).await? {
            return Ok(paid(app, order.id, PaymentId(subject)).await?);
        }
        return Err(match no_deal {
            NoDeal::Refused(inventory::Refusal::BeingPaid) => Error::Refused(Refusal::BeingPaid),
            NoDeal::Refused(_) => Error::Refused(Refusal::OrderEnded),
            // Somebody else paid or ended the order meanwhile.
            NoDeal::Fault(Fault::Stale(_)) => match payable(&orders::by_id(app, order.id).await?) {
                Ok(()) => Error::Refused(Refusal::BeingPaid),
                Err(refusal) => refusal,
            },
            NoDeal::KeyUsed => Fault::Unavailable.into(),
            NoDeal::Fault(fault) => fault.into(),
        });
    }
    app.outbox.wake();
    if order.total_minor > 0 {
        settle(app, id).await?;
    }
    let paid = paid(app, order.id, id).await?;
    match &paid.payment {
        Some(payment) if payment.failure_code.as_deref() == Some(UNKNOWN_METHOD) => {
            Err(Error::Refused(Refusal::UnknownMethod))
        }
        Some(_) | None => Ok(paid),
    }
}

/// Asks the provider how the payment stands, after the buyer took another step.
pub async fn confirm(
    app: &App,
    viewer: &Viewer,
    token: Option<&str>,
    id: PaymentId,
) -> Result<Paid, Refusal> {
    let order = order_of(app, viewer, token, id).await?;
    settle(app, id).await?;
    Ok(paid(app, order, id).await?)
}

/// Gives up a payment that is not decided, at the provider first; if that collected it meanwhile, the order is paid.
pub async fn cancel(app: &App, viewer: &Viewer, token: Option<&str>, id: PaymentId) -> Result<Paid, Refusal> {
    let order = order_of(app, viewer, token, id).await?;
    settle_or_cancel(app, id, true).await?;
    Ok(paid(app, order, id).await?)
}

/// The order's payments, oldest first.
pub async fn payments_of(app: &App, order: OrderId) -> Faulty<Vec<payment::Model>> {
    Ok(payment::Entity::find()
        .filter(payment::Column::OrderId.eq(order))
        .order_by_asc(payment::Column::Id)
        .all(app.store.read())
        .await?)
}

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
            tracing::warn!(payment = %id.0, ?fault, "a payment could not be settled; it is tried again");
        }
    }
    Ok(due.len())
}

/// Moves the payment on as far as the provider's answers reach. Idempotent; concurrent calls are harmless.
pub async fn settle(app: &App, id: PaymentId) -> Faulty<()> {
    settle_or_cancel(app, id, false).await
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
    let reference = payment.provider_ref.as_deref();
    let overdue = give_up || payment.deadline <= app.clock.now();
    let answer = match (payment.state, reference) {
        (PaymentState::Captured | PaymentState::Failed | PaymentState::Cancelled, _) => return Ok(()),
        (PaymentState::Authorised, Some(reference)) => match sell::sell(app, payment).await {
            Ok(()) => return Ok(()),
            Err(NoDeal::Fault(fault)) => return Err(fault),
            // The seats are gone: the authorisation is given up, and nobody is charged.
            Err(NoDeal::Refused(_) | NoDeal::KeyUsed) => provider.cancel(reference).await,
        },
        (PaymentState::Capturing, Some(reference)) => provider.capture(reference).await,
        (PaymentState::RequiresAction | PaymentState::Submitted, Some(reference)) if overdue => {
            provider.cancel(reference).await
        }
        (_, Some(reference)) => provider.find(reference).await,
        // Never answered: the same key finds what was made, or makes it now.
        (_, None) => provider.create(&new_intent(payment)).await,
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

/// The failure code of a payment whose method the provider does not know.
const UNKNOWN_METHOD: &str = "unknown_method";

/// Writes down what the provider says, if it is news.
async fn observe(app: &App, payment: &payment::Model, intent: &Intent) -> Faulty<()> {
    if intent.amount != payment.amount_minor || intent.currency != payment.currency {
        return stuck(app, payment, "the provider has another amount").await;
    }
    let Some(next) = state::advance(payment.state, state::state_of(intent.status)) else {
        return postpone(app, payment).await;
    };
    if matches!(next, PaymentState::Failed | PaymentState::Cancelled) {
        return end(app, payment, next, Some(intent), intent.failure_code.as_deref()).await;
    }
    if next == PaymentState::Captured && payment.state != PaymentState::Capturing {
        // Collected although we only ever authorise: the seats first, then the books.
        return match sell::sell(app, payment).await {
            Ok(()) => Ok(()),
            Err(NoDeal::Fault(fault)) => Err(fault),
            Err(NoDeal::Refused(_) | NoDeal::KeyUsed) => {
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
    row.check_at = Set(now + Duration::seconds(CHECK_SECONDS));
    row.updated_at = Set(now);
    save_versioned::<payment::Entity>(&tx, row, payment.version, "payment").await?;
    if next == PaymentState::Captured {
        let order = orders::by_id(app, payment.order_id).await?;
        ledger::captured_in_tx(&tx, app, &order, payment).await?;
    }
    outbox::record_in_tx(&tx, outbox::Kind::OrderChanged, payment.order_id.0, now).await?;
    Ok(tx.commit().await?)
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
    let legs = legs(app, order, |id| vec![Command::EndPayment { id, order }]).await?;
    if legs.is_empty() {
        let tx = app.store.begin().await?;
        write(&tx, &[]).await?;
        return Ok(tx.commit().await?);
    }
    match transact(app, Deal { legs, companion: Some(write), key: None }).await {
        Ok(_) => Ok(()),
        // The reservations changed meanwhile; the next step sees how.
        Err(NoDeal::Refused(_) | NoDeal::KeyUsed) => Err(Fault::Stale("reservation")),
        Err(NoDeal::Fault(fault)) => Err(fault),
    }
}

/// Writes the intent down and keeps the reservations from running out, in one transaction.
async fn begin(
    app: &App,
    order: &order::Model,
    input: &Pay,
    (key, id): (Key, PaymentId),
) -> std::result::Result<(), NoDeal> {
    let now = app.clock.now();
    let row = payment::ActiveModel {
        id: Set(id),
        order_id: Set(order.id),
        provider: Set(app.provider.name().to_owned()),
        provider_ref: Set(None),
        state: Set(PaymentState::Created),
        amount_minor: Set(order.total_minor),
        currency: Set(order.currency.clone()),
        method: Set(input.method.clone()),
        failure_code: Set(None),
        next_action_url: Set(None),
        check_at: Set(now + Duration::seconds(CHECK_SECONDS)),
        deadline: Set(now + Duration::seconds(app.config.payment_seconds.into())),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let order = order.clone();
    let legs = all_legs(app, &order, |id| vec![Command::BeginPayment { id, order: order.id }]).await?;
    let companion: Companion = Box::new(move |tx, _| {
        let (row, order) = (row.clone(), order.clone());
        Box::pin(async move {
            // Writing the order, unchanged but for its version, fences off whoever ends it at the same time.
            orders::move_in_tx(tx, &order, OrderState::AwaitingPayment, now).await?;
            payment::Entity::insert(row).exec_without_returning(tx).await?;
            Ok(())
        })
    });
    transact(app, Deal { legs, companion: Some(companion), key: Some((key, id.0)) }).await.map(|_| ())
}

/// Looks at the payment later.
async fn postpone(app: &App, payment: &payment::Model) -> Faulty<()> {
    let check_at = app.clock.now() + Duration::seconds(CHECK_SECONDS);
    let tx = app.store.begin().await?;
    payment::Entity::update_many()
        .col_expr(payment::Column::CheckAt, sea_orm::sea_query::Expr::value(check_at))
        .filter(payment::Column::Id.eq(payment.id))
        .filter(payment::Column::Version.eq(payment.version))
        .exec(&tx)
        .await?;
    Ok(tx.commit().await?)
}

/// What no rule decides is shown and alarmed, and waits for an operator.
async fn stuck(app: &App, payment: &payment::Model, why: &str) -> Faulty<()> {
    tracing::error!(payment = %payment.id.0, order = %payment.order_id.0, why, "a payment is stuck");
    let order = orders::by_id(app, payment.order_id).await?;
    if order.state == OrderState::AwaitingPayment {
        let tx = app.store.begin().await?;
        orders::move_in_tx(&tx, &order, OrderState::Stuck, app.clock.now()).await?;
        tx.commit().await?;
    }
    postpone(app, payment).await
}

/// A leg for each of the order's live reservations.
async fn legs(
    app: &App,
    order: OrderId,
    commands: impl Fn(ReservationId) -> Vec<Command>,
) -> Faulty<Vec<(InventoryId, Vec<Command>)>> {
    let live = orders::live_reservations(app, order).await?;
    Ok(live
        .into_iter()
        .map(|(inventory, ids)| (inventory, ids.into_iter().flat_map(&commands).collect()))
        .collect())
}

/// Like [`legs`], but every reservation of the order must still be live.
async fn all_legs(
    app: &App,
    order: &order::Model,
    commands: impl Fn(ReservationId) -> Vec<Command>,
) -> std::result::Result<Vec<(InventoryId, Vec<Command>)>, NoDeal> {
    let lines = orders::lines_of(app, order.id).await.map_err(NoDeal::Fault)?;
    let wanted: std::collections::BTreeSet<ReservationId> =
        lines.iter().map(|line| line.reservation_id).collect();
    let live = orders::live_reservations(app, order.id).await.map_err(NoDeal::Fault)?;
    if live.values().map(Vec::len).sum::<usize>() != wanted.len() {
        return Err(NoDeal::Refused(inventory::Refusal::ReservationEnded));
    }
    Ok(live
        .into_iter()
        .map(|(inventory, ids)| (inventory, ids.into_iter().flat_map(&commands).collect()))
        .collect())
}

fn payable(order: &order::Model) -> Result<(), Refusal> {
    match order.state {
        OrderState::AwaitingPayment => Ok(()),
        OrderState::Paid | OrderState::PartiallyRefunded | OrderState::Refunded => {
            Err(Error::Refused(Refusal::AlreadyPaid))
        }
        OrderState::Expired | OrderState::Cancelled | OrderState::RefundDue | OrderState::Stuck => {
            Err(Error::Refused(Refusal::OrderEnded))
        }
    }
}

async fn paid(app: &App, order: OrderId, id: PaymentId) -> Faulty<Paid> {
    let payment = payment::Entity::find_by_id(id).one(app.store.read()).await?;
    Ok(Paid { order: orders::by_id(app, order).await?, payment })
}

async fn order_of(app: &App, viewer: &Viewer, token: Option<&str>, id: PaymentId) -> Faulty<OrderId> {
    let payment = by_id(app, id).await?;
    match orders::own(app, viewer, token, payment.order_id).await {
        Ok(order) => Ok(order.id),
        Err(Fault::NotFound(_)) => Err(Fault::NotFound("payment")),
        Err(fault) => Err(fault),
    }
}

async fn by_id(app: &App, id: PaymentId) -> Faulty<payment::Model> {
    payment::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound("payment"))
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

/// Writes the payment's next state in the caller's transaction.
async fn move_in_tx(
    tx: &Tx,
    payment: &payment::Model,
    to: PaymentState,
    now: chrono::DateTime<chrono::Utc>,
) -> Faulty<payment::Model> {
    let mut row = payment.clone().into_active_model();
    row.state = Set(to);
    row.next_action_url = Set(None);
    row.updated_at = Set(now);
    save_versioned::<payment::Entity>(tx, row, payment.version, "payment").await
}

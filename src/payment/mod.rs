//! Payments: how an order becomes paid, or not, whatever happens on the way.
//!
//! An intent is written down before the provider is called, in the transaction that keeps the seats from running out.
//! From then on everybody who wants to know how it stands calls [`settle`]: the buyer's call, the browser's return, the
//! worker after a crash. It asks the provider, and moves the payment on by one commit at a time, so that it can stop
//! anywhere and be called again. A card is authorised, then the seats are sold, then the amount is collected: nobody is
//! charged without a seat.

mod declines;
mod ledger;
mod observed;
pub mod provider;
mod refund;
pub mod sandbox;
mod sell;
mod settlement;
pub mod state;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use entity::{
    InventoryId, OrderId, PaymentId, ReservationId,
    order::{self, OrderState},
    payment::{self, PaymentState},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use self::state::Patience;
pub use self::{
    observed::open_by_state,
    refund::{Refund, RefundOrder, recover_refunds, refund_order, refunds_of},
    settlement::{recover, settle},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, Faulty, Result},
    idempotency::Key,
    inventory::{
        self, Command,
        transaction::{Companion, InventoryTransaction, TransactionError, transact},
    },
    order as orders,
    store::{Tx, save_versioned},
};

/// An undecided payment is looked at again after so many seconds.
const CHECK_SECONDS: i64 = 5;
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
    /// A coupon that was bought in it was used, or given away.
    CouponUsed,
    /// The buyer's time for refunds is over; the shop may still refund.
    RefundClosed,
    /// Too many payments were declined lately, of the order, of its buyer's or from the caller's network.
    TooManyDeclines {
        /// When one more is tried.
        available_at: DateTime<Utc>,
    },
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
pub struct PaymentResult {
    /// The order.
    pub order: order::Model,
    /// The payment, paid, failed, or waiting for the buyer's other step.
    pub payment: Option<payment::Model>,
}

/// Pays an order: it comes back paid, declined, or with another step for the buyer to take.
pub async fn pay(app: &App, viewer: &Viewer, input: Pay) -> Result<PaymentResult, Refusal> {
    Check::default().text(&input.method, "method", 1, 255).done()?;
    let order = orders::own(app, viewer, input.access_token.as_deref(), input.order).await?;
    let key = Key::new(order.account_id, "payOrder", &input.key, &(order.id, &input.method))?;
    if let Some(subject) = key.subject(app.store.read()).await? {
        return Ok(paid(app, order.id, PaymentId(subject)).await?);
    }
    payable(&order)?;
    if order.total_minor > 0 {
        declines::check(app, viewer, &order).await?;
    }
    let id = PaymentId(app.clock.new_uuid());
    let begun = if order.total_minor == 0 {
        sell::give_away(app, &order, (key.clone(), id.0)).await
    } else {
        begin(app, &order, &input, (key.clone(), id)).await
    };
    if let Err(error) = begun {
        // Race: the same call at the same time may have been first.
        if let Some(subject) = key.subject(app.store.read()).await? {
            return Ok(paid(app, order.id, PaymentId(subject)).await?);
        }
        return Err(match error {
            TransactionError::Refused(inventory::Refusal::BeingPaid) => Error::Refused(Refusal::BeingPaid),
            // Somebody else paid or ended the order meanwhile: say which.
            TransactionError::Refused(_) => {
                now_payable(app, order.id).await?.unwrap_or(Error::Refused(Refusal::OrderEnded))
            }
            TransactionError::Fault(Fault::Stale(_)) => {
                now_payable(app, order.id).await?.unwrap_or(Error::Refused(Refusal::BeingPaid))
            }
            TransactionError::KeyUsed => Fault::unavailable().into(),
            TransactionError::Fault(fault) => fault.into(),
        });
    }
    app.outbox.wake();
    if order.total_minor > 0 {
        settle(app, id).await?;
    }
    let paid = paid(app, order.id, id).await?;
    if let Some(payment) = &paid.payment {
        declines::note(app, viewer, payment).await;
    }
    match &paid.payment {
        Some(payment) if payment.failure_code.as_deref() == Some(settlement::UNKNOWN_METHOD) => {
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
) -> Result<PaymentResult, Refusal> {
    let order = order_of(app, viewer, token, id).await?;
    let had_ended = state::has_ended(by_id(app, id).await?.state);
    settle(app, id).await?;
    let paid = paid(app, order, id).await?;
    if let Some(payment) = paid.payment.as_ref().filter(|_| !had_ended) {
        declines::note(app, viewer, payment).await;
    }
    Ok(paid)
}

/// Gives up a payment that is not decided, at the provider first; if that collected it meanwhile, the order is paid.
pub async fn cancel(app: &App, viewer: &Viewer, token: Option<&str>, id: PaymentId) -> Result<PaymentResult, Refusal> {
    let order = order_of(app, viewer, token, id).await?;
    settlement::give_up(app, id).await?;
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

/// Writes the intent down and keeps the reservations from running out, in one transaction.
async fn begin(
    app: &App,
    order: &order::Model,
    input: &Pay,
    (key, id): (Key, PaymentId),
) -> std::result::Result<(), TransactionError> {
    let now = app.clock.now();
    let hard_maximum = orders::hard_maximum(app, order.id).await.map_err(TransactionError::Fault)?;
    let patience = Patience {
        payment: Duration::seconds(app.config.payment_seconds.into()),
        grace: Duration::seconds(app.config.hoarding.payment_grace_seconds.into()),
    };
    let deadline = state::deadline(now, hard_maximum, patience);
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
        deadline: Set(deadline),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let order = order.clone();
    let parts = all_parts(app, &order, |id| vec![Command::BeginPayment { id, order: order.id }]).await?;
    let companion: Companion = Box::new(move |tx, _| {
        let (row, order) = (row.clone(), order.clone());
        Box::pin(async move {
            // Writing the order, unchanged but for its version, fences off whoever ends it at the same time.
            orders::move_in_tx(tx, &order, OrderState::AwaitingPayment, now).await?;
            payment::Entity::insert(row).exec_without_returning(tx).await?;
            Ok(())
        })
    });
    transact(app, InventoryTransaction { parts, companion: Some(companion), key: Some((key, id.0)) }).await.map(|_| ())
}

/// A leg for each inventory of which the order has live reservations.
fn parts(
    live: BTreeMap<InventoryId, Vec<ReservationId>>,
    commands: impl Fn(ReservationId) -> Vec<Command>,
) -> Vec<(InventoryId, Vec<Command>)> {
    live.into_iter()
        .map(|(inventory, ids)| (inventory, ids.into_iter().flat_map(&commands).collect()))
        .collect()
}

/// Legs for all of the order's reservations, every one of which must still be live.
async fn all_parts(
    app: &App,
    order: &order::Model,
    commands: impl Fn(ReservationId) -> Vec<Command>,
) -> std::result::Result<Vec<(InventoryId, Vec<Command>)>, TransactionError> {
    let lines = orders::lines_of(app, order.id).await.map_err(TransactionError::Fault)?;
    let wanted: BTreeSet<ReservationId> = lines.iter().map(|line| line.reservation_id).collect();
    let live = orders::live_reservations(app, order.id).await.map_err(TransactionError::Fault)?;
    if live.values().map(Vec::len).sum::<usize>() != wanted.len() {
        return Err(TransactionError::Refused(inventory::Refusal::ReservationEnded));
    }
    Ok(parts(live, commands))
}

/// Why the order, as it is now, cannot be paid; none if it can.
async fn now_payable(app: &App, id: OrderId) -> Faulty<Option<Error<Refusal>>> {
    Ok(payable(&orders::by_id(app, id).await?).err())
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

async fn paid(app: &App, order: OrderId, id: PaymentId) -> Faulty<PaymentResult> {
    let payment = payment::Entity::find_by_id(id).one(app.store.read()).await?;
    Ok(PaymentResult { order: orders::by_id(app, order).await?, payment })
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

/// Writes the payment's next state in the caller's transaction.
async fn move_in_tx(
    tx: &Tx,
    payment: &payment::Model,
    to: PaymentState,
    now: DateTime<Utc>,
) -> Faulty<payment::Model> {
    let mut row = payment.clone().into_active_model();
    row.state = Set(to);
    row.next_action_url = Set(None);
    row.updated_at = Set(now);
    save_versioned::<payment::Entity>(tx, row, payment.version, "payment").await
}

//! Payments: how an order becomes paid, or not.
//!
//! An intent is stored before the provider is called, in the transaction that stops the reservations from expiring.
//! From then on everyone who needs the result calls [`settle`]: the buyer's call, the browser's return, and the worker
//! after a crash. It asks the provider and advances the payment by one commit at a time. So it can stop anywhere and be
//! called again. A card is first authorised, then the seats are sold, then the amount is captured: nobody is charged
//! without a seat.

mod declines;
mod ledger;
mod lists;
pub(crate) mod live;
mod observed;
pub mod parts;
pub mod provider;
mod refund;
mod refund_part;
pub mod sandbox;
mod sell;
mod settlement;
pub mod state;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
};

use chrono::{DateTime, Duration, Utc};
use entity::{
    InventoryId, OrderId, PaymentId, ReservationId, TicketId, order,
    payment::{self, PaymentState},
};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel};

use self::state::Patience;
pub use self::{
    lists::{payments_by_ids, payments_of, refunds_by_ids, refunds_of},
    observed::open_by_state,
    refund::{Refund, RefundOrder, recover_refunds, refund_order},
    settlement::{recover, settle},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, FaultResult, Object, Result},
    idempotency::{self, Attempt, AttemptError, Key},
    inventory::{
        self, Command,
        transaction::{Companion, InventoryTransaction, TransactionError, transact},
    },
    order::{
        self as orders,
        state::{self as order_state, Impossible, Step},
    },
    store::{Tx, save_versioned},
};

/// Seconds until an undecided payment is checked again.
const CHECK_SECONDS: i64 = 5;
/// Payments that one round of the worker checks.
const RECOVER_BATCH: u64 = 100;

/// The mutations of payments that have priority over reservations under load.
pub const URGENT_MUTATIONS: &[&str] = &["confirmPayment", "payOrder"];

/// Maximum number of characters of a payment method's id.
const METHOD_MAX: usize = 255;

/// Reasons why the business refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The order is already paid.
    AlreadyPaid,
    /// The order has expired or was cancelled.
    OrderEnded,
    /// Another payment of the order is running.
    BeingPaid,
    /// The provider does not know the payment method.
    UnknownMethod,
    /// The order is not paid, so nothing can be refunded.
    NotPaid,
    /// The order was already refunded.
    AlreadyRefunded,
    /// Tickets of the order were used.
    TicketUsed(Vec<TicketId>),
    /// A coupon bought in the order was used or given away.
    CouponUsed,
    /// The buyer's refund period is over. The shop can still refund.
    RefundClosed,
    /// Too many payments were declined recently, of the order, of its buyer, or from the caller's network.
    TooManyDeclines {
        /// When another payment is allowed.
        available_at: DateTime<Utc>,
    },
}

impl From<Impossible> for Refusal {
    fn from(impossible: Impossible) -> Self {
        match impossible {
            Impossible::AlreadyPaid => Self::AlreadyPaid,
            Impossible::Ended => Self::OrderEnded,
            Impossible::NotPaid => Self::NotPaid,
            Impossible::AlreadyRefunded => Self::AlreadyRefunded,
        }
    }
}

/// The input of a payment.
#[derive(Clone, Debug)]
pub struct Pay {
    /// The order.
    pub order: OrderId,
    /// The order's access token, for callers without the buyer's session.
    pub access_token: Option<String>,
    /// The provider's id of a payment method. `None` if the order total is zero.
    pub method: Option<String>,
    /// The caller's idempotency key.
    pub key: String,
}

/// The result of a payment call.
#[derive(Clone, Debug)]
pub struct PaymentResult {
    /// The order in its new state.
    pub order: order::Model,
    /// The payment: paid, failed, or waiting for an action of the buyer. `None` if the order total is zero.
    pub payment: Option<payment::Model>,
}

/// Pays an order. The result is paid, declined, or waiting for an action of the buyer.
pub async fn pay(app: &App, viewer: &Viewer, input: Pay) -> Result<PaymentResult, Refusal> {
    let order = orders::own(app, viewer, input.access_token.as_deref(), input.order).await?;
    if order.total_minor > 0 {
        let method = input.method.as_deref().unwrap_or_default();
        Check::default().opaque(method, "method", 1..=METHOD_MAX).done()?;
    }
    let key = Key::new(order.account_id, "payOrder", &input.key, &(order.id, &input.method))?;
    let replay = |subject| ready(FaultResult::Ok((PaymentId(subject), false)));
    let begin = Box::pin(begin(app, viewer, (&order, &input), &key));
    let (id, is_new) = idempotency::once(app, &key, replay, begin).await?;
    if !is_new {
        return Ok(paid(app, order.id, id).await?);
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

/// Begins a payment, or sells an order whose total is zero. Returns the payment's id, and `true`.
async fn begin(
    app: &App,
    viewer: &Viewer,
    (order, input): (&order::Model, &Pay),
    key: &Key,
) -> Attempt<(PaymentId, bool), Refusal> {
    payable(order)?;
    if order.total_minor > 0 {
        declines::check(app, viewer, order).await?;
    }
    let id = PaymentId(app.clock.new_uuid());
    let begun = if order.total_minor == 0 {
        sell::sell_free(app, order, (key.clone(), id.0)).await
    } else {
        store_intent(app, order, input, (key.clone(), id)).await
    };
    Err(match begun {
        Ok(()) => return Ok((id, true)),
        Err(TransactionError::Refused(inventory::Refusal::BeingPaid)) => {
            Error::Refused(Refusal::BeingPaid).into()
        }
        // The order was paid or ended meanwhile: report which.
        Err(TransactionError::Refused(_)) => {
            now_payable(app, order.id).await?.unwrap_or(Error::Refused(Refusal::OrderEnded)).into()
        }
        Err(TransactionError::Fault(Fault::Stale(_))) => {
            now_payable(app, order.id).await?.unwrap_or(Error::Refused(Refusal::BeingPaid)).into()
        }
        Err(TransactionError::KeyUsed) => AttemptError::KeyUsed,
        Err(TransactionError::Fault(fault)) => fault.into(),
    })
}

/// Asks the provider for the payment's state after the buyer's action.
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

/// Cancels an undecided payment at the provider. If the provider has captured it meanwhile, the order becomes paid.
pub async fn cancel(
    app: &App,
    viewer: &Viewer,
    token: Option<&str>,
    id: PaymentId,
) -> Result<PaymentResult, Refusal> {
    let order = order_of(app, viewer, token, id).await?;
    settlement::cancel(app, id).await?;
    Ok(paid(app, order, id).await?)
}

/// Stores the intent and stops the reservations from expiring, in one transaction.
async fn store_intent(
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
        provider: Set(app.payment.provider.name().to_owned()),
        provider_ref: Set(None),
        state: Set(PaymentState::Created),
        amount_minor: Set(order.total_minor),
        currency: Set(order.currency.clone()),
        method: Set(input.method.clone().unwrap_or_default()),
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
            // Incrementing the order's version fences off a concurrent end of the order.
            orders::move_in_tx(tx, &order, Step::BeginPayment, now).await?;
            payment::Entity::insert(row).exec_without_returning(tx).await?;
            Ok(())
        })
    });
    transact(app, InventoryTransaction { parts, companion: Some(companion), key: Some((key, id.0)) })
        .await
        .map(|_| ())
}

/// Returns the commands for each inventory with live reservations of the order.
fn parts(
    live: BTreeMap<InventoryId, Vec<ReservationId>>,
    commands: impl Fn(ReservationId) -> Vec<Command>,
) -> Vec<(InventoryId, Vec<Command>)> {
    live.into_iter()
        .map(|(inventory, ids)| (inventory, ids.into_iter().flat_map(&commands).collect()))
        .collect()
}

/// Returns the commands for all of the order's reservations. Fails unless every one is still live.
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

/// Returns why the order, as stored now, cannot be paid; `None` if it can.
async fn now_payable(app: &App, id: OrderId) -> FaultResult<Option<Error<Refusal>>> {
    Ok(payable(&orders::by_id(app, id).await?).err())
}

fn payable(order: &order::Model) -> Result<(), Refusal> {
    let paying = order_state::after(order.state, Step::BeginPayment);
    paying.map(drop).map_err(|impossible| Error::Refused(impossible.into()))
}

async fn paid(app: &App, order: OrderId, id: PaymentId) -> FaultResult<PaymentResult> {
    let payment = payment::Entity::find_by_id(id).one(app.store.read()).await?;
    Ok(PaymentResult { order: orders::by_id(app, order).await?, payment })
}

async fn order_of(app: &App, viewer: &Viewer, token: Option<&str>, id: PaymentId) -> FaultResult<OrderId> {
    let payment = by_id(app, id).await?;
    match orders::own(app, viewer, token, payment.order_id).await {
        Ok(order) => Ok(order.id),
        Err(Fault::NotFound(_)) => Err(Fault::NotFound(Object::Payment)),
        Err(fault) => Err(fault),
    }
}

async fn by_id(app: &App, id: PaymentId) -> FaultResult<payment::Model> {
    payment::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Payment))
}

/// Stores in the caller's transaction that the payment's places are sold.
async fn sold_in_tx(tx: &Tx, payment: &payment::Model, now: DateTime<Utc>) -> FaultResult<payment::Model> {
    let to = state::after_sale(payment.state).ok_or(Fault::Stale(Object::Payment))?;
    let mut row = payment.clone().into_active_model();
    row.state = Set(to);
    row.next_action_url = Set(None);
    row.updated_at = Set(now);
    save_versioned::<payment::Entity>(tx, row, payment.version, Object::Payment).await
}

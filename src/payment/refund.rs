//! Refunds of paid orders. One commit voids the tickets, frees the seats and returns the claims; then the provider
//! refunds the money.

use std::future::ready;

use chrono::Duration;
use entity::{
    InventoryId, OrderId, OrderLineId, RefundId,
    order::{self, line},
    payment::{self, PaymentState, RefundState, refund},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use super::{
    CHECK_SECONDS, RECOVER_BATCH, Refusal, ledger, observed,
    provider::{NewRefund, ProviderError, RefundStatus},
    refund_part::{RefundPart, part},
    settle, state,
};
use crate::{
    app::App,
    auth::Viewer,
    coupon::{
        issue::{self, ClaimUsed},
        order_claims,
    },
    error::{Check, Error, Fault, FaultResult, Object, Result},
    idempotency::{self, Attempt, AttemptError, Key},
    inventory::{
        Command, Place,
        transaction::{Companion, IdempotencyClaim, InventoryTransaction, TransactionError, transact},
    },
    limits::text,
    order::{
        self as orders,
        state::{self as order_state, Step},
    },
    outbox,
    store::save_versioned,
    telemetry::log_fault,
    ticket::{self, TicketUsed},
};

/// The input of a refund.
#[derive(Clone, Debug)]
pub struct RefundOrder {
    /// The order.
    pub order: OrderId,
    /// The order's access token, for callers without the buyer's session.
    pub access_token: Option<String>,
    /// The reason, in the requester's words.
    pub reason: String,
    /// Whether to refund only the rest if some coupons of the order cannot be returned. Those stay with their holders.
    pub leave_used: bool,
    /// The caller's idempotency key.
    pub key: String,
}

/// The result of a refund call.
#[derive(Clone, Debug)]
pub struct Refund {
    /// The order, refunded.
    pub order: order::Model,
    /// The pending refund of money; `None` if nothing was paid.
    pub refund: Option<refund::Model>,
}

/// A part of an order that was used while it was being refunded.
enum UsedPart {
    Ticket,
    Coupon,
}

/// Refunds a paid order: by the shop at any time, by the buyer within the events' refund period. Refunds the whole
/// order, unless `leave_used` is set.
pub async fn refund_order(app: &App, viewer: &Viewer, input: RefundOrder) -> Result<Refund, Refusal> {
    let mut check = Check::default();
    let reason = check.paragraphs(&input.reason, "reason", 0..=text::REASON);
    check.done()?;
    let input = RefundOrder { reason, ..input };
    let token = input.access_token.as_deref();
    let order = orders::visible(app, viewer, token, input.order).await?;
    // The key belongs to the order's buyer, so that shop and buyer cannot both refund with the same key.
    let key =
        Key::new(order.account_id, "refundOrder", &input.key, &(order.id, &input.reason, input.leave_used))?;
    let replay = |subject| ready(FaultResult::Ok((RefundId(subject), false)));
    let begin = Box::pin(begin(app, viewer, (&order, &input), &key));
    let (id, is_new) = idempotency::once(app, &key, replay, begin).await?;
    if is_new {
        app.outbox.wake();
        send(app, id).await?;
    }
    Ok(refunded(app, order.id, id).await?)
}

/// Takes back what was bought, and stores the refund. Returns the refund's id, and `true`.
async fn begin(
    app: &App,
    viewer: &Viewer,
    (order, input): (&order::Model, &RefundOrder),
    key: &Key,
) -> Attempt<(RefundId, bool), Refusal> {
    refundable(order)?;
    let part = part(app, viewer, order, input.leave_used).await?;
    let payment = captured(app, order.id).await?.filter(|_| part.total() > 0);
    let id = RefundId(app.clock.new_uuid());
    let by = viewer.account().unwrap_or(order.account_id);
    let request = payment.as_ref().map(|payment| Request { payment, reason: &input.reason, by });
    let row = request.map(|request| new_row(app, id, &part, request));
    let what = Return { order, part: &part, refund: row };
    if let Err(error) = take_back(app, viewer, what, (key.clone(), id.0)).await {
        let used = match error {
            TransactionError::Companion(UsedPart::Coupon) => Refusal::CouponUsed,
            TransactionError::Companion(UsedPart::Ticket)
            | TransactionError::Refused(_)
            | TransactionError::Fault(Fault::Stale(_)) => {
                Refusal::TicketUsed(ticket::used_of_order(app, order.id).await?)
            }
            TransactionError::KeyUsed => return Err(AttemptError::KeyUsed),
            TransactionError::Fault(fault) => return Err(fault.into()),
        };
        // Race: the order may have been refunded meanwhile, which also voids its tickets and revokes its coupons.
        refundable(&orders::by_id(app, order.id).await?)?;
        return Err(Error::Refused(used).into());
    }
    Ok((id, true))
}

/// Sends all due undecided refunds again, each with its own key. Returns their number.
pub async fn recover_refunds(app: &App) -> FaultResult<usize> {
    let due: Vec<RefundId> = refund::Entity::find()
        .select_only()
        .column(refund::Column::Id)
        .filter(refund::Column::State.is_not_in([RefundState::Succeeded, RefundState::Manual]))
        .filter(refund::Column::CheckAt.lte(app.clock.now()))
        .order_by_asc(refund::Column::CheckAt)
        .limit(RECOVER_BATCH)
        .into_tuple()
        .all(app.store.read())
        .await?;
    for id in &due {
        if let Err(fault) = send(app, *id).await {
            log_fault!(&fault, refund = %id.0, "cannot send a refund; will retry");
        }
    }
    Ok(due.len())
}

/// Asks the provider to refund the money, and stores the result.
async fn send(app: &App, id: RefundId) -> FaultResult<()> {
    let Some(row) = refund::Entity::find_by_id(id).one(app.store.read()).await? else { return Ok(()) };
    if state::has_refund_ended(row.state) {
        return Ok(());
    }
    let payment = super::by_id(app, row.payment_id).await?;
    let reference =
        payment.provider_ref.ok_or_else(|| Fault::internal("a captured payment without an intent"))?;
    let wanted = NewRefund { refund: id, reference, amount: row.amount_minor };
    let answer = observed::call(app, "refund", app.payment.provider.refund(&wanted)).await;
    let attempts = row.attempts + 1;
    let status = answer.as_ref().map(|refund| refund.status);
    if let Ok(RefundStatus::Failed) | Err(ProviderError::Refused(_)) = status {
        tracing::error!(refund = %id.0, ?status, attempts, "the provider did not refund the money");
    }
    let Some(next) = state::refund_after(row.state, status, attempts) else { return Ok(()) };
    let provider_ref = answer.ok().map(|refund| refund.reference);
    match write(app, &row, next, provider_ref, attempts).await {
        // A concurrent call sent it with the same key.
        Err(Fault::Stale(_)) => Ok(()),
        other => other,
    }
}

async fn write(
    app: &App,
    refund: &refund::Model,
    state: RefundState,
    provider_ref: Option<String>,
    attempts: i32,
) -> FaultResult<()> {
    let now = app.clock.now();
    let order = orders::by_id(app, refund.order_id).await?;
    let tx = app.store.begin().await?;
    let mut row = refund.clone().into_active_model();
    row.state = Set(state);
    row.attempts = Set(attempts);
    // Exponential backoff, up to 43 minutes.
    row.check_at = Set(now + Duration::seconds(CHECK_SECONDS << attempts.clamp(0, 9)));
    row.updated_at = Set(now);
    if provider_ref.is_some() {
        row.provider_ref = Set(provider_ref);
    }
    save_versioned::<refund::Entity>(&tx, row, refund.version, Object::Refund).await?;
    if state == RefundState::Succeeded {
        ledger::book_refund_in_tx(&tx, app, &order, refund).await?;
        observed::record_refund_in_tx(&tx, app, &order, refund).await?;
    }
    outbox::record_in_tx(&tx, outbox::Kind::OrderChanged, order.id.0, now).await?;
    tx.commit().await?;
    if let Some(outcome) = observed::refund_outcome(state) {
        app.metrics.refund(outcome);
    }
    Ok(())
}

/// What a buyer returns.
struct Return<'a> {
    order: &'a order::Model,
    part: &'a RefundPart,
    /// The new refund; `None` if nothing was paid for the part.
    refund: Option<refund::ActiveModel>,
}

/// Frees the seats, voids the tickets, marks the order as refunded and stores the refund in one commit.
async fn take_back(
    app: &App,
    viewer: &Viewer,
    what: Return<'_>,
    key: IdempotencyClaim,
) -> std::result::Result<(), TransactionError<UsedPart>> {
    let Return { order, part, refund } = what;
    let mut parts: Vec<(InventoryId, Vec<Command>)> = Vec::new();
    let lines = &part.lines;
    let mut sorted: Vec<&line::Model> = lines.iter().collect();
    sorted.sort_by_key(|line| inventory_of(line));
    for lines in sorted.chunk_by(|a, b| inventory_of(a) == inventory_of(b)) {
        let places = lines.iter().filter_map(|line| place(line)).collect();
        let Some(inventory) = inventory_of(lines[0]) else { continue };
        parts.push((inventory, vec![Command::ReturnPlaces { buyer: order.account_id, places }]));
    }
    let (order, now) = (order.clone(), app.clock.now());
    let tickets = lines.iter().filter(|line| line.event_id.is_some()).count() as u64;
    let copies: Vec<OrderLineId> =
        lines.iter().filter(|line| line.coupon_id.is_some()).map(|line| line.id).collect();
    let (of, fee, by) = (app.clone(), part.fee(), *viewer);
    let called_off = part.called_off.clone();
    let request = observed::RefundRequest { refund: key.1, amount: part.total(), whole: part.whole };
    let step = Step::Refund { whole: part.whole };
    let companion: Companion<UsedPart> = Box::new(move |tx, _| {
        let (app, order, refund, copies) = (of.clone(), order.clone(), refund.clone(), copies.clone());
        let called_off = called_off.clone();
        Box::pin(async move {
            orders::move_in_tx(tx, &order, step, now).await?;
            observed::record_request_in_tx(tx, &app, &by, (&order, request)).await?;
            let void = ticket::void_in_tx(tx, &order, (tickets, &called_off), now).await;
            void.map_err(|error| error.map_refusal(|TicketUsed| UsedPart::Ticket))?;
            let revoked = issue::revoke_in_tx(tx, &order, &copies, now).await;
            revoked.map_err(|error| error.map_refusal(|ClaimUsed| UsedPart::Coupon))?;
            match refund {
                Some(refund) => drop(refund::Entity::insert(refund).exec_without_returning(tx).await?),
                None => ledger::book_free_return_in_tx(tx, &app, &order, fee).await?,
            }
            Ok(order_claims::restore_in_tx(tx, order.id, now).await?)
        })
    });
    transact(app, InventoryTransaction { parts, companion: Some(companion), key: Some(key) })
        .await
        .map(|_| ())
}

/// Returns the inventory of a line.
fn inventory_of(line: &line::Model) -> Option<InventoryId> {
    line.event_id.map(InventoryId::from).or(line.coupon_id.map(InventoryId::from))
}

fn place(line: &line::Model) -> Option<Place> {
    match (line.seat_ordinal, line.area_ordinal) {
        (Some(seat), _) => {
            Some(Place::Seat { ordinal: u32::try_from(seat).ok()?, epoch: u32::try_from(line.epoch).ok()? })
        }
        (None, Some(area)) => Some(Place::Area { ordinal: u32::try_from(area).ok()?, quantity: 1 }),
        (None, None) => None,
    }
}

/// A request to refund a payment.
#[derive(Clone, Copy)]
struct Request<'a> {
    payment: &'a payment::Model,
    reason: &'a str,
    by: entity::AccountId,
}

fn new_row(app: &App, id: RefundId, part: &RefundPart, request: Request<'_>) -> refund::ActiveModel {
    let Request { payment, reason, by } = request;
    let now = app.clock.now();
    refund::ActiveModel {
        id: Set(id),
        order_id: Set(payment.order_id),
        payment_id: Set(payment.id),
        state: Set(RefundState::Requested),
        amount_minor: Set(part.total()),
        fee_minor: Set(part.fee()),
        currency: Set(payment.currency.clone()),
        reason: Set(reason.to_owned()),
        requested_by: Set(by),
        provider_ref: Set(None),
        attempts: Set(0),
        check_at: Set(now + Duration::seconds(CHECK_SECONDS)),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
    }
}

/// Returns the payment to refund, and captures it first if necessary. Returns `None` if nothing was paid.
async fn captured(app: &App, order: OrderId) -> FaultResult<Option<payment::Model>> {
    for collect in [true, false] {
        let payments = super::payments_of(app, vec![order]).await?;
        if let Some(payment) = payments.iter().find(|payment| payment.state == PaymentState::Captured) {
            return Ok(Some(payment.clone()));
        }
        match payments.iter().find(|payment| payment.state == PaymentState::Capturing) {
            Some(payment) if collect => settle(app, payment.id).await?,
            Some(_) => return Err(Fault::unavailable()),
            None => return Ok(None),
        }
    }
    Ok(None)
}

fn refundable(order: &order::Model) -> Result<(), Refusal> {
    let refunding = order_state::after(order.state, Step::Refund { whole: true });
    refunding.map(drop).map_err(|impossible| Error::Refused(impossible.into()))
}

async fn refunded(app: &App, order: OrderId, id: RefundId) -> FaultResult<Refund> {
    let refund = refund::Entity::find_by_id(id).one(app.store.read()).await?;
    Ok(Refund { order: orders::by_id(app, order).await?, refund })
}

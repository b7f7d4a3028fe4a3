//! Tickets: the right to enter an event, shown as a signed code.

mod check_in;
pub mod code;
mod entries;
pub mod parts;
mod rules;
mod scan;
mod undo;

use chrono::{DateTime, Utc};
use entity::{
    AccountId, EventId, OrderId, OrderLineId, TicketId,
    order::{self, line},
    ticket::{self, TicketState},
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

pub use self::{
    check_in::{CheckIn, Refusal, Scanned, check_in, check_out, may_return},
    undo::{UndoCheckIn, of_own_shop, undo_check_in},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Object, Result},
    outbox,
    page::{self, Direction, Page, Window},
    store::Tx,
};

/// The mutations of tickets that have priority over reservations under load: guests wait at the gate.
pub const URGENT_MUTATIONS: &[&str] = &["checkIn", "checkOut", "undoCheckIn"];

/// Returns the ticket's signed code.
pub fn code_of(app: &App, ticket: &ticket::Model) -> String {
    let epoch = u32::try_from(ticket.epoch).unwrap_or_default();
    code::sign(&app.ticket.keys, code::Claims { ticket: ticket.id.0, event: ticket.event_id.0, epoch })
}

/// Returns the ticket if the viewer holds it. For others, returns [`Fault::NotFound`].
pub async fn owned(app: &App, viewer: &Viewer, id: TicketId) -> FaultResult<ticket::Model> {
    let account = viewer.account()?;
    let ticket = ticket::Entity::find_by_id(id).one(app.store.read()).await?;
    ticket.filter(|ticket| ticket.account_id == account).ok_or(Fault::NotFound(Object::Ticket))
}

/// Returns the account's tickets, newest first.
pub async fn of_account(
    app: &App,
    account: AccountId,
    window: Window<Uuid>,
) -> FaultResult<Page<ticket::Model>> {
    let select = ticket::Entity::find().filter(ticket::Column::AccountId.eq(account));
    page::read(app.store.read(), select, ticket::Column::Id, Direction::Descending, window).await
}

/// Returns the tickets with these ids, without any access check.
pub async fn by_ids(app: &App, ids: Vec<TicketId>) -> FaultResult<Vec<ticket::Model>> {
    Ok(ticket::Entity::find().filter(ticket::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// Returns the orders' tickets, without any access check. Each order's tickets are sorted as its lines.
pub async fn of_orders(app: &App, ids: Vec<OrderId>) -> FaultResult<Vec<ticket::Model>> {
    let line = ticket::Entity::belongs_to(line::Entity)
        .from(ticket::Column::OrderLineId)
        .to(line::Column::Id)
        .into();
    Ok(ticket::Entity::find()
        .join(JoinType::InnerJoin, line)
        .filter(ticket::Column::OrderId.is_in(ids))
        .order_by_asc(line::Column::Position)
        .all(app.store.read())
        .await?)
}

/// Returns the tickets that were issued for the order lines, without any access check.
pub async fn of_lines(app: &App, lines: Vec<OrderLineId>) -> FaultResult<Vec<ticket::Model>> {
    let select = ticket::Entity::find().filter(ticket::Column::OrderLineId.is_in(lines));
    Ok(select.all(app.store.read()).await?)
}

/// Issues a ticket for each place of an order that becomes paid in this transaction.
pub(crate) async fn issue_in_tx(
    tx: &Tx,
    order: &order::Model,
    lines: &[(TicketId, line::Model)],
    now: DateTime<Utc>,
) -> FaultResult<()> {
    let places = lines.iter().filter_map(|(id, line)| Some((id, line, line.event_id?)));
    let rows = places.map(|(id, line, event)| ticket::ActiveModel {
        id: Set(*id),
        order_id: Set(order.id),
        order_line_id: Set(line.id),
        event_id: Set(event),
        shop_id: Set(order.shop_id),
        account_id: Set(order.account_id),
        seat_ordinal: Set(line.seat_ordinal),
        area_ordinal: Set(line.area_ordinal),
        label: Set(line.label.clone()),
        tier_name: Set(line.tier_name.clone()),
        state: Set(TicketState::Issued),
        epoch: Set(1),
        checked_in_at: Set(None),
        checked_in_by: NotSet,
        checked_out_at: Set(None),
        entries: Set(0),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
    });
    ticket::Entity::insert_many(rows).exec_without_returning(tx).await?;
    outbox::record_in_tx(tx, outbox::Kind::BagChanged, order.account_id.0, now).await
}

/// Tickets of the order were used.
pub(crate) struct TicketUsed;

/// Voids all tickets of an order. If one of them was used, refuses, and the caller rolls back. Used tickets of the
/// events in `called_off`, which were cancelled, are voided too.
pub(crate) async fn void_in_tx(
    tx: &Tx,
    order: &order::Model,
    (tickets, called_off): (u64, &[EventId]),
    now: DateTime<Utc>,
) -> Result<(), TicketUsed> {
    let unused = ticket::Column::State.eq(TicketState::Issued);
    let cancelled = ticket::Column::EventId.is_in(called_off.iter().copied());
    let voidable = Condition::any().add(unused).add(cancelled);
    let void = ticket::Entity::update_many()
        .col_expr(ticket::Column::State, Expr::value(TicketState::Void))
        .col_expr(ticket::Column::CheckedInAt, Expr::value(None::<DateTime<Utc>>))
        .col_expr(ticket::Column::CheckedOutAt, Expr::value(None::<DateTime<Utc>>))
        .col_expr(ticket::Column::Version, Expr::col(ticket::Column::Version).add(1))
        .col_expr(ticket::Column::UpdatedAt, Expr::value(now))
        .filter(ticket::Column::OrderId.eq(order.id))
        .filter(ticket::Column::State.ne(TicketState::Void))
        .filter(voidable)
        .exec(tx)
        .await?;
    outbox::record_in_tx(tx, outbox::Kind::TicketChanged, order.id.0, now).await?;
    outbox::record_in_tx(tx, outbox::Kind::BagChanged, order.account_id.0, now).await?;
    if void.rows_affected == tickets { Ok(()) } else { Err(Error::Refused(TicketUsed)) }
}

/// Returns the used tickets of an order, without any access check.
pub(crate) async fn used_of_order(app: &App, id: OrderId) -> FaultResult<Vec<TicketId>> {
    let used = ticket::Entity::find()
        .select_only()
        .column(ticket::Column::Id)
        .filter(ticket::Column::OrderId.eq(id))
        .filter(ticket::Column::State.eq(TicketState::CheckedIn))
        .order_by_asc(ticket::Column::Id);
    Ok(used.into_tuple().all(app.store.read()).await?)
}

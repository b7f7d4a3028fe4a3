//! Tickets in the API.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object};
use base64::{Engine, engine::general_purpose::STANDARD};
use entity::{TicketId, order::line, ticket};
use futures_util::future::join;
use uuid::Uuid;

use super::{
    context::ContextExt,
    error::{ApiResult, found, not_allowed},
    event::{Event, Tier},
    id::{decode, encode},
    order::{LineOf, Order, OrderLine},
    page::{Connected, PageArgs, connection},
    scalar::{Instant, Long, Money},
    seat_map::{Area, Seat},
    weight::PICTURE_TICKET,
};
use crate::{
    barcode::{QrCode, qr::Scale},
    error::{Fault, FaultResult, Object},
    ticket as tickets,
};

/// A page of tickets.
pub(crate) type TicketConnection = Connected<Uuid, Ticket>;

/// The state of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "TicketState", remote = "entity::ticket::TicketState")]
pub enum State {
    /// The ticket is valid and not used.
    Issued,
    /// The ticket was used at least once. It may admit again; see `Event.admission`.
    CheckedIn,
    /// The ticket was refunded or revoked and admits no one.
    Void,
}

/// The right to enter an event, with a signed code.
#[derive(Clone, Debug)]
pub struct Ticket {
    row: ticket::Model,
    /// The order through which the viewer found the ticket.
    order: Option<Order>,
    /// Whether the viewer is a member of the shop who scanned the ticket, and not its holder.
    is_scanned: bool,
}

impl From<ticket::Model> for Ticket {
    fn from(row: ticket::Model) -> Self {
        Self { row, order: None, is_scanned: false }
    }
}

/// The right to enter an event, with a signed code.
#[Object]
impl Ticket {
    /// The global id of the ticket.
    pub async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// Increases with every change.
    async fn version(&self) -> Long {
        Long(self.row.version)
    }

    /// When the ticket was last changed.
    async fn updated_at(&self) -> Instant {
        self.row.updated_at.into()
    }

    /// The current state.
    async fn state(&self) -> State {
        self.row.state.into()
    }

    /// The name of the place, such as `Stalls, Row A, Seat 12`.
    async fn label(&self) -> &str {
        &self.row.label
    }

    /// The name of the tier.
    async fn tier_name(&self) -> &str {
        &self.row.tier_name
    }

    /// The event that the ticket admits to.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Event> {
        Event::of(ctx, self.row.event_id).await
    }

    /// The tier of the place in its current form.
    async fn tier(&self, ctx: &Context<'_>) -> ApiResult<Tier> {
        let tier = self.bought(ctx).await?.tier_id.ok_or(Fault::NotFound(Object::Tier))?;
        Ok(Tier::of(ctx, tier).await?)
    }

    /// The numbered seat. Null for a place in an area.
    async fn seat(&self, ctx: &Context<'_>) -> ApiResult<Option<Seat>> {
        Ok(Seat::of(ctx, self.row.event_id, self.row.seat_ordinal).await?)
    }

    /// The general-admission area. Null for a numbered seat.
    async fn area(&self, ctx: &Context<'_>) -> ApiResult<Option<Area>> {
        Ok(Area::of(ctx, self.row.event_id, self.row.area_ordinal).await?)
    }

    /// The order that the ticket was bought with. If you may not see that order, it is null with the error `FORBIDDEN`.
    async fn order(&self, ctx: &Context<'_>) -> ApiResult<Option<Order>> {
        Ok(Some(self.visible_order(ctx).await?.ok_or_else(|| not_allowed(ctx.viewer()))?))
    }

    /// The line of the order that the ticket was issued for. If you may not see that order, it is null with the error
    /// `FORBIDDEN`.
    async fn line(&self, ctx: &Context<'_>) -> ApiResult<Option<OrderLine>> {
        let (order, line) = join(self.visible_order(ctx), self.bought(ctx)).await;
        let order = order?.ok_or_else(|| not_allowed(ctx.viewer()))?;
        Ok(Some(OrderLine::of(line?, &order)))
    }

    /// The price of the place at the time of the checkout, including fee and tax, before discounts.
    async fn price(&self, ctx: &Context<'_>) -> ApiResult<Money> {
        let (line, event) = join(self.bought(ctx), ctx.loaders().one(self.row.event_id)).await;
        let (line, event) = (line?, event?.ok_or(Fault::NotFound(Object::Event))?);
        Ok(Money::of(line.price_minor + line.fee_minor, &event.currency))
    }

    /// The signed code that the QR code contains. It can be verified offline with the ticket key from
    /// `/.well-known/jwks.json`. Null if the ticket is void. Only the holder can read it; otherwise the error is
    /// `FORBIDDEN`.
    async fn code(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        self.code_for_holder(ctx)
    }

    /// The QR code as an SVG document. Null if `code` is null.
    async fn qr_svg(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(qr) = self.qr(ctx)? else { return Ok(None) };
        Ok(Some(ctx.budget().text(qr.svg(Scale::DEFAULT))?))
    }

    /// The QR code as a PNG file in base64. Null if `code` is null.
    async fn qr_png(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(qr) = self.qr(ctx)? else { return Ok(None) };
        let png = qr.png(Scale::DEFAULT).map_err(Fault::internal)?;
        Ok(Some(ctx.budget().text(STANDARD.encode(png))?))
    }

    /// When the holder was last admitted. Null if the ticket was not used.
    async fn checked_in_at(&self) -> Option<Instant> {
        self.row.checked_in_at.map(Into::into)
    }

    /// When the holder left after the last admission. Null if they were not checked out.
    async fn checked_out_at(&self) -> Option<Instant> {
        self.row.checked_out_at.map(Into::into)
    }

    /// The number of entries with the ticket. A return after a check-out does not count.
    async fn entries(&self) -> i32 {
        self.row.entries
    }

    /// When the ticket was issued.
    async fn created_at(&self) -> Instant {
        self.row.created_at.into()
    }
}

impl Ticket {
    /// Creates a ticket that the viewer found through its order.
    pub(crate) fn of(row: ticket::Model, order: &Order) -> Self {
        Self { row, order: Some(order.clone()), is_scanned: false }
    }

    /// Creates a ticket that a member of the shop scanned. They do not see its code, unless they hold it.
    pub(crate) fn scanned(ctx: &Context<'_>, row: ticket::Model) -> Self {
        let is_scanned = !ctx.viewer().account().is_ok_and(|account| account == row.account_id);
        Self { row, order: None, is_scanned }
    }

    /// Returns the ticket if the viewer holds it, or has the access token of its order.
    pub(crate) async fn visible(
        ctx: &Context<'_>,
        id: TicketId,
        token: Option<&Arc<str>>,
    ) -> FaultResult<Option<Self>> {
        let Some(row) = ctx.loaders().one(id).await? else { return Ok(None) };
        if ctx.viewer().account().is_ok_and(|account| account == row.account_id) {
            return Ok(Some(Self::from(row)));
        }
        let order = match token {
            Some(_) => Order::opened_by(ctx, row.order_id, token).await?,
            None => None,
        };
        Ok(order.filter(|order| order.is_own(ctx)).map(|order| Self::of(row, &order)))
    }

    async fn visible_order(&self, ctx: &Context<'_>) -> FaultResult<Option<Order>> {
        match &self.order {
            Some(order) => Ok(Some(order.clone())),
            None => Order::visible(ctx, self.row.order_id).await,
        }
    }

    /// Returns the order line that paid for the ticket.
    async fn bought(&self, ctx: &Context<'_>) -> FaultResult<line::Model> {
        ctx.loaders().one(LineOf(self.row.order_line_id)).await?.ok_or(Fault::NotFound(Object::Order))
    }

    /// Returns the code if the viewer holds the ticket. Scanners see the ticket that they checked in, but not its code.
    /// The bearer of an order's access token is a holder too: the order has already checked the token.
    fn code_for_holder(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        if self.is_scanned {
            return Err(not_allowed(ctx.viewer()));
        }
        let is_void = self.row.state == ticket::TicketState::Void;
        Ok((!is_void).then(|| tickets::code_of(ctx.app(), &self.row)))
    }

    fn qr(&self, ctx: &Context<'_>) -> ApiResult<Option<QrCode>> {
        ctx.budget().charge(PICTURE_TICKET, 0)?;
        let code = self.code_for_holder(ctx)?;
        Ok(code.map(|code| QrCode::try_new(&code).map_err(Fault::internal)).transpose()?)
    }
}

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct TicketQuery;

#[Object]
impl TicketQuery {
    /// Returns a ticket that you hold. Null if there is none with this id, or if you do not hold it.
    async fn ticket(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the ticket.")] id: ID,
    ) -> ApiResult<Option<Ticket>> {
        ctx.viewer().account()?;
        Ok(found(tickets::owned(ctx.app(), ctx.viewer(), decode(&id, "id")?).await)?.map(Ticket::from))
    }
}

/// Returns the viewer's tickets as a connection.
pub(crate) async fn tickets_of_viewer(ctx: &Context<'_>, args: PageArgs) -> ApiResult<TicketConnection> {
    let page = tickets::of_account(ctx.app(), ctx.viewer().account()?, args.window()?).await?;
    Ok(connection(page, |row| (row.id.0, Ticket::from(row))))
}

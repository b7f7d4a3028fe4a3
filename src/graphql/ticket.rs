//! Tickets in the API.

use async_graphql::{
    Context, Enum, ID, InputObject, Object, SimpleObject,
    connection::{Connection, EmptyFields},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use entity::ticket;
use uuid::Uuid;

use super::{
    context::ContextExt,
    error::{ApiResult, found, outcome, user_error},
    event::Event,
    id::{decode, encode},
    page::{Cursor, PageArgs, connection},
    scalar::Long,
    weight::PICTURE_TICKET,
};
use crate::{
    barcode::{QrCode, qr::Scale},
    error::Fault,
    ticket::{self as tickets, CheckIn, Refusal},
};

/// A page of tickets.
pub(crate) type TicketConnection = Connection<Cursor<Uuid>, Ticket, EmptyFields>;

user_error! {
    /// Why somebody is not let in.
    TicketError, TicketErrorCode {
        /// Not a code of ours, or changed. Do not let in.
        Forged,
        /// A ticket of another event or shop.
        WrongEvent,
        /// The ticket was refunded or revoked.
        Void,
        /// The ticket was passed on, and this is the earlier holder's code.
        Superseded,
        /// Somebody was let in with it before, at `usedAt`.
        Used,
    }
    {
        /// When somebody was let in with it.
        used_at: DateTime<Utc>,
    }
}

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "TicketState", remote = "entity::ticket::TicketState")]
pub enum State {
    /// Admits once.
    Issued,
    /// Has admitted.
    CheckedIn,
    /// Refunded or revoked: admits nobody.
    Void,
}

/// The right to enter, shown as a signed code.
#[derive(Clone, Debug)]
pub struct Ticket(ticket::Model);

impl From<ticket::Model> for Ticket {
    fn from(row: ticket::Model) -> Self {
        Self(row)
    }
}

/// The right to enter, shown as a signed code.
#[Object]
impl Ticket {
    /// The ticket's id.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Raised by every change.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// Where it stands.
    async fn state(&self) -> State {
        self.0.state.into()
    }

    /// The place in words, such as `Stalls, Row A, Seat 12`.
    async fn label(&self) -> &str {
        &self.0.label
    }

    /// The price level's name.
    async fn tier_name(&self) -> &str {
        &self.0.tier_name
    }

    /// The event that it admits to.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Event> {
        Event::of(ctx, self.0.event_id).await
    }

    /// The signed code, as the QR code shows it. It can be verified without a network, with the ticket key at
    /// `/.well-known/jwks.json`. Null for whoever does not hold the ticket, and once it is void.
    async fn code(&self, ctx: &Context<'_>) -> Option<String> {
        self.code_for_holder(ctx)
    }

    /// The QR code as an SVG document. Null where `code` is.
    async fn qr_svg(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(qr) = self.qr(ctx)? else { return Ok(None) };
        Ok(Some(ctx.budget().text(qr.svg(Scale::DEFAULT))?))
    }

    /// The QR code as a PNG file, in base 64. Null where `code` is.
    async fn qr_png(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(qr) = self.qr(ctx)? else { return Ok(None) };
        let png = qr.png(Scale::DEFAULT).map_err(Fault::internal)?;
        Ok(Some(ctx.budget().text(STANDARD.encode(png))?))
    }

    /// When somebody was let in with it.
    async fn checked_in_at(&self) -> Option<DateTime<Utc>> {
        self.0.checked_in_at
    }
}

impl Ticket {
    /// Scanners see the ticket that they let in, but not its code. Whoever opens an order by its token holds it too,
    /// and comes here only by way of the order, which checked that.
    fn code_for_holder(&self, ctx: &Context<'_>) -> Option<String> {
        let void = self.0.state == ticket::TicketState::Void;
        (!void && !self.is_scanned(ctx)).then(|| tickets::code_of(ctx.app(), &self.0))
    }

    fn is_scanned(&self, ctx: &Context<'_>) -> bool {
        self.0.checked_in_by.is_some()
            && self.0.checked_in_by == ctx.viewer().account().ok()
            && self.0.checked_in_by != Some(self.0.account_id)
    }

    fn qr(&self, ctx: &Context<'_>) -> ApiResult<Option<QrCode>> {
        ctx.budget().charge(PICTURE_TICKET, 0)?;
        let code = self.code_for_holder(ctx);
        Ok(code.map(|code| QrCode::try_new(&code).map_err(Fault::internal)).transpose()?)
    }
}

/// What was scanned.
#[derive(Debug, InputObject)]
pub struct CheckInInput {
    /// The ticket's code.
    pub code: String,
    /// The event that the gate is for; without it, any event of your shops.
    pub event_id: Option<ID>,
}

/// What came of it.
#[derive(Debug, SimpleObject)]
pub struct CheckInPayload {
    /// The ticket, if its holder may enter.
    pub ticket: Option<Ticket>,
    /// Why not.
    pub errors: Vec<TicketError>,
}

/// Queries.
#[derive(Debug, Default)]
pub struct TicketQuery;

#[Object]
impl TicketQuery {
    /// A ticket that you hold. Null otherwise.
    async fn ticket(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ticket.")] id: ID,
    ) -> ApiResult<Option<Ticket>> {
        ctx.viewer().account()?;
        Ok(found(tickets::owned(ctx.app(), ctx.viewer(), decode(&id, "id")?).await)?.map(Ticket))
    }
}

/// Mutations.
#[derive(Debug, Default)]
pub struct TicketMutation;

#[Object]
impl TicketMutation {
    /// Lets a ticket's holder in, exactly once. For the scanners of the shop that sold it.
    async fn check_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What was scanned.")] input: CheckInInput,
    ) -> ApiResult<CheckInPayload> {
        ctx.viewer().user()?;
        let scan = async {
            let event = input.event_id.as_ref().map(|id| decode(id, "eventId")).transpose()?;
            tickets::check_in(ctx.app(), ctx.viewer(), CheckIn { code: input.code, event }).await
        };
        let (ticket, errors) = outcome(scan.await)?;
        Ok(CheckInPayload { ticket: ticket.map(Ticket), errors })
    }
}

/// The viewer's tickets as a connection.
pub(crate) async fn tickets_of_viewer(ctx: &Context<'_>, args: PageArgs) -> ApiResult<TicketConnection> {
    let page = tickets::of_account(ctx.app(), ctx.viewer().account()?, args.window()?).await?;
    Ok(connection(page, EmptyFields, |row| (row.id.0, Ticket(row))))
}

impl From<Refusal> for TicketError {
    fn from(refusal: Refusal) -> Self {
        let new = |code, message: &str| Self { code, message: message.to_owned(), ..Self::default() };
        match refusal {
            Refusal::Forged => new(TicketErrorCode::Forged, "not a code of ours"),
            Refusal::WrongEvent => new(TicketErrorCode::WrongEvent, "a ticket of another event"),
            Refusal::Void => new(TicketErrorCode::Void, "the ticket was refunded or revoked"),
            Refusal::Superseded => {
                new(TicketErrorCode::Superseded, "the ticket was passed on; this is an earlier code")
            }
            Refusal::Used { at } => {
                Self { used_at: Some(at), ..new(TicketErrorCode::Used, "somebody was let in with it before") }
            }
        }
    }
}

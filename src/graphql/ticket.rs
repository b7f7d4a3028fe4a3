//! Tickets in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use entity::ticket;
use uuid::Uuid;

use super::{
    context::ContextExt,
    error::{ApiResult, found, not_allowed, outcome},
    event::Event,
    id::{decode, encode},
    page::{Connected, PageArgs, connection},
    scalar::Long,
    user_error::{Explain, Explanation, user_error},
    weight::PICTURE_TICKET,
};
use crate::{
    barcode::{QrCode, qr::Scale},
    error::Fault,
    ticket::{self as tickets, CheckIn, Refusal},
};

/// A page of tickets.
pub(crate) type TicketConnection = Connected<Uuid, Ticket>;

user_error! {
    /// An error of `checkIn`: why the ticket does not admit its holder.
    CheckInError, CheckInErrorCode (Invalid NotFound) from Refusal {
        /// The code is not a valid ticket code. Do not admit the guest.
        Forged: NotFound,
        /// The ticket is for another event or shop.
        WrongEvent: Refused,
        /// The ticket was refunded or revoked. Do not admit the guest.
        Void: Refused,
        /// The ticket was transferred, and this code belongs to the earlier holder. Do not admit the guest.
        Superseded: Refused,
        /// The ticket was already used, at `usedAt`.
        Used: Conflict,
    }
    {
        /// When the ticket was used. Set only with `USED`.
        used_at: DateTime<Utc>,
    }
}

/// The state of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "TicketState", remote = "entity::ticket::TicketState")]
pub enum State {
    /// The ticket is valid and not used.
    Issued,
    /// The ticket was used.
    CheckedIn,
    /// The ticket was refunded or revoked and admits no one.
    Void,
}

/// The right to enter an event once, with a signed code.
#[derive(Clone, Debug)]
pub struct Ticket(ticket::Model);

impl From<ticket::Model> for Ticket {
    fn from(row: ticket::Model) -> Self {
        Self(row)
    }
}

/// The right to enter an event once, with a signed code.
#[Object]
impl Ticket {
    /// The global id of the ticket.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Increases with every change.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// When the ticket was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// The current state.
    async fn state(&self) -> State {
        self.0.state.into()
    }

    /// The name of the place, such as `Stalls, Row A, Seat 12`.
    async fn label(&self) -> &str {
        &self.0.label
    }

    /// The name of the tier.
    async fn tier_name(&self) -> &str {
        &self.0.tier_name
    }

    /// The event that the ticket admits to.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Event> {
        Event::of(ctx, self.0.event_id).await
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

    /// When the ticket was used at the entrance. Null if it was not.
    async fn checked_in_at(&self) -> Option<DateTime<Utc>> {
        self.0.checked_in_at
    }
}

impl Ticket {
    /// Returns the code if the viewer holds the ticket. Scanners see the ticket that they checked in, but not its code.
    /// The bearer of an order's access token is a holder too: the order has already checked the token.
    fn code_for_holder(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        if self.is_scanned(ctx) {
            return Err(not_allowed(ctx.viewer()));
        }
        let is_void = self.0.state == ticket::TicketState::Void;
        Ok((!is_void).then(|| tickets::code_of(ctx.app(), &self.0)))
    }

    fn is_scanned(&self, ctx: &Context<'_>) -> bool {
        self.0.checked_in_by.is_some()
            && self.0.checked_in_by == ctx.viewer().account().ok()
            && self.0.checked_in_by != Some(self.0.account_id)
    }

    fn qr(&self, ctx: &Context<'_>) -> ApiResult<Option<QrCode>> {
        ctx.budget().charge(PICTURE_TICKET, 0)?;
        let code = self.code_for_holder(ctx)?;
        Ok(code.map(|code| QrCode::try_new(&code).map_err(Fault::internal)).transpose()?)
    }
}

/// Input of `checkIn`.
#[derive(Debug, InputObject)]
pub struct CheckInInput {
    /// The code of the ticket.
    pub code: String,
    /// The event at the entrance. If omitted, any event of your shops.
    pub event_id: Option<ID>,
}

/// The result of `checkIn`.
#[derive(Debug, SimpleObject)]
pub struct CheckInPayload {
    /// The ticket, if it admits its holder. Null if `errors` is not empty.
    pub ticket: Option<Ticket>,
    /// Why the ticket was refused. Empty if it was accepted.
    pub errors: Vec<CheckInError>,
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
        Ok(found(tickets::owned(ctx.app(), ctx.viewer(), decode(&id, "id")?).await)?.map(Ticket))
    }
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct TicketMutation;

#[Object]
impl TicketMutation {
    /// Checks in a ticket, exactly once. Requires a scanner of the shop that sold it.
    async fn check_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `checkIn`.")] input: CheckInInput,
    ) -> ApiResult<Option<CheckInPayload>> {
        ctx.viewer().user()?;
        let scan = async {
            let event = input.event_id.as_ref().map(|id| decode(id, "eventId")).transpose()?;
            tickets::check_in(ctx.app(), ctx.viewer(), CheckIn { code: input.code, event }).await
        };
        let (ticket, errors) = outcome(scan.await)?;
        Ok(Some(CheckInPayload { ticket: ticket.map(Ticket), errors }))
    }
}

/// Returns the viewer's tickets as a connection.
pub(crate) async fn tickets_of_viewer(ctx: &Context<'_>, args: PageArgs) -> ApiResult<TicketConnection> {
    let page = tickets::of_account(ctx.app(), ctx.viewer().account()?, args.window()?).await?;
    Ok(connection(page, |row| (row.id.0, Ticket(row))))
}

/// The data of check-in errors.
#[derive(Debug, Default)]
pub(crate) struct CheckInData {
    used_at: Option<DateTime<Utc>>,
}

impl Explain for Refusal {
    type Data = CheckInData;

    fn explain(self) -> Explanation<CheckInData> {
        match self {
            Self::Forged => Explanation::new("not a valid ticket code").at("code"),
            Self::WrongEvent => Explanation::new("the ticket is for another event"),
            Self::Void => Explanation::new("the ticket was refunded or revoked"),
            Self::Superseded => Explanation::new("the ticket was transferred; this is an earlier code"),
            Self::Used { at } => {
                Explanation::new("the ticket was already used").with(CheckInData { used_at: Some(at) })
            }
        }
    }
}

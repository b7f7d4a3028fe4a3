//! Check-in and check-out: a member of the shop scans the code of a ticket, and its holder enters or leaves.

use chrono::{DateTime, Utc};
use entity::{
    AccountId, CheckInId, EventId, TicketId,
    event::EventState,
    ticket::{self, TicketState, check_in},
};
use sea_orm::EntityTrait;

use super::{
    code::ReadHint,
    entries,
    scan::{self, Direction, Scan},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, FaultResult, Object, Result},
    event::{self as events, admission::Window},
    idempotency::{Key, once_if_keyed},
    shop::{self, rules::Power},
};

/// Characters of a scanned text.
const CODE_INPUT_CHARS: usize = 2_000;

/// The input of a check-in or a check-out.
#[derive(Clone, Debug)]
pub struct CheckIn {
    /// The ticket's code.
    pub code: String,
    /// The event of the gate, if it admits to one event only.
    pub event: Option<EventId>,
    /// The caller's idempotency key.
    pub key: Option<String>,
}

/// The ticket of a refused code, as scanners of its shop see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The ticket.
    pub ticket: TicketId,
    /// The version of the ticket.
    pub version: i64,
    /// The event that the ticket admits to.
    pub event: EventId,
    /// The name of the place.
    pub label: String,
}

impl Scanned {
    pub(super) fn of(ticket: &ticket::Model) -> Self {
        let (event, label) = (ticket.event_id, ticket.label.clone());
        Self { ticket: ticket.id, version: ticket.version, event, label }
    }
}

/// Reasons why the holder does not pass, or why a check-in is not undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a ticket code, or a copy that cannot be read. No signature was checked.
    Unreadable(ReadHint),
    /// The signature of the code is wrong.
    Forged,
    /// A ticket of another event. `None` if it is of another shop.
    WrongEvent(Option<Scanned>),
    /// The ticket was refunded or revoked.
    Void(Scanned),
    /// The code of an earlier holder; the ticket was transferred.
    Superseded(Scanned),
    /// The event is cancelled.
    EventCancelled(Scanned),
    /// The admission has not begun.
    NotYet {
        /// The ticket.
        ticket: Scanned,
        /// The time of admission.
        window: Window,
    },
    /// The admission has ended.
    Over {
        /// The ticket.
        ticket: Scanned,
        /// The time of admission.
        window: Window,
    },
    /// The ticket has no entry left.
    Used {
        /// The ticket.
        ticket: Scanned,
        /// Time of the last admission.
        at: DateTime<Utc>,
        /// The scanner of the last admission.
        by: Option<AccountId>,
        /// When the ticket admits again. `None` for never.
        again: Option<DateTime<Utc>>,
    },
    /// The holder has left, and the event does not permit a return.
    NoReentry {
        /// The ticket.
        ticket: Scanned,
        /// Time of the last admission.
        at: DateTime<Utc>,
        /// The scanner of the last admission.
        by: Option<AccountId>,
        /// When the ticket admits again. `None` for never.
        again: Option<DateTime<Utc>>,
    },
    /// The check-in of the idempotency key was undone.
    Undone(Scanned),
    /// The holder is not inside, so they cannot leave.
    NotInside(Scanned),
    /// The ticket is not checked in, so nothing can be undone.
    NotCheckedIn(Scanned),
}

/// Admits the ticket's holder, if the event admits and the ticket has an entry left. A repeated call with the key of an
/// accepted check-in returns it again.
pub async fn check_in(app: &App, viewer: &Viewer, input: CheckIn) -> Result<ticket::Model, Refusal> {
    scan(app, viewer, input, ("checkIn", Direction::In)).await
}

/// Records that the ticket's holder leaves. A repeated call with the key of an accepted check-out returns it again.
pub async fn check_out(app: &App, viewer: &Viewer, input: CheckIn) -> Result<ticket::Model, Refusal> {
    scan(app, viewer, input, ("checkOut", Direction::Out)).await
}

/// Returns whether the holder of the ticket may return now or later, after an exit.
pub async fn may_return(app: &App, ticket: &ticket::Model) -> FaultResult<bool> {
    let event = events::by_id(app, ticket.event_id).await?;
    let past = entries::past_of(app, ticket, &event, app.clock.now()).await?;
    Ok(super::rules::admit(&past.rules, past.entries).is_some())
}

async fn scan(
    app: &App,
    viewer: &Viewer,
    input: CheckIn,
    (operation, direction): (&'static str, Direction),
) -> Result<ticket::Model, Refusal> {
    viewer.user()?;
    // Scanners and copies add control characters, so only the length is checked.
    let is_short = (1..=CODE_INPUT_CHARS).contains(&input.code.chars().count());
    Check::default().that(is_short, "code", "must have 1 to 2000 characters").done()?;
    let key = Key::of_viewer(viewer, operation, input.key.as_deref(), &(&input.code, input.event))?;
    let replay = |id| accepted(app, viewer, CheckInId(id), direction);
    let scan = Scan { viewer, direction, code: &input.code, gate: input.event, key: key.as_ref() };
    once_if_keyed(app, key.as_ref(), replay, Box::pin(scan::attempt(app, scan))).await
}

/// Returns the ticket of an accepted scan, unless the viewer may no longer scan it, or the holder may no longer pass:
/// because the check-in was undone, the ticket refunded or the event cancelled since.
async fn accepted(
    app: &App,
    viewer: &Viewer,
    id: CheckInId,
    direction: Direction,
) -> Result<ticket::Model, Refusal> {
    let scan = check_in::Entity::find_by_id(id).one(app.store.read()).await.map_err(Fault::from)?;
    // The previous version stored the ticket's id with the key.
    let ticket = scan.as_ref().map_or(TicketId(id.0), |scan| scan.ticket_id);
    let ticket = by_id(app, ticket).await?;
    shop::authorise(app, viewer, ticket.shop_id, Power::Scan).await?;
    if direction == Direction::Out {
        return Ok(ticket);
    }
    if ticket.state == TicketState::Void {
        return Err(Error::Refused(Refusal::Void(Scanned::of(&ticket))));
    }
    let is_undone = match &scan {
        Some(scan) => entries::is_undone(app, scan).await?,
        None => ticket.state != TicketState::CheckedIn,
    };
    if is_undone {
        return Err(Error::Refused(Refusal::Undone(Scanned::of(&ticket))));
    }
    if events::by_id(app, ticket.event_id).await?.state == EventState::Cancelled {
        return Err(Error::Refused(Refusal::EventCancelled(Scanned::of(&ticket))));
    }
    Ok(ticket)
}

/// Returns the ticket without any access check.
pub(super) async fn by_id(app: &App, id: TicketId) -> FaultResult<ticket::Model> {
    ticket::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Ticket))
}

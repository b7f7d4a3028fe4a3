//! Check-in, check-out and undo in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    context::ContextExt,
    error::{ApiResult, edited, outcome},
    id::{decode, encode},
    scalar::{Instant, Long},
    ticket::Ticket,
    user_error::{Explain, Explanation, user_error},
};
use crate::{
    error::FaultResult,
    event::admission::Window,
    ticket::{
        self as tickets, CheckIn, Refusal, Scanned, UndoCheckIn,
        code::{CodeFault, ReadHint},
    },
};

/// The probable reason why a text cannot be read as a ticket code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ReadHint")]
pub enum UnreadableHint {
    /// It is another code, such as a link or the number of a product.
    NotATicket,
    /// It is a ticket code with missing, additional or changed characters. Scan it again.
    Damaged,
    /// The scanner types with the keyboard layout of another language. Choose the same layout for the scanner and the
    /// computer.
    KeyboardLayout,
    /// The key of the ticket is unknown: it is of another system, or the copy is damaged.
    OtherSystem,
}

user_error! {
    /// An error of `checkIn`: why the ticket does not admit its holder.
    CheckInError, CheckInErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// The text is not a ticket code, or it is a copy that cannot be read; see `hint`. Its signature was not checked.
        /// Scan the code again, from the guest's device or paper.
        Unreadable: NotFound,
        /// The signature of the code is wrong. Do not admit the guest.
        Forged: NotFound,
        /// The ticket is for another event or shop.
        WrongEvent: Refused,
        /// The ticket was refunded or revoked. Do not admit the guest.
        Void: Refused,
        /// The ticket was transferred, and this code belongs to the earlier holder. Do not admit the guest.
        Superseded: Refused,
        /// The event is cancelled. Do not admit the guest.
        EventCancelled: Refused,
        /// The admission has not begun. Ask the guest to return at `admissionFrom`.
        NotYet: Refused,
        /// The admission ended at `admissionUntil`.
        Over: Refused,
        /// The ticket has no entry left; see `earlierCheckIn`. After a lost answer, repeat the call with the same key
        /// instead. If the ticket admits again on another day, `admitsAgainAt` is the beginning of that day.
        Used: Conflict,
        /// The guest has left, and the event does not permit a return; see `earlierCheckIn`. If the ticket admits again on
        /// another day, `admitsAgainAt` is the beginning of that day.
        NoReentry: Refused,
        /// The check-in of this key was undone. To admit the guest, scan the ticket with a new key.
        Undone: Conflict,
    }
    {
        /// The probable reason why the code cannot be read. Set only with `UNREADABLE`.
        hint: UnreadableHint,
        /// The id of the ticket. Null if the code is not a ticket of your shops.
        ticket_id: ID,
        /// The version of the ticket, for `undoCheckIn`. Null if the code is not a ticket of your shops.
        ticket_version: Long,
        /// The name of the ticket's place. Null if the code is not a ticket of your shops.
        ticket_label: String,
        /// The id of the event that the ticket admits to. Null if the code is not a ticket of your shops.
        event_id: ID,
        /// The last check-in of the ticket. Set only with `USED` and `NO_REENTRY`.
        earlier_check_in: EarlierCheckIn,
        /// When admission begins. Set only with `NOT_YET` and `OVER`.
        admission_from: Instant,
        /// When admission ends. Set only with `NOT_YET` and `OVER`.
        admission_until: Instant,
        /// When the ticket admits again. Null for never. Set only with `USED` and `NO_REENTRY`.
        admits_again_at: Instant,
    }
}

user_error! {
    /// An error of `checkOut`: why no exit was recorded.
    CheckOutError, CheckOutErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// The text is not a ticket code, or it is a copy that cannot be read; see `hint`. Its signature was not checked.
        Unreadable: NotFound,
        /// The signature of the code is wrong.
        Forged: NotFound,
        /// The ticket is for another event or shop.
        WrongEvent: Refused,
        /// The ticket was refunded or revoked.
        Void: Refused,
        /// The ticket was transferred, and this code belongs to the earlier holder.
        Superseded: Refused,
        /// The guest is not inside: the ticket was not checked in, or it was already checked out.
        NotInside: Refused,
    }
    {
        /// The probable reason why the code cannot be read. Set only with `UNREADABLE`.
        hint: UnreadableHint,
        /// The id of the ticket. Null if the code is not a ticket of your shops.
        ticket_id: ID,
        /// The name of the ticket's place. Null if the code is not a ticket of your shops.
        ticket_label: String,
        /// The id of the event that the ticket admits to. Null if the code is not a ticket of your shops.
        event_id: ID,
    }
}

user_error! {
    /// An error of `undoCheckIn`.
    UndoCheckInError, UndoCheckInErrorCode (Invalid NotFound Stale) from Refusal {
        /// The ticket is not checked in, so there is nothing to undo.
        NotCheckedIn: Refused,
        /// The ticket was refunded or revoked.
        Void: Refused,
    }
}

/// Input of `checkIn`.
#[derive(Debug, InputObject)]
pub struct CheckInInput {
    /// The code of the ticket.
    pub code: String,
    /// The event at the entrance. If omitted, any event of your shops.
    pub event_id: Option<ID>,
    /// Your own key for this scan, 8 to 255 characters. A repeated call with the same key and input returns the accepted
    /// check-in again, so that a guest is not turned away after a lost answer. Use a new key for every scan.
    pub idempotency_key: Option<String>,
}

/// The result of `checkIn`.
#[derive(Debug, SimpleObject)]
pub struct CheckInPayload {
    /// The ticket, if it admits its holder. Null if `errors` is not empty.
    pub ticket: Option<Ticket>,
    /// Why the ticket was refused. Empty if it was accepted.
    pub errors: Vec<CheckInError>,
}

/// Input of `checkOut`.
#[derive(Debug, InputObject)]
pub struct CheckOutInput {
    /// The code of the ticket.
    pub code: String,
    /// The event at the exit. If omitted, any event of your shops.
    pub event_id: Option<ID>,
    /// Your own key for this scan, 8 to 255 characters. A repeated call with the same key and input returns the recorded
    /// exit again. Use a new key for every scan.
    pub idempotency_key: Option<String>,
}

/// The result of `checkOut`.
#[derive(Debug, SimpleObject)]
pub struct CheckOutPayload {
    /// The ticket. Null if `errors` is not empty.
    pub ticket: Option<Ticket>,
    /// Whether the ticket admits the guest again today. Tell guests before they leave if it is false. Null if `errors`
    /// is not empty.
    pub may_return: Option<bool>,
    /// Why no exit was recorded. Empty if it was.
    pub errors: Vec<CheckOutError>,
}

/// Input of `undoCheckIn`.
#[derive(Debug, InputObject)]
pub struct UndoCheckInInput {
    /// The id of the ticket.
    pub ticket_id: ID,
    /// The ticket's `version` when you last read it: from `checkIn`, or as `ticketVersion` from its error. If it has
    /// changed since, nothing is stored and the error is `STALE`.
    pub expected_version: Long,
    /// The reason as plain text, for the audit log; at most 500 characters.
    #[graphql(default)]
    pub reason: String,
}

/// The result of `undoCheckIn`.
#[derive(Debug, SimpleObject)]
pub struct UndoCheckInPayload {
    /// The ticket after the undo. With the error `STALE`, the current ticket. Null with other errors.
    pub ticket: Option<Ticket>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<UndoCheckInError>,
}

/// The check-in that used a ticket.
#[derive(Clone, Debug, SimpleObject)]
pub struct EarlierCheckIn {
    /// When the holder was last admitted.
    at: Instant,
    /// The account of the member who scanned it, as in `ShopMember.accountId`. Null if unknown.
    account_id: Option<ID>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct CheckInMutation;

#[Object]
impl CheckInMutation {
    /// Checks in a ticket, if the event admits and the ticket has an entry left; see `Event.admission`. Requires a member
    /// of the shop that sold it, such as a scanner.
    async fn check_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `checkIn`.")] input: CheckInInput,
    ) -> ApiResult<Option<CheckInPayload>> {
        ctx.viewer().user()?;
        let scan = async {
            let event = input.event_id.as_ref().map(|id| decode(id, "eventId")).transpose()?;
            let scan = CheckIn { code: input.code, event, key: input.idempotency_key };
            tickets::check_in(ctx.app(), ctx.viewer(), scan).await
        };
        let (ticket, errors) = outcome(scan.await)?;
        Ok(Some(CheckInPayload { ticket: ticket.map(|row| Ticket::scanned(ctx, row)), errors }))
    }

    /// Records that the holder of a ticket leaves. If the event permits it, the holder may return with the same ticket.
    /// Requires a member of the shop that sold it, such as a scanner.
    async fn check_out(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `checkOut`.")] input: CheckOutInput,
    ) -> ApiResult<Option<CheckOutPayload>> {
        ctx.viewer().user()?;
        let scan = async {
            let event = input.event_id.as_ref().map(|id| decode(id, "eventId")).transpose()?;
            let scan = CheckIn { code: input.code, event, key: input.idempotency_key };
            tickets::check_out(ctx.app(), ctx.viewer(), scan).await
        };
        let (row, errors) = outcome(scan.await)?;
        let may_return = match &row {
            Some(row) => Some(tickets::may_return(ctx.app(), row).await?),
            None => None,
        };
        let ticket = row.map(|row| Ticket::scanned(ctx, row));
        Ok(Some(CheckOutPayload { ticket, may_return, errors }))
    }

    /// Undoes the last check-in of a ticket, for example of the wrong guest. Then the ticket admits again, or its order
    /// can be refunded. Requires a member of the shop that sold it, such as a scanner. The shop's audit log records it.
    async fn undo_check_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `undoCheckIn`.")] input: UndoCheckInInput,
    ) -> ApiResult<Option<UndoCheckInPayload>> {
        ctx.viewer().user()?;
        let (id, seen, reason) = (input.ticket_id, input.expected_version.0, input.reason);
        let result = match decode(&id, "ticketId") {
            Ok(ticket) => {
                tickets::undo_check_in(ctx.app(), ctx.viewer(), UndoCheckIn { ticket, seen, reason }).await
            }
            Err(fault) => Err(fault.into()),
        };
        let scanned = |row| Ticket::scanned(ctx, row);
        let (ticket, errors) = edited(result.map(scanned), current(ctx, &id)).await?;
        Ok(Some(UndoCheckInPayload { ticket, errors }))
    }
}

/// Returns the current ticket for a payload.
async fn current(ctx: &Context<'_>, id: &ID) -> FaultResult<Ticket> {
    let row = tickets::of_own_shop(ctx.app(), ctx.viewer(), decode(id, "ticketId")?).await?;
    Ok(Ticket::scanned(ctx, row))
}

/// The data of errors at the gate.
#[derive(Debug, Default)]
pub(crate) struct CheckInData {
    ticket_id: Option<ID>,
    ticket_version: Option<Long>,
    ticket_label: Option<String>,
    event_id: Option<ID>,
    earlier_check_in: Option<EarlierCheckIn>,
    admission_from: Option<Instant>,
    admission_until: Option<Instant>,
    admits_again_at: Option<Instant>,
    hint: Option<UnreadableHint>,
}

impl CheckInData {
    fn of(ticket: Scanned) -> Self {
        Self {
            ticket_id: Some(encode(ticket.ticket)),
            ticket_version: Some(Long(ticket.version)),
            ticket_label: Some(ticket.label),
            event_id: Some(encode(ticket.event)),
            ..Self::default()
        }
    }

    fn within(ticket: Scanned, window: Window) -> Self {
        let (admission_from, admission_until) = (Some(window.from.into()), Some(window.until.into()));
        Self { admission_from, admission_until, ..Self::of(ticket) }
    }

    fn after(ticket: Scanned, earlier: EarlierCheckIn, again: Option<DateTime<Utc>>) -> Self {
        Self { earlier_check_in: Some(earlier), admits_again_at: again.map(Into::into), ..Self::of(ticket) }
    }
}

impl Explain for Refusal {
    type Data = CheckInData;

    fn explain(self) -> Explanation<CheckInData> {
        let about = |message: &str, ticket| Explanation::new(message).with(CheckInData::of(ticket));
        match self {
            Self::Unreadable(hint) => Explanation::new(CodeFault::Unreadable(hint).to_string())
                .at("code")
                .with(CheckInData { hint: Some(hint.into()), ..CheckInData::default() }),
            Self::Forged => Explanation::new("the signature of the ticket code is wrong").at("code"),
            Self::WrongEvent(ticket) => Explanation::new("the ticket is for another event")
                .with(ticket.map(CheckInData::of).unwrap_or_default()),
            Self::Void(ticket) => about("the ticket was refunded or revoked", ticket),
            Self::Superseded(ticket) => about("the ticket was transferred; this is an earlier code", ticket),
            Self::EventCancelled(ticket) => about("the event is cancelled", ticket),
            Self::NotYet { ticket, window } => {
                Explanation::new("the admission has not begun; see `admissionFrom`")
                    .with(CheckInData::within(ticket, window))
                    .retryable(true)
            }
            Self::Over { ticket, window } => {
                Explanation::new("the admission has ended; see `admissionUntil`")
                    .with(CheckInData::within(ticket, window))
            }
            Self::Used { ticket, at, by, again } => {
                let earlier = EarlierCheckIn { at: at.into(), account_id: by.map(encode) };
                Explanation::new("the ticket was already used")
                    .with(CheckInData::after(ticket, earlier, again))
                    .retryable(again.is_some())
            }
            Self::NoReentry { ticket, at, by, again } => {
                let earlier = EarlierCheckIn { at: at.into(), account_id: by.map(encode) };
                Explanation::new("the guest has left, and the event does not permit a return")
                    .with(CheckInData::after(ticket, earlier, again))
                    .retryable(again.is_some())
            }
            Self::Undone(ticket) => about("the check-in of this key was undone", ticket),
            Self::NotInside(ticket) => about("the guest is not inside", ticket),
            Self::NotCheckedIn(ticket) => about("the ticket is not checked in", ticket),
        }
    }
}

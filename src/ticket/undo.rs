//! Undoing a check-in: a member of the shop corrects a mistake at the gate. Afterwards the ticket admits again, or can be
//! refunded.

use entity::{
    CheckInId, TicketId,
    ticket::{self, ScanOutcome, TicketState, check_in},
};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel};
use serde_json::json;

use super::{
    Refusal, Scanned,
    check_in::by_id,
    entries::{newest_admissions, newest_exit},
};
use crate::{
    app::App,
    audit,
    auth::Viewer,
    error::{Check, Error, Fault, FaultResult, Object, Result},
    limits::text,
    outbox,
    shop::{authorise_owner, rules::Power},
    store::save_versioned,
};

/// The input of an undo.
#[derive(Clone, Debug)]
pub struct UndoCheckIn {
    /// The ticket.
    pub ticket: TicketId,
    /// The version of the ticket that the caller saw.
    pub seen: i64,
    /// The reason, in the member's words. May be empty.
    pub reason: String,
}

/// Returns the ticket to a member of its shop who may scan it. For others, returns [`Fault::NotFound`].
pub async fn of_own_shop(app: &App, viewer: &Viewer, id: TicketId) -> FaultResult<ticket::Model> {
    viewer.user()?;
    let ticket = by_id(app, id).await?;
    authorise_owner(app, viewer, ticket.shop_id, Power::Scan, Object::Ticket).await?;
    Ok(ticket)
}

/// Undoes the last admission of the ticket if its version is still `seen`. The ticket becomes what it was before: not
/// used, or used by the admission before it.
pub async fn undo_check_in(app: &App, viewer: &Viewer, input: UndoCheckIn) -> Result<ticket::Model, Refusal> {
    let member = viewer.user()?;
    let mut check = Check::default();
    let reason = check.paragraphs(&input.reason, "reason", 0..=text::REASON);
    check.done()?;
    let ticket = of_own_shop(app, viewer, input.ticket).await?;
    if ticket.version != input.seen {
        return Err(Fault::Stale(Object::Ticket).into());
    }
    match ticket.state {
        TicketState::CheckedIn => {}
        TicketState::Issued => return Err(Error::Refused(Refusal::NotCheckedIn(Scanned::of(&ticket)))),
        TicketState::Void => return Err(Error::Refused(Refusal::Void(Scanned::of(&ticket)))),
    }
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let mut admissions = newest_admissions(&tx, ticket.id).await?.into_iter();
    // Race: another member has undone it since the ticket was read.
    let undone = admissions.next().ok_or(Fault::Stale(Object::Ticket))?;
    let before = admissions.next();
    // An exit counts only after the admission that remains.
    let exit = newest_exit(&tx, ticket.id).await?;
    let exit =
        exit.filter(|exit| before.as_ref().is_some_and(|in_| in_.ticket_version < exit.ticket_version));
    let counted = i32::from(undone.outcome == ScanOutcome::Admitted);
    let entries = (ticket.entries - counted).max(i32::from(before.is_some()));
    let mut row = ticket.into_active_model();
    row.state = Set(if before.is_some() { TicketState::CheckedIn } else { TicketState::Issued });
    row.checked_in_at = Set(before.as_ref().map(|before| before.at));
    row.checked_in_by = Set(before.as_ref().map(|before| before.account_id));
    row.checked_out_at = Set(exit.map(|exit| exit.at));
    row.entries = Set(entries);
    row.updated_at = Set(now);
    let ticket = save_versioned::<ticket::Entity>(&tx, row, input.seen, Object::Ticket).await?;
    let undo = check_in::ActiveModel {
        id: Set(CheckInId(app.clock.new_uuid())),
        ticket_id: Set(ticket.id),
        shop_id: Set(ticket.shop_id),
        account_id: Set(member),
        outcome: Set(ScanOutcome::Undone),
        at: Set(now),
        ticket_version: Set(Some(ticket.version)),
        undoes: Set(Some(undone.id)),
    };
    check_in::Entity::insert(undo).exec_without_returning(&tx).await?;
    let details = json!({ "checkedInAt": undone.at, "reason": reason });
    let entry = audit::Entry::new(audit::Action::CheckInUndone, ticket.id, details).of_shop(ticket.shop_id);
    audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
    outbox::record_in_tx(&tx, outbox::Kind::TicketChanged, ticket.id.0, now).await?;
    outbox::record_in_tx(&tx, outbox::Kind::BagChanged, ticket.account_id.0, now).await?;
    tx.commit().await?;
    app.outbox.wake();
    Ok(ticket)
}

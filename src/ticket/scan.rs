//! Scans at the gate: the ticket of a code, the decision about it, and its record. [`check_in`](super::check_in()) and
//! [`check_out`](super::check_out()) are the two directions.

use chrono::{DateTime, Utc};
use entity::{
    AccountId, CheckInId, EventId, TicketId,
    event::{self, EventState},
    ticket::{self, ScanOutcome, TicketState, check_in},
};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel};

use super::{
    Refusal, Scanned,
    code::{self, Claims, CodeFault},
    entries::{Past, past_of},
    rules::{self, Admittance},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Object},
    event::{
        self as events,
        admission::{self, Window},
    },
    idempotency::{Attempt, AttemptError, Key, claim_if_keyed_in_tx},
    limits::{Rule, Subject},
    outbox,
    shop::{self, rules::Power},
    store::save_versioned,
};

/// How often a scan is retried because another scanner was first.
const ATTEMPTS: usize = 5;

/// The direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

/// A scan of a code by a member of a shop.
pub(super) struct Scan<'a> {
    pub(super) viewer: &'a Viewer,
    pub(super) direction: Direction,
    pub(super) code: &'a str,
    /// The event of the gate, if it admits to one event only.
    pub(super) gate: Option<EventId>,
    pub(super) key: Option<&'a Key>,
}

/// Why a scanned code is refused.
enum ScanError {
    /// The code does not belong to the scanner's shops, and counts as a guess.
    Foreign(AttemptError<Refusal>),
    /// Any other reason.
    Known(AttemptError<Refusal>),
}

impl From<Fault> for ScanError {
    fn from(fault: Fault) -> Self {
        Self::Known(fault.into())
    }
}

impl From<AttemptError<Refusal>> for ScanError {
    fn from(error: AttemptError<Refusal>) -> Self {
        Self::Known(error)
    }
}

/// Scans the code. Wrong codes count for the scanner and their network.
pub(super) async fn attempt(app: &App, scan: Scan<'_>) -> Attempt<ticket::Model, Refusal> {
    let scanner = scan.viewer.user()?;
    let own = (Rule::Scans, Subject::Id(scanner.0));
    let network = app.limits.network_subject(scan.viewer).map(|network| (Rule::NetworkScans, network));
    // A gate scans many tickets quickly, and some twice. Only codes of other shops count as attempts.
    let guess = app.limits.attempt([own].into_iter().chain(network)).await.map_err(Fault::from)?;
    let outcome = run(app, scanner, &scan).await;
    match &outcome {
        Err(ScanError::Foreign(_)) => {}
        Ok(_) | Err(ScanError::Known(_)) => guess.forgive().await,
    }
    outcome.map_err(|(ScanError::Foreign(error) | ScanError::Known(error))| error)
}

async fn run(
    app: &App,
    scanner: AccountId,
    scan: &Scan<'_>,
) -> std::result::Result<ticket::Model, ScanError> {
    let foreign = |refusal| ScanError::Foreign(Error::Refused(refusal).into());
    let claims = code::verify(&app.ticket.verifier, scan.code).map_err(|fault| foreign(fault.into()))?;
    for _ in 0..ATTEMPTS {
        let ticket = ticket::Entity::find_by_id(TicketId(claims.ticket))
            .one(app.store.read())
            .await
            .map_err(Fault::from)?
            // A genuine ticket, but of another database with the same keys.
            .ok_or_else(|| foreign(Refusal::WrongEvent(None)))?;
        match shop::authorise(app, scan.viewer, ticket.shop_id, Power::Scan).await {
            Ok(()) => {}
            // A genuine ticket, but of another shop.
            Err(Fault::Forbidden(_)) => return Err(foreign(Refusal::WrongEvent(None))),
            Err(fault) => return Err(fault.into()),
        }
        let decision = decide(app, scan, &ticket, claims).await?;
        let refusal = decision.as_ref().err().cloned();
        match record(app, scanner, ticket, (decision, scan.key)).await {
            Ok(ticket) => {
                let refused = |refusal| AttemptError::from(Error::Refused(refusal));
                return refusal.map_or(Ok(ticket), |refusal| Err(refused(refusal).into()));
            }
            // Another scanner was first: read the ticket again.
            Err(AttemptError::Failed(Error::Fault(Fault::Stale(_)))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::unavailable().into())
}

/// A decision about a scan: what happens, or why the holder does not pass.
type Decision = std::result::Result<ScanOutcome, Refusal>;

async fn decide(app: &App, scan: &Scan<'_>, ticket: &ticket::Model, claims: Claims) -> FaultResult<Decision> {
    if let Some(refusal) = invalid(ticket, claims, scan.gate) {
        return Ok(Err(refusal));
    }
    if scan.direction == Direction::Out {
        return Ok(may_leave(ticket));
    }
    let event = events::by_id(app, ticket.event_id).await?;
    let (now, window) = (app.clock.now(), admission::window(&event));
    if let Some(refusal) = closed(ticket, &event, window, now) {
        return Ok(Err(refusal));
    }
    let past = past_of(app, ticket, &event, now).await?;
    Ok(may_enter(ticket, &past, window))
}

/// Returns why the code or its ticket is invalid at this gate.
fn invalid(ticket: &ticket::Model, claims: Claims, gate: Option<EventId>) -> Option<Refusal> {
    let scanned = || Scanned::of(ticket);
    let of_event = ticket.event_id.0 == claims.event && gate.is_none_or(|gate| gate == ticket.event_id);
    if !of_event {
        return Some(Refusal::WrongEvent(Some(scanned())));
    }
    if ticket.state == TicketState::Void {
        return Some(Refusal::Void(scanned()));
    }
    let is_current = i64::from(ticket.epoch) == i64::from(claims.epoch);
    (!is_current).then(|| Refusal::Superseded(scanned()))
}

/// Returns why the event does not admit at this time.
fn closed(
    ticket: &ticket::Model,
    event: &event::Model,
    window: Window,
    now: DateTime<Utc>,
) -> Option<Refusal> {
    let ticket = || Scanned::of(ticket);
    if event.state == EventState::Cancelled {
        Some(Refusal::EventCancelled(ticket()))
    } else if now < window.from {
        Some(Refusal::NotYet { ticket: ticket(), window })
    } else if now >= window.until {
        Some(Refusal::Over { ticket: ticket(), window })
    } else {
        None
    }
}

fn may_enter(ticket: &ticket::Model, past: &Past, window: Window) -> Decision {
    match (rules::admit(&past.rules, past.entries), ticket.checked_in_at, ticket.checked_out_at) {
        (Some(Admittance::Entry), ..) => Ok(ScanOutcome::Admitted),
        (Some(Admittance::Return), ..) => Ok(ScanOutcome::Readmitted),
        (None, at, left_at) => {
            let again = past.next_day.filter(|day| *day < window.until);
            let (ticket, by) = (Scanned::of(ticket), ticket.checked_in_by);
            let is_reentry = left_at.is_some() && !past.rules.iter().any(|rules| rules.reentry);
            let at = at.unwrap_or_default();
            Err(if is_reentry {
                Refusal::NoReentry { ticket, at, by, again }
            } else {
                Refusal::Used { ticket, at, by, again }
            })
        }
    }
}

fn may_leave(ticket: &ticket::Model) -> Decision {
    let is_inside = ticket.state == TicketState::CheckedIn && ticket.checked_out_at.is_none();
    if is_inside { Ok(ScanOutcome::Left) } else { Err(Refusal::NotInside(Scanned::of(ticket))) }
}

fn outcome_of(refusal: &Refusal) -> ScanOutcome {
    match refusal {
        Refusal::Used { .. } => ScanOutcome::Used,
        Refusal::NoReentry { .. } => ScanOutcome::NoReentry,
        Refusal::NotInside(_) => ScanOutcome::NotInside,
        Refusal::NotYet { .. } => ScanOutcome::NotYet,
        Refusal::Over { .. } => ScanOutcome::Over,
        Refusal::EventCancelled(_) => ScanOutcome::EventCancelled,
        Refusal::Void(_) => ScanOutcome::Void,
        Refusal::Superseded(_) => ScanOutcome::Superseded,
        Refusal::WrongEvent(_)
        | Refusal::Unreadable(_)
        | Refusal::Forged
        | Refusal::Undone(_)
        | Refusal::NotCheckedIn(_) => ScanOutcome::WrongEvent,
    }
}

impl From<CodeFault> for Refusal {
    fn from(fault: CodeFault) -> Self {
        match fault {
            CodeFault::Unreadable(hint) => Self::Unreadable(hint),
            CodeFault::Forged => Self::Forged,
        }
    }
}

/// Stores the scan, and changes the ticket if its holder passes. Fails with [`Fault::Stale`] if the ticket has changed
/// since the decision.
async fn record(
    app: &App,
    scanner: AccountId,
    ticket: ticket::Model,
    (decision, key): (Decision, Option<&Key>),
) -> Attempt<ticket::Model, Refusal> {
    let (now, id) = (app.clock.now(), CheckInId(app.clock.new_uuid()));
    let outcome = decision.as_ref().map_or_else(outcome_of, |outcome| *outcome);
    let tx = app.store.begin().await?;
    let (ticket, version) = if decision.is_ok() {
        claim_if_keyed_in_tx(key, &tx, id.0, now).await?;
        let (seen, entries) = (ticket.version, ticket.entries);
        // Older versions did not count the entry of a used ticket.
        let entries = entries.max(i32::from(ticket.state == TicketState::CheckedIn));
        let mut row = ticket.into_active_model();
        if outcome == ScanOutcome::Left {
            row.checked_out_at = Set(Some(now));
        } else {
            row.state = Set(TicketState::CheckedIn);
            row.checked_in_at = Set(Some(now));
            row.checked_in_by = Set(Some(scanner));
            row.checked_out_at = Set(None);
            row.entries = Set(entries + i32::from(outcome == ScanOutcome::Admitted));
        }
        row.updated_at = Set(now);
        let ticket = save_versioned::<ticket::Entity>(&tx, row, seen, Object::Ticket).await?;
        outbox::record_in_tx(&tx, outbox::Kind::TicketChanged, ticket.id.0, now).await?;
        outbox::record_in_tx(&tx, outbox::Kind::BagChanged, ticket.account_id.0, now).await?;
        let version = ticket.version;
        (ticket, Some(version))
    } else {
        (ticket, None)
    };
    let scan = check_in::ActiveModel {
        id: Set(id),
        ticket_id: Set(ticket.id),
        shop_id: Set(ticket.shop_id),
        account_id: Set(scanner),
        outcome: Set(outcome),
        at: Set(now),
        ticket_version: Set(version),
        undoes: Set(None),
    };
    check_in::Entity::insert(scan).exec_without_returning(&tx).await?;
    tx.commit().await?;
    app.outbox.wake();
    Ok(ticket)
}

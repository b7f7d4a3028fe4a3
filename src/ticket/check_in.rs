//! Check-in: a scanner of the shop admits a ticket's holder, exactly once.

use chrono::{DateTime, Utc};
use entity::{
    AccountId, CheckInId, EventId, TicketId,
    ticket::{self, ScanOutcome, TicketState, check_in},
};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel};

use super::code::{self, Claims};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, Object, Result},
    idempotency::{Attempt, AttemptError, Key, claim_if_keyed_in_tx, once_if_keyed},
    limits::{Rule, Subject},
    outbox,
    shop::{self, rules::Power},
    store::save_versioned,
};

/// How often a scan is retried because another scanner was first.
const ATTEMPTS: usize = 3;

/// The input of a check-in.
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
    /// The event that the ticket admits to.
    pub event: EventId,
    /// The name of the place.
    pub label: String,
}

impl Scanned {
    fn of(ticket: &ticket::Model) -> Self {
        Self { ticket: ticket.id, event: ticket.event_id, label: ticket.label.clone() }
    }
}

/// Reasons why the holder is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a code of this server, or altered.
    Forged,
    /// A ticket of another event. `None` if it is of another shop.
    WrongEvent(Option<Scanned>),
    /// The ticket was refunded or revoked.
    Void(Scanned),
    /// The code of an earlier holder; the ticket was transferred.
    Superseded(Scanned),
    /// The ticket was used before.
    Used {
        /// The ticket.
        ticket: Scanned,
        /// Time of the earlier check-in.
        at: DateTime<Utc>,
        /// The scanner of the earlier check-in.
        by: Option<AccountId>,
    },
}

/// Admits the ticket's holder, if the ticket was not used before. A repeated call with the key of an accepted check-in
/// returns it again.
pub async fn check_in(app: &App, viewer: &Viewer, input: CheckIn) -> Result<ticket::Model, Refusal> {
    viewer.user()?;
    Check::default().opaque(&input.code, "code", 1..=2_000).done()?;
    let key = Key::of_viewer(viewer, "checkIn", input.key.as_deref(), &(&input.code, input.event))?;
    let replay = |id| accepted(app, viewer, TicketId(id));
    once_if_keyed(app, key.as_ref(), replay, Box::pin(attempt(app, viewer, &input, key.as_ref()))).await
}

/// Returns the ticket of an accepted check-in, unless the viewer may no longer scan it or it was refunded since.
async fn accepted(app: &App, viewer: &Viewer, id: TicketId) -> Result<ticket::Model, Refusal> {
    let ticket = ticket::Entity::find_by_id(id).one(app.store.read()).await.map_err(Fault::from)?;
    let ticket = ticket.ok_or(Fault::NotFound(Object::Ticket))?;
    shop::authorise(app, viewer, ticket.shop_id, Power::Scan).await?;
    if ticket.state == TicketState::Void {
        return Err(Error::Refused(Refusal::Void(Scanned::of(&ticket))));
    }
    Ok(ticket)
}

async fn attempt(
    app: &App,
    viewer: &Viewer,
    input: &CheckIn,
    key: Option<&Key>,
) -> Attempt<ticket::Model, Refusal> {
    let scanner = viewer.user()?;
    let own = (Rule::Scans, Subject::Id(scanner.0));
    let network = app.limits.network_subject(viewer).map(|network| (Rule::NetworkScans, network));
    // A gate scans many tickets quickly, and some twice. Only codes of other shops count as attempts.
    let guess = app.limits.attempt([own].into_iter().chain(network)).await.map_err(Fault::from)?;
    let outcome = scan(app, viewer, scanner, input, key).await;
    match &outcome {
        Err(ScanError::Foreign(_)) => {}
        Ok(_) | Err(ScanError::Known(_)) => guess.forgive().await,
    }
    outcome.map_err(|(ScanError::Foreign(error) | ScanError::Known(error))| error)
}

/// Why a scanned code admits nobody.
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

async fn scan(
    app: &App,
    viewer: &Viewer,
    scanner: AccountId,
    input: &CheckIn,
    key: Option<&Key>,
) -> std::result::Result<ticket::Model, ScanError> {
    let foreign = |refusal| ScanError::Foreign(Error::Refused(refusal).into());
    let claims = code::verify(&app.ticket.verifier, &input.code).map_err(|_| foreign(Refusal::Forged))?;
    for _ in 0..ATTEMPTS {
        let ticket = ticket::Entity::find_by_id(TicketId(claims.ticket))
            .one(app.store.read())
            .await
            .map_err(Fault::from)?
            .ok_or_else(|| foreign(Refusal::Forged))?;
        match shop::authorise(app, viewer, ticket.shop_id, Power::Scan).await {
            Ok(()) => {}
            // A genuine ticket, but of another shop.
            Err(Fault::Forbidden(_)) => return Err(foreign(Refusal::WrongEvent(None))),
            Err(fault) => return Err(fault.into()),
        }
        let refusal = refusal(&ticket, claims, input.event);
        match record(app, scanner, ticket, refusal.as_ref(), key).await {
            Ok(ticket) => {
                let refused = |refusal| AttemptError::from(Error::Refused(refusal));
                return refusal.map_or(Ok(ticket), |refusal| Err(refused(refusal).into()));
            }
            // Another scanner was first: read the ticket again and find it used.
            Err(AttemptError::Failed(Error::Fault(Fault::Stale(_)))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::unavailable().into())
}

fn refusal(ticket: &ticket::Model, claims: Claims, gate: Option<EventId>) -> Option<Refusal> {
    let scanned = || Scanned::of(ticket);
    let of_event = ticket.event_id.0 == claims.event && gate.is_none_or(|gate| gate == ticket.event_id);
    if !of_event {
        return Some(Refusal::WrongEvent(Some(scanned())));
    }
    if ticket.state == TicketState::Void {
        return Some(Refusal::Void(scanned()));
    }
    if i64::from(ticket.epoch) != i64::from(claims.epoch) {
        return Some(Refusal::Superseded(scanned()));
    }
    ticket.checked_in_at.map(|at| Refusal::Used { ticket: scanned(), at, by: ticket.checked_in_by })
}

/// Stores the scan, and marks the ticket as used if it admits.
async fn record(
    app: &App,
    scanner: AccountId,
    ticket: ticket::Model,
    refusal: Option<&Refusal>,
    key: Option<&Key>,
) -> Attempt<ticket::Model, Refusal> {
    let now = app.clock.now();
    let outcome = match refusal {
        None => ScanOutcome::Admitted,
        Some(Refusal::Used { .. }) => ScanOutcome::Used,
        Some(Refusal::Void(_)) => ScanOutcome::Void,
        Some(Refusal::Superseded(_)) => ScanOutcome::Superseded,
        Some(Refusal::WrongEvent(_) | Refusal::Forged) => ScanOutcome::WrongEvent,
    };
    let scan = check_in::ActiveModel {
        id: Set(CheckInId(app.clock.new_uuid())),
        ticket_id: Set(ticket.id),
        shop_id: Set(ticket.shop_id),
        account_id: Set(scanner),
        outcome: Set(outcome),
        at: Set(now),
    };
    let tx = app.store.begin().await?;
    let ticket = if outcome == ScanOutcome::Admitted {
        claim_if_keyed_in_tx(key, &tx, ticket.id.0, now).await?;
        let version = ticket.version;
        let mut row = ticket.into_active_model();
        row.state = Set(TicketState::CheckedIn);
        row.checked_in_at = Set(Some(now));
        row.checked_in_by = Set(Some(scanner));
        row.updated_at = Set(now);
        let ticket = save_versioned::<ticket::Entity>(&tx, row, version, Object::Ticket).await?;
        outbox::record_in_tx(&tx, outbox::Kind::TicketChanged, ticket.id.0, now).await?;
        outbox::record_in_tx(&tx, outbox::Kind::BagChanged, ticket.account_id.0, now).await?;
        ticket
    } else {
        ticket
    };
    check_in::Entity::insert(scan).exec_without_returning(&tx).await?;
    tx.commit().await?;
    app.outbox.wake();
    Ok(ticket)
}

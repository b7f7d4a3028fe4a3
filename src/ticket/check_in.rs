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
    error::{Check, Error, Fault, FaultResult, Object, Result},
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
}

/// Reasons why the holder is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a code of this server, or altered.
    Forged,
    /// A ticket of another event or shop.
    WrongEvent,
    /// The ticket was refunded or revoked.
    Void,
    /// The code of an earlier holder; the ticket was transferred.
    Superseded,
    /// The ticket was used before.
    Used {
        /// Time of the earlier check-in.
        at: DateTime<Utc>,
    },
}

/// Admits the ticket's holder, if the ticket was not used before.
pub async fn check_in(app: &App, viewer: &Viewer, input: CheckIn) -> Result<ticket::Model, Refusal> {
    let scanner = viewer.user()?;
    Check::default().text(&input.code, "code", 1, 2_000).done()?;
    let own = (Rule::Scans, Subject::Id(scanner.0));
    let network = app.limits.network_subject(viewer).map(|network| (Rule::NetworkScans, network));
    // A gate scans many tickets quickly, and some twice. Only codes of other shops count as attempts.
    let guess = app.limits.attempt([own].into_iter().chain(network)).await.map_err(Fault::from)?;
    let outcome = scan(app, viewer, scanner, &input).await;
    match &outcome {
        Err(ScanError::Foreign(_)) => {}
        Ok(_) | Err(ScanError::Known(_)) => guess.forgive().await,
    }
    outcome.map_err(|(ScanError::Foreign(error) | ScanError::Known(error))| error)
}

/// Why a scanned code admits nobody.
enum ScanError {
    /// The code does not belong to the scanner's shops, and counts as a guess.
    Foreign(Error<Refusal>),
    /// Any other reason.
    Known(Error<Refusal>),
}

impl From<Fault> for ScanError {
    fn from(fault: Fault) -> Self {
        Self::Known(fault.into())
    }
}

impl From<Error<Refusal>> for ScanError {
    fn from(error: Error<Refusal>) -> Self {
        Self::Known(error)
    }
}

async fn scan(
    app: &App,
    viewer: &Viewer,
    scanner: AccountId,
    input: &CheckIn,
) -> std::result::Result<ticket::Model, ScanError> {
    let foreign = |refusal| ScanError::Foreign(Error::Refused(refusal));
    let claims = code::verify(&app.ticket_verifier, &input.code).map_err(|_| foreign(Refusal::Forged))?;
    for _ in 0..ATTEMPTS {
        let ticket = ticket::Entity::find_by_id(TicketId(claims.ticket))
            .one(app.store.read())
            .await
            .map_err(Fault::from)?
            .ok_or_else(|| foreign(Refusal::Forged))?;
        match shop::authorise(app, viewer, ticket.shop_id, Power::Scan).await {
            Ok(()) => {}
            // A genuine ticket, but of another shop.
            Err(Fault::Forbidden(_)) => return Err(foreign(Refusal::WrongEvent)),
            Err(fault) => return Err(fault.into()),
        }
        let refusal = refusal(&ticket, claims, input.event);
        match record(app, scanner, ticket, refusal.as_ref()).await {
            Ok(ticket) => return refusal.map_or(Ok(ticket), |refusal| Err(Error::Refused(refusal).into())),
            // Another scanner was first: read the ticket again and find it used.
            Err(Fault::Stale(_)) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Err(Fault::unavailable().into())
}

fn refusal(ticket: &ticket::Model, claims: Claims, gate: Option<EventId>) -> Option<Refusal> {
    let of_event = ticket.event_id.0 == claims.event && gate.is_none_or(|gate| gate == ticket.event_id);
    if !of_event {
        return Some(Refusal::WrongEvent);
    }
    if ticket.state == TicketState::Void {
        return Some(Refusal::Void);
    }
    if i64::from(ticket.epoch) != i64::from(claims.epoch) {
        return Some(Refusal::Superseded);
    }
    ticket.checked_in_at.map(|at| Refusal::Used { at })
}

/// Stores the scan, and marks the ticket as used if it admits.
async fn record(
    app: &App,
    scanner: AccountId,
    ticket: ticket::Model,
    refusal: Option<&Refusal>,
) -> FaultResult<ticket::Model> {
    let now = app.clock.now();
    let outcome = match refusal {
        None => ScanOutcome::Admitted,
        Some(Refusal::Used { .. }) => ScanOutcome::Used,
        Some(Refusal::Void) => ScanOutcome::Void,
        Some(Refusal::Superseded) => ScanOutcome::Superseded,
        Some(Refusal::WrongEvent | Refusal::Forged) => ScanOutcome::WrongEvent,
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

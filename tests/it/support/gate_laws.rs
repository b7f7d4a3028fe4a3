//! The laws of the gate: a ticket is what its check-ins made of it.

use std::collections::HashSet;

use entity::{
    CheckInId,
    ticket::{self, ScanOutcome, TicketState, check_in},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tessera::store::Connections;

/// Panics at the first violated invariant.
pub(super) async fn hold(db: &Connections) {
    for ticket in ticket::Entity::find().all(db).await.expect("tickets") {
        let rows = check_in::Entity::find().filter(check_in::Column::TicketId.eq(ticket.id));
        follows_from_its_check_ins(&ticket, rows.all(db).await.expect("check-ins"));
    }
}

fn follows_from_its_check_ins(ticket: &ticket::Model, mut rows: Vec<check_in::Model>) {
    rows.retain(|row| row.ticket_version.is_some());
    rows.sort_by_key(|row| row.ticket_version);
    let versions: HashSet<_> = rows.iter().map(|row| row.ticket_version).collect();
    assert_eq!(versions.len(), rows.len(), "each version of a ticket has one scan");
    assert!(rows.iter().all(|row| row.ticket_version <= Some(ticket.version)), "no scan of a later version");
    // Replays the scans, each on what was valid before it.
    let mut valid: Vec<check_in::Model> = Vec::new();
    let is_admission =
        |row: &check_in::Model| matches!(row.outcome, ScanOutcome::Admitted | ScanOutcome::Readmitted);
    for row in rows {
        match row.outcome {
            ScanOutcome::Admitted => valid.push(row),
            ScanOutcome::Readmitted => {
                let last = valid.last().map(|last| last.outcome);
                assert_eq!(last, Some(ScanOutcome::Left), "only guests who left return");
                valid.push(row);
            }
            ScanOutcome::Left => {
                assert!(valid.last().is_some_and(is_admission), "only guests who are inside leave");
                valid.push(row);
            }
            ScanOutcome::Undone => {
                let undone: CheckInId = row.undoes.expect("what was undone");
                let last = valid.iter().rposition(is_admission).expect("an admission to undo");
                assert_eq!(valid[last].id, undone, "the last admission is undone");
                valid.remove(last);
            }
            ScanOutcome::Used
            | ScanOutcome::NoReentry
            | ScanOutcome::NotInside
            | ScanOutcome::NotYet
            | ScanOutcome::Over
            | ScanOutcome::EventCancelled
            | ScanOutcome::Void
            | ScanOutcome::Superseded
            | ScanOutcome::WrongEvent => panic!("a refused scan changed the ticket: {row:?}"),
        }
    }
    let last = valid.iter().rposition(is_admission);
    let entries = valid.iter().filter(|row| row.outcome == ScanOutcome::Admitted).count();
    match ticket.state {
        TicketState::Issued => assert!(last.is_none() && ticket.checked_in_at.is_none(), "{ticket:?}"),
        TicketState::CheckedIn => {
            let last = last.expect("a used ticket has an admission");
            assert_eq!(ticket.checked_in_at, Some(valid[last].at), "{ticket:?}");
            assert_eq!(ticket.checked_in_by, Some(valid[last].account_id), "{ticket:?}");
            let exit = valid[last + 1..].last().map(|exit| exit.at);
            assert_eq!(ticket.checked_out_at, exit, "{ticket:?}");
        }
        TicketState::Void => return,
    }
    assert_eq!(usize::try_from(ticket.entries).expect("not negative"), entries, "{ticket:?}");
}

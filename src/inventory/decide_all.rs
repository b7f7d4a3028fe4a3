//! Deciding several commands on one stock, all or nothing.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, Utc};

use super::{
    change::Decision,
    command::{Command, Refusal},
    decide::decide,
    state::{ReservationSnapshot, Stock},
};

/// Decides the commands one after the other and applies them. If one is refused, applies none.
pub(super) fn decide_all(
    stock: &mut Stock,
    commands: &[Command],
    now: DateTime<Utc>,
) -> Result<(Vec<Decision>, Vec<ReservationSnapshot>), Refusal> {
    let mut decisions: Vec<Decision> = Vec::with_capacity(commands.len());
    let mut reservations = Vec::with_capacity(commands.len());
    for command in commands {
        match decide(stock, command, now) {
            Ok((decision, reservation)) => {
                stock.apply(&decision);
                decisions.push(decision);
                reservations.extend(reservation);
            }
            Err(refusal) => {
                decisions.iter().rev().for_each(|decision| stock.undo(decision));
                return Err(refusal);
            }
        }
    }
    Ok((decisions, reservations))
}

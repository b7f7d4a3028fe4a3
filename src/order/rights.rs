//! The rights of a buyer at the checkout. Later changes of the event can extend them, but not reduce them.
//!
//! Invariant: pure and synchronous. Stored values stay readable: new fields have a default, and no field is renamed.

use chrono::{DateTime, Utc};
use entity::{event, order::line, tier};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Fault, FaultResult},
    event::admission::EntryRules,
};

/// The rights that come with a place of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rights {
    /// The end of the time in which the buyer may refund without the shop. `None` excludes such refunds.
    pub refund_until: Option<DateTime<Utc>>,
    /// How often the ticket admits.
    pub entries: EntryRules,
}

impl Rights {
    /// Returns the rights that a buyer of a place in the tier gets now.
    pub fn of(event: &event::Model, tier: Option<&tier::Model>) -> Self {
        let entries = tier.and_then(EntryRules::of_tier).unwrap_or_else(|| EntryRules::of(event));
        Self { refund_until: event.refund_until, entries }
    }

    /// Returns the rights that were stored with a line. `None` for a coupon, and for lines of older versions.
    pub fn of_line(line: &line::Model) -> FaultResult<Option<Self>> {
        let stored = line.rights.as_deref().map(serde_json::from_str).transpose();
        stored.map_err(Fault::internal)
    }

    /// Returns the rights as a line stores them.
    pub fn to_json(&self) -> FaultResult<String> {
        serde_json::to_string(self).map_err(Fault::internal)
    }
}

/// Returns the end of the time in which the buyer may refund the place without the shop: the later one of the checkout's
/// and the event's current one. `None` excludes such refunds.
pub fn refund_until(line: &line::Model, event: &event::Model) -> FaultResult<Option<DateTime<Utc>>> {
    let bought = Rights::of_line(line)?.and_then(|rights| rights.refund_until);
    // `None` is less than any time.
    Ok(bought.max(event.refund_until))
}

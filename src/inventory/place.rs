//! A place of an inventory: a seat, or some places of an area.
//!
//! Invariant: pure and synchronous.

use serde::{Deserialize, Serialize};

/// A seat or some places of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A numbered seat.
    Seat {
        /// Index in map order.
        ordinal: u32,
        /// The seat's epoch while it is reserved.
        epoch: u32,
    },
    /// Places of an area.
    Area {
        /// Index in map order.
        ordinal: u32,
        /// Number of places.
        quantity: u32,
    },
}

impl Place {
    /// Returns the number of places.
    pub fn quantity(&self) -> u32 {
        match self {
            Self::Seat { .. } => 1,
            Self::Area { quantity, .. } => *quantity,
        }
    }
}

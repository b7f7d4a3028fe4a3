//! The sources of reservations that this instance knows, and their wasted places.

use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use chrono::{DateTime, Utc};
use entity::{InventoryId, reservation::ReservationState};
use moka::{ops::compute::Op, sync::Cache};

use super::{
    change::Change,
    hoarding::{Source, WastedPlaces},
};
use crate::{auth::Network, keys::SigningKeys};

/// Maximum number of sources in memory.
const SOURCES_MAX: u64 = 100_000;
/// After this time wasted places have nearly decayed.
const REMEMBERED: Duration = Duration::from_hours(3);

/// The sources known to this instance.
pub(crate) struct Origins {
    key: Key,
    wasted: Cache<Source, WastedPlaces>,
}

impl Origins {
    /// Creates an empty memory of sources.
    pub(crate) fn new(keys: &SigningKeys) -> Self {
        Self {
            key: Key::new(HMAC_SHA256, &keys.session.signing.derive("source")),
            wasted: Cache::builder().max_capacity(SOURCES_MAX).time_to_idle(REMEMBERED).build(),
        }
    }

    /// Returns the inventory's source for the network.
    pub(super) fn source(&self, inventory: InventoryId, network: Network) -> Source {
        let tag = sign(&self.key, format!("{}/{}", inventory.0, network.address()).as_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&tag.as_ref()[..8]);
        // Zero means no source in rows.
        Source(i64::from_be_bytes(bytes) | 1)
    }

    /// Returns the recently wasted places of the source.
    pub(super) fn wasted(&self, source: Source, now: DateTime<Utc>) -> u32 {
        self.wasted.get(&source).map(|wasted| wasted.at(now)).unwrap_or_default()
    }

    /// Counts ended reservations. A purchase clears the wasted places of its source.
    pub(super) fn learn(&self, change: &Change, now: DateTime<Utc>) {
        for reservation in &change.reservations {
            let Some(source) = reservation.source else { continue };
            match reservation.state {
                ReservationState::Converted => self.wasted.invalidate(&source),
                ReservationState::Released | ReservationState::Expired => {
                    self.wasted.entry(source).and_compute_with(|entry| {
                        let before = entry.map_or(WastedPlaces::nothing(now), moka::Entry::into_value);
                        Op::Put(before.more(reservation.quantity(), now))
                    });
                }
                ReservationState::Active | ReservationState::Paying => {}
            }
        }
    }
}

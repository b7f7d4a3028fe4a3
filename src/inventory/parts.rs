//! What the slice keeps in memory: the desks, the sources of reservations, the proofs of human checks, and the seat maps of
//! published events.

use std::sync::Arc;

use entity::{EventId, SeatMapId};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use super::{desks::Desks, origins::Origins};
use crate::{
    clock::Clock,
    config::Config,
    human::{HumanCheck, Proofs, altcha::Altcha},
    keys::SigningKeys,
};

/// Events whose seat map's id is cached.
const EVENTS_KNOWN_MAX: u64 = 100_000;

/// The inventories' part of the application.
pub struct InventoryParts {
    /// The human check that some events require before a reservation.
    pub human: Arc<dyn HumanCheck>,
    pub(crate) proofs: Proofs,
    pub(crate) desks: Desks,
    /// Permits to load a whole inventory: three quarters of the reading connections. Loads beyond that wait here in
    /// order, and leave connections to short reads.
    pub(crate) loads: Semaphore,
    pub(crate) origins: Origins,
    /// The seat map's id of each published event. An event that moves to another one is updated when its terms are
    /// reloaded.
    pub(crate) maps_on_sale: Cache<EventId, SeatMapId>,
}

impl InventoryParts {
    /// Creates the part.
    pub(crate) fn new(config: &Config, clock: &Clock, keys: &SigningKeys) -> Self {
        Self {
            human: Arc::new(Altcha::new(keys, clock.clone())),
            proofs: Proofs::default(),
            desks: Desks::default(),
            loads: Semaphore::new(loads_at_once(config.database_connections)),
            origins: Origins::new(keys),
            maps_on_sale: Cache::new(EVENTS_KNOWN_MAX),
        }
    }
}

/// Returns how many inventories may be loaded at the same time with this number of reading connections.
fn loads_at_once(connections: u32) -> usize {
    let connections = usize::try_from(connections).unwrap_or(usize::MAX);
    (connections - connections / 4).max(1)
}

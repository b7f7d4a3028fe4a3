//! Sources of reservations: how calls are attributed to a network, and the wasted places of sources.
//!
//! A source is a keyed hash of the inventory and the network. All instances have the same key, so they count alike, and
//! the database contains no addresses. The wasted places are kept in memory, per instance: each learns them from the
//! changes that it commits or follows. If they are lost, an attacker gains nothing but longer deadlines.

use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use chrono::{DateTime, Utc};
use entity::{InventoryId, account::AccountKind, reservation::ReservationState};
use moka::{ops::compute::Op, sync::Cache};

use super::{
    change::Change,
    hoarding::{Caller, Shares, Source, WastedPlaces},
};
use crate::{
    app::App,
    auth::{Network, Viewer},
    error::FaultResult,
    keys::SigningKeys,
};

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
    fn source(&self, inventory: InventoryId, network: Network) -> Source {
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

/// Returns the caller data of a viewer who reserves from the inventory.
pub(crate) fn caller(
    app: &App,
    viewer: &Viewer,
    inventory: InventoryId,
    proven: bool,
) -> FaultResult<Caller> {
    let identity = viewer.identity()?;
    let source = counted(app, viewer).map(|network| app.origins.source(inventory, network));
    Ok(Caller {
        buyer: identity.account,
        registered: identity.kind == AccountKind::User,
        verified_email: identity.email_verified,
        proven,
        source,
        wasted: source.map(|source| app.origins.wasted(source, app.clock.now())).unwrap_or_default(),
    })
}

/// Returns the viewer's network. Returns `None` if its unpaid places are not limited: calls without a network, and
/// allowed networks.
fn counted(app: &App, viewer: &Viewer) -> Option<Network> {
    app.limits.network(viewer)
}

/// Returns the server's settings.
pub(super) fn shares(app: &App) -> Shares {
    let settings = &app.config.hoarding;
    Shares {
        places: settings.unpaid_places_per_network,
        percent_per_source: settings.unpaid_percent_per_network,
        percent_in_all: settings.unpaid_percent,
        wasted: settings.wasted_places,
        shortest: settings.shortest_reservation_seconds.into(),
    }
}

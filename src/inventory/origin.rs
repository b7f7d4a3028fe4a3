//! Sources of reservations: how calls are attributed to a network, and the wasted places of sources.
//!
//! A source is a keyed hash of the inventory and the network. All instances have the same key, so they count alike, and
//! the database contains no addresses. The wasted places are kept in memory, per instance: each learns them from the
//! changes that it commits or follows. If they are lost, an attacker gains nothing but longer deadlines.

use entity::{InventoryId, account::AccountKind};

use super::{caller::Caller, hoarding::Shares};
use crate::{
    app::App,
    auth::{Network, Viewer},
    error::FaultResult,
};

/// Returns the caller data of a viewer who reserves from the inventory.
pub(crate) fn caller(
    app: &App,
    viewer: &Viewer,
    inventory: InventoryId,
    proven: bool,
) -> FaultResult<Caller> {
    let identity = viewer.identity()?;
    let source = counted(app, viewer).map(|network| app.inventory.origins.source(inventory, network));
    Ok(Caller {
        buyer: identity.account,
        registered: identity.kind == AccountKind::User,
        verified_email: identity.email_verified,
        proven,
        source,
        wasted: source
            .map(|source| app.inventory.origins.wasted(source, app.clock.now()))
            .unwrap_or_default(),
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

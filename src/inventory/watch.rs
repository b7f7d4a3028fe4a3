//! Waiting for changes of an inventory or a reservation.

use std::sync::Arc;

use entity::{InventoryId, ReservationId};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};

use super::{Reservation, by_id, change::Version, desk, desks::Desk, owned};
use crate::{app::App, auth::Viewer, error::FaultResult};

/// Streams the viewer's reservation: its current state, and its state after every change until it ends.
pub async fn watch(
    app: &App,
    viewer: &Viewer,
    id: ReservationId,
) -> FaultResult<impl Stream<Item = FaultResult<Reservation>> + use<>> {
    let inventory = owned(app, viewer, id).await?.inventory;
    let desk = desk::get(app, inventory);
    // Subscribe before the first read: the other order would lose a change in between.
    let live = desk.subscribe();
    let state = Some((app.clone(), desk, live, true));
    Ok(stream::unfold(state, move |state| async move {
        let (app, desk, mut live, first) = state?;
        if !first && !changed(&mut live, id).await {
            return None;
        }
        match by_id(&app, id).await {
            Ok(reservation) => {
                let next = reservation.snapshot.is_live().then_some((app, desk, live, false));
                Some((Ok(reservation), next))
            }
            Err(fault) => Some((Err(fault), None)),
        }
    }))
}

/// Notifications of changes without their content, for callers that read everything again.
pub(crate) struct Changes {
    live: Receiver<Arc<Version>>,
    /// Keeps the desk open.
    _desk: Arc<Desk>,
}

impl Changes {
    /// Subscribes to changes of the inventory from now on.
    pub(crate) fn of(app: &App, id: InventoryId) -> Self {
        let desk = desk::get(app, id);
        Self { live: desk.subscribe(), _desk: desk }
    }

    /// Waits for a change, and skips all others that are already published. Returns `false` if the desk is closed.
    pub(crate) async fn next(&mut self) -> bool {
        if matches!(self.live.recv().await, Err(RecvError::Closed)) {
            return false;
        }
        while !matches!(self.live.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        true
    }
}

/// Waits until the reservation may have changed and must be read again. Returns `false` if the desk is closed.
async fn changed(live: &mut Receiver<Arc<Version>>, id: ReservationId) -> bool {
    loop {
        match live.recv().await {
            Ok(version) if version.is_about(id) => return true,
            Ok(_) => {}
            // The row contains the missed changes.
            Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}

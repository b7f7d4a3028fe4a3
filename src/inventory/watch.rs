//! Waiting for what becomes of an inventory, or of one reservation.

use std::sync::Arc;

use entity::{InventoryId, ReservationId};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};

use super::{Reservation, by_id, change::Version, desk::Desk, owned};
use crate::{app::App, auth::Viewer, error::Faulty};

/// The viewer's reservation as it is, and then as it becomes, until it has ended.
pub async fn watch(
    app: &App,
    viewer: &Viewer,
    id: ReservationId,
) -> Faulty<impl Stream<Item = Faulty<Reservation>> + use<>> {
    let inventory = owned(app, viewer, id).await?.inventory;
    let desk = app.desks.get(app, inventory);
    // Listening begins before the first look: the other order would lose a change in between.
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

/// That something changed, without saying what: for those who look anew.
pub(crate) struct Changes {
    live: Receiver<Arc<Version>>,
    /// The desk ends when nobody has it.
    _desk: Arc<Desk>,
}

impl Changes {
    /// Of this inventory, from now on.
    pub(crate) fn of(app: &App, id: InventoryId) -> Self {
        let desk = app.desks.get(app, id);
        Self { live: desk.subscribe(), _desk: desk }
    }

    /// Waits for a change, and takes in those that were told meanwhile. `false`: the desk is closed.
    pub(crate) async fn next(&mut self) -> bool {
        if matches!(self.live.recv().await, Err(RecvError::Closed)) {
            return false;
        }
        while !matches!(self.live.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        true
    }
}

/// Waits until the reservation may have changed and has to be read again. `false`: the desk is closed.
async fn changed(live: &mut Receiver<Arc<Version>>, id: ReservationId) -> bool {
    loop {
        match live.recv().await {
            Ok(version) if version.is_about(id) => return true,
            Ok(_) => {}
            // What was missed is in the row.
            Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}

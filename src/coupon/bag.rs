//! That an account's bag changed, which holds claims and tickets.

use futures_util::{Stream, stream};
use tokio::sync::broadcast::error::TryRecvError;

use crate::{app::App, auth::Viewer, error::Faulty, outbox};

/// Once now, and again whenever what the viewer holds changed; changes that come faster than they are taken are one.
pub fn watch(app: &App, viewer: &Viewer) -> Faulty<impl Stream<Item = ()> + use<>> {
    let account = viewer.account()?;
    let state = (app.outbox.subscribe(), true);
    Ok(stream::unfold(state, move |(mut live, first)| async move {
        if !first {
            if !outbox::changed(&mut live, account.0).await {
                return None;
            }
            while !matches!(live.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        }
        Some(((), (live, false)))
    }))
}

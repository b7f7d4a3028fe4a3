//! Changes of an account's bag, which contains its claims and tickets.

use futures_util::{Stream, stream};

use crate::{app::App, auth::Viewer, error::FaultResult};

/// Streams an item now, and one after every change of the viewer's claims and tickets. Changes are merged while the
/// reader is busy.
pub fn watch(app: &App, viewer: &Viewer) -> FaultResult<impl Stream<Item = ()> + use<>> {
    let account = viewer.account()?;
    let state = (app.outbox.listen(account.0), true);
    Ok(stream::unfold(state, move |(mut live, first)| async move {
        if !first && !live.changed().await {
            return None;
        }
        Some(((), (live, false)))
    }))
}

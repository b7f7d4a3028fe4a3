//! That an account's bag changed, which holds claims and tickets.

use futures_util::{Stream, stream};

use crate::{app::App, auth::Viewer, error::Faulty};

/// Once now, and again whenever what the viewer holds changed; changes that come faster than they are taken are one.
pub fn watch(app: &App, viewer: &Viewer) -> Faulty<impl Stream<Item = ()> + use<>> {
    let account = viewer.account()?;
    let state = (app.outbox.listen(account.0), true);
    Ok(stream::unfold(state, move |(mut live, first)| async move {
        if !first && !live.changed().await {
            return None;
        }
        Some(((), (live, false)))
    }))
}

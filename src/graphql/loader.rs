//! Batched reads: the objects that a list's nodes refer to, read once per list instead of once per node.
//!
//! Loaders batch and never cache beyond their request.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_graphql::dataloader::DataLoader;

use crate::{app::App, auth::Viewer, error::Fault};

/// The loaders of one request.
pub(crate) struct Loaders {
    /// Reads in batches; a new key type is a new kind of read.
    pub(crate) batch: DataLoader<Batch>,
}

/// What a batch read needs.
pub(crate) struct Batch {
    pub(crate) app: App,
    pub(crate) viewer: Viewer,
}

impl Loaders {
    pub(crate) fn new(app: &App, viewer: &Viewer) -> Self {
        let batch = Batch { app: app.clone(), viewer: viewer.clone() };
        let spawner = app.clone();
        let batch = DataLoader::new(batch, move |future| spawner.spawn(future)).delay(Duration::ZERO);
        Self { batch }
    }
}

impl std::fmt::Debug for Loaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaders").finish_non_exhaustive()
    }
}

/// A batch's failure, shared by all who waited for it.
pub(crate) type Shared = Arc<Fault>;

/// Gives the shared failure to one of them.
pub(crate) fn unshare(fault: &Shared) -> Fault {
    match &**fault {
        Fault::Unavailable => Fault::Unavailable,
        Fault::Unauthenticated => Fault::Unauthenticated,
        fault => Fault::internal(format!("a batch read failed: {fault:?}")),
    }
}

/// Rows by their ids.
pub(crate) fn keyed<K: std::hash::Hash + Eq, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, V> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

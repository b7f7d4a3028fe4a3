//! Batched reads: the objects that a list's nodes refer to, read once per list instead of once per node.
//!
//! Loaders batch and never cache beyond their request.

use std::{collections::HashMap, hash::Hash, sync::Arc, time::Duration};

use async_graphql::dataloader::{DataLoader, Loader};

use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, Faulty},
};

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

    /// The value of one key, read together with those of all others that are asked for at the same time.
    pub(crate) async fn one<K>(&self, key: K) -> Faulty<Option<<Batch as Loader<K>>::Value>>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Batch: Loader<K, Error = Shared>,
    {
        self.batch.load_one(key).await.map_err(|fault| unshare(&fault))
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
        fault @ (Fault::Invalid(_)
        | Fault::NotFound(_)
        | Fault::Stale(_)
        | Fault::IdempotencyMismatch
        | Fault::Forbidden(_)
        | Fault::Overloaded { .. }
        | Fault::TooManyGuesses { .. }
        | Fault::Internal(_)) => Fault::internal(format!("a batch read failed: {fault:?}")),
    }
}

/// Rows by their ids.
pub(crate) fn keyed<K: std::hash::Hash + Eq, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, V> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

//! The state that handlers share.

use super::{
    answers::Answers, geometry::Geometries, operation::Engine, patience::Patience, shared::Subscriptions,
    socket_places::Sockets,
};
use std::sync::Arc;

/// The state that handlers share.
#[derive(Clone)]
pub(crate) struct Door {
    pub(super) engine: Engine,
    /// The engine, with the shared subscriptions.
    pub(super) subscriptions: Subscriptions,
    /// The cache of public responses.
    pub(super) answers: Arc<Answers>,
    pub(super) patience: Patience,
    pub(super) geometries: Geometries,
    pub(super) sockets: Sockets,
}

impl Door {
    /// Returns the state with empty caches.
    pub(super) fn new(engine: Engine, patience: Patience) -> Self {
        Self {
            subscriptions: Subscriptions::new(engine.clone()),
            engine,
            answers: Arc::default(),
            patience,
            geometries: Geometries::default(),
            sockets: Sockets::default(),
        }
    }
}

//! A cache of responses to public queries.
//!
//! A response that is [shared](crate::graphql::cacheability::shared) and was read from one inventory stays valid until that
//! inventory's version rises. A request with the same text gets its bytes: neither the guard nor the parser nor the
//! executor runs. A response contains every change that this process committed before the request arrived, because the
//! desk publishes a version before it answers its callers.
//!
//! Equal requests at the same time wait for one execution.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_graphql::Response;
use bytes::Bytes;
use entity::InventoryId;
use moka::sync::Cache;

use super::{answer, operation::Engine, params::Params, prepared::Prepared};
use crate::{
    app::App,
    graphql::progress::{Progress, Source},
    inventory::feed,
};

/// The longest time for which a response is cached. A response states when it was read.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Bytes of all cached responses.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of an entry besides its key and its body.
const OVERHEAD: usize = 256;

/// The cached responses by request, and the executions in progress.
pub(super) struct Answers {
    kept: Cache<Arc<str>, CachedResponse>,
    executions: Mutex<HashMap<Arc<str>, Arc<Execution>>>,
}

#[derive(Clone)]
struct CachedResponse {
    inventory: InventoryId,
    version: i64,
    made: Instant,
    body: Bytes,
}

/// The execution of a query, for which equal requests wait.
#[derive(Default)]
struct Execution {
    running: tokio::sync::Mutex<()>,
    /// The response is not public: each request executes the query.
    is_private: AtomicBool,
}

/// The response to a query.
pub(super) enum QueryResponse {
    /// The body of a response that is cached.
    Cached(Bytes),
    /// A response that is not cached.
    Executed(Response),
}

impl QueryResponse {
    /// Returns whether the operation passed validation and was executed.
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Self::Cached(_) => true,
            Self::Executed(response) => !answer::was_refused(response),
        }
    }
}

impl Default for Answers {
    fn default() -> Self {
        let weigh = |key: &Arc<str>, kept: &CachedResponse| {
            u32::try_from(key.len() + kept.body.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder().max_capacity(BYTES_MAX).weigher(weigh).time_to_live(MAX_AGE).build();
        Self { kept, executions: Mutex::default() }
    }
}

/// Returns the key of a request, or `None` if it must not be cached: mutations, and requests for the query's cost.
pub(super) fn key(params: &Params) -> Option<Arc<str>> {
    if params.wants_cost || params.query.trim_start().starts_with("mutation") {
        return None;
    }
    let asked = (&params.query, &params.operation_name, &params.variables);
    serde_json::to_string(&asked).ok().map(Arc::from)
}

impl Answers {
    /// Returns the cached response if it is still valid.
    pub(super) fn get(&self, app: &App, key: &Arc<str>) -> Option<Bytes> {
        let kept = self.kept.get(key)?;
        let body = kept.valid(feed::published_version(app, kept.inventory))?;
        app.counters.answers_from_memory.fetch_add(1, Relaxed);
        Some(body)
    }

    /// Answers a public query, with one execution for all equal requests that arrive meanwhile.
    pub(super) async fn answer(&self, engine: &Engine, key: Arc<str>, prepared: &Prepared) -> QueryResponse {
        // Read before waiting: every later execution reads at least this version.
        let before =
            self.kept.get(&key).and_then(|kept| feed::published_version(&engine.app, kept.inventory));
        let waiting = Waiting { answers: self, execution: self.execution(&key), key };
        let running = waiting.execution.running.lock().await;
        if let Some(kept) = self.kept.get(&waiting.key)
            && let Some(body) =
                kept.valid(before.or_else(|| feed::published_version(&engine.app, kept.inventory)))
        {
            engine.app.counters.answers_from_memory.fetch_add(1, Relaxed);
            return QueryResponse::Cached(body);
        }
        let _running = if waiting.execution.is_private.load(Relaxed) {
            drop(running);
            None
        } else {
            Some(running)
        };
        let (progress, made) = (Progress::default(), Instant::now());
        let response = engine.answer(prepared, progress.clone()).await;
        match (progress.source(), serde_json::to_string(&response)) {
            (Source::Inventory(inventory, version), Ok(body)) if response.errors.is_empty() => {
                let body = Bytes::from(body);
                let kept = CachedResponse { inventory, version, made, body: body.clone() };
                self.kept.insert(waiting.key.clone(), kept);
                QueryResponse::Cached(body)
            }
            _ => {
                waiting.execution.is_private.store(true, Relaxed);
                QueryResponse::Executed(response)
            }
        }
    }

    fn execution(&self, key: &Arc<str>) -> Arc<Execution> {
        self.executions().entry(key.clone()).or_default().clone()
    }

    fn executions(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Execution>>> {
        self.executions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedResponse {
    /// Returns the body if it is young enough and not older than the published version.
    fn valid(&self, published: Option<i64>) -> Option<Bytes> {
        let is_valid =
            published.is_some_and(|published| self.version >= published) && self.made.elapsed() < MAX_AGE;
        is_valid.then(|| self.body.clone())
    }
}

/// A request that waits for an execution, or runs it. The last one removes the execution from the map.
struct Waiting<'a> {
    answers: &'a Answers,
    execution: Arc<Execution>,
    key: Arc<str>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut executions = self.answers.executions();
        // Two references: the map's and this one. Others are taken under the same lock.
        if Arc::strong_count(&self.execution) <= 2 {
            executions.remove(&self.key);
        }
    }
}

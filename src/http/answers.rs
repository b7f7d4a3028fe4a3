//! Answers kept for those who ask the same in the next moment.
//!
//! An answer that is [shared](crate::graphql::cacheability::shared) and was read from one inventory stays the answer until that
//! inventory's version rises. Whoever asks for it with the very same text gets its bytes: neither the guard nor the parser
//! nor the executor runs. What was committed here before a request came is in what it is answered, because the desk tells
//! a version before it answers those who made it.
//!
//! A crowd that asks at once waits for one execution.

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

use super::{
    answer,
    operation::{Engine, Prepared},
    params::Params,
};
use crate::{
    app::App,
    graphql::progress::{Progress, Source},
    inventory::feed,
};

/// An answer says when it was read; one that is older than this is not given any more.
const FRESH: Duration = Duration::from_secs(1);
/// Bytes of all answers kept.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What an answer costs beyond its bytes.
const OVERHEAD: usize = 256;

/// The answers kept by what was asked, and the turns of those who make one.
pub(super) struct Answers {
    kept: Cache<Arc<str>, Kept>,
    turns: Mutex<HashMap<Arc<str>, Arc<Turn>>>,
}

#[derive(Clone)]
struct Kept {
    inventory: InventoryId,
    version: i64,
    made: Instant,
    body: Bytes,
}

/// Who makes an answer, and that the others wait for it.
#[derive(Default)]
struct Turn {
    making: tokio::sync::Mutex<()>,
    /// The answer is not the same for all: each makes its own.
    each: AtomicBool,
}

/// What a query is answered.
pub(super) enum Answered {
    /// The body of a complete answer.
    Kept(Bytes),
    /// A response.
    Made(Response),
}

impl Answered {
    /// Whether the operation passed validation and was run.
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Self::Kept(_) => true,
            Self::Made(response) => !answer::was_refused(response),
        }
    }
}

impl Default for Answers {
    fn default() -> Self {
        let weigh = |key: &Arc<str>, kept: &Kept| {
            u32::try_from(key.len() + kept.body.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder().max_capacity(BYTES_MAX).weigher(weigh).time_to_live(FRESH).build();
        Self { kept, turns: Mutex::default() }
    }
}

/// What is asked, to the letter; none for what is plainly no query, and for what is answered with its cost.
pub(super) fn key(params: &Params) -> Option<Arc<str>> {
    if params.wants_cost || params.query.trim_start().starts_with("mutation") {
        return None;
    }
    let asked = (&params.query, &params.operation_name, &params.variables);
    serde_json::to_string(&asked).ok().map(Arc::from)
}

impl Answers {
    /// The answer, if it is kept and still good.
    pub(super) fn get(&self, app: &App, key: &Arc<str>) -> Option<Bytes> {
        let kept = self.kept.get(key)?;
        let body = kept.good(feed::told(app, kept.inventory))?;
        app.figures.answers_from_memory.fetch_add(1, Relaxed);
        Some(body)
    }

    /// Answers a public query, with one execution for all who ask it meanwhile.
    pub(super) async fn answer(&self, engine: &Engine, key: Arc<str>, prepared: &Prepared) -> Answered {
        // What had been told when the request came is in whatever is read from now on, by whomever.
        let before = self.kept.get(&key).and_then(|kept| feed::told(&engine.app, kept.inventory));
        let waiting = Waiting { answers: self, turn: self.turn(&key), key };
        let turn = waiting.turn.making.lock().await;
        if let Some(kept) = self.kept.get(&waiting.key)
            && let Some(body) = kept.good(before.or_else(|| feed::told(&engine.app, kept.inventory)))
        {
            engine.app.figures.answers_from_memory.fetch_add(1, Relaxed);
            return Answered::Kept(body);
        }
        let _turn = if waiting.turn.each.load(Relaxed) {
            drop(turn);
            None
        } else {
            Some(turn)
        };
        let (progress, made) = (Progress::default(), Instant::now());
        let response = engine.answer(prepared, progress.clone()).await;
        match (progress.source(), serde_json::to_string(&response)) {
            (Source::Inventory(inventory, version), Ok(body)) if response.errors.is_empty() => {
                let body = Bytes::from(body);
                let kept = Kept { inventory, version, made, body: body.clone() };
                self.kept.insert(waiting.key.clone(), kept);
                Answered::Kept(body)
            }
            _ => {
                waiting.turn.each.store(true, Relaxed);
                Answered::Made(response)
            }
        }
    }

    fn turn(&self, key: &Arc<str>) -> Arc<Turn> {
        self.turns().entry(key.clone()).or_default().clone()
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Turn>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The body, if it is young enough and of no older version than was told.
    fn good(&self, told: Option<i64>) -> Option<Bytes> {
        let good = told.is_some_and(|told| self.version >= told) && self.made.elapsed() < FRESH;
        good.then(|| self.body.clone())
    }
}

/// One who waits for a turn, or has it. The last one takes it away.
struct Waiting<'a> {
    answers: &'a Answers,
    turn: Arc<Turn>,
    key: Arc<str>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut turns = self.answers.turns();
        // The map's and this one: whoever else wants it takes it under the same lock.
        if Arc::strong_count(&self.turn) <= 2 {
            turns.remove(&self.key);
        }
    }
}

//! One shared subscription: its last payloads, and its live members.
//!
//! Invariant: nothing here waits. All live members have the topic's newest payload, except the one that is being
//! delivered.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{
    member::{Advance, Member},
    recent::{CatchUp, Payload, Position, Recent},
};
use crate::http::prepared::Prepared;

/// Members that are served before the driver yields to other tasks.
const BATCH: usize = 64;
/// Payloads for members that catch up, kept for others that need the same.
const FLIGHTS: usize = 16;

/// One shared subscription.
pub(super) struct Topic {
    /// Identifies the topic.
    pub key: Arc<str>,
    /// The operation.
    pub prepared: Prepared,
    /// Cancelled when the last member leaves.
    pub stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    recent: Recent,
    members: BTreeMap<u64, Member>,
    /// Whether the driver was started.
    has_driver: bool,
    ended: Option<Ending>,
    /// The payloads that are being made, or were made lately, for members that catch up.
    flights: VecDeque<(CatchUp, Flight)>,
}

/// A payload that the first member that needs it makes for all. An error is a JSON list of GraphQL errors.
pub(super) type Flight = Arc<OnceCell<Result<Payload, Utf8Bytes>>>;

/// How a topic ends for all its members.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// The stream is complete.
    Complete,
    /// The stream ends with this response, which has errors.
    Failed(Utf8Bytes),
    /// The stream did not start or cannot continue. The value is a JSON list of GraphQL errors.
    Refused(Utf8Bytes),
}

/// The result of [`Topic::admit`].
pub(super) enum AdmitOutcome {
    /// The member is live. If it is the first one, the caller starts the driver after this version.
    Live(Option<i64>),
    /// The member's queue has no room for the next payload, which has this many bytes.
    Full(Member, usize),
    /// The member needs a payload that must be made first.
    Behind(Member, CatchUp, Flight),
    /// The topic has ended.
    Ended(Member, Ending),
    /// The member is gone.
    Gone,
}

impl Topic {
    /// Returns a topic without members.
    pub(super) fn new(key: Arc<str>, prepared: Prepared) -> Self {
        Self { key, prepared, stop: CancellationToken::new(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the kept payloads that the member misses. If it has the topic's version then, makes it a live member.
    pub(super) fn admit(&self, mut member: Member) -> AdmitOutcome {
        let mut state = self.state();
        // Race: an operation is stopped before `forget`. So it is refused here, or `forget` finds it.
        if member.operation.stop().is_cancelled() {
            return AdmitOutcome::Gone;
        }
        if let Some(ending) = &state.ended {
            return AdmitOutcome::Ended(member, ending.clone());
        }
        match member.advance(&state.recent, Instant::now()) {
            Advance::UpToDate(version) => {
                let first = !std::mem::replace(&mut state.has_driver, true);
                if first {
                    state.recent.begin(version);
                }
                state.members.insert(member.number, member);
                AdmitOutcome::Live(first.then_some(version))
            }
            Advance::Full(bytes) => AdmitOutcome::Full(member, bytes),
            Advance::Behind(needed) => {
                let flight = state.flight(needed);
                AdmitOutcome::Behind(member, needed, flight)
            }
            Advance::Gone => AdmitOutcome::Gone,
        }
    }

    /// Removes a live member, if it is one.
    pub(super) fn forget(&self, number: u64) {
        let forgotten = self.state().members.remove(&number);
        drop(forgotten);
    }

    /// Adds the stream's next payload. Returns `false` if it does not follow the previous one.
    pub(super) fn publish(&self, payload: Payload) -> bool {
        self.state().recent.push(payload, Instant::now())
    }

    /// Returns whether there are more live members than one batch has.
    pub(super) fn is_crowded(&self) -> bool {
        self.state().members.len() > BATCH
    }

    /// Serves one batch, starting with the member of this number. Returns the start of the next batch, and the members
    /// that could not be served and are no longer live.
    pub(super) fn serve(&self, from: u64) -> (Option<u64>, Vec<Member>) {
        let now = Instant::now();
        let mut state = self.state();
        let State { recent, members, .. } = &mut *state;
        let mut last = None;
        let mut out = Vec::new();
        for (count, (number, member)) in members.range_mut(from..).take(BATCH).enumerate() {
            if !matches!(member.advance(recent, now), Advance::UpToDate(_)) {
                out.push(*number);
            }
            last = (count + 1 == BATCH).then_some(*number);
        }
        let out = out.iter().filter_map(|number| members.remove(number)).collect();
        (last.map(|last| last + 1), out)
    }

    /// Returns the shared cell for this payload.
    pub(super) fn flight(&self, needed: CatchUp) -> Flight {
        self.state().flight(needed)
    }

    /// Records a payload that was made. Keeps a snapshot for new members.
    pub(super) fn landed(&self, needed: CatchUp, flight: &Flight, made: &Result<Payload, Utf8Bytes>) {
        let mut state = self.state();
        if let Ok(payload) = made
            && payload.after.is_none()
        {
            state.recent.keep(payload.clone(), Instant::now());
        }
        // Deltas between two versions never change. Snapshots get old, and errors may pass: make them again.
        if needed == CatchUp::Snapshot || made.is_err() {
            state.flights.retain(|(_, other)| !Arc::ptr_eq(other, flight));
        }
    }

    /// Ends the topic. Returns the members that were live.
    pub(super) fn end(&self, ending: Ending) -> Vec<Member> {
        let mut state = self.state();
        state.ended = Some(ending);
        std::mem::take(&mut state.members).into_values().collect()
    }
}

impl State {
    fn flight(&mut self, needed: CatchUp) -> Flight {
        if let Some((_, flight)) = self.flights.iter().find(|(other, _)| *other == needed) {
            return flight.clone();
        }
        if self.flights.len() == FLIGHTS {
            self.flights.pop_front();
        }
        let flight = Flight::default();
        self.flights.push_back((needed, flight.clone()));
        flight
    }
}

impl Position {
    /// Returns the version, if any.
    pub(super) fn version(self) -> Option<i64> {
        match self {
            Self::Empty => None,
            Self::Claimed(version) | Self::Confirmed(version) => Some(version),
        }
    }
}

//! One shared stream: what it told last, and who is in its ranks.
//!
//! Invariant: nothing here waits. Everybody in the ranks has what the topic told last, but for the payload that is being
//! handed out.

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
    recent::{Have, Payload, Recent, Want},
};
use crate::http::operation::Prepared;

/// Members that are served before others get their turn on the processor.
const RANK: usize = 64;
/// Payloads made for members who were behind that are kept for others.
const FLIGHTS: usize = 16;

/// One shared stream.
pub(super) struct Topic {
    /// What its subscribers have in common.
    pub key: Arc<str>,
    /// The operation.
    pub prepared: Prepared,
    /// Cancelled when nobody watches any more.
    pub stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    recent: Recent,
    members: BTreeMap<u64, Member>,
    /// Whether there is a driver.
    driven: bool,
    ended: Option<Ending>,
    /// What is being made, or was made a moment ago, for those who are behind.
    flights: VecDeque<(Want, Flight)>,
}

/// Made by the first who needs it, for all; an error (a JSON list of errors) as well.
pub(super) type Flight = Arc<OnceCell<Result<Payload, Utf8Bytes>>>;

/// How a topic ends for all its members.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// There is no more.
    Complete,
    /// A last response, which tells of errors.
    Failed(Utf8Bytes),
    /// It never began, or cannot go on: the errors, a JSON list.
    Refused(Utf8Bytes),
}

/// What becomes of somebody who wants to be in the ranks.
pub(super) enum Admission {
    /// In the ranks. The first one there brings a version for the driver to begin after.
    Live(Option<i64>),
    /// There is no room for the next payload, which has this size.
    Full(Member, usize),
    /// This has to be made first.
    Behind(Member, Want, Flight),
    /// It is over.
    Ended(Member, Ending),
    /// The member is gone.
    Gone,
}

impl Topic {
    /// A topic that nobody watches yet.
    pub(super) fn new(key: Arc<str>, prepared: Prepared) -> Self {
        Self { key, prepared, stop: CancellationToken::new(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a member what is kept of what it misses, and takes it into the ranks if that was all.
    pub(super) fn admit(&self, mut member: Member) -> Admission {
        let mut state = self.state();
        // Race: it is stopped first and forgotten then, so it is either not taken in, or found when it is forgotten.
        if member.operation.stop().is_cancelled() {
            return Admission::Gone;
        }
        if let Some(ending) = &state.ended {
            return Admission::Ended(member, ending.clone());
        }
        match member.advance(&state.recent, Instant::now()) {
            Advance::Here(version) => {
                let first = !std::mem::replace(&mut state.driven, true);
                if first {
                    state.recent.begin(version);
                }
                state.members.insert(member.number, member);
                Admission::Live(first.then_some(version))
            }
            Advance::Full(bytes) => Admission::Full(member, bytes),
            Advance::Behind(want) => {
                let flight = state.flight(want);
                Admission::Behind(member, want, flight)
            }
            Advance::Gone => Admission::Gone,
        }
    }

    /// Takes a member out of the ranks, if it is there.
    pub(super) fn forget(&self, number: u64) {
        let forgotten = self.state().members.remove(&number);
        drop(forgotten);
    }

    /// Keeps a payload that the stream told. False when it does not follow what was told before.
    pub(super) fn tell(&self, payload: Payload) -> bool {
        self.state().recent.push(payload, Instant::now())
    }

    /// Whether more are in the ranks than one of them holds.
    pub(super) fn is_crowded(&self) -> bool {
        self.state().members.len() > RANK
    }

    /// Serves one rank, from the member with this number on. Gives the number with which the next rank begins, and those
    /// who could not be served: they have left the ranks.
    pub(super) fn serve(&self, from: u64) -> (Option<u64>, Vec<Member>) {
        let now = Instant::now();
        let mut state = self.state();
        let State { recent, members, .. } = &mut *state;
        let mut last = None;
        let mut out = Vec::new();
        for (count, (number, member)) in members.range_mut(from..).take(RANK).enumerate() {
            if !matches!(member.advance(recent, now), Advance::Here(_)) {
                out.push(*number);
            }
            last = (count + 1 == RANK).then_some(*number);
        }
        let out = out.iter().filter_map(|number| members.remove(number)).collect();
        (last.map(|last| last + 1), out)
    }

    /// What is being made, or will be, by whoever waits for it first.
    pub(super) fn flight(&self, want: Want) -> Flight {
        self.state().flight(want)
    }

    /// A flight has landed: a snapshot is kept for those who come next.
    pub(super) fn landed(&self, want: Want, flight: &Flight, made: &Result<Payload, Utf8Bytes>) {
        let mut state = self.state();
        if let Ok(payload) = made
            && payload.after.is_none()
        {
            state.recent.keep(payload.clone(), Instant::now());
        }
        // Between two versions nothing changes any more, but now is never the same twice; and errors pass.
        if want == Want::Snapshot || made.is_err() {
            state.flights.retain(|(_, other)| !Arc::ptr_eq(other, flight));
        }
    }

    /// The topic is over. Gives those who were in the ranks.
    pub(super) fn end(&self, ending: Ending) -> Vec<Member> {
        let mut state = self.state();
        state.ended = Some(ending);
        std::mem::take(&mut state.members).into_values().collect()
    }
}

impl State {
    fn flight(&mut self, want: Want) -> Flight {
        if let Some((_, flight)) = self.flights.iter().find(|(other, _)| *other == want) {
            return flight.clone();
        }
        if self.flights.len() == FLIGHTS {
            self.flights.pop_front();
        }
        let flight = Flight::default();
        self.flights.push_back((want, flight.clone()));
        flight
    }
}

impl Have {
    /// The version, if there is one.
    pub(super) fn version(self) -> Option<i64> {
        match self {
            Self::Nothing => None,
            Self::Claimed(version) | Self::Version(version) => Some(version),
        }
    }
}

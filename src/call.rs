//! The current call: the id of its request, and its deadline.
//!
//! A mutation that is not done at its deadline is abandoned, but only if it has committed nothing. From then on none of
//! its statements is sent and none of its transactions commits. So the answer can say that nothing was done, while the
//! rest of the mutation ends by itself. A commit is announced to the call before it is sent. After that the call
//! cannot be abandoned. So no future is ever dropped in the middle of a `COMMIT`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{auth::RequestTag, error::Fault};

tokio::task_local! {
    static CURRENT: Call;
}

/// A call. All clones share its state.
#[derive(Clone, Debug)]
pub(crate) struct Call(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    request: Option<RequestTag>,
    ends: Instant,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    is_abandoned: bool,
    /// Commits that are running, have happened, or may have happened.
    commits: u32,
}

/// The call was abandoned at its deadline: nothing was done, and nothing will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call was abandoned at its deadline")]
pub(crate) struct PastDeadline;

impl Call {
    /// Creates a call of the request with this id. Its deadline is `patience` from now.
    pub(crate) fn new(request: &str, patience: Duration) -> Self {
        Self::from_parts(RequestTag::of(request), patience, State::default())
    }

    fn from_parts(request: Option<RequestTag>, patience: Duration, state: State) -> Self {
        Self(Arc::new(Inner { request, ends: Instant::now() + patience, state: Mutex::new(state) }))
    }

    /// Returns the call in whose scope this code runs, or `None`.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Returns the current call for a part of its work that another task does, such as a desk.
    ///
    /// If there is no call, or it has committed something and can no longer be abandoned, the part gets a deadline of
    /// its own, `patience` from now.
    pub(crate) fn part(patience: Duration) -> Self {
        match Self::current() {
            Some(call) if !call.has_committed() => call,
            Some(call) => {
                let state = State { commits: 1, ..State::default() };
                Self::from_parts(call.0.request, patience, state)
            }
            None => Self::from_parts(None, patience, State::default()),
        }
    }

    /// Runs the future in the call's scope.
    pub(crate) async fn scope<T>(self, future: impl Future<Output = T>) -> T {
        CURRENT.scope(self, future).await
    }

    /// Returns the id of the call's request.
    pub(crate) fn request(&self) -> Option<&str> {
        self.0.request.as_ref().map(RequestTag::as_str)
    }

    /// Returns whether work that takes `expected` would end before the deadline.
    pub(crate) fn has_time_for(&self, expected: Duration, now: Instant) -> bool {
        now + expected <= self.0.ends
    }

    /// Returns whether the call has, or may have, committed something.
    pub(crate) fn has_committed(&self) -> bool {
        self.state().commits > 0
    }

    /// Abandons the call, unless it has committed something or is about to. Returns whether it is abandoned.
    pub(crate) fn abandon(&self) -> bool {
        let mut state = self.state();
        state.is_abandoned |= state.commits == 0;
        state.is_abandoned
    }

    /// Fails if the call is abandoned or past its deadline.
    pub(crate) fn check(&self) -> Result<(), PastDeadline> {
        self.state().check(self.0.ends, Instant::now())
    }

    /// Announces a commit; from then on the call cannot be abandoned. Fails if it is abandoned or past its deadline.
    pub(crate) fn begin_commit(&self) -> Result<(), PastDeadline> {
        let mut state = self.state();
        state.check(self.0.ends, Instant::now())?;
        state.commits += 1;
        Ok(())
    }

    /// Notes that an announced commit certainly did not happen.
    pub(crate) fn withdraw_commit(&self) {
        let mut state = self.state();
        state.commits = state.commits.saturating_sub(1);
    }

    /// Returns the fault for a call, or a part of it, that ran out of time.
    pub(crate) fn too_late(&self) -> Fault {
        if self.has_committed() { Fault::unavailable() } else { Fault::timed_out() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&mut self, ends: Instant, now: Instant) -> Result<(), PastDeadline> {
        self.is_abandoned |= self.commits == 0 && now >= ends;
        if self.is_abandoned { Err(PastDeadline) } else { Ok(()) }
    }
}

/// Fails if the current call is abandoned or past its deadline.
pub(crate) fn check() -> Result<(), PastDeadline> {
    CURRENT.try_with(Call::check).unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn abandoned_call_cannot_commit() {
        let call = Call::new("abc", LONG);
        assert_eq!(call.check(), Ok(()));
        assert!(call.abandon());
        assert_eq!(call.check(), Err(PastDeadline));
        assert_eq!(call.begin_commit(), Err(PastDeadline));
        assert!(matches!(call.too_late(), Fault::TimedOut { .. }));
    }

    #[tokio::test]
    async fn call_with_a_running_commit_cannot_be_abandoned() {
        let call = Call::new("abc", Duration::ZERO);
        assert_eq!(call.begin_commit(), Err(PastDeadline), "past its deadline");
        let call = Call::new("abc", LONG);
        assert_eq!(call.begin_commit(), Ok(()));
        assert!(!call.abandon());
        assert_eq!(call.check(), Ok(()));
        call.withdraw_commit();
        assert!(call.abandon(), "the commit was refused");
    }

    #[tokio::test]
    async fn call_that_committed_continues_past_its_deadline() {
        let mut state = State { commits: 1, ..State::default() };
        let now = Instant::now();
        assert_eq!(state.check(now, now + LONG), Ok(()));
        let mut state = State::default();
        assert_eq!(state.check(now, now), Err(PastDeadline));
        assert!(state.is_abandoned, "permanently");
        let call = Call::new("abc", LONG);
        call.begin_commit().expect("in time");
        assert!(matches!(call.too_late(), Fault::Unavailable { .. }), "something may have been done");
    }

    #[tokio::test]
    async fn work_that_ends_by_the_deadline_has_time() {
        let call = Call::new("abc", LONG);
        let start = call.0.ends.checked_sub(LONG).expect("a moment ago");
        assert!(call.has_time_for(Duration::from_secs(3), start + Duration::from_secs(57)));
        assert!(!call.has_time_for(Duration::from_secs(3), start + Duration::from_secs(58)));
        assert!(call.has_time_for(Duration::ZERO, start + LONG));
        assert!(!call.has_time_for(Duration::ZERO, start + LONG + Duration::from_millis(1)));
    }

    #[tokio::test]
    async fn part_shares_its_calls_deadline_and_request_until_a_commit() {
        let call = Call::new("abc", LONG);
        let part = call.clone().scope(async { Call::part(Duration::ZERO) }).await;
        assert!(Arc::ptr_eq(&part.0, &call.0));
        call.begin_commit().expect("in time");
        let part = call.scope(async { Call::part(LONG) }).await;
        assert_eq!((part.request(), part.has_committed()), (Some("abc"), true));
        assert_eq!(part.begin_commit(), Ok(()));
        assert_eq!(Call::part(LONG).request(), None, "outside of any call");
        assert_eq!(check(), Ok(()));
    }
}

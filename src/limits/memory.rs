//! The state of limits in the memory of one instance: `governor` for buckets, and a list of times for each window.
//!
//! The state is lost at a restart. Several instances behind a load balancer allow each client a multiple of the
//! settings.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt, future::BoxFuture};
use governor::{
    Quota, RateLimiter,
    clock::Clock as GovernorClock,
    middleware::{NoOpMiddleware, StateInformationMiddleware},
    nanos::Nanos,
    state::keyed::DefaultKeyedStateStore,
};
use moka::sync::Cache;

use super::{
    rule::{Bound, Rule, Subject},
    store::{Bucket, Counted, Full, LimitStore},
};
use crate::{
    clock::Clock,
    config::{LimitSettings, Rate, Window},
};

/// Subjects with their own bucket, per rule. Further subjects share 65,536 buckets.
const SUBJECTS_MAX: usize = 100_000;
/// Charges after which a rule's subjects are counted again.
const RECOUNT_AFTER: u64 = 1_024;

/// The application's clock, as `governor` reads it.
#[derive(Clone, Debug)]
struct AppClock(Clock);

impl GovernorClock for AppClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let micros = u64::try_from(self.0.now().timestamp_micros()).unwrap_or_default();
        Nanos::new(micros.saturating_mul(1_000))
    }
}

type Limiter = RateLimiter<Subject, DefaultKeyedStateStore<Subject>, AppClock, StateInformationMiddleware>;

/// The state of one rule.
enum State {
    Rate(Buckets),
    Window(Windows),
}

struct Buckets {
    limiter: Limiter,
    burst: NonZeroU32,
    charges: AtomicU64,
    is_full: AtomicBool,
}

/// The failures of a subject, each with a unique number.
type Failures = Vec<(u64, DateTime<Utc>)>;

struct Windows {
    window: Window,
    lists: Cache<Subject, Arc<Mutex<Failures>>>,
}

/// The state of all limits in memory.
pub struct MemoryStore {
    clock: Clock,
    states: Vec<State>,
    serial: AtomicU64,
}

impl MemoryStore {
    /// Returns an empty store for the settings' limits.
    pub fn new(settings: &LimitSettings, clock: &Clock) -> Self {
        let state = |rule: &Rule| match rule.bound(settings) {
            Bound::Rate(rate) => State::Rate(Buckets::new(rate, clock)),
            Bound::Window(window) => State::Window(Windows::new(window)),
        };
        Self {
            clock: clock.clone(),
            states: Rule::ALL.iter().map(state).collect(),
            serial: AtomicU64::new(0),
        }
    }

    fn state(&self, rule: Rule) -> Option<&State> {
        self.states.get(rule.index())
    }
}

impl LimitStore for MemoryStore {
    fn charge(&self, bucket: Bucket, cost: u32) -> BoxFuture<'_, Result<u32, Full>> {
        let charged = match self.state(bucket.rule) {
            Some(State::Rate(buckets)) => buckets.charge(bucket.subject, cost),
            Some(State::Window(_)) | None => Ok(u32::MAX),
        };
        std::future::ready(charged).boxed()
    }

    fn count(&self, bucket: Bucket) -> BoxFuture<'_, Result<Counted, Full>> {
        let serial = self.serial.fetch_add(1, Relaxed);
        let counted = match self.state(bucket.rule) {
            Some(State::Window(windows)) => windows.count(bucket.subject, (serial, self.clock.now())),
            Some(State::Rate(_)) | None => Ok(Counted(serial)),
        };
        std::future::ready(counted).boxed()
    }

    fn forgive(&self, bucket: Bucket, Counted(serial): Counted) -> BoxFuture<'_, ()> {
        if let Some(State::Window(windows)) = self.state(bucket.rule)
            && let Some(list) = windows.lists.get(&bucket.subject)
        {
            locked(&list).retain(|(other, _)| *other != serial);
        }
        std::future::ready(()).boxed()
    }

    fn relieve(&self, bucket: Bucket) -> BoxFuture<'_, ()> {
        if let Some(State::Window(windows)) = self.state(bucket.rule)
            && let Some(list) = windows.lists.get(&bucket.subject)
        {
            let mut times = locked(&list);
            if !times.is_empty() {
                times.remove(0);
            }
        }
        std::future::ready(()).boxed()
    }

    fn prune(&self) {
        for state in &self.states {
            match state {
                State::Rate(buckets) => buckets.prune(),
                State::Window(windows) => windows.lists.run_pending_tasks(),
            }
        }
    }
}

impl Buckets {
    fn new(rate: Rate, clock: &Clock) -> Self {
        let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
        let period = Duration::from_mins(1) / rate.per_minute.max(1);
        // The period is never zero: 10,000,000 per minute is one per 6 µs.
        let quota = Quota::with_period(period).unwrap_or(Quota::per_minute(burst)).allow_burst(burst);
        let store = DefaultKeyedStateStore::default();
        let limiter: RateLimiter<Subject, _, AppClock, NoOpMiddleware<Nanos>> =
            RateLimiter::new(quota, store, AppClock(clock.clone()));
        let limiter = limiter.with_middleware::<StateInformationMiddleware>();
        Self { limiter, burst, charges: AtomicU64::new(0), is_full: AtomicBool::new(false) }
    }

    fn charge(&self, subject: Subject, cost: u32) -> Result<u32, Full> {
        if self.charges.fetch_add(1, Relaxed) % RECOUNT_AFTER == RECOUNT_AFTER - 1
            && self.limiter.len() > SUBJECTS_MAX
        {
            self.prune();
        }
        let subject = if self.is_full.load(Relaxed) { slot(&subject) } else { subject };
        let cost = NonZeroU32::new(cost.min(self.burst.get())).unwrap_or(NonZeroU32::MIN);
        match self.limiter.check_key_n(&subject, cost) {
            Ok(Ok(state)) => Ok(state.remaining_burst_capacity()),
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.limiter.clock().now());
                Err(Full { retry_after: TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX) })
            }
            // Unreachable: the cost is never above the burst.
            Err(_) => Ok(0),
        }
    }

    fn prune(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        self.is_full.store(self.limiter.len() > SUBJECTS_MAX, Relaxed);
    }
}

impl Windows {
    fn new(window: Window) -> Self {
        let idle = Duration::from_mins(window.minutes.into());
        let max = u64::try_from(SUBJECTS_MAX).unwrap_or(u64::MAX);
        Self { window, lists: Cache::builder().max_capacity(max).time_to_idle(idle).build() }
    }

    fn count(&self, subject: Subject, (serial, now): (u64, DateTime<Utc>)) -> Result<Counted, Full> {
        let window = TimeDelta::minutes(self.window.minutes.into());
        let list = self.lists.get_with(subject, Arc::default);
        let mut times = locked(&list);
        times.retain(|(_, at)| now - *at < window);
        let most = usize::try_from(self.window.most).unwrap_or(usize::MAX);
        if let Some((_, at)) = times.first().filter(|_| times.len() >= most) {
            return Err(Full { retry_after: window - (now - *at) });
        }
        times.push((serial, now));
        Ok(Counted(serial))
    }
}

/// Returns the bucket that a subject shares with others if there are too many subjects.
fn slot(subject: &Subject) -> Subject {
    let hash = digest(&SHA256, format!("{subject:?}").as_bytes());
    let mut bytes = [0; 2];
    bytes.copy_from_slice(&hash.as_ref()[..2]);
    Subject::Slot(u16::from_le_bytes(bytes))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn address(number: u32) -> Subject {
        Subject::Network(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[test]
    fn bucket_refills_with_the_clock() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let buckets = Buckets::new(Rate { burst: 10, per_minute: 60 }, &clock);
        assert_eq!(buckets.charge(address(1), 4), Ok(6));
        assert_eq!(buckets.charge(address(1), 6), Ok(0));
        assert_eq!(buckets.charge(address(2), 1), Ok(9), "another subject has its own bucket");
        assert_eq!(buckets.charge(address(1), 3), Err(Full { retry_after: TimeDelta::seconds(3) }));
        clock.advance(Duration::from_secs(3));
        assert_eq!(buckets.charge(address(1), 3), Ok(0));
        clock.advance(Duration::from_mins(1));
        assert_eq!(buckets.charge(address(1), 1_000), Ok(0), "a cost above the burst is the burst");
    }

    #[test]
    fn excess_subjects_share_buckets_and_are_pruned() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let buckets = Buckets::new(Rate { burst: 1, per_minute: 60 }, &clock);
        for number in 0..300_000 {
            let _ = buckets.charge(address(number), 1);
        }
        let (own, look, shared) = (SUBJECTS_MAX, 1_024, usize::from(u16::MAX) + 1);
        assert!(buckets.limiter.len() <= own + look + shared, "{} subjects", buckets.limiter.len());
        clock.advance(Duration::from_secs(2));
        buckets.prune();
        assert_eq!(buckets.limiter.len(), 0);
        assert_eq!(buckets.charge(address(1), 1), Ok(0));
        assert_eq!(buckets.limiter.len(), 1);
    }

    #[test]
    fn window_expires_and_forgives_failures() {
        let windows = Windows::new(Window { most: 2, minutes: 1 });
        let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        assert!(windows.count(address(1), (1, at(0))).is_ok());
        assert!(windows.count(address(1), (2, at(10))).is_ok());
        let full = |second| Err(Full { retry_after: TimeDelta::seconds(second) });
        assert_eq!(windows.count(address(1), (3, at(20))), full(40));
        assert_eq!(windows.count(address(2), (4, at(20))), Ok(Counted(4)), "another subject");
        assert_eq!(windows.count(address(1), (5, at(60))), Ok(Counted(5)));
        assert_eq!(windows.count(address(1), (6, at(60))), full(10));
    }
}

//! What every operation and worker receives: the application's parts, in one handle that is cheap to clone.

use std::{num::NonZeroUsize, ops::Deref, sync::Arc, time::Duration};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use chrono::TimeDelta;
use entity::{CouponId, EventId, SeatMapId, SessionId};
use moka::{future::Cache, sync};
use tokio::{runtime::Handle, sync::Semaphore, task::JoinHandle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    audit::Pseudonyms,
    auth::{Known, device::DeviceTokens, password::Passwords, token::AccessTokens},
    bus::Bus,
    clock::Clock,
    config::Config,
    coupon::{counts::SharedCounts, offer_terms::TermsSnapshot},
    human::{HumanCheck, Proofs, altcha::Altcha},
    inventory::{desk::Desks, origin::Origins},
    jitter::jitter,
    keys::{KeyFault, SigningKeys},
    limits::Limits,
    outbox::Outbox,
    payment::{provider::PaymentProvider, sandbox::Sandbox},
    store::Store,
    telemetry::{Counters, Metrics, Security},
    threads::DedicatedRuntime,
    ticket::code::{TicketKeys, TicketVerifier},
    transfer_slots::TransferSlots,
    venue::SeatMap,
};

/// How long a session is believed without asking the database: within this a revocation takes effect everywhere.
const SESSION_BELIEVED: Duration = Duration::from_secs(3);
/// Sessions believed at a time.
const SESSIONS_MAX: u64 = 100_000;
/// Seats of all seat maps kept in memory; a map of a stadium has about 20,000.
const SEATS_IN_MEMORY_MAX: u64 = 2_000_000;
/// Events whose seat map is known without asking the database.
const EVENTS_KNOWN_MAX: u64 = 100_000;
/// Coupons whose terms are kept in memory.
const OFFER_TERMS_MAX: u64 = 10_000;
/// Sign-ins that may wait for a hashing thread.
const PASSWORDS_WAITING: usize = 64;
/// Names the tokens' issuer and audience.
const ISSUER: &str = "tessera";

/// The application. All clones are the same one.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The application's parts.
pub struct Parts {
    /// Settings, validated.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// Time and new ids.
    pub clock: Clock,
    /// Public and private keys.
    pub keys: SigningKeys,
    /// Access tokens.
    pub tokens: AccessTokens,
    /// Device tokens.
    pub devices: DeviceTokens,
    /// Password hashing.
    pub passwords: Passwords,
    /// What one network, account or shop may do.
    pub limits: Limits,
    /// Signs ticket codes.
    pub ticket_keys: TicketKeys,
    /// Verifies ticket codes.
    pub ticket_verifier: TicketVerifier,
    /// Sessions looked up a moment ago; none for one that has ended.
    pub sessions: Cache<SessionId, Option<Known>>,
    /// Seat maps are immutable, so they are kept.
    pub seat_maps: Cache<SeatMapId, Arc<SeatMap>>,
    /// Which map an event has that everybody may see.
    pub maps_on_sale: sync::Cache<EventId, SeatMapId>,
    /// The terms of coupons that were claimed lately. The desk refuses a snapshot of an older version of the coupon.
    pub offer_terms: sync::Cache<CouponId, Arc<TermsSnapshot>>,
    /// Takes and returns money.
    pub provider: Arc<dyn PaymentProvider>,
    /// The embedded sandbox, when it is the provider: its page for the buyer's other step needs it.
    pub sandbox: Option<Arc<Sandbox>>,
    /// What clients solve before they reserve, where an event asks for that.
    pub human: Arc<dyn HumanCheck>,
    /// Committed facts.
    pub outbox: Outbox,
    /// What the process has done since its start.
    pub counters: Counters,
    /// The metrics.
    pub metrics: Metrics,
    /// The security events of the last minute.
    pub security: Security,
    /// When the application was put together.
    pub started: Instant,
    /// Names networks in the audit log.
    pub(crate) pseudonyms: Pseudonyms,
    /// All tasks; shutdown waits for them.
    pub tasks: TaskTracker,
    /// Cancelled when the server is asked to stop: it is not ready any more, but serves as before.
    pub draining: CancellationToken,
    /// Cancelled when it begins to stop, and takes nothing new.
    pub shutdown: CancellationToken,
    /// Cancelled when no request is in progress any more: the desks end.
    pub drained: CancellationToken,
    pub(crate) transfer_slots: TransferSlots,
    pub(crate) coupon_counts: SharedCounts,
    pub(crate) desks: Desks,
    /// Permits to load a whole inventory: three quarters of the reading connections. Loads beyond that wait here in
    /// order, and leave connections to short reads.
    pub(crate) loads: Semaphore,
    pub(crate) origins: Origins,
    pub(crate) proofs: Proofs,
    /// Where sockets are served and watched streams are handed out: thousands of small tasks at a time.
    low_priority: DedicatedRuntime,
    /// Where requests are served.
    home: Handle,
    pub(crate) bus: Bus,
    random: SystemRandom,
}

impl App {
    /// Puts the parts together. Must be called on the runtime that will serve the requests.
    pub fn new(config: Config, store: Store, clock: Clock, keys: SigningKeys) -> Result<Self, KeyFault> {
        let longest = TimeDelta::seconds(config.access_seconds.into());
        // The one provider so far; `Config::validate` makes production name it.
        let sandbox = Arc::new(Sandbox::new(store.clone(), clock.clone(), config.public_url()));
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Self(Arc::new(Parts {
            tokens: AccessTokens::new(&keys, ISSUER, ISSUER, longest)?,
            devices: DeviceTokens::new(&keys),
            passwords: Passwords::new(cores, PASSWORDS_WAITING, config.limits.passwords_waiting),
            limits: Limits::new(&config.limits, &config.network, &clock),
            ticket_keys: TicketKeys::new(&keys),
            ticket_verifier: TicketVerifier::new(keys.ticket.public()),
            sessions: Cache::builder().max_capacity(SESSIONS_MAX).time_to_live(SESSION_BELIEVED).build(),
            seat_maps: Cache::builder()
                .max_capacity(SEATS_IN_MEMORY_MAX)
                .weigher(|_, map: &Arc<SeatMap>| {
                    u32::try_from(map.plan.seats.len()).unwrap_or(u32::MAX).max(1)
                })
                .build(),
            maps_on_sale: sync::Cache::new(EVENTS_KNOWN_MAX),
            offer_terms: sync::Cache::new(OFFER_TERMS_MAX),
            provider: sandbox.clone(),
            sandbox: config.serves_sandbox().then_some(sandbox),
            human: Arc::new(Altcha::new(&keys, clock.clone())),
            origins: Origins::new(&keys),
            proofs: Proofs::default(),
            outbox: Outbox::default(),
            counters: Counters::default(),
            metrics: Metrics::default(),
            security: Security::default(),
            started: Instant::now(),
            pseudonyms: Pseudonyms::new(&keys)?,
            clock,
            keys,
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            drained: CancellationToken::new(),
            transfer_slots: TransferSlots::default(),
            coupon_counts: SharedCounts::default(),
            desks: Desks::default(),
            loads: Semaphore::new(loads_at_once(config.database_connections)),
            low_priority: DedicatedRuntime::low_priority("tessera-low"),
            home: Handle::current(),
            bus: Bus::new(&store),
            config,
            store,
            random: SystemRandom::new(),
        })))
    }

    /// Spawns a task that shutdown waits for, on the threads that serve requests.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn_on(future, &self.home)
    }

    /// Spawns one of many tasks that are not to hold up requests; shutdown waits for it too.
    pub fn spawn_low_priority<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.low_priority.spawn(&self.tasks, future)
    }

    /// Random bytes, fit for secrets.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        // The system's generator fails only where the process cannot go on anyway; zeros must never become a secret.
        if self.random.fill(&mut bytes).is_err() {
            tracing::error!("the system has no random bytes");
            std::process::abort();
        }
        bytes
    }

    /// A random number from `least` to `most`, so that many do not come back at once.
    pub fn jitter(&self, least: u64, most: u64) -> u64 {
        jitter(least, most)
    }

    /// Whether requests can be served: the database answers, and takes writes.
    pub async fn ready(&self) -> bool {
        !self.draining.is_cancelled() && !self.shutdown.is_cancelled() && self.store.is_ready().await
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
/// Returns how many inventories may be loaded at the same time with this number of reading connections.
fn loads_at_once(connections: u32) -> usize {
    let connections = usize::try_from(connections).unwrap_or(usize::MAX);
    (connections - connections / 4).max(1)
}

//! The application: settings, database, clock, keys and shared state, in one handle that is cheap to clone.

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

/// How long a session is cached. A revocation takes effect on all instances within this time.
const SESSION_BELIEVED: Duration = Duration::from_secs(3);
/// Cached sessions.
const SESSIONS_MAX: u64 = 100_000;
/// Seats of all cached seat maps. The map of a stadium has about 20,000.
const SEATS_IN_MEMORY_MAX: u64 = 2_000_000;
/// Events whose seat map's id is cached.
const EVENTS_KNOWN_MAX: u64 = 100_000;
/// Coupons whose terms are cached.
const OFFER_TERMS_MAX: u64 = 10_000;
/// Sign-ins that may wait for a hashing thread.
const PASSWORDS_WAITING: usize = 64;
/// Issuer and audience of the tokens.
const ISSUER: &str = "tessera";

/// The application. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The application's parts.
pub struct Parts {
    /// The validated settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The source of time and of new ids.
    pub clock: Clock,
    /// Public and private keys.
    pub keys: SigningKeys,
    /// Issues and verifies access tokens.
    pub tokens: AccessTokens,
    /// Issues and verifies device tokens.
    pub devices: DeviceTokens,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Rate limits per network, account and shop.
    pub limits: Limits,
    /// Signs ticket codes.
    pub ticket_keys: TicketKeys,
    /// Verifies ticket codes.
    pub ticket_verifier: TicketVerifier,
    /// Sessions looked up recently; `None` for a session that has ended.
    pub sessions: Cache<SessionId, Option<Known>>,
    /// Seat maps by id. They are immutable.
    pub seat_maps: Cache<SeatMapId, Arc<SeatMap>>,
    /// The seat map's id of each published event.
    pub maps_on_sale: sync::Cache<EventId, SeatMapId>,
    /// Terms of recently claimed coupons. The desk refuses a snapshot of an older version of the coupon.
    pub offer_terms: sync::Cache<CouponId, Arc<TermsSnapshot>>,
    /// The payment provider.
    pub provider: Arc<dyn PaymentProvider>,
    /// The embedded sandbox if it is the provider. Its page for the buyer's authentication needs it.
    pub sandbox: Option<Arc<Sandbox>>,
    /// The human check that some events require before a reservation.
    pub human: Arc<dyn HumanCheck>,
    /// The outbox of committed facts.
    pub outbox: Outbox,
    /// Counters since the start of the process.
    pub counters: Counters,
    /// The metrics.
    pub metrics: Metrics,
    /// The security events of the last minute.
    pub security: Security,
    /// The time at which the application was created.
    pub started: Instant,
    /// Pseudonyms of networks in the audit log.
    pub(crate) pseudonyms: Pseudonyms,
    /// All tasks. Shutdown waits for them.
    pub tasks: TaskTracker,
    /// Cancelled by the stop signal. The server is then no longer ready, but serves requests.
    pub draining: CancellationToken,
    /// Cancelled when the server begins to stop. It then accepts no new work.
    pub shutdown: CancellationToken,
    /// Cancelled when no request is in progress any more. The desks then end.
    pub drained: CancellationToken,
    pub(crate) transfer_slots: TransferSlots,
    pub(crate) coupon_counts: SharedCounts,
    pub(crate) desks: Desks,
    /// Permits to load a whole inventory: three quarters of the reading connections. Loads beyond that wait here in
    /// order, and leave connections to short reads.
    pub(crate) loads: Semaphore,
    pub(crate) origins: Origins,
    pub(crate) proofs: Proofs,
    /// Serves sockets and event streams: thousands of small tasks.
    low_priority: DedicatedRuntime,
    /// Serves requests.
    home: Handle,
    pub(crate) bus: Bus,
    random: SystemRandom,
}

impl App {
    /// Creates the application. Must be called on the runtime that will serve the requests.
    pub fn new(config: Config, store: Store, clock: Clock, keys: SigningKeys) -> Result<Self, KeyFault> {
        let longest = TimeDelta::seconds(config.access_seconds.into());
        // The only provider so far. `Config::validate` requires production to name it.
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

    /// Spawns a task on the threads that serve requests. Shutdown waits for it.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn_on(future, &self.home)
    }

    /// Spawns a task on low-priority threads, so that it does not delay requests. Shutdown waits for it.
    pub fn spawn_low_priority<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.low_priority.spawn(&self.tasks, future)
    }

    /// Returns cryptographically secure random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        // If the system's generator fails, the process cannot continue: zeros must never become a secret.
        if self.random.fill(&mut bytes).is_err() {
            tracing::error!("the system has no random bytes");
            std::process::abort();
        }
        bytes
    }

    /// Returns a random number from `least` to `most`, so that clients do not retry at the same time.
    pub fn jitter(&self, least: u64, most: u64) -> u64 {
        jitter(least, most)
    }

    /// Returns whether requests can be served: the database answers and accepts writes.
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

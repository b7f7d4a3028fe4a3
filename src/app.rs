//! The application: settings, database, clock, keys and shared state, in one handle that is cheap to clone.

use std::{ops::Deref, sync::Arc};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use tokio::{runtime::Handle, task::JoinHandle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    audit::Pseudonyms,
    auth::parts::AuthParts,
    bus::Bus,
    clock::Clock,
    config::Config,
    coupon::parts::CouponParts,
    event::public::PUBLIC_EVENTS,
    inventory::parts::InventoryParts,
    jitter::jitter,
    keys::{KeyFault, SigningKeys},
    limits::Limits,
    order::{live::live_orders, parts::OrderParts},
    outbox::Outbox,
    payment::{live::orders_being_paid, parts::PaymentParts},
    store::Store,
    telemetry::{Counters, Metrics, Security},
    threads::DedicatedRuntime,
    ticket::parts::TicketParts,
    venue::parts::VenueParts,
};

/// The application. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The application's parts. What a slice keeps in memory is in the slice's own part. Its file does not import [`App`],
/// so that `App` closes no circle of imports. A slice that needs a condition on a table of a higher slice gets the query here.
pub struct Parts {
    /// The validated settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The source of time and of new ids.
    pub clock: Clock,
    /// Public and private keys.
    pub keys: SigningKeys,
    /// Tokens, passwords and sessions.
    pub auth: AuthParts,
    /// Seat maps.
    pub venue: VenueParts,
    /// Desks, and what reservations need besides.
    pub inventory: InventoryParts,
    /// Terms and counts of coupons.
    pub coupon: CouponParts,
    /// The queries of orders.
    pub order: OrderParts,
    /// The keys of ticket codes.
    pub ticket: TicketParts,
    /// The payment provider.
    pub payment: PaymentParts,
    /// Rate limits per network, account and shop.
    pub limits: Limits,
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
        Ok(Self(Arc::new(Parts {
            auth: AuthParts::new(&config, &keys)?,
            venue: VenueParts::new(PUBLIC_EVENTS),
            inventory: InventoryParts::new(&config, &clock, &keys),
            coupon: CouponParts::new(live_orders),
            order: OrderParts::new(orders_being_paid),
            ticket: TicketParts::new(&keys),
            payment: PaymentParts::new(&config, &store, &clock),
            limits: Limits::new(&config.limits, &config.network, &clock),
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

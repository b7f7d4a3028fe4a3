//! The rows of the table. Each creates its own databases and servers, and stops everything afterwards.

mod availability;
mod best_available;
mod claims;
mod contention;
mod eight_events;
mod fan_out;
mod many_events;
mod overload;
mod reserve;
mod reserve_sqlite;
mod two_processes;
mod watched;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use tokio::{runtime, time::timeout};

use crate::{
    Outcome,
    bench::{Bench, Options, Scale, progress},
    buyer::Keys,
    crowd::{Crowd, Tally},
    server::{Home, Server},
    stage::{Event, Stage},
    table::{self, Line},
};

/// The time limit of a row.
const PATIENCE: Duration = Duration::from_mins(4);

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// Reservations of one hot event on `PostgreSQL`, compared with `pgbench`.
    Reserve,
    /// The same on `SQLite`, compared with one transaction per reservation.
    ReserveSqlite,
    /// Reservations and releases, while half of all attempts target the same few seats.
    Contention,
    /// Two servers that sell one event.
    TwoProcesses,
    /// Eight events at once.
    EightEvents,
    /// Changes delivered to thousands of subscribers.
    FanOut,
    /// The latency of a reservation while thousands watch.
    Watched,
    /// The availability of a large event.
    Availability,
    /// Best available seats in a large hall.
    BestAvailable,
    /// The first row in a full database.
    ManyEvents,
    /// Claims of one hot coupon on `PostgreSQL`, compared with `pgbench`.
    Claims,
    /// An open loop with 1×, 2×, 4× and 8× of the server's capacity.
    Overload,
}

impl Row {
    /// Returns the measured figure and its target.
    fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Reserve => (
                "reservations/s, 2 seats each, one hot event, PostgreSQL, fsync on, best of connections",
                "≥ 2.0×",
            ),
            Self::ReserveSqlite => ("the same on SQLite, `synchronous=FULL`", "≥ 6×"),
            Self::Contention => ("reserve + release under 50 % contention, operations/s", "≥ 0.7×"),
            Self::TwoProcesses => {
                ("2 server processes on one event, reservations/s", "≥ 0.9×, 0 seats twice")
            }
            Self::EightEvents => ("8 hot events at once, reservations/s", "≥ 1.0×"),
            Self::FanOut => ("deliveries/s to the subscribers of one event", "≥ 0.8×, ≤ 24 KiB each"),
            Self::Watched => ("p99 of reserve while subscribers watch", "≤ 2×"),
            Self::Availability => ("`availability` of a 20,000-seat event, requests/s", "≥ 0.5×"),
            Self::BestAvailable => ("best available 4 in 20,000 seats, 50 % sold, p99", "≤ 2 ms"),
            Self::ManyEvents => ("the first figure with 1,000 events and 2 M seats", "≥ 0.9×"),
            Self::Overload => ("overload: goodput at 4× of capacity, open loop", "≥ 0.8×"),
            Self::Claims => ("claims/s, one hot free coupon, PostgreSQL, best of connections", "≥ 2.0×"),
        }
    }

    /// Creates a line of the row with its title. The row adds the rest.
    fn line(self, reference: &str) -> Line {
        let (figure, reach) = self.title();
        Line {
            figure: figure.to_owned(),
            reference: reference.to_owned(),
            reach: reach.to_owned(),
            ..Line::default()
        }
    }

    async fn run(self, bench: &Bench) -> Outcome<Vec<Line>> {
        match self {
            Self::Reserve => reserve::run(bench).await,
            Self::ReserveSqlite => reserve_sqlite::run(bench).await,
            Self::Contention => contention::run(bench).await,
            Self::TwoProcesses => two_processes::run(bench).await,
            Self::EightEvents => eight_events::run(bench).await,
            Self::FanOut => fan_out::run(bench).await,
            Self::Watched => watched::run(bench).await,
            Self::Availability => availability::run(bench).await,
            Self::BestAvailable => best_available::run(bench).await,
            Self::ManyEvents => many_events::run(bench).await,
            Self::Claims => claims::run(bench).await,
            Self::Overload => overload::run(bench).await,
        }
    }
}

/// Measures the rows and prints the table. Returns `false` if a row could not be measured.
#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) fn measure(mut options: Options) -> Outcome<bool> {
    let mut rows = std::mem::take(&mut options.rows);
    if rows.is_empty() {
        rows = Row::value_variants().to_vec();
    }
    let bench = Bench::new(options);
    // Use one thread, because the server should get most of the machine.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut lines, mut all) = (Vec::new(), true);
    for row in rows {
        let begun = Instant::now();
        let (figure, reach) = row.title();
        progress(figure);
        let outcome = runtime.block_on(async { timeout(PATIENCE, row.run(&bench)).await });
        match outcome.unwrap_or_else(|_| Err("it did not end".into())) {
            Ok(some) => lines.extend(some),
            Err(failure) => {
                progress(&format!("failed: {failure}"));
                lines.push(Line::without(figure, reach, &format!("failed: {failure}")));
                all = false;
            }
        }
        progress(&format!("… {:.0} s", begun.elapsed().as_secs_f64()));
    }
    print!("{}", table::markdown(&lines));
    Ok(all)
}

/// A server with a shop and its guests.
pub(crate) struct Scene {
    /// The server's files and database.
    pub(crate) home: Home,
    /// The server.
    pub(crate) server: Server,
    /// The shop.
    pub(crate) stage: Stage,
    /// The guests' access tokens.
    pub(crate) guests: Vec<String>,
    /// Unused idempotency keys.
    pub(crate) keys: Arc<Keys>,
}

impl Scene {
    /// Starts a server on an empty database, with a shop and guests.
    pub(crate) async fn set(bench: &Bench, home: Home) -> Outcome<Self> {
        let server = Server::tessera(bench, &home)?;
        let stage = Stage::open(bench, &home, &server).await?;
        let guests = stage.guests(bench.scale.guests).await?;
        Ok(Self { home, server, stage, guests, keys: Arc::default() })
    }

    /// Restarts the server on the same data.
    pub(crate) fn restarted(self, bench: &Bench) -> Outcome<Self> {
        drop(self.server);
        Ok(Self { server: Server::tessera(bench, &self.home)?, ..self })
    }

    /// Lets a crowd reserve on this server.
    pub(crate) async fn reserve(
        &self,
        bench: &Bench,
        connections: usize,
        events: &[Event],
    ) -> Outcome<(Tally, f64)> {
        let addresses = [self.server.address.as_str()];
        measured(bench, &self.crowd(&addresses, connections), events).await
    }

    /// Returns a crowd for these servers.
    pub(crate) fn crowd<'a>(&'a self, addresses: &'a [&'a str], connections: usize) -> Crowd<'a> {
        Crowd { addresses, tokens: &self.guests, keys: &self.keys, connections }
    }
}

/// Returns the reservations per second of the crowd. All of them must succeed.
pub(crate) async fn measured(bench: &Bench, crowd: &Crowd<'_>, events: &[Event]) -> Outcome<(Tally, f64)> {
    let Scale { warm_up, reservations, .. } = bench.scale;
    bench.cluster.settle().await?;
    let tally = crowd.reserve(events, warm_up, reservations).await?;
    let each = reservations / u32::try_from(events.len())? * u32::try_from(events.len())?;
    let rate = tally.rate_of(each)?;
    progress(&format!("{} connections: {rate:.0}/s, {} asked again", crowd.connections, tally.again));
    Ok((tally, rate))
}

//! The injection of each fault.

use std::{
    fs::File,
    io::Write,
    process::Command,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tokio::time::sleep;

use crate::{
    Outcome,
    faults::{
        cluster::{self, Cluster},
        dropped,
        fault::Fault,
        ground::{Database, Ground},
        instance::Instance,
        proxy::{Mode, Proxy},
        scene::Scene,
    },
};

/// The targets of a fault.
pub(crate) struct Victim<'a> {
    /// The database.
    pub(crate) ground: &'a mut Ground,
    /// The instances.
    pub(crate) instances: &'a mut [Instance],
    /// The proxies in front of PostgreSQL.
    pub(crate) proxies: &'a [Proxy],
    /// The event and the coupon.
    pub(crate) scene: &'a Scene,
    /// Whether to use fewer and shorter faults.
    pub(crate) quick: bool,
}

/// The result of a fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    /// The longest time in which no purchase was possible for any server.
    pub(crate) outage: Duration,
    /// Errors that the fault itself found.
    pub(crate) notes: Vec<String>,
}

impl Done {
    fn after(outage: Duration) -> Self {
        Self { outage, notes: Vec::new() }
    }
}

/// Causes a fault and ends it.
pub(crate) async fn inject(fault: Fault, mut victim: Victim<'_>) -> Outcome<Done> {
    let quick = victim.quick;
    let seconds = |long, short| Duration::from_secs(if quick { short } else { long });
    match fault {
        Fault::Kill => kill(&mut victim).await,
        Fault::Pause => {
            for instance in &*victim.instances {
                instance.pause()?;
                sleep(seconds(5, 3)).await;
                instance.go_on()?;
                sleep(seconds(2, 1)).await;
            }
            let alone = victim.instances.len() == 1;
            Ok(Done::after(if alone { seconds(5, 3) } else { Duration::ZERO }))
        }
        Fault::PauseBackends => pause_backends(&victim, seconds(5, 3)).await,
        Fault::Restart => {
            let mut outage = Duration::ZERO;
            for _ in 0..if quick { 2 } else { 4 } {
                let begun = Instant::now();
                cluster_of(victim.ground)?.crash_and_restart()?;
                outage = outage.max(begun.elapsed());
                sleep(seconds(3, 2)).await;
            }
            Ok(Done::after(outage))
        }
        Fault::CutCommits => {
            each(victim.proxies, |proxy| proxy.set(Mode::CutCommits(8)));
            sleep(seconds(10, 4)).await;
            each(victim.proxies, |proxy| proxy.set(Mode::Pass));
            let commits: u32 = victim.proxies.iter().map(Proxy::commits).sum();
            if commits < 16 {
                return Err(format!("only {commits} commits were seen").into());
            }
            Ok(Done::default())
        }
        Fault::Stalled => {
            each(victim.proxies, Proxy::stall);
            sleep(seconds(25, 12)).await;
            Ok(Done::default())
        }
        Fault::Away => {
            each(victim.proxies, |proxy| proxy.set(Mode::Refuse));
            each(victim.proxies, Proxy::cut);
            sleep(seconds(8, 4)).await;
            each(victim.proxies, |proxy| proxy.set(Mode::Pass));
            Ok(Done::after(seconds(8, 4)))
        }
        Fault::Connections => exhaust_connections(&victim, seconds(6, 3)).await,
        Fault::Locked => lock(&victim, seconds(8, 4)).await,
        Fault::Subscriptions => dropped::drop_subscriptions(&victim).await,
        Fault::Skew => {
            sleep(seconds(8, 4)).await;
            Ok(Done::default())
        }
        Fault::Promotion => promote(&mut victim).await,
        Fault::DiskFull => fill(&victim, seconds(5, 3)).await,
    }
}

/// Returns the cluster, for faults of PostgreSQL.
pub(crate) fn cluster_of(ground: &Ground) -> Outcome<&Cluster> {
    ground.cluster.as_ref().ok_or_else(|| "this fault is one of PostgreSQL".into())
}

/// Calls `action` for each proxy.
pub(crate) fn each(proxies: &[Proxy], action: impl Fn(&Proxy)) {
    proxies.iter().for_each(action);
}

async fn kill(victim: &mut Victim<'_>) -> Outcome<Done> {
    let count = victim.instances.len();
    let mut outage = Duration::ZERO;
    for number in 0..if victim.quick { 3 } else { 8 } {
        let begun = Instant::now();
        let instance = &mut victim.instances[number % count];
        instance.kill();
        sleep(Duration::from_millis(200)).await;
        instance.start()?;
        if count == 1 {
            outage = outage.max(begun.elapsed());
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(Done::after(outage))
}

async fn pause_backends(victim: &Victim<'_>, time: Duration) -> Outcome<Done> {
    let mut connection = PgConnection::connect(&victim.ground.url()).await?;
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend' ORDER BY state = 'active' DESC, pid";
    let pids: Vec<i32> = sqlx::query_scalar(sql).fetch_all(&mut connection).await?;
    let half = &pids[..pids.len().div_ceil(2)];
    let signal = |signal: &str| {
        for pid in half {
            // The process may have ended.
            drop(cluster::run(Command::new("kill").args([signal, &pid.to_string()])));
        }
    };
    signal("-STOP");
    sleep(time).await;
    signal("-CONT");
    Ok(Done::after(time))
}

async fn exhaust_connections(victim: &Victim<'_>, time: Duration) -> Outcome<Done> {
    let url = victim.ground.url();
    let mut taken = Vec::new();
    each(victim.proxies, |proxy| proxy.set(Mode::Refuse));
    each(victim.proxies, Proxy::cut);
    // Also takes the connections reserved for the superuser.
    while taken.len() < 1_000 {
        match PgConnection::connect(&url).await {
            Ok(connection) => taken.push(connection),
            Err(_) => break,
        }
    }
    each(victim.proxies, |proxy| proxy.set(Mode::Pass));
    let begun = Instant::now();
    while begun.elapsed() < time {
        // Take connections that were released meanwhile.
        if let Ok(connection) = PgConnection::connect(&url).await {
            taken.push(connection);
        }
        sleep(Duration::from_millis(20)).await;
    }
    drop(taken);
    Ok(Done::after(time + Duration::from_secs(1)))
}

async fn lock(victim: &Victim<'_>, time: Duration) -> Outcome<Done> {
    let url = victim.ground.url();
    match victim.ground.database {
        Database::Postgres => {
            let sql = format!(
                "BEGIN; SELECT 1 FROM inventory WHERE id = (SELECT id FROM event WHERE slug = '{}') FOR UPDATE",
                victim.scene.slug
            );
            let mut connection = PgConnection::connect(&url).await?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            sleep(time).await;
            sqlx::raw_sql("ROLLBACK").execute(&mut connection).await?;
        }
        Database::Sqlite => {
            let mut connection = SqliteConnection::connect(&url).await?;
            sqlx::raw_sql("PRAGMA busy_timeout = 5000").execute(&mut connection).await?;
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await?;
            sleep(time).await;
            sqlx::raw_sql("ROLLBACK").execute(&mut connection).await?;
        }
    }
    Ok(Done::after(time))
}

async fn promote(victim: &mut Victim<'_>) -> Outcome<Done> {
    let primary = victim.ground.cluster.take().ok_or("this fault is one of PostgreSQL")?;
    let url = primary.url("postgres");
    let home = victim.ground.home.join(format!("standby-{}", primary.port));
    let standby = primary.standby(&home)?;
    for sql in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
        crate::postgres::execute(&url, sql).await?;
    }
    let count = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    let until = Instant::now() + Duration::from_secs(20);
    while crate::postgres::number(&url, count).await? == 0 {
        if Instant::now() > until {
            return Err("the standby did not become synchronous".into());
        }
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(2)).await;
    let begun = Instant::now();
    primary.crash()?;
    standby.promote()?;
    each(victim.proxies, |proxy| proxy.switch(standby.port));
    victim.ground.cluster = Some(standby);
    Ok(Done::after(begun.elapsed()))
}

/// Fills the file system twice.
async fn fill(victim: &Victim<'_>, time: Duration) -> Outcome<Done> {
    let path = victim.ground.home.join("filler");
    let (large, small) = (vec![0; 64 * 1024], vec![0; 512]);
    let mut outage = Duration::ZERO;
    for _ in 0..2 {
        let begun = Instant::now();
        let mut file = File::create(&path)?;
        let until = begun + time;
        while Instant::now() < until {
            // Also fill the space that the database frees.
            while file.write_all(&large).is_ok() {}
            while file.write_all(&small).is_ok() {}
            sleep(Duration::from_millis(20)).await;
        }
        drop(file);
        std::fs::remove_file(&path)?;
        if let Some(cluster) = &victim.ground.cluster {
            // PostgreSQL stops if it cannot write during recovery.
            cluster.ensure()?;
        }
        outage = outage.max(begun.elapsed());
        sleep(Duration::from_secs(3)).await;
    }
    Ok(Done::after(outage))
}

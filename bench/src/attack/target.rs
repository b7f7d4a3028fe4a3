//! The attacked server: a process on a copy of the demo database, with its log in a file.

use std::{
    cell::Cell,
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    attack::usage::{Meter, resident_kib},
    caller::{Answer, Caller, STAFF},
    postgres::Cluster,
    process,
};
use tokio::task::JoinSet;

/// The shared state of all attacks: the programs, the filled database and a directory for files.
#[derive(Debug)]
pub(crate) struct Camp {
    /// The server's binary.
    pub(crate) server: PathBuf,
    /// Whether to repeat less where the scale of a row is not important.
    pub(crate) quick: bool,
    scratch: PathBuf,
    cluster: Option<Cluster>,
    count: Cell<u32>,
}

/// The settings of one start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start<'a> {
    /// Additional arguments.
    pub(crate) arguments: &'a [&'a str],
    /// Environment variables.
    pub(crate) variables: &'a [(&'a str, &'a str)],
    /// The limit of open files. `None` is the system's limit.
    pub(crate) descriptors: Option<u32>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Target {
    /// The address on which it listens.
    pub(crate) address: SocketAddr,
    /// Its process id.
    pub(crate) pid: u32,
    /// Its directory.
    pub(crate) home: PathBuf,
    url: String,
    baseline_kib: i64,
    log: PathBuf,
    child: Child,
}

/// The memory that an attack may leave behind without a restart, in KiB.
const LEFT_KIB: i64 = 8 * 1024;
/// The name of the template database in the cluster.
const TEMPLATE: &str = "attack_template";

impl Camp {
    /// Creates the database with demo data, which each target copies.
    pub(crate) async fn pitch(
        server: PathBuf,
        scratch: &Path,
        cluster: Option<Cluster>,
        quick: bool,
    ) -> Outcome<Self> {
        let scratch = scratch.canonicalize()?;
        let camp = Self { server, quick, scratch, cluster, count: Cell::new(0) };
        let template = camp.scratch.join("template");
        let url = match &camp.cluster {
            Some(cluster) => cluster.create(TEMPLATE).await?,
            None => sqlite(&template),
        };
        let status = camp.command(&template, &url).args(["--demo", "true", "seed"]).status()?;
        if status.success() { Ok(camp) } else { Err("the demo data could not be made".into()) }
    }

    /// Returns a directory with a copy of the template's files, and the URL of a copy of its database.
    pub(crate) async fn home(&self) -> Outcome<(PathBuf, String)> {
        self.count.set(self.count.get() + 1);
        let number = self.count.get();
        let home = self.scratch.join(format!("target-{number}"));
        let status = Command::new("cp").arg("-a").arg(self.scratch.join("template")).arg(&home).status()?;
        if !status.success() {
            return Err("the demo data could not be copied".into());
        }
        let url = match &self.cluster {
            Some(cluster) => {
                let name = format!("attack_{number}");
                let sql = format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}");
                crate::postgres::execute(&cluster.url("postgres"), &sql).await?;
                cluster.url(&name)
            }
            None => sqlite(&home),
        };
        Ok((home, url))
    }

    /// Creates an empty directory.
    pub(crate) fn empty(&self) -> Outcome<PathBuf> {
        self.count.set(self.count.get() + 1);
        let path = self.scratch.join(format!("empty-{}", self.count.get()));
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Returns the server's command line for these files, without inherited settings.
    pub(crate) fn command(&self, home: &Path, url: &str) -> Command {
        self.command_in("development", home, url)
    }

    /// Does the same for this environment.
    pub(crate) fn command_in(&self, environment: &str, home: &Path, url: &str) -> Command {
        let mut command = Command::new(&self.server);
        process::configure(&mut command, environment, home, url);
        command
    }

    /// Starts a server on a copy of the demo data.
    pub(crate) async fn start(&self, start: Start<'_>) -> Outcome<Target> {
        let (home, url) = self.home().await?;
        self.start_on(start, (home, url)).await
    }

    async fn start_on(&self, start: Start<'_>, (home, url): (PathBuf, String)) -> Outcome<Target> {
        let mut command = match start.descriptors {
            None => self.command(&home, &url),
            Some(most) => {
                let mut command = Command::new("sh");
                command.arg("-c").arg(format!("ulimit -n {most} && exec \"$0\" \"$@\"")).arg(&self.server);
                process::configure(&mut command, "development", &home, &url);
                command
            }
        };
        command.args(["--listen", "127.0.0.1:0", "--demo", "true"]).args(start.arguments);
        command.envs(start.variables.iter().copied());
        let mut target = Target::spawn(command, home, url)?;
        target.warm_up().await?;
        target.baseline_kib = resident_kib(target.pid)?;
        Ok(target)
    }

    /// Restarts the server on its data if an attack has left much memory behind. Otherwise, that memory would hide the
    /// needs of the next attack.
    pub(crate) async fn calm(&self, target: Target) -> Outcome<Target> {
        if resident_kib(target.pid)? <= target.baseline_kib + LEFT_KIB {
            return Ok(target);
        }
        let files = (target.home.clone(), target.url.clone());
        drop(target);
        self.start_on(Start::default(), files).await
    }
}

fn sqlite(home: &Path) -> String {
    format!("sqlite://{}", home.join("tessera.db").display())
}

impl Target {
    fn spawn(mut command: Command, home: PathBuf, url: String) -> Outcome<Self> {
        let log = home.join("attack.log");
        let mut child = command.stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
        let Some(address) = address else {
            drop(child.kill());
            drop(child.wait());
            let log = fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("the server did not start: {log}").into());
        };
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let address: SocketAddr = address.parse()?;
        if !address.ip().is_loopback() {
            return Err(format!("{address} is no loopback address").into());
        }
        Ok(Self { address, pid: child.id(), home, url, baseline_kib: 0, log, child })
    }

    /// Makes the server load its lazily loaded data on all threads, so that no attack is charged for it.
    async fn warm_up(&self) -> Outcome<()> {
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let mut caller = self.caller(STAFF + 100 + number);
            tasks.spawn(async move {
                let mut answer = Answer::default();
                for document in
                    [WARM_UP, WARM_UP_EVENT, WARM_UP_STADIUM, "{__typename}"].iter().cycle().take(30)
                {
                    answer = caller.gql(document, serde_json::json!({})).await;
                    if answer.status != 200 {
                        break;
                    }
                }
                answer
            });
        }
        while let Some(answer) = tasks.join_next().await {
            let answer = answer?;
            if answer.status != 200 {
                return Err(format!("the warm-up was answered {}", answer.summary()).into());
            }
        }
        Ok(())
    }

    /// Starts to measure the process.
    pub(crate) fn meter(&self) -> Outcome<Meter> {
        Meter::start(self.pid)
    }

    /// Returns a caller from the loopback address of this number.
    pub(crate) fn caller(&self, number: u32) -> Caller {
        Caller::new(self.address, crate::caller::source(number))
    }

    /// Returns the server's log.
    pub(crate) fn log(&self) -> Outcome<String> {
        let mut text = Vec::new();
        File::open(&self.log)?.take(16 * 1024 * 1024).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// The query of a browsing client.
const WARM_UP: &str = "{ events(first: 50) { nodes { id name seatsLeft capacity priceRange { lowest { amount } } \
                       tiers { id name } venue { name } shop { name } seatMap { id } } } }";
/// Queries the plan of the stadium, which the server then caches.
const WARM_UP_STADIUM: &str =
    "{ event(slug: \"harbour-derby\") { availability { version } seatMap { zones { name } } } }";
/// The query of a buyer before selecting seats.
const WARM_UP_EVENT: &str = "{ event(slug: \"a-midsummer-night\") { name availability { version rows { row statuses } } \
                             seatMap { zones { rows { seats { id label } } } } } }";

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended already. The process id belongs to this child, so no other process is killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for a process to end. Returns its exit code. Kills it after `patience` and returns `None`.
pub(crate) fn ends_within(child: &mut Child, patience: Duration) -> Outcome<Option<i32>> {
    let until = Instant::now() + patience;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.code().unwrap_or(-1)));
        }
        thread::sleep(Duration::from_millis(50));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

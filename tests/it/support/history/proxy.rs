//! An unreliable connection to PostgreSQL. It breaks repeatedly, also between a commit and its response.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::random::Random;

/// The percentage of commits that are lost, and of commits whose response is lost.
const LOST: usize = 4;
/// The message with which sqlx commits: a simple query.
const COMMIT: &[u8] = b"COMMIT\0";

/// A socket in front of PostgreSQL's. It is closed when dropped.
pub(crate) struct BadLine {
    /// The database's URL through this socket.
    pub(crate) url: String,
    /// The number of broken connections.
    pub(crate) broken: Arc<AtomicU64>,
    closed: CancellationToken,
    _dir: TempDir,
}

impl BadLine {
    /// Creates a socket that forwards to the server of this URL.
    pub(crate) fn to(url: &str, seed: u64, tasks: &TaskTracker) -> Self {
        let server = url
            .split_once("host=")
            .and_then(|(_, rest)| rest.split('&').next())
            .expect("a socket's directory");
        // The path of a Unix socket must be short.
        let dir = tempfile::Builder::new().prefix("tessera-line-").tempdir_in("/tmp").expect("a directory");
        let listener = UnixListener::bind(socket(dir.path())).expect("a socket");
        let (broken, closed) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let line = Line {
            server: socket(Path::new(server)),
            random: Arc::new(Mutex::new(Random::new(seed))),
            broken: broken.clone(),
        };
        tasks.spawn(closed.clone().run_until_cancelled_owned(line.serve(
            listener,
            tasks.clone(),
            closed.clone(),
        )));
        let url = url.replace(server, &dir.path().display().to_string());
        Self { url, broken, closed, _dir: dir }
    }
}

impl Drop for BadLine {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

#[derive(Clone)]
struct Line {
    server: PathBuf,
    random: Arc<Mutex<Random>>,
    broken: Arc<AtomicU64>,
}

/// The point at which a message is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    /// The message is not delivered.
    IsLost,
    /// The message is delivered, but its response is not.
    IsNotAnswered,
}

impl Line {
    async fn serve(self, listener: UnixListener, tasks: TaskTracker, closed: CancellationToken) {
        while let Ok((client, _)) = listener.accept().await {
            let connection = self.clone().carry(client);
            tasks.spawn(closed.clone().run_until_cancelled_owned(connection));
        }
    }

    async fn carry(self, client: UnixStream) -> io::Result<()> {
        let server = UnixStream::connect(&self.server).await?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // If one direction ends, end both, so that both sides see a broken connection.
        tokio::select! {
            there = self.ask(from_client, to_server) => there,
            back = answer(from_server, to_client) => back,
        }
    }

    async fn ask(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let count = from.read(&mut bytes).await?;
            let fate = self.fate(&bytes[..count]);
            if count == 0 || fate == Fate::IsLost {
                return Ok(());
            }
            to.write_all(&bytes[..count]).await?;
            if fate == Fate::IsNotAnswered {
                return Ok(());
            }
        }
    }

    fn fate(&self, message: &[u8]) -> Fate {
        if !message.ends_with(COMMIT) {
            return Fate::Arrives;
        }
        let mut random = self.random.lock().expect("the dice");
        let fate = match random.below(100) {
            0..LOST => Fate::IsLost,
            number if number < 2 * LOST => Fate::IsNotAnswered,
            _ => Fate::Arrives,
        };
        self.broken.fetch_add(u64::from(fate != Fate::Arrives), Relaxed);
        fate
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await.map(|_| ())
}

fn socket(dir: &Path) -> PathBuf {
    dir.join(".s.PGSQL.5432")
}

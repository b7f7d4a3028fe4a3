//! The watcher: the shell script that controls a cluster's server, and outlives the test process by a moment.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::chown, process::CommandExt as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use super::{Durability, host::someone_else};

/// The watcher's script. `$1` is the cluster's directory, `$2` the directory of the binaries, `$3` the directory of the
/// primary of a standby. It responds to each command with one line.
///
/// The server is a child of the script, which reaps it even if process 1 does not. The script ignores signals, because
/// the server must live exactly as long as the pipe.
const WATCHER: &str = r#"
trap '' HUP INT PIPE TERM
dir=$1 bin=$2 primary=$3 server=
start() {
    (
        [ ! -e environment ] || . ./environment
        exec "$bin/postgres" -D data </dev/null >>log 2>&1
    ) &
    server=$!
    until grep -Eqs 'ready|standby' data/postmaster.pid; do
        sleep 0.02
        kill -0 "$server" 2>/dev/null || return 1
    done
}
stop() {
    [ -n "$server" ] || return 0
    kill -QUIT "$server"
    wait "$server"
    server=
    rm -f data/postmaster.pid
}
promote() {
    "$bin/pg_ctl" -D data -w promote </dev/null >>log 2>&1
}
cd "$dir" || exit 1
if [ -n "$primary" ]; then
    "$bin/pg_basebackup" -h "$primary" -U postgres -D data -R -X stream -c fast --no-sync </dev/null >log 2>&1
else
    "$bin/initdb" -D data -U postgres -A trust -E UTF8 --no-locale --no-sync </dev/null >log 2>&1
fi
cat settings >>data/postgresql.conf
while read -r order; do
    if "$order" 2>>log; then echo done; else echo failed; fi
done
stop
cd / && rm -rf "$dir"
"#;

/// The settings of all clusters. They do not change the meaning of a statement.
const SETTINGS: &str = "
listen_addresses = ''
port = 5432
max_connections = 300
shared_buffers = 32MB
log_min_messages = fatal
log_timezone = 'UTC'
timezone = 'UTC'
";

/// What only a test may do: survive the death of the server, but not that of the machine.
const FAST: &str = "
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 256MB
autovacuum = off
";

/// The shell script that controls the server.
pub(super) struct Watcher {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Watcher {
    /// Starts the script, with a cluster in `dir`. With `primary`, the cluster is a standby of it.
    pub(super) fn start(dir: &Path, binaries: &Path, durability: Durability, primary: Option<&Path>) -> Self {
        let mut command = Self::command(dir, binaries, durability, primary);
        let mut process = command
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start PostgreSQL's watcher: {error}"));
        match process.stdout.take() {
            Some(answers) => Self { process, answers: BufReader::new(answers) },
            None => panic!("PostgreSQL's watcher has no voice"),
        }
    }

    /// Prepares a cluster's directory. Returns the command that controls its server, without an input.
    fn command(dir: &Path, binaries: &Path, durability: Durability, primary: Option<&Path>) -> Command {
        let durability = match durability {
            Durability::Fast => FAST,
            Durability::Real => "",
        };
        let socket = format!("unix_socket_directories = '{}'", dir.display());
        fs::write(dir.join("settings"), format!("{SETTINGS}{durability}{socket}\n"))
            .unwrap_or_else(|error| panic!("cannot write PostgreSQL's settings: {error}"));
        let mut command = Command::new("sh");
        command.args(["-c", WATCHER, "tessera-postgres"]).arg(dir).arg(binaries);
        command.arg(primary.unwrap_or(Path::new(""))).current_dir("/");
        // The user's PGDATA, PGPORT and similar variables refer to the user's own server.
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        if let Some((user, group)) = someone_else(dir) {
            chown(dir, Some(user), Some(group))
                .unwrap_or_else(|error| panic!("cannot give PostgreSQL its directory: {error}"));
            command.uid(user).gid(group);
        }
        command
    }

    /// Sends a command to the watcher. Returns whether it succeeded.
    pub(super) fn order(&mut self, order: &str) -> bool {
        let Some(orders) = &mut self.process.stdin else { return false };
        let mut answer = String::new();
        writeln!(orders, "{order}").is_ok()
            && self.answers.read_line(&mut answer).is_ok()
            && answer.trim_end() == "done"
    }
}

impl Drop for Watcher {
    /// Waiting closes the pipe first, which tells the watcher to stop.
    fn drop(&mut self) {
        if let Err(error) = self.process.wait() {
            eprintln!("PostgreSQL's watcher cannot be waited for: {error}");
        }
    }
}

/// Starts a server that runs until the process `runner` ends. Returns whether it started.
#[expect(clippy::zombie_processes, reason = "both processes end after this one, together with the runner")]
pub(super) fn start_until_end_of(runner: u32, dir: &Path, binaries: &Path) -> bool {
    let mut holder = Command::new("sh");
    holder.args(["-c", "echo start; while kill -0 \"$1\" 2>/dev/null; do sleep 1; done", "tessera-postgres"]);
    holder.arg(runner.to_string()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut holder =
        holder.process_group(0).spawn().unwrap_or_else(|error| panic!("cannot run a shell script: {error}"));
    let orders = holder.stdout.take().expect("its output is a pipe");
    let mut watcher = Watcher::command(dir, binaries, Durability::Fast, None)
        .stdin(orders)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start PostgreSQL's watcher: {error}"));
    let answers = watcher.stdout.take().expect("its output is a pipe");
    let mut answer = String::new();
    BufReader::new(answers).read_line(&mut answer).is_ok() && answer.trim_end() == "done"
}

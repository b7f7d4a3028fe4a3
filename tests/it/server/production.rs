//! Production refuses unsafe settings and reports all of them. Runs the real binary with real files.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::process::Server;

/// A directory for one server, and the arguments of its starts.
struct Home {
    _dir: tempfile::TempDir,
    data: PathBuf,
    keys: PathBuf,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let [data, keys] = ["data", "keys"].map(|name| dir.path().join(name));
        Self { _dir: dir, data, keys }
    }

    fn tessera(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tessera"))
            .args(["--data-dir", &self.data.display().to_string(), "--listen", "127.0.0.1:0"])
            .args(args)
            .env("RUST_LOG", "off")
            .output()
            .expect("the binary runs")
    }

    /// Runs a command that opens the database and ends, in production.
    fn migrate_in_production(&self, args: &[&str]) -> (bool, String) {
        let keys = self.keys.display().to_string();
        let production = ["--env", "production", "--keys-dir", &keys];
        let output = self.tessera(&[&["migrate"], &production[..], args].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn with_keys(self) -> Self {
        let keys = self.keys.display().to_string();
        assert!(self.tessera(&["keys", "--keys-dir", &keys]).status.success());
        self
    }
}

const GOOD: [&str; 5] =
    ["--payments", "sandbox", "--allow-sandbox", "--public-url", "https://tickets.example"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

#[test]
fn production_lists_every_problem_and_makes_no_database() {
    let home = Home::new();
    let output = home.tessera(&["--env", "production", "--demo", "true"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    for named in ["TESSERA_KEYS_DIR", "TESSERA_PAYMENTS", "TESSERA_PUBLIC_URL", "TESSERA_ALLOW_DEMO"] {
        assert!(text.contains(named), "{named} in {text}");
    }
    assert!(!home.data.join("tessera.db").exists());
    let (started, text) = home.migrate_in_production(&["--payments", "sandbox"]);
    assert!(!started && text.contains("TESSERA_ALLOW_SANDBOX=true"), "{text}");
}

#[test]
fn production_starts_with_safe_settings() {
    let home = Home::new().with_keys();
    let (started, text) = home.migrate_in_production(&GOOD);
    assert!(started, "{text}");
    assert_eq!(mode(&home.data), 0o700);
    assert_eq!(mode(&home.data.join("tessera.db")), 0o600);
    assert_eq!(mode(&home.keys), 0o700);
    assert_eq!(mode(&home.keys.join("ticket.pem")), 0o600);
}

#[test]
fn production_refuses_files_that_other_users_can_read() {
    let home = Home::new().with_keys();
    assert!(home.migrate_in_production(&GOOD).0);
    let opened = [
        (home.data.clone(), 0o755, 0o700),
        (home.data.join("tessera.db"), 0o644, 0o600),
        (home.keys.join("session.pem"), 0o640, 0o600),
    ];
    for (path, open, closed) in &opened {
        chmod(path, *open);
        let (started, text) = home.migrate_in_production(&GOOD);
        let needed = format!("chmod {closed:o} {}", path.display());
        assert!(!started && text.contains(&needed), "{needed} in {text}");
        chmod(path, *closed);
    }
    for (path, open, _) in &opened {
        chmod(path, *open);
    }
    let (_, text) = home.migrate_in_production(&GOOD);
    assert_eq!(text.matches("chmod ").count(), 3, "all at once: {text}");
}

#[test]
fn production_refuses_keys_and_data_of_a_development_server() {
    let mut home = Home::new();
    assert!(home.tessera(&["seed"]).status.success());
    home.keys = home.data.join("keys");
    let (started, text) = home.migrate_in_production(&GOOD);
    assert!(!started && text.contains("were made by a development server"), "{text}");
    assert!(text.contains("demo accounts with public passwords"), "{text}");
    let keys = home.keys.display().to_string();
    assert!(!home.tessera(&["keys", "--keys-dir", &keys]).status.success(), "they are not blessed later");
    home.keys = home.data.join("other");
    let home = home.with_keys();
    let (started, text) = home.migrate_in_production(&GOOD);
    assert!(!started && text.contains("demo accounts"), "{text}");
    let (started, text) = home.migrate_in_production(&[&GOOD[..], &["--allow-demo"]].concat());
    assert!(started, "{text}");
}

#[test]
fn development_restricts_the_database_of_an_older_version() {
    let home = Home::new();
    fs::create_dir(&home.data).expect("made");
    let file = home.data.join("tessera.db");
    fs::write(&file, "").expect("written");
    chmod(&file, 0o644);
    let url = format!("sqlite://{}", file.display());
    let mut server = Server::start(&url, &home.data);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&home.data.join("tessera.db-wal")), 0o600);
    server.kill();
}

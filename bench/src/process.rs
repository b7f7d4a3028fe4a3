//! The server's command line, without settings that this process inherited.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::caller::STAFF_NETWORK;

/// Sets the environment, the database and the data directory. Clears the inherited environment and discards the output.
pub(crate) fn configure(command: &mut Command, environment: &str, home: &Path, url: &str) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TESSERA_") || name == "DATABASE_URL" || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.args(["--env", environment, "--database-url", url, "--data-dir"]).arg(home);
    command.env("TESSERA_ALLOWED_NETWORKS", STAFF_NETWORK);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
}

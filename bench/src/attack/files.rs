//! Rows 10 and 11: file modes, and configurations that production must refuse.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use crate::{
    Outcome,
    attack::{
        report::Report,
        target::{Camp, Start, ends_within},
    },
};

/// The maximum time until a server refuses to start.
const PATIENCE: Duration = Duration::from_secs(15);

/// Row 10.
pub(crate) async fn row_10(camp: &Camp, report: &mut Report) -> Outcome<()> {
    let home = camp.empty()?.join("data");
    let url = format!("sqlite://{}", home.join("tessera.db").display());
    let mut child = camp.command(&home, &url).args(["--listen", "127.0.0.1:0"]).spawn()?;
    let ended = ends_within(&mut child, Duration::from_secs(8))?;
    let open = open_files(&home)?;
    let answer = match (&ended, open.is_empty()) {
        (Some(code), _) => format!("ended with {code}"),
        (None, true) => "all 0600/0700".to_owned(),
        (None, false) => open.join(", "),
    };
    let passed = ended.is_none() && open.is_empty();
    report.judged("a fresh data directory under umask 022", passed, answer, "files 0600, directories 0700");

    // Simulates a directory of an older version that others can read.
    let target = camp.start(Start::default()).await?;
    let home = target.home.clone();
    drop(target);
    // Keys that others can read are refused already.
    for path in all_files(&home)?.iter().filter(|path| !path.starts_with(home.join("keys"))) {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    let url = format!("sqlite://{}", home.join("tessera.db").display());
    let log = home.join("log");
    let mut child = camp
        .command(&home, &url)
        .args(["--listen", "127.0.0.1:0"])
        .stderr(fs::File::create(&log)?)
        .spawn()?;
    let ended = ends_within(&mut child, Duration::from_secs(8))?;
    let open: Vec<String> =
        open_files(&home)?.into_iter().filter(|file| file.contains("tessera.db")).collect();
    let answer = match ended {
        Some(code) => format!("refused ({code}): {}", last_line(&log)),
        None if open.is_empty() => "made private at the start".to_owned(),
        None => format!("started with {}", open.join(", ")),
    };
    let passed = ended.is_some_and(|code| code != 0) || (ended.is_none() && open.is_empty());
    report.judged("a database of an older version, 0644 in 0755", passed, answer, "refused or made private");
    Ok(())
}

fn all_files(root: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = vec![root.to_owned()];
    let mut at = 0;
    while let Some(path) = found.get(at).cloned() {
        at += 1;
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                found.push(entry?.path());
            }
        }
    }
    Ok(found)
}

/// Returns files that others can read, with their modes. Ignores this program's logs.
fn open_files(root: &Path) -> Outcome<Vec<String>> {
    let mut open = Vec::new();
    for path in all_files(root)? {
        let mode = fs::metadata(&path)?.mode() & 0o777;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if mode & 0o077 != 0 && !name.ends_with("log") {
            open.push(format!("{name} {mode:04o}"));
        }
    }
    Ok(open)
}

fn last_line(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(200).collect()
}

/// Row 11.
pub(crate) async fn row_11(camp: &Camp, report: &mut Report) -> Outcome<()> {
    // Keys created by `tessera keys`, as production requires.
    let keys = camp.empty()?;
    let (_, url) = camp.home().await?;
    let made = camp.command(&keys, &url).args(["keys", "--keys-dir"]).arg(&keys).status()?;
    let mut demo = production(camp, &keys, &["--payments", "sandbox", "--demo", "true"], true).await?;
    report.judged("production with sandbox payments and demo accounts", demo.0, demo.1, "refused");
    demo = production(camp, &keys, &["--payments", "sandbox"], false).await?;
    report.judged("production with sandbox payments on an empty database", demo.0, demo.1, "refused");
    demo = production(camp, &keys, &["--payments", "sandbox"], true).await?;
    report.judged("production on a database with demo passwords", demo.0, demo.1, "refused");
    // Keys created by a development server, configured for production.
    let (home, _) = camp.home().await?;
    let target = camp.start(Start::default()).await?;
    let development = target.home.join("keys");
    drop(target);
    demo = production(camp, &development, &["--payments", "sandbox"], false).await?;
    report.judged("production with development's keys", demo.0, demo.1, "refused");
    drop((home, made));
    Ok(())
}

/// Starts a production server. Returns whether it refused, and its output.
async fn production(camp: &Camp, keys: &Path, arguments: &[&str], demo: bool) -> Outcome<(bool, String)> {
    let (home, url) = if demo {
        camp.home().await?
    } else {
        let home = camp.empty()?;
        let url = format!("sqlite://{}", home.join("tessera.db").display());
        (home, url)
    };
    let log = home.join("log");
    let mut child = camp
        .command_in("production", &home, &url)
        .args(["--listen", "127.0.0.1:0", "--public-url", "https://tickets.example"])
        .arg("--keys-dir")
        .arg(keys)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?)
        .spawn()?;
    Ok(match ends_within(&mut child, PATIENCE)? {
        Some(code) => (code != 0, format!("ended with {code}: {}", last_line(&log))),
        None => (false, "it started and served".to_owned()),
    })
}

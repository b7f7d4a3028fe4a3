//! Where keys are kept: one directory of ordinary PEM files.
//!
//! `session.pem` and `ticket.pem` are the private keys (PKCS#8, mode 0600). Beside them may stand any number of
//! `session-*.pub.pem` and `ticket-*.pub.pem` (SPKI) whose signatures are still, or already, believed.
//! `openssl pkey -in ticket.pem -pubout` works on them. Everything here blocks: call it while starting up.
//!
//! Invariant: a reader sees no half-written file, and processes that start at once end with the same keys.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{KeyFault, KeyId, KeySet, PublicKey, Purpose, SigningKey, SigningKeys};

/// The DER before the 32 bytes of every Ed25519 `SubjectPublicKeyInfo` (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

const PURPOSES: [Purpose; 2] = [Purpose::Session, Purpose::Ticket];

/// Stands in a directory of keys that a development server made.
const MARKER: &str = ".development";

impl SigningKeys {
    /// Reads the keys of a development server, making first what is missing. Keys that are made here are marked, and
    /// production refuses them.
    pub fn for_development(dir: &Path) -> Result<Self, KeyFault> {
        if !PURPOSES.iter().any(|purpose| private_path(dir, *purpose).exists()) {
            create_private_dir(dir).map_err(at(dir))?;
            let path = dir.join(MARKER);
            private(OpenOptions::new().write(true).create(true).truncate(false))
                .open(&path)
                .map_err(at(&path))?;
        }
        Self::load_or_create(dir)
    }

    /// Returns whether a development server made the keys in `dir`.
    pub fn are_for_development(dir: &Path) -> bool {
        dir.join(MARKER).exists()
    }

    /// Returns the directory and the private keys in it that other users of the machine can use. A group may read a
    /// key that belongs to another user: that is how an orchestrator hands secrets to a process.
    pub fn exposed(dir: &Path) -> Vec<PathBuf> {
        let files = PURPOSES.map(|purpose| private_path(dir, purpose));
        files.into_iter().filter(|path| fs::metadata(path).is_ok_and(|file| is_open(&file))).collect()
    }

    /// Reads the keys in `dir`, making first what is missing. Processes that start at once get the same keys.
    pub fn load_or_create(dir: &Path) -> Result<Self, KeyFault> {
        // A read-only directory (a mounted secret) that has both keys is never written to, not even locked.
        if !PURPOSES.iter().all(|purpose| private_path(dir, *purpose).is_file()) {
            create_private_dir(dir).map_err(at(dir))?;
            let _lock = lock(dir)?;
            // Race: whoever waited for the lock finds the winner's keys and makes none.
            for path in PURPOSES.map(|purpose| private_path(dir, purpose)) {
                if !path.try_exists().map_err(at(&path))? {
                    write_atomically(&path, &private_pem(&SigningKey::generate()?)?)?;
                }
            }
        }
        Self::load(dir)
    }

    /// Replaces the signing key of one purpose and keeps believing the old one. Running instances go on with
    /// the keys they loaded, so restart them soon: they do not yet believe the new key.
    pub fn rotate(dir: &Path, purpose: Purpose) -> Result<KeyId, KeyFault> {
        let _lock = lock(dir)?;
        let path = private_path(dir, purpose);
        let old = read_private(&path)?.public();
        write_atomically(&dir.join(format!("{}-{}.pub.pem", purpose.name(), old.id)), &public_pem(old))?;
        let new = SigningKey::generate()?;
        write_atomically(&path, &private_pem(&new)?)?;
        Ok(new.public.id)
    }

    fn load(dir: &Path) -> Result<Self, KeyFault> {
        let keys =
            Self { session: load_set(dir, Purpose::Session)?, ticket: load_set(dir, Purpose::Ticket)? };
        if keys.session.public().any(|key| keys.ticket.public().any(|other| other == key)) {
            return Err(KeyFault::Shared);
        }
        Ok(keys)
    }
}

fn private_path(dir: &Path, purpose: Purpose) -> PathBuf {
    dir.join(format!("{}.pem", purpose.name()))
}

fn load_set(dir: &Path, purpose: Purpose) -> Result<KeySet, KeyFault> {
    let signing = read_private(&private_path(dir, purpose))?;
    let prefix = format!("{}-", purpose.name());
    let mut others: Vec<PublicKey> = Vec::new();
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let entry = entry.map_err(at(dir))?;
        let name = entry.file_name();
        let is_ours =
            name.to_str().is_some_and(|name| name.starts_with(&prefix) && name.ends_with(".pub.pem"));
        if is_ours {
            let path = entry.path();
            let text = fs::read_to_string(&path).map_err(at(&path))?;
            let key = read_public(&text).ok_or(KeyFault::Malformed(path))?;
            if key != signing.public && !others.contains(&key) {
                others.push(key);
            }
        }
    }
    others.sort_by_key(|key| key.id);
    Ok(KeySet { signing, others })
}

fn read_private(path: &Path) -> Result<SigningKey, KeyFault> {
    if exposed(&fs::metadata(path).map_err(at(path))?) {
        return Err(KeyFault::Exposed(path.to_path_buf()));
    }
    let text = fs::read_to_string(path).map_err(at(path))?;
    let key = unpem("PRIVATE KEY", &text).and_then(|der| SigningKey::from_pkcs8(&der).ok());
    key.ok_or_else(|| KeyFault::Malformed(path.to_path_buf()))
}

fn private_pem(key: &SigningKey) -> Result<String, KeyFault> {
    Ok(pem("PRIVATE KEY", &key.to_pkcs8()?))
}

fn public_pem(key: PublicKey) -> String {
    pem("PUBLIC KEY", &[SPKI_PREFIX.as_slice(), key.bytes()].concat())
}

fn read_public(text: &str) -> Option<PublicKey> {
    let der = unpem("PUBLIC KEY", text)?;
    let bytes = der.strip_prefix(&SPKI_PREFIX)?;
    Some(PublicKey::new(bytes.try_into().ok()?))
}

/// Every document here is short enough for one line of base64 (RFC 7468 allows 64 characters).
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn unpem(label: &str, text: &str) -> Option<Vec<u8>> {
    let body = text.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let body = body.strip_suffix(&format!("-----END {label}-----"))?;
    STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
}

/// Holds the directory for one writer until the file is dropped; the system lets go if the process dies.
fn lock(dir: &Path) -> Result<File, KeyFault> {
    let path = dir.join(".lock");
    let file = private(OpenOptions::new().write(true).create(true)).open(&path).map_err(at(&path))?;
    file.lock().map_err(at(&path))?;
    Ok(file)
}

/// A reader sees the old file or the whole new one. The caller holds the lock, so one temporary name will do.
fn write_atomically(path: &Path, text: &str) -> Result<(), KeyFault> {
    let write = || {
        let temporary = path.with_extension("tmp");
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_parent(path)
    };
    write().map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyFault {
    move |source| KeyFault::Io { path: path.to_path_buf(), source }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(unix)]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700).recursive(true).create(dir)
}

/// A group may read: that is how Kubernetes hands secrets to a process that is not root.
#[cfg(unix)]
fn exposed(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o007 != 0
}

/// The same, and the group of a file of our own has no business with it.
#[cfg(unix)]
fn is_open(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let is_own = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == metadata.uid());
    exposed(metadata) || (is_own && metadata.permissions().mode() & 0o070 != 0)
}

#[cfg(unix)]
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(not(unix))]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

#[cfg(not(unix))]
fn exposed(_: &fs::Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn is_open(_: &fs::Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn sync_parent(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn ids(keys: &SigningKeys) -> (KeyId, KeyId) {
        (keys.session.signing.public.id, keys.ticket.signing.public.id)
    }

    #[test]
    fn keys_outlive_the_process_and_only_their_owner_reads_them() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("new/keys");
        let keys = SigningKeys::load_or_create(&dir).unwrap();
        assert_eq!(ids(&SigningKeys::load_or_create(&dir).unwrap()), ids(&keys));
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            names.push(entry.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, [".lock", "session.pem", "ticket.pem"]);
    }

    #[test]
    fn those_who_start_at_once_get_the_same_keys() {
        for _ in 0..20 {
            let home = tempfile::tempdir().unwrap();
            let dir = home.path().join("keys");
            let start = std::sync::Barrier::new(8);
            let all: Vec<_> = std::thread::scope(|scope| {
                let load = || {
                    start.wait();
                    ids(&SigningKeys::load_or_create(&dir).unwrap())
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(all.iter().all(|pair| *pair == all[0]), "{all:?}");
        }
    }

    #[test]
    fn keys_of_a_development_server_are_marked_and_others_are_not() {
        let home = tempfile::tempdir().unwrap();
        let [development, made] = ["development", "made"].map(|name| home.path().join(name));
        SigningKeys::load_or_create(&made).unwrap();
        SigningKeys::for_development(&made).unwrap();
        assert!(!SigningKeys::are_for_development(&made), "they were there before");
        let keys = SigningKeys::for_development(&development).unwrap();
        assert!(SigningKeys::are_for_development(&development));
        assert_eq!(ids(&SigningKeys::for_development(&development).unwrap()), ids(&keys));
        assert!(SigningKeys::exposed(&made).is_empty());
        let ticket = made.join("ticket.pem");
        for mode in [0o640, 0o604] {
            fs::set_permissions(&ticket, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(SigningKeys::exposed(&made), std::slice::from_ref(&ticket));
        }
    }

    #[test]
    fn a_crash_in_the_middle_of_writing_is_survived() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("session.tmp"), "-----BEGIN PRI").unwrap();
        SigningKeys::load_or_create(home.path()).unwrap();
        assert!(!home.path().join("session.tmp").exists());
    }

    #[test]
    fn a_retired_key_is_still_believed() {
        let home = tempfile::tempdir().unwrap();
        let before = SigningKeys::load_or_create(home.path()).unwrap();
        let id = SigningKeys::rotate(home.path(), Purpose::Ticket).unwrap();
        let after = SigningKeys::load_or_create(home.path()).unwrap();
        assert_eq!(ids(&after), (ids(&before).0, id));
        let signature = before.ticket.signing.sign(b"x");
        assert!(after.ticket.public().any(|key| key.verifies(b"x", &signature)));
        assert!(!after.ticket.public().any(|key| key.verifies(b"y", &signature)));
        assert_eq!(after.ticket.public().count(), 2);
        assert_eq!(after.session.public().count(), 1);
    }

    #[test]
    fn bad_files_are_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        SigningKeys::load_or_create(home.path()).unwrap();
        let path = home.path().join("ticket.pem");
        let good = fs::read_to_string(&path).unwrap();
        for bad in [
            "",
            "x",
            &good[..good.len() / 2],
            &good.replace("PRIVATE", "PUBLIC"),
            &good.replace("MC4", "MC5"),
        ] {
            fs::write(&path, bad).unwrap();
            let fault = SigningKeys::load_or_create(home.path()).unwrap_err();
            assert!(matches!(&fault, KeyFault::Malformed(at) if *at == path), "{fault:?}");
        }
        fs::copy(home.path().join("session.pem"), &path).unwrap();
        assert!(matches!(SigningKeys::load_or_create(home.path()), Err(KeyFault::Shared)));
        fs::write(&path, good.replace('\n', "\r\n")).unwrap();
        SigningKeys::load_or_create(home.path()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(SigningKeys::load_or_create(home.path()), Err(KeyFault::Exposed(_))));
    }
}

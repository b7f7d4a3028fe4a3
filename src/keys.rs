//! Key material: one Ed25519 key signs sessions, another signs tickets, and their public halves may be told.
//!
//! The keys live in one directory: `session.pem` and `ticket.pem` (PKCS#8, mode 0600), and any number of
//! `session-*.pub.pem` and `ticket-*.pub.pem` (SPKI) whose signatures are still, or already, believed.
//! The files are ordinary PEM: `openssl pkey -in ticket.pem -pubout` works on them.
//!
//! Invariant: the two purposes never share a key, and a private key leaves this room only as a signature or as
//! the PKCS#8 that `token.rs` hands to the JWT library. Everything here blocks: call it while starting up.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The DER before the 32 bytes of every Ed25519 `SubjectPublicKeyInfo` (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why keys could not be made, read or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// The file system refused.
    #[error("cannot use {path}")]
    Io {
        /// The file or directory meant.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file holds no Ed25519 key in PEM.
    #[error("{0} is not an Ed25519 key in PEM")]
    Malformed(PathBuf),
    /// Every user of the machine may read the private key.
    #[error("{0} is open to other users of this machine: chmod 600 it")]
    Exposed(PathBuf),
    /// The session key and the ticket key are the same key.
    #[error("the session keys and the ticket keys must differ")]
    Shared,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Crypto,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signs access tokens.
    Session,
    /// Signs the codes on tickets.
    Ticket,
}

impl Purpose {
    const ALL: [Self; 2] = [Self::Session, Self::Ticket];

    fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Ticket => "ticket",
        }
    }

    fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.pem", self.name()))
    }
}

/// Names a public key: the first four bytes of its SHA-256, eight hexadecimal characters in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// The public half of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    bytes: [u8; 32],
}

impl PublicKey {
    /// The key with these 32 raw bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        let hash = digest(&SHA256, &bytes);
        let mut id = [0; 4];
        id.copy_from_slice(&hash.as_ref()[..4]);
        Self { id: KeyId(id), bytes }
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Its 32 raw bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Whether its private half signed exactly `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        ED25519.verify_sig(&self.bytes, message, signature).is_ok()
    }

    fn to_pem(self) -> String {
        pem("PUBLIC KEY", &[SPKI_PREFIX.as_slice(), &self.bytes].concat())
    }

    fn from_pem(text: &str) -> Option<Self> {
        let der = unpem("PUBLIC KEY", text)?;
        let bytes = der.strip_prefix(&SPKI_PREFIX)?;
        Some(Self::new(bytes.try_into().ok()?))
    }
}

/// A private key.
#[derive(Clone)]
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ***)", self.public.id)
    }
}

impl SigningKey {
    /// A fresh key from the system's randomness.
    pub fn generate() -> Result<Self, KeyFault> {
        Self::from_pair(Ed25519KeyPair::generate().map_err(|_| KeyFault::Crypto)?)
    }

    /// The key in a PKCS#8 document, version 1 or 2.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyFault> {
        Self::from_pair(Ed25519KeyPair::from_pkcs8(der).map_err(|_| KeyFault::Crypto)?)
    }

    fn from_pair(pair: Ed25519KeyPair) -> Result<Self, KeyFault> {
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyFault::Crypto)?;
        Ok(Self { pair, public: PublicKey::new(public) })
    }

    /// The key as PKCS#8 version 1, the form OpenSSL writes. A secret.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeyFault> {
        Ok(self.pair.to_pkcs8v1().map_err(|_| KeyFault::Crypto)?.as_ref().to_vec())
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs `message`. The caller puts its own domain prefix first.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// The keys of one purpose: one that signs, and others that are believed beside it.
#[derive(Clone, Debug)]
pub struct KeySet {
    /// Signs what is issued now.
    pub signing: SigningKey,
    /// Retired keys, and next keys that other instances sign with already.
    pub others: Vec<PublicKey>,
}

impl KeySet {
    /// Every key whose signatures count; the signing key comes first.
    pub fn public(&self) -> impl Iterator<Item = PublicKey> {
        std::iter::once(self.signing.public()).chain(self.others.iter().copied())
    }
}

/// All key material of one installation.
#[derive(Clone, Debug)]
pub struct SigningKeys {
    /// For access tokens.
    pub session: KeySet,
    /// For ticket codes.
    pub ticket: KeySet,
}

impl SigningKeys {
    /// Keys that live in memory only; what they sign dies with the process.
    pub fn generate() -> Result<Self, KeyFault> {
        let fresh = || Ok(KeySet { signing: SigningKey::generate()?, others: Vec::new() });
        Ok(Self { session: fresh()?, ticket: fresh()? })
    }

    /// Reads the keys in `dir`, making first what is missing. Processes that start at once get the same keys.
    pub fn load_or_create(dir: &Path) -> Result<Self, KeyFault> {
        // A read-only directory (a mounted secret) that has both keys is never written to, not even locked.
        if !Purpose::ALL.iter().all(|purpose| purpose.path(dir).is_file()) {
            create_private_dir(dir).map_err(at(dir))?;
            let _lock = lock(dir)?;
            // Race: whoever waited for the lock finds the winner's keys and makes none.
            for path in Purpose::ALL.map(|purpose| purpose.path(dir)) {
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
        let path = purpose.path(dir);
        let old = read_private(&path)?.public();
        write_atomically(&dir.join(format!("{}-{}.pub.pem", purpose.name(), old.id)), &old.to_pem())?;
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

    /// The public keys as a JWK set (RFC 7517, RFC 8037) for `/.well-known/jwks.json`. A reader tells session
    /// keys from ticket keys by `tessera:purpose`.
    pub fn jwks(&self) -> Value {
        let jwk = |key: PublicKey, purpose: Purpose| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": key.id.to_string(), "x": URL_SAFE_NO_PAD.encode(key.bytes),
                "tessera:purpose": purpose.name(),
            })
        };
        let session = self.session.public().map(|key| jwk(key, Purpose::Session));
        let ticket = self.ticket.public().map(|key| jwk(key, Purpose::Ticket));
        json!({ "keys": session.chain(ticket).collect::<Vec<_>>() })
    }
}

fn load_set(dir: &Path, purpose: Purpose) -> Result<KeySet, KeyFault> {
    let signing = read_private(&purpose.path(dir))?;
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
            let key = PublicKey::from_pem(&text).ok_or(KeyFault::Malformed(path))?;
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
fn sync_parent(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
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

    #[test]
    fn the_key_set_tells_public_halves_and_purposes_only() {
        let keys = SigningKeys::generate().unwrap();
        let jwks = keys.jwks();
        let list = jwks["keys"].as_array().unwrap();
        assert_eq!(list.len(), 2);
        for (jwk, (set, purpose)) in list.iter().zip([(&keys.session, "session"), (&keys.ticket, "ticket")]) {
            let key = set.signing.public;
            assert_eq!(jwk["tessera:purpose"], purpose);
            assert_eq!(jwk["kid"], key.id.to_string());
            assert_eq!(URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap(), key.bytes);
            assert_eq!(
                (&jwk["kty"], &jwk["crv"], &jwk["use"]),
                (&json!("OKP"), &json!("Ed25519"), &json!("sig"))
            );
            assert!(jwk.get("d").is_none());
        }
    }

    #[test]
    fn a_key_is_named_by_its_hash_and_printed_without_its_secret() {
        // RFC 8037, appendix A: the key, and the SHA-256 of its 32 bytes computed with another tool.
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(PublicKey::new(x.try_into().unwrap()).id().to_string(), "21fe31df");
        let key = SigningKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey({}, ***)", key.public.id));
    }
}

//! What authentication keeps in memory: the issuers of tokens, the hashing threads and the cached sessions.

use std::{num::NonZeroUsize, time::Duration};

use chrono::TimeDelta;
use entity::SessionId;
use moka::future::Cache;

use super::{device::DeviceTokens, password::Passwords, token::AccessTokens, viewer::Known};
use crate::{
    config::Config,
    keys::{KeyFault, SigningKeys},
};

/// How long a session is cached. A revocation takes effect on all instances within this time.
const SESSION_BELIEVED: Duration = Duration::from_secs(3);
/// Cached sessions.
const SESSIONS_MAX: u64 = 100_000;
/// Sign-ins that may wait for a hashing thread.
const PASSWORDS_WAITING: usize = 64;
/// Issuer and audience of the tokens.
const ISSUER: &str = "tessera";

/// Authentication's part of the application.
pub struct AuthParts {
    /// Issues and verifies access tokens.
    pub tokens: AccessTokens,
    /// Issues and verifies device tokens.
    pub devices: DeviceTokens,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Sessions looked up recently; `None` for a session that has ended.
    pub sessions: Cache<SessionId, Option<Known>>,
}

impl AuthParts {
    /// Creates the part.
    pub(crate) fn new(config: &Config, keys: &SigningKeys) -> Result<Self, KeyFault> {
        let longest = TimeDelta::seconds(config.access_seconds.into());
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            tokens: AccessTokens::new(keys, ISSUER, ISSUER, longest)?,
            devices: DeviceTokens::new(keys),
            passwords: Passwords::new(cores, PASSWORDS_WAITING, config.limits.passwords_waiting),
            sessions: Cache::builder().max_capacity(SESSIONS_MAX).time_to_live(SESSION_BELIEVED).build(),
        })
    }
}

//! How many wrong passwords are allowed: independently per e-mail address and per network, and apart from both per device
//! that signed in before. So a stranger who fills the first two does not lock the owner out.
//!
//! E-mail addresses without an account are counted alike, so that a refusal tells nothing.

use uuid::Uuid;

use super::{Refusal, spellings};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Faulty, Result},
    limits::{self, Exceeded, Rule, Subject},
};

/// A password being tried. It counts as a failure until it is settled otherwise.
pub(super) struct Attempt(limits::Attempt);

/// Begins to try a password for `email`, from a `device` that proved to have signed in before.
pub(super) async fn begin(
    app: &App,
    viewer: &Viewer,
    email: &str,
    device: Option<Uuid>,
) -> Result<Attempt, Refusal> {
    let windows = if let Some(device) = device {
        vec![(Rule::DevicePasswords, Subject::Id(device))]
    } else {
        let network = app.limits.network_subject(viewer);
        let network = network.map(|network| (Rule::NetworkPasswords, network));
        network.into_iter().chain([(Rule::Passwords, Subject::digest(&spelling(email)))]).collect()
    };
    try_begin(app, windows).await
}

/// Begins to try the password of an account whose session the viewer has.
pub(super) async fn begin_own(app: &App, viewer: &Viewer) -> Result<Attempt, Refusal> {
    let account = viewer.account()?;
    try_begin(app, vec![(Rule::OwnPasswords, Subject::Id(account.0))]).await
}

/// The one spelling of an e-mail address. A text that is none has one too, because it is counted as well.
pub(super) fn spelling(email: &str) -> String {
    spellings(email).into_iter().next().unwrap_or_else(|| email.trim().to_lowercase())
}

async fn try_begin(app: &App, windows: Vec<(Rule, Subject)>) -> Result<Attempt, Refusal> {
    app.limits.attempt(windows).await.map(Attempt).map_err(|exceeded| Error::Refused(exceeded.into()))
}

impl Attempt {
    /// Applies the verdict: nothing found is a failure that counts, everything else does not.
    ///
    /// Only this attempt is taken back: the owner's success gives an attacker no further guesses.
    pub(super) async fn settle<T>(self, verdict: Faulty<Option<T>>) -> Result<T, Refusal> {
        let forgiven = match verdict {
            Ok(None) => return Err(Refusal::WrongCredentials.into()),
            Ok(Some(found)) => Ok(found),
            Err(fault) => Err(Error::Fault(fault)),
        };
        self.0.forgive().await;
        forgiven
    }
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        Self::TooManyAttempts { retry_after_seconds: exceeded.retry_after_seconds() }
    }
}

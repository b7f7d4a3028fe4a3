//! Limits on wrong passwords, per e-mail address and per network. A device that signed in before has its own limit, so
//! an attacker who exhausts the other two does not lock the owner out.
//!
//! E-mail addresses without an account count in the same way, so that a refusal does not reveal whether an account
//! exists.

use uuid::Uuid;

use super::{Refusal, spellings};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, FaultResult, Result},
    limits::{self, Exceeded, Rule, Subject},
};

/// An attempt with a password. It counts as a failure unless [`Attempt::settle`] says otherwise.
pub(super) struct Attempt(limits::Attempt);

/// Starts an attempt for `email`. `device` is a device that signed in before, if any.
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

/// Starts an attempt with the password of the viewer's own account.
pub(super) async fn begin_own(app: &App, viewer: &Viewer) -> Result<Attempt, Refusal> {
    let account = viewer.account()?;
    try_begin(app, vec![(Rule::OwnPasswords, Subject::Id(account.0))]).await
}

/// Returns the normal form of an e-mail address. Invalid addresses have one too, because they count as well.
pub(super) fn spelling(email: &str) -> String {
    spellings(email).into_iter().next().unwrap_or_else(|| email.trim().to_lowercase())
}

async fn try_begin(app: &App, windows: Vec<(Rule, Subject)>) -> Result<Attempt, Refusal> {
    app.limits.attempt(windows).await.map(Attempt).map_err(|exceeded| Error::Refused(exceeded.into()))
}

impl Attempt {
    /// Applies the outcome. Only `None` counts as a failure.
    ///
    /// A success removes only its own attempt, so it does not give an attacker further guesses.
    pub(super) async fn settle<T>(self, verdict: FaultResult<Option<T>>) -> Result<T, Refusal> {
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

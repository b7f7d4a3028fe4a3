//! Signing in.

use super::{Refusal, Session, by_email, locked_in_tx, password, session};
use crate::{app::App, error::Result};

/// Who wants to sign in.
pub struct SignIn {
    /// The e-mail address, however it is spelled.
    pub email: String,
    /// The password.
    pub password: String,
}

/// Opens a session for whoever knows the e-mail address and the password.
///
/// An unknown e-mail address, a malformed one and a wrong password get the same answer after the same work.
pub async fn sign_in(app: &App, input: SignIn) -> Result<Session, Refusal> {
    let attempt = app.attempts.begin(&input.email, app.clock.now())?;
    let verdict = async {
        let account = by_email(app.store.read(), &input.email).await?;
        password::matches(app, input.password, account).await
    };
    let proven = attempt.settle(verdict.await)?;
    let tx = app.store.begin().await?;
    // Race: the password may have been changed while it was checked, which ended all sessions. None is opened after.
    let account = locked_in_tx(&tx, proven.id).await?;
    if account.password_hash != proven.password_hash {
        return Err(Refusal::WrongCredentials.into());
    }
    let session = session::open_in_tx(app, &tx, account, app.clock.now()).await?;
    tx.commit().await?;
    Ok(session)
}

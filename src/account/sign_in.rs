//! Sign-in.

use super::{Refusal, Session, by_email, locked_in_tx, password, session, throttle};
use crate::{app::App, auth::Viewer, error::Result};

/// The input of [`sign_in`].
pub struct SignIn {
    /// The e-mail address, in any spelling.
    pub email: String,
    /// The password.
    pub password: String,
    /// The device token of an earlier session of the account.
    pub device_token: Option<String>,
}

/// Opens a session if the e-mail address and the password are correct.
///
/// An unknown or malformed e-mail address and a wrong password get the same answer after the same work.
pub async fn sign_in(app: &App, viewer: &Viewer, input: SignIn) -> Result<Session, Refusal> {
    let spelling = throttle::spelling(&input.email);
    let device =
        input.device_token.and_then(|token| app.auth.devices.verify(&token, &spelling, app.clock.now()));
    let attempt = throttle::begin(app, viewer, &input.email, device).await?;
    let verdict = async {
        let account = by_email(app.store.read(), &input.email).await?;
        password::matches(app, viewer, input.password, account).await
    };
    let proven = attempt.settle(verdict.await).await?;
    let tx = app.store.begin().await?;
    // Race: the password may have changed during the check, which ended all sessions. Then no session is opened.
    let account = locked_in_tx(&tx, proven.id).await?;
    if account.password_hash != proven.password_hash {
        return Err(Refusal::WrongCredentials.into());
    }
    let now = app.clock.now();
    let mut session = session::open_in_tx(app, &tx, account, now).await?;
    tx.commit().await?;
    let device = device.unwrap_or_else(|| app.clock.new_uuid());
    session.device_token = Some(app.auth.devices.issue(&spelling, device, now));
    Ok(session)
}

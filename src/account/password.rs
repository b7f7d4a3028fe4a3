//! Checks, hashes and changes passwords.

use chrono::{DateTime, Utc};
use entity::account;
use sea_orm::ActiveValue::{Set, Unchanged};

use serde_json::json;

use super::{Refusal, locked_in_tx, of_viewer, session, throttle};
use crate::{
    app::App,
    audit,
    auth::{
        Viewer,
        password::{NewPassword, PasswordFault},
    },
    error::{Fault, FaultResult, Object, Result},
    store,
};

/// The range of milliseconds until a retry if too many passwords are being hashed.
const BUSY_MS: (u64, u64) = (500, 2_500);

/// A change of the viewer's password.
pub struct ChangePassword {
    /// The current password.
    pub current: String,
    /// The new password.
    pub new: String,
}

/// Changes the viewer's password and ends all other sessions of the account.
pub async fn change_password(
    app: &App,
    viewer: &Viewer,
    input: ChangePassword,
) -> Result<account::Model, Refusal> {
    viewer.user()?;
    let mine = viewer.identity()?.session;
    let account = of_viewer(app, viewer).await?;
    let email = account.email.as_deref().unwrap_or_default();
    let new = try_new(input.new, email, "newPassword")?;
    let attempt = throttle::begin_own(app, viewer).await?;
    attempt.settle(matches(app, viewer, input.current, Some(account.clone())).await).await?;
    let hash = hash(app, viewer, new).await?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    // Race: another call may have changed the password while this one was hashed.
    let locked = locked_in_tx(&tx, account.id).await?;
    if locked.password_hash != account.password_hash {
        return Err(Refusal::WrongCredentials.into());
    }
    let row = with_password(&locked, hash, now);
    let account = store::save_versioned::<account::Entity>(&tx, row, locked.version, Object::Account).await?;
    let ended = session::end_all_in_tx(&tx, account.id, Some(mine), now).await?;
    let details = json!({ "sessionsEnded": ended.len() });
    let entry = audit::Entry::new(audit::Action::PasswordChanged, account.id, details);
    audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
    tx.commit().await?;
    session::forget(app, &ended).await;
    Ok(account)
}

fn with_password(account: &account::Model, hash: String, now: DateTime<Utc>) -> account::ActiveModel {
    account::ActiveModel {
        id: Unchanged(account.id),
        password_hash: Set(Some(hash)),
        updated_at: Set(now),
        ..Default::default()
    }
}

/// Checks a new password. A fault has the given path.
pub(super) fn try_new(text: String, email: &str, path: &str) -> FaultResult<NewPassword> {
    NewPassword::try_new(text, email).map_err(|refusal| Fault::invalid(path, refusal.to_string()))
}

/// Hashes a password for storage.
pub(super) async fn hash(app: &App, viewer: &Viewer, password: NewPassword) -> FaultResult<String> {
    let passwords = app.auth.passwords.on_behalf_of(app.limits.network(viewer));
    passwords.hash(password, app.random()).await.map_err(|fault| to_fault(app, fault))
}

/// Returns the account if the password is correct. An unknown account takes as long as a wrong password.
pub(super) async fn matches(
    app: &App,
    viewer: &Viewer,
    password: String,
    account: Option<account::Model>,
) -> FaultResult<Option<account::Model>> {
    let stored = account.as_ref().and_then(|account| account.password_hash.clone());
    let passwords = app.auth.passwords.on_behalf_of(app.limits.network(viewer));
    let good = passwords.verify(password, stored).await.map_err(|fault| to_fault(app, fault))?;
    Ok(account.filter(|_| good))
}

fn to_fault(app: &App, fault: PasswordFault) -> Fault {
    match fault {
        PasswordFault::Busy => Fault::Overloaded { retry_after_ms: app.jitter(BUSY_MS.0, BUSY_MS.1) },
        broken @ PasswordFault::Broken(_) => Fault::internal(broken),
    }
}

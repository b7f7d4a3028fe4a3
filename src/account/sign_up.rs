//! Sign-up, by anonymous viewers and by guests.

use chrono::{DateTime, Utc};
use entity::{AccountId, account, account::AccountKind};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set, Unchanged},
    EntityTrait, IntoActiveModel,
};

use super::{Refusal, Session, locked_in_tx, password, profile::checked_phone, session};
use crate::{
    app::App,
    auth::{Viewer, password::NewPassword},
    error::{Check, Error, Fault, Object, Result},
    input::{self, skeleton},
    limits::text,
    store::{self, Tx},
};

/// The input of [`sign_up`].
pub struct SignUp {
    /// The e-mail address, in any spelling.
    pub email: String,
    /// The password.
    pub password: String,
    /// The display name. May be empty.
    pub name: String,
    /// The telephone number.
    pub phone: Option<String>,
}

/// The checked input.
struct Checked {
    email: String,
    name: String,
    phone: Option<String>,
}

/// Makes the viewer a user. A guest's account becomes the user's, with everything that belongs to it.
pub async fn sign_up(app: &App, viewer: &Viewer, input: SignUp) -> Result<Session, Refusal> {
    let guest = match viewer.identity() {
        Err(_) => None,
        Ok(identity) => match identity.kind {
            AccountKind::Guest => Some(identity.account),
            AccountKind::User => return Err(Refusal::AlreadySignedUp.into()),
        },
    };
    let (checked, password) = check(input)?;
    let hash = password::hash(app, viewer, password).await?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let (account, ended) = match guest {
        None => (create_in_tx(app, &tx, checked, hash).await?, Vec::new()),
        Some(guest) => {
            let account = upgrade_in_tx(&tx, guest, (checked, hash), now).await?;
            // Other clients with the guest's tokens must not become the user.
            let ended = session::end_all_in_tx(&tx, guest, None, now).await?;
            (account, ended)
        }
    };
    let mut session = session::open_in_tx(app, &tx, account, now).await?;
    tx.commit().await?;
    session::forget(app, &ended).await;
    let email = session.account.email.as_deref().unwrap_or_default();
    session.device_token = Some(app.auth.devices.issue(email, app.clock.new_uuid(), now));
    Ok(session)
}

fn check(input: SignUp) -> Result<(Checked, NewPassword), Refusal> {
    let mut check = Check::default();
    let email = check.parsed("email", input::email(&input.email)).unwrap_or_default();
    let name = check.line(&input.name, "name", 0..=text::NAME);
    let phone = checked_phone(&mut check, input.phone.as_deref());
    let password = NewPassword::try_new(input.password, &email);
    if let Err(refusal) = &password {
        check.that(false, "password", &refusal.to_string());
    }
    check.done()?;
    let password = password.map_err(|refusal| Fault::invalid("password", refusal.to_string()))?;
    Ok((Checked { email, name, phone }, password))
}

async fn create_in_tx(app: &App, tx: &Tx, checked: Checked, hash: String) -> Result<account::Model, Refusal> {
    let now = app.clock.now();
    let account = account::Model {
        id: AccountId(app.clock.new_uuid()),
        kind: AccountKind::User,
        email_skeleton: Some(skeleton(&checked.email)),
        email: Some(checked.email),
        name: checked.name,
        phone: checked.phone,
        password_hash: Some(hash),
        is_operator: false,
        email_verified_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    insert_in_tx(tx, &account).await?;
    Ok(account)
}

/// Inserts an account. Race: of two sign-ups with one e-mail address, the constraint admits one.
pub(super) async fn insert_in_tx(tx: &Tx, account: &account::Model) -> Result<(), Refusal> {
    let row = account.clone().into_active_model().reset_all();
    match account::Entity::insert(row).exec_without_returning(tx).await {
        Ok(_) => Ok(()),
        Err(error) if EMAIL_KEYS.iter().any(|(name, column)| store::violates(&error, name, column)) => {
            Err(Refusal::EmailTaken.into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn upgrade_in_tx(
    tx: &Tx,
    guest: AccountId,
    (checked, hash): (Checked, String),
    now: DateTime<Utc>,
) -> Result<account::Model, Refusal> {
    // Race: if a guest signs up twice at the same time, the second call finds a user.
    let account = locked_in_tx(tx, guest).await?;
    match account.kind {
        AccountKind::Guest => {}
        AccountKind::User => return Err(Refusal::AlreadySignedUp.into()),
    }
    // The guest's profile stays unless the input replaces it.
    let row = account::ActiveModel {
        id: Unchanged(guest),
        kind: Set(AccountKind::User),
        email_skeleton: Set(Some(skeleton(&checked.email))),
        email: Set(Some(checked.email)),
        name: if checked.name.is_empty() { NotSet } else { Set(checked.name) },
        phone: checked.phone.map_or(NotSet, |phone| Set(Some(phone))),
        password_hash: Set(Some(hash)),
        updated_at: Set(now),
        ..Default::default()
    };
    match store::save_versioned::<account::Entity>(tx, row, account.version, Object::Account).await {
        Ok(account) => Ok(account),
        Err(fault) if EMAIL_KEYS.iter().any(|(name, column)| store::violated(&fault, name, column)) => {
            Err(Refusal::EmailTaken.into())
        }
        Err(fault) => Err(Error::Fault(fault)),
    }
}

/// The unique constraints on an e-mail address and its skeleton, each with its column.
const EMAIL_KEYS: [(&str, &str); 2] =
    [("account_email_key", "account.email"), ("account_skeleton_key", "account.email_skeleton")];

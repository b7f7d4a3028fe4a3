//! Profiles, and the rights that the operator of the machine gives.

use entity::account;
use sea_orm::ActiveValue::{NotSet, Set, Unchanged};

use serde_json::json;

use super::{Refusal, by_email, locked_in_tx};
use crate::{
    app::App,
    audit,
    auth::Viewer,
    error::{Check, Fault, FaultResult, Object, Result},
    input,
    limits::text,
    store,
};

/// A change of the viewer's profile. `None` keeps a value.
#[derive(Clone, Debug)]
pub struct UpdateProfile {
    /// The version that the viewer saw.
    pub expected_version: i64,
    /// The new name.
    pub name: Option<String>,
    /// The new telephone number. `Some(None)` removes it.
    pub phone: Option<Option<String>>,
}

/// Changes the viewer's profile. Guests have a profile too.
pub async fn update_profile(
    app: &App,
    viewer: &Viewer,
    input: UpdateProfile,
) -> Result<account::Model, Refusal> {
    let id = viewer.account()?;
    let mut check = Check::default();
    let name = input.name.map(|name| check.line(&name, "name", 0..=text::NAME));
    let phone = input.phone.map(|phone| checked_phone(&mut check, phone.as_deref()));
    check.done()?;
    let tx = app.store.begin().await?;
    let account = locked_in_tx(&tx, id).await?;
    if account.version != input.expected_version {
        return Err(Fault::Stale(Object::Account).into());
    }
    let row = account::ActiveModel {
        id: Unchanged(id),
        name: name.map_or(NotSet, Set),
        phone: phone.map_or(NotSet, Set),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let account =
        store::save_versioned::<account::Entity>(&tx, row, account.version, Object::Account).await?;
    let entry = audit::Entry::new(audit::Action::OperatorMade, account.id, json!({}));
    audit::record_in_tx(&tx, app, audit::By::CommandLine, entry).await?;
    tx.commit().await?;
    Ok(account)
}

/// Returns the telephone number as it is stored. Adds a fault to `check` if it is invalid.
pub(super) fn checked_phone(check: &mut Check, phone: Option<&str>) -> Option<String> {
    phone.and_then(|phone| check.parsed("phone", input::phone(phone)))
}

/// Makes the user with this e-mail address an operator of the platform. Has no effect on an operator.
///
/// Running servers notice within seconds. Checks no rights: only the operator of the machine may call this.
pub async fn make_operator(app: &App, email: &str) -> FaultResult<account::Model> {
    let tx = app.store.begin().await?;
    let account = by_email(&tx, email).await?.ok_or(Fault::NotFound(Object::Account))?;
    if account.is_operator {
        return Ok(account);
    }
    let row = account::ActiveModel {
        id: Unchanged(account.id),
        is_operator: Set(true),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let account =
        store::save_versioned::<account::Entity>(&tx, row, account.version, Object::Account).await?;
    tx.commit().await?;
    Ok(account)
}

/// Marks this e-mail address as verified for its user. Has no effect if it already is.
///
/// Checks no rights: only the operator of the machine may call this.
pub async fn verify_email(app: &App, email: &str) -> FaultResult<account::Model> {
    let tx = app.store.begin().await?;
    let account = by_email(&tx, email).await?.ok_or(Fault::NotFound(Object::Account))?;
    if account.email_verified_at.is_some() {
        return Ok(account);
    }
    let now = app.clock.now();
    let row = account::ActiveModel {
        id: Unchanged(account.id),
        email_verified_at: Set(Some(now)),
        updated_at: Set(now),
        ..Default::default()
    };
    let account =
        store::save_versioned::<account::Entity>(&tx, row, account.version, Object::Account).await?;
    tx.commit().await?;
    Ok(account)
}

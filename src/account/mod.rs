//! Accounts: guests and users, with their profile, password and sessions.

mod password;
mod profile;
mod session;
mod sign_in;
mod sign_up;
mod throttle;

use entity::{AccountId, account};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

pub use self::{
    password::{ChangePassword, change_password},
    profile::{UpdateProfile, make_operator, update_profile, verify_email},
    session::{Session, create_guest, prune_sessions, refresh, sign_out},
    sign_in::{SignIn, sign_in},
    sign_up::{SignUp, sign_up},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Object},
    input,
    store::Tx,
};

/// The mutations that open a session. A token that is not valid any more does not make them fail. `signUp` is not among
/// them: a guest's old token must not be ignored, because the guest's orders would stay behind.
pub const SESSIONLESS_MUTATIONS: &[&str] = &["createGuestSession", "refreshSession", "signIn"];

/// Why an operation on an account was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another account has the e-mail address.
    EmailTaken,
    /// The viewer is a user already.
    AlreadySignedUp,
    /// No account has this e-mail address and password. The caller does not learn which of the two is wrong.
    WrongCredentials,
    /// Too many wrong passwords were sent for this e-mail address, or from this network.
    TooManyAttempts {
        /// Seconds until the next attempt.
        retry_after_seconds: u32,
    },
    /// The refresh token is unknown, expired or already used, or its session has ended.
    SessionEnded,
}

/// Returns the viewer's account.
pub async fn of_viewer(app: &App, viewer: &Viewer) -> FaultResult<account::Model> {
    let id = viewer.account()?;
    account::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Account))
}

/// Returns the accounts with these ids. Checks no rights.
pub(crate) async fn by_ids(app: &App, ids: Vec<AccountId>) -> FaultResult<Vec<account::Model>> {
    Ok(account::Entity::find().filter(account::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// Returns the user with this e-mail address, in any spelling.
pub(crate) async fn by_email(db: &impl ConnectionTrait, email: &str) -> FaultResult<Option<account::Model>> {
    let spellings = spellings(email);
    if spellings.is_empty() {
        return Ok(None);
    }
    let mut found =
        account::Entity::find().filter(account::Column::Email.is_in(spellings.clone())).all(db).await?;
    found.sort_by_key(|account| spellings.iter().position(|email| account.email.as_ref() == Some(email)));
    Ok(found.into_iter().next())
}

/// Returns the spellings in which an e-mail address may be stored: the current one, and those of older versions. Empty
/// for a text that is not an e-mail address.
fn spellings(email: &str) -> Vec<String> {
    let older = email.trim().to_lowercase();
    let could_be_stored =
        older.len() <= input::EMAIL_MAX && older.contains('@') && !older.contains(char::is_control);
    let older = could_be_stored.then_some(older);
    let mut spellings: Vec<String> = input::email(email).into_iter().chain(older).collect();
    spellings.dedup();
    spellings
}

/// Returns the account. On PostgreSQL its row is locked until the end of the transaction.
async fn locked_in_tx(tx: &Tx, id: AccountId) -> FaultResult<account::Model> {
    use sea_orm::{QuerySelect, sea_query::LockType};
    account::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(tx)
        .await?
        .ok_or(Fault::NotFound(Object::Account))
}

impl From<Refusal> for Error<Refusal> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

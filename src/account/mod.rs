//! Accounts: guests and signed-up users, their profile, their password and their sessions.

mod guests;
mod password;
mod profile;
pub mod rules;
mod session;
mod sign_in;
mod sign_up;
mod throttle;

use entity::{AccountId, account};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

pub use self::{
    guests::prune_guests,
    password::{ChangePassword, change_password},
    profile::{UpdateProfile, make_operator, update_profile, verify_email},
    session::{Session, create_guest, prune_sessions, refresh, sign_out},
    sign_in::{SignIn, sign_in},
    sign_up::{SignUp, sign_up},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, Faulty},
    store::Tx,
};

/// What the business refuses about accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another account has the e-mail address.
    EmailTaken,
    /// The viewer is a user already.
    AlreadySignedUp,
    /// No account has this e-mail address and password; which of the two is wrong is not told.
    WrongCredentials,
    /// Too many wrong passwords were tried for this e-mail address, or from this network.
    TooManyAttempts {
        /// After how many seconds one more will be looked at.
        retry_after_seconds: u32,
    },
    /// The refresh token is unknown, expired or was used before, or its session was ended.
    SessionEnded,
}

/// The viewer's own account.
pub async fn of_viewer(app: &App, viewer: &Viewer) -> Faulty<account::Model> {
    let id = viewer.account()?;
    account::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound("account"))
}

/// The accounts, whoever's they are.
pub(crate) async fn by_ids(app: &App, ids: Vec<AccountId>) -> Faulty<Vec<account::Model>> {
    Ok(account::Entity::find().filter(account::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// The user with this e-mail address, however it is spelled.
pub(crate) async fn by_email(db: &impl ConnectionTrait, email: &str) -> Faulty<Option<account::Model>> {
    let spellings = spellings(email);
    if spellings.is_empty() {
        return Ok(None);
    }
    let mut found =
        account::Entity::find().filter(account::Column::Email.is_in(spellings.clone())).all(db).await?;
    found.sort_by_key(|account| spellings.iter().position(|email| account.email.as_ref() == Some(email)));
    Ok(found.into_iter().next())
}

/// The spellings in which an e-mail address may be stored: as it is stored now, and as older versions did. Empty for a
/// text that is no e-mail address.
fn spellings(email: &str) -> Vec<String> {
    let older = email.trim().to_lowercase();
    let older = (older.len() <= rules::EMAIL_MAX && older.contains('@')).then_some(older);
    let mut spellings: Vec<String> = rules::email(email).into_iter().chain(older).collect();
    spellings.dedup();
    spellings
}

/// The account, locked until the transaction ends where the database locks rows.
async fn locked_in_tx(tx: &Tx, id: AccountId) -> Faulty<account::Model> {
    use sea_orm::{QuerySelect, sea_query::LockType};
    account::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(tx)
        .await?
        .ok_or(Fault::NotFound("account"))
}

impl From<Refusal> for Error<Refusal> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

//! Authentication: from a bearer token to a [`Viewer`].
//!
//! Besides the token's signature, its session is looked up and cached for seconds. So a sign-out, a stolen refresh
//! token or a lost role takes effect on all instances within seconds.

pub mod device;
mod fair_queue;
mod network;
pub mod parts;
pub mod password;
mod request;
mod session_status;
pub mod token;
mod viewer;

use std::sync::Arc;

use entity::{AccountId, SessionId, account, account::AccountKind, session, shop::member};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

pub(crate) use self::request::RequestTag;
pub use self::{
    network::Network,
    session_status::{Doubt, SessionStatus, Verdict, session_status},
    viewer::{Identity, Known, Viewer},
};
use crate::{
    app::App,
    error::{Fault, FaultResult},
};

/// Why a token was not accepted. The client does not get the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The token is forged, expired, or its session has ended.
    Token,
    /// The session cannot be looked up now.
    Unavailable,
}

/// Returns the viewer for a token. Without a token the viewer is anonymous. A bad token is refused.
pub async fn authenticate(app: &App, token: Option<&str>) -> Result<Viewer, Rejected> {
    let Some(token) = token else { return Ok(Viewer::ANONYMOUS) };
    let claims = app.auth.tokens.verify(token, app.clock.now()).map_err(|_| Rejected::Token)?;
    let session = SessionId(claims.subject.session);
    let identity = current(app, session)
        .await
        .map_err(|_| Rejected::Unavailable)?
        .filter(|identity| identity.account.0 == claims.subject.id)
        .ok_or(Rejected::Token)?;
    Ok(Viewer::signed_in(identity, claims.expires_at))
}

/// Returns whether the viewer's token is still valid, within the leeway in which it was accepted.
pub fn is_in_time(app: &App, viewer: &Viewer) -> bool {
    viewer.expires_at().is_none_or(|until| !token::is_over(until, app.clock.now()))
}

/// Looks the account's sessions up again at their next requests in this process, because its memberships changed.
pub(crate) async fn forget_sessions(app: &App, account: AccountId) {
    let of_account = |known: Option<Known>| known.is_some_and(|known| known.identity.account == account);
    let sessions = app.auth.sessions.iter().filter(|(_, known)| of_account(*known));
    let ids: Vec<SessionId> = sessions.map(|(id, _)| *id).collect();
    for id in ids {
        app.auth.sessions.invalidate(&id).await;
    }
}

/// Returns the session's account, or `None` if the session has ended.
async fn current(app: &App, id: SessionId) -> Result<Option<Identity>, Arc<Fault>> {
    let read = || app.auth.sessions.try_get_with(id, identity_of(app, id));
    let mut known = read().await?;
    // A cached session may have expired, unless it was refreshed meanwhile. Look it up again.
    if known.is_some_and(|known| known.ends <= app.clock.now()) {
        app.auth.sessions.invalidate(&id).await;
        known = read().await?;
    }
    Ok(known.map(|known| known.identity))
}

async fn identity_of(app: &App, id: SessionId) -> FaultResult<Option<Known>> {
    let db = app.store.read();
    let Some(session) = session::Entity::find_by_id(id).one(db).await? else { return Ok(None) };
    if session.revoked_at.is_some() || session.expires_at <= app.clock.now() {
        return Ok(None);
    }
    let account = account::Entity::find_by_id(session.account_id).one(db).await?;
    let is_member = match &account {
        Some(account) if account.kind == AccountKind::User => {
            let roles = member::Entity::find().filter(member::Column::AccountId.eq(account.id));
            roles.one(db).await?.is_some()
        }
        Some(_) | None => false,
    };
    Ok(account.map(|account| {
        let identity = Identity {
            account: account.id,
            session: id,
            kind: account.kind,
            is_operator: account.is_operator,
            email_verified: account.email_verified_at.is_some(),
            is_member,
        };
        Known { identity, ends: session.expires_at }
    }))
}

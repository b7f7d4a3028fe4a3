//! Authentication: from a bearer token to a [`Viewer`].
//!
//! Besides the token's signature, its session is looked up and cached for seconds. So a sign-out, a stolen refresh
//! token or a lost role takes effect on all instances within seconds.

pub mod device;
mod fair_queue;
mod network;
pub mod password;
mod request;
mod session_status;
pub mod token;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{AccountId, SessionId, account, account::AccountKind, session, shop::member};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

pub(crate) use self::request::RequestTag;
pub use self::{
    network::Network,
    session_status::{Doubt, SessionStatus, Verdict, session_status},
};
use crate::{
    app::App,
    error::{Fault, FaultResult},
};

/// The caller: its account, if any, and its network.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// The account with the token's expiry. `None` for an anonymous viewer.
    account: Option<(Identity, DateTime<Utc>)>,
    /// The network. `None` for a call within the process.
    network: Option<Network>,
    /// The request. `None` for a call outside a request.
    request: Option<RequestTag>,
}

/// A session's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: AccountId,
    /// The session.
    pub session: SessionId,
    /// Guest or user.
    pub kind: AccountKind,
    /// Whether it is an operator of the platform.
    pub is_operator: bool,
    /// Whether the account's e-mail address is verified.
    pub email_verified: bool,
    /// Whether the account was a member of any shop when the session was looked up. Members see more of their events, so
    /// they get no shared responses. Not for authorisation.
    pub is_member: bool,
}

/// A session in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    identity: Identity,
    /// When the session ends unless it is refreshed before.
    ends: DateTime<Utc>,
}

/// Why a token was not accepted. The client does not get the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The token is forged, expired, or its session has ended.
    Token,
    /// The session cannot be looked up now.
    Unavailable,
}

impl Viewer {
    /// A viewer without account and network.
    pub const ANONYMOUS: Self = Self { account: None, network: None, request: None };

    /// Returns the viewer of an account whose token expires at `until`.
    pub fn signed_in(identity: Identity, until: DateTime<Utc>) -> Self {
        Self { account: Some((identity, until)), ..Self::ANONYMOUS }
    }

    /// Returns the viewer with this network.
    #[must_use]
    pub fn from_network(self, network: Option<Network>) -> Self {
        Self { network, ..self }
    }

    /// Returns the viewer with this request id.
    #[must_use]
    pub fn of_request(self, id: &str) -> Self {
        Self { request: RequestTag::of(id), ..self }
    }

    /// Returns the id of the request, if any.
    pub fn request(&self) -> Option<&str> {
        self.request.as_ref().map(RequestTag::as_str)
    }

    /// Returns the account of a guest or user.
    pub fn account(&self) -> FaultResult<AccountId> {
        self.identity().map(|identity| identity.account)
    }

    /// Returns the account and its session.
    pub fn identity(&self) -> FaultResult<Identity> {
        self.account.map(|(identity, _)| identity).ok_or(Fault::Unauthenticated)
    }

    /// Returns the caller's network, or `None` for a call within the process.
    pub fn network(&self) -> Option<Network> {
        self.network
    }

    /// Returns whether responses must be made for this viewer alone, because a member of a shop sees more.
    pub fn is_member(&self) -> bool {
        self.account.is_some_and(|(identity, _)| identity.is_member)
    }

    /// Returns the account of a user. Refuses guests.
    pub fn user(&self) -> FaultResult<AccountId> {
        let identity = self.identity()?;
        match identity.kind {
            AccountKind::User => Ok(identity.account),
            AccountKind::Guest => Err(Fault::Forbidden("sign up first: guests may not do this")),
        }
    }

    /// Returns the account of an operator. Refuses other accounts.
    pub fn operator(&self) -> FaultResult<AccountId> {
        let identity = self.identity()?;
        if identity.is_operator {
            Ok(identity.account)
        } else {
            Err(Fault::Forbidden("only the platform's operators may do this"))
        }
    }

    /// Returns when the viewer's token expires, or `None` for an anonymous viewer.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.account.map(|(_, until)| until)
    }
}

/// Returns the viewer for a token. Without a token the viewer is anonymous. A bad token is refused.
pub async fn authenticate(app: &App, token: Option<&str>) -> Result<Viewer, Rejected> {
    let Some(token) = token else { return Ok(Viewer::ANONYMOUS) };
    let claims = app.tokens.verify(token, app.clock.now()).map_err(|_| Rejected::Token)?;
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
    let sessions = app.sessions.iter().filter(|(_, known)| of_account(*known));
    let ids: Vec<SessionId> = sessions.map(|(id, _)| *id).collect();
    for id in ids {
        app.sessions.invalidate(&id).await;
    }
}

/// Returns the session's account, or `None` if the session has ended.
async fn current(app: &App, id: SessionId) -> Result<Option<Identity>, Arc<Fault>> {
    let read = || app.sessions.try_get_with(id, identity_of(app, id));
    let mut known = read().await?;
    // A cached session may have expired, unless it was refreshed meanwhile. Look it up again.
    if known.is_some_and(|known| known.ends <= app.clock.now()) {
        app.sessions.invalidate(&id).await;
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

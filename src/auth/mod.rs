//! Who asks: from a bearer token to a [`Viewer`], and what a viewer may do.
//!
//! An access token is believed for what it says, but its session is looked up too (and remembered for a moment), so
//! that signing out, a stolen refresh token or a lost role takes effect everywhere within seconds.

pub mod device;
mod fair_queue;
mod network;
pub mod password;
mod request;
mod session_status;
pub mod token;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{AccountId, SessionId, account, account::AccountKind, session};
use sea_orm::EntityTrait;

pub(crate) use self::request::RequestTag;
pub use self::{
    network::Network,
    session_status::{Doubt, SessionStatus, Verdict, session_status},
};
use crate::{
    app::App,
    error::{Fault, Faulty},
};

/// The caller: an account or nobody in particular, and the network that the call comes from.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// A guest or a user, with the token's end; `None` if anonymous.
    account: Option<(Identity, DateTime<Utc>)>,
    /// `None` if the call did not come over the network.
    network: Option<Network>,
    /// `None` if the call is no request.
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
    /// One of the platform's operators.
    pub is_operator: bool,
    /// Whether the account's e-mail address is verified.
    pub email_verified: bool,
}

/// A session that was looked up a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    identity: Identity,
    /// When the session ends unless it is refreshed before.
    ends: DateTime<Utc>,
}

/// The token is not good; why is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The token is forged, expired, or its session has ended.
    Token,
    /// Sessions cannot be looked up right now.
    Unavailable,
}

impl Viewer {
    /// Nobody in particular, from nowhere.
    pub const ANONYMOUS: Self = Self { account: None, network: None, request: None };

    /// An account whose token ends at `until`.
    pub fn signed_in(identity: Identity, until: DateTime<Utc>) -> Self {
        Self { account: Some((identity, until)), ..Self::ANONYMOUS }
    }

    /// The same caller, calling from `network`.
    #[must_use]
    pub fn from_network(self, network: Option<Network>) -> Self {
        Self { network, ..self }
    }

    /// The same caller, in the request with this id.
    #[must_use]
    pub fn of_request(self, id: &str) -> Self {
        Self { request: RequestTag::of(id), ..self }
    }

    /// The id of the request that the viewer calls in; `None` if the call is no request.
    pub fn request(&self) -> Option<&str> {
        self.request.as_ref().map(RequestTag::as_str)
    }

    /// The account, guest or user.
    pub fn account(&self) -> Faulty<AccountId> {
        self.identity().map(|identity| identity.account)
    }

    /// The account and its session.
    pub fn identity(&self) -> Faulty<Identity> {
        self.account.map(|(identity, _)| identity).ok_or(Fault::Unauthenticated)
    }

    /// The network that the call comes from; `None` if it did not come over the network.
    pub fn network(&self) -> Option<Network> {
        self.network
    }

    /// The account of a signed-up user; guests are asked to sign up.
    pub fn user(&self) -> Faulty<AccountId> {
        let identity = self.identity()?;
        match identity.kind {
            AccountKind::User => Ok(identity.account),
            AccountKind::Guest => Err(Fault::Forbidden("sign up first: guests may not do this")),
        }
    }

    /// The account of one of the platform's operators.
    pub fn operator(&self) -> Faulty<AccountId> {
        let identity = self.identity()?;
        if identity.is_operator {
            Ok(identity.account)
        } else {
            Err(Fault::Forbidden("only the platform's operators may do this"))
        }
    }

    /// When the viewer's token ends; none when anonymous.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.account.map(|(_, until)| until)
    }
}

/// Finds out who asks. No token is an anonymous viewer, a bad token is refused.
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

/// Returns the session's account, or `None` if the session has ended.
async fn current(app: &App, id: SessionId) -> Result<Option<Identity>, Arc<Fault>> {
    let read = || app.sessions.try_get_with(id, identity_of(app, id));
    let mut known = read().await?;
    // A session that was remembered may end while it is. If it was refreshed meanwhile, its end has moved.
    if known.is_some_and(|known| known.ends <= app.clock.now()) {
        app.sessions.invalidate(&id).await;
        known = read().await?;
    }
    Ok(known.map(|known| known.identity))
}

async fn identity_of(app: &App, id: SessionId) -> Faulty<Option<Known>> {
    let db = app.store.read();
    let Some(session) = session::Entity::find_by_id(id).one(db).await? else { return Ok(None) };
    if session.revoked_at.is_some() || session.expires_at <= app.clock.now() {
        return Ok(None);
    }
    let account = account::Entity::find_by_id(session.account_id).one(db).await?;
    Ok(account.map(|account| {
        let identity = Identity {
            account: account.id,
            session: id,
            kind: account.kind,
            is_operator: account.is_operator,
            email_verified: account.email_verified_at.is_some(),
        };
        Known { identity, ends: session.expires_at }
    }))
}

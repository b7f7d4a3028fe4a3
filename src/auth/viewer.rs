//! The caller of an operation, and the account of its session.

use chrono::{DateTime, Utc};
use entity::{AccountId, SessionId, account::AccountKind};

use super::{network::Network, request::RequestTag};
use crate::error::{Fault, FaultResult};

/// The caller: its account, if any, and its network.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// The account with the token's expiry. `None` for an anonymous viewer.
    pub(super) account: Option<(Identity, DateTime<Utc>)>,
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
    pub(super) identity: Identity,
    /// When the session ends unless it is refreshed before.
    pub(super) ends: DateTime<Utc>,
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

//! The places of sockets and event streams in the limits of networks and accounts.

use super::{
    connection::{Arrival, ClientAddress, SocketUse},
    flood::Allowance,
    places::{Place, Places},
    request_id::RequestId,
};
use crate::{
    auth::{Network, Viewer},
    config::Config,
};
use axum::http::request::Parts;
use entity::AccountId;

/// The open sockets of each network and of each account.
#[derive(Clone, Debug, Default)]
pub(super) struct Sockets {
    networks: Places<Network>,
    accounts: Places<AccountId>,
}

/// The client of a socket, with the resources that the socket uses.
pub(super) struct Client {
    /// The id of the request that opened the socket.
    pub id: RequestId,
    /// The client's network, if known.
    pub network: Option<Network>,
    /// The frames that it may still send.
    pub allowance: Allowance,
    accounts: Places<AccountId>,
    connection: Option<SocketUse>,
    _network: Option<Place<Network>>,
    account: Option<Place<AccountId>>,
}

impl Client {
    /// Counts the socket for an account. Returns false if the account has too many.
    pub(super) fn sign_in(&mut self, account: AccountId, config: &Config) -> bool {
        self.account = self.accounts.take(account, config.network.max_sockets_per_account);
        self.account.is_some()
    }

    /// Records a message, whose bytes do not count as overhead.
    pub(super) fn sent(&self, bytes: usize) {
        if let Some(connection) = &self.connection {
            connection.message(bytes);
        }
    }
}

/// The places that an event stream takes from the limits of sockets.
pub(super) struct StreamPlaces {
    _network: Option<Place<Network>>,
    _account: Option<Place<AccountId>>,
}

impl Sockets {
    /// Takes the places of an event stream, which counts as a socket. Returns `None` if its network or its account has
    /// too many.
    pub(super) fn stream(&self, config: &Config, parts: &Parts, viewer: &Viewer) -> Option<StreamPlaces> {
        let (network, settings) = (counted(config, parts), &config.network);
        let take_network = |network| self.networks.take(network, settings.max_sockets_per_network);
        let take_account = |account| self.accounts.take(account, settings.max_sockets_per_account);
        Some(StreamPlaces {
            _network: match network {
                Some(network) => Some(take_network(network)?),
                None => None,
            },
            _account: match viewer.account() {
                Ok(account) => Some(take_account(account)?),
                Err(_) => None,
            },
        })
    }

    /// Returns the client of a new socket, or `None` if its network has too many sockets.
    pub(super) fn client(&self, config: &Config, id: RequestId, parts: &Parts) -> Option<Client> {
        let settings = &config.network;
        let network: Option<Network> = parts.extensions.get().copied();
        let place = match counted(config, parts) {
            Some(network) => Some(self.networks.take(network, settings.max_sockets_per_network)?),
            None => None,
        };
        Some(Client {
            id,
            network,
            allowance: Allowance::default(),
            accounts: self.accounts.clone(),
            connection: parts.extensions.get::<Arrival>().map(Arrival::begin_socket),
            _network: place,
            account: None,
        })
    }
}

/// Returns the network that a request counts for, or `None` if the network is exempt or unknown.
fn counted(config: &Config, parts: &Parts) -> Option<Network> {
    let address = parts.extensions.get::<ClientAddress>();
    let network: Option<Network> = parts.extensions.get().copied();
    network.filter(|_| !address.is_some_and(|address| config.network.is_allowed(address.0)))
}

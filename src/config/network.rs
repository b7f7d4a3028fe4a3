//! Settings of the listener: networks, proxies, hosts, connections and TLS.

use std::{net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::{ArgAction, Args};
use ipnet::IpNet;

/// The listener's settings.
#[derive(Args, Clone, Debug)]
pub struct NetworkSettings {
    /// Networks that are exempt from limits per network, as CIDR blocks or addresses, separated by commas.
    #[arg(long, global = true, env = "TESSERA_ALLOWED_NETWORKS", value_delimiter = ',', value_parser = network)]
    pub allowed_networks: Vec<IpNet>,
    /// Proxies whose `Forwarded` or `X-Forwarded-For` header names the client, as CIDR blocks or addresses.
    #[arg(long, global = true, env = "TESSERA_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Expect the PROXY protocol, version 2, on every connection of a trusted proxy.
    #[arg(long, global = true, env = "TESSERA_PROXY_PROTOCOL", action = ArgAction::Set, default_value_t = false)]
    pub proxy_protocol: bool,
    /// Host names that clients may use besides that of `TESSERA_PUBLIC_URL`, separated by commas.
    #[arg(long, global = true, env = "TESSERA_ALLOWED_HOSTS", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
    /// Open connections in total. By default as many as the file descriptor limit permits, at most 16384; never more.
    #[arg(long, global = true, env = "TESSERA_MAX_CONNECTIONS")]
    pub max_connections: Option<usize>,
    /// Open connections of one network: an IPv4 address or an IPv6 /64. Trusted proxies are exempt.
    #[arg(long, global = true, env = "TESSERA_MAX_CONNECTIONS_PER_NETWORK", default_value_t = 512)]
    pub max_connections_per_network: usize,
    /// Open web sockets of one network.
    #[arg(long, global = true, env = "TESSERA_MAX_SOCKETS_PER_NETWORK", default_value_t = 256)]
    pub max_sockets_per_network: usize,
    /// Open web sockets of one account.
    #[arg(long, global = true, env = "TESSERA_MAX_SOCKETS_PER_ACCOUNT", default_value_t = 16)]
    pub max_sockets_per_account: usize,
    /// Seconds after which a connection without a request is closed.
    #[arg(long, global = true, env = "TESSERA_IDLE_SECONDS", default_value_t = 75)]
    pub idle_seconds: u64,
    /// PEM file with the certificate chain, the server's certificate first. With it the server speaks TLS only.
    #[arg(long, global = true, env = "TESSERA_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the private key of the certificate.
    #[arg(long, global = true, env = "TESSERA_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
}

/// A fault in the listener's settings.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NetworkSettingsError {
    /// There is a certificate without a key, or a key without a certificate.
    #[error("TESSERA_TLS_CERT and TESSERA_TLS_KEY must be set together")]
    TlsPair,
    /// The PROXY protocol is on, but there is no trusted proxy.
    #[error("TESSERA_PROXY_PROTOCOL needs TESSERA_TRUSTED_PROXIES, the proxies that may use it")]
    ProxyProtocol,
    /// A limit is out of range.
    #[error("the limits of connections and sockets must be between 1 and 1000000")]
    Limit,
    /// The idle timeout is out of range.
    #[error("TESSERA_IDLE_SECONDS must be between 5 and 3600")]
    Idle,
    /// An entry is not a host name.
    #[error("TESSERA_ALLOWED_HOSTS must contain hosts such as tickets.example, without scheme, port or path")]
    Host,
}

impl NetworkSettings {
    /// Checks what the types of the command line do not.
    pub(super) fn validate(&self) -> Result<(), NetworkSettingsError> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err(NetworkSettingsError::TlsPair);
        }
        if self.proxy_protocol && self.trusted_proxies.is_empty() {
            return Err(NetworkSettingsError::ProxyProtocol);
        }
        let limits = [
            self.max_connections.unwrap_or(1),
            self.max_connections_per_network,
            self.max_sockets_per_network,
            self.max_sockets_per_account,
        ];
        if !limits.iter().all(|limit| (1..=1_000_000).contains(limit)) {
            return Err(NetworkSettingsError::Limit);
        }
        if !(5..=3_600).contains(&self.idle_seconds) {
            return Err(NetworkSettingsError::Idle);
        }
        let is_host = |host: &String| {
            let name = host.trim_start_matches('[').trim_end_matches(']');
            name.parse::<IpAddr>().is_ok()
                || !host.is_empty()
                    && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        if self.allowed_hosts.iter().all(is_host) { Ok(()) } else { Err(NetworkSettingsError::Host) }
    }

    /// Returns whether this address is exempt from limits per network.
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        contains(&self.allowed_networks, address)
    }

    /// Returns whether the address is a trusted proxy, which may name the client it forwards for.
    pub fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        contains(&self.trusted_proxies, address)
    }

    /// Returns whether the server itself speaks TLS.
    pub fn uses_tls(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// Returns the time after which a connection without a request is closed.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }
}

/// Returns whether a network contains the address. An IPv4-mapped IPv6 address, which a dual-stack listener has for IPv4
/// clients, counts as its IPv4 address.
fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// Reads a CIDR block, or an address as a block of one.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let block = IpNet::from_str(text).or_else(|_| IpAddr::from_str(text).map(IpNet::from));
    block.map_err(|_| "expected a network such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_is_a_block_or_an_address() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.7", "::ffff:192.0.2.7", "::ffff:192.0.2.8"),
            (" 2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            let networks = [network(text).expect("a network")];
            assert!(contains(&networks, inside.parse().expect("an address")), "{text} {inside}");
            assert!(!contains(&networks, outside.parse().expect("an address")), "{text} {outside}");
        }
        for text in ["", "10.0.0.0/33", "tickets.example", "10.0.0"] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}

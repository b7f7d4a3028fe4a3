//! The host names of this server.
//!
//! With a foreign name in `Host`, a page of another site could reach a server in its visitor's network (DNS rebinding),
//! and poison links and caches.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, Version, header, uri::Authority};

use crate::config::Config;

/// The names of this server.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    names: Vec<String>,
    /// Whether `localhost` and all IP addresses are accepted. DNS rebinding needs a name.
    is_development: bool,
}

/// Why a request's host is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostFault {
    /// The request has no host, several, or an invalid one.
    Malformed,
    /// The host is not a name of this server.
    Foreign,
}

impl Hosts {
    /// Returns the host of the public URL and those of the settings.
    pub(super) fn of(config: &Config) -> Self {
        let public = config.public_url();
        let authority = public.split_once("://").map_or(&*public, |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        let public = authority.parse().ok().map(|authority| name(&authority));
        let listed = config.network.allowed_hosts.iter().map(|host| plain(host));
        Self { names: public.into_iter().chain(listed).collect(), is_development: !config.is_production() }
    }

    /// Checks the host of a request. The port does not matter.
    pub(super) fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), HostFault> {
        let host = host(version, uri, headers).ok_or(HostFault::Malformed)?;
        if self.names.contains(&host) || self.is_development && is_local(&host) {
            Ok(())
        } else {
            Err(HostFault::Foreign)
        }
    }
}

/// Returns the host of a request, if it has exactly one.
fn host(version: Version, uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut given = headers.get_all(header::HOST).iter();
    let header = match (given.next(), given.next()) {
        (None, _) => None,
        (Some(host), None) => Some(authority(host.to_str().ok()?)?),
        (Some(_), Some(_)) => return None,
    };
    match (header, uri.authority()) {
        (None, None) => None,
        // HTTP/1.1 requires the header even if the target is a whole URL.
        (None, Some(_)) if version < Version::HTTP_2 => None,
        (None, Some(target)) => Some(name(&authority(target.as_str())?)),
        (Some(header), None) => Some(name(&header)),
        (Some(header), Some(target)) => {
            let target = name(&authority(target.as_str())?);
            (name(&header) == target).then_some(target)
        }
    }
}

/// Parses a host with or without a port.
fn authority(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    let is_host = !authority.host().is_empty() && !text.contains('@');
    is_host.then_some(authority)
}

fn name(authority: &Authority) -> String {
    plain(authority.host())
}

/// Returns a host name for comparison: in lower case, without brackets and without the trailing dot.
fn plain(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(development: bool, target: &str, hosts: &[&str], version: Version) -> Result<(), HostFault> {
        let names = ["tickets.example", "2001:db8::1"].map(str::to_owned).to_vec();
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).expect("a header"));
        }
        let uri = target.parse().expect("a target");
        Hosts { names, is_development: development }.check(version, &uri, &headers)
    }

    #[test]
    fn exactly_one_known_host_is_accepted() {
        use HostFault::{Foreign, Malformed};
        let cases: &[(&[&str], Result<(), HostFault>)] = &[
            (&["tickets.example"], Ok(())),
            (&["TICKETS.example:8443"], Ok(())),
            (&["tickets.example."], Ok(())),
            (&["[2001:db8::1]:80"], Ok(())),
            (&[], Err(Malformed)),
            (&[""], Err(Malformed)),
            (&["tickets.example", "tickets.example"], Err(Malformed)),
            (&["tickets.example", "evil.example"], Err(Malformed)),
            (&["evil.example@tickets.example"], Err(Malformed)),
            (&["tickets.example, evil.example"], Err(Malformed)),
            (&["tickets.example/x"], Err(Malformed)),
            (&["evil.example"], Err(Foreign)),
            (&["tickets.example.evil.example"], Err(Foreign)),
            (&["eviltickets.example"], Err(Foreign)),
            (&["localhost:8080"], Err(Foreign)),
            (&["127.0.0.1"], Err(Foreign)),
        ];
        for (hosts, expected) in cases {
            assert_eq!(check(false, "/graphql", hosts, Version::HTTP_11), *expected, "{hosts:?}");
        }
    }

    #[test]
    fn development_accepts_local_names_and_addresses() {
        for host in ["localhost:8080", "shop.localhost", "127.0.0.1:8080", "[::1]:8080", "192.168.1.7"] {
            assert_eq!(check(true, "/", &[host], Version::HTTP_11), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert_eq!(check(true, "/", &[host], Version::HTTP_11), Err(HostFault::Foreign), "{host}");
        }
    }

    #[test]
    fn target_with_a_host_must_agree_with_the_header() {
        let own = "https://tickets.example/graphql";
        assert_eq!(check(false, own, &[], Version::HTTP_2), Ok(()));
        assert_eq!(check(false, own, &["tickets.example"], Version::HTTP_2), Ok(()));
        assert_eq!(check(false, own, &[], Version::HTTP_11), Err(HostFault::Malformed));
        assert_eq!(check(false, own, &["evil.example"], Version::HTTP_11), Err(HostFault::Malformed));
        let foreign = "https://evil.example/graphql";
        assert_eq!(check(false, foreign, &["tickets.example"], Version::HTTP_11), Err(HostFault::Malformed));
        assert_eq!(check(false, foreign, &["evil.example"], Version::HTTP_11), Err(HostFault::Foreign));
        assert_eq!(check(false, foreign, &[], Version::HTTP_2), Err(HostFault::Foreign));
    }
}

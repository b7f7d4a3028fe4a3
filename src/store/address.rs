//! The database's address: one or several PostgreSQL servers, in libpq's syntax.
//!
//! sqlx accepts one host per address, so an address with several hosts becomes one address per host.

use std::fmt::Write as _;

/// An error in the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The number of ports is neither one nor the number of hosts.
    #[error(
        "DATABASE_URL names {hosts} hosts and {ports} ports: give one port for all hosts or one for each"
    )]
    Ports {
        /// Number of hosts.
        hosts: usize,
        /// Number of ports.
        ports: usize,
    },
    /// A port that is not a number from 0 to 65535.
    #[error("DATABASE_URL: `{0}` is not a port")]
    Port(String),
    /// A comma without a host next to it.
    #[error("DATABASE_URL names an empty host")]
    Host,
    /// A `target_session_attrs` that admits servers without writes.
    #[error("DATABASE_URL: target_session_attrs must be read-write, primary or any, not `{0}`")]
    Session(String),
}

/// A parsed PostgreSQL address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// One address per host, in order.
    pub urls: Vec<String>,
    /// Whether only a server that accepts writes is used.
    pub needs_writer: bool,
}

/// Checks an address. SQLite addresses are checked by SQLite.
pub fn check(url: &str) -> Result<(), AddressError> {
    if url.starts_with("sqlite:") { Ok(()) } else { Address::parse(url).map(|_| ()) }
}

impl Address {
    /// Parses `postgres://user:password@host1:port1,host2:port2/database?…`. Hosts and ports may also be given as
    /// `host=…&port=…`, where a host that begins with `/` is the directory of a socket. If there are several hosts, the
    /// server must accept writes unless `target_session_attrs=any` is given.
    pub(super) fn parse(url: &str) -> Result<Self, AddressError> {
        let Some((_, rest)) = url.split_once("://") else {
            return Ok(Self { urls: vec![url.to_owned()], needs_writer: false });
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, named) = match authority.rsplit_once('@') {
            Some((user, named)) => (format!("{user}@"), named),
            None => (String::new(), authority),
        };
        let query = Query::parse(query)?;
        let hosts = hosts(named, &query)?;
        let needs_writer = query.needs_writer.unwrap_or(hosts.len() > 1);
        let url = |host: &Host| {
            let mut url = format!("postgres://{user}{}/{path}", host.authority());
            let parameters = host.socket.iter().map(|socket| format!("host={socket}"));
            let mut separator = '?';
            for parameter in parameters.chain(query.others.iter().cloned()) {
                // Writing to a string does not fail.
                let _ = write!(url, "{separator}{parameter}");
                separator = '&';
            }
            url
        };
        Ok(Self { urls: hosts.iter().map(url).collect(), needs_writer })
    }
}

/// One server.
struct Host {
    name: String,
    /// The directory of its socket, as written in the address.
    socket: Option<String>,
    port: Option<u16>,
}

impl Host {
    fn authority(&self) -> String {
        self.port.map_or_else(|| self.name.clone(), |port| format!("{}:{port}", self.name))
    }
}

/// The parameters. Those that only libpq knows are parsed, the others are kept as text.
#[derive(Default)]
struct Query {
    hosts: Option<Vec<String>>,
    ports: Option<Vec<String>>,
    needs_writer: Option<bool>,
    others: Vec<String>,
}

impl Query {
    fn parse(text: &str) -> Result<Self, AddressError> {
        let mut query = Self::default();
        for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match key {
                "host" => query.hosts = Some(list(value)),
                "port" => query.ports = Some(list(value)),
                "target_session_attrs" => {
                    query.needs_writer = Some(match value {
                        "any" => false,
                        "read-write" | "primary" => true,
                        other => return Err(AddressError::Session(other.to_owned())),
                    });
                }
                _ => query.others.push(parameter.to_owned()),
            }
        }
        Ok(query)
    }
}

fn list(value: &str) -> Vec<String> {
    value.replace("%2C", ",").replace("%2c", ",").split(',').map(str::to_owned).collect()
}

/// Returns the servers named in the parameters, or else in the authority. Parameters take precedence, as in libpq.
fn hosts(named: &str, query: &Query) -> Result<Vec<Host>, AddressError> {
    let mut hosts = Vec::new();
    for text in query.hosts.clone().unwrap_or_else(|| named.split(',').map(str::to_owned).collect()) {
        if query.hosts.is_some() {
            let is_socket = text.starts_with('/') || text.starts_with("%2F") || text.starts_with("%2f");
            let name = if is_socket { "localhost".to_owned() } else { text.clone() };
            hosts.push(Host { name, socket: is_socket.then_some(text), port: None });
        } else {
            hosts.push(host(&text)?);
        }
    }
    // `postgres:///database` names no host and means the default host.
    if hosts.len() > 1 && hosts.iter().any(|host| host.name.is_empty()) {
        return Err(AddressError::Host);
    }
    if query.hosts.is_some()
        && query.ports.is_none()
        && let Ok(Host { port: Some(port), .. }) = host(named)
    {
        for host in &mut hosts {
            host.port = Some(port);
        }
    }
    let ports = query.ports.clone().unwrap_or_default();
    let ports: Vec<Option<u16>> = ports.iter().map(|text| port(text)).collect::<Result<_, _>>()?;
    match ports.as_slice() {
        [] => {}
        [port] => hosts.iter_mut().for_each(|host| host.port = *port),
        ports if ports.len() == hosts.len() => {
            hosts.iter_mut().zip(ports).for_each(|(host, port)| host.port = *port);
        }
        ports => return Err(AddressError::Ports { hosts: hosts.len(), ports: ports.len() }),
    }
    Ok(hosts)
}

/// Parses `name`, `name:port`, `[address]` or `[address]:port`.
fn host(text: &str) -> Result<Host, AddressError> {
    let end = text.find(']').map_or(0, |end| end + 1);
    let (name, number) = match text[end..].split_once(':') {
        Some((name, number)) => (format!("{}{name}", &text[..end]), port(number)?),
        None => (text.to_owned(), None),
    };
    Ok(Host { name, socket: None, port: number })
}

/// Parses a port. An empty text is the default port.
fn port(text: &str) -> Result<Option<u16>, AddressError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| AddressError::Port(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Address, addresses per host, and whether the server must accept writes.
    const GOOD: &[(&str, &[&str], bool)] = &[
        ("postgres://localhost/tessera", &["postgres://localhost/tessera"], false),
        ("postgresql://u:p@h:6432/db", &["postgres://u:p@h:6432/db"], false),
        ("postgres:///db", &["postgres:///db"], false),
        ("postgres://h", &["postgres://h/"], false),
        (
            "postgres://u:p@h1:5432,h2:5433/db?target_session_attrs=read-write",
            &["postgres://u:p@h1:5432/db", "postgres://u:p@h2:5433/db"],
            true,
        ),
        (
            "postgres://u@h1,h2/db?sslmode=require&connect_timeout=2",
            &[
                "postgres://u@h1/db?sslmode=require&connect_timeout=2",
                "postgres://u@h2/db?sslmode=require&connect_timeout=2",
            ],
            true,
        ),
        ("postgres://h1,h2/db?target_session_attrs=any", &["postgres://h1/db", "postgres://h2/db"], false),
        ("postgres://h1/db?target_session_attrs=primary", &["postgres://h1/db"], true),
        ("postgres://h1,h2/db?port=7", &["postgres://h1:7/db", "postgres://h2:7/db"], true),
        ("postgres://h1:1,h2:2/db?port=3,4", &["postgres://h1:3/db", "postgres://h2:4/db"], true),
        (
            "postgres://[::1]:5432,[fe80::1]/db",
            &["postgres://[::1]:5432/db", "postgres://[fe80::1]/db"],
            true,
        ),
        (
            "postgres://u@localhost/db?host=/a,/b&port=1,2&sslmode=disable",
            &[
                "postgres://u@localhost:1/db?host=/a&sslmode=disable",
                "postgres://u@localhost:2/db?host=/b&sslmode=disable",
            ],
            true,
        ),
        (
            "postgres://u@x:9/db?host=h1%2C%2Ftmp",
            &["postgres://u@h1:9/db", "postgres://u@localhost:9/db?host=%2Ftmp"],
            true,
        ),
        ("postgres://u:p%40:@h1:1,h2/db", &["postgres://u:p%40:@h1:1/db", "postgres://u:p%40:@h2/db"], true),
    ];

    const BAD: &[(&str, &str)] = &[
        ("postgres://h1:x,h2/db", "`x` is not a port"),
        ("postgres://h1:70000/db", "`70000` is not a port"),
        ("postgres://h1,/db", "an empty host"),
        ("postgres://h1,h2,h3/db?port=1,2", "3 hosts and 2 ports"),
        ("postgres://h1/db?target_session_attrs=standby", "not `standby`"),
        ("postgres://h1/db?target_session_attrs=read-only", "must be read-write, primary or any"),
    ];

    #[test]
    fn address_becomes_one_per_host() {
        for (url, urls, needs_writer) in GOOD {
            let address = Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(address.urls, *urls, "{url}");
            assert_eq!(address.needs_writer, *needs_writer, "{url}");
        }
    }

    #[test]
    fn invalid_address_is_refused_with_the_reason() {
        for (url, why) in BAD {
            let error = Address::parse(url).expect_err(url).to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
        assert_eq!(check("sqlite://h1:x,h2/db"), Ok(()));
    }
}

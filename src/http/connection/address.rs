//! The client's address behind proxies.
//!
//! Each proxy appends the address of its caller, so the list is read from the right. Only entries of trusted proxies
//! count: the first address that is not a trusted proxy is the client. The client may have forged all entries to its
//! left.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Returns the client's address.
///
/// The headers of an untrusted peer are ignored. An invalid hop ends the search: then the last trusted proxy before it
/// counts as the client. If a request has both headers and they disagree, one of them is forged, and the peer counts.
pub(in crate::http) fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    if !is_trusted(peer) {
        return peer;
    }
    let walk = |hops: Vec<Option<IpAddr>>| {
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            let Some(hop) = hop else { return client };
            client = hop;
            if !is_trusted(hop) {
                return client;
            }
        }
        client
    };
    let listed = headers.contains_key(X_FORWARDED_FOR).then(|| walk(x_forwarded_for(headers)));
    let standard = headers.contains_key(header::FORWARDED).then(|| walk(forwarded(headers)));
    match (listed, standard) {
        (Some(one), Some(other)) if one != other => peer,
        (one, other) => one.or(other).unwrap_or(peer),
    }
}

/// Returns the hops of all `X-Forwarded-For` lines, with `None` for each that is not an address.
fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter();
    lines.flat_map(|line| line.to_str().unwrap_or_default().split(',')).map(|hop| node(hop.trim())).collect()
}

/// Returns the hops of all `Forwarded` lines (RFC 7239). A line with a syntax error is one unknown hop, because the
/// part of a proxy cannot be separated from the rest.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(header::FORWARDED).iter();
    lines
        .flat_map(|line| {
            let elements = line.to_str().ok().and_then(elements);
            elements.unwrap_or_else(|| vec![None])
        })
        .collect()
}

/// Returns the `for` of each element of a line, or `None` if the line has a syntax error.
fn elements(line: &str) -> Option<Vec<Option<IpAddr>>> {
    split(line, ',')?
        .into_iter()
        .filter(|element| !element.trim().is_empty())
        .map(|element| {
            let mut named = None;
            for pair in split(element, ';')?.into_iter().filter(|pair| !pair.trim().is_empty()) {
                let (name, value) = pair.split_once('=')?;
                if name.trim().eq_ignore_ascii_case("for") && named.replace(unquote(value.trim())?).is_some()
                {
                    return None;
                }
            }
            Some(named.and_then(|value| node(&value)))
        })
        .collect()
}

/// Splits at a separator outside quoted strings. Returns `None` if a quoted string does not end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// Returns a token, or the content of a quoted string.
fn unquote(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return (!value.is_empty() && !value.contains('"')).then(|| value.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let (mut text, mut escaped) = (String::new(), false);
    for character in inner.chars() {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return None,
            _ => {
                text.push(character);
                escaped = false;
            }
        }
    }
    (!escaped).then_some(text)
}

/// Parses an address with or without a port: `192.0.2.7`, `192.0.2.7:80`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`. Obfuscated identifiers and `unknown` are not addresses.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>().ok();
    let bracketed =
        || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok().filter(IpAddr::is_ipv6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.or_else(bracketed).or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// `10.0.0.0/8` and `fd00::/8` are the proxies.
    fn is_trusted(address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.octets()[0] == 0xfd,
        }
    }

    fn found(peer: &str, lines: &[(&'static str, &str)]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(line).expect("a header"));
        }
        client(ip(peer), &headers, is_trusted)
    }

    #[test]
    fn rightmost_untrusted_address_is_the_client() {
        for (peer, line, expected) in [
            ("203.0.113.9", "192.0.2.1", "203.0.113.9"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.66, 192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.66, 192.0.2.1, 10.0.0.2,10.0.0.3", "192.0.2.1"),
            ("10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"),
            ("10.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
            ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
            ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
            ("10.0.0.1", "::ffff:192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "192.0.2.1, unknown", "10.0.0.1"),
            ("10.0.0.1", "192.0.2.1, nonsense, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "192.0.2.1,", "10.0.0.1"),
            ("fd00::1", "2001:db8::1, fd00::2", "2001:db8::1"),
        ] {
            assert_eq!(found(peer, &[(X_FORWARDED_FOR, line)]), ip(expected), "{peer}: {line}");
        }
    }

    #[test]
    fn forwarded_follows_the_standard() {
        for (line, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
            ("proto=https; for=\"192.0.2.1:4711\"", "192.0.2.1"),
            ("for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("for=\"[2001:db8::1]\", for=10.0.0.7", "2001:db8::1"),
            ("for=198.51.100.66, for=192.0.2.1", "192.0.2.1"),
            ("for=198.51.100.66, for=_hidden", "10.0.0.1"),
            ("for=198.51.100.66, for=unknown, for=10.0.0.7", "10.0.0.7"),
            ("for=198.51.100.66, proto=https", "10.0.0.1"),
            ("host=\"a,for=198.51.100.66\", for=192.0.2.1", "192.0.2.1"),
            ("for=\"192\\.0.2.1\"", "192.0.2.1"),
            // Forged text at the front must not change what the proxy appends.
            ("for=\"198.51.100.66, for=192.0.2.1", "10.0.0.1"),
            ("for=192.0.2.1;for=198.51.100.66", "10.0.0.1"),
            ("192.0.2.1", "10.0.0.1"),
        ] {
            assert_eq!(found("10.0.0.1", &[("forwarded", line)]), ip(expected), "{line}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let two = [(X_FORWARDED_FOR, "198.51.100.66"), (X_FORWARDED_FOR, "192.0.2.1, 10.0.0.2")];
        assert_eq!(found("10.0.0.1", &two), ip("192.0.2.1"));
        let broken_first = [("forwarded", "for=\"broken"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(found("10.0.0.1", &broken_first), ip("192.0.2.1"));
        let broken_last = [("forwarded", "for=192.0.2.1"), ("forwarded", "for=\"broken")];
        assert_eq!(found("10.0.0.1", &broken_last), ip("10.0.0.1"));
    }

    #[test]
    fn headers_that_disagree_are_ignored() {
        let same = [(X_FORWARDED_FOR, "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(found("10.0.0.1", &same), ip("192.0.2.1"));
        let forged = [(X_FORWARDED_FOR, "192.0.2.1"), ("forwarded", "for=198.51.100.66")];
        assert_eq!(found("10.0.0.1", &forged), ip("10.0.0.1"));
    }

    proptest! {
        #[test]
        fn what_a_client_writes_in_front_changes_nothing(text in "[ -~]{0,60}", standard in any::<bool>()) {
            let (name, own) = if standard { ("forwarded", "for=192.0.2.1") } else { (X_FORWARDED_FOR, "192.0.2.1") };
            // A proxy that adds a line of its own.
            prop_assert_eq!(found("10.0.0.1", &[(name, &text), (name, own)]), ip("192.0.2.1"));
            // A proxy that appends to the line: the client can at most hide itself.
            let appended = found("10.0.0.1", &[(name, &format!("{text}, {own}"))]);
            prop_assert!(appended == ip("192.0.2.1") || appended == ip("10.0.0.1"), "{appended}");
        }

        #[test]
        fn a_peer_that_is_not_trusted_is_the_client(text in "[ -~]{0,60}", name in 0..2_usize) {
            let name = [X_FORWARDED_FOR, "forwarded"][name];
            prop_assert_eq!(found("203.0.113.9", &[(name, &text)]), ip("203.0.113.9"));
        }
    }
}

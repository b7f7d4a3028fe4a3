//! The header of the PROXY protocol, version 2, with the address of a proxy's client.
//!
//! Only version 2 is supported: it is binary and has a length, so no byte after it is read. The parser is part of the
//! server because it is small: two commands and two address families. Specification:
//! <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>, section 2.2.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family and length.
const PREFIX: usize = 16;
/// Bytes after the prefix. Addresses take at most 36; a proxy may append more, such as the server name of TLS.
const MAX_LENGTH: u16 = 4 * 1024;

/// A fault in the header.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum ProxyFault {
    #[error("no PROXY header, version 2")]
    Signature,
    #[error("an unknown command of the PROXY protocol")]
    Command,
    #[error("an address family of the PROXY protocol that cannot connect here")]
    Family,
    #[error("a PROXY header of a wrong length")]
    Length,
}

/// Reads the header. Returns the client's address, or `None` if the proxy connects on its own behalf (a health check).
pub(in crate::http) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut prefix = [0; PREFIX];
    stream.read_exact(&mut prefix).await?;
    let length = length(&prefix).map_err(invalid)?;
    let mut rest = vec![0; length.into()];
    stream.read_exact(&mut rest).await?;
    address(&prefix, &rest).map_err(invalid)
}

fn invalid(fault: ProxyFault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

/// Returns the number of bytes after the prefix.
fn length(prefix: &[u8; PREFIX]) -> Result<u16, ProxyFault> {
    if prefix[..12] != SIGNATURE || prefix[12] >> 4 != 2 {
        return Err(ProxyFault::Signature);
    }
    let length = u16::from_be_bytes([prefix[14], prefix[15]]);
    if length > MAX_LENGTH { Err(ProxyFault::Length) } else { Ok(length) }
}

/// Returns the source address of the bytes after the prefix.
fn address(prefix: &[u8; PREFIX], rest: &[u8]) -> Result<Option<IpAddr>, ProxyFault> {
    match prefix[12] & 0x0f {
        // LOCAL: addresses, if any, are ignored.
        0 => return Ok(None),
        1 => {}
        _ => return Err(ProxyFault::Command),
    }
    match prefix[13] {
        // TCP over IPv4: two addresses and two ports.
        0x11 if rest.len() >= 12 => Ok(rest.first_chunk::<4>().map(|source| Ipv4Addr::from(*source).into())),
        0x21 if rest.len() >= 36 => {
            Ok(rest.first_chunk::<16>().map(|source| IpAddr::from(Ipv6Addr::from(*source)).to_canonical()))
        }
        0x11 | 0x21 => Err(ProxyFault::Length),
        _ => Err(ProxyFault::Family),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[0x20 | command, family], &length, rest].concat()
    }

    async fn parsed(mut bytes: &[u8]) -> (Result<Option<IpAddr>, io::ErrorKind>, usize) {
        let result = read(&mut bytes).await.map_err(|error| error.kind());
        (result, bytes.len())
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb];

    #[tokio::test]
    async fn proxy_header_is_read_without_the_following_bytes() {
        let source: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        let v6 = [&source.octets()[..], &[0; 20]].concat();
        let noted = [&V4[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat();
        for (bytes, expected) in [
            (header(1, 0x11, &V4), Some("192.0.2.1")),
            (header(1, 0x11, &noted), Some("192.0.2.1")),
            (header(1, 0x21, &v6), Some("2001:db8::1")),
            (header(0, 0, &[]), None),
            (header(0, 0x11, &V4), None),
        ] {
            let expected = expected.map(|text| text.parse().expect("an address"));
            assert_eq!(parsed(&[&bytes[..], b"GET /"].concat()).await, (Ok(expected), 5), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn invalid_proxy_header_is_refused() {
        let mut old = header(1, 0x11, &V4);
        old[12] = 0x11;
        let mut long = header(1, 0x11, &V4);
        long[14] = 0xff;
        for bytes in [
            b"GET /health/live HTTP/1.1\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n".to_vec(),
            old,
            long,
            header(2, 0x11, &V4),
            header(1, 0x12, &V4),
            header(1, 0x00, &V4),
            header(1, 0x31, &[0; 216]),
            header(1, 0x11, &V4[..11]),
            header(1, 0x21, &V4),
        ] {
            assert_eq!(parsed(&bytes).await.0, Err(io::ErrorKind::InvalidData), "{bytes:?}");
        }
        for cut in [0, 11, 15, 16, 27] {
            let bytes = &header(1, 0x11, &V4)[..cut];
            assert_eq!(parsed(bytes).await.0, Err(io::ErrorKind::UnexpectedEof), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(prefix in any::<[u8; PREFIX]>(), rest in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut ours = prefix;
            ours[..12].copy_from_slice(&SIGNATURE);
            for prefix in [prefix, ours] {
                let _ = (length(&prefix), address(&prefix, &rest));
            }
        }
    }
}

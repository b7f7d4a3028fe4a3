//! Keyed hashes of networks: rows from the same network have the same one, and it does not reveal the address.

use std::{net::IpAddr, sync::Arc};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    auth::Network,
    keys::{KeyFault, SigningKeys},
};

/// Bytes of a network's pseudonym.
const PSEUDONYM_BYTES: usize = 12;

/// Pseudonyms of networks. Without the server's keys, they do not reveal the network.
#[derive(Clone)]
pub(crate) struct Pseudonyms(Arc<hmac::Key>);

impl Pseudonyms {
    /// Derives the key from the session key. Instances with the same keys derive the same pseudonyms.
    pub(crate) fn new(keys: &SigningKeys) -> Result<Self, KeyFault> {
        let root = hmac::Key::new(HMAC_SHA256, &keys.session.signing.to_pkcs8()?);
        let derived = hmac::sign(&root, b"tessera audit network");
        Ok(Self(Arc::new(hmac::Key::new(HMAC_SHA256, derived.as_ref()))))
    }

    pub(super) fn of(&self, network: Network) -> String {
        let bytes = match network.address() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        URL_SAFE_NO_PAD.encode(&hmac::sign(&self.0, &bytes).as_ref()[..PSEUDONYM_BYTES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_one_pseudonym_under_one_key() {
        let network = |text: &str| Network::of(text.parse().expect("an address"));
        let [ours, others] = [(); 2].map(|()| SigningKeys::generate().expect("keys"));
        let names = Pseudonyms::new(&ours).expect("a key");
        let again = Pseudonyms::new(&ours).expect("a key");
        assert_eq!(names.of(network("192.0.2.7")), again.of(network("192.0.2.7")));
        assert_ne!(names.of(network("192.0.2.7")), names.of(network("192.0.2.8")));
        assert_eq!(names.of(network("2001:db8::1")), names.of(network("2001:db8::2")));
        let others = Pseudonyms::new(&others).expect("a key");
        assert_ne!(names.of(network("192.0.2.7")), others.of(network("192.0.2.7")));
        assert_eq!(names.of(network("192.0.2.7")).len(), 16);
    }
}

//! Access tokens of orders, for readers without the buyer's session: a guest in another browser, or a link in a mail.
//!
//! A token is derived from the order's id with a server key, so that it can be shown to the buyer again. The order
//! stores its digest, so that it stays valid when the key is replaced.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    hmac,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entity::{OrderId, order};

use crate::{
    app::App,
    error::{Fault, FaultResult},
};

const PREFIX: &str = "oa_";

/// Returns the order's access token.
pub fn token(app: &App, id: OrderId) -> FaultResult<String> {
    let secret = app.keys.session.signing.to_pkcs8().map_err(Fault::internal)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let mut message = b"tessera order access\0".to_vec();
    message.extend_from_slice(id.0.as_bytes());
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, &message).as_ref())))
}

/// Returns the digest that the order stores.
pub(super) fn digest_of(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

/// Returns whether the token belongs to the order.
pub(crate) fn opens(token: &str, order: &order::Model) -> bool {
    verify_slices_are_equal(&digest_of(token), &order.access_digest).is_ok()
}

//! The audit log: a row for every change of permissions or money, written in the transaction of the change.
//!
//! Rows are appended and never changed or deleted; triggers of the database refuse it. A row names objects by ids. It
//! holds no names, addresses, tokens or codes; the network of a request is a keyed hash, by which an investigator finds
//! rows from the same network without learning its address.

use std::{net::IpAddr, sync::Arc};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
pub use entity::audit::Action;
use entity::{
    AuditId, ShopId, TypedId,
    audit::{self, Actor},
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, QueryFilter,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    app::App,
    auth::{Network, Viewer},
    error::FaultResult,
    keys::{KeyFault, SigningKeys},
    page::{self, Page, Window},
    store::Tx,
};

/// Bytes of a network's pseudonym.
const PSEUDONYM_BYTES: usize = 12;

/// Who makes a change.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// The viewer, in a request.
    Viewer(Viewer),
    /// The server itself.
    Server,
    /// The operator of the machine, on the command line.
    CommandLine,
}

/// A change of permissions or money.
#[derive(Clone, Debug)]
pub struct Entry {
    action: Action,
    object: (&'static str, Uuid),
    shop: Option<ShopId>,
    details: Value,
}

impl Entry {
    /// A change of an object, with details that hold no secrets.
    pub fn new<T: TypedId>(action: Action, object: T, details: Value) -> Self {
        Self { action, object: (T::PREFIX, object.uuid()), shop: None, details }
    }

    /// The same, which concerns a shop.
    #[must_use]
    pub fn of_shop(self, shop: ShopId) -> Self {
        Self { shop: Some(shop), ..self }
    }
}

/// Gives networks names that tell nothing to those who do not have the server's keys.
#[derive(Clone)]
pub(crate) struct Pseudonyms(Arc<hmac::Key>);

impl Pseudonyms {
    /// Derives the key from the session key: instances with the same keys give the same names.
    pub(crate) fn new(keys: &SigningKeys) -> Result<Self, KeyFault> {
        let root = hmac::Key::new(HMAC_SHA256, &keys.session.signing.to_pkcs8()?);
        let derived = hmac::sign(&root, b"tessera audit network");
        Ok(Self(Arc::new(hmac::Key::new(HMAC_SHA256, derived.as_ref()))))
    }

    fn of(&self, network: Network) -> String {
        let bytes = match network.address() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        URL_SAFE_NO_PAD.encode(&hmac::sign(&self.0, &bytes).as_ref()[..PSEUDONYM_BYTES])
    }
}

/// Appends a row beside the change.
pub async fn record_in_tx(tx: &Tx, app: &App, by: By, entry: Entry) -> FaultResult<()> {
    let viewer = match by {
        By::Viewer(viewer) => Some(viewer),
        By::Server | By::CommandLine => None,
    };
    let account = viewer.and_then(|viewer| viewer.account().ok());
    let actor = match by {
        By::CommandLine => Actor::CommandLine,
        By::Viewer(_) if account.is_some() => Actor::Account,
        // A buyer may act with an order's access token, without a session.
        By::Viewer(_) | By::Server => Actor::Server,
    };
    let network = viewer.and_then(|viewer| viewer.network());
    let row = audit::ActiveModel {
        position: NotSet,
        id: Set(AuditId(app.clock.new_uuid())),
        at: Set(app.clock.now()),
        actor: Set(actor),
        account_id: Set(account),
        action: Set(entry.action),
        object_kind: Set(entry.object.0.to_owned()),
        object_id: Set(entry.object.1),
        shop_id: Set(entry.shop),
        request_id: Set(viewer.and_then(|viewer| viewer.request().map(str::to_owned))),
        network: Set(network.map(|network| app.pseudonyms.of(network))),
        details: Set(entry.details.to_string()),
    };
    audit::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// A page of a shop's rows, newest first. The caller makes sure that the viewer may see them.
pub async fn of_shop(app: &App, shop: ShopId, window: Window<i64>) -> FaultResult<Page<audit::Model>> {
    let select = audit::Entity::find().filter(audit::Column::ShopId.eq(shop));
    page::read(app.store.read(), select, audit::Column::Position, true, window).await
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

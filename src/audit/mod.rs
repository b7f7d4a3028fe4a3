//! The audit log: a row for every change of permissions or money, written in the transaction of the change.
//!
//! Rows are appended and never changed or deleted; triggers of the database refuse it. A row names objects by ids. It
//! holds no names, addresses, tokens or codes; the network of a request is a keyed hash, by which an investigator finds
//! rows from the same network without learning its address.

mod pseudonym;

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

pub(crate) use self::pseudonym::Pseudonyms;
use crate::{
    app::App,
    auth::Viewer,
    error::FaultResult,
    page::{self, Direction, Page, Window},
    store::Tx,
};

/// The originator of a change.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// The viewer of a request.
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
    /// Creates a change of an object. The details must not contain secrets.
    pub fn new<T: TypedId>(action: Action, object: T, details: Value) -> Self {
        Self { action, object: (T::PREFIX, object.uuid()), shop: None, details }
    }

    /// Sets the shop that the change concerns.
    #[must_use]
    pub fn of_shop(self, shop: ShopId) -> Self {
        Self { shop: Some(shop), ..self }
    }
}

/// Appends a row in the transaction of the change.
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

/// Returns a page of a shop's rows, newest first. The caller must authorise the viewer.
pub async fn of_shop(app: &App, shop: ShopId, window: Window<i64>) -> FaultResult<Page<audit::Model>> {
    let select = audit::Entity::find().filter(audit::Column::ShopId.eq(shop));
    page::read(app.store.read(), select, audit::Column::Position, Direction::Descending, window).await
}

//! The owners of slugs: each slug that an object has or had belongs to one shop.
//!
//! A former slug still leads to its object, so that old links work. Only its owner can use it again, for the same object
//! or another one.

use entity::{
    EventId, ShopId,
    slug_owner::{ActiveModel, Column, Entity, SlugKind},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, OnConflict, SelectStatement, UnionType},
};
use uuid::Uuid;

use crate::{error::FaultResult, store::Tx};

/// Rows per statement: well below the databases' limits of bound values.
const ROWS_PER_STATEMENT: usize = 400;

/// An object that has a slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A shop. It owns its slugs itself.
    Shop(ShopId),
    /// An event. Its shop owns its slugs.
    Event {
        /// The shop.
        shop: ShopId,
        /// The event.
        event: EventId,
        /// Whether links may lead to it. To a draft, they do not.
        is_public: bool,
    },
}

impl Holder {
    fn parts(self) -> (SlugKind, Uuid, Uuid) {
        match self {
            Self::Shop(shop) => (SlugKind::Shop, shop.0, shop.0),
            Self::Event { shop, event, .. } => (SlugKind::Event, shop.0, event.0),
        }
    }

    fn is_public(self) -> bool {
        match self {
            Self::Shop(_) => true,
            Self::Event { is_public, .. } => is_public,
        }
    }
}

/// Makes the holder's shop the owner of the slug. It leads to the holder from now on, unless the holder is a draft and the
/// slug is a former one of another event. Returns false if the slug belongs to another shop. It does not check whether another object of the same shop has the slug: that is a constraint of the
/// objects' table.
///
/// Race: of two shops that take the same slug, the primary key accepts one.
pub(crate) async fn take_in_tx(tx: &Tx, slug: &str, holder: Holder) -> FaultResult<bool> {
    let (kind, owner, object) = holder.parts();
    let row = ActiveModel {
        kind: Set(kind),
        slug: Set(slug.to_owned()),
        owner_id: Set(owner),
        object_id: Set(object),
    };
    let conflict = if_of_same_owner(owner, holder.is_public());
    let taken = Entity::insert(row).on_conflict(conflict).exec_without_returning(tx).await?;
    Ok(taken == 1)
}

/// Accepts a slug that the owner has already. With `leads`, it leads to the new object.
fn if_of_same_owner(owner: Uuid, leads: bool) -> OnConflict {
    // A row must be written, because the number of written rows tells whether the slug was free. This one stays as it is.
    let written = if leads { Column::ObjectId } else { Column::OwnerId };
    let same_owner = Expr::col((Entity, Column::OwnerId)).eq(owner);
    let mut conflict = OnConflict::columns([Column::Kind, Column::Slug]);
    conflict.update_column(written).action_and_where(same_owner);
    conflict
}

/// Takes the slugs of new drafts of one shop. The slugs must differ. Returns false if one of them belongs to another shop.
pub(crate) async fn take_new_in_tx(
    tx: &Tx,
    shop: ShopId,
    slugs: Vec<(EventId, String)>,
) -> FaultResult<bool> {
    let conflict = if_of_same_owner(shop.0, false);
    for slugs in slugs.chunks(ROWS_PER_STATEMENT) {
        let rows = slugs.iter().map(|(event, slug)| ActiveModel {
            kind: Set(SlugKind::Event),
            slug: Set(slug.clone()),
            owner_id: Set(shop.0),
            object_id: Set(event.0),
        });
        let insert = Entity::insert_many(rows).on_conflict(conflict.clone());
        let taken = insert.exec_without_returning(tx).await?;
        if usize::try_from(taken).ok() != Some(slugs.len()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives up all slugs of a draft. No link leads to it, and former slugs of other events do not belong to it.
pub(crate) async fn release_in_tx(tx: &Tx, event: EventId) -> Result<(), DbErr> {
    let of_event = Entity::delete_many().filter(Column::Kind.eq(SlugKind::Event));
    of_event.filter(Column::ObjectId.eq(event.0)).exec(tx).await?;
    Ok(())
}

/// Gives the holder a new slug and keeps the old one. Returns false if the new slug belongs to another shop.
pub(crate) async fn replace_in_tx(tx: &Tx, old: &str, new: &str, holder: Holder) -> FaultResult<bool> {
    if old != new {
        // An earlier version may have created the object without an entry.
        take_in_tx(tx, old, holder).await?;
    }
    take_in_tx(tx, new, holder).await
}

/// Returns a query for the ids that `now` finds, and the id of the object that has or had the slug.
pub(crate) fn or_former(mut now: SelectStatement, kind: SlugKind, slug: &str) -> SelectStatement {
    let former = Entity::find()
        .select_only()
        .column(Column::ObjectId)
        .filter(Column::Kind.eq(kind))
        .filter(Column::Slug.eq(slug))
        .into_query();
    now.union(UnionType::Distinct, former).to_owned()
}

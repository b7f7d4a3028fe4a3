//! Creates, changes, publishes, pauses and ends coupons.

use chrono::{DateTime, Utc};
use entity::{
    CouponId, ShopId,
    coupon::{self, CodeSource, CouponState, scope},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, SqlErr, sea_query::LockType,
};

use super::{
    budget, by_id,
    details::{Change, Details},
    follow, references,
    rules::{self, Refusal},
    state::{self, Move},
    terms::Scope,
    worth,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Object, Result},
    idempotency::{Attempt, Key, claim_if_keyed_in_tx, once_if_keyed},
    inventory, search_text,
    shop::{self, authorise_owner, rules::Power},
    store::{Tx, save_versioned},
};

/// Creates a draft of a coupon, in the shop's currency.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    shop: ShopId,
    details: Details,
    key: Option<&str>,
) -> Result<coupon::Model, Refusal> {
    shop::authorise(app, viewer, shop, Power::Manage).await?;
    let key = Key::of_viewer(viewer, "createCoupon", key, &(shop, &details))?;
    let replay = |id| by_id(app, CouponId(id));
    once_if_keyed(app, key.as_ref(), replay, Box::pin(insert(app, shop, details, key.as_ref()))).await
}

async fn insert(
    app: &App,
    shop: ShopId,
    details: Details,
    key: Option<&Key>,
) -> Attempt<coupon::Model, Refusal> {
    let shop = shop::by_id(app, shop).await?;
    let details = details.checked()?;
    let category = references::check(app, shop.id, &details).await?;
    let (now, id) = (app.clock.now(), CouponId(app.clock.new_uuid()));
    let tx = app.store.begin().await?;
    claim_if_keyed_in_tx(key, &tx, id.0, now).await?;
    let scopes = details.scopes.clone();
    let row = coupon::ActiveModel {
        id: Set(id),
        shop_id: Set(shop.id),
        product_id: Set(details.product),
        event_id: Set(details.event),
        tier_id: Set(details.tier),
        kind: Set(details.kind),
        codes: Set(details.codes),
        currency: Set(shop.currency),
        state: Set(CouponState::Draft),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..row_of(Details { category: Some(category), ..details })
    };
    let coupon = coupon::Entity::insert(row).exec_with_returning(&tx).await.map_err(without_target)?;
    write_scopes_in_tx(&tx, id, &scopes).await?;
    search_text::refresh_in_tx(&tx, search_text::Source::Coupon(id)).await?;
    budget::set_in_tx(&tx, app, &coupon).await?;
    tx.commit().await?;
    Ok(coupon)
}

/// Race: a draft of an event that a coupon refers to may have been deleted since the references were checked.
fn without_target(error: DbErr) -> Fault {
    match error.sql_err() {
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
            Fault::invalid("eventId", "the shop has no such event or tier any more")
        }
        Some(_) | None => error.into(),
    }
}

/// Changes the coupon if its version is still `seen`. Existing claims and reservations keep their terms.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: CouponId,
    seen: i64,
    change: Change,
) -> Result<coupon::Model, Refusal> {
    managed(app, viewer, id).await?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let coupon = locked_in_tx(&tx, id).await?;
    check_version(&coupon, seen)?;
    rules::change(&coupon).map_err(Error::Refused)?;
    if coupon.codes == CodeSource::Uploaded && change.stock.is_some() {
        return Err(
            Fault::invalid("stock", "is the number of uploaded codes. Upload more codes instead").into()
        );
    }
    let scopes = scopes_in_tx(&tx, id).await?;
    let before = coupon.clone();
    let details = Details::of(coupon, scopes).changed(change)?;
    references::check(app, before.shop_id, &details).await?;
    let scopes = details.scopes.clone();
    let row = coupon::ActiveModel { id: Set(id), updated_at: Set(now), ..row_of(details) };
    let changed = save_versioned::<coupon::Entity>(&tx, row, seen, Object::Coupon).await?;
    write_scopes_in_tx(&tx, id, &scopes).await?;
    search_text::refresh_in_tx(&tx, search_text::Source::Coupon(id)).await?;
    settle_stock_in_tx(&tx, &changed, now).await?;
    budget::set_in_tx(&tx, app, &changed).await?;
    worth::record_change_in_tx(&tx, app, viewer, (&before, &changed)).await?;
    tx.commit().await?;
    follow(app, id).await;
    Ok(changed)
}

/// Changes the coupon's state if its version is still `seen`. The first publication creates the stock.
pub async fn step(
    app: &App,
    viewer: &Viewer,
    id: CouponId,
    seen: i64,
    step: Move,
) -> Result<coupon::Model, Refusal> {
    managed(app, viewer, id).await?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let coupon = locked_in_tx(&tx, id).await?;
    check_version(&coupon, seen)?;
    let to = state::after(coupon.state, step).map_err(Error::Refused)?;
    if to == CouponState::Published {
        rules::publish(&coupon, now).map_err(Error::Refused)?;
    }
    let row = coupon::ActiveModel { id: Set(id), state: Set(to), updated_at: Set(now), ..Default::default() };
    let moved = save_versioned::<coupon::Entity>(&tx, row, seen, Object::Coupon).await?;
    if step == Move::Publish {
        inventory::create_stock_in_tx(&tx, id, rules::capacity(moved.stock), now).await?;
        worth::record_publication_in_tx(&tx, app, viewer, &moved).await?;
    } else {
        inventory::touch_in_tx(&tx, id, now).await?;
    }
    tx.commit().await?;
    follow(app, id).await;
    Ok(moved)
}

/// Returns the coupon if the viewer may change it.
pub(super) async fn managed(app: &App, viewer: &Viewer, id: CouponId) -> FaultResult<coupon::Model> {
    viewer.user()?;
    let coupon = by_id(app, id).await?;
    authorise_owner(app, viewer, coupon.shop_id, Power::Manage, Object::Coupon).await?;
    Ok(coupon)
}

/// Returns the coupon, locked until the end of the transaction. Changes of one coupon wait for each other.
pub(super) async fn locked_in_tx(tx: &Tx, id: CouponId) -> FaultResult<coupon::Model> {
    let coupon = coupon::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(tx).await?;
    coupon.ok_or(Fault::NotFound(Object::Coupon))
}

/// Sets the inventory's capacity to the coupon's stock, and notifies all desks that the terms have changed.
pub(super) async fn settle_stock_in_tx(
    tx: &Tx,
    coupon: &coupon::Model,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let capacity = rules::capacity(coupon.stock);
    match inventory::resize_stock_in_tx(tx, coupon.id, capacity, now).await? {
        Ok(()) => Ok(()),
        Err(taken) => {
            let taken = i32::try_from(taken).unwrap_or(i32::MAX);
            Err(Error::Refused(Refusal::StockTaken { taken }))
        }
    }
}

async fn scopes_in_tx(tx: &Tx, id: CouponId) -> FaultResult<Vec<Scope>> {
    let rows = scope::Entity::find().filter(scope::Column::CouponId.eq(id)).all(tx).await?;
    Ok(rows.into_iter().map(|row| Scope { kind: row.kind, target: row.target }).collect())
}

/// Replaces what the coupon applies to.
async fn write_scopes_in_tx(tx: &Tx, id: CouponId, scopes: &[Scope]) -> FaultResult<()> {
    scope::Entity::delete_many().filter(scope::Column::CouponId.eq(id)).exec(tx).await?;
    let rows = scopes.iter().map(|scope| scope::ActiveModel {
        coupon_id: Set(id),
        kind: Set(scope.kind),
        target: Set(scope.target),
    });
    scope::Entity::insert_many(rows).exec_without_returning(tx).await?;
    Ok(())
}

/// Returns a fault if the caller saw another version. The save checks this again; the check here precedes any refusal.
pub(super) fn check_version(coupon: &coupon::Model, seen: i64) -> FaultResult<()> {
    if coupon.version == seen { Ok(()) } else { Err(Fault::Stale(Object::Coupon)) }
}

fn row_of(details: Details) -> coupon::ActiveModel {
    coupon::ActiveModel {
        category_id: details.category.map_or(sea_orm::ActiveValue::NotSet, Set),
        title: Set(details.title),
        description: Set(details.description),
        terms: Set(details.terms),
        picture_url: Set(details.picture_url),
        amount_minor: Set(details.amount),
        basis_points: Set(details.basis_points),
        cap_minor: Set(details.cap),
        price_minor: Set(details.price),
        tax_basis_points: Set(details.tax_basis_points),
        listed: Set(details.listed),
        stock: Set(details.stock),
        limit_per_buyer: Set(details.limit_per_buyer),
        publish_from: Set(details.publish_from),
        publish_until: Set(details.publish_until),
        valid_from: Set(details.valid_from),
        valid_until: Set(details.valid_until),
        valid_days: Set(details.valid_days),
        shareable: Set(details.shareable),
        minimum_spend_minor: Set(details.minimum_spend),
        exclusive: Set(details.exclusive),
        stacking_group: Set(details.stacking_group),
        position: Set(details.position),
        budget_minor: Set(details.budget),
        ..Default::default()
    }
}

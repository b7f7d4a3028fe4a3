//! The stock of coupons: one area whose places are copies, and the claims that are written with them.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    CouponId, InventoryId, TierId,
    coupon::{self, CouponState},
    event::BuyerRequirement,
    inventory::{self, InventoryKind, area},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    change::{Change, Decision},
    codes,
    command::{NewClaim, NewClaimCode},
    fairness::Fairness,
    origin,
    read::unsigned,
    state::{Terms, TierTerms},
    write,
};
use crate::{
    app::App,
    error::{Fault, FaultResult, Object},
    money::{self, Money},
    outbox,
    store::{Rows, Script, Tx},
};

/// How long an unpaid copy is reserved, in seconds.
const RESERVATION_SECONDS: i64 = 600;
/// How long it may be reserved with all extensions, in seconds.
const RESERVATION_SECONDS_MAX: i64 = 1_200;
/// How long one buyer may have reservations that do not end in a purchase.
const IDLE_BUDGET: TimeDelta = TimeDelta::minutes(45);
/// How long a buyer who has used that up must wait.
const COOL_DOWN: TimeDelta = TimeDelta::minutes(5);
/// The ordinal of the single area.
const COPIES: i32 = 0;

/// Reads the coupon's row.
pub(super) async fn row(connection: &impl ConnectionTrait, id: CouponId) -> FaultResult<coupon::Model> {
    coupon::Entity::find_by_id(id).one(connection).await?.ok_or(Fault::NotFound(Object::Inventory))
}

/// Returns the coupon's terms of claim and sale.
pub(super) fn terms(app: &App, coupon: coupon::Model) -> FaultResult<Terms> {
    let id = coupon.id;
    let currency = money::currency(&coupon.currency).ok_or_else(|| Fault::internal("unknown currency"))?;
    let price = Money::new(coupon.price_minor, currency);
    let tax = price.included_tax(unsigned(coupon.tax_basis_points)).map_err(Fault::internal)?;
    // A claim that would expire at once is useless.
    let end = [coupon.publish_until, coupon.valid_until].into_iter().flatten().min();
    Ok(Terms {
        revision: coupon.version,
        open: coupon.state == CouponState::Published,
        sales_start: coupon.publish_from.unwrap_or(DateTime::UNIX_EPOCH),
        sales_end: end.unwrap_or(DateTime::<Utc>::MAX_UTC),
        reservation_seconds: RESERVATION_SECONDS,
        reservation_seconds_max: RESERVATION_SECONDS_MAX,
        // A claim that has expired when it is paid is useless, too.
        reservations_end: coupon.valid_until.unwrap_or(DateTime::<Utc>::MAX_UTC),
        limit_per_buyer: unsigned(coupon.limit_per_buyer),
        fairness: Some(Fairness { budget: IDLE_BUDGET, cool_down: COOL_DOWN }),
        hoarding: origin::shares(app).limits(
            coupon.stock.map(unsigned).unwrap_or_default(),
            unsigned(coupon.limit_per_buyer),
            // Without a known stock there is no share of it.
            (None, coupon.stock.is_none().then_some(100)),
        ),
        requirement: BuyerRequirement::None,
        currency: coupon.currency,
        tiers: vec![TierTerms {
            id: TierId(id.0),
            price: coupon.price_minor,
            fee: 0,
            tax: tax.minor,
            hidden: false,
        }],
        seat_tiers: Vec::new(),
        area_tiers: vec![Some(0)],
        orphan_rule: false,
        seat_map: None,
        hall: std::sync::Arc::default(),
    })
}

/// Creates the stock of a coupon that is being published: all copies free, at version 1.
pub(crate) async fn create_stock_in_tx(
    tx: &Tx,
    coupon: CouponId,
    copies: u32,
    now: DateTime<Utc>,
) -> FaultResult<()> {
    let id = InventoryId::from(coupon);
    let capacity = i32::try_from(copies).map_err(Fault::internal)?;
    let row = inventory::ActiveModel {
        id: Set(id),
        kind: Set(InventoryKind::Coupon),
        version: Set(1),
        capacity: Set(capacity),
        available: Set(capacity),
        reserved: Set(0),
        sold: Set(0),
        blocked: Set(0),
        public_available: Set(Some(capacity)),
        updated_at: Set(now),
    };
    inventory::Entity::insert(row).exec_without_returning(tx).await?;
    let row = area::ActiveModel {
        inventory_id: Set(id),
        ordinal: Set(COPIES),
        capacity: Set(capacity),
        reserved: Set(0),
        sold: Set(0),
    };
    area::Entity::insert(row).exec_without_returning(tx).await?;
    let change = Change { terms: true, areas: vec![(0, copies, 0, 0)], ..Change::default() };
    write::append_in_tx(tx, id, 1, &change, now).await
}

/// Changes the size of a coupon's stock, and makes every desk reload its terms. If more copies are taken, returns their
/// number as the error. Does nothing for an unpublished coupon.
pub(crate) async fn resize_stock_in_tx(
    tx: &Tx,
    coupon: CouponId,
    copies: u32,
    now: DateTime<Utc>,
) -> FaultResult<Result<(), u32>> {
    let id = InventoryId::from(coupon);
    // Lock the guard's row first, so that concurrent claims are either before or after this change.
    write::touch_in_tx(tx, id, now).await?;
    let Some(row) = inventory::Entity::find_by_id(id).one(tx).await? else { return Ok(Ok(())) };
    let capacity = i32::try_from(copies).map_err(Fault::internal)?;
    let (reserved, sold) = (unsigned(row.reserved), unsigned(row.sold));
    let Some(available) = copies.checked_sub(reserved + sold) else { return Ok(Err(reserved + sold)) };
    if row.capacity == capacity {
        return Ok(Ok(()));
    }
    inventory::Entity::update_many()
        .col_expr(inventory::Column::Version, Expr::value(row.version + 1))
        .col_expr(inventory::Column::Capacity, Expr::value(capacity))
        .col_expr(inventory::Column::Available, Expr::value(capacity - row.reserved - row.sold))
        .col_expr(inventory::Column::PublicAvailable, Expr::value(capacity - row.reserved - row.sold))
        .col_expr(inventory::Column::UpdatedAt, Expr::value(now))
        .filter(inventory::Column::Id.eq(id))
        .exec(tx)
        .await?;
    area::Entity::update_many()
        .col_expr(area::Column::Capacity, Expr::value(capacity))
        .filter(area::Column::InventoryId.eq(id))
        .filter(area::Column::Ordinal.eq(COPIES))
        .exec(tx)
        .await?;
    let change = Change { terms: true, areas: vec![(0, available, reserved, sold)], ..Change::default() };
    write::append_in_tx(tx, id, row.version + 1, &change, now).await?;
    Ok(Ok(()))
}

/// Returns the claims of the decisions.
pub(super) fn claims<'a>(decisions: impl Iterator<Item = &'a Decision>) -> Vec<&'a NewClaim> {
    decisions.flat_map(|decision| &decision.claims).map(AsRef::as_ref).collect()
}

/// Adds to a script of the inventory the claims with their codes, and the facts for their holders and the vendor.
pub(super) fn with_claims(script: Script, claims: &[&NewClaim], codes: Vec<String>) -> Script {
    const INSERT: &str = "INSERT INTO claim (id, coupon_id, shop_id, account_id, buyer_id, state, code, epoch, terms, \
        face_minor, balance_minor, valid_from, valid_until, claimed_at, version, updated_at) \
        SELECT id, $1, shop_id, account_id, account_id, 'claimed', code, 1, terms, NULLIF(face, 0), NULLIF(face, 0), \
        valid_from, valid_until, claimed_at, 1, claimed_at FROM {rows} AS r";
    if claims.is_empty() {
        return script;
    }
    let rows = Rows::default()
        .uuid("id", claims.iter().map(|claim| claim.id.0))
        .uuid("shop_id", claims.iter().map(|claim| claim.shop.0))
        .uuid("account_id", claims.iter().map(|claim| claim.buyer.0))
        .text("code", codes)
        .text("terms", claims.iter().map(|claim| claim.terms.as_ref().to_owned()))
        .long("face", claims.iter().map(|claim| claim.face.unwrap_or_default()))
        .time("valid_from", claims.iter().map(|claim| claim.valid_from))
        .optional_time("valid_until", claims.iter().map(|claim| claim.valid_until))
        .time("claimed_at", claims.iter().map(|claim| claim.at));
    let bags = claims.iter().map(|claim| (outbox::Kind::BagChanged, Some(claim.buyer.0)));
    let facts = bags.chain([(outbox::Kind::CouponChanged, None)]);
    outbox::record_all(script.with("claim", INSERT, rows), facts)
}

/// Writes the claims of the decisions in separate statements.
pub(super) async fn write_claims_in_tx<'a>(
    tx: &Tx,
    id: InventoryId,
    decisions: impl Iterator<Item = &'a Decision>,
    now: DateTime<Utc>,
) -> FaultResult<()> {
    let claims = claims(decisions);
    if claims.is_empty() {
        return Ok(());
    }
    let codes = codes::chosen_in_tx(tx, id, &claims).await?;
    let is_of_list = |(claim, _): &(&&NewClaim, &String)| !matches!(claim.code, NewClaimCode::Made(_));
    let taken = claims.iter().zip(&codes).filter(is_of_list);
    let taken = taken.map(|(claim, code)| (claim.shop, code.clone(), claim.id)).collect();
    let script = Script::new(vec![id.0.into(), now.into()]);
    with_claims(script, &claims, codes).run_in_tx(tx).await?;
    codes::take_in_tx(tx, taken).await
}

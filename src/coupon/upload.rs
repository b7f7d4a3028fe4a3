//! Codes that the vendor brings, all or none of an upload; and all codes of a coupon, given out.

use std::collections::BTreeMap;

use entity::{
    ClaimId, CouponId,
    claim::{self, ClaimState},
    coupon::{self, CodeSource, code},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    csv::{self, Faults, Why},
    edit::{locked_in_tx, managed, settle_stock_in_tx},
    follow,
    rules::{self, STOCK_MAX},
    state::standing,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, Faulty, Result},
    store::{Rows, Tx, save_versioned},
};

/// Codes per statement.
const CODES_PER_STATEMENT: usize = 5_000;

/// Why an upload was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Some of its lines are wrong, or all of it; nothing was stored.
    Lines(Faults),
    /// The coupon does not want any.
    Coupon(rules::Refusal),
}

/// What came of an upload.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The coupon, with as many copies more.
    pub coupon: coupon::Model,
    /// How many.
    pub count: usize,
}

/// Whether the viewer may see and upload the coupon's codes.
pub async fn may(app: &App, viewer: &Viewer, id: CouponId) -> Faulty<()> {
    managed(app, viewer, id).await.map(drop)
}

/// Takes in the codes of a CSV text, each for one claim. All or none.
pub async fn import(app: &App, viewer: &Viewer, id: CouponId, text: &[u8]) -> Result<Imported, Refusal> {
    let coupon = managed(app, viewer, id).await?;
    if coupon.codes == CodeSource::Generated {
        return Err(Fault::invalid("couponId", "the coupon makes its own codes").into());
    }
    let codes = csv::import(text).map_err(|faults| Error::Refused(Refusal::Lines(faults)))?;
    let count = i32::try_from(codes.len()).map_err(Fault::internal)?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let coupon = locked_in_tx(&tx, id).await?;
    rules::change(&coupon).map_err(|refusal| Error::Refused(Refusal::Coupon(refusal)))?;
    let before = coupon.stock.unwrap_or_default();
    let stock = before.checked_add(count).filter(|stock| *stock <= STOCK_MAX);
    let stock = stock.ok_or_else(|| Fault::invalid("csv", "the coupon would have too many codes"))?;
    let mut faults = Faults::default();
    let mut position = i64::from(before);
    for chunk in codes.chunks(CODES_PER_STATEMENT) {
        let written = insert_in_tx(&tx, id, position, chunk).await?;
        position += i64::try_from(chunk.len()).map_err(Fault::internal)?;
        if written < chunk.len() as u64 {
            taken_in_tx(&tx, id, chunk, &mut faults).await?;
        }
    }
    if faults.count > 0 {
        return Err(Error::Refused(Refusal::Lines(faults)));
    }
    let row = coupon::ActiveModel {
        id: Set(id),
        stock: Set(Some(stock)),
        updated_at: Set(now),
        ..Default::default()
    };
    let coupon = save_versioned::<coupon::Entity>(&tx, row, coupon.version, "coupon").await?;
    settle_stock_in_tx(&tx, &coupon, now).await.map_err(|error| error.map_refusal(Refusal::Coupon))?;
    tx.commit().await?;
    follow(app, id).await;
    Ok(Imported { coupon, count: codes.len() })
}

/// Inserts the codes that nobody has; says how many those were.
async fn insert_in_tx(tx: &Tx, id: CouponId, first: i64, codes: &[(u64, super::code::Code)]) -> Faulty<u64> {
    const INSERT: &str = "INSERT INTO coupon_code (code, coupon_id, position) \
        SELECT code, $1, position FROM {rows} AS r WHERE true ON CONFLICT (code) DO NOTHING";
    Ok(Rows::default()
        .text("code", codes.iter().map(|(_, code)| code.as_str().to_owned()))
        .long("position", (first..).take(codes.len()))
        .execute(tx, INSERT, vec![id.0.into()])
        .await?)
}

/// Notes those of the lines whose codes were there before this upload: those that it did not insert.
async fn taken_in_tx(
    tx: &Tx,
    id: CouponId,
    codes: &[(u64, super::code::Code)],
    faults: &mut Faults,
) -> Faulty<()> {
    const SELECT: &str = "SELECT r.line AS line FROM {rows} AS r \
        JOIN coupon_code AS c ON c.code = r.code \
        WHERE c.coupon_id <> $1 OR c.position < $2 ORDER BY r.line";
    let rows = Rows::default()
        .long("line", codes.iter().map(|(line, _)| i64::try_from(*line).unwrap_or(i64::MAX)))
        .text("code", codes.iter().map(|(_, code)| code.as_str().to_owned()));
    let before = coupon::Entity::find_by_id(id).one(tx).await?.and_then(|coupon| coupon.stock);
    let values = vec![id.0.into(), i64::from(before.unwrap_or_default()).into()];
    let statement = rows.statement(tx.get_database_backend(), SELECT, values);
    for row in tx.query_all_raw(statement).await? {
        let line: i64 = row.try_get("", "line")?;
        faults.add(line.unsigned_abs(), Why::Taken);
    }
    Ok(())
}

/// All codes of the coupon as CSV: where each claim stands, and for uploaded ones also those that nobody has yet.
pub async fn export(app: &App, viewer: &Viewer, id: CouponId) -> Faulty<Vec<u8>> {
    let coupon = managed(app, viewer, id).await?;
    let db = app.store.read();
    let claims = claim::Entity::find().filter(claim::Column::CouponId.eq(id));
    let claims = claims.order_by_asc(claim::Column::Id).all(db).await?;
    let now = app.clock.now();
    let mut rows: Vec<[String; 4]> = vec![["code", "state", "claimed_at", "redeemed_at"].map(str::to_owned)];
    let row = |claim: &claim::Model| {
        let redeemed = claim.redeemed_at.map(|at| at.to_rfc3339()).unwrap_or_default();
        [claim.code.clone(), name(standing(claim, now)).to_owned(), claim.claimed_at.to_rfc3339(), redeemed]
    };
    if coupon.codes == CodeSource::Generated {
        rows.extend(claims.iter().map(row));
    } else {
        let claims: BTreeMap<ClaimId, &claim::Model> = claims.iter().map(|claim| (claim.id, claim)).collect();
        let codes = code::Entity::find().filter(code::Column::CouponId.eq(id));
        for code in codes.order_by_asc(code::Column::Position).all(db).await? {
            let free = || [code.code.clone(), "free".to_owned(), String::new(), String::new()];
            rows.push(code.claim_id.and_then(|id| claims.get(&id)).map_or_else(free, |claim| row(claim)));
        }
    }
    csv::export(rows.iter().map(|row| row.iter().map(String::as_str)))
}

fn name(state: ClaimState) -> &'static str {
    match state {
        ClaimState::Claimed => "claimed",
        ClaimState::Reserved => "reserved",
        ClaimState::Redeemed => "redeemed",
        ClaimState::Expired => "expired",
        ClaimState::Revoked => "revoked",
        ClaimState::Released => "released",
    }
}

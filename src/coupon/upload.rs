//! The list of codes of a coupon: imports by the vendor, and codes that are generated in advance, for example for
//! printing.

use aws_lc_rs::digest::{SHA256, digest};
use entity::{
    CouponId, ShopId,
    coupon::{self, CodeSource},
};
use sea_orm::{ActiveValue::Set, ConnectionTrait};

use super::{
    by_id,
    code::Code,
    csv::{self, Faults, LineProblem},
    edit::{locked_in_tx, managed, settle_stock_in_tx},
    follow,
    rules::{self, CODES_MAX},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, FaultResult, Object, Result},
    idempotency::{self, Attempt, AttemptError, Key},
    store::{Rows, Tx, save_versioned},
};

/// Codes per statement.
const CODES_PER_STATEMENT: usize = 5_000;
/// Attempts, if another import adds some of the codes at the same time.
const TRIES: usize = 3;

/// Why no codes were added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Some lines of the import have faults. Nothing was stored.
    Lines(Faults),
    /// The coupon's state does not allow it.
    Coupon(rules::Refusal),
}

/// The input of [`import`].
#[derive(Clone, Debug)]
pub struct Upload {
    /// The coupon.
    pub coupon: CouponId,
    /// The CSV file.
    pub text: Vec<u8>,
    /// The caller's idempotency key, if any.
    pub key: Option<String>,
}

/// The input of [`generate`].
#[derive(Clone, Debug)]
pub struct Generate {
    /// The coupon.
    pub coupon: CouponId,
    /// The number of codes, 1–100,000.
    pub count: u32,
    /// The caller's idempotency key.
    pub key: String,
}

/// The result of adding codes.
#[derive(Clone, Debug)]
pub struct Added {
    /// The coupon with its new stock.
    pub coupon: coupon::Model,
    /// The number of codes that were added.
    pub count: usize,
}

/// The codes to add, each with its line in the import.
struct Batch {
    codes: Vec<(u64, Code)>,
    key: Option<Key>,
    /// The input field for a fault about the number of codes.
    path: &'static str,
}

/// The result of an attempt to store codes.
enum Written {
    Coupon(Box<coupon::Model>),
    /// Another import has added one of the codes meanwhile.
    Taken,
}

/// Returns the coupon's shop if the viewer may see and add the coupon's codes.
pub async fn authorise(app: &App, viewer: &Viewer, id: CouponId) -> FaultResult<ShopId> {
    Ok(managed(app, viewer, id).await?.shop_id)
}

/// Imports the codes of a CSV file, each for one claim. If a line has a fault, imports nothing.
pub async fn import(app: &App, viewer: &Viewer, upload: Upload) -> Result<Added, Refusal> {
    let coupon = listing(app, viewer, upload.coupon).await?;
    let text = upload.text;
    let (read, content) =
        tokio::task::spawn_blocking(move || (csv::import(&text), digest(&SHA256, &text).as_ref().to_vec()))
            .await
            .map_err(Fault::internal)?;
    let key = |key: String| Key::new(viewer.user()?, "importCouponCodes", &key, &(coupon.id, content));
    let key = upload.key.map(key).transpose()?;
    let codes = read.map_err(|faults| Error::Refused(Refusal::Lines(faults)))?;
    add(app, &coupon, Batch { codes, key, path: "csv" }).await
}

/// Generates unguessable codes and adds them to the list, each for one claim.
pub async fn generate(app: &App, viewer: &Viewer, input: Generate) -> Result<Added, Refusal> {
    let most = u32::try_from(csv::CODES_MAX).unwrap_or(u32::MAX);
    Check::default()
        .that((1..=most).contains(&input.count), "count", "must be between 1 and 100000")
        .done()?;
    let coupon = listing(app, viewer, input.coupon).await?;
    let asked = (coupon.id, input.count);
    let key = Key::new(viewer.user()?, "generateCouponCodes", &input.key, &asked)?;
    let maker = app.clone();
    let codes = tokio::task::spawn_blocking(move || {
        (0..u64::from(input.count)).map(|line| (line, Code::generated(maker.random()))).collect()
    });
    let codes = codes.await.map_err(Fault::internal)?;
    add(app, &coupon, Batch { codes, key: Some(key), path: "count" }).await
}

/// Returns the coupon if it has a list of codes and the viewer may change it.
async fn listing(app: &App, viewer: &Viewer, id: CouponId) -> FaultResult<coupon::Model> {
    let coupon = managed(app, viewer, id).await?;
    match coupon.codes {
        CodeSource::Uploaded => Ok(coupon),
        CodeSource::Generated => {
            Err(Fault::invalid("couponId", "the coupon generates its codes and has no list"))
        }
    }
}

async fn add(app: &App, coupon: &coupon::Model, batch: Batch) -> Result<Added, Refusal> {
    let count = batch.codes.len();
    let replay = |_| async { FaultResult::Ok(Added { coupon: by_id(app, coupon.id).await?, count }) };
    match &batch.key {
        Some(key) => idempotency::once(app, key, replay, Box::pin(attempt(app, coupon, &batch))).await,
        None => attempt(app, coupon, &batch).await.map_err(AttemptError::without_key),
    }
}

async fn attempt(app: &App, coupon: &coupon::Model, batch: &Batch) -> Attempt<Added, Refusal> {
    for _ in 0..TRIES {
        // Checked before the transaction blocks other writers. The primary key of the table guarantees uniqueness.
        let taken = taken(app, coupon.shop_id, &batch.codes).await?;
        if taken.count > 0 {
            return Err(Error::Refused(Refusal::Lines(taken)).into());
        }
        match write(app, coupon.id, batch).await? {
            Written::Coupon(coupon) => {
                follow(app, coupon.id).await;
                return Ok(Added { coupon: *coupon, count: batch.codes.len() });
            }
            Written::Taken => {}
        }
    }
    Err(Fault::unavailable().into())
}

/// Returns the lines whose codes the shop has already.
async fn taken(app: &App, shop: ShopId, codes: &[(u64, Code)]) -> FaultResult<Faults> {
    const SELECT: &str = "SELECT r.line AS line FROM {rows} AS r \
        JOIN coupon_code AS c ON c.shop_id = $1 AND c.code = r.code ORDER BY r.line";
    let mut faults = Faults::default();
    for chunk in codes.chunks(CODES_PER_STATEMENT) {
        let rows = Rows::default()
            .long("line", chunk.iter().map(|(line, _)| i64::try_from(*line).unwrap_or(i64::MAX)))
            .text("code", chunk.iter().map(|(_, code)| code.as_str().to_owned()));
        let statement = rows.statement(app.store.backend(), SELECT, vec![shop.0.into()]);
        for row in app.store.read().query_all_raw(statement).await? {
            let line: i64 = row.try_get("", "line")?;
            faults.add(line.unsigned_abs(), LineProblem::Taken);
        }
    }
    Ok(faults)
}

async fn write(app: &App, id: CouponId, batch: &Batch) -> Attempt<Written, Refusal> {
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    if let Some(key) = &batch.key {
        key.claim_in_tx(&tx, id.0, now).await?;
    }
    let coupon = locked_in_tx(&tx, id).await?;
    rules::change(&coupon).map_err(|refusal| Error::Refused(Refusal::Coupon(refusal)))?;
    let before = coupon.stock.unwrap_or_default();
    let count = i32::try_from(batch.codes.len()).map_err(Fault::internal)?;
    let stock = before.checked_add(count).filter(|stock| *stock <= CODES_MAX);
    let stock =
        stock.ok_or_else(|| Fault::invalid(batch.path, "the coupon would have more than 1000000 codes"))?;
    let mut position = i64::from(before);
    for chunk in batch.codes.chunks(CODES_PER_STATEMENT) {
        if insert_in_tx(&tx, &coupon, position, chunk).await? < chunk.len() as u64 {
            return Ok(Written::Taken);
        }
        position += i64::try_from(chunk.len()).map_err(Fault::internal)?;
    }
    let row = coupon::ActiveModel {
        id: Set(id),
        stock: Set(Some(stock)),
        updated_at: Set(now),
        ..Default::default()
    };
    let coupon = save_versioned::<coupon::Entity>(&tx, row, coupon.version, Object::Coupon).await?;
    settle_stock_in_tx(&tx, &coupon, now).await.map_err(|error| error.map_refusal(Refusal::Coupon))?;
    tx.commit().await?;
    Ok(Written::Coupon(Box::new(coupon)))
}

/// Inserts the codes that the shop does not have. Returns their number.
async fn insert_in_tx(
    tx: &Tx,
    coupon: &coupon::Model,
    first: i64,
    codes: &[(u64, Code)],
) -> FaultResult<u64> {
    const INSERT: &str = "INSERT INTO coupon_code (shop_id, code, coupon_id, position) \
        SELECT $1, code, $2, position FROM {rows} AS r WHERE true ON CONFLICT (shop_id, code) DO NOTHING";
    Ok(Rows::default()
        .text("code", codes.iter().map(|(_, code)| code.as_str().to_owned()))
        .long("position", (first..).take(codes.len()))
        .execute(tx, INSERT, vec![coupon.shop_id.0.into(), coupon.id.0.into()])
        .await?)
}

//! The list of codes of a coupon: imports by the vendor, and codes that are generated in advance, for example for
//! printing.

use aws_lc_rs::digest::{SHA256, digest};
use entity::{
    CouponId, ShopId,
    coupon::{self, CodeSource, code},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    by_id,
    code::Code,
    code_list::{self, Faults, LineProblem, Options, Reading},
    edit::{locked_in_tx, managed, settle_stock_in_tx},
    follow,
    rules::{self, CODES_MAX},
};
use crate::{
    app::App,
    auth::Viewer,
    call,
    error::{Check, Error, Fault, FaultResult, Object, Result},
    idempotency::{self, Attempt, AttemptError, Key},
    store::{Rows, Tx, save_versioned},
};

/// Codes per statement.
const CODES_PER_STATEMENT: usize = 5_000;
/// Attempts, if another import adds some of the codes at the same time.
const TRIES: usize = 3;
/// Codes that a preview shows.
const CODES_SHOWN: usize = 10;

/// Selects the lines whose codes the shop has.
///
/// A scalar subquery, not a join: SQLite may begin a join with all codes of the shop, and then parses the rows again for
/// each of them.
const TAKEN: &str = "SELECT line FROM (SELECT r.line AS line, \
    (SELECT 1 FROM coupon_code AS c WHERE c.shop_id = $1 AND c.code = r.code) AS is_taken \
    FROM {rows} AS r) AS looked_up WHERE is_taken = 1 ORDER BY line";

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
    /// The file.
    pub text: Vec<u8>,
    /// What the sender says about the file.
    pub options: Options,
    /// Whether the file is only checked.
    pub dry_run: bool,
    /// The caller's idempotency key, if any.
    pub key: Option<String>,
}

/// The result of an import.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The codes that were added: none if the file was only checked.
    pub added: Added,
    /// How the file was read.
    pub preview: Preview,
}

/// How a file was read, for the sender to check.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The number of codes.
    pub count: usize,
    /// The first codes.
    pub first_codes: Vec<String>,
    /// The format of the file, and the lines that are not codes.
    pub reading: Reading,
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

/// Imports the codes of a file, each for one claim. If a line has a fault, imports nothing. A dry run checks the file and
/// stores nothing.
pub async fn import(app: &App, viewer: &Viewer, upload: Upload) -> Result<Imported, Refusal> {
    let coupon = listing(app, viewer, upload.coupon).await?;
    let Upload { text, options, dry_run, .. } = upload;
    let said = options.clone();
    let read = move || (code_list::read(&text, &options), digest(&SHA256, &text).as_ref().to_vec());
    let (list, content) = tokio::task::spawn_blocking(read).await.map_err(Fault::internal)?;
    let key = |key: String| {
        let (user, operation) = (viewer.user()?, "importCouponCodes");
        if said == Options::default() {
            Key::new(user, operation, &key, &(coupon.id, content))
        } else {
            Key::new(user, operation, &key, &(coupon.id, content, said))
        }
    };
    let key = upload.key.filter(|_| !dry_run).map(key).transpose()?;
    let list = list.map_err(|faults| Error::Refused(Refusal::Lines(faults)))?;
    let first_codes = list.codes.iter().take(CODES_SHOWN).map(|(_, code)| code.to_string()).collect();
    let preview = Preview { count: list.codes.len(), first_codes, reading: list.reading };
    let batch = Batch { codes: list.codes, key, path: "csv" };
    let added = if dry_run { check(app, coupon, &batch).await? } else { add(app, &coupon, batch).await? };
    Ok(Imported { added, preview })
}

/// Checks whether the codes can be added. Stores nothing.
async fn check(app: &App, coupon: coupon::Model, batch: &Batch) -> Result<Added, Refusal> {
    rules::change(&coupon).map_err(|refusal| Error::Refused(Refusal::Coupon(refusal)))?;
    stock_with(&coupon, batch)?;
    let taken = taken(app, coupon.shop_id, &batch.codes).await?;
    if taken.count > 0 { Err(Error::Refused(Refusal::Lines(taken))) } else { Ok(Added { coupon, count: 0 }) }
}

/// Generates unguessable codes and adds them to the list, each for one claim.
pub async fn generate(app: &App, viewer: &Viewer, input: Generate) -> Result<Added, Refusal> {
    let most = u32::try_from(code_list::CODES_MAX).unwrap_or(u32::MAX);
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
    let mut faults = Faults::default();
    for chunk in codes.chunks(CODES_PER_STATEMENT) {
        // The client may have left meanwhile.
        call::check()?;
        let rows = Rows::default()
            .long("line", chunk.iter().map(|(line, _)| i64::try_from(*line).unwrap_or(i64::MAX)))
            .text("code", chunk.iter().map(|(_, code)| code.as_str().to_owned()));
        let statement = rows.statement(app.store.backend(), TAKEN, vec![shop.0.into()]);
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
    let stock = stock_with(&coupon, batch)?;
    let mut position = next_position_in_tx(&tx, id).await?;
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

/// Returns the stock with the codes of the batch.
fn stock_with(coupon: &coupon::Model, batch: &Batch) -> FaultResult<i32> {
    let count = i32::try_from(batch.codes.len()).map_err(Fault::internal)?;
    let stock = coupon.stock.unwrap_or_default().checked_add(count).filter(|stock| *stock <= CODES_MAX);
    stock.ok_or_else(|| Fault::invalid(batch.path, "the coupon would have more than 1000000 codes"))
}

/// Returns the position after the last code of the list. Withdrawn codes leave gaps, so it may exceed the stock.
async fn next_position_in_tx(tx: &Tx, id: CouponId) -> FaultResult<i64> {
    let last = code::Entity::find()
        .filter(code::Column::CouponId.eq(id))
        .order_by_desc(code::Column::Position)
        .one(tx)
        .await?;
    Ok(last.map_or(0, |last| last.position + 1))
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::plans;

    /// Issue 13: 1,000 codes beside 100,000 took 18 seconds, because SQLite compared each with each.
    #[tokio::test]
    async fn taken_codes_are_looked_up_by_their_key() {
        let rows = Rows::default().long("line", [1]).text("code", ["CODE-1".to_owned()]);
        let plan = plans::of(rows, TAKEN, vec![Uuid::nil().into()]).await;
        plans::assert_reads_by(&plan, "coupon_code", "shop_id=? AND code=?");
    }
}

//! Codes that are there before any claim: brought by the vendor, all or none of an upload, or made ahead to be printed.

use aws_lc_rs::digest::{SHA256, digest};
use entity::{
    CouponId, ShopId,
    coupon::{self, CodeSource},
};
use sea_orm::{ActiveValue::Set, ConnectionTrait};

use super::{
    by_id,
    code::Code,
    csv::{self, Faults, Why},
    edit::{locked_in_tx, managed, settle_stock_in_tx},
    follow,
    rules::{self, CODES_MAX},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, Faulty, Result},
    idempotency::Key,
    store::{Rows, Tx, save_versioned},
};

/// Codes per statement.
const CODES_PER_STATEMENT: usize = 5_000;
/// How often codes are looked at again because somebody else brought some of them at the same moment.
const TRIES: usize = 3;

/// Why no codes were added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Some of the upload's lines are wrong, or all of it; nothing was stored.
    Lines(Faults),
    /// The coupon does not want any.
    Coupon(rules::Refusal),
}

/// Codes that a vendor brings.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Of which coupon.
    pub coupon: CouponId,
    /// As CSV.
    pub text: Vec<u8>,
    /// The caller's idempotency key, if there is one.
    pub key: Option<String>,
}

/// Codes to be made ahead.
#[derive(Clone, Debug)]
pub struct Generate {
    /// Of which coupon.
    pub coupon: CouponId,
    /// How many.
    pub count: u32,
    /// The caller's idempotency key.
    pub key: String,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Added {
    /// The coupon, with as many copies more.
    pub coupon: coupon::Model,
    /// How many.
    pub count: usize,
}

/// Codes that are to be added, each with its line in an upload.
struct Batch {
    codes: Vec<(u64, Code)>,
    key: Option<Key>,
    /// Where the input says how many they are.
    path: &'static str,
}

/// What came of a try to write.
enum Written {
    Coupon(Box<coupon::Model>),
    /// Somebody else brought one of the codes meanwhile.
    Taken,
    /// The key was used meanwhile.
    KeyUsed,
}

/// Makes sure that the viewer may see and add the coupon's codes; tells whose they are.
pub async fn may(app: &App, viewer: &Viewer, id: CouponId) -> Faulty<ShopId> {
    Ok(managed(app, viewer, id).await?.shop_id)
}

/// Takes in the codes of a CSV text, each for one claim. All or none.
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

/// Adds codes that are made here, unguessable, each for one claim.
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

/// The coupon, if the viewer may change it and it has a list of codes.
async fn listing(app: &App, viewer: &Viewer, id: CouponId) -> Faulty<coupon::Model> {
    let coupon = managed(app, viewer, id).await?;
    match coupon.codes {
        CodeSource::Uploaded => Ok(coupon),
        CodeSource::Generated => Err(Fault::invalid("couponId", "the coupon makes its own codes")),
    }
}

async fn add(app: &App, coupon: &coupon::Model, batch: Batch) -> Result<Added, Refusal> {
    let count = batch.codes.len();
    for _ in 0..TRIES {
        if let Some(key) = &batch.key
            && key.subject(app.store.read()).await?.is_some()
        {
            return Ok(Added { coupon: by_id(app, coupon.id).await?, count });
        }
        // Looked up before anybody is kept from writing; that none is there twice is held by the key of the table.
        let taken = taken(app, coupon.shop_id, &batch.codes).await?;
        if taken.count > 0 {
            return Err(Error::Refused(Refusal::Lines(taken)));
        }
        match write(app, coupon.id, &batch).await? {
            Written::Coupon(coupon) => {
                follow(app, coupon.id).await;
                return Ok(Added { coupon: *coupon, count });
            }
            Written::Taken | Written::KeyUsed => {}
        }
    }
    Err(Fault::unavailable().into())
}

/// Those of the lines whose codes the shop has already.
async fn taken(app: &App, shop: ShopId, codes: &[(u64, Code)]) -> Faulty<Faults> {
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
            faults.add(line.unsigned_abs(), Why::Taken);
        }
    }
    Ok(faults)
}

async fn write(app: &App, id: CouponId, batch: &Batch) -> Result<Written, Refusal> {
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    if let Some(key) = &batch.key
        && !key.claim_in_tx(&tx, id.0, now).await?
    {
        return Ok(Written::KeyUsed);
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
    let coupon = save_versioned::<coupon::Entity>(&tx, row, coupon.version, "coupon").await?;
    settle_stock_in_tx(&tx, &coupon, now).await.map_err(|error| error.map_refusal(Refusal::Coupon))?;
    tx.commit().await?;
    Ok(Written::Coupon(Box::new(coupon)))
}

/// Inserts the codes that nobody in the shop has; says how many those were.
async fn insert_in_tx(tx: &Tx, coupon: &coupon::Model, first: i64, codes: &[(u64, Code)]) -> Faulty<u64> {
    const INSERT: &str = "INSERT INTO coupon_code (shop_id, code, coupon_id, position) \
        SELECT $1, code, $2, position FROM {rows} AS r WHERE true ON CONFLICT (shop_id, code) DO NOTHING";
    Ok(Rows::default()
        .text("code", codes.iter().map(|(_, code)| code.as_str().to_owned()))
        .long("position", (first..).take(codes.len()))
        .execute(tx, INSERT, vec![coupon.shop_id.0.into(), coupon.id.0.into()])
        .await?)
}

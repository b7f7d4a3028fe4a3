//! Claims: a coupon in the hands of its holder, from the claim to its end.
//!
//! Stock and limit are the desk's; everything that becomes of a claim afterwards is guarded by its own version.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{
    AccountId, ClaimId, CouponId, ReservationId,
    claim::{self, ClaimState},
    coupon::{self, CodeSource},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Func, Order, Query, WindowStatement},
};
use uuid::Uuid;

pub use super::refusal::Refusal;
use super::{by_id as coupon_by_id, code::Code, find, promise, refusal::refused, state::standing, throttle};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, Faulty, Result},
    idempotency::Key,
    inventory::{
        self, Command, NewClaimCode, Pick, Place, Reservation,
        transaction::{Companion, InventoryTransaction, TransactionError, transact},
    },
    outbox,
    page::{self, Page, Window},
    store::{Tx, save_versioned},
    telemetry::log_fault,
};

/// How often a claim is made out anew because the coupon was changed meanwhile.
pub(super) const TRIES: usize = 8;
/// Claims that one round of the worker writes down as expired.
const EXPIRE_BATCH: u64 = 500;

/// What to claim.
#[derive(Clone, Debug)]
pub struct ClaimCoupon {
    /// Of which coupon.
    pub coupon: CouponId,
    /// The caller's idempotency key.
    pub key: String,
}

/// What to reserve.
#[derive(Clone, Debug)]
pub struct ReserveCoupon {
    /// Of which coupon.
    pub coupon: CouponId,
    /// How many.
    pub quantity: u32,
    /// The caller's idempotency key.
    pub key: String,
}

/// Puts one copy of a free coupon into the viewer's bag.
pub async fn claim(app: &App, viewer: &Viewer, input: ClaimCoupon) -> Result<claim::Model, Refusal> {
    let buyer = viewer.account()?;
    let key = Key::new(buyer, "claimCoupon", &input.key, &input.coupon)?;
    for _ in 0..TRIES {
        let promise = promise::current(app, input.coupon, |coupon| is_free(coupon) && coupon.listed).await?;
        let why = if !find::is_offered(app, viewer, &promise.coupon).await? {
            Some(Error::Fault(Fault::NotFound("coupon")))
        } else if !is_free(&promise.coupon) {
            Some(Error::Refused(Refusal::NotFree))
        } else {
            None
        };
        if let Some(why) = why {
            return match key.subject(app.store.read()).await? {
                Some(subject) => replayed(app, buyer, subject).await,
                None => Err(why),
            };
        }
        let counted = match throttle::begin_claim(app, viewer, input.coupon).await {
            Ok(counted) => counted,
            Err(fault) => {
                return match key.subject(app.store.read()).await? {
                    Some(subject) => replayed(app, buyer, subject).await,
                    None => Err(fault.into()),
                };
            }
        };
        let wish = Wish { buyer, code: None, key: Some(key.clone()) };
        match grant(app, &promise, wish).await {
            Ok(Some(claim)) => return Ok(claim),
            // Only what was claimed counts.
            Ok(None) => counted.forgive().await,
            Err(error) => {
                counted.forgive().await;
                return Err(error);
            }
        }
    }
    Err(Fault::unavailable().into())
}

/// What was claimed under the key before. Given away since, it is the other's business what becomes of it.
pub(super) async fn replayed(app: &App, buyer: AccountId, subject: Uuid) -> Result<claim::Model, Refusal> {
    let claim = by_id(app, ClaimId(subject)).await?;
    if claim.account_id == buyer { Ok(claim) } else { Err(Error::Refused(Refusal::Gone)) }
}

/// Who wants a copy of a free coupon.
pub(super) struct Wish {
    /// For whom.
    pub(super) buyer: AccountId,
    /// With this code of the coupon's list; none: with whichever comes.
    pub(super) code: Option<Code>,
    /// The caller's idempotency key.
    pub(super) key: Option<Key>,
}

/// One try to give a copy of a free coupon away; none if the coupon is not any more what was promised.
pub(super) async fn grant(
    app: &App,
    promise: &promise::Promise,
    wish: Wish,
) -> Result<Option<claim::Model>, Refusal> {
    let id = ClaimId(app.clock.new_uuid());
    let row = promise.made_out(app, id, wish.buyer);
    let code = match (wish.code, promise.coupon.codes) {
        (Some(code), _) => NewClaimCode::Listed(code.into_string()),
        (None, CodeSource::Generated) => NewClaimCode::Made(row.code.clone()),
        (None, CodeSource::Uploaded) => NewClaimCode::Next,
    };
    // Which one of the list it became was decided in the commit.
    let is_known = matches!(code, NewClaimCode::Made(_));
    let command = Command::Claim(Arc::new(promise.granted(&row, code)));
    let key_claim = wish.key.clone().map(|key| (key, id.0));
    let parts = vec![(promise.coupon.id.into(), vec![command])];
    match transact(app, InventoryTransaction { parts, companion: None, key: key_claim }).await {
        Ok(_) => {
            app.outbox.wake();
            Ok(Some(if is_known { row } else { by_id(app, id).await? }))
        }
        Err(TransactionError::Refused(inventory::Refusal::TermsChanged)) => {
            promise::forget(app, promise.coupon.id);
            Ok(None)
        }
        Err(TransactionError::Refused(refusal)) => Err(Error::Refused(refused(&refusal))),
        Err(TransactionError::KeyUsed) => {
            let key = wish.key.ok_or_else(Fault::unavailable)?;
            let subject = key.subject(app.store.read()).await?.ok_or_else(Fault::unavailable)?;
            replayed(app, wish.buyer, subject).await.map(Some)
        }
        Err(TransactionError::Fault(fault)) => Err(fault.into()),
    }
}

/// Reserves copies of a coupon that costs something, as seats are reserved: to be ordered and paid.
pub async fn reserve(app: &App, viewer: &Viewer, input: ReserveCoupon) -> Result<Reservation, Refusal> {
    let buyer = viewer.account()?;
    let most = u32::try_from(inventory::PLACES_MAX).unwrap_or(u32::MAX);
    Check::default()
        .that((1..=most).contains(&input.quantity), "quantity", "must be between 1 and 100")
        .done()?;
    let key = Key::new(buyer, "reserveCoupon", &input.key, &(input.coupon, input.quantity))?;
    let id = ReservationId(app.clock.new_uuid());
    for _ in 0..TRIES {
        let promise = promise::current(app, input.coupon, |coupon| !is_free(coupon) && coupon.listed).await?;
        if !find::is_offered(app, viewer, &promise.coupon).await? {
            return reserved(app, &key).await?.ok_or(Fault::NotFound("coupon").into());
        }
        if is_free(&promise.coupon) {
            return reserved(app, &key).await?.ok_or(Error::Refused(Refusal::Free));
        }
        let pick = Pick::Admission { area: 0, quantity: input.quantity };
        let coupon_terms = Some(Arc::new(promise.promised()?));
        let caller = inventory::caller(app, viewer, input.coupon.into(), false)?;
        let command = Command::Reserve { id, caller, pick, opened: Vec::new(), coupon_terms };
        let parts = vec![(input.coupon.into(), vec![command])];
        match transact(app, InventoryTransaction { parts, companion: None, key: Some((key.clone(), id.0)) })
            .await
        {
            Ok(_) => return Ok(inventory::by_id(app, id).await?),
            Err(TransactionError::Refused(inventory::Refusal::TermsChanged)) => {
                promise::forget(app, input.coupon);
            }
            Err(TransactionError::Refused(refusal)) => return Err(Error::Refused(refused(&refusal))),
            Err(TransactionError::KeyUsed) => {
                return reserved(app, &key).await?.ok_or_else(|| Fault::unavailable().into());
            }
            Err(TransactionError::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::unavailable().into())
}

/// What was reserved under the key before.
async fn reserved(app: &App, key: &Key) -> Faulty<Option<Reservation>> {
    match key.subject(app.store.read()).await? {
        Some(subject) => inventory::by_id(app, ReservationId(subject)).await.map(Some),
        None => Ok(None),
    }
}

/// Whether the coupon costs nothing.
pub(super) fn is_free(coupon: &coupon::Model) -> bool {
    coupon.price_minor == 0
}

/// Gives an unused free claim of the viewer's back: whoever comes next may have it. Given back before, it stays so.
pub async fn release(app: &App, viewer: &Viewer, id: ClaimId) -> Result<claim::Model, Refusal> {
    let claim = owned(app, viewer, id).await?;
    if claim.state == ClaimState::Released {
        return Ok(claim);
    }
    usable(&claim, app.clock.now()).map_err(Error::Refused)?;
    let coupon = coupon_by_id(app, claim.coupon_id).await?;
    // A code of the list is known to its holder now, and must not become another's.
    if claim.order_line_id.is_some() || coupon.codes == CodeSource::Uploaded {
        return Err(Error::Refused(Refusal::NotReleasable));
    }
    if claim.balance_minor != claim.face_minor {
        return Err(Error::Refused(Refusal::Used));
    }
    let places = vec![Place::Area { ordinal: 0, quantity: 1 }];
    let command = Command::ReturnPlaces { buyer: claim.buyer_id, places };
    let now = app.clock.now();
    let companion: Companion = Box::new(move |tx, _| {
        let claim = claim.clone();
        Box::pin(async move {
            let change = |row: &mut claim::ActiveModel| row.state = Set(ClaimState::Released);
            change_in_tx(tx, &claim, now, change).await.map(drop)
        })
    });
    let transaction = InventoryTransaction {
        parts: vec![(coupon.id.into(), vec![command])],
        companion: Some(companion),
        key: None,
    };
    match transact(app, transaction).await {
        Ok(_) => {
            app.outbox.wake();
            Ok(by_id(app, id).await?)
        }
        // Used, shared or given back meanwhile: say which.
        Err(TransactionError::Refused(_) | TransactionError::Fault(Fault::Stale(_))) => {
            let claim = owned(app, viewer, id).await?;
            match (claim.state, usable(&claim, app.clock.now())) {
                (ClaimState::Released, _) => Ok(claim),
                (_, Err(refusal)) => Err(Error::Refused(refusal)),
                (_, Ok(())) => Err(Fault::unavailable().into()),
            }
        }
        Err(TransactionError::KeyUsed) => Err(Fault::unavailable().into()),
        Err(TransactionError::Fault(fault)) => Err(fault.into()),
    }
}

/// Whether the claim is in its holder's hands, its time is not up, and no use was made of it that is for good. An access
/// code that opened places goes on opening them, but is its holder's from then on.
pub fn usable(claim: &claim::Model, now: DateTime<Utc>) -> std::result::Result<(), Refusal> {
    match standing(claim, now) {
        ClaimState::Claimed if claim.opened_at.is_some() => Err(Refusal::Used),
        ClaimState::Claimed => Ok(()),
        ClaimState::Reserved => Err(Refusal::InOrder { order: claim.order_id }),
        ClaimState::Redeemed => Err(Refusal::Used),
        ClaimState::Expired => Err(Refusal::Expired),
        ClaimState::Revoked | ClaimState::Released => Err(Refusal::Gone),
    }
}

/// The claim, if the viewer holds it; for everybody else there is none.
pub async fn owned(app: &App, viewer: &Viewer, id: ClaimId) -> Faulty<claim::Model> {
    let account = viewer.account()?;
    let claim = by_id(app, id).await?;
    if claim.account_id == account { Ok(claim) } else { Err(Fault::NotFound("claim")) }
}

/// The claim, whoever holds it.
pub(crate) async fn by_id(app: &App, id: ClaimId) -> Faulty<claim::Model> {
    claim::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound("claim"))
}

/// The claims that the account holds, newest first; those that it gave back or that were taken from it are not there.
pub async fn of_account(app: &App, account: AccountId, window: Window<Uuid>) -> Faulty<Page<claim::Model>> {
    let select = claim::Entity::find()
        .filter(claim::Column::AccountId.eq(account))
        .filter(claim::Column::State.is_not_in([ClaimState::Released, ClaimState::Revoked]));
    page::read(app.store.read(), select, claim::Column::Id, true, window).await
}

/// Of each of these coupons the first so many claims that the account holds and can still use, oldest first.
pub async fn live_of(
    app: &App,
    account: AccountId,
    coupons: Vec<CouponId>,
    first: u32,
) -> Faulty<Vec<claim::Model>> {
    let in_time = Condition::any()
        .add(claim::Column::ValidUntil.is_null())
        .add(claim::Column::ValidUntil.gt(app.clock.now()));
    let claimed = Condition::all().add(claim::Column::State.eq(ClaimState::Claimed)).add(in_time);
    let each =
        WindowStatement::partition_by(claim::Column::CouponId).order_by(claim::Column::Id, Order::Asc).take();
    let ranked = Query::select()
        .column(claim::Column::Id)
        .expr_window_as(Func::cust("ROW_NUMBER"), each, "place")
        .from(claim::Entity)
        .cond_where(claim::Column::AccountId.eq(account))
        .cond_where(claim::Column::CouponId.is_in(coupons))
        .cond_where(Condition::any().add(claimed).add(claim::Column::State.eq(ClaimState::Reserved)))
        .take();
    let among = Query::select()
        .column(claim::Column::Id)
        .from_subquery(ranked, "ranked")
        .and_where(Expr::col("place").lte(first))
        .take();
    Ok(claim::Entity::find()
        .filter(claim::Column::Id.in_subquery(among))
        .order_by_asc(claim::Column::Id)
        .all(app.store.read())
        .await?)
}

/// Writes down the claims whose time is up, and tells their holders; says how many.
///
/// Correctness does not wait for this: past its time a claim is refused everywhere.
pub async fn expire_due(app: &App) -> Faulty<usize> {
    let now = app.clock.now();
    let due = claim::Entity::find()
        .filter(claim::Column::State.eq(ClaimState::Claimed))
        .filter(claim::Column::ValidUntil.lte(now))
        .order_by_asc(claim::Column::ValidUntil)
        .limit(EXPIRE_BATCH)
        .all(app.store.read())
        .await?;
    for claim in &due {
        let tx = app.store.begin().await?;
        let change = |row: &mut claim::ActiveModel| row.state = Set(ClaimState::Expired);
        match change_in_tx(&tx, claim, now, change).await {
            Ok(_) => tx.commit().await?,
            // Another instance was first.
            Err(Fault::Stale(_)) => {}
            // One claim in trouble is no reason to leave the others.
            Err(fault) => log_fault!(&fault, claim = %claim.id.0, "a claim could not be ended"),
        }
    }
    if !due.is_empty() {
        app.outbox.wake();
    }
    Ok(due.len())
}

/// Changes the claim from how it was read, and tells its holder and the vendor.
pub(crate) async fn change_in_tx(
    tx: &Tx,
    claim: &claim::Model,
    now: DateTime<Utc>,
    change: impl FnOnce(&mut claim::ActiveModel),
) -> Faulty<claim::Model> {
    let mut row = claim.clone().into_active_model();
    change(&mut row);
    row.updated_at = Set(now);
    let changed = save_versioned::<claim::Entity>(tx, row, claim.version, "claim").await?;
    let holders = if changed.account_id == claim.account_id {
        vec![claim.account_id.0]
    } else {
        vec![claim.account_id.0, changed.account_id.0]
    };
    outbox::record_all_in_tx(tx, outbox::Kind::BagChanged, holders, now).await?;
    outbox::record_in_tx(tx, outbox::Kind::CouponChanged, claim.coupon_id.0, now).await?;
    Ok(changed)
}

//! Claims: an account's copies of coupons, from the claim to the end.
//!
//! The desk enforces stock and limits. Later changes of a claim are guarded by the claim's version.

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
use super::{
    by_id as coupon_by_id, code::Code, find, offer_terms, refusal::refused, state::claim_status, throttle,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, FaultResult, Object, Result},
    idempotency::{self, Attempt, Key},
    inventory::{
        self, Command, NewClaimCode, Pick, Place, Reservation,
        transaction::{Companion, InventoryTransaction, TransactionError, transact},
    },
    outbox,
    page::{self, Direction, Page, Window},
    store::{Tx, save_versioned},
    telemetry::log_fault,
};

/// Attempts to claim or reserve, if the coupon changes at the same time.
pub(super) const TRIES: usize = 8;
/// Claims that [`expire_due`] expires at a time.
const EXPIRE_BATCH: u64 = 500;

/// The input of [`claim()`].
#[derive(Clone, Debug)]
pub struct ClaimCoupon {
    /// The coupon.
    pub coupon: CouponId,
    /// The caller's idempotency key.
    pub key: String,
}

/// The input of [`reserve`].
#[derive(Clone, Debug)]
pub struct ReserveCoupon {
    /// The coupon.
    pub coupon: CouponId,
    /// The number of copies.
    pub quantity: u32,
    /// The caller's idempotency key.
    pub key: String,
}

/// Claims one copy of a free coupon for the viewer.
pub async fn claim(app: &App, viewer: &Viewer, input: ClaimCoupon) -> Result<claim::Model, Refusal> {
    let buyer = viewer.account()?;
    let key = Key::new(buyer, "claimCoupon", &input.key, &input.coupon)?;
    let replay = |subject| replayed(app, buyer, subject);
    let attempt = Box::pin(attempt(app, viewer, input.coupon, &key));
    idempotency::attempt_first(app, &key, replay, attempt).await
}

async fn attempt(app: &App, viewer: &Viewer, id: CouponId, key: &Key) -> Attempt<claim::Model, Refusal> {
    let buyer = viewer.account()?;
    for _ in 0..TRIES {
        let snapshot = offer_terms::current(app, id, |coupon| is_free(coupon) && coupon.listed).await?;
        if !find::is_offered(app, viewer, &snapshot.coupon).await? {
            return Err(Fault::NotFound(Object::Coupon).into());
        }
        if !is_free(&snapshot.coupon) {
            return Err(Error::Refused(Refusal::NotFree).into());
        }
        let counted = throttle::begin_claim(app, viewer, id).await?;
        let request = ClaimRequest { buyer, code: None, key: Some(key.clone()) };
        match grant(app, &snapshot, request).await {
            Ok(Some(claim)) => return Ok(claim),
            // Only successful claims count towards the limit.
            Ok(None) => counted.forgive().await,
            Err(error) => {
                counted.forgive().await;
                return Err(error);
            }
        }
    }
    Err(Fault::unavailable().into())
}

/// Returns the claim that an earlier call with the same key made. If the buyer has given it away since, refuses.
pub(super) async fn replayed(app: &App, buyer: AccountId, subject: Uuid) -> Result<claim::Model, Refusal> {
    let claim = by_id(app, ClaimId(subject)).await?;
    if claim.account_id == buyer { Ok(claim) } else { Err(Error::Refused(Refusal::Gone)) }
}

/// A request for a copy of a free coupon.
pub(super) struct ClaimRequest {
    /// The account that gets the claim.
    pub(super) buyer: AccountId,
    /// A code of the coupon's list. `None` for the next one, or a generated one.
    pub(super) code: Option<Code>,
    /// The caller's idempotency key.
    pub(super) key: Option<Key>,
}

/// Tries once to claim a copy of a free coupon. Returns `None` if the coupon has changed since the snapshot.
pub(super) async fn grant(
    app: &App,
    snapshot: &offer_terms::TermsSnapshot,
    request: ClaimRequest,
) -> Attempt<Option<claim::Model>, Refusal> {
    let id = ClaimId(app.clock.new_uuid());
    let row = snapshot.new_claim(app, id, request.buyer);
    let code = match (request.code, snapshot.coupon.codes) {
        (Some(code), _) => NewClaimCode::Listed(code.into_string()),
        (None, CodeSource::Generated) => NewClaimCode::Made(row.code.clone()),
        (None, CodeSource::Uploaded) => NewClaimCode::Next,
    };
    // A code of the list is assigned in the commit.
    let is_known = matches!(code, NewClaimCode::Made(_));
    let command = Command::Claim(Arc::new(snapshot.granted(&row, code)));
    let key_claim = request.key.map(|key| (key, id.0));
    let parts = vec![(snapshot.coupon.id.into(), vec![command])];
    match transact(app, InventoryTransaction::new(parts, key_claim)).await {
        Ok(_) => {
            app.outbox.wake();
            Ok(Some(if is_known { row } else { by_id(app, id).await? }))
        }
        Err(TransactionError::Refused(inventory::Refusal::TermsChanged)) => {
            offer_terms::forget(app, snapshot.coupon.id);
            Ok(None)
        }
        Err(error) => Err(error.of_one_desk(|refusal| refused(&refusal))),
    }
}

/// Reserves copies of a coupon that has a price, as seats are reserved. The buyer then orders and pays them.
pub async fn reserve(app: &App, viewer: &Viewer, input: ReserveCoupon) -> Result<Reservation, Refusal> {
    let buyer = viewer.account()?;
    let most = u32::try_from(inventory::PLACES_MAX).unwrap_or(u32::MAX);
    Check::default()
        .that((1..=most).contains(&input.quantity), "quantity", "must be between 1 and 100")
        .done()?;
    let key = Key::new(buyer, "reserveCoupon", &input.key, &(input.coupon, input.quantity))?;
    let replay = |subject| inventory::by_id(app, ReservationId(subject));
    let attempt = Box::pin(attempt_reserve(app, viewer, &input, &key));
    idempotency::attempt_first(app, &key, replay, attempt).await
}

async fn attempt_reserve(
    app: &App,
    viewer: &Viewer,
    input: &ReserveCoupon,
    key: &Key,
) -> Attempt<Reservation, Refusal> {
    let id = ReservationId(app.clock.new_uuid());
    for _ in 0..TRIES {
        let snapshot =
            offer_terms::current(app, input.coupon, |coupon| !is_free(coupon) && coupon.listed).await?;
        if !find::is_offered(app, viewer, &snapshot.coupon).await? {
            return Err(Fault::NotFound(Object::Coupon).into());
        }
        if is_free(&snapshot.coupon) {
            return Err(Error::Refused(Refusal::Free).into());
        }
        let pick = Pick::Admission { area: 0, quantity: input.quantity };
        let coupon_terms = Some(Arc::new(snapshot.for_reservation()?));
        let caller = inventory::caller(app, viewer, input.coupon.into(), false)?;
        let command = Command::Reserve { id, caller, pick, opened: Vec::new(), coupon_terms, map: None };
        let parts = vec![(input.coupon.into(), vec![command])];
        match transact(app, InventoryTransaction::new(parts, Some((key.clone(), id.0)))).await {
            Ok(_) => return Ok(inventory::by_id(app, id).await?),
            Err(TransactionError::Refused(inventory::Refusal::TermsChanged)) => {
                offer_terms::forget(app, input.coupon);
            }
            Err(error) => return Err(error.of_one_desk(|refusal| refused(&refusal))),
        }
    }
    Err(Fault::unavailable().into())
}

/// Returns whether the coupon costs nothing.
pub(super) fn is_free(coupon: &coupon::Model) -> bool {
    coupon.price_minor == 0
}

/// Releases an unused free claim of the viewer: its copy goes back to the stock. If it is released already, returns it.
pub async fn release(app: &App, viewer: &Viewer, id: ClaimId) -> Result<claim::Model, Refusal> {
    let claim = owned(app, viewer, id).await?;
    if claim.state == ClaimState::Released {
        return Ok(claim);
    }
    usable(&claim, app.clock.now()).map_err(Error::Refused)?;
    let coupon = coupon_by_id(app, claim.coupon_id).await?;
    // The holder knows the code of the list, so no other buyer may get it.
    if claim.order_line_id.is_some() || coupon.codes == CodeSource::Uploaded {
        return Err(Error::Refused(Refusal::NotReleasable));
    }
    if claim.balance_minor != claim.face_minor {
        return Err(Error::Refused(Refusal::Used));
    }
    let places = vec![Place::Area { ordinal: 0, quantity: 1 }];
    let mut commands = vec![Command::ReturnPlaces { buyer: claim.buyer_id, places }];
    if claim.account_id != claim.buyer_id {
        commands.push(Command::Transfer { giver: Some(claim.account_id), taker: None });
    }
    let now = app.clock.now();
    let companion: Companion = Box::new(move |tx, _| {
        let claim = claim.clone();
        Box::pin(async move {
            let change = |row: &mut claim::ActiveModel| row.state = Set(ClaimState::Released);
            change_in_tx(tx, &claim, now, change).await?;
            Ok(())
        })
    });
    let transaction = InventoryTransaction {
        parts: vec![(coupon.id.into(), commands)],
        companion: Some(companion),
        key: None,
    };
    match transact(app, transaction).await {
        Ok(_) => {
            app.outbox.wake();
            Ok(by_id(app, id).await?)
        }
        // Race: the claim was used, given away or released. Find out which.
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

/// Returns why the claim cannot be given away, released or redeemed, if so. An access code that has opened places keeps
/// working for its holder, but can no longer be given away or released.
pub fn usable(claim: &claim::Model, now: DateTime<Utc>) -> std::result::Result<(), Refusal> {
    match claim_status(claim, now) {
        ClaimState::Claimed if claim.opened_at.is_some() => Err(Refusal::Used),
        ClaimState::Claimed => Ok(()),
        ClaimState::Reserved => Err(Refusal::InOrder { order: claim.order_id }),
        ClaimState::Redeemed => Err(Refusal::Used),
        ClaimState::Expired => Err(Refusal::Expired),
        ClaimState::Revoked | ClaimState::Released => Err(Refusal::Gone),
    }
}

/// Returns the claim if the viewer holds it, and `NotFound` otherwise.
pub async fn owned(app: &App, viewer: &Viewer, id: ClaimId) -> FaultResult<claim::Model> {
    let account = viewer.account()?;
    let claim = by_id(app, id).await?;
    if claim.account_id == account { Ok(claim) } else { Err(Fault::NotFound(Object::Claim)) }
}

/// Returns the claim. Checks no rights.
pub(crate) async fn by_id(app: &App, id: ClaimId) -> FaultResult<claim::Model> {
    claim::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Claim))
}

/// Returns the account's claims, newest first, without released and revoked ones.
pub async fn of_account(
    app: &App,
    account: AccountId,
    window: Window<Uuid>,
) -> FaultResult<Page<claim::Model>> {
    let select = claim::Entity::find()
        .filter(claim::Column::AccountId.eq(account))
        .filter(claim::Column::State.is_not_in([ClaimState::Released, ClaimState::Revoked]));
    page::read(app.store.read(), select, claim::Column::Id, Direction::Descending, window).await
}

/// Returns the account's usable and reserved claims of these coupons, oldest first: at most `first` per coupon.
pub async fn live_of(
    app: &App,
    account: AccountId,
    coupons: Vec<CouponId>,
    first: u32,
) -> FaultResult<Vec<claim::Model>> {
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

/// Stores the state `Expired` for claims past their validity, and notifies their holders. Returns their number.
///
/// Correctness does not depend on this: an overdue claim is refused everywhere.
pub async fn expire_due(app: &App) -> FaultResult<usize> {
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
            // Race: another instance was first.
            Err(Fault::Stale(_)) => {}
            // A fault with one claim must not stop the others.
            Err(fault) => {
                log_fault!(&fault, claim = %claim.id.0, "cannot expire a claim; the next run tries again");
            }
        }
    }
    if !due.is_empty() {
        app.outbox.wake();
    }
    Ok(due.len())
}

/// Changes the claim if its version is still that of `claim`. Notifies the holder, the previous holder and the vendor.
pub(crate) async fn change_in_tx(
    tx: &Tx,
    claim: &claim::Model,
    now: DateTime<Utc>,
    change: impl FnOnce(&mut claim::ActiveModel),
) -> FaultResult<claim::Model> {
    let mut row = claim.clone().into_active_model();
    change(&mut row);
    row.updated_at = Set(now);
    let changed = save_versioned::<claim::Entity>(tx, row, claim.version, Object::Claim).await?;
    let holders = if changed.account_id == claim.account_id {
        vec![claim.account_id.0]
    } else {
        vec![claim.account_id.0, changed.account_id.0]
    };
    outbox::record_all_in_tx(tx, outbox::Kind::BagChanged, holders, now).await?;
    outbox::record_in_tx(tx, outbox::Kind::CouponChanged, claim.coupon_id.0, now).await?;
    Ok(changed)
}

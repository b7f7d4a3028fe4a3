//! How many of a coupon stand where, for its vendor, now and after every change.
//!
//! Counting goes over all claims of a coupon, and a hot one has thousands of changes a second: whoever watches it here
//! shares one [`Board`], which is counted anew at most once a second, and after the last change always.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use entity::{
    CouponId, InventoryId,
    claim::{self, ClaimState},
};
use futures_util::{Stream, stream};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio::time::{Instant, sleep_until};

use super::{by_id, by_ids, rules};
use crate::{
    app::App, auth::Viewer, error::Faulty, inventory, outbox::Listener, shop::rules::Power,
    venue::find::authorise,
};

/// How often a coupon that is watched is counted at the most.
const EVERY: Duration = Duration::from_secs(1);

/// How many stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// How many there are; none: as many as are wanted.
    pub created: Option<u32>,
    /// How many are left; none: as many as are wanted, or not published yet.
    pub published: Option<u32>,
    /// Reserved or being paid.
    pub reserved: u32,
    /// In their holders' hands, bound to unpaid orders included.
    pub claimed: u32,
    /// Used up.
    pub redeemed: u32,
    /// Their time is up.
    pub expired: u32,
    /// Taken back by refunds.
    pub revoked: u32,
    /// Given back by their holders.
    pub released: u32,
}

/// What those who watch a coupon here share.
#[derive(Debug, Default)]
struct Board {
    /// The last count, and when it was begun: whatever was told before that is in it. Held while counting, so that those
    /// who want the same count wait for it.
    last: tokio::sync::Mutex<Option<(Instant, Stages)>>,
}

/// The boards of the coupons that are watched in this process.
#[derive(Debug, Default)]
pub(crate) struct Boards(Mutex<HashMap<CouponId, Weak<Board>>>);

/// The stages of these coupons, whoever may see them. What is claimed is counted in one go, however many coupons.
pub async fn of_all(app: &App, ids: Vec<CouponId>) -> Faulty<HashMap<CouponId, Stages>> {
    let db = app.store.read();
    let counts = || {
        let of = claim::Entity::find().filter(claim::Column::CouponId.is_in(ids.iter().copied()));
        let of = of.select_only().column(claim::Column::CouponId).column(claim::Column::State);
        of.column_as(claim::Column::Id.count(), "count")
            .group_by(claim::Column::CouponId)
            .group_by(claim::Column::State)
    };
    let counted: Vec<(CouponId, ClaimState, i64)> = counts().into_tuple().all(db).await?;
    // Past their time they are expired, whether or not somebody wrote that down.
    let overdue: Vec<(CouponId, ClaimState, i64)> = counts()
        .filter(claim::Column::State.eq(ClaimState::Claimed))
        .filter(claim::Column::ValidUntil.lte(app.clock.now()))
        .into_tuple()
        .all(db)
        .await?;
    let inventories = ids.iter().map(|id| InventoryId::from(*id)).collect();
    let stocks: BTreeMap<InventoryId, _> =
        inventory::counts_of(app, inventories).await?.into_iter().map(|row| (row.id, row)).collect();
    let mut all = HashMap::new();
    for coupon in by_ids(app, ids.clone()).await? {
        let of = |rows: &[(CouponId, ClaimState, i64)], state| {
            let count = rows.iter().find(|(id, of, _)| (*id, *of) == (coupon.id, state));
            count.map_or(0, |(_, _, count)| u32::try_from(*count).unwrap_or(u32::MAX))
        };
        let count = |state| of(&counted, state);
        let late = of(&overdue, ClaimState::Claimed);
        let stock = stocks.get(&InventoryId::from(coupon.id));
        let stages = Stages {
            created: coupon.stock.map(i32::unsigned_abs),
            published: stock.and_then(|row| rules::left(row.available.unsigned_abs())),
            reserved: stock.map_or(0, |row| row.reserved.unsigned_abs()),
            claimed: count(ClaimState::Claimed).saturating_sub(late) + count(ClaimState::Reserved),
            redeemed: count(ClaimState::Redeemed),
            expired: count(ClaimState::Expired) + late,
            revoked: count(ClaimState::Revoked),
            released: count(ClaimState::Released),
        };
        all.insert(coupon.id, stages);
    }
    Ok(all)
}

/// The stages as they are, and then after every change, for those who work for the coupon's shop. Changes that come
/// faster than they are told are told as one, at most a second later.
pub async fn watch(
    app: &App,
    viewer: &Viewer,
    id: CouponId,
) -> Faulty<impl Stream<Item = Faulty<Stages>> + use<>> {
    // Listening begins before the first look: the other order would lose a change in between.
    let facts = app.outbox.listen(id.0);
    let stock = inventory::Changes::of(app, id.into());
    may(app, viewer, id).await?;
    let watcher = Watcher {
        app: app.clone(),
        viewer: *viewer,
        id,
        board: app.boards.of(id),
        facts,
        stock,
        told: None,
        heard: Some(Instant::now()),
    };
    Ok(stream::unfold(Some(watcher), |watcher| async move {
        let mut watcher = watcher?;
        match watcher.next().await {
            Ok(Some(stages)) => Some((Ok(stages), Some(watcher))),
            Ok(None) => None,
            Err(fault) => Some((Err(fault), None)),
        }
    }))
}

async fn may(app: &App, viewer: &Viewer, id: CouponId) -> Faulty<()> {
    authorise(app, viewer, by_id(app, id).await?.shop_id, Power::Look, "coupon").await
}

/// One who watches a coupon.
struct Watcher {
    app: App,
    viewer: Viewer,
    id: CouponId,
    board: Arc<Board>,
    facts: Listener,
    stock: inventory::Changes,
    /// What was told last.
    told: Option<Stages>,
    /// When it was heard of a change that is not told yet.
    heard: Option<Instant>,
}

impl Watcher {
    /// The next that is to be told. None: no more changes are told.
    async fn next(&mut self) -> Faulty<Option<Stages>> {
        loop {
            let Some(heard) = self.heard else {
                tokio::select! {
                    told = self.facts.changed() => if !told { return Ok(None) },
                    changed = self.stock.next() => if !changed { return Ok(None) },
                }
                self.heard = Some(Instant::now());
                continue;
            };
            // Who comes is told at once what others were told a moment ago, and then what is new.
            let known = if self.told.is_none() { self.board.fresh().await } else { None };
            let stages = if let Some(stages) = known {
                stages
            } else {
                let stages = self.board.since(&self.app, self.id, heard).await?;
                self.heard = None;
                stages
            };
            if self.told.replace(stages) != Some(stages) {
                // Who no longer works for the shop is told no more.
                may(&self.app, &self.viewer, self.id).await?;
                return Ok(Some(stages));
            }
        }
    }
}

impl Board {
    /// The last count, if it is no older than the next one would be.
    async fn fresh(&self) -> Option<Stages> {
        let last = self.last.lock().await;
        last.filter(|(begun, _)| begun.elapsed() < EVERY).map(|(_, stages)| stages)
    }

    /// A count that was begun after this moment: somebody else's, or one of its own when its time has come.
    async fn since(&self, app: &App, id: CouponId, heard: Instant) -> Faulty<Stages> {
        let mut last = self.last.lock().await;
        if let Some((begun, stages)) = *last {
            if begun >= heard {
                return Ok(stages);
            }
            // Whoever waits for the lock meanwhile wants the same count.
            sleep_until(begun + EVERY).await;
        }
        let begun = Instant::now();
        app.figures.coupons_counted.fetch_add(1, Relaxed);
        let stages = of_all(app, vec![id]).await?.remove(&id).unwrap_or_default();
        *last = Some((begun, stages));
        Ok(stages)
    }
}

impl Boards {
    fn of(&self, id: CouponId) -> Arc<Board> {
        let mut boards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(board) = boards.get(&id).and_then(Weak::upgrade) {
            return board;
        }
        // What nobody watches any more is forgotten when somebody begins.
        boards.retain(|_, board| board.strong_count() > 0);
        let board = Arc::<Board>::default();
        boards.insert(id, Arc::downgrade(&board));
        board
    }
}

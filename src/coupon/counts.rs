//! A coupon's copies by state, for its vendor: now, and after every change.
//!
//! A count reads all claims of the coupon, and a popular coupon has thousands of changes per second. All watchers of a
//! coupon in this process share one [`SharedCount`]. It counts at most once per second, and always after the last
//! change.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use entity::{
    CouponId, InventoryId,
    claim::{self, ClaimState},
};
use futures_util::{Stream, stream};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio::time::Instant;

pub use super::shared_counts::CouponCounts;
use super::{by_id, by_ids, rules, shared_counts::SharedCount};
use crate::{
    app::App,
    auth::Viewer,
    error::{FaultResult, Object},
    inventory,
    outbox::Listener,
    shop::{authorise_owner, rules::Power},
};

/// Counts the copies of these coupons, with a fixed number of statements. Checks no rights.
pub async fn of_all(app: &App, ids: Vec<CouponId>) -> FaultResult<HashMap<CouponId, CouponCounts>> {
    let db = app.store.read();
    let grouped = || {
        let of = claim::Entity::find().filter(claim::Column::CouponId.is_in(ids.iter().copied()));
        let of = of.select_only().column(claim::Column::CouponId).column(claim::Column::State);
        of.column_as(claim::Column::Id.count(), "count")
            .group_by(claim::Column::CouponId)
            .group_by(claim::Column::State)
    };
    let counted: Vec<(CouponId, ClaimState, i64)> = grouped().into_tuple().all(db).await?;
    // A claim past its validity is expired, even if its stored state is not updated yet.
    let overdue: Vec<(CouponId, ClaimState, i64)> = grouped()
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
        let counts = CouponCounts {
            created: coupon.stock.map(i32::unsigned_abs),
            published: stock.and_then(|row| rules::left(row.available.unsigned_abs())),
            reserved: stock.map_or(0, |row| row.reserved.unsigned_abs()),
            claimed: count(ClaimState::Claimed).saturating_sub(late) + count(ClaimState::Reserved),
            redeemed: count(ClaimState::Redeemed),
            expired: count(ClaimState::Expired) + late,
            revoked: count(ClaimState::Revoked),
            released: count(ClaimState::Released),
        };
        all.insert(coupon.id, counts);
    }
    Ok(all)
}

/// Streams the counts for a member of the coupon's shop: the current ones, then new ones after every change. Changes
/// within a second are merged.
pub async fn watch(
    app: &App,
    viewer: &Viewer,
    id: CouponId,
) -> FaultResult<impl Stream<Item = FaultResult<CouponCounts>> + use<>> {
    // Race: listen before the first count. The other order would lose a change in between.
    let facts = app.outbox.listen(id.0);
    let stock = inventory::Changes::of(app, id.into());
    check_access(app, viewer, id).await?;
    let watcher = Watcher {
        app: app.clone(),
        viewer: *viewer,
        id,
        count: app.coupon.counts.of(id),
        facts,
        stock,
        sent: None,
        changed_at: Some(Instant::now()),
    };
    Ok(stream::unfold(Some(watcher), |watcher| async move {
        let mut watcher = watcher?;
        match watcher.next().await {
            Ok(Some(counts)) => Some((Ok(counts), Some(watcher))),
            Ok(None) => None,
            Err(fault) => Some((Err(fault), None)),
        }
    }))
}

/// Returns a fault unless the viewer is a member of the coupon's shop.
async fn check_access(app: &App, viewer: &Viewer, id: CouponId) -> FaultResult<()> {
    authorise_owner(app, viewer, by_id(app, id).await?.shop_id, Power::Look, Object::Coupon).await
}

/// Counts the copies of one coupon.
async fn counted(app: &App, id: CouponId) -> FaultResult<CouponCounts> {
    app.counters.coupons_counted.fetch_add(1, Relaxed);
    Ok(of_all(app, vec![id]).await?.remove(&id).unwrap_or_default())
}

/// A subscription to the counts of one coupon.
struct Watcher {
    app: App,
    viewer: Viewer,
    id: CouponId,
    count: Arc<SharedCount>,
    facts: Listener,
    stock: inventory::Changes,
    /// The counts that were sent last.
    sent: Option<CouponCounts>,
    /// When the watcher learned of a change that it has not sent.
    changed_at: Option<Instant>,
}

impl Watcher {
    /// Waits for the next counts to send. Returns `None` if no more changes are announced.
    async fn next(&mut self) -> FaultResult<Option<CouponCounts>> {
        loop {
            let Some(changed_at) = self.changed_at else {
                tokio::select! {
                    changed = self.facts.changed() => if !changed { return Ok(None) },
                    changed = self.stock.next() => if !changed { return Ok(None) },
                }
                self.changed_at = Some(Instant::now());
                continue;
            };
            // A new watcher gets the last count of the others at once, and then the current one.
            let known = if self.sent.is_none() { self.count.recent().await } else { None };
            let counts = if let Some(counts) = known {
                counts
            } else {
                let counts = self.count.since(changed_at, || counted(&self.app, self.id)).await?;
                self.changed_at = None;
                counts
            };
            if self.sent.replace(counts) != Some(counts) {
                // The viewer may have lost the membership meanwhile.
                check_access(&self.app, &self.viewer, self.id).await?;
                return Ok(Some(counts));
            }
        }
    }
}

//! How many of a coupon stand where, for its vendor, now and after every change.

use entity::{
    CouponId,
    claim::{self, ClaimState},
};
use futures_util::{Stream, stream};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};

use super::{by_id, rules};
use crate::{
    app::App, auth::Viewer, error::Faulty, inventory, outbox::Fact, shop::rules::Power,
    venue::find::authorise,
};

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

/// The coupon's stages, for those who work for its shop.
pub async fn stages(app: &App, viewer: &Viewer, id: CouponId) -> Faulty<Stages> {
    let coupon = by_id(app, id).await?;
    authorise(app, viewer, coupon.shop_id, Power::Look, "coupon").await?;
    let db = app.store.read();
    let rows: Vec<(ClaimState, i64)> = claim::Entity::find()
        .select_only()
        .column(claim::Column::State)
        .column_as(claim::Column::Id.count(), "count")
        .filter(claim::Column::CouponId.eq(id))
        .group_by(claim::Column::State)
        .into_tuple()
        .all(db)
        .await?;
    // Past their time they are expired, whether or not somebody wrote that down.
    let overdue = claim::Entity::find()
        .filter(claim::Column::CouponId.eq(id))
        .filter(claim::Column::State.eq(ClaimState::Claimed))
        .filter(claim::Column::ValidUntil.lte(app.clock.now()))
        .count(db)
        .await?;
    let overdue = u32::try_from(overdue).unwrap_or(u32::MAX);
    let count = |state| rows.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count);
    let count = |state| u32::try_from(count(state)).unwrap_or(u32::MAX);
    let stock = inventory::counts_of(app, vec![id.into()]).await?.pop();
    let left = |row: &entity::inventory::Model| rules::left(row.available.unsigned_abs());
    Ok(Stages {
        created: coupon.stock.map(i32::unsigned_abs),
        published: stock.as_ref().and_then(left),
        reserved: stock.as_ref().map_or(0, |row| row.reserved.unsigned_abs()),
        claimed: count(ClaimState::Claimed).saturating_sub(overdue) + count(ClaimState::Reserved),
        redeemed: count(ClaimState::Redeemed),
        expired: count(ClaimState::Expired) + overdue,
        revoked: count(ClaimState::Revoked),
        released: count(ClaimState::Released),
    })
}

/// The stages as they are, and then after every change; changes that come faster than they are told are told as one.
pub async fn watch(
    app: &App,
    viewer: &Viewer,
    id: CouponId,
) -> Faulty<impl Stream<Item = Faulty<Stages>> + use<>> {
    // Listening begins before the first look: the other order would lose a change in between.
    let facts = app.outbox.subscribe();
    let stock = inventory::Changes::of(app, id.into());
    stages(app, viewer, id).await?;
    let state = Some((app.clone(), viewer.clone(), facts, stock, None));
    Ok(stream::unfold(state, move |state| async move {
        let (app, viewer, mut facts, mut stock, mut last) = state?;
        loop {
            let now = match stages(&app, &viewer, id).await {
                Ok(now) => now,
                Err(fault) => return Some((Err(fault), None)),
            };
            if last.replace(now) != Some(now) {
                return Some((Ok(now), Some((app, viewer, facts, stock, last))));
            }
            tokio::select! {
                told = fact_about(&mut facts, id) => if !told { return None },
                changed = stock.next() => if !changed { return None },
            }
        }
    }))
}

/// Waits for a fact about the coupon, and takes in what was told meanwhile. `false`: no more facts are told.
async fn fact_about(facts: &mut Receiver<Fact>, id: CouponId) -> bool {
    loop {
        match facts.recv().await {
            Ok(fact) if fact.subject == id.0 => break,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => break,
            Err(RecvError::Closed) => return false,
        }
    }
    while !matches!(facts.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
    true
}

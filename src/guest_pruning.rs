//! Deletes guests that own nothing, so that a flood of guests uses no lasting storage. It stands above the slices, because
//! it reads the tables of all slices that refer to accounts.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    AccountId, account, account::AccountKind, claim, claim::redemption, inventory::buyer, order,
    outbox::idempotency, payment::refund, reservation, session, session::refresh, shop::member, ticket,
    ticket::check_in, venue::seat_map,
};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, LockType, SimpleExpr},
};

use crate::{app::App, error::FaultResult};

/// Guests per transaction.
const BATCH: u64 = 250;
/// Transactions per run of the worker.
const BATCHES_MAX: usize = 20;
/// Days after a guest's last possible session in which it is considered. So guests that own something are not checked
/// for ever.
const CONSIDERED_DAYS: i64 = 10;

/// Deletes guests that own nothing and whose sessions were not refreshed for as long as the settings say. Returns their
/// number.
pub async fn prune_guests(app: &App) -> FaultResult<u64> {
    let mut deleted = 0;
    for _ in 0..BATCHES_MAX {
        let some = prune_batch(app).await?;
        deleted += some;
        if some < BATCH {
            break;
        }
    }
    Ok(deleted)
}

async fn prune_batch(app: &App) -> FaultResult<u64> {
    let now = app.clock.now();
    let before = now - TimeDelta::hours(app.config.limits.guest_hours.into());
    let oldest = now - TimeDelta::days(i64::from(app.config.session_days) + CONSIDERED_DAYS);
    let found = ids(idle(before).filter(account::Column::CreatedAt.gt(oldest)).limit(BATCH));
    let found: Vec<AccountId> = found.into_tuple().all(app.store.read()).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let tx = app.store.begin().await?;
    // Race: a guest may return and get something at the same time. PostgreSQL locks the rows: a transaction that refers
    // to a locked account waits. So the second read stays valid until the commit.
    let locked = account::Entity::find().filter(account::Column::Id.is_in(found.clone()));
    locked.lock(LockType::Update).all(&tx).await?;
    let sessions = session::Entity::find().filter(session::Column::AccountId.is_in(found.clone()));
    sessions.lock(LockType::Update).all(&tx).await?;
    let still = ids(idle(before).filter(account::Column::Id.is_in(found)));
    let still: Vec<AccountId> = still.into_tuple().all(&tx).await?;
    session::Entity::delete_many().filter(session::Column::AccountId.is_in(still.clone())).exec(&tx).await?;
    let deleted = account::Entity::delete_many().filter(account::Column::Id.is_in(still)).exec(&tx).await?;
    tx.commit().await?;
    Ok(deleted.rows_affected)
}

fn ids(guests: Select<account::Entity>) -> Select<account::Entity> {
    guests.select_only().column(account::Column::Id).order_by_asc(account::Column::CreatedAt)
}

/// Selects the guests without references and without new tokens since `before`.
fn idle(before: DateTime<Utc>) -> Select<account::Entity> {
    let own_sessions = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(
            Expr::col((session::Entity, session::Column::AccountId))
                .equals((account::Entity, account::Column::Id)),
        )
        .into_query();
    let refreshed = refresh::Entity::find()
        .filter(refresh::Column::SessionId.in_subquery(own_sessions))
        .filter(refresh::Column::CreatedAt.gte(before));
    let mut guests = account::Entity::find()
        .filter(account::Column::Kind.eq(AccountKind::Guest))
        .filter(account::Column::CreatedAt.lt(before))
        .filter(Expr::exists(refreshed.into_query()).not());
    for refers in references() {
        guests = guests.filter(refers.not());
    }
    guests
}

/// Returns all references to accounts except sessions, each as a condition on the selected account. A test compares the
/// list with the schema.
fn references() -> Vec<SimpleExpr> {
    vec![
        refers::<reservation::Entity>(reservation::Column::AccountId),
        refers::<order::Entity>(order::Column::AccountId),
        refers::<claim::Entity>(claim::Column::AccountId),
        refers::<claim::Entity>(claim::Column::BuyerId),
        refers::<ticket::Entity>(ticket::Column::AccountId),
        refers::<ticket::Entity>(ticket::Column::CheckedInBy),
        refers::<idempotency::Entity>(idempotency::Column::AccountId),
        refers::<buyer::Entity>(buyer::Column::AccountId),
        refers::<member::Entity>(member::Column::AccountId),
        refers::<refund::Entity>(refund::Column::RequestedBy),
        refers::<check_in::Entity>(check_in::Column::AccountId),
        refers::<redemption::Entity>(redemption::Column::AccountId),
        refers::<seat_map::Entity>(seat_map::Column::CreatedBy),
    ]
}

fn refers<E: EntityTrait>(column: E::Column) -> SimpleExpr {
    let account = (account::Entity, account::Column::Id);
    let rows = E::find().select_only().column(column);
    Expr::exists(rows.filter(Expr::col((E::default(), column)).equals(account)).into_query())
}

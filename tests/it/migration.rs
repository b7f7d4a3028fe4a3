//! Migrations go up, down and up again, also with data, and lead to the tables that the entities expect.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, Statement};
use tessera::store::Store;

use crate::support::{blocking::block_on, postgres, sqlite};

#[test]
fn migrations_go_up_and_down_with_data() {
    let file = sqlite::empty();
    block_on(async || there_and_back(&file.url).await);
    let database = postgres::database("empty", async |_| {});
    block_on(async || there_and_back(&database.url).await);
}

async fn there_and_back(url: &str) {
    let store = Store::connect(url, 1).await.expect("a database");
    store.migrate().await.expect("up");
    let db = sea_orm::Database::connect(url).await.expect("a database");
    let before = tables(&db).await;
    insert_something(&db).await;
    Migrator::down(&db, None).await.expect("down");
    assert_eq!(tables(&db).await, ["seaql_migrations"], "nothing is left");
    Migrator::up(&db, None).await.expect("up again");
    assert_eq!(tables(&db).await, before);
    selects(&db).await;
    db.close().await.expect("closed");
    store.close().await.expect("closed");
}

async fn insert_something(db: &DatabaseConnection) {
    let id = "X'01020304050607080910111213141516'";
    let id = if db.get_database_backend() == DbBackend::Postgres {
        "'01020304-0506-0708-0910-111213141516'"
    } else {
        id
    };
    let at = "'2026-06-01T12:00:00+00:00'";
    let account =
        format!("INSERT INTO account VALUES ({id}, 'guest', NULL, '', NULL, NULL, false, 1, {at}, {at})");
    db.execute_unprepared(&account).await.expect("an account");
    let session = format!("INSERT INTO session VALUES ({id}, {id}, {at}, {at}, NULL)");
    db.execute_unprepared(&session).await.expect("a session");
}

async fn tables(db: &DatabaseConnection) -> Vec<String> {
    let sql = if db.get_database_backend() == DbBackend::Postgres {
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    } else {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
    };
    let rows =
        db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect("tables");
    rows.iter().map(|row| row.try_get("", "name").expect("a name")).collect()
}

/// Every entity selects all its columns from the migrated tables.
async fn selects(db: &DatabaseConnection) {
    macro_rules! select {
        ($($entity:path),+ $(,)?) => {$(
            <$entity>::find().all(db).await.unwrap_or_else(|error| panic!("{}: {error}", stringify!($entity)));
        )+};
    }
    select!(
        entity::account::Entity,
        entity::category::Entity,
        entity::claim::Entity,
        entity::claim::redemption::Entity,
        entity::claim::share::Entity,
        entity::coupon::Entity,
        entity::coupon::budget::Entity,
        entity::coupon::code::Entity,
        entity::coupon::scope::Entity,
        entity::coupon::word::Entity,
        entity::event::Entity,
        entity::event::word::Entity,
        entity::inventory::Entity,
        entity::inventory::seat::Entity,
        entity::inventory::area::Entity,
        entity::inventory::buyer::Entity,
        entity::inventory::change::Entity,
        entity::order::Entity,
        entity::order::discount::Entity,
        entity::order::line::Entity,
        entity::outbox::Entity,
        entity::outbox::idempotency::Entity,
        entity::payment::Entity,
        entity::payment::refund::Entity,
        entity::payment::ledger::Entity,
        entity::product::Entity,
        entity::reservation::Entity,
        entity::sandbox::Entity,
        entity::sandbox::refund::Entity,
        entity::session::Entity,
        entity::session::refresh::Entity,
        entity::shop::Entity,
        entity::shop::member::Entity,
        entity::ticket::Entity,
        entity::ticket::check_in::Entity,
        entity::tier::Entity,
        entity::tier::scope::Entity,
        entity::venue::Entity,
        entity::venue::seat_map::Entity,
    );
}

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
    let account = format!(
        "INSERT INTO account (id, kind, name, is_operator, version, created_at, updated_at) \
         VALUES ({id}, 'guest', '', false, 1, {at}, {at})"
    );
    db.execute_unprepared(&account).await.expect("an account");
    let session = format!("INSERT INTO session VALUES ({id}, {id}, {at}, {at}, NULL)");
    db.execute_unprepared(&session).await.expect("a session");
    for row in bought_coupon(id, at).into_iter().chain(codes_of_two_shops(id, at)) {
        db.execute_unprepared(&row).await.unwrap_or_else(|error| panic!("{row}: {error}"));
    }
}

/// A coupon that was bought with a gift card that paid more than the price: what older schemas cannot say.
fn bought_coupon(id: &str, at: &str) -> [String; 9] {
    let digest = if id.starts_with('X') { "X'01'" } else { "'\\x01'" };
    [
        format!("INSERT INTO category VALUES ({id}, NULL, 'food', 'Food', '/food', 0, 1, {at}, {at})"),
        shop(id, "shop", id, at),
        format!(
            "INSERT INTO coupon (id, shop_id, category_id, title, description, terms, kind, amount_minor, currency, \
             price_minor, tax_basis_points, codes, limit_per_buyer, shareable, minimum_spend_minor, exclusive, \
             position, state, version, created_at, updated_at) VALUES ({id}, {id}, {id}, 'Ten', '', '', 'gift_card', \
             1000, 'EUR', 900, 0, 'generated', 1, false, 0, false, 0, 'published', 1, {at}, {at})"
        ),
        format!("INSERT INTO inventory VALUES ({id}, 'coupon', 1, 10, 9, 1, 0, 0, {at}, 9)"),
        format!(
            "INSERT INTO reservation (id, inventory_id, account_id, state, items, quantity, total_minor, currency, \
             deadline, deadline_max, version, created_at, updated_at) VALUES ({id}, {id}, {id}, 'active', '[]', 1, \
             900, 'EUR', {at}, {at}, 1, {at}, {at})"
        ),
        format!(
            "INSERT INTO orders (id, number, account_id, shop_id, state, currency, total_minor, fee_minor, tax_minor, \
             discount_minor, contact_name, contact_email, access_digest, expires_at, version, created_at, updated_at) \
             VALUES ({id}, 'A', {id}, {id}, 'awaiting_payment', 'EUR', 0, 50, 20, 950, '', '', {digest}, {at}, 1, \
             {at}, {at})"
        ),
        format!(
            "INSERT INTO order_line (id, order_id, position, coupon_id, reservation_id, area_ordinal, label, \
             tier_name, price_minor, fee_minor, tax_minor, epoch, discount_minor) VALUES ({id}, {id}, 0, {id}, {id}, \
             0, 'Ten', '', 900, 50, 20, 0, 950)"
        ),
        format!(
            "INSERT INTO claim (id, coupon_id, shop_id, account_id, buyer_id, state, code, epoch, terms, valid_from, \
             order_line_id, claimed_at, version, updated_at) VALUES ({id}, {id}, {id}, {id}, {id}, 'claimed', 'A', 1, '{{}}', \
             {at}, {id}, {at}, 1, {at})"
        ),
        format!("INSERT INTO order_discount VALUES ({id}, 0, {id}, {id}, 'Ten', 950)"),
    ]
}

fn shop(id: &str, slug: &str, category: &str, at: &str) -> String {
    format!(
        "INSERT INTO shop (id, slug, name, description, currency, category_id, version, created_at, updated_at) \
         VALUES ({id}, '{slug}', 'Shop', '', 'EUR', {category}, 1, {at}, {at})"
    )
}

/// A code that two shops have, one of them in somebody's hands.
fn codes_of_two_shops(id: &str, at: &str) -> [String; 5] {
    let other = id.replace("01020304", "02020304");
    [
        shop(&other, "other", id, at),
        format!(
            "INSERT INTO coupon (id, shop_id, category_id, title, description, terms, kind, amount_minor, currency, \
             price_minor, tax_basis_points, codes, stock, limit_per_buyer, shareable, minimum_spend_minor, exclusive, \
             position, state, version, created_at, updated_at) VALUES ({other}, {other}, {id}, 'Ten', '', '', \
             'amount_off', 1000, 'EUR', 0, 0, 'uploaded', 1, 1, false, 0, false, 0, 'published', 1, {at}, {at})"
        ),
        format!(
            "INSERT INTO claim (id, coupon_id, shop_id, account_id, buyer_id, state, code, epoch, terms, valid_from, \
             claimed_at, version, updated_at) VALUES ({other}, {other}, {other}, {id}, {id}, 'claimed', 'SAME', 1, \
             '{{}}', {at}, {at}, 1, {at})"
        ),
        format!(
            "INSERT INTO coupon_code (shop_id, code, coupon_id, position, claim_id) \
             VALUES ({other}, 'SAME', {other}, 0, {other})"
        ),
        format!(
            "INSERT INTO coupon_code (shop_id, code, coupon_id, position) VALUES ({id}, 'SAME', {id}, 0)"
        ),
    ]
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
        entity::audit::Entity,
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
        entity::search::deletion::Entity,
        entity::shop::Entity,
        entity::shop::member::Entity,
        entity::shop::word::Entity,
        entity::slug_owner::Entity,
        entity::ticket::Entity,
        entity::ticket::check_in::Entity,
        entity::tier::Entity,
        entity::tier::scope::Entity,
        entity::venue::Entity,
        entity::venue::seat_map::Entity,
    );
}

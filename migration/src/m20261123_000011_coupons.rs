//! Products, coupons, claims, and the discounts of orders.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::dialect::{drop_tables, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COUPONS: &[&str] = &[
    r"CREATE TABLE product (
            id {uuid} PRIMARY KEY,
            shop_id {uuid} NOT NULL REFERENCES shop (id),
            category_id {uuid} NOT NULL REFERENCES category (id),
            name text NOT NULL,
            description text NOT NULL,
            picture_url text,
            archived boolean NOT NULL,
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL
        )",
    r"CREATE INDEX product_shop ON product (shop_id, id)",
    r"CREATE TABLE coupon (
            id {uuid} PRIMARY KEY,
            shop_id {uuid} NOT NULL REFERENCES shop (id),
            product_id {uuid} REFERENCES product (id),
            event_id {uuid} REFERENCES event (id),
            tier_id {uuid} REFERENCES tier (id),
            category_id {uuid} NOT NULL REFERENCES category (id),
            title text NOT NULL,
            description text NOT NULL,
            terms text NOT NULL,
            picture_url text,
            kind text NOT NULL CONSTRAINT coupon_kind CHECK (kind IN (
                'amount_off', 'percent_off', 'free_item', 'fixed_price', 'access_code', 'gift_card')),
            amount_minor bigint,
            basis_points integer,
            cap_minor bigint,
            currency text NOT NULL,
            price_minor bigint NOT NULL,
            tax_basis_points integer NOT NULL,
            codes text NOT NULL CONSTRAINT coupon_codes CHECK (codes IN ('generated', 'uploaded')),
            stock integer CONSTRAINT coupon_stock CHECK (stock BETWEEN 0 AND 1000000000),
            limit_per_buyer integer NOT NULL CONSTRAINT coupon_limit CHECK (limit_per_buyer > 0),
            publish_from {time},
            publish_until {time},
            valid_from {time},
            valid_until {time},
            valid_days integer CONSTRAINT coupon_valid_days CHECK (valid_days > 0),
            shareable boolean NOT NULL,
            minimum_spend_minor bigint NOT NULL CONSTRAINT coupon_minimum_spend CHECK (minimum_spend_minor >= 0),
            exclusive boolean NOT NULL,
            stacking_group text,
            position integer NOT NULL,
            budget_minor bigint CONSTRAINT coupon_budget_given CHECK (budget_minor >= 0),
            state text NOT NULL CONSTRAINT coupon_state CHECK (state IN ('draft', 'published', 'paused', 'ended')),
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL,
            CONSTRAINT coupon_amount CHECK (
                (kind IN ('amount_off', 'fixed_price', 'gift_card')) = (amount_minor IS NOT NULL)
                AND (amount_minor IS NULL OR amount_minor > 0 OR (kind = 'fixed_price' AND amount_minor = 0))),
            CONSTRAINT coupon_percentage CHECK (
                (kind = 'percent_off') = (basis_points IS NOT NULL)
                AND (basis_points IS NULL OR basis_points BETWEEN 1 AND 10000)),
            CONSTRAINT coupon_cap CHECK (cap_minor IS NULL OR (kind = 'percent_off' AND cap_minor > 0)),
            CONSTRAINT coupon_price CHECK (price_minor >= 0 AND tax_basis_points BETWEEN 0 AND 10000),
            CONSTRAINT coupon_windows CHECK (
                (publish_from IS NULL OR publish_until IS NULL OR publish_from < publish_until)
                AND (valid_from IS NULL OR valid_until IS NULL OR valid_from < valid_until)
                AND (valid_days IS NULL OR valid_until IS NULL)),
            CONSTRAINT coupon_uploaded CHECK (codes = 'generated' OR (NOT shareable AND stock IS NOT NULL AND price_minor = 0)),
            CONSTRAINT coupon_tier_has_event CHECK (tier_id IS NULL OR event_id IS NOT NULL)
        )",
    r"CREATE INDEX coupon_shop ON coupon (shop_id, id)",
    r"CREATE INDEX coupon_category ON coupon (category_id, id)",
    r"CREATE INDEX coupon_event ON coupon (event_id, id) WHERE event_id IS NOT NULL",
    r"CREATE INDEX coupon_product ON coupon (product_id, id) WHERE product_id IS NOT NULL",
    r"CREATE INDEX coupon_title ON coupon (title, id)",
    r"CREATE TABLE coupon_word (
            word text {binary} NOT NULL,
            coupon_id {uuid} NOT NULL REFERENCES coupon (id) ON DELETE CASCADE,
            PRIMARY KEY (word, coupon_id)
        )",
    r"CREATE INDEX coupon_word_coupon ON coupon_word (coupon_id)",
    r"CREATE TABLE coupon_scope (
            coupon_id {uuid} NOT NULL REFERENCES coupon (id),
            kind text NOT NULL
                CONSTRAINT coupon_scope_kind CHECK (kind IN ('shop', 'product', 'event', 'tier', 'category')),
            target {uuid} NOT NULL,
            PRIMARY KEY (coupon_id, kind, target)
        )",
    r"CREATE TABLE coupon_budget (
            coupon_id {uuid} PRIMARY KEY REFERENCES coupon (id),
            allowed bigint NOT NULL,
            spent bigint NOT NULL,
            CONSTRAINT coupon_budget_kept CHECK (spent >= 0 AND spent <= allowed)
        )",
    r"CREATE TABLE claim (
            id {uuid} PRIMARY KEY,
            coupon_id {uuid} NOT NULL REFERENCES coupon (id),
            account_id {uuid} NOT NULL REFERENCES account (id),
            buyer_id {uuid} NOT NULL REFERENCES account (id),
            state text NOT NULL CONSTRAINT claim_state CHECK (state IN (
                'claimed', 'reserved', 'redeemed', 'expired', 'revoked', 'released')),
            code text NOT NULL CONSTRAINT claim_code_key UNIQUE,
            epoch integer NOT NULL,
            terms text NOT NULL,
            face_minor bigint,
            balance_minor bigint,
            valid_from {time} NOT NULL,
            valid_until {time},
            order_id {uuid} REFERENCES orders (id),
            order_line_id {uuid} REFERENCES order_line (id) CONSTRAINT claim_line_key UNIQUE,
            claimed_at {time} NOT NULL,
            redeemed_at {time},
            version bigint NOT NULL,
            updated_at {time} NOT NULL,
            CONSTRAINT claim_balance CHECK (
                (face_minor IS NULL) = (balance_minor IS NULL)
                AND (balance_minor IS NULL OR balance_minor BETWEEN 0 AND face_minor)),
            CONSTRAINT claim_reserved_has_order CHECK (state <> 'reserved' OR order_id IS NOT NULL),
            CONSTRAINT claim_redeemed_at CHECK ((state = 'redeemed') = (redeemed_at IS NOT NULL))
        )",
    r"CREATE INDEX claim_account ON claim (account_id, id)",
    r"CREATE INDEX claim_coupon ON claim (coupon_id, state)",
    r"CREATE INDEX claim_due ON claim (valid_until) WHERE state = 'claimed' AND valid_until IS NOT NULL",
    r"CREATE INDEX claim_order ON claim (order_id) WHERE order_id IS NOT NULL",
    r"CREATE TABLE claim_share (
            digest {bytes} PRIMARY KEY,
            claim_id {uuid} NOT NULL REFERENCES claim (id),
            epoch integer NOT NULL,
            expires_at {time} NOT NULL,
            accepted_at {time}
        )",
    r"CREATE INDEX claim_share_claim ON claim_share (claim_id)",
    r"CREATE TABLE coupon_code (
            code text {binary} PRIMARY KEY,
            coupon_id {uuid} NOT NULL REFERENCES coupon (id),
            position bigint NOT NULL,
            claim_id {uuid} CONSTRAINT coupon_code_claim_key UNIQUE REFERENCES claim (id)
        )",
    r"CREATE UNIQUE INDEX coupon_code_position ON coupon_code (coupon_id, position)",
    r"CREATE INDEX coupon_code_free ON coupon_code (coupon_id, position) WHERE claim_id IS NULL",
    r"CREATE TABLE redemption (
            id {uuid} PRIMARY KEY,
            claim_id {uuid} NOT NULL REFERENCES claim (id),
            order_id {uuid} REFERENCES orders (id),
            amount_minor bigint CONSTRAINT redemption_amount CHECK (amount_minor > 0),
            account_id {uuid} NOT NULL REFERENCES account (id),
            at {time} NOT NULL,
            reversed_at {time}
        )",
    r"CREATE INDEX redemption_claim ON redemption (claim_id, id)",
    r"CREATE UNIQUE INDEX redemption_once ON redemption (claim_id) WHERE amount_minor IS NULL AND reversed_at IS NULL",
    r"CREATE UNIQUE INDEX redemption_order_once ON redemption (claim_id, order_id)
        WHERE order_id IS NOT NULL AND reversed_at IS NULL",
    r"CREATE TABLE order_discount (
            order_id {uuid} NOT NULL REFERENCES orders (id),
            position integer NOT NULL,
            claim_id {uuid} NOT NULL REFERENCES claim (id),
            coupon_id {uuid} NOT NULL REFERENCES coupon (id),
            label text NOT NULL,
            amount_minor bigint NOT NULL CONSTRAINT order_discount_amount CHECK (amount_minor >= 0),
            PRIMARY KEY (order_id, position),
            CONSTRAINT order_discount_claim_once UNIQUE (order_id, claim_id)
        )",
];

/// A line may belong to a coupon instead of an event. Gift cards also pay fees, so an order's fees may exceed its
/// total.
const ORDERS_POSTGRES: &[&str] = &[
    "ALTER TABLE order_line ALTER COLUMN event_id DROP NOT NULL",
    "ALTER TABLE order_line ALTER COLUMN tier_id DROP NOT NULL",
    "ALTER TABLE orders DROP CONSTRAINT orders_amounts",
    "ALTER TABLE orders ADD CONSTRAINT orders_amounts CHECK (fee_minor >= 0 AND tax_minor >= 0 AND total_minor >= 0)",
];

const ORDERS_POSTGRES_DOWN: &[&str] = &[
    "ALTER TABLE orders DROP CONSTRAINT orders_amounts",
    "ALTER TABLE orders ADD CONSTRAINT orders_amounts
        CHECK (fee_minor >= 0 AND tax_minor >= 0 AND fee_minor <= total_minor AND tax_minor <= total_minor)",
    "ALTER TABLE order_line ALTER COLUMN tier_id SET NOT NULL",
    "ALTER TABLE order_line ALTER COLUMN event_id SET NOT NULL",
];

/// SQLite cannot alter a column or a CHECK. Both exist only in the stored definition, not in the stored rows. Its
/// documentation recommends this method (“Making Other Kinds Of Table Schema Changes”). `RESET` makes the connection
/// read the schema again. The following ALTER TABLE raises the schema's version for other connections.
const ORDERS_SQLITE: &[&str] = &[r"BEGIN IMMEDIATE;
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(replace(sql,
            'event_id blob NOT NULL', 'event_id blob'), 'tier_id blob NOT NULL', 'tier_id blob')
            WHERE type = 'table' AND name = 'order_line';
        UPDATE sqlite_schema SET sql = replace(sql,
            'fee_minor <= total_minor AND tax_minor <= total_minor', 'total_minor >= 0')
            WHERE type = 'table' AND name = 'orders';
        PRAGMA writable_schema = RESET;
        COMMIT"];

const ORDERS_SQLITE_DOWN: &[&str] = &[r"BEGIN IMMEDIATE;
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(replace(sql,
            'event_id blob', 'event_id blob NOT NULL'), 'tier_id blob', 'tier_id blob NOT NULL')
            WHERE type = 'table' AND name = 'order_line';
        UPDATE sqlite_schema SET sql = replace(sql,
            'total_minor >= 0', 'fee_minor <= total_minor AND tax_minor <= total_minor')
            WHERE type = 'table' AND name = 'orders';
        PRAGMA writable_schema = RESET;
        COMMIT"];

const COLUMNS: &[&str] = &[
    r"ALTER TABLE order_line ADD COLUMN coupon_id {uuid} REFERENCES coupon (id)
        CONSTRAINT order_line_subject CHECK (
            (coupon_id IS NULL) = (event_id IS NOT NULL) AND (event_id IS NULL) = (tier_id IS NULL))",
    r"ALTER TABLE order_line ADD COLUMN discount_minor bigint NOT NULL DEFAULT 0
        CONSTRAINT order_line_discount CHECK (discount_minor BETWEEN 0 AND price_minor + fee_minor)",
    r"ALTER TABLE orders ADD COLUMN discount_minor bigint NOT NULL DEFAULT 0
        CONSTRAINT orders_discount CHECK (discount_minor >= 0)",
    r"ALTER TABLE tier ADD COLUMN hidden boolean NOT NULL DEFAULT false",
];

/// Deletes values that the older schema cannot store: lines of coupons, and fees that were paid with gift cards.
const COLUMNS_DOWN: &[&str] = &[
    "UPDATE claim SET order_line_id = NULL WHERE order_line_id IS NOT NULL",
    "DELETE FROM order_line WHERE coupon_id IS NOT NULL",
    "UPDATE orders SET fee_minor = total_minor WHERE fee_minor > total_minor",
    "UPDATE orders SET tax_minor = total_minor WHERE tax_minor > total_minor",
    "ALTER TABLE tier DROP COLUMN hidden",
    "ALTER TABLE orders DROP COLUMN discount_minor",
    "ALTER TABLE order_line DROP COLUMN discount_minor",
    "ALTER TABLE order_line DROP COLUMN coupon_id",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, COUPONS).await?;
        run(manager, of(manager, ORDERS_POSTGRES, ORDERS_SQLITE)).await?;
        run(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, COLUMNS_DOWN).await?;
        run(manager, of(manager, ORDERS_POSTGRES_DOWN, ORDERS_SQLITE_DOWN)).await?;
        drop_tables(
            manager,
            &[
                "order_discount",
                "redemption",
                "coupon_code",
                "claim_share",
                "claim",
                "coupon_budget",
                "coupon_scope",
                "coupon_word",
                "coupon",
                "product",
            ],
        )
        .await
    }
}

fn of<'a>(manager: &SchemaManager<'_>, postgres: &'a [&'a str], sqlite: &'a [&'a str]) -> &'a [&'a str] {
    if manager.get_database_backend() == DbBackend::Postgres { postgres } else { sqlite }
}

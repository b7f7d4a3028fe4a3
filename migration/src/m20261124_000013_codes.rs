//! Codes are unique per shop, so a code reveals nothing about other shops. Coupons may be unlisted.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Foreign keys ensure that a claim and a code belong to the same shop as their coupon.
const COUPON: &[&str] = &[
    "ALTER TABLE coupon ADD COLUMN listed boolean NOT NULL DEFAULT true",
    "CREATE UNIQUE INDEX coupon_of_shop ON coupon (id, shop_id)",
];

const COUPON_DOWN: &[&str] = &["DROP INDEX coupon_of_shop", "ALTER TABLE coupon DROP COLUMN listed"];

const POSTGRES: &[&str] = &[
    "ALTER TABLE claim ADD COLUMN shop_id uuid",
    "UPDATE claim SET shop_id = coupon.shop_id FROM coupon WHERE coupon.id = claim.coupon_id",
    "ALTER TABLE claim ALTER COLUMN shop_id SET NOT NULL",
    "ALTER TABLE claim DROP CONSTRAINT claim_coupon_id_fkey",
    "ALTER TABLE claim ADD CONSTRAINT claim_of_coupon
        FOREIGN KEY (coupon_id, shop_id) REFERENCES coupon (id, shop_id)",
    "ALTER TABLE claim DROP CONSTRAINT claim_code_key",
    "ALTER TABLE claim ADD CONSTRAINT claim_code_key UNIQUE (shop_id, code)",
    "ALTER TABLE coupon_code ADD COLUMN shop_id uuid",
    "UPDATE coupon_code SET shop_id = coupon.shop_id FROM coupon WHERE coupon.id = coupon_code.coupon_id",
    "ALTER TABLE coupon_code ALTER COLUMN shop_id SET NOT NULL",
    "ALTER TABLE coupon_code DROP CONSTRAINT coupon_code_coupon_id_fkey",
    "ALTER TABLE coupon_code ADD CONSTRAINT coupon_code_of_coupon
        FOREIGN KEY (coupon_id, shop_id) REFERENCES coupon (id, shop_id)",
    "ALTER TABLE coupon_code DROP CONSTRAINT coupon_code_pkey",
    "ALTER TABLE coupon_code ADD PRIMARY KEY (shop_id, code)",
];

const POSTGRES_DOWN: &[&str] = &[
    "ALTER TABLE coupon_code DROP CONSTRAINT coupon_code_pkey",
    "ALTER TABLE coupon_code ADD PRIMARY KEY (code)",
    "ALTER TABLE coupon_code DROP CONSTRAINT coupon_code_of_coupon",
    "ALTER TABLE coupon_code ADD CONSTRAINT coupon_code_coupon_id_fkey
        FOREIGN KEY (coupon_id) REFERENCES coupon (id)",
    "ALTER TABLE coupon_code DROP COLUMN shop_id",
    "ALTER TABLE claim DROP CONSTRAINT claim_code_key",
    "ALTER TABLE claim ADD CONSTRAINT claim_code_key UNIQUE (code)",
    "ALTER TABLE claim DROP CONSTRAINT claim_of_coupon",
    "ALTER TABLE claim ADD CONSTRAINT claim_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id)",
    "ALTER TABLE claim DROP COLUMN shop_id",
];

/// SQLite cannot alter a key. So both tables are recreated, as its documentation recommends (“Making Other Kinds Of
/// Table Schema Changes”). Foreign keys are off meanwhile, because other tables refer to the claims.
const SQLITE: &[&str] = &[r"PRAGMA foreign_keys = OFF;
        BEGIN IMMEDIATE;
        CREATE TABLE new_claim (
            id blob PRIMARY KEY,
            coupon_id blob NOT NULL,
            shop_id blob NOT NULL,
            account_id blob NOT NULL REFERENCES account (id),
            buyer_id blob NOT NULL REFERENCES account (id),
            state text NOT NULL CONSTRAINT claim_state CHECK (state IN (
                'claimed', 'reserved', 'redeemed', 'expired', 'revoked', 'released')),
            code text NOT NULL,
            epoch integer NOT NULL,
            terms text NOT NULL,
            face_minor bigint,
            balance_minor bigint,
            valid_from text NOT NULL,
            valid_until text,
            order_id blob REFERENCES orders (id),
            order_line_id blob REFERENCES order_line (id) CONSTRAINT claim_line_key UNIQUE,
            claimed_at text NOT NULL,
            redeemed_at text,
            version bigint NOT NULL,
            updated_at text NOT NULL,
            CONSTRAINT claim_of_coupon FOREIGN KEY (coupon_id, shop_id) REFERENCES coupon (id, shop_id),
            CONSTRAINT claim_code_key UNIQUE (shop_id, code),
            CONSTRAINT claim_balance CHECK (
                (face_minor IS NULL) = (balance_minor IS NULL)
                AND (balance_minor IS NULL OR balance_minor BETWEEN 0 AND face_minor)),
            CONSTRAINT claim_reserved_has_order CHECK (state <> 'reserved' OR order_id IS NOT NULL),
            CONSTRAINT claim_redeemed_at CHECK ((state = 'redeemed') = (redeemed_at IS NOT NULL))
        );
        INSERT INTO new_claim SELECT claim.id, coupon_id, coupon.shop_id, account_id, buyer_id, claim.state, code,
            epoch, claim.terms, face_minor, balance_minor, claim.valid_from, claim.valid_until, order_id,
            order_line_id, claimed_at, redeemed_at, claim.version, claim.updated_at
            FROM claim JOIN coupon ON coupon.id = claim.coupon_id;
        DROP TABLE claim;
        ALTER TABLE new_claim RENAME TO claim;
        CREATE INDEX claim_account ON claim (account_id, id);
        CREATE INDEX claim_coupon ON claim (coupon_id, state);
        CREATE INDEX claim_due ON claim (valid_until) WHERE state = 'claimed' AND valid_until IS NOT NULL;
        CREATE INDEX claim_order ON claim (order_id) WHERE order_id IS NOT NULL;
        CREATE TABLE new_coupon_code (
            shop_id blob NOT NULL,
            code text COLLATE BINARY NOT NULL,
            coupon_id blob NOT NULL,
            position bigint NOT NULL,
            claim_id blob CONSTRAINT coupon_code_claim_key UNIQUE REFERENCES claim (id),
            PRIMARY KEY (shop_id, code),
            CONSTRAINT coupon_code_of_coupon FOREIGN KEY (coupon_id, shop_id) REFERENCES coupon (id, shop_id)
        );
        INSERT INTO new_coupon_code SELECT coupon.shop_id, code, coupon_id, coupon_code.position, claim_id
            FROM coupon_code JOIN coupon ON coupon.id = coupon_code.coupon_id;
        DROP TABLE coupon_code;
        ALTER TABLE new_coupon_code RENAME TO coupon_code;
        CREATE UNIQUE INDEX coupon_code_position ON coupon_code (coupon_id, position);
        CREATE INDEX coupon_code_free ON coupon_code (coupon_id, position) WHERE claim_id IS NULL;
        COMMIT;
        PRAGMA foreign_keys = ON"];

const SQLITE_DOWN: &[&str] = &[r"PRAGMA foreign_keys = OFF;
        BEGIN IMMEDIATE;
        CREATE TABLE old_claim (
            id blob PRIMARY KEY,
            coupon_id blob NOT NULL REFERENCES coupon (id),
            account_id blob NOT NULL REFERENCES account (id),
            buyer_id blob NOT NULL REFERENCES account (id),
            state text NOT NULL CONSTRAINT claim_state CHECK (state IN (
                'claimed', 'reserved', 'redeemed', 'expired', 'revoked', 'released')),
            code text NOT NULL CONSTRAINT claim_code_key UNIQUE,
            epoch integer NOT NULL,
            terms text NOT NULL,
            face_minor bigint,
            balance_minor bigint,
            valid_from text NOT NULL,
            valid_until text,
            order_id blob REFERENCES orders (id),
            order_line_id blob REFERENCES order_line (id) CONSTRAINT claim_line_key UNIQUE,
            claimed_at text NOT NULL,
            redeemed_at text,
            version bigint NOT NULL,
            updated_at text NOT NULL,
            CONSTRAINT claim_balance CHECK (
                (face_minor IS NULL) = (balance_minor IS NULL)
                AND (balance_minor IS NULL OR balance_minor BETWEEN 0 AND face_minor)),
            CONSTRAINT claim_reserved_has_order CHECK (state <> 'reserved' OR order_id IS NOT NULL),
            CONSTRAINT claim_redeemed_at CHECK ((state = 'redeemed') = (redeemed_at IS NOT NULL))
        );
        INSERT INTO old_claim SELECT id, coupon_id, account_id, buyer_id, state, code, epoch, terms, face_minor,
            balance_minor, valid_from, valid_until, order_id, order_line_id, claimed_at, redeemed_at, version,
            updated_at FROM claim;
        DROP TABLE claim;
        ALTER TABLE old_claim RENAME TO claim;
        CREATE INDEX claim_account ON claim (account_id, id);
        CREATE INDEX claim_coupon ON claim (coupon_id, state);
        CREATE INDEX claim_due ON claim (valid_until) WHERE state = 'claimed' AND valid_until IS NOT NULL;
        CREATE INDEX claim_order ON claim (order_id) WHERE order_id IS NOT NULL;
        CREATE TABLE old_coupon_code (
            code text COLLATE BINARY PRIMARY KEY,
            coupon_id blob NOT NULL REFERENCES coupon (id),
            position bigint NOT NULL,
            claim_id blob CONSTRAINT coupon_code_claim_key UNIQUE REFERENCES claim (id)
        );
        INSERT INTO old_coupon_code SELECT code, coupon_id, position, claim_id FROM coupon_code;
        DROP TABLE coupon_code;
        ALTER TABLE old_coupon_code RENAME TO coupon_code;
        CREATE UNIQUE INDEX coupon_code_position ON coupon_code (coupon_id, position);
        CREATE INDEX coupon_code_free ON coupon_code (coupon_id, position) WHERE claim_id IS NULL;
        COMMIT;
        PRAGMA foreign_keys = ON"];

/// Supports pages of a coupon's claims in the order of their creation.
const PAGES: &[&str] = &["CREATE INDEX claim_page ON claim (coupon_id, id)"];

const PAGES_DOWN: &[&str] = &["DROP INDEX claim_page"];

/// The older schema cannot store the same code for several shops. All but one of them get a suffix.
const ONE_OF_EACH: &[&str] = &[
    r"UPDATE claim SET code = code || '~' || {mark}
        WHERE EXISTS (SELECT 1 FROM coupon_code AS c WHERE c.code = claim.code AND c.shop_id < claim.shop_id)",
    r"UPDATE coupon_code SET code = code || '~' || {mark}
        WHERE EXISTS (
            SELECT 1 FROM coupon_code AS c WHERE c.code = coupon_code.code AND c.shop_id < coupon_code.shop_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, COUPON).await?;
        run(manager, of(manager, POSTGRES, SQLITE)).await?;
        run(manager, PAGES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mark = if is_postgres(manager) { "shop_id::text" } else { "hex(shop_id)" };
        let marked: Vec<String> = ONE_OF_EACH.iter().map(|sql| sql.replace("{mark}", mark)).collect();
        let marked: Vec<&str> = marked.iter().map(String::as_str).collect();
        run(manager, PAGES_DOWN).await?;
        run(manager, &marked).await?;
        run(manager, of(manager, POSTGRES_DOWN, SQLITE_DOWN)).await?;
        run(manager, COUPON_DOWN).await
    }
}

fn of<'a>(manager: &SchemaManager<'_>, postgres: &'a [&'a str], sqlite: &'a [&'a str]) -> &'a [&'a str] {
    if is_postgres(manager) { postgres } else { sqlite }
}

fn is_postgres(manager: &SchemaManager<'_>) -> bool {
    manager.get_database_backend() == DbBackend::Postgres
}

//! A budget row for each coupon, discounts given at counters, and the fees in refunds. The ledger may have entries of
//! orders that claims paid for completely.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const LOOSEN_POSTGRES: &[&str] = &[
    "ALTER TABLE coupon_budget ALTER COLUMN allowed DROP NOT NULL",
    "ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_cause",
    "ALTER TABLE ledger_entry ADD CONSTRAINT ledger_entry_cause CHECK (payment_id IS NULL OR refund_id IS NULL)",
];

const TIGHTEN_POSTGRES: &[&str] = &[
    "ALTER TABLE coupon_budget ALTER COLUMN allowed SET NOT NULL",
    "ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_cause",
    "ALTER TABLE ledger_entry ADD CONSTRAINT ledger_entry_cause
        CHECK ((payment_id IS NULL) <> (refund_id IS NULL))",
];

/// Uses the same method as `m20261123_000011_coupons`.
const LOOSEN_SQLITE: &[&str] = &[r"BEGIN IMMEDIATE;
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'allowed bigint NOT NULL', 'allowed bigint')
            WHERE type = 'table' AND name = 'coupon_budget';
        UPDATE sqlite_schema SET sql = replace(sql,
            '(payment_id IS NULL) <> (refund_id IS NULL)', 'payment_id IS NULL OR refund_id IS NULL')
            WHERE type = 'table' AND name = 'ledger_entry';
        PRAGMA writable_schema = RESET;
        COMMIT"];

const TIGHTEN_SQLITE: &[&str] = &[r"BEGIN IMMEDIATE;
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'allowed bigint', 'allowed bigint NOT NULL')
            WHERE type = 'table' AND name = 'coupon_budget';
        UPDATE sqlite_schema SET sql = replace(sql,
            'payment_id IS NULL OR refund_id IS NULL', '(payment_id IS NULL) <> (refund_id IS NULL)')
            WHERE type = 'table' AND name = 'ledger_entry';
        PRAGMA writable_schema = RESET;
        COMMIT"];

/// Recomputes `spent`: a budget that was removed and set again had lost it.
const UP: &[&str] = &[
    r"ALTER TABLE redemption ADD COLUMN given_minor bigint
        CONSTRAINT redemption_given CHECK (given_minor IS NULL OR (given_minor > 0 AND order_id IS NULL))",
    "ALTER TABLE refund ADD COLUMN fee_minor bigint NOT NULL DEFAULT 0",
    "UPDATE refund SET fee_minor = (SELECT fee_minor FROM orders WHERE orders.id = refund.order_id)",
    r"INSERT INTO coupon_budget (coupon_id, allowed, spent)
        SELECT id, NULL, 0 FROM coupon WHERE id NOT IN (SELECT coupon_id FROM coupon_budget)",
    r"UPDATE coupon_budget SET spent = given.amount,
            allowed = CASE WHEN given.amount > allowed THEN given.amount ELSE allowed END
        FROM (SELECT b.coupon_id, coalesce(sum(d.amount_minor), 0) AS amount FROM coupon_budget AS b
            LEFT JOIN order_discount AS d ON d.coupon_id = b.coupon_id AND d.order_id IN (
                SELECT id FROM orders WHERE state NOT IN ('expired', 'cancelled', 'refunded', 'partially_refunded'))
            GROUP BY b.coupon_id) AS given
        WHERE given.coupon_id = coupon_budget.coupon_id AND allowed IS NOT NULL",
];

const DOWN: &[&str] = &[
    "DELETE FROM coupon_budget WHERE allowed IS NULL",
    "DELETE FROM ledger_entry WHERE payment_id IS NULL AND refund_id IS NULL",
    "ALTER TABLE refund DROP COLUMN fee_minor",
    "ALTER TABLE redemption DROP COLUMN given_minor",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, of(manager, LOOSEN_POSTGRES, LOOSEN_SQLITE)).await?;
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await?;
        run(manager, of(manager, TIGHTEN_POSTGRES, TIGHTEN_SQLITE)).await
    }
}

fn of<'a>(manager: &SchemaManager<'_>, postgres: &'a [&'a str], sqlite: &'a [&'a str]) -> &'a [&'a str] {
    if manager.get_database_backend() == DbBackend::Postgres { postgres } else { sqlite }
}

//! Orders, payments, refunds, the ledger, and the sandbox provider's own books.

use sea_orm_migration::prelude::*;

use crate::dialect::{drop_tables, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    r"CREATE TABLE orders (
            id {uuid} PRIMARY KEY,
            number text NOT NULL CONSTRAINT orders_number_key UNIQUE,
            account_id {uuid} NOT NULL REFERENCES account (id),
            shop_id {uuid} NOT NULL REFERENCES shop (id),
            state text NOT NULL CONSTRAINT orders_state CHECK (state IN (
                'awaiting_payment', 'paid', 'partially_refunded', 'refunded', 'expired', 'cancelled', 'refund_due', 'stuck')),
            currency text NOT NULL,
            total_minor bigint NOT NULL,
            fee_minor bigint NOT NULL,
            tax_minor bigint NOT NULL,
            contact_name text NOT NULL,
            contact_email text NOT NULL,
            contact_phone text,
            access_digest {bytes} NOT NULL,
            expires_at {time} NOT NULL,
            paid_at {time},
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL,
            CONSTRAINT orders_amounts CHECK (fee_minor >= 0 AND tax_minor >= 0 AND fee_minor <= total_minor AND tax_minor <= total_minor),
            CONSTRAINT orders_paid_at CHECK (state NOT IN ('paid', 'partially_refunded', 'refunded') OR paid_at IS NOT NULL)
        )",
    r"CREATE INDEX orders_account ON orders (account_id, id)",
    r"CREATE INDEX orders_shop ON orders (shop_id, id)",
    r"CREATE INDEX orders_due ON orders (expires_at) WHERE state = 'awaiting_payment'",
    r"CREATE TABLE order_line (
            id {uuid} PRIMARY KEY,
            order_id {uuid} NOT NULL REFERENCES orders (id),
            position integer NOT NULL,
            event_id {uuid} NOT NULL REFERENCES event (id),
            reservation_id {uuid} NOT NULL REFERENCES reservation (id),
            seat_ordinal integer,
            area_ordinal integer,
            label text NOT NULL,
            tier_id {uuid} NOT NULL REFERENCES tier (id),
            tier_name text NOT NULL,
            price_minor bigint NOT NULL,
            fee_minor bigint NOT NULL,
            tax_minor bigint NOT NULL,
            epoch integer NOT NULL,
            CONSTRAINT order_line_position_key UNIQUE (order_id, position),
            CONSTRAINT order_line_place CHECK ((seat_ordinal IS NULL) <> (area_ordinal IS NULL)),
            CONSTRAINT order_line_amounts CHECK (price_minor >= 0 AND fee_minor >= 0 AND tax_minor >= 0)
        )",
    r"CREATE INDEX order_line_reservation ON order_line (reservation_id)",
    r"CREATE TABLE payment (
            id {uuid} PRIMARY KEY,
            order_id {uuid} NOT NULL REFERENCES orders (id),
            provider text NOT NULL,
            provider_ref text,
            state text NOT NULL CONSTRAINT payment_state CHECK (state IN (
                'created', 'submitted', 'requires_action', 'authorised', 'capturing', 'captured', 'failed', 'cancelled')),
            amount_minor bigint NOT NULL CONSTRAINT payment_amount CHECK (amount_minor >= 0),
            currency text NOT NULL,
            method text NOT NULL,
            failure_code text,
            next_action_url text,
            check_at {time} NOT NULL,
            deadline {time} NOT NULL,
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL,
            CONSTRAINT payment_provider_ref_key UNIQUE (provider, provider_ref)
        )",
    r"CREATE UNIQUE INDEX payment_one_live ON payment (order_id) WHERE state NOT IN ('failed', 'cancelled')",
    r"CREATE INDEX payment_order ON payment (order_id)",
    r"CREATE INDEX payment_undecided ON payment (check_at) WHERE state NOT IN ('captured', 'failed', 'cancelled')",
    r"CREATE TABLE refund (
            id {uuid} PRIMARY KEY,
            order_id {uuid} NOT NULL REFERENCES orders (id),
            payment_id {uuid} NOT NULL REFERENCES payment (id),
            state text NOT NULL CONSTRAINT refund_state CHECK (state IN (
                'requested', 'submitted', 'pending', 'succeeded', 'failed', 'manual')),
            amount_minor bigint NOT NULL CONSTRAINT refund_amount CHECK (amount_minor >= 0),
            currency text NOT NULL,
            reason text NOT NULL,
            requested_by {uuid} NOT NULL REFERENCES account (id),
            provider_ref text,
            attempts integer NOT NULL,
            check_at {time} NOT NULL,
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL
        )",
    r"CREATE UNIQUE INDEX refund_payment_once ON refund (payment_id)",
    r"CREATE INDEX refund_order ON refund (order_id)",
    r"CREATE INDEX refund_undecided ON refund (check_at) WHERE state NOT IN ('succeeded', 'manual')",
    r"CREATE TABLE ledger_entry (
            id {uuid} PRIMARY KEY,
            posting_id {uuid} NOT NULL,
            account text NOT NULL,
            amount_minor bigint NOT NULL,
            currency text NOT NULL,
            order_id {uuid} NOT NULL REFERENCES orders (id),
            payment_id {uuid} REFERENCES payment (id),
            refund_id {uuid} REFERENCES refund (id),
            at {time} NOT NULL,
            CONSTRAINT ledger_entry_cause CHECK ((payment_id IS NULL) <> (refund_id IS NULL)),
            CONSTRAINT ledger_entry_payment_once UNIQUE (payment_id, account),
            CONSTRAINT ledger_entry_refund_once UNIQUE (refund_id, account)
        )",
    r"CREATE INDEX ledger_entry_order ON ledger_entry (order_id)",
    r"CREATE TABLE sandbox_intent (
            id text PRIMARY KEY,
            idempotency_key text NOT NULL CONSTRAINT sandbox_intent_key UNIQUE,
            status text NOT NULL,
            amount bigint NOT NULL,
            currency text NOT NULL,
            method text NOT NULL,
            failure_code text,
            metadata text NOT NULL,
            created_at {time} NOT NULL
        )",
    r"CREATE TABLE sandbox_refund (
            id text PRIMARY KEY,
            idempotency_key text NOT NULL CONSTRAINT sandbox_refund_key UNIQUE,
            intent_id text NOT NULL REFERENCES sandbox_intent (id),
            amount bigint NOT NULL,
            status text NOT NULL,
            created_at {time} NOT NULL
        )",
    r"CREATE INDEX sandbox_refund_intent ON sandbox_refund (intent_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &[
                "sandbox_refund",
                "sandbox_intent",
                "ledger_entry",
                "refund",
                "payment",
                "order_line",
                "orders",
            ],
        )
        .await
    }
}

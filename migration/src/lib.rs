//! The migrations of Tessera's schema for SQLite and PostgreSQL.
//!
//! Each migration can be reverted. The statements are SQL, because their named CHECK and UNIQUE constraints protect the
//! invariants even against faulty code. Placeholders stand for the few differences between the two databases (see
//! [`dialect`]).
//!
//! # Expand, then contract
//!
//! Programs of the previous version may run during and after a migration. So a migration of the first kind only adds
//! things that they can ignore: columns with a default or null, tables, indexes, and wider constraints. A migration of
//! the second kind removes things that no program uses since an earlier migration. It inserts the following row in its
//! `up` and deletes it in its `down`:
//!
//! ```sql
//! INSERT INTO schema_requirement VALUES ('m20270101_000042_drop_old', 'm20261201_000040_use_new');
//! DELETE FROM schema_requirement WHERE step = 'm20270101_000042_drop_old';
//! ```
//!
//! A program starts on a newer schema only if it knows all migrations in the column `needs` of this table.

mod dialect;
mod m20261122_000001_accounts;
mod m20261122_000002_shops;
mod m20261122_000003_events;
mod m20261122_000004_inventory;
mod m20261122_000005_orders;
mod m20261122_000006_tickets;
mod m20261122_000007_plumbing;
mod m20261122_000008_orphan_rule;
mod m20261122_000009_fairness;
mod m20261122_000010_change_log;
mod m20261123_000011_coupons;
mod m20261123_000012_budgets;
mod m20261123_000014_access_trace;
mod m20261124_000013_codes;
mod m20261128_000015_hoarding;
mod m20261128_000016_email_skeleton;
mod m20261128_000017_audit;
mod m20261129_000010_text_forms;
mod m20261129_000011_slug_owners;
mod m20261129_000020_compatibility;
mod m20261129_000022_list_indexes;
mod m20261129_000040_admission;
mod m20261129_000041_check_ins;
mod m20261129_000050_public_available;
mod m20261129_000060_seating;
mod m20261129_000070_event_series;
mod m20261129_000071_coupon_targets;

use sea_orm_migration::prelude::*;
pub use sea_orm_migration::{MigratorTrait, SchemaManager};

/// All migrations in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_accounts::Migration),
            Box::new(m20261122_000002_shops::Migration),
            Box::new(m20261122_000003_events::Migration),
            Box::new(m20261122_000004_inventory::Migration),
            Box::new(m20261122_000005_orders::Migration),
            Box::new(m20261122_000006_tickets::Migration),
            Box::new(m20261122_000007_plumbing::Migration),
            Box::new(m20261122_000008_orphan_rule::Migration),
            Box::new(m20261122_000009_fairness::Migration),
            Box::new(m20261122_000010_change_log::Migration),
            Box::new(m20261123_000011_coupons::Migration),
            Box::new(m20261123_000012_budgets::Migration),
            Box::new(m20261124_000013_codes::Migration),
            Box::new(m20261123_000014_access_trace::Migration),
            Box::new(m20261128_000015_hoarding::Migration),
            Box::new(m20261128_000016_email_skeleton::Migration),
            Box::new(m20261128_000017_audit::Migration),
            Box::new(m20261129_000020_compatibility::Migration),
            Box::new(m20261129_000022_list_indexes::Migration),
            Box::new(m20261129_000010_text_forms::Migration),
            Box::new(m20261129_000011_slug_owners::Migration),
            Box::new(m20261129_000040_admission::Migration),
            Box::new(m20261129_000041_check_ins::Migration),
            Box::new(m20261129_000050_public_available::Migration),
            Box::new(m20261129_000060_seating::Migration),
            Box::new(m20261129_000070_event_series::Migration),
            Box::new(m20261129_000071_coupon_targets::Migration),
        ]
    }
}

//! Tessera's schema, step by step, for SQLite and PostgreSQL.
//!
//! Every step is reversible. The statements are written as SQL, because the named CHECK and UNIQUE constraints in them
//! are what holds the invariants even against wrong code; the few words that differ between the two databases are
//! placeholders (see [`dialect`]).
//!
//! # Expand, then contract
//!
//! Programs of the version before may run while a step is applied, and after it. So a step either only adds what those
//! can do without (columns with a default or that may be null, tables, indexes, wider constraints), or it takes away what
//! no program uses that knows an earlier step. A step of the second kind says so in its `up`, and takes it back in its
//! `down`:
//!
//! ```sql
//! INSERT INTO schema_requirement VALUES ('m20270101_000042_drop_old', 'm20261201_000040_use_new');
//! DELETE FROM schema_requirement WHERE step = 'm20270101_000042_drop_old';
//! ```
//!
//! A program starts on a newer schema only if it knows every step that this table names as needed.

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
mod m20261129_000020_compatibility;
mod m20261129_000022_list_indexes;

use sea_orm_migration::prelude::*;
pub use sea_orm_migration::{MigratorTrait, SchemaManager};

/// All steps in order.
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
        ]
    }
}

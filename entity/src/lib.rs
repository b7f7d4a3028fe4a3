//! The rows of Tessera's tables and their typed ids, and nothing else: no async, no rules, no GraphQL.
//!
//! One file per concept. Every row that people edit or machines race for has a `version`; such entities implement
//! [`Versioned`], and are written only through the guarded update in the application's `store.rs`.
//!
//! Invariant: this crate imports nothing of the application's.

pub mod account;
pub mod audit;
pub mod category;
pub mod claim;
pub mod coupon;
pub mod event;
pub mod ids;
pub mod inventory;
pub mod order;
pub mod outbox;
pub mod payment;
pub mod product;
pub mod reservation;
pub mod sandbox;
pub mod session;
pub mod shop;
pub mod ticket;
pub mod tier;
pub mod venue;

pub use ids::*;
use sea_orm::EntityTrait;

/// An entity whose rows carry an optimistic-concurrency version that each write raises by one.
pub trait Versioned: EntityTrait {
    /// The column that holds the version.
    const VERSION: Self::Column;

    /// The version at which this row was read.
    fn version(row: &Self::Model) -> i64;
}

/// Implements [`Versioned`] for the entity of the module it stands in.
macro_rules! versioned {
    () => {
        impl crate::Versioned for Entity {
            const VERSION: Column = Column::Version;

            fn version(row: &Model) -> i64 {
                row.version
            }
        }
    };
}
pub(crate) use versioned;

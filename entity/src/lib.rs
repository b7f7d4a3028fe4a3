//! The rows of Tessera's tables and their typed ids. Contains no async code, no rules and no GraphQL.
//!
//! There is one file per concept. Each row that users edit or concurrent writers change has a `version`. Its entity
//! implements [`Versioned`], and is written only by the guarded update in the application's `store` module.
//!
//! Invariant: this crate does not depend on the application.

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
pub mod search;
pub mod session;
pub mod shop;
pub mod slug_owner;
pub mod ticket;
pub mod tier;
pub mod venue;

pub use ids::*;
use sea_orm::EntityTrait;

/// An entity whose rows have an optimistic-concurrency version, incremented by each write.
pub trait Versioned: EntityTrait {
    /// The column of the version.
    const VERSION: Self::Column;

    /// Returns the version of a row as it was read.
    fn version(row: &Self::Model) -> i64;
}

/// Implements [`Versioned`] for the entity of the current module.
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

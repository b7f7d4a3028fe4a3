//! Tessera.

pub mod account;
pub mod app;
pub mod auth;
pub mod clock;
pub mod config;
pub mod error;
pub mod event;
pub mod graphql;
pub mod idempotency;
pub mod inventory;
pub mod keys;
pub mod money;
pub mod order;
pub mod outbox;
pub mod page;
pub mod payment;
pub mod shop;
pub mod store;
pub mod ticket;
pub mod venue;

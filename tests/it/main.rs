//! Integration tests of the API on real databases, and house tests of the code.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where it stopped"
)]

mod account;
mod code;
mod contract;
mod coupon;
mod event;
mod http;
mod inventory;
mod order;
mod server;
mod shop;
mod support;
mod venue;

//! The test harness: each test gets a world with its own database, clock and application.

pub(crate) mod blocking;
pub(crate) mod calls;
pub(crate) mod command;
mod coupon_laws;
pub(crate) mod coupons;
pub(crate) mod crowd;
pub(crate) mod disk;
pub(crate) mod documents;
pub(crate) mod gate;
mod gate_laws;
pub(crate) mod given;
pub(crate) mod given_coupon;
pub(crate) mod history;
pub(crate) mod laws;
pub(crate) mod link;
pub(crate) mod panics;
pub(crate) mod peer;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod scene;
pub(crate) mod socket;
pub(crate) mod source;
pub(crate) mod sqlite;
pub(crate) mod wire;
pub(crate) mod world;

pub(crate) use world::{Answer, World, run, run_on_postgres, run_once};

//! Tests of accounts, sessions and their limits.

pub(crate) mod profile;
mod sign_in_limits;

//! Tests of accounts, sessions and their limits.

mod profile;
mod sign_in_limits;

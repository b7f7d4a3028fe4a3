//! Tests of coupons and their claims.

pub(crate) mod access_code;
mod budget;
mod checkout;
mod checkout_race;
mod claim;
mod claim_code;
mod code;
mod code_lists;
mod discount_rounding;
mod list;
mod management;
mod paid;
mod pasted_codes;
mod race;

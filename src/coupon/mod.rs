//! Coupons: what shops publish, what buyers hold of it, and what it is worth.

pub mod code;
pub mod csv;
pub mod discount;
pub mod terms;

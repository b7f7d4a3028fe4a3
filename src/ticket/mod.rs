//! Tickets: the right to enter.

pub mod barcode;
pub mod code;

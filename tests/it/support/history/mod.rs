//! Histories: what many clients asked and were answered, and the proof that one order of it explains everything.

pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod log;
pub(crate) mod proxy;
pub(crate) mod record;
pub(crate) mod remote;
pub(crate) mod seat;
pub(crate) mod socket;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

//! Histories: the requests and responses of many clients, and the proof that one order of them explains all responses.

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

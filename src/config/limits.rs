//! Settings that bound what one client may do.

use clap::Args;

/// Limits per address, account and event.
#[derive(Args, Clone, Debug, Default)]
pub struct LimitSettings {}

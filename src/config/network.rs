//! Settings of the listener: which clients may connect, how, and from where.

use clap::Args;

/// The listener's settings.
#[derive(Args, Clone, Debug, Default)]
pub struct NetworkSettings {}

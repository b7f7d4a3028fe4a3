//! Settings of metrics and traces.

use clap::Args;

/// Where metrics are served and traces are sent.
#[derive(Args, Clone, Debug, Default)]
pub struct TelemetrySettings {}

//! Settings of metrics and traces.

use std::net::SocketAddr;

use clap::Args;

use super::ConfigError;

/// The address for metrics and the target of traces.
#[derive(Args, Clone, Debug)]
pub struct TelemetrySettings {
    /// Address of the private listener for Prometheus metrics at `/metrics`, such as 127.0.0.1:9464. Default: off.
    #[arg(long, global = true, env = "TESSERA_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Base address of an OTLP/HTTP collector for traces, such as <http://127.0.0.1:4318>. Default: off.
    #[arg(long, global = true, env = "TESSERA_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Share of new traces that are recorded, 0 to 1. A request with `traceparent` follows its client's decision.
    #[arg(long, global = true, env = "TESSERA_TRACE_RATIO", default_value_t = 1.0)]
    pub trace_ratio: f64,
}

impl TelemetrySettings {
    /// Refuses invalid settings.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.otlp_endpoint.as_deref().is_some_and(|url| !url.starts_with("http://") || url.len() < 8) {
            return Err(ConfigError::OtlpEndpoint);
        }
        if !(0.0..=1.0).contains(&self.trace_ratio) {
            return Err(ConfigError::TraceRatio);
        }
        Ok(())
    }
}

//! All settings, as flags and environment variables. They are checked at the start.

mod documents;
mod hoarding;
mod lifecycle;
mod limits;
mod manifest;
mod network;
mod production;
mod telemetry;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::store::{AddressError, check_address};

pub use self::{
    documents::DocumentSettings,
    hoarding::HoardingSettings,
    lifecycle::{LifecycleSettings, Migrate},
    limits::{LimitError, LimitSettings, Rate, Window},
    manifest::{Manifest, TrustedDocument},
    network::{NetworkSettings, NetworkSettingsError},
    production::{Problem, Problems, ProductionSettings},
    telemetry::TelemetrySettings,
};

/// The environment of the server, which decides how strict it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Environment {
    /// A developer's machine. Keys are generated, GraphiQL and introspection are on, and an empty database is filled.
    Development,
    /// A server for customers. All settings must be given, and nothing is generated.
    Production,
}

/// The payment providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// The embedded sandbox: no money moves.
    Sandbox,
}

/// The settings of a server.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Address to listen on. Port 0 selects a free port.
    #[arg(long, global = true, env = "TESSERA_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Directory for the database file and, in development, the keys.
    #[arg(long, global = true, env = "TESSERA_DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// `postgres://…` or `sqlite://…`. Default: `tessera.db` in the data directory. PostgreSQL may have several hosts,
    /// `postgres://user@host1:5432,host2:5432/db`; the writable one is used.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Connections for reading. On PostgreSQL there are as many for writing and as many for the desks.
    #[arg(long, global = true, env = "TESSERA_DATABASE_CONNECTIONS", default_value_t = 8)]
    pub database_connections: u32,
    /// Operations that may run at the same time. Further ones are refused with a time to retry.
    #[arg(long, global = true, env = "TESSERA_MAX_OPERATIONS", default_value_t = 4096)]
    pub max_operations: usize,
    /// `development` or `production`.
    #[arg(long, global = true, env = "TESSERA_ENV", value_enum, default_value_t = Environment::Development)]
    pub env: Environment,
    /// Fill an empty database with demo data. Default: in development only.
    #[arg(long, global = true, env = "TESSERA_DEMO")]
    pub demo: Option<bool>,
    /// Directory of the signing keys. Default: `keys` in the data directory, where development generates them.
    #[arg(long, global = true, env = "TESSERA_KEYS_DIR")]
    pub keys_dir: Option<PathBuf>,
    /// The server's address as clients know it, for links. Default: the address it listens on.
    #[arg(long, global = true, env = "TESSERA_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Browser origins that may call the API, separated by commas. The server's own origin always may.
    #[arg(long, global = true, env = "TESSERA_ALLOWED_ORIGINS", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,
    /// Serve GraphiQL. Default: in development only.
    #[arg(long, global = true, env = "TESSERA_GRAPHIQL")]
    pub graphiql: Option<bool>,
    /// Answer introspection. Default: in development only.
    #[arg(long, global = true, env = "TESSERA_INTROSPECTION")]
    pub introspection: Option<bool>,
    /// The payment provider. Production has no default.
    #[arg(long, global = true, env = "TESSERA_PAYMENTS", value_enum)]
    pub payments: Option<Provider>,
    /// Seconds for which an access token is valid.
    #[arg(long, global = true, env = "TESSERA_ACCESS_SECONDS", default_value_t = 600)]
    pub access_seconds: u32,
    /// Days for which a session can be refreshed.
    #[arg(long, global = true, env = "TESSERA_SESSION_DAYS", default_value_t = 30)]
    pub session_days: u32,
    /// Seconds that a payment may stay undecided before it is cancelled at the provider.
    #[arg(long, global = true, env = "TESSERA_PAYMENT_SECONDS", default_value_t = 900)]
    pub payment_seconds: u32,
    /// Seconds that requests in progress have to finish when the server stops.
    #[arg(long, global = true, env = "TESSERA_SHUTDOWN_SECONDS", default_value_t = 10)]
    pub shutdown_seconds: u64,
    /// Start and stop.
    #[command(flatten)]
    pub lifecycle: LifecycleSettings,
    /// The listener.
    #[command(flatten)]
    pub network: NetworkSettings,
    /// What one client may do.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// Unpaid reservations.
    #[command(flatten)]
    pub hoarding: HoardingSettings,
    /// Documents and operations.
    #[command(flatten)]
    pub documents: DocumentSettings,
    /// Metrics and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
    /// Overrides for rehearsals.
    #[command(flatten)]
    pub production: ProductionSettings,
}

/// A fault in the settings.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A wildcard would let every site call the API.
    #[error("TESSERA_ALLOWED_ORIGINS must contain origins such as https://shop.example, not `{0}`")]
    Origin(String),
    /// The lifetime of access tokens is out of range.
    #[error("TESSERA_ACCESS_SECONDS must be between 30 and 3600")]
    AccessSeconds,
    /// The number of database connections is out of range.
    #[error("TESSERA_DATABASE_CONNECTIONS must be between 1 and 500")]
    Connections,
    /// The number of operations is out of range.
    #[error("TESSERA_MAX_OPERATIONS must be between 8 and 1000000")]
    Operations,
    /// A limit of documents or operations is out of range.
    #[error("{0}")]
    Documents(&'static str),
    /// Demo accounts have public passwords.
    #[error("`seed` in production needs TESSERA_DEMO=true, because demo accounts have public passwords")]
    Demo,
    /// Without trusted documents, all would be refused.
    #[error("TESSERA_TRUSTED_DOCUMENTS_ONLY=true needs TESSERA_TRUSTED_DOCUMENTS, a file with documents")]
    TrustedDocuments,
    /// A setting is out of its range.
    #[error("{name} must be between {least} and {most}")]
    Range {
        /// The environment variable.
        name: &'static str,
        /// The least value.
        least: u32,
        /// The greatest value.
        most: u32,
    },
    /// The database is neither PostgreSQL nor SQLite.
    #[error("DATABASE_URL must begin with postgres:// or sqlite://")]
    Database,
    /// The database's hosts are invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The listener's settings are invalid.
    #[error(transparent)]
    Network(#[from] NetworkSettingsError),
    /// A limit is out of range.
    #[error(transparent)]
    Limits(#[from] LimitError),
    /// The exporter supports plain HTTP only.
    #[error("TESSERA_OTLP_ENDPOINT must begin with http://, such as http://127.0.0.1:4318")]
    OtlpEndpoint,
    /// The ratio is out of range.
    #[error("TESSERA_TRACE_RATIO must be between 0 and 1")]
    TraceRatio,
}

impl Config {
    /// Refuses invalid settings at the start.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let good = |origin: &&String| {
            (origin.starts_with("https://") || origin.starts_with("http://")) && !origin.contains('*')
        };
        if let Some(origin) = self.allowed_origins.iter().find(|origin| !good(origin)) {
            return Err(ConfigError::Origin(origin.clone()));
        }
        if !(30..=3_600).contains(&self.access_seconds) {
            return Err(ConfigError::AccessSeconds);
        }
        if !(1..=500).contains(&self.database_connections) {
            return Err(ConfigError::Connections);
        }
        if !(8..=1_000_000).contains(&self.max_operations) {
            return Err(ConfigError::Operations);
        }
        self.documents.validate()?;
        self.network.validate()?;
        let url = self.database_url();
        if !["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(ConfigError::Database);
        }
        check_address(&url)?;
        self.lifecycle.validate()?;
        self.limits.validate()?;
        self.hoarding.validate()?;
        self.telemetry.validate()
    }

    /// Returns whether the environment is production.
    pub fn is_production(&self) -> bool {
        self.env == Environment::Production
    }

    /// Returns the database's URL.
    pub fn database_url(&self) -> String {
        self.database_url
            .clone()
            .unwrap_or_else(|| format!("sqlite://{}", self.data_dir.join("tessera.db").display()))
    }

    /// Returns how long the server serves as before after a stop signal.
    pub fn drain(&self) -> Duration {
        let default = if self.is_production() { 5 } else { 0 };
        Duration::from_secs(self.lifecycle.drain_seconds.unwrap_or(default).into())
    }

    /// Returns the directory of the keys.
    pub fn keys_dir(&self) -> PathBuf {
        self.keys_dir.clone().unwrap_or_else(|| self.data_dir.join("keys"))
    }

    /// Returns whether an empty database is filled with demo data.
    pub fn fills_demo(&self) -> bool {
        self.demo.unwrap_or(!self.is_production())
    }

    /// Returns whether GraphiQL is served.
    pub fn serves_graphiql(&self) -> bool {
        self.graphiql.unwrap_or(!self.is_production())
    }

    /// Returns whether introspection is answered.
    pub fn answers_introspection(&self) -> bool {
        self.introspection.unwrap_or(!self.is_production())
    }

    /// Returns the server's address as clients know it, without a slash at the end.
    pub fn public_url(&self) -> String {
        let scheme = if self.network.uses_tls() { "https" } else { "http" };
        self.public_url
            .as_deref()
            .map_or_else(|| format!("{scheme}://{}", self.listen), |url| url.trim_end_matches('/').to_owned())
    }
}

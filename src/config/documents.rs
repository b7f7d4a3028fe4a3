//! Settings of GraphQL documents: the accepted ones, and the limits of operations.

use std::time::Duration;

use clap::Args;

use super::{ConfigError, Manifest};

/// Settings of documents and operations.
#[derive(Args, Clone, Debug)]
pub struct DocumentSettings {
    /// The cost limit of one operation: about microseconds of one core, if all lists are long.
    #[arg(long, global = true, env = "TESSERA_MAX_COST", default_value_t = 100_000)]
    pub max_cost: u64,
    /// The limit of the summed costs of all running operations. Default: 1,000,000 per core, which is a second of work.
    #[arg(long, global = true, env = "TESSERA_MAX_RUNNING_COST")]
    pub max_running_cost: Option<u64>,
    /// The limit of the estimated memory of all running operations, in MiB.
    #[arg(long, global = true, env = "TESSERA_MAX_RUNNING_MIB", default_value_t = 256)]
    pub max_running_mib: u64,
    /// Bytes of one response. A single value, such as a seat plan, may be larger.
    #[arg(long, global = true, env = "TESSERA_MAX_RESPONSE_BYTES", default_value_t = 2 * 1024 * 1024)]
    pub max_response_bytes: u64,
    /// Seconds after which a query is stopped.
    #[arg(long, global = true, env = "TESSERA_QUERY_SECONDS", default_value_t = 10)]
    pub query_seconds: u64,
    /// Seconds after which a mutation is stopped without an effect. A mutation that has begun to commit continues.
    /// Repeating it with its key returns the outcome.
    #[arg(long, global = true, env = "TESSERA_MUTATION_SECONDS", default_value_t = 10)]
    pub mutation_seconds: u64,
    /// MiB of parsed documents kept in memory.
    #[arg(long, global = true, env = "TESSERA_DOCUMENT_CACHE_MIB", default_value_t = 64)]
    pub document_cache_mib: u64,
    /// File with the documents of your own clients: Apollo's persisted-query manifest, or a JSON object from ids to
    /// documents. Clients name them by `documentId` or `extensions.persistedQuery.sha256Hash`.
    #[arg(
        long,
        global = true,
        env = "TESSERA_TRUSTED_DOCUMENTS",
        value_name = "FILE",
        value_parser = Manifest::load
    )]
    pub trusted_documents: Option<Manifest>,
    /// Refuse all documents that are not in the file of trusted documents.
    #[arg(
        long,
        global = true,
        env = "TESSERA_TRUSTED_DOCUMENTS_ONLY",
        default_value_t = false,
        action = clap::ArgAction::Set
    )]
    pub trusted_documents_only: bool,
}

impl DocumentSettings {
    /// Refuses limits that are too low for ordinary operations.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.trusted_documents_only && self.trusted_documents.is_none() {
            return Err(ConfigError::TrustedDocuments);
        }
        let running = self.max_running_cost.unwrap_or(u64::MAX);
        let good = [
            (
                "TESSERA_MAX_COST must be between 10000 and 100000000",
                (10_000..=100_000_000).contains(&self.max_cost),
            ),
            (
                "TESSERA_MAX_RUNNING_COST must be at least twice TESSERA_MAX_COST",
                running / 2 >= self.max_cost,
            ),
            (
                "TESSERA_MAX_RUNNING_MIB must be between 16 and 65536",
                (16..=65_536).contains(&self.max_running_mib),
            ),
            (
                "TESSERA_MAX_RESPONSE_BYTES must be between 65536 and 1073741824",
                (65_536..=1_073_741_824).contains(&self.max_response_bytes),
            ),
            ("TESSERA_QUERY_SECONDS must be between 1 and 3600", (1..=3_600).contains(&self.query_seconds)),
            (
                "TESSERA_MUTATION_SECONDS must be between 1 and 3600",
                (1..=3_600).contains(&self.mutation_seconds),
            ),
            (
                "TESSERA_DOCUMENT_CACHE_MIB must be between 1 and 4096",
                (1..=4_096).contains(&self.document_cache_mib),
            ),
        ];
        match good.into_iter().find(|(_, is_good)| !is_good) {
            Some((why, _)) => Err(ConfigError::Documents(why)),
            None => Ok(()),
        }
    }

    /// Returns the time limit of a mutation.
    pub fn mutation_time(&self) -> Duration {
        Duration::from_secs(self.mutation_seconds)
    }

    /// Returns the limit of the summed costs of all running operations.
    pub fn running_cost(&self, cores: u64) -> u64 {
        const OF_A_CORE: u64 = 1_000_000;
        let default = cores.saturating_mul(OF_A_CORE).max(self.max_cost.saturating_mul(2));
        self.max_running_cost.unwrap_or(default)
    }
}

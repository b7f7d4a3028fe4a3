//! Settings of GraphQL documents: which are accepted, and what one operation may cost.

use clap::Args;

use super::{ConfigError, Manifest};

/// Settings of documents and operations.
#[derive(Args, Clone, Debug, Default)]
pub struct DocumentSettings {
    // Trusted documents.
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
    /// Refuses to trust documents only if there are none.
    pub(super) fn validate_trusted(&self) -> Result<(), ConfigError> {
        if self.trusted_documents_only && self.trusted_documents.is_none() {
            return Err(ConfigError::TrustedDocuments);
        }
        Ok(())
    }
}

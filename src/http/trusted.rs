//! The check of trusted documents at the start. Each must pass the guard and be valid for the schema.

use super::judge;
use crate::{config::Config, graphql};

/// Refuses a manifest if the server would refuse one of its documents. The error is a sentence for the operator.
pub fn check_trusted(config: &Config) -> Result<(), String> {
    let Some(manifest) = &config.documents.trusted_documents else { return Ok(()) };
    let documents = judge(config, graphql::bare());
    let mut all: Vec<_> = manifest.iter().collect();
    all.sort_unstable_by_key(|(id, _)| *id);
    for (id, trusted) in all {
        let bad = |message: &str| format!("the trusted document `{id}` is not accepted: {message}");
        let operation = trusted.operation.as_deref();
        let document = documents.admit(&trusted.text, operation).map_err(|refusal| bad(&refusal.message))?;
        if let Some(fault) = document.faults.first() {
            return Err(bad(&fault.message));
        }
    }
    Ok(())
}

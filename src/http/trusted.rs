//! The check of trusted documents at the start: each must pass the guard and be valid for the schema.

use std::sync::Arc;

use super::{documents::Documents, guard::Introspection};
use crate::{
    config::Config,
    graphql::{complete::Shape, validator::Validator},
};

/// Refuses a manifest with a document that the server would refuse. The error is a sentence for the operator.
pub async fn check_trusted(config: &Config) -> Result<(), String> {
    let Some(manifest) = &config.documents.trusted_documents else { return Ok(()) };
    let validator = Validator::new();
    let sdl = validator.sdl();
    let introspection =
        if config.answers_introspection() { Introspection::Allowed } else { Introspection::Refused };
    let documents = Documents::new(&sdl, Arc::new(Shape::of(&sdl)), introspection);
    let mut all: Vec<_> = manifest.iter().collect();
    all.sort_unstable_by_key(|(id, _)| *id);
    for (id, trusted) in all {
        let bad = |message: &str| format!("the trusted document `{id}` is not accepted: {message}");
        let operation = trusted.operation.as_deref();
        let admitted = documents.admit(&trusted.text, operation).map_err(|refusal| bad(&refusal.message))?;
        validator.validate(admitted.parsed.clone()).await.map_err(|message| bad(&message))?;
    }
    Ok(())
}

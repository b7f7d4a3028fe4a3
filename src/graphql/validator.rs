//! Validates documents against the schema without running them.

use std::sync::Arc;

use async_graphql::{
    Request, ServerError, ValidationResult,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::types::ExecutableDocument,
};

use super::{Schema, builder};

/// The message of the error that ends the operation of a valid document.
const VALID: &str = "valid";

/// A schema whose operations end after validation. It serves no requests: an extension would slow those down.
pub struct Validator(Schema);

impl Validator {
    /// The validator of the API's schema.
    pub fn new() -> Self {
        Self(builder().disable_suggestions().extension(StopAfterValidation).finish())
    }

    /// The schema as text.
    pub fn sdl(&self) -> String {
        self.0.sdl()
    }

    /// Validates a document. It must have passed the guard. The error is the first message of the validation.
    pub async fn validate(&self, document: ExecutableDocument) -> Result<(), String> {
        // Any operation will do: validation looks at the whole document, and nothing after it runs.
        let mut request = Request::new(String::new());
        request.set_parsed_query(document);
        let response = self.0.execute(request).await;
        match response.errors.into_iter().next() {
            Some(error) if error.message == VALID => Ok(()),
            Some(error) => Err(error.message),
            None => Err("it was not validated".to_owned()),
        }
    }
}

impl Default for Validator {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Validator").finish_non_exhaustive()
    }
}

struct StopAfterValidation;

impl ExtensionFactory for StopAfterValidation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for StopAfterValidation {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await?;
        Err(vec![ServerError::new(VALID, None)])
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[tokio::test]
    async fn documents_are_validated_and_not_run() {
        let validator = Validator::new();
        let cases = [
            ("{ __typename }", true),
            ("query A { __typename } query B($id: ID!) { event(id: $id) { name } }", true),
            ("mutation { signOut { errors { code } } }", true),
            ("subscription($id: ID!) { seatAvailability(eventId: $id) { __typename } }", true),
            ("{ nope }", false),
            ("{ event(nope: 1) { name } }", false),
            ("query A { __typename } query B { nope }", false),
        ];
        for (text, is_valid) in cases {
            let document = parse_query(text).expect("a good document");
            assert_eq!(validator.validate(document).await.is_ok(), is_valid, "{text}");
        }
    }
}

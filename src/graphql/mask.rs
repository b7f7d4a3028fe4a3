//! What clients see of errors: ours as they are, the library's complaints about the document in one line, and nothing of
//! anything else.

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};

/// The codes that [`super::error::ApiError`] gives.
const OURS: [&str; 9] = [
    "BAD_USER_INPUT",
    "FORBIDDEN",
    "IDEMPOTENCY_MISMATCH",
    "NOT_FOUND",
    "OVERLOADED",
    "RATE_LIMITED",
    "STALE",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
];
/// More errors than this tell nobody more.
const ERRORS_MAX: usize = 20;

/// Keeps our own errors, shortens the library's complaints about the document, and hides everything else.
pub fn mask(response: &mut Response, request_id: &str) {
    response.errors.truncate(ERRORS_MAX);
    for error in &mut response.errors {
        let code = match error.extensions.as_ref().and_then(|extensions| extensions.get("code")) {
            Some(Value::String(code)) if OURS.contains(&code.as_str()) => continue,
            // Told by our own translator, which knows everything but the request's name.
            Some(Value::String(code)) if code == "INTERNAL" => "INTERNAL",
            // Raised before execution by the library itself: about the document, not about us.
            None if error.path.is_empty() && error.source.is_none() => {
                error.message = one_line(&error.message);
                "GRAPHQL_VALIDATION_FAILED"
            }
            // A variable that is not of its type: found by the library only when the value is used.
            None if error.source.is_none() && is_about_input(&error.message) => {
                error.message = one_line(&error.message);
                "GRAPHQL_VALIDATION_FAILED"
            }
            Some(_) | None => {
                tracing::error!(request.id = request_id, error = %error.message, "an internal error was masked");
                "An internal error occurred.".clone_into(&mut error.message);
                "INTERNAL"
            }
        };
        set_code(error, code, request_id);
    }
}

fn set_code(error: &mut ServerError, code: &str, request_id: &str) {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    if code == "INTERNAL" {
        extensions.set("requestId", request_id);
    }
    error.extensions = Some(extensions);
}

/// The library's words for a value that cannot be read; resolvers of ours always give a code.
fn is_about_input(message: &str) -> bool {
    message.starts_with("Failed to parse \"") || message.starts_with("Expected input type \"")
}

fn one_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(200).collect()
}

//! Masks errors before they reach clients. The application's own errors stay as they are. Errors about the document are
//! shortened to one line. All other errors are hidden.

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};

use super::code::ApiCode;

/// Maximum number of errors in a response.
const ERRORS_MAX: usize = 20;

/// How much detail an error about the document may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Everything. Use it if the client can read the schema anyway.
    Full,
    /// Only what the client wrote itself. The names of types and required fields belong to the schema.
    Own,
}

/// Keeps the application's own errors, shortens the library's errors about the document, and hides all others.
pub fn mask_errors(response: &mut Response, request_id: &str, detail: Detail) {
    response.errors.truncate(ERRORS_MAX);
    for error in &mut response.errors {
        let given = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
        let has_code = given.is_some();
        let known = match given {
            Some(Value::String(code)) => ApiCode::of(code),
            Some(_) | None => None,
        };
        let code = match known {
            // Created by `ApiError`, which does not know the request id.
            Some(ApiCode::Internal) => ApiCode::Internal,
            Some(_) => continue,
            // Raised by the library before execution, so it is about the document.
            None if !has_code && error.path.is_empty() && error.source.is_none() => {
                error.message = about_document(error, detail);
                ApiCode::GraphqlValidationFailed
            }
            // A variable of the wrong type. The library notices it only when the value is used.
            None if !has_code && error.source.is_none() && is_about_input(&error.message) => {
                error.message = about_document(error, detail);
                ApiCode::GraphqlValidationFailed
            }
            None => {
                tracing::error!(request.id = request_id, error = %error.message, "an internal error was masked");
                "An internal error occurred.".clone_into(&mut error.message);
                ApiCode::Internal
            }
        };
        set_code(error, code, request_id);
    }
}

fn set_code(error: &mut ServerError, code: ApiCode, request_id: &str) {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code.as_str());
    if code == ApiCode::Internal {
        extensions.set("requestId", request_id);
    }
    error.extensions = Some(extensions);
}

/// Returns the indices of the library's errors about an unreadable value. Call it before [`mask_errors`].
pub fn about_input(response: &Response) -> Vec<usize> {
    let errors = response.errors.iter().take(ERRORS_MAX).enumerate();
    errors
        .filter(|(_, error)| error.extensions.is_none() && error.source.is_none())
        .filter(|(_, error)| {
            is_about_input(&error.message) || error.message.starts_with("Invalid value for argument \"")
        })
        .map(|(index, _)| index)
        .collect()
}

/// Adds the location of the unreadable value to these errors.
pub fn locate(response: &mut Response, indices: &[usize], path: &[String]) {
    for index in indices {
        if let Some(error) = response.errors.get_mut(*index) {
            let path = path.iter().map(|step| Value::from(step.as_str())).collect();
            error.extensions.get_or_insert_default().set("inputPath", Value::List(path));
        }
    }
}

/// Returns whether the message is the library's error for an unreadable value. The application's own resolvers always
/// set a code.
fn is_about_input(message: &str) -> bool {
    message.starts_with("Failed to parse \"") || message.starts_with("Expected input type \"")
}

/// Prefixes of the library's messages about a name in the document, and their replacements.
const ABOUT_NAMES: [(&str, &str); 8] = [
    ("Unknown field \"", "Unknown field"),
    ("Unknown argument \"", "Unknown argument"),
    ("Unknown directive \"", "Unknown directive"),
    ("Unknown type \"", "Unknown type"),
    ("Unknown fragment", "Unknown fragment"),
    ("Unknown fragment: \"", "Unknown fragment"),
    ("Variable \"", "Wrong use of the variable"),
    ("Field \"", "Wrong selection of the field"),
];

/// Describes the problem with the document. With [`Detail::Own`], uses only names that the client wrote.
fn about_document(error: &ServerError, detail: Detail) -> String {
    if detail == Detail::Full {
        return one_line(&error.message);
    }
    let at = error.locations.first().map_or(String::new(), |at| format!(" ({}:{})", at.line, at.column));
    let named = ABOUT_NAMES.iter().find(|(begin, _)| error.message.starts_with(begin));
    match (named, error.message.split('"').nth(1)) {
        (Some((_, what)), Some(name)) if name.len() <= 80 => {
            format!("The document does not match the schema: {what} `{name}`{at}.")
        }
        _ => format!("The document does not match the schema{at}."),
    }
}

fn one_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use async_graphql::Pos;

    use super::*;

    fn masked(message: &str, detail: Detail) -> String {
        let error = ServerError::new(message, Some(Pos { line: 1, column: 7 }));
        let mut response = Response::from_errors(vec![error]);
        mask_errors(&mut response, "id", detail);
        response.errors.remove(0).message
    }

    #[test]
    fn schema_names_stay_hidden() {
        let cases = [
            (
                "Unknown field \"idd\" on type \"Category\".",
                "The document does not match the schema: Unknown field `idd` (1:7).",
            ),
            (
                "Unknown argument \"slog\" on field \"event\" of type \"Query\".",
                "The document does not match the schema: Unknown argument `slog` (1:7).",
            ),
            (
                "Invalid value for argument \"orderBy\", enumeration type \"EventOrder\" does not contain it",
                "The document does not match the schema (1:7).",
            ),
            ("Failed to parse \"Decimal\": no number", "The document does not match the schema (1:7)."),
        ];
        for (message, expected) in cases {
            assert_eq!(masked(message, Detail::Own), expected);
            assert_eq!(masked(message, Detail::Full), message);
        }
    }
}

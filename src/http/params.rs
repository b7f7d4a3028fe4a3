//! The parameters of a GraphQL request, read from a body, a URL or a socket's message.
//!
//! Invariant: a refusal says in one sentence what is wrong; a parser's own words never reach the caller.

use super::{guard::Refusal, persisted::Name};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One operation as the caller asks for it. Other members, and most `extensions`, are ignored.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    /// The document; empty until it is looked up if the request only names it.
    pub query: String,
    /// How the request names the document, if it does.
    pub document: Option<Name>,
    /// Which of its operations, when there are several.
    pub operation_name: Option<String>,
    /// The values of its variables.
    pub variables: Map<String, Value>,
}

/// The same parameters in a URL: variables and extensions are JSON texts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UrlParams {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
    document_id: Option<String>,
}

impl Params {
    /// Reads a JSON body.
    pub(super) fn from_body(body: &[u8]) -> Result<Self, Refusal> {
        // A batch is refused before it is parsed: it may be large, and nothing of it will be used.
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(Refusal::new("BATCH_NOT_ALLOWED", "Send one operation per request, not a list."));
        }
        let body: Value = serde_json::from_slice(body).map_err(|error| malformed("The body", &error))?;
        match body {
            Value::Object(members) => Self::from_members(members),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(bad_request("The body must be a JSON object with the member `query`."))
            }
        }
    }

    /// Reads the query part of a URL.
    pub(super) fn from_url(params: UrlParams) -> Result<Self, Refusal> {
        let mut members = Map::new();
        let texts = [
            ("query", params.query),
            ("operationName", params.operation_name),
            ("documentId", params.document_id),
        ];
        for (name, text) in texts {
            members.extend(text.map(|text| (name.to_owned(), Value::String(text))));
        }
        for (name, text) in [("variables", params.variables), ("extensions", params.extensions)] {
            let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
            let value = serde_json::from_str(&text)
                .map_err(|error| malformed(&format!("The parameter `{name}`"), &error))?;
            members.insert(name.to_owned(), value);
        }
        Self::from_members(members)
    }

    /// Reads the members of a JSON object, a socket's `payload` among them.
    pub(super) fn from_members(mut members: Map<String, Value>) -> Result<Self, Refusal> {
        let extensions = object(&mut members, "extensions")?;
        let document = Name::read(&mut members, &extensions)?;
        let query = text(&mut members, "query")?.unwrap_or_default();
        if query.is_empty() && document.is_none() {
            return Err(bad_request("The member `query` is missing."));
        }
        let operation_name = text(&mut members, "operationName")?.filter(|name| !name.is_empty());
        let variables = object(&mut members, "variables")?;
        Ok(Self { query, document, operation_name, variables })
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(bad_request(&format!("The member `{name}` must be a string.")))
        }
    }
}

fn object(members: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, Refusal> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(bad_request(&format!("The member `{name}` must be an object.")))
        }
    }
}

fn malformed(what: &str, error: &serde_json::Error) -> Refusal {
    bad_request(&format!("{what} is not valid JSON (line {}, column {}).", error.line(), error.column()))
}

fn bad_request(message: &str) -> Refusal {
    Refusal::new("BAD_REQUEST", message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_and_unknown_members_are_ignored() {
        let body = br#"{"query":"{a}","operationName":"","variables":{"x":1},"extensions":{},"id":7}"#;
        let params = Params::from_body(body).unwrap();
        assert_eq!((params.query.as_str(), params.operation_name, params.variables.len()), ("{a}", None, 1));
    }

    #[test]
    fn a_wrong_body_is_refused_in_plain_words() {
        let deep = format!(r#"{{"query":"{{a}}","variables":{{"x":{}}}}}"#, "[".repeat(10_000));
        let cases: [(&[u8], &str, &str); 9] = [
            (b"", "BAD_REQUEST", "The body is not valid JSON (line 1, column 0)."),
            (b"{nope", "BAD_REQUEST", "The body is not valid JSON (line 1, column 2)."),
            (b"\"x\"", "BAD_REQUEST", "The body must be a JSON object with the member `query`."),
            (b"{}", "BAD_REQUEST", "The member `query` is missing."),
            (b"{\"query\":7}", "BAD_REQUEST", "The member `query` must be a string."),
            (
                b"{\"query\":\"{a}\",\"variables\":[]}",
                "BAD_REQUEST",
                "The member `variables` must be an object.",
            ),
            (
                b"{\"query\":\"{a}\",\"variables\":{\"x\":1e400}}",
                "BAD_REQUEST",
                "The body is not valid JSON (line 1, column 37).",
            ),
            (b" [{\"query\":\"{a}\"}]", "BATCH_NOT_ALLOWED", "Send one operation per request, not a list."),
            (deep.as_bytes(), "BAD_REQUEST", "The body is not valid JSON (line 1, column 158)."),
        ];
        for (body, code, message) in cases {
            let refusal = Params::from_body(body).unwrap_err();
            assert_eq!((refusal.code, refusal.message.as_ref()), (code, message));
        }
    }
}

//! The parameters of a GraphQL request, read from a body, a URL or a socket's message.
//!
//! Variables remain text until the document is known. Then only the declared ones are parsed.
//!
//! Invariant: a refusal is one sentence. A parser's message never reaches the client.

use super::{
    guard::Refusal,
    json::{self, Fault, Member},
    persisted::Name,
};
use crate::graphql::code::ApiCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// The parameters of one operation. Other members, and most `extensions`, are ignored.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    /// The document. Empty if the request only names it, until it is looked up.
    pub query: String,
    /// The name of the document, if the request has one.
    pub document: Option<Name>,
    /// The operation, if the document has several.
    pub operation_name: Option<String>,
    /// The variables: the text of a JSON object, or empty.
    pub variables: String,
    /// Whether the response should contain the estimated cost.
    pub wants_cost: bool,
    /// The permit of a large body. It is returned when the last copy is dropped.
    pub place: Option<Arc<OwnedSemaphorePermit>>,
}

/// The parameters in a URL. Variables and extensions are JSON texts.
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
        // Refuse a batch before parsing it: it may be large.
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(Refusal::new(
                ApiCode::BatchNotAllowed,
                "Send one operation per request, not a list.",
            ));
        }
        let text = std::str::from_utf8(body).map_err(|_| bad_request("The body is not valid UTF-8."))?;
        let members = json::members(text).map_err(|fault| match fault {
            Fault::NotAnObject => bad_request("The body must be a JSON object with the member `query`."),
            fault @ (Fault::Syntax { .. } | Fault::TooDeep | Fault::TooMany) => {
                bad_request(&fault.describe("The body"))
            }
        })?;
        Self::from_members(&members)
    }

    /// Reads the query part of a URL.
    pub(super) fn from_url(params: UrlParams) -> Result<Self, Refusal> {
        let json = |name: &str, text: Option<String>| {
            let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(String::new()) };
            match json::members(&text) {
                Ok(_) => Ok(text),
                Err(Fault::NotAnObject) if text.trim() == "null" => Ok(String::new()),
                Err(Fault::NotAnObject) => Err(no_object(name)),
                Err(fault) => Err(bad_request(&fault.describe(&format!("The parameter `{name}`")))),
            }
        };
        let (variables, extensions) =
            (json("variables", params.variables)?, json("extensions", params.extensions)?);
        let document = Name::read(params.document_id, &extensions)?;
        Ok(Self {
            query: query(params.query, document.as_ref())?,
            document,
            operation_name: params.operation_name.filter(|name| !name.is_empty()),
            variables,
            wants_cost: wants_cost(&extensions),
            place: None,
        })
    }

    /// Reads the members of a JSON object, for example of a socket's `payload`.
    pub(super) fn from_members(members: &[Member<'_>]) -> Result<Self, Refusal> {
        let extensions = object(members, "extensions")?;
        let document = Name::read(text(members, "documentId")?, extensions)?;
        Ok(Self {
            query: query(text(members, "query")?, document.as_ref())?,
            document,
            operation_name: text(members, "operationName")?.filter(|name| !name.is_empty()),
            variables: object(members, "variables")?.to_owned(),
            wants_cost: wants_cost(extensions),
            place: None,
        })
    }

    /// Parses the declared variables. The others are dropped.
    pub(super) fn declared<'a>(
        &self,
        mut names: impl Iterator<Item = &'a str>,
    ) -> Result<Map<String, Value>, Refusal> {
        let mut declared = Map::new();
        let Some(first) = names.next().filter(|_| !self.variables.is_empty()) else { return Ok(declared) };
        let wrong = |fault: Fault| bad_request(&fault.describe("The member `variables`"));
        let members = json::members(&self.variables).map_err(wrong)?;
        for name in std::iter::once(first).chain(names) {
            if let Some(value) = find(&members, name) {
                let value = serde_json::from_str(value)
                    .map_err(|_| bad_request("The member `variables` is not valid JSON."))?;
                declared.insert(name.to_owned(), value);
            }
        }
        Ok(declared)
    }
}

/// Returns the last member of this name, which is the one that counts.
pub(super) fn find<'a>(members: &[Member<'a>], name: &str) -> Option<&'a str> {
    members.iter().rev().find(|member| member.name == name).map(|member| member.value)
}

/// Returns a string member, if present.
fn text(members: &[Member<'_>], name: &str) -> Result<Option<String>, Refusal> {
    match find(members, name) {
        None | Some("null") => Ok(None),
        Some(value) => match serde_json::from_str(value) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(bad_request(&format!("The member `{name}` must be a string."))),
        },
    }
}

/// Returns the text of an object member, or an empty text.
fn object<'a>(members: &[Member<'a>], name: &str) -> Result<&'a str, Refusal> {
    match find(members, name) {
        None | Some("null") => Ok(""),
        Some(value) if value.starts_with('{') => Ok(value),
        Some(_) => Err(no_object(name)),
    }
}

/// Returns whether the extensions have `"cost": true`.
fn wants_cost(extensions: &str) -> bool {
    !extensions.is_empty()
        && json::members(extensions).is_ok_and(|members| find(&members, "cost") == Some("true"))
}

/// Returns the document, which is empty if the request only names it.
fn query(text: Option<String>, name: Option<&Name>) -> Result<String, Refusal> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => Ok(text),
        None if name.is_some() => Ok(String::new()),
        None => Err(no_query()),
    }
}

fn no_query() -> Refusal {
    bad_request("The member `query` is missing.")
}

fn no_object(name: &str) -> Refusal {
    bad_request(&format!("The member `{name}` must be an object."))
}

fn bad_request(message: &str) -> Refusal {
    Refusal::new(ApiCode::BadRequest, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_read_and_unknown_members_are_ignored() {
        let body = br#"{"query":"{a}","operationName":"","variables":{"x":1},"extensions":{},"id":7}"#;
        let params = Params::from_body(body).unwrap();
        assert_eq!((params.query.as_str(), params.operation_name.clone()), ("{a}", None));
        assert_eq!(params.variables, r#"{"x":1}"#);
        assert!(!params.wants_cost);
        let asking = br#"{"query":"{a}","extensions":{"cost":true}}"#;
        assert!(Params::from_body(asking).unwrap().wants_cost);
    }

    #[test]
    fn only_declared_variables_are_parsed() {
        let body = br#"{"query":"{a}","variables":{"x":1,"y":[[0],{"":2}],"x":"last"}}"#;
        let params = Params::from_body(body).unwrap();
        let declared =
            |names: &[&str]| Value::Object(params.declared(names.iter().copied()).unwrap()).to_string();
        assert_eq!(declared(&[]), "{}");
        assert_eq!(declared(&["x", "z"]), r#"{"x":"last"}"#);
        assert_eq!(declared(&["y"]), r#"{"y":[[0],{"":2}]}"#);
    }

    #[test]
    fn invalid_body_is_refused_with_a_sentence() {
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
            (deep.as_bytes(), "BAD_REQUEST", "The body nests more than 16 levels deep."),
        ];
        for (body, code, message) in cases {
            let refusal = Params::from_body(body).unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.message.as_ref()), (code, message));
        }
    }
}

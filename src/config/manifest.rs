//! The manifest of trusted documents: the GraphQL documents of the operator's own clients.
//!
//! There are two formats. Apollo's persisted-query manifest is `{"format": "apollo-persisted-query-manifest",
//! "version": 1, "operations": [{"id", "name", "type", "body"}, …]}`. The map that Relay's compiler writes is `{"<id>":
//! "<document>", …}`.

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value};

/// The `format` of Apollo's manifest.
const APOLLO: &str = "apollo-persisted-query-manifest";
/// Bytes of a manifest file.
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Documents per manifest.
const DOCUMENTS_MAX: usize = 10_000;
/// Bytes of a document's id.
const ID_BYTES_MAX: usize = 256;

/// The trusted documents by id. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Manifest(Arc<HashMap<String, TrustedDocument>>);

/// A trusted document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedDocument {
    /// The name of its operation, if the manifest has it.
    pub operation: Option<String>,
    /// Its text.
    pub text: Arc<str>,
}

#[derive(Deserialize)]
struct Apollo {
    format: String,
    version: u32,
    operations: Vec<ApolloOperation>,
}

#[derive(Deserialize)]
struct ApolloOperation {
    id: String,
    name: String,
    body: String,
}

impl Manifest {
    /// Reads a manifest from a file. The error is a sentence for the operator.
    pub fn load(path: &str) -> Result<Self, String> {
        let path = Path::new(path);
        let unreadable = |error| format!("the manifest cannot be read: {error}");
        if fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
            return Err(format!("the manifest has more than {FILE_BYTES_MAX} bytes"));
        }
        Self::parse(&fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads a manifest from its text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let members: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| format!("the manifest is not a JSON object: {error}"))?;
        let is_apollo = members.get("operations").is_some_and(Value::is_array);
        let documents = if is_apollo { apollo(Value::Object(members))? } else { relay(members)? };
        if documents.is_empty() {
            return Err("the manifest holds no documents".to_owned());
        }
        if documents.len() > DOCUMENTS_MAX {
            return Err(format!("the manifest holds more than {DOCUMENTS_MAX} documents"));
        }
        let mut by_id = HashMap::with_capacity(documents.len());
        for (id, document) in documents {
            if id.is_empty() || id.len() > ID_BYTES_MAX {
                return Err(format!("an id must have 1 to {ID_BYTES_MAX} bytes, not {}", id.len()));
            }
            if let Some(first) = by_id.insert(id.clone(), document.clone())
                && first.text != document.text
            {
                return Err(format!("the id `{id}` stands for two documents"));
            }
        }
        Ok(Self(Arc::new(by_id)))
    }

    /// Returns the document with this id.
    pub fn get(&self, id: &str) -> Option<&TrustedDocument> {
        self.0.get(id)
    }

    /// Returns all documents with their ids, in any order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &TrustedDocument)> {
        self.0.iter().map(|(id, document)| (id.as_str(), document))
    }
}

fn apollo(manifest: Value) -> Result<Vec<(String, TrustedDocument)>, String> {
    let manifest: Apollo = serde_json::from_value(manifest)
        .map_err(|error| format!("this is no persisted-query manifest of Apollo: {error}"))?;
    if manifest.format != APOLLO || manifest.version != 1 {
        return Err(format!("the manifest's format must be {APOLLO}, version 1"));
    }
    let documents = manifest.operations.into_iter().map(|ApolloOperation { id, name, body }| {
        (id, TrustedDocument { operation: Some(name), text: body.into() })
    });
    Ok(documents.collect())
}

fn relay(members: Map<String, Value>) -> Result<Vec<(String, TrustedDocument)>, String> {
    let document = |(id, text)| match text {
        Value::String(text) => Ok((id, TrustedDocument { operation: None, text: text.into() })),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("the member `{id}` must be the text of a document"))
        }
    };
    members.into_iter().map(document).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read() {
        let apollo = r#"{ "format": "apollo-persisted-query-manifest", "version": 1, "operations": [
            { "id": "a1", "name": "Kind", "type": "query", "body": "query Kind { __typename }" } ] }"#;
        let found = Manifest::parse(apollo).expect("a manifest");
        let document = found.get("a1").expect("the document");
        assert_eq!(
            (document.operation.as_deref(), &*document.text),
            (Some("Kind"), "query Kind { __typename }")
        );
        let relay = Manifest::parse(r#"{ "b2": "{ __typename }" }"#).expect("a manifest");
        assert_eq!(relay.get("b2").map(|document| &*document.text), Some("{ __typename }"));
        assert!(relay.get("a1").is_none());
    }

    #[test]
    fn bad_manifest_is_refused_with_the_reason() {
        let apollo = |format: &str, version: u32, operations: &str| {
            format!(r#"{{ "format": "{format}", "version": {version}, "operations": [{operations}] }}"#)
        };
        let operation =
            |body: &str| format!(r#"{{ "id": "a", "name": "A", "type": "query", "body": "{body}" }}"#);
        let cases = [
            ("nope".to_owned(), "not a JSON object"),
            ("[]".to_owned(), "not a JSON object"),
            ("{}".to_owned(), "holds no documents"),
            (r#"{ "a": 7 }"#.to_owned(), "the member `a` must be the text"),
            (r#"{ "": "{ a }" }"#.to_owned(), "an id must have 1 to 256 bytes"),
            (apollo("other", 1, &operation("{ a }")), "the manifest's format must be"),
            (apollo(APOLLO, 2, &operation("{ a }")), "the manifest's format must be"),
            (apollo(APOLLO, 1, "{}"), "no persisted-query manifest"),
            (
                apollo(APOLLO, 1, &[operation("{ a }"), operation("{ b }")].join(",")),
                "`a` stands for two documents",
            ),
        ];
        for (text, expected) in cases {
            let reason = Manifest::parse(&text).expect_err("refused");
            assert!(reason.contains(expected), "{text}: {reason}");
        }
        assert!(
            Manifest::load("/nowhere/manifest.json").is_err_and(|reason| reason.contains("cannot be read"))
        );
    }
}

//! Documents that requests name instead of sending them: trusted documents of the operator's manifest, and automatic
//! persisted queries, which clients register.
//!
//! Automatic persisted queries follow Apollo's protocol. A client sends the SHA-256 of a document. If it is unknown, the
//! client sends it again with the document. A document is kept only after one of its operations passed the guard and
//! validation, so unknown hashes and invalid documents use no memory.

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use serde_json::{Map, Value};

use super::{
    answer::Failure,
    guard::{self, Refusal},
    params::Params,
};
use crate::{config::Manifest, graphql::code::ApiCode};

/// Bytes of all registered documents, including the cache's overhead.
const BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Approximate bytes of an entry besides its text.
const OVERHEAD: usize = 256;

/// How a request names its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// By the member `documentId`.
    Id(String),
    /// By `extensions.persistedQuery.sha256Hash`.
    Hash(String),
}

impl Name {
    /// Reads the name from a request's member `documentId` and the text of its `extensions`. Returns `None` if the
    /// request has only a document.
    pub(super) fn read(id: Option<String>, extensions: &str) -> Result<Option<Self>, Refusal> {
        if let Some(id) = id {
            return Ok(Some(Self::Id(id)));
        }
        if extensions.is_empty() {
            return Ok(None);
        }
        let extensions: Map<String, Value> = serde_json::from_str(extensions)
            .map_err(|_| bad_request("The member `extensions` is not valid JSON."))?;
        let persisted = match extensions.get("persistedQuery") {
            None | Some(Value::Null) => return Ok(None),
            Some(persisted) => persisted,
        };
        match (persisted.get("version").and_then(Value::as_u64), persisted.get("sha256Hash")) {
            (Some(1), Some(Value::String(hash))) => Ok(Some(Self::Hash(hash.clone()))),
            (Some(1), _) => Err(bad_request("`extensions.persistedQuery.sha256Hash` must be a string.")),
            _ => Err(bad_request("`extensions.persistedQuery.version` must be 1.")),
        }
    }
}

/// A document that may be kept by its hash after validation.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    hash: [u8; 32],
    text: Arc<str>,
}

/// The named documents of a server. Clones share them.
#[derive(Clone)]
pub(super) struct Persisted(Arc<Inner>);

struct Inner {
    trusted: Manifest,
    /// The trusted documents by the SHA-256 of their text.
    by_hash: HashMap<[u8; 32], Arc<str>>,
    trusts_only: bool,
    registered: Cache<[u8; 32], Arc<str>>,
}

impl Persisted {
    /// Returns the trusted documents, without registered ones. If `trusts_only` is set, all others are refused.
    pub(super) fn new(trusted: Option<&Manifest>, trusts_only: bool) -> Self {
        let trusted = trusted.cloned().unwrap_or_default();
        let by_hash = trusted.iter().map(|(_, document)| (sha256(&document.text), document.text.clone()));
        let weigh = |_: &[u8; 32], text: &Arc<str>| u32::try_from(text.len() + OVERHEAD).unwrap_or(u32::MAX);
        Self(Arc::new(Inner {
            by_hash: by_hash.collect(),
            trusted,
            trusts_only,
            registered: Cache::builder().max_capacity(BYTES_MAX).weigher(weigh).build(),
        }))
    }

    /// Puts the document that a request names into its parameters. If the request both names and sends it, returns a
    /// registration for [`Self::keep`].
    pub(super) fn resolve(&self, params: Params) -> Result<(Params, Option<Registration>), Failure> {
        let Some(name) = params.document.clone() else { return Ok((params, None)) };
        let (text, registration) = match &name {
            Name::Id(_) if !params.query.is_empty() => {
                let refusal = bad_request("Send either `query` or `documentId`.");
                return Err((axum::http::StatusCode::BAD_REQUEST, refusal).into());
            }
            Name::Id(id) => (self.by_id(id)?, None),
            Name::Hash(hash) if params.query.is_empty() => (self.by_hash(hash)?, None),
            Name::Hash(hash) => {
                let registration = self.registration(hash, &params.query)?;
                return Ok((params, registration));
            }
        };
        Ok((Params { query: text.as_ref().to_owned(), ..params }, registration))
    }

    /// Returns the text of a named document.
    pub(super) fn find(&self, name: &Name) -> Result<Arc<str>, Failure> {
        match name {
            Name::Id(id) => self.by_id(id),
            Name::Hash(hash) => self.by_hash(hash),
        }
    }

    /// Keeps a document after one of its operations was found valid.
    pub(super) fn keep(&self, Registration { hash, text }: Registration) {
        self.0.registered.insert(hash, text);
    }

    /// Refuses a document that is not trusted, if only those are accepted.
    pub(super) fn check_trusted(&self, text: &str) -> Result<(), Refusal> {
        let is_trusted = || text.len() <= guard::MAX_BYTES && self.0.by_hash.contains_key(&sha256(text));
        if self.0.trusts_only && !is_trusted() { Err(not_trusted()) } else { Ok(()) }
    }

    fn by_id(&self, id: &str) -> Result<Arc<str>, Failure> {
        if let Some(document) = self.0.trusted.get(id) {
            return Ok(document.text.clone());
        }
        // The prefix of ids that are hashes, by the GraphQL-over-HTTP specification.
        let by_hash = id.strip_prefix("sha256:").and_then(|hash| self.0.by_hash.get(&bytes_of(hash)?));
        by_hash.cloned().ok_or_else(|| {
            Failure::Document(if self.0.trusts_only {
                not_trusted()
            } else {
                Refusal::new(ApiCode::PersistedDocumentNotFound, "The server has no document with this id.")
            })
        })
    }

    fn by_hash(&self, hash: &str) -> Result<Arc<str>, Failure> {
        if let Some(document) = self.0.trusted.get(hash) {
            return Ok(document.text.clone());
        }
        let found = bytes_of(hash)
            .and_then(|hash| self.0.by_hash.get(&hash).cloned().or_else(|| self.0.registered.get(&hash)));
        found.ok_or_else(|| {
            Failure::Document(if self.0.trusts_only {
                not_trusted()
            } else {
                // Clients recognise this message or the code, and then send the document.
                Refusal::new(ApiCode::PersistedQueryNotFound, "PersistedQueryNotFound")
            })
        })
    }

    /// Verifies the hash of the text. Returns `None` if the document is known already or too large.
    fn registration(&self, hash: &str, text: &str) -> Result<Option<Registration>, Failure> {
        let is_trusted = self.0.trusted.get(hash).is_some_and(|document| *document.text == *text);
        if is_trusted || text.len() > guard::MAX_BYTES {
            return Ok(None);
        }
        let own = sha256(text);
        if bytes_of(hash) != Some(own) {
            let message = "`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query`.";
            return Err(Failure::Document(Refusal::new(ApiCode::PersistedQueryHashMismatch, message)));
        }
        let is_known = self.0.by_hash.contains_key(&own) || self.0.registered.contains_key(&own);
        Ok((!is_known).then(|| Registration { hash: own, text: text.into() }))
    }
}

fn not_trusted() -> Refusal {
    Refusal::new(ApiCode::DocumentNotTrusted, "The server accepts trusted documents only.")
}

fn bad_request(message: &'static str) -> Refusal {
    Refusal::new(ApiCode::BadRequest, message)
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

/// Decodes a SHA-256 in hexadecimal digits, or returns `None`.
fn bytes_of(hash: &str) -> Option<[u8; 32]> {
    let digits = hash.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{ __typename }";
    /// The SHA-256 of [`TEXT`].
    const HASH: &str = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";

    fn persisted(only: bool) -> Persisted {
        let manifest = Manifest::parse(r#"{ "kind": "query Kind { __typename }" }"#).expect("a manifest");
        Persisted::new(Some(&manifest), only)
    }

    fn asked(name: Option<Name>, query: &str) -> Params {
        Params { query: query.to_owned(), document: name, ..Params::default() }
    }

    fn code(result: Result<(Params, Option<Registration>), Failure>) -> &'static str {
        match result {
            Err(Failure::Document(refusal) | Failure::Http(_, refusal)) => refusal.code.as_str(),
            _ => "",
        }
    }

    #[test]
    fn document_is_known_by_its_hash_only_after_it_was_kept() {
        let persisted = persisted(false);
        let by_hash = || persisted.resolve(asked(Some(Name::Hash(HASH.to_owned())), ""));
        assert_eq!(code(by_hash()), "PERSISTED_QUERY_NOT_FOUND");
        let sent = persisted.resolve(asked(Some(Name::Hash(HASH.to_owned())), TEXT)).ok();
        let registration = sent.and_then(|(_, registration)| registration).expect("a registration");
        assert_eq!(code(by_hash()), "PERSISTED_QUERY_NOT_FOUND", "it may be invalid");
        persisted.keep(registration);
        assert_eq!(by_hash().map(|(params, _)| params.query).ok().as_deref(), Some(TEXT));
        let upper = Name::Hash(HASH.to_uppercase());
        assert!(persisted.resolve(asked(Some(upper), TEXT)).is_ok_and(|(_, again)| again.is_none()));
    }

    #[test]
    fn wrong_hash_is_refused() {
        let persisted = persisted(false);
        for hash in ["", "kind", &HASH.replace('7', "8"), &format!("{HASH}00")] {
            let sent = asked(Some(Name::Hash(hash.to_owned())), TEXT);
            assert_eq!(code(persisted.resolve(sent)), "PERSISTED_QUERY_HASH_MISMATCH", "{hash}");
        }
    }

    #[test]
    fn unknown_hashes_and_large_documents_take_no_memory() {
        let persisted = persisted(false);
        for number in 0..10_000 {
            let unknown = asked(Some(Name::Hash(format!("{number:064x}"))), "");
            assert_eq!(code(persisted.resolve(unknown)), "PERSISTED_QUERY_NOT_FOUND");
        }
        let large = " ".repeat(guard::MAX_BYTES + 1);
        let sent = persisted.resolve(asked(Some(Name::Hash(HASH.to_owned())), &large));
        assert!(sent.is_ok_and(|(_, registration)| registration.is_none()), "the guard refuses it");
        persisted.0.registered.run_pending_tasks();
        assert_eq!(persisted.0.registered.entry_count(), 0);
    }

    #[test]
    fn registered_documents_are_bounded_in_bytes() {
        let persisted = persisted(false);
        for number in 0..1_000_u32 {
            let text = format!("{number}{}", " ".repeat(guard::MAX_BYTES / 2));
            persisted.keep(Registration { hash: sha256(&text), text: text.into() });
        }
        persisted.0.registered.run_pending_tasks();
        assert!(persisted.0.registered.weighted_size() <= BYTES_MAX);
    }

    #[test]
    fn trusted_documents_are_found_by_id_and_by_hash() {
        let persisted = persisted(true);
        let text = "query Kind { __typename }";
        let hash = sha256(text).map(|byte| format!("{byte:02x}")).concat();
        for name in [
            Name::Id("kind".to_owned()),
            Name::Hash("kind".to_owned()),
            Name::Hash(hash.clone()),
            Name::Id(format!("sha256:{hash}")),
        ] {
            let found = persisted.resolve(asked(Some(name.clone()), ""));
            assert_eq!(found.map(|(params, _)| params.query).ok().as_deref(), Some(text), "{name:?}");
        }
        assert_eq!(persisted.check_trusted(text), Ok(()));
        assert!(persisted.check_trusted(TEXT).is_err());
        for unknown in [Name::Id("other".to_owned()), Name::Hash(HASH.to_owned())] {
            assert_eq!(code(persisted.resolve(asked(Some(unknown), ""))), "DOCUMENT_NOT_TRUSTED");
        }
        let both = asked(Some(Name::Id("kind".to_owned())), TEXT);
        assert_eq!(code(persisted.resolve(both)), "BAD_REQUEST");
    }
}

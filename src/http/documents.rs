//! Documents that passed the guard. A front end has a few of them and sends them again and again: each is scanned, parsed
//! and weighed once.

use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection};
use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;

use super::{
    guard::{self, Costs, Introspection, Refusal},
    limit,
};
use crate::{
    graphql::{
        complete::Shape,
        public::{self, Public},
    },
    limits::Charges,
};

/// Bytes of text whose documents are kept; a parsed document takes some ten times its text.
const TEXT_MAX: u64 = 8 * 1024 * 1024;
/// The mutations of those who have places already, or give some back. They come before those who want places.
const URGENT: &[&str] = &[
    "cancelOrder",
    "checkIn",
    "checkout",
    "confirmPayment",
    "extendReservation",
    "payOrder",
    "redeemClaim",
    "releaseClaim",
    "releaseReservation",
];

/// A document that passed the guard, and what is known of the operation that is to run.
#[derive(Debug)]
pub(super) struct Document {
    bytes: u32,
    /// The parsed document.
    pub(super) parsed: ExecutableDocument,
    /// What the operation is.
    pub(super) kind: OperationType,
    /// Whether its answer is the same for everybody.
    pub(super) public: Option<Public>,
    /// Whether it comes first when more is asked than can be done.
    pub(super) is_urgent: bool,
    /// What it costs its caller.
    pub(super) charges: Charges,
}

/// The documents of a server. All clones are the same one.
#[derive(Clone)]
pub(super) struct Documents(Arc<Inner>);

struct Inner {
    kept: Cache<[u8; 32], Arc<Document>>,
    costs: Costs,
    shape: Arc<Shape>,
    introspection: Introspection,
}

impl Documents {
    /// None yet; `sdl` is the schema that they will be weighed by.
    pub(super) fn new(sdl: &str, shape: Arc<Shape>, introspection: Introspection) -> Self {
        let kept = Cache::builder()
            .max_capacity(TEXT_MAX)
            .weigher(|_, document: &Arc<Document>| document.bytes.max(1));
        Self(Arc::new(Inner { kept: kept.build(), costs: Costs::of(sdl), shape, introspection }))
    }

    /// The document, if it passes the guard. What is refused is not kept: its sender may have it looked at again.
    pub(super) fn admit(&self, text: &str, operation_name: Option<&str>) -> Result<Arc<Document>, Refusal> {
        let name = digest(text, operation_name);
        if let Some(document) = self.0.kept.get(&name) {
            return Ok(document);
        }
        let admitted = guard::admit(text, operation_name, self.0.introspection, &self.0.costs)?;
        let weight = limit::weight_of(self.0.costs.estimate(&admitted.document, operation_name));
        let document = Arc::new(Document {
            charges: limit::charges_of(&admitted.document, operation_name, weight),
            bytes: u32::try_from(text.len()).unwrap_or(u32::MAX),
            public: public::public(&admitted.document, operation_name, &self.0.shape),
            is_urgent: is_urgent(&admitted.document, admitted.kind),
            kind: admitted.kind,
            parsed: admitted.document,
        });
        self.0.kept.insert(name, document.clone());
        Ok(document)
    }
}

/// Whether all of the document's operations are mutations that come first, spelled out at their roots.
fn is_urgent(document: &ExecutableDocument, kind: OperationType) -> bool {
    let is_urgent = |selection: &Selection| matches!(selection, Selection::Field(field) if URGENT.contains(&field.node.name.node.as_str()));
    kind == OperationType::Mutation
        && document.operations.iter().all(|(_, operation)| {
            operation.node.selection_set.node.items.iter().all(|selection| is_urgent(&selection.node))
        })
}

fn digest(text: &str, operation_name: Option<&str>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    // The length says where the one ends and the other begins.
    context.update(&text.len().to_le_bytes());
    context.update(text.as_bytes());
    context.update(operation_name.map_or("", |name| name).as_bytes());
    context.update(&[u8::from(operation_name.is_some())]);
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents() -> Documents {
        let sdl = crate::graphql::sdl();
        Documents::new(&sdl, Arc::new(Shape::of(&sdl)), Introspection::Refused)
    }

    #[test]
    fn a_document_is_looked_at_once_and_a_refused_one_each_time() {
        let documents = documents();
        let first = documents.admit("{ __typename }", None).expect("admitted");
        assert!(Arc::ptr_eq(&first, &documents.admit("{ __typename }", None).expect("admitted")));
        for _ in 0..2 {
            assert_eq!(documents.admit("{ __schema { types { name } } }", None).unwrap_err().code, {
                "INTROSPECTION_DISABLED"
            });
        }
    }

    #[test]
    fn the_operation_s_name_tells_documents_apart() {
        let documents = documents();
        let text = "query A { __typename } mutation B { __typename }";
        assert_eq!(documents.admit(text, Some("A")).expect("admitted").kind, OperationType::Query);
        assert_eq!(documents.admit(text, Some("B")).expect("admitted").kind, OperationType::Mutation);
        assert!(documents.admit(text, None).is_err());
        assert!(documents.admit(text, Some("")).is_err());
    }

    #[test]
    fn who_has_places_comes_first_and_nobody_smuggles_others_in() {
        let documents = documents();
        let urgent = |text: &str| documents.admit(text, None).expect("admitted").is_urgent;
        assert!(urgent("mutation { payOrder(input: {}) { errors { code } } }"));
        assert!(urgent(
            "mutation { a: checkout(input: {}) { errors { code } } b: payOrder { errors { code } } }"
        ));
        for crowd in [
            "mutation { reserveSeats(input: {}) { errors { code } } }",
            "mutation { payOrder { errors { code } } reserveSeats { errors { code } } }",
            "mutation { payOrder { errors { code } } ... on Mutation { reserveSeats { errors { code } } } }",
            "{ payOrder }",
        ] {
            assert!(!urgent(crowd), "{crowd}");
        }
    }

    #[test]
    fn every_urgent_mutation_is_in_the_schema() {
        let sdl = crate::graphql::sdl();
        let mutations =
            sdl.split("type Mutation {").nth(1).expect("mutations").split("\n}").next().expect("them");
        for name in URGENT {
            assert!(mutations.contains(&format!("\t{name}(")), "{name}");
        }
    }
}

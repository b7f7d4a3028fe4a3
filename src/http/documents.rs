//! A cache of documents that passed the guard. A front end sends the same few documents again and again. Each is
//! scanned, parsed, validated, merged and priced once.
//!
//! A document that fails validation is not kept, so many of them use no memory.

use std::sync::Arc;

use async_graphql::{
    Request, ServerError,
    parser::types::{ExecutableDocument, OperationType, Selection},
};
use aws_lc_rs::digest::{Context, SHA256};
use futures_util::FutureExt;
use moka::sync::Cache;
use serde_json::{Map, Value};

use super::{
    document_size::size,
    guard::{self, Cost, Costs, Introspection, Refusal, Variables},
};
use crate::{
    account, coupon,
    graphql::{
        Schema,
        cacheability::{
            http::http_cacheable,
            shared::{SharedOperation, shared_operation},
        },
        field_order::FieldOrder,
        null_completion::Shape,
    },
    inventory, order, payment, ticket, venue,
};

/// The slices' mutations that pay for, keep or release what a buyer has. They have priority over reservations.
const URGENT: &[&[&str]] = &[
    inventory::URGENT_MUTATIONS,
    coupon::URGENT_MUTATIONS,
    order::URGENT_MUTATIONS,
    ticket::URGENT_MUTATIONS,
    payment::URGENT_MUTATIONS,
];
/// The slices' mutations that accept a large text.
const LARGE: &[&[&str]] = &[venue::LARGE_MUTATIONS, coupon::LARGE_MUTATIONS];
/// The slices' mutations that open a session, so that they need none.
const SESSIONLESS: &[&[&str]] = &[account::SESSIONLESS_MUTATIONS];
/// An operation name that no document can define. Executing a document with it only validates the document.
const NO_OPERATION: &str = "\0";

/// A document that passed the guard, with the properties of the chosen operation.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of an operation")]
pub(super) struct Document {
    /// Its size in memory, in bytes.
    bytes: u32,
    /// The chosen operation, with each field once.
    pub(super) parsed: ExecutableDocument,
    /// The rules for the values of the variables.
    pub(super) rules: Variables,
    /// The validation errors. If there are any, the document is not executed.
    pub(super) faults: Vec<ServerError>,
    /// The kind of operation.
    pub(super) kind: OperationType,
    /// The estimated cost, unless it depends on the variables.
    cost: Option<Cost>,
    /// The shared form, if the response is the same for all callers.
    pub(super) shared: Option<SharedOperation>,
    /// The order of the response's fields.
    pub(super) order: FieldOrder,
    /// Whether caches may share the response to a request without a token.
    pub(super) cacheable: bool,
    /// Whether it has priority under load.
    pub(super) is_urgent: bool,
    /// Whether it accepts large variables.
    pub(super) takes_large_body: bool,
    /// Whether it is executed without a session if the client's token is not valid any more.
    pub(super) needs_no_session: bool,
}

impl Document {
    /// Returns the document for an execution with these values.
    pub(super) fn bound(&self, values: &Map<String, Value>) -> ExecutableDocument {
        let mut document = self.parsed.clone();
        if self.rules.needs_binding(values) {
            guard::bind(&mut document, values);
        }
        document
    }

    /// Returns the names of the declared variables.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let operations = self.parsed.operations.iter();
        operations.flat_map(|(_, operation)| {
            operation.node.variable_definitions.iter().map(|variable| variable.node.name.node.as_str())
        })
    }
}

/// The documents of a server. Clones share them.
#[derive(Clone)]
pub(super) struct Documents(Arc<Inner>);

struct Inner {
    kept: Cache<[u8; 32], Arc<Document>>,
    schema: Schema,
    costs: Costs,
    shape: Arc<Shape>,
    introspection: Introspection,
}

/// The rules for documents.
pub(super) struct Rules {
    /// The schema for validation.
    pub(super) schema: Schema,
    /// The schema's objects.
    pub(super) shape: Arc<Shape>,
    /// The costs of the schema's fields.
    pub(super) costs: Costs,
    /// Whether introspection is allowed.
    pub(super) introspection: Introspection,
}

impl Documents {
    /// Returns an empty cache of at most `bytes` bytes.
    pub(super) fn new(rules: Rules, bytes: u64) -> Self {
        let kept =
            Cache::builder().max_capacity(bytes).weigher(|_, document: &Arc<Document>| document.bytes.max(1));
        let Rules { schema, shape, costs, introspection } = rules;
        Self(Arc::new(Inner { kept: kept.build(), schema, costs, shape, introspection }))
    }

    /// Returns the document if it passes the guard. A refused or invalid document is not kept.
    pub(super) fn admit(&self, text: &str, operation_name: Option<&str>) -> Result<Arc<Document>, Refusal> {
        let name = digest(text, operation_name);
        if let Some(document) = self.0.kept.get(&name) {
            return Ok(document);
        }
        let admitted = guard::admit(text, operation_name, self.0.introspection, &self.0.costs)?;
        let mut faults = self.validate(guard::without_conditions(&admitted.document));
        if faults.is_empty() {
            // Some conflicts between fragments are found only after merging.
            faults = self.validate(guard::without_conditions(&admitted.merged));
        }
        let (parsed, kind) = (admitted.merged, admitted.kind);
        let is_valid = faults.is_empty();
        let document = Arc::new(Document {
            bytes: u32::try_from(size(&parsed)).unwrap_or(u32::MAX),
            shared: if is_valid { shared_operation(&parsed, operation_name, &self.0.shape) } else { None },
            // Only valid documents have a bounded number of fields per object.
            order: if is_valid { FieldOrder::of(&parsed) } else { FieldOrder::default() },
            cacheable: is_valid && http_cacheable(&parsed, operation_name, &self.0.shape),
            is_urgent: has_only(&parsed, kind, URGENT),
            takes_large_body: is_valid && has_only(&parsed, kind, LARGE),
            needs_no_session: is_valid && has_only(&parsed, kind, SESSIONLESS),
            cost: admitted.cost,
            rules: admitted.variables,
            kind,
            parsed,
            faults,
        });
        if is_valid {
            self.0.kept.insert(name, document.clone());
        }
        Ok(document)
    }

    /// Returns the estimated cost with these variables. Refuses an operation that is too expensive.
    pub(super) fn price(
        &self,
        document: &Document,
        operation_name: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Result<Cost, Refusal> {
        match document.cost {
            Some(cost) => Ok(cost),
            None => self.0.costs.check(&document.parsed, operation_name, variables),
        }
    }

    /// Returns the location of the first value in an argument that does not fit its type.
    pub(super) fn misfit(
        &self,
        document: &Document,
        operation_name: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Option<Vec<String>> {
        self.0.costs.misfit(&document.parsed, operation_name, variables)
    }

    /// Returns the cost limit of one operation.
    pub(super) fn cost_limit(&self) -> u64 {
        self.0.costs.limit()
    }

    /// Returns the validation errors that do not depend on variables.
    ///
    /// The library validates only as the first step of an execution. It looks for the operation afterwards.
    fn validate(&self, document: ExecutableDocument) -> Vec<ServerError> {
        let mut request = Request::new(String::new()).operation_name(NO_OPERATION);
        request.set_parsed_query(document);
        let unknown = format!("Unknown operation named \"{NO_OPERATION}\"");
        // Nothing is executed, so the future is ready at once.
        match self.0.schema.execute(request).now_or_never() {
            Some(response) => response.errors.into_iter().filter(|error| error.message != unknown).collect(),
            None => vec![ServerError::new("The document cannot be validated.", None)],
        }
    }
}

/// Returns whether the operation is of this kind and has only these root fields.
fn has_only(document: &ExecutableDocument, kind: OperationType, fields: &[&[&str]]) -> bool {
    let is_listed = |name: &str| fields.iter().any(|fields| fields.contains(&name));
    let is_one = |selection: &Selection| matches!(selection, Selection::Field(field) if is_listed(&field.node.name.node));
    kind == OperationType::Mutation
        && document.operations.iter().all(|(_, operation)| {
            operation.node.selection_set.node.items.iter().all(|selection| is_one(&selection.node))
        })
}

fn digest(text: &str, operation_name: Option<&str>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    // The length separates the text from the operation name.
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
        limited(64 * 1024 * 1024)
    }

    fn limited(bytes: u64) -> Documents {
        let sdl = crate::graphql::sdl();
        let rules = Rules {
            schema: crate::graphql::bare(),
            shape: Arc::new(Shape::of(&sdl)),
            costs: Costs::of(&sdl),
            introspection: Introspection::Refused,
        };
        Documents::new(rules, bytes)
    }

    fn kept(documents: &Documents) -> (u64, u64) {
        documents.0.kept.run_pending_tasks();
        (documents.0.kept.entry_count(), documents.0.kept.weighted_size())
    }

    #[test]
    fn many_small_documents_stay_within_the_limit() {
        let documents = limited(1024 * 1024);
        for number in 0..20_000 {
            documents.admit(&format!("{{a{number}:__typename}}"), None).expect("admitted");
        }
        let (count, bytes) = kept(&documents);
        assert!(bytes <= 1024 * 1024, "{bytes}");
        assert!((100..1_024).contains(&count), "a small document counts with all that it takes: {count}");
    }

    #[test]
    fn larger_documents_weigh_more() {
        let weight = |text: &str| documents().admit(text, None).expect("admitted").bytes;
        let one = weight("{ categories { id } }");
        let many = weight("{ categories { id slug name depth position version createdAt } }");
        let text = weight(&format!("{{ event(slug: \"{}\") {{ id }} }}", "x".repeat(1_000)));
        assert!(one >= 1_370 && many > one + 6 * 200 && text > one + 1_000, "{one} {many} {text}");
    }

    #[test]
    fn invalid_documents_are_not_kept() {
        let documents = documents();
        for number in 0..100 {
            for text in [
                format!("{{ nope{number} }}"),
                format!("{{ categories {{ id }} }} fragment F{number} on Category {{ id }}"),
                format!("query($v{number}: Int) {{ __typename }}"),
                format!("{{ ...F{number} }}"),
                format!("{{ a{number}: event(slug: 7) {{ id }} }}"),
            ] {
                let document = documents.admit(&text, None).expect("not refused by the guard");
                assert!(!document.faults.is_empty(), "{text}");
            }
        }
        assert_eq!(kept(&documents).0, 0);
        let valid = documents.admit("query($s: String) { event(slug: $s) { id } }", None).expect("admitted");
        assert!(valid.faults.is_empty(), "{:?}", valid.faults);
        assert_eq!(kept(&documents).0, 1);
    }

    #[test]
    fn conflicting_fields_stay_invalid() {
        let documents = documents();
        for text in [
            "{ a: categories { id } a: event(slug: \"x\") { id } }",
            "{ a: event(slug: \"x\") { id } ... on Query { a: event(slug: \"y\") { id } } }",
            "{ categories { x: id } categories { x: name } }",
            "{ ...F ...G } fragment F on Query { a: event(id: \"x\") { id } } fragment G on Query { a: event(id: \"y\") { id } }",
        ] {
            assert!(!documents.admit(text, None).expect("parsed").faults.is_empty(), "{text}");
        }
    }

    #[test]
    fn large_bodies_are_for_a_few_mutations() {
        let documents = documents();
        let large = |text: &str| documents.admit(text, None).expect("admitted").takes_large_body;
        let import = "importSeatMap(input: $i) { errors { code } }";
        assert!(large(&format!("mutation($i: ImportSeatMapInput!) {{ {import} }}")));
        assert!(!large(&format!(
            "mutation($i: ImportSeatMapInput!) {{ {import} signOut {{ errors {{ code }} }} }}"
        )));
        assert!(!large("{ __typename }"));
        assert!(!large("mutation { importSeatMap { nope } }"), "invalid");
    }

    #[test]
    fn document_is_checked_once_and_a_refused_one_each_time() {
        let documents = documents();
        let first = documents.admit("{ __typename }", None).expect("admitted");
        assert!(Arc::ptr_eq(&first, &documents.admit("{ __typename }", None).expect("admitted")));
        for _ in 0..2 {
            let refused = documents.admit("{ __schema { types { name } } }", None).unwrap_err();
            assert_eq!(refused.code.as_str(), "INTROSPECTION_DISABLED");
        }
    }

    #[test]
    fn operation_name_is_part_of_the_key() {
        let documents = documents();
        let text = "query A { __typename } mutation B { __typename }";
        assert_eq!(documents.admit(text, Some("A")).expect("admitted").kind, OperationType::Query);
        assert_eq!(documents.admit(text, Some("B")).expect("admitted").kind, OperationType::Mutation);
        assert!(documents.admit(text, None).is_err());
        assert!(documents.admit(text, Some("")).is_err());
    }

    #[test]
    fn urgent_mutations_do_not_count_as_urgent_with_other_fields() {
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
        for name in URGENT.iter().chain(LARGE).copied().flatten() {
            assert!(mutations.contains(&format!("\t{name}(")), "{name}");
        }
    }
}

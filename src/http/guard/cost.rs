//! The estimated cost of an operation before its execution: microseconds of one core, and bytes of the response.
//!
//! The lengths of lists are unknown, so each list counts with a generous length, and a page with the requested one. The
//! estimate uses the [weights](crate::graphql::weight) of the schema's fields. The actual lists and texts are charged
//! to the operation's [budget](crate::graphql::budget) during the execution.
//!
//! The method follows the cost analysis that the `GraphQL` Foundation's security notes recommend.

use async_graphql::{
    Positioned,
    parser::types::{
        ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet, VariableDefinition,
    },
};
use serde_json::{Map, Value as Json};

use super::{
    Refusal,
    length::{Length, PAGE_MAX, count, is_paged, length_of, lengths},
    merge::{chosen, root},
    types::Types,
};
use crate::graphql::{code::ApiCode, weight::LIST};

/// The default limit of one operation, in microseconds: a theatre's seat map with all fields of its seats.
pub const MAX_COST: u64 = 100_000;
/// Microseconds per item of a list.
const ITEM: u64 = 3;
/// Microseconds per row of a connection, which is read from the database.
const ROW: u64 = 25;
/// The cost of every operation: reading the request, finding the document, writing the response.
const OPERATION: Cost = Cost { work: 100, bytes: 0 };
/// The cost of an introspection of the whole schema.
const INTROSPECTION: Cost = Cost { work: 20_000, bytes: 500_000 };

/// The estimated cost of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Microseconds of one core.
    pub work: u64,
    /// Bytes of the response.
    pub bytes: u64,
}

/// The schema with the weights of its fields, and the limit of an operation.
#[derive(Debug)]
pub struct Costs {
    pub(super) types: Types,
    /// The limit of one operation in microseconds.
    limit: u64,
}

impl Default for Costs {
    fn default() -> Self {
        Self { types: Types::default(), limit: MAX_COST }
    }
}

impl Costs {
    /// Reads the schema. If it is invalid, all costs are zero; a test ensures that it is valid.
    pub fn of(sdl: &str) -> Self {
        Self::limited(sdl, MAX_COST)
    }

    /// Reads the schema, with another limit in microseconds.
    pub fn limited(sdl: &str, limit: u64) -> Self {
        Self { types: Types::of(sdl), limit }
    }

    /// Returns the limit of one operation in microseconds.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Estimates the operation with these variables, and refuses one that may exceed the limit. The document must have
    /// passed [`super::check()`], which limits its expanded size.
    pub fn check(
        &self,
        document: &ExecutableDocument,
        name: Option<&str>,
        variables: &Map<String, Json>,
    ) -> Result<Cost, Refusal> {
        let Some((_, operation)) = chosen(&document.operations, name) else { return Ok(Cost::default()) };
        let operation = &operation.node;
        let estimate = Estimate { costs: self, document, operation, variables };
        let cost = estimate.of_set(&operation.selection_set.node, root(operation.ty), LIST).plus(OPERATION);
        if cost.work <= self.limit {
            return Ok(cost);
        }
        let message = format!(
            "The operation may cost {}, and the limit is {}. Request shorter pages and fewer nested lists.",
            cost.work, self.limit
        );
        Err(Refusal::new(ApiCode::DocumentTooComplex, message))
    }
}

/// The inputs of an estimate.
struct Estimate<'a> {
    costs: &'a Costs,
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Map<String, Json>,
}

impl Estimate<'_> {
    /// Returns the cost of a selection on `parent`. `page` is the length of its page, if it has one.
    fn of_set(&self, set: &SelectionSet, parent: &str, page: u64) -> Cost {
        let of = |selection: &Selection| match selection {
            Selection::Field(field) => self.of_field(&field.node, parent, page),
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map_or(parent, |on| on.node.on.node.as_str());
                self.of_set(&fragment.node.selection_set.node, on, page)
            }
            Selection::FragmentSpread(spread) => self
                .document
                .fragments
                .get(&spread.node.fragment_name.node)
                .map_or(Cost::default(), |fragment| {
                    let on = fragment.node.type_condition.node.on.node.as_str();
                    self.of_set(&fragment.node.selection_set.node, on, page)
                }),
        };
        set.items.iter().map(|item| of(&item.node)).fold(Cost::default(), Cost::plus)
    }

    fn of_field(&self, field: &Field, parent: &str, page: u64) -> Cost {
        let name = field.name.node.as_str();
        let key = u64::try_from(field.response_key().node.len()).unwrap_or(u64::MAX).saturating_add(4);
        // Validation refuses unknown fields.
        let Some(found) = self.costs.types.field(parent, name) else {
            let own = if matches!(name, "__schema" | "__type") {
                INTROSPECTION
            } else {
                Cost { work: 1, bytes: key.saturating_add(24) }
            };
            return own.plus(self.of_set(&field.selection_set.node, "", LIST));
        };
        let asked = self.page_of(field);
        let each = self.of_set(&field.selection_set.node, &found.of, asked);
        let own = Cost { work: found.weight.work, bytes: found.weight.bytes.saturating_add(key) };
        let times = match found.is_list {
            true if is_paged(field) => asked,
            true if matches!(name, "nodes" | "edges") => page,
            true => found.length,
            false if found.of.ends_with("Connection") => {
                return own.plus(Cost { work: asked.saturating_mul(ROW), bytes: 0 }).plus(each);
            }
            false => return own.plus(each),
        };
        own.plus(
            Cost { work: each.work.saturating_add(ITEM), bytes: each.bytes.saturating_add(3) }.times(times),
        )
    }

    /// Returns the length of the field's page: the requested one, or the maximum if that is not a number.
    fn page_of(&self, field: &Field) -> u64 {
        let lengths = lengths(field).map(|length| match length {
            Length::Usual => None,
            Length::Literal(length) => Some(length),
            Length::Variable(name) => match self.variables.get(&name) {
                None => self.default_of(&name),
                Some(Json::Null) => None,
                Some(given) => Some(given.as_u64().unwrap_or(PAGE_MAX).min(PAGE_MAX)),
            },
            Length::Ids(name) => {
                let ids = self.variables.get(&name).and_then(Json::as_array);
                Some(ids.map_or(PAGE_MAX, |ids| count(ids.len())))
            }
        });
        lengths.into_iter().flatten().max().unwrap_or(LIST)
    }

    /// Returns the page length that the variable's default requests, if it has a default.
    fn default_of(&self, variable: &str) -> Option<u64> {
        let is_it = |definition: &&Positioned<VariableDefinition>| definition.node.name.node == *variable;
        let definition = self.operation.variable_definitions.iter().find(is_it);
        length_of(&definition?.node.default_value.as_ref()?.node)
    }
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self { work: self.work.saturating_add(other.work), bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn times(self, times: u64) -> Self {
        Self { work: self.work.saturating_mul(times), bytes: self.bytes.saturating_mul(times) }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::http::guard::length::asks_variables;

    fn cost(query: &str) -> Result<Cost, Refusal> {
        let costs = Costs::of(&crate::graphql::sdl());
        costs.check(&parse_query(query).expect("a good document"), None, &Map::new())
    }

    fn cost_with(query: &str, variables: &Json) -> Result<Cost, Refusal> {
        let document = parse_query(query).expect("a good document");
        Costs::of(&crate::graphql::sdl()).check(&document, None, variables.as_object().expect("variables"))
    }

    fn refused(query: &str) -> bool {
        cost(query).is_err()
    }

    #[test]
    fn nested_lists_are_refused() {
        let around = |times: usize| {
            format!("{{categories{}{{id}}{}}}", "{children{parent".repeat(times), "}}".repeat(times))
        };
        assert!(!refused(&around(1)));
        assert!(refused(&around(3)));
        let spread = "query { ...a } fragment a on Query { categories { ...b } }
            fragment b on Category { children { parent { ...c } } }
            fragment c on Category { children { parent { children { id } } } }";
        assert!(refused(spread), "fragments are seen through");
    }

    #[test]
    fn page_counts_with_the_requested_length() {
        let events = |first: &str| {
            format!(
                "{{ events{first} {{ nodes {{ category {{ children {{ children {{ id slug name }} }} }} }} }} }}"
            )
        };
        let work = |first: &str| cost(&events(first)).map(|cost| cost.work);
        assert!(work("(first: 2)").expect("admitted") * 5 < work("(first: 20)").expect("admitted"));
        assert_eq!(work("").ok(), work("(last: 20)").ok());
        assert!(refused(&events("(first: 100)")));
        assert!(refused(&events("(first: 1000000)")), "no page is longer, and it is refused later");
    }

    #[test]
    fn nodes_count_with_the_number_of_ids() {
        use serde_json::json;

        let fields = "{ ... on Category { children { id slug name } } }";
        let literal =
            |ids: &str| cost(&format!("{{ nodes(ids: {ids}) {fields} }}")).map(|cost| cost.work).ok();
        let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {fields} }}");
        let variable = |ids: Json| cost_with(&query, &json!({ "ids": ids })).map(|cost| cost.work).ok();
        let ids = |count: usize| json!(vec!["x"; count]);
        for count in [0, 1, 20] {
            assert_eq!(literal(&ids(count).to_string()), variable(ids(count)), "{count}");
        }
        assert!(variable(ids(1)) < variable(ids(20)));
        assert_eq!(literal("\"x\""), variable(ids(100)), "one id without a list counts as a whole page");
        assert_eq!(variable(ids(100)), variable(ids(100_000)), "more are refused later");
    }

    #[test]
    fn page_counts_with_the_length_in_a_variable() {
        use serde_json::json;

        let fields = "{ nodes { category { children { children { id slug name } } } } }";
        let events = |definition: &str| format!("query({definition}) {{ events(first: $n) {fields} }}");
        let work = |definition: &str, variables: Json| {
            cost_with(&events(definition), &variables).map(|cost| cost.work).ok()
        };
        let ten = cost(&format!("{{ events(first: 10) {fields} }}")).map(|cost| cost.work).ok();
        let usual = cost(&format!("{{ events {fields} }}")).map(|cost| cost.work).ok();
        assert!(ten.is_some() && usual > ten);
        assert_eq!(work("$n: Int", json!({ "n": 10 })), ten);
        assert_eq!(work("$n: Int = 10", json!({})), ten);
        assert_eq!(work("$n: Int = 100", json!({ "n": 10 })), ten);
        assert_eq!(work("$n: Int", json!({})), usual);
        assert_eq!(work("$n: Int = 10", json!({ "n": null })), usual);
        for longest in [json!(100), json!(-1), json!("10"), json!([1]), json!(1e9)] {
            assert_eq!(work("$n: Int", json!({ "n": longest })), None, "{longest} is refused");
        }
        let last =
            |arguments: &str| cost(&format!("{{ events({arguments}) {fields} }}")).map(|cost| cost.work).ok();
        assert_eq!(last("first: null, last: 10"), ten);
        assert_eq!(last("first: 10, last: null"), ten);
        assert_eq!(last("first: null, last: 100"), None, "a null beside it hides nothing");
        let asks = |query: &str| asks_variables(&parse_query(query).expect("a good document"), None);
        assert!(asks(&events("$n: Int")));
        assert!(asks("query($n: Int) { ...f } fragment f on Query { shops(last: $n) { nodes { id } } }"));
        assert!(!asks("query($n: ID) { event(id: $n) { coupons(first: 3) { nodes { id } } } }"));
    }

    #[test]
    fn pictures_count_with_their_drawing_time() {
        let bag = |fields: &str| {
            format!("{{ viewer {{ bag {{ claims(first: 100) {{ nodes {{ {fields} }} }} }} }} }}")
        };
        assert!(!refused(&bag("id qrPng barcodePng")));
        assert!(refused(&bag("a: qrSvg b: qrSvg c: qrSvg d: qrSvg e: qrSvg f: qrSvg")), "600 pictures");
        let tickets = |first: u32, fields: &str| {
            format!("{{ viewer {{ tickets(first: {first}) {{ nodes {{ {fields} }} }} }} }}")
        };
        assert!(!refused(&tickets(40, "id code qrSvg")));
        assert!(refused(&tickets(100, "id a: qrSvg b: qrPng")));
        let orders = |first: u32, fields: &str| {
            format!("{{ viewer {{ orders(first: {first}) {{ nodes {{ claims {{ {fields} }} }} }} }} }}")
        };
        assert!(!refused(&orders(100, "id code")));
        assert!(!refused(&orders(10, "id code qrSvg")));
        assert!(refused(&orders(100, "id code qrPng")));
    }

    #[test]
    fn repeated_batch_reads_and_long_texts_count_each() {
        let seats = cost("{ events(first: 100) { nodes { seatsLeft } } }").expect("admitted");
        assert!((1_000..10_000).contains(&seats.work), "{seats:?}");
        let text = cost("{ events(first: 100) { nodes { description } } }").expect("admitted");
        assert!(text.bytes > 200_000, "{text:?}");
        let live = (0..30).fold(String::new(), |all, n| format!("{all} a{n}: availability {{ version }}"));
        assert!(refused(&format!("{{ events(first: 100) {{ nodes {{ {live} }} }} }}")));
    }

    #[test]
    fn complete_seat_map_is_within_the_limit() {
        let map = "{ event(slug: \"a\") { seatMap { zones { rows { number seats { id guid number x y category } } } } } }";
        assert!(!refused(map));
    }
}

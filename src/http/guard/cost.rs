//! What a document may cost before it runs: microseconds of one core, and bytes of the response.
//!
//! Nobody knows beforehand how long lists are, so each counts as long as a generous one is, and a page as long as it is
//! asked for. The estimate goes by the [weights](crate::graphql::weight) of the schema's fields. What lists and texts
//! really hold is charged to the operation's [budget](crate::graphql::budget) while it runs.
//!
//! The cure follows the cost analysis that the `GraphQL` Foundation's security notes recommend; the figures are ours.

use async_graphql::{
    Value,
    parser::types::{ExecutableDocument, Field, Selection, SelectionSet},
};

use super::{
    Refusal,
    merge::{chosen, root},
    types::Types,
};
use crate::graphql::weight::LIST;

/// The most that one operation may cost by default, in microseconds: a stadium's seat map with ten fields a seat.
pub const MAX_COST: u64 = 500_000;
/// The longest page.
const PAGE_MAX: u64 = 100;
/// One item of a list: it is read, and its fields are begun.
const ITEM: u64 = 3;
/// One row of a connection: it is read from the database.
const ROW: u64 = 15;
/// The whole schema, told by introspection.
const INTROSPECTION: Cost = Cost { work: 20_000, bytes: 500_000 };

/// What an operation is expected to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Microseconds of one core.
    pub work: u64,
    /// Bytes of the response.
    pub bytes: u64,
}

/// The schema with the weights of its fields, and the most that an operation may cost.
#[derive(Debug)]
pub struct Costs {
    pub(super) types: Types,
    /// Microseconds that one operation may cost.
    limit: u64,
}

impl Default for Costs {
    fn default() -> Self {
        Self { types: Types::default(), limit: MAX_COST }
    }
}

impl Costs {
    /// Reads the schema. A schema that cannot be read costs nothing, and a test says that ours can.
    pub fn of(sdl: &str) -> Self {
        Self::limited(sdl, MAX_COST)
    }

    /// The same with another limit, in microseconds.
    pub fn limited(sdl: &str, limit: u64) -> Self {
        Self { types: Types::of(sdl), limit }
    }

    /// The most that one operation may cost, in microseconds.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Estimates the operation, and refuses one that may cost too much. The document must have passed
    /// [`super::check()`], which bounds its size with all fragments expanded.
    pub fn check(&self, document: &ExecutableDocument, name: Option<&str>) -> Result<Cost, Refusal> {
        let Some((_, operation)) = chosen(&document.operations, name) else { return Ok(Cost::default()) };
        let operation = &operation.node;
        let cost = self.of_set(document, &operation.selection_set.node, root(operation.ty), LIST);
        if cost.work <= self.limit {
            return Ok(cost);
        }
        let message = format!(
            "This may cost {}, and {} is the most: ask for shorter pages, and for fewer lists inside lists.",
            cost.work, self.limit
        );
        Err(Refusal::new("DOCUMENT_TOO_COMPLEX", message))
    }

    /// What a selection on `parent` costs, where a page of it has `page` items.
    fn of_set(&self, document: &ExecutableDocument, set: &SelectionSet, parent: &str, page: u64) -> Cost {
        let of = |selection: &Selection| match selection {
            Selection::Field(field) => self.of_field(document, &field.node, parent, page),
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map_or(parent, |on| on.node.on.node.as_str());
                self.of_set(document, &fragment.node.selection_set.node, on, page)
            }
            Selection::FragmentSpread(spread) => {
                document.fragments.get(&spread.node.fragment_name.node).map_or(Cost::default(), |fragment| {
                    let on = fragment.node.type_condition.node.on.node.as_str();
                    self.of_set(document, &fragment.node.selection_set.node, on, page)
                })
            }
        };
        set.items.iter().map(|item| of(&item.node)).fold(Cost::default(), Cost::plus)
    }

    fn of_field(&self, document: &ExecutableDocument, field: &Field, parent: &str, page: u64) -> Cost {
        let name = field.name.node.as_str();
        let key = u64::try_from(field.response_key().node.len()).unwrap_or(u64::MAX).saturating_add(4);
        // What is not in the schema is the validation's to refuse.
        let Some(found) = self.types.field(parent, name) else {
            let own = if matches!(name, "__schema" | "__type") {
                INTROSPECTION
            } else {
                Cost { work: 1, bytes: key.saturating_add(24) }
            };
            return own.plus(self.of_set(document, &field.selection_set.node, "", LIST));
        };
        let asked = page_of(field);
        let each = self.of_set(document, &field.selection_set.node, &found.of, asked);
        let own = Cost { work: found.weight.work, bytes: found.weight.bytes.saturating_add(key) };
        let times = match found.is_list {
            true if matches!(name, "nodes" | "edges") => page,
            true if is_paged(field) => asked,
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
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self { work: self.work.saturating_add(other.work), bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn times(self, times: u64) -> Self {
        Self { work: self.work.saturating_mul(times), bytes: self.bytes.saturating_mul(times) }
    }
}

/// Whether the field says itself how many items it wants.
fn is_paged(field: &Field) -> bool {
    field.get_argument("first").is_some() || field.get_argument("last").is_some()
}

/// How many items the field's page has: as many as are asked for, if that can be read.
fn page_of(field: &Field) -> u64 {
    let asked = |name: &str| field.get_argument(name).map(|value| value.node.clone().into_const());
    match asked("first").or_else(|| asked("last")) {
        Some(Some(Value::Number(number))) => number.as_u64().unwrap_or(PAGE_MAX).min(PAGE_MAX),
        Some(_) => PAGE_MAX,
        None => LIST,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn cost(query: &str) -> Result<Cost, Refusal> {
        let costs = Costs::of(&crate::graphql::sdl());
        costs.check(&parse_query(query).expect("a good document"), None)
    }

    fn refused(query: &str) -> bool {
        cost(query).is_err()
    }

    #[test]
    fn lists_inside_lists_are_refused_before_they_explode() {
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
    fn page_counts_as_long_as_it_is_asked_for() {
        let events = |first: &str| {
            format!(
                "query($n: Int) {{ events{first} {{ nodes {{ category {{ children {{ children {{ id }} }} }} }} }} }}"
            )
        };
        assert!(!refused(&events("")));
        assert!(!refused(&events("(first: 10)")));
        assert!(refused(&events("(first: 100)")));
        assert!(refused(&events("(first: $n)")), "what cannot be read counts as the longest");
    }

    #[test]
    fn pictures_count_by_the_time_that_drawing_them_takes() {
        let bag = |fields: &str| {
            format!("{{ viewer {{ bag {{ claims(first: 100) {{ nodes {{ {fields} }} }} }} }} }}")
        };
        assert!(!refused(&bag("id qrPng barcodePng")));
        assert!(refused(&bag("a: qrSvg b: qrSvg c: qrSvg d: qrSvg e: qrSvg f: qrSvg")), "600 pictures");
        let tickets = |first: u32, fields: &str| {
            format!("{{ viewer {{ tickets(first: {first}) {{ nodes {{ {fields} }} }} }} }}")
        };
        assert!(!refused(&tickets(50, "id code qrSvg")));
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
    fn whole_seat_map_can_be_asked_for() {
        let map = "{ event(slug: \"a\") { seatMap { zones { rows { number seats { id guid number x y category } } } } } }";
        assert!(!refused(map));
    }
}

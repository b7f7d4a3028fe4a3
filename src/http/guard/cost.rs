//! What a document may yield: lists inside lists multiply, however short the document is.
//!
//! Nobody knows beforehand how long lists are, so each counts as long as a generous one is. The estimate goes by the
//! schema, and is made before the library sees the document: `categories { children { parent { children … } } }` is
//! short, harmless with one category, and the end of a process with fifty.
//!
//! The cure follows the cost analysis that the `GraphQL` Foundation's security notes recommend; the figures are ours.

use std::collections::HashMap;

use async_graphql::{
    Value,
    parser::{
        parse_schema,
        types::{
            BaseType, DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType,
            Selection, SelectionSet, Type, TypeKind, TypeSystemDefinition,
        },
    },
};

use super::Refusal;

/// The most that one operation may be expected to yield, in fields: a stadium's seat map with ten fields a seat.
pub const MAX_COST: u64 = 500_000;

/// How long a list counts when nothing more is known of it: a page.
const LIST: u64 = 20;
/// The longest page.
const PAGE_MAX: u64 = 100;
/// Lists that are longer than a page.
const LONG_LISTS: [(&str, u64); 4] = [("seats", 40), ("rows", 40), ("children", 50), ("categories", 50)];

/// Fields that are more work than a look at a row: pictures are drawn, and PNG files compressed.
const HEAVY: [(&str, u64); 4] = [("qrPng", 500), ("barcodePng", 500), ("qrSvg", 100), ("barcodeSvg", 100)];

/// The schema, as far as the estimate needs it: by type and field, the field's type and whether it is a list.
#[derive(Debug, Default)]
pub struct Costs(HashMap<String, HashMap<String, (String, bool)>>);

impl Costs {
    /// Reads the schema. A schema that cannot be read costs nothing, and a test says that ours can.
    pub fn of(sdl: &str) -> Self {
        let Ok(document) = parse_schema(sdl) else { return Self::default() };
        let mut types = HashMap::new();
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let fields = match definition.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) | TypeKind::InputObject(_) => {
                    continue;
                }
            };
            let fields = fields.into_iter().map(|field| {
                let (name, is_list) = leaf(&field.node.ty.node);
                (field.node.name.node.to_string(), (name, is_list))
            });
            types.insert(definition.node.name.node.to_string(), fields.collect());
        }
        Self(types)
    }

    /// Refuses the operation if it may yield too much. The document must have passed [`super::check()`], which bounds
    /// its size with all fragments expanded.
    pub fn check(&self, document: &ExecutableDocument, name: Option<&str>) -> Result<(), Refusal> {
        let cost = self.estimate(document, name);
        if cost <= MAX_COST {
            return Ok(());
        }
        Err(Refusal::new(
            "DOCUMENT_TOO_COMPLEX",
            format!(
                "This may yield {cost} fields, and {MAX_COST} are the most: ask for fewer lists inside lists."
            ),
        ))
    }

    /// Returns how many fields the operation may yield.
    pub fn estimate(&self, document: &ExecutableDocument, name: Option<&str>) -> u64 {
        let Some(operation) = chosen(&document.operations, name) else { return 0 };
        let root = match operation.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        self.of_set(document, &operation.selection_set.node, root, LIST)
    }

    /// What a selection on `parent` may yield, where a page of it has `page` items.
    fn of_set(&self, document: &ExecutableDocument, set: &SelectionSet, parent: &str, page: u64) -> u64 {
        let of = |selection: &Selection| match selection {
            Selection::Field(field) => self.of_field(document, &field.node, parent, page),
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map_or(parent, |on| on.node.on.node.as_str());
                self.of_set(document, &fragment.node.selection_set.node, on, page)
            }
            Selection::FragmentSpread(spread) => {
                document.fragments.get(&spread.node.fragment_name.node).map_or(0, |fragment| {
                    let on = fragment.node.type_condition.node.on.node.as_str();
                    self.of_set(document, &fragment.node.selection_set.node, on, page)
                })
            }
        };
        set.items.iter().map(|item| of(&item.node)).fold(0, u64::saturating_add)
    }

    fn of_field(&self, document: &ExecutableDocument, field: &Field, parent: &str, page: u64) -> u64 {
        let name = field.name.node.as_str();
        // What is not in the schema is the validation's to refuse.
        let Some((of, is_list)) = self.0.get(parent).and_then(|fields| fields.get(name)) else { return 1 };
        let each = self.of_set(document, &field.selection_set.node, of, page_of(field));
        let times = match is_list {
            true if matches!(name, "nodes" | "edges") => page,
            true if is_paged(field) => page_of(field),
            true => LONG_LISTS.iter().find(|(list, _)| *list == name).map_or(LIST, |(_, times)| *times),
            false => 1,
        };
        let own = HEAVY.iter().find(|(heavy, _)| *heavy == name).map_or(1, |(_, weight)| *weight);
        times.saturating_mul(each.saturating_add(own))
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

fn chosen<'a>(operations: &'a DocumentOperations, name: Option<&str>) -> Option<&'a OperationDefinition> {
    let mut operations = operations.iter();
    match name {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None => operations.next(),
    }
    .map(|(_, operation)| &operation.node)
}

/// The type inside lists, and whether there are any.
fn leaf(ty: &Type) -> (String, bool) {
    match &ty.base {
        BaseType::Named(name) => (name.to_string(), false),
        BaseType::List(of) => (leaf(of).0, true),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    const SDL: &str = "type Query { categories: [Category!]! things(first: Int): ThingConnection! }
        type Category { id: ID! children: [Category!]! parent: Category }
        type ThingConnection { nodes: [Thing!]! } type Thing { id: ID! categories: [Category!]! }";

    fn refused(query: &str) -> bool {
        let document = parse_query(query).expect("a good document");
        Costs::of(SDL).check(&document, None).is_err()
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
    fn a_page_counts_as_long_as_it_is_asked_for() {
        let things = |first: &str| {
            format!("query($n: Int) {{ things{first} {{ nodes {{ categories {{ children {{ id }} }} }} }} }}")
        };
        assert!(!refused(&things("")));
        assert!(!refused(&things("(first: 10)")));
        assert!(refused(&things("(first: 100)")));
        assert!(refused(&things("(first: $n)")), "what cannot be read counts as the longest");
    }

    #[test]
    fn pictures_and_lists_that_say_how_long_they_are_count_as_such() {
        let costs = Costs::of(&crate::graphql::sdl());
        let refused = |query: &str| costs.check(&parse_query(query).expect("a good document"), None).is_err();
        let bag = |fields: &str| {
            format!("{{ viewer {{ bag {{ claims(first: 100) {{ nodes {{ {fields} }} }} }} }} }}")
        };
        assert!(!refused(&bag("id qrPng barcodePng")));
        let orders = |first: u32, fields: &str| {
            format!("{{ viewer {{ orders(first: {first}) {{ nodes {{ claims {{ {fields} }} }} }} }} }}")
        };
        assert!(!refused(&orders(100, "id code qrSvg")));
        assert!(!refused(&orders(20, "id code qrPng")));
        assert!(refused(&orders(100, "id code qrPng")));
        let coupons = |first: &str| {
            format!(
                "query($n: Int) {{ coupons(first: 100) {{ nodes {{ viewerClaims{first} {{ id qrSvg }} }} }} }}"
            )
        };
        assert!(!refused(&coupons("")));
        assert!(!refused(&coupons("(first: 20)")));
        assert!(refused(&coupons("(first: 100)")));
        assert!(refused(&coupons("(first: $n)")));
    }

    #[test]
    fn the_schema_that_is_served_can_be_read() {
        let costs = Costs::of(&crate::graphql::sdl());
        assert_eq!(costs.0["Query"]["categories"], ("Category".to_owned(), true));
        let map = "{ event(slug: \"a\") { seatMap { zones { rows { number seats { id guid number x y category } } } } } }";
        let document = parse_query(map).expect("a good document");
        assert!(costs.check(&document, None).is_ok(), "a whole seat map can be asked for");
    }
}

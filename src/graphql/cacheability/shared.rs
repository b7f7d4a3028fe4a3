//! Finds operations whose response is the same for all viewers. It depends only on an inventory at a version and on
//! immutable data, so the operation is executed once for all clients.

use std::collections::HashSet;

use async_graphql::{
    Value,
    parser::types::{ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet},
};

use crate::graphql::null_completion::Shape;

/// The fields whose values depend only on an inventory's state, its terms, and geometry. They depend neither on the
/// viewer nor on data that can change without a new version of the inventory.
pub const FIELDS: &[(&str, &[&str])] = &[
    ("Query", &["event"]),
    ("Subscription", &["seatAvailability", "couponAvailability"]),
    ("Event", &["id", "availability"]),
    (
        "AvailabilitySnapshot",
        &[
            "version",
            "asOf",
            "capacity",
            "available",
            "reserved",
            "sold",
            "blocked",
            "zones",
            "rows",
            "areas",
            "tiers",
        ],
    ),
    ("ZoneAvailability", &["name", "capacity", "available", "lowestPrice", "tiers"]),
    ("ZoneTier", &["tier", "available"]),
    ("RowAvailability", &["zone", "row", "statuses"]),
    ("AreaAvailability", &["area", "capacity", "available"]),
    ("TierAvailability", &["tier", "available", "price", "lowestPrice"]),
    (
        "AvailabilityDelta",
        &[
            "after",
            "version",
            "seats",
            "areas",
            "capacity",
            "available",
            "reserved",
            "sold",
            "blocked",
            "tiers",
        ],
    ),
    ("CouponAvailability", &["after", "version", "left", "coupon"]),
    ("Coupon", &["id", "left"]),
    ("SeatChange", &["id", "status"]),
    ("AreaChange", &["id", "available"]),
    ("TierChange", &["id", "available"]),
    ("Area", &["id", "guid", "name", "zone", "category", "capacity", "x", "y"]),
    (
        "Tier",
        &["id", "name", "price", "basePrice", "fee", "taxBasisPoints", "position", "version", "updatedAt"],
    ),
    ("Money", &["amount", "currency"]),
];

/// The argument of a stream that contains the client's version.
const AFTER: &str = "after";

/// An operation whose answer is the same for all viewers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedOperation {
    /// The `after` argument of a stream.
    pub after: After,
}

/// How a document states the client's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// It does not.
    Absent,
    /// In this variable.
    Variable(String),
    /// As a literal in the document.
    Literal(Value),
}

/// Returns the operation `name` if its answer is the same for all viewers. The document must have passed the guard,
/// which bounds its size and refuses recursive fragments. It need not be valid.
pub fn shared_operation(
    document: &ExecutableDocument,
    name: Option<&str>,
    shape: &Shape,
) -> Option<SharedOperation> {
    let operation = operation(document, name)?;
    let root = match operation.ty {
        OperationType::Query => "Query",
        OperationType::Subscription => "Subscription",
        OperationType::Mutation => return None,
    };
    if !consists_of(document, &operation.selection_set.node, root, (shape, &is_same_for_all)) {
        return None;
    }
    let after = if operation.ty == OperationType::Subscription { after(operation)? } else { After::Absent };
    Some(SharedOperation { after })
}

/// Returns the document's operation with this name, or its first one.
pub(super) fn operation<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a OperationDefinition> {
    let mut operations = document.operations.iter();
    let (_, operation) = match name {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None => operations.next(),
    }?;
    Some(&operation.node)
}

/// A condition on a field of the type with this name.
pub(super) type Predicate<'a> = dyn Fn(&Field, &str) -> bool + 'a;

/// Returns whether all fields of the selection on this type satisfy the predicate, including fragments and nested
/// selections. A field that is not in the schema's objects never does.
pub(super) fn consists_of(
    document: &ExecutableDocument,
    selection: &SelectionSet,
    of: &str,
    (shape, may): (&Shape, &Predicate<'_>),
) -> bool {
    Walk { document, shape, may, seen: HashSet::new() }.set(selection, of)
}

fn is_same_for_all(field: &Field, of: &str) -> bool {
    let name = field.name.node.as_str();
    let listed = FIELDS.iter().any(|(on, fields)| *on == of && fields.contains(&name));
    // A slug is looked up in a table without a version.
    let by_id = (of, name) != ("Query", "event")
        || (field.get_argument("id").is_some() && field.get_argument("slug").is_none());
    // Only the holder of an access code may see the tiers that it unlocks, and only members of the shop see all.
    let for_all = match (of, name) {
        ("Event", "availability") => field.arguments.is_empty(),
        ("Subscription", "seatAvailability") => field.get_argument("allTiers").is_none(),
        _ => true,
    };
    listed && by_id && for_all
}

/// Returns the version that a stream should follow. `None` if it does not follow from the operation alone.
fn after(operation: &OperationDefinition) -> Option<After> {
    let [selection] = operation.selection_set.node.items.as_slice() else { return None };
    let Selection::Field(field) = &selection.node else { return None };
    // A directive may leave the stream out, so it cannot be shared.
    if !field.node.directives.is_empty() || !operation.directives.is_empty() {
        return None;
    }
    Some(match field.node.get_argument(AFTER) {
        None => After::Absent,
        Some(value) => {
            if let Some(literal) = value.node.clone().into_const() {
                After::Literal(literal)
            } else {
                // The library does not export the type of values that contain variables.
                let text = value.node.to_string();
                let name = text.strip_prefix('$')?;
                let defined =
                    operation.variable_definitions.iter().find(|var| var.node.name.node == *name)?;
                if defined.node.default_value.is_some() {
                    return None;
                }
                After::Variable(name.to_owned())
            }
        }
    })
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    shape: &'a Shape,
    /// Whether a field of this type is allowed.
    may: &'a Predicate<'a>,
    /// Fragments that were already checked or are being checked. Their result depends only on their own type.
    seen: HashSet<&'a str>,
}

impl<'a> Walk<'a> {
    fn set(&mut self, set: &'a SelectionSet, of: &str) -> bool {
        set.items.iter().all(|selection| match &selection.node {
            Selection::Field(field) => self.field(&field.node, of),
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map_or(of, |on| on.node.on.node.as_str());
                self.set(&fragment.node.selection_set.node, on)
            }
            Selection::FragmentSpread(spread) => {
                let Some((name, fragment)) =
                    self.document.fragments.get_key_value(&spread.node.fragment_name.node)
                else {
                    return false;
                };
                let on = fragment.node.type_condition.node.on.node.as_str();
                !self.seen.insert(name.as_str()) || self.set(&fragment.node.selection_set.node, on)
            }
        })
    }

    fn field(&mut self, field: &'a Field, of: &str) -> bool {
        let name = field.name.node.as_str();
        if name == "__typename" {
            return true;
        }
        let Some(ty) = self.shape.type_of(of, name) else { return false };
        (self.may)(field, of) && self.set(&field.selection_set.node, ty)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn of(query: &str) -> Option<SharedOperation> {
        let document = parse_query(query).expect("a good document");
        shared_operation(&document, None, &Shape::of(&crate::graphql::sdl()))
    }

    #[test]
    fn every_shared_field_exists() {
        let shape = Shape::of(&crate::graphql::sdl());
        for (on, fields) in FIELDS {
            for field in *fields {
                assert!(shape.type_of(on, field).is_some(), "{on}.{field}");
            }
        }
    }

    #[test]
    fn operations_without_viewer_data_are_shared() {
        let shared = [
            "query($id: ID!) { event(id: $id) { id availability { version asOf rows { zone statuses } } } }",
            "{ a: event(id: \"x\") { ...e } } fragment e on Event { availability { ...s } }
                fragment s on AvailabilitySnapshot { tiers { tier { name } price { amount } } areas { area { name } } }",
            "{ __typename event(id: \"x\") { __typename ... { id } } }",
        ];
        for query in shared {
            assert_eq!(of(query), Some(SharedOperation { after: After::Absent }), "{query}");
        }
    }

    #[test]
    fn operations_that_depend_on_more_than_an_inventory_are_not_shared() {
        let own = [
            "{ event(slug: \"x\") { availability { version } } }",
            "{ event(id: \"x\", slug: \"x\") { availability { version } } }",
            "{ event(id: \"x\") { name availability { version } } }",
            "{ event(id: \"x\") { availability(accessCode: \"x\") { version } } }",
            "query($c: String) { event(id: \"x\") { availability(accessCode: $c) { version } } }",
            "{ event(id: \"x\") { tiersOpenedBy(code: \"x\") { id } } }",
            "{ event(id: \"x\") { id } me { id } }",
            "{ event(id: \"x\") { ...e } } fragment e on Event { id shop { id } }",
            "{ event(id: \"x\") { ... on Node { id } } }",
            "{ event(id: \"x\") { availability { tiers { tier { categories } } } } }",
            "{ event(id: \"x\") { nope } }",
            "{ __schema { types { name } } }",
            "mutation { signOut { errors { code } } }",
            "subscription { reservation(id: \"x\") { id } }",
            "subscription { seatAvailability(eventId: \"x\", allTiers: true) { __typename } }",
            "subscription($a: Boolean!) { seatAvailability(eventId: \"x\", allTiers: $a) { __typename } }",
            "subscription { seatAvailability(eventId: \"x\") { __typename } reservation(id: \"x\") { id } }",
            "subscription { ...s } fragment s on Subscription { seatAvailability(eventId: \"x\") { __typename } }",
            "subscription($v: Long = 7) { seatAvailability(eventId: \"x\", after: $v) { __typename } }",
            "subscription($a: Boolean!) { seatAvailability(eventId: \"x\") @skip(if: $a) { __typename } }",
        ];
        for query in own {
            assert_eq!(of(query), None, "{query}");
        }
    }

    #[test]
    fn the_clients_version_is_found_in_the_arguments() {
        let after = |text: &str| {
            of(&format!(
                "subscription($v: Long) {{ seatAvailability(eventId: \"x\"{text}) {{ ... on AvailabilityDelta {{ version }} }} }}"
            ))
            .map(|shared| shared.after)
        };
        assert_eq!(after(""), Some(After::Absent));
        assert_eq!(after(", after: 7"), Some(After::Literal(Value::from(7))));
        assert_eq!(after(", after: null"), Some(After::Literal(Value::Null)));
        assert_eq!(after(", after: $v"), Some(After::Variable("v".to_owned())));
    }
}

//! The lengths of lists that an operation requests with its arguments.

use async_graphql::{
    Value,
    parser::types::{ExecutableDocument, Field, Selection, SelectionSet},
};

use super::merge::chosen;

/// The longest page.
pub(super) const PAGE_MAX: u64 = 100;
/// The argument with the ids of a list's items.
const IDS: &str = "ids";

/// Returns whether the field's arguments set the length of its list.
pub(super) fn is_paged(field: &Field) -> bool {
    ["first", "last", IDS].iter().any(|name| field.get_argument(name).is_some())
}

/// The requested length of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// No length is requested.
    Usual,
    /// This length. The maximum if the argument is not a number.
    Literal(u64),
    /// The value of this variable.
    Variable(String),
    /// The number of ids in this variable.
    Ids(String),
}

/// Returns the lengths that `first`, `last` and `ids` request. Each may be null.
pub(super) fn lengths(field: &Field) -> [Length; 3] {
    let ids = match page_argument(field, IDS) {
        Length::Variable(name) => Length::Ids(name),
        length @ (Length::Usual | Length::Literal(_) | Length::Ids(_)) => {
            match field.get_argument(IDS).and_then(|ids| ids.node.clone().into_const()) {
                Some(Value::List(ids)) => Length::Literal(count(ids.len())),
                Some(_) | None => length,
            }
        }
    };
    [page_argument(field, "first"), page_argument(field, "last"), ids]
}

fn page_argument(field: &Field, name: &str) -> Length {
    let Some(argument) = field.get_argument(name) else { return Length::Usual };
    match argument.node.clone().into_const() {
        Some(value) => length_of(&value).map_or(Length::Usual, Length::Literal),
        // The argument is a variable, or contains one in an invalid place.
        None => match argument.node.to_string().strip_prefix('$') {
            Some(name) => Length::Variable(name.to_owned()),
            None => Length::Literal(PAGE_MAX),
        },
    }
}

pub(super) fn length_of(value: &Value) -> Option<u64> {
    match value {
        Value::Null => None,
        Value::Number(number) => Some(number.as_u64().unwrap_or(PAGE_MAX).min(PAGE_MAX)),
        Value::String(_)
        | Value::Boolean(_)
        | Value::Binary(_)
        | Value::Enum(_)
        | Value::List(_)
        | Value::Object(_) => Some(PAGE_MAX),
    }
}

/// Returns the number of ids in a list, at most a page.
pub(super) fn count(ids: usize) -> u64 {
    u64::try_from(ids).unwrap_or(u64::MAX).min(PAGE_MAX)
}

/// Returns whether a variable sets the length of a list.
pub(super) fn asks_variables(document: &ExecutableDocument, name: Option<&str>) -> bool {
    let of_operation = chosen(&document.operations, name)
        .is_some_and(|(_, operation)| has_variable_page(&operation.node.selection_set.node));
    let mut fragments = document.fragments.values();
    of_operation || fragments.any(|fragment| has_variable_page(&fragment.node.selection_set.node))
}

fn has_variable_page(set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => {
            lengths(&field.node).iter().any(|length| matches!(length, Length::Variable(_) | Length::Ids(_)))
                || has_variable_page(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => has_variable_page(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => false,
    })
}

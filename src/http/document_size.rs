//! Estimates the memory of a parsed document, for the limit of the [document cache](super::documents).

use std::mem::size_of;

use async_graphql::{
    Positioned,
    parser::types::{ExecutableDocument, Field, Selection, SelectionSet},
};

use crate::graphql::field_order::FieldOrder;

/// Bytes of a kept document besides its selections: its key, its cache entry and its fields.
const DOCUMENT_BYTES: usize = 1_024;
/// Bytes of a name besides its text.
const NAME_BYTES: usize = 32;
/// Bytes of an argument's value besides its text.
const VALUE_BYTES: usize = 128;

/// Returns an upper estimate of a merged document's size in memory.
pub(super) fn size(document: &ExecutableDocument) -> usize {
    document.operations.iter().fold(DOCUMENT_BYTES, |bytes, (_, operation)| {
        let variables = operation.node.variable_definitions.iter().map(|variable| {
            let default =
                variable.node.default_value.as_ref().map_or(0, |value| value.node.to_string().len() * 8);
            2 * VALUE_BYTES + variable.node.name.node.len() + default
        });
        bytes + variables.sum::<usize>() + set_size(&operation.node.selection_set.node)
    })
}

fn set_size(set: &SelectionSet) -> usize {
    set.items
        .iter()
        .map(|Positioned { node: selection, .. }| {
            size_of::<Positioned<Selection>>()
                + 2 * size_of::<(String, FieldOrder)>()
                + selection_size(selection)
        })
        .sum()
}

fn selection_size(selection: &Selection) -> usize {
    let directives = selection.directives().len() * 3 * VALUE_BYTES;
    directives
        + match selection {
            Selection::Field(field) => field_size(&field.node),
            Selection::InlineFragment(fragment) => NAME_BYTES + set_size(&fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => NAME_BYTES,
        }
}

fn field_size(field: &Field) -> usize {
    let arguments = field.arguments.iter().map(|(name, value)| {
        // A value's nodes are estimated by its text: the shortest node has two bytes.
        name.node.len() + VALUE_BYTES + value.node.to_string().len() * (VALUE_BYTES / 2)
    });
    let names = 2 * NAME_BYTES + field.name.node.len() + field.response_key().node.len();
    names + arguments.sum::<usize>() + set_size(&field.selection_set.node)
}

//! Rules of the specification that the library's validation does not check.
//!
//! The library does not check directives on operations, variables and fragment definitions. It misses repeated
//! arguments if a directive follows. [`super::scan()`] finds repeated fields of input objects, because the parser keeps
//! only the last one.

use std::collections::HashSet;

use async_graphql::{
    Name, Positioned,
    parser::types::{Directive, ExecutableDocument, Selection, SelectionSet},
};

use super::Refusal;
use crate::graphql::code::ApiCode;

/// The directives of the schema. They are allowed on fields and on uses of fragments.
const KNOWN: [&str; 2] = ["include", "skip"];

/// Refuses unknown, misplaced and repeated directives, and repeated arguments.
pub(super) fn check(document: &ExecutableDocument) -> Result<(), Refusal> {
    for (_, operation) in document.operations.iter() {
        nowhere(&operation.node.directives)?;
        for variable in &operation.node.variable_definitions {
            nowhere(&variable.node.directives)?;
        }
        set(&operation.node.selection_set.node)?;
    }
    for fragment in document.fragments.values() {
        nowhere(&fragment.node.directives)?;
        set(&fragment.node.selection_set.node)?;
    }
    Ok(())
}

/// Checks a selection set. The scan limits the depth of this recursion.
fn set(selections: &SelectionSet) -> Result<(), Refusal> {
    for Positioned { node: selection, .. } in &selections.items {
        directives(selection.directives())?;
        match selection {
            Selection::Field(field) => {
                arguments(&field.node.arguments)?;
                set(&field.node.selection_set.node)?;
            }
            Selection::InlineFragment(fragment) => set(&fragment.node.selection_set.node)?,
            Selection::FragmentSpread(_) => {}
        }
    }
    Ok(())
}

fn directives(all: &[Positioned<Directive>]) -> Result<(), Refusal> {
    let mut names = HashSet::new();
    for directive in all {
        if !names.insert(directive.node.name.node.as_str()) {
            return Err(refused("Repeated directive", directive));
        }
        if !KNOWN.contains(&directive.node.name.node.as_str()) {
            return Err(refused("Unknown directive", directive));
        }
        arguments(&directive.node.arguments)?;
    }
    Ok(())
}

/// Refuses all directives in this place.
fn nowhere(all: &[Positioned<Directive>]) -> Result<(), Refusal> {
    directives(all)?;
    all.first().map_or(Ok(()), |directive| Err(refused("Misplaced directive", directive)))
}

fn arguments<V>(all: &[(Positioned<Name>, Positioned<V>)]) -> Result<(), Refusal> {
    let mut names = HashSet::new();
    match all.iter().find(|(name, _)| !names.insert(name.node.as_str())) {
        Some((name, _)) => {
            let message = format!("Repeated argument `{}` at {}.", name.node, name.pos);
            Err(Refusal::new(ApiCode::GraphqlValidationFailed, message))
        }
        None => Ok(()),
    }
}

fn refused(what: &str, directive: &Positioned<Directive>) -> Refusal {
    let name: String = directive.node.name.node.chars().take(80).collect();
    Refusal::new(ApiCode::GraphqlValidationFailed, format!("{what} `@{name}` at {}.", directive.pos))
}

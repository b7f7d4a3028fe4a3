//! The check after the parser: measures a document as if its fragments were expanded, without expanding them.
//!
//! Each fragment is measured once, so the work is linear in the document even if the expansion is exponential. All sums
//! saturate. The first limit that is exceeded ends the check.

use super::{
    Introspection, MAX_ALIASES, MAX_DEPTH, MAX_DIRECTIVES, MAX_FRAGMENTS, MAX_INTROSPECTION_LISTS,
    MAX_MUTATION_FIELDS, MAX_NESTING, MAX_QUERY_FIELDS, MAX_SELECTIONS, Refusal,
};
use crate::graphql::code::ApiCode;
use async_graphql::{
    Name, Positioned,
    parser::types::{ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet},
};
use std::collections::HashMap;

/// Refuses a document whose expansion is too large or too deep, or that uses introspection without permission.
///
/// All operations count together. Unused fragments count too, because validation visits them.
pub fn check(document: &ExecutableDocument, introspection: Introspection) -> Result<(), Refusal> {
    if document.fragments.len() > MAX_FRAGMENTS {
        return Err(too_complex(format!("A document defines at most {MAX_FRAGMENTS} fragments.")));
    }
    let mut scale = Scale { document, introspection, fragments: HashMap::new() };
    let mut total = Weight::default();
    for (_, operation) in document.operations.iter() {
        total = total.beside(scale.operation(&operation.node)?);
        total.within_limits()?;
    }
    // A fixed order makes the sum deterministic: a fragment counts again if it is visited before its use.
    let mut names: Vec<&Name> = document.fragments.keys().collect();
    names.sort_unstable();
    for name in names {
        if !scale.fragments.contains_key(name) {
            total = total.beside(scale.fragment(name, 0)?);
            total.within_limits()?;
        }
    }
    Ok(())
}

/// The size of a selection set after expansion.
#[derive(Clone, Copy, Default)]
struct Weight {
    selections: u32,
    depth: u32,
    aliases: u32,
    directives: u32,
    /// Top-level fields, including those of fragments.
    roots: u32,
    /// Nested introspection lists.
    lists: u32,
    /// Whether a top-level field starts with `__`.
    meta_root: bool,
}

impl Weight {
    /// Returns the weight of two selections in one set.
    fn beside(self, other: Self) -> Self {
        Self {
            selections: self.selections.saturating_add(other.selections),
            depth: self.depth.max(other.depth),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            roots: self.roots.saturating_add(other.roots),
            lists: self.lists.max(other.lists),
            meta_root: self.meta_root || other.meta_root,
        }
    }

    /// Returns the weight of the use of a fragment, whose fields are at the level of the use.
    fn spread(self, directives: usize) -> Self {
        Self { selections: self.selections.saturating_add(1), ..self }.with_directives(directives)
    }

    fn with_directives(self, directives: usize) -> Self {
        let directives = u32::try_from(directives).unwrap_or(u32::MAX);
        Self { directives: self.directives.saturating_add(directives), ..self }
    }

    fn within_limits(self) -> Result<Self, Refusal> {
        if self.selections > MAX_SELECTIONS {
            return Err(too_complex(format!(
                "A document selects at most {MAX_SELECTIONS} fields, fragments expanded."
            )));
        }
        if self.depth > MAX_DEPTH {
            return Err(too_deep(format!("Fields nest at most {MAX_DEPTH} levels deep.")));
        }
        if self.aliases > MAX_ALIASES {
            return Err(Refusal::new(
                ApiCode::TooManyAliases,
                format!("A document has at most {MAX_ALIASES} aliases, fragments expanded."),
            ));
        }
        if self.directives > MAX_DIRECTIVES {
            return Err(Refusal::new(
                ApiCode::TooManyDirectives,
                format!("A document has at most {MAX_DIRECTIVES} directives, fragments expanded."),
            ));
        }
        Ok(self)
    }
}

/// A walk over one document.
struct Scale<'a> {
    document: &'a ExecutableDocument,
    introspection: Introspection,
    /// The measured fragments. `None` while one is being measured, which detects cycles.
    fragments: HashMap<&'a Name, Option<Weight>>,
}

impl<'a> Scale<'a> {
    fn operation(&mut self, operation: &'a OperationDefinition) -> Result<Weight, Refusal> {
        let weight = self.set(&operation.selection_set.node, 0)?;
        match operation.ty {
            OperationType::Query if weight.roots > MAX_QUERY_FIELDS => {
                return Err(too_complex(format!("A query has at most {MAX_QUERY_FIELDS} root fields.")));
            }
            OperationType::Mutation if weight.roots > MAX_MUTATION_FIELDS => {
                return Err(too_complex(format!(
                    "A mutation has at most {MAX_MUTATION_FIELDS} root fields."
                )));
            }
            OperationType::Subscription if weight.roots != 1 || weight.meta_root => {
                return Err(Refusal::new(
                    ApiCode::GraphqlValidationFailed,
                    "A subscription has exactly one root field, and not an introspection field.",
                ));
            }
            OperationType::Query | OperationType::Mutation | OperationType::Subscription => {}
        }
        let on_variables: usize =
            operation.variable_definitions.iter().map(|variable| variable.node.directives.len()).sum();
        Ok(weight.with_directives(operation.directives.len().saturating_add(on_variables)))
    }

    /// Measures a selection set. `level` is the depth of this recursion. It needs a limit of its own, because the
    /// recursion follows fragments and can be deeper than the brackets of the text.
    fn set(&mut self, set: &'a SelectionSet, level: usize) -> Result<Weight, Refusal> {
        if level > MAX_NESTING {
            return Err(too_deep(format!("Selections nest at most {MAX_NESTING} levels deep.")));
        }
        let mut total = Weight::default();
        for Positioned { node: selection, .. } in &set.items {
            let weight = match selection {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::InlineFragment(fragment) => self
                    .set(&fragment.node.selection_set.node, level + 1)?
                    .spread(fragment.node.directives.len()),
                Selection::FragmentSpread(spread) => self
                    .fragment(&spread.node.fragment_name.node, level + 1)?
                    .spread(spread.node.directives.len()),
            };
            total = total.beside(weight).within_limits()?;
        }
        Ok(total)
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Weight, Refusal> {
        let inner = self.set(&field.selection_set.node, level + 1)?;
        let name = field.name.node.as_str();
        if matches!(name, "__schema" | "__type") {
            self.introspects(inner)?;
        }
        let is_list = matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes");
        let weight = Weight {
            selections: inner.selections.saturating_add(1),
            depth: inner.depth.saturating_add(1),
            aliases: inner.aliases.saturating_add(u32::from(field.alias.is_some())),
            roots: 1,
            lists: inner.lists.saturating_add(u32::from(is_list)),
            meta_root: name.starts_with("__"),
            ..inner
        };
        weight.with_directives(field.directives.len()).within_limits()
    }

    fn introspects(&self, inner: Weight) -> Result<(), Refusal> {
        match self.introspection {
            Introspection::Refused => Err(Refusal::new(
                ApiCode::IntrospectionDisabled,
                "Introspection is disabled. Read the published schema instead.",
            )),
            Introspection::Allowed if inner.lists > MAX_INTROSPECTION_LISTS => {
                Err(too_deep("The introspection nests too many lists.".to_owned()))
            }
            Introspection::Allowed => Ok(()),
        }
    }

    /// Measures a fragment. An unknown fragment weighs nothing: validation reports it.
    fn fragment(&mut self, name: &'a Name, level: usize) -> Result<Weight, Refusal> {
        match self.fragments.get(name) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => {
                let name: String = name.chars().take(80).collect();
                return Err(Refusal::new(
                    ApiCode::GraphqlValidationFailed,
                    format!("The fragment `{name}` contains itself."),
                ));
            }
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Weight::default()) };
        self.fragments.insert(name, None);
        let weight = self
            .set(&fragment.node.selection_set.node, level)?
            .with_directives(fragment.node.directives.len())
            .within_limits()?;
        self.fragments.insert(name, Some(weight));
        Ok(weight)
    }
}

fn too_complex(message: String) -> Refusal {
    Refusal::new(ApiCode::DocumentTooComplex, message)
}

fn too_deep(message: String) -> Refusal {
    Refusal::new(ApiCode::DocumentTooDeep, message)
}

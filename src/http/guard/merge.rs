//! Merges identical fields before a document runs, as `CollectFields` in the specification does.
//!
//! The library executes every repetition of a field and merges the results. So `{ a a a }`, `{ ...F ...F }` and `{ a
//! ... { a } ... on Query { a } }` would execute `a` several times. A merged document has each field once. Fragments
//! that always apply are replaced by their selections. Fields with the same response key, name, arguments and
//! directives become one field with all their selections. Fragments that apply to some objects only, and fields with
//! different `@skip` and `@include`, are not merged.
//!
//! See <https://spec.graphql.org/September2025/#sec-Field-Collection>.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, InlineFragment, OperationDefinition,
        OperationType, Selection, SelectionSet, TypeCondition,
    },
};

use super::types::Types;

/// Returns the document with the operation `name` only, each field once, and no fragment definitions.
///
/// The document must have passed [`super::check()`], which limits its expanded size and so the work of this function.
/// If it has no such operation, returns it unchanged.
pub(super) fn merge(document: &ExecutableDocument, name: Option<&str>, types: &Types) -> ExecutableDocument {
    let Some((found, operation)) = chosen(&document.operations, name) else { return document.clone() };
    let merge = Merge { document, types };
    let set = &operation.node.selection_set;
    let merged = OperationDefinition {
        ty: operation.node.ty,
        variable_definitions: operation.node.variable_definitions.clone(),
        directives: operation.node.directives.clone(),
        selection_set: Positioned::new(merge.sets(&[&set.node], root(operation.node.ty)), set.pos),
    };
    let merged = Positioned::new(merged, operation.pos);
    let operations = match found {
        None => DocumentOperations::Single(merged),
        Some(found) => DocumentOperations::Multiple(HashMap::from([(found.clone(), merged)])),
    };
    ExecutableDocument { operations, fragments: HashMap::new() }
}

/// Returns the root type of an operation.
pub(super) fn root(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

/// Returns the operation of this name, or the first one.
pub(super) fn chosen<'a>(
    operations: &'a DocumentOperations,
    name: Option<&str>,
) -> Option<(Option<&'a Name>, &'a Positioned<OperationDefinition>)> {
    let mut operations = operations.iter();
    match name {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None => operations.next(),
    }
}

struct Merge<'a> {
    document: &'a ExecutableDocument,
    types: &'a Types,
}

/// One selection of the merged set.
enum Entry<'a> {
    Field { first: &'a Positioned<Field>, sets: Vec<&'a SelectionSet> },
    Fragment { first: Part<'a>, sets: Vec<&'a SelectionSet> },
}

/// The use of a fragment, inline or by name.
#[derive(Clone, Copy)]
struct Part<'a> {
    pos: Pos,
    on: Option<&'a Positioned<TypeCondition>>,
    directives: &'a [Positioned<Directive>],
    set: &'a SelectionSet,
}

/// The collected selections of one object.
#[derive(Default)]
struct Entries<'a> {
    all: Vec<Entry<'a>>,
    /// The fields by response key. A key has several fields if their directives differ.
    fields: HashMap<&'a str, Vec<usize>>,
    fragments: Vec<usize>,
    /// The named fragments that are included already.
    used: HashSet<&'a str>,
}

impl<'a> Merge<'a> {
    /// Merges the selections on one object of this type.
    fn sets(&self, sets: &[&'a SelectionSet], of: &str) -> SelectionSet {
        let mut entries = Entries::default();
        for set in sets {
            self.collect(set, of, &mut entries);
        }
        SelectionSet { items: entries.all.into_iter().map(|entry| self.selection(entry, of)).collect() }
    }

    fn collect(&self, set: &'a SelectionSet, of: &str, entries: &mut Entries<'a>) {
        for Positioned { node: selection, pos } in &set.items {
            match selection {
                Selection::Field(field) => entries.field(field),
                Selection::InlineFragment(fragment) => {
                    let InlineFragment { type_condition, directives, selection_set } = &fragment.node;
                    let part =
                        Part { pos: *pos, on: type_condition.as_ref(), directives, set: &selection_set.node };
                    self.fragment(part, of, entries);
                }
                Selection::FragmentSpread(spread) => {
                    // Validation refuses documents with undefined fragments.
                    let name = &spread.node.fragment_name.node;
                    let Some(fragment) = self.document.fragments.get(name) else { continue };
                    let directives = &spread.node.directives;
                    if !directives.is_empty() || entries.used.insert(name.as_str()) {
                        let on = Some(&fragment.node.type_condition);
                        let set = &fragment.node.selection_set.node;
                        self.fragment(Part { pos: *pos, on, directives, set }, of, entries);
                    }
                }
            }
        }
    }

    fn fragment(&self, part: Part<'a>, of: &str, entries: &mut Entries<'a>) {
        let applies = part.on.is_none_or(|on| self.types.always_applies(&on.node.on.node, of));
        if applies && part.directives.is_empty() {
            self.collect(part.set, of, entries);
        } else {
            entries.fragment(part);
        }
    }

    fn selection(&self, entry: Entry<'a>, of: &str) -> Positioned<Selection> {
        match entry {
            Entry::Field { first, sets } => {
                let Positioned { node: field, pos } = first;
                let inner = self.types.field(of, &field.name.node).map_or("", |field| field.of.as_str());
                let merged = Field {
                    alias: field.alias.clone(),
                    name: field.name.clone(),
                    arguments: field.arguments.clone(),
                    directives: field.directives.clone(),
                    selection_set: Positioned::new(self.sets(&sets, inner), field.selection_set.pos),
                };
                Positioned::new(Selection::Field(Positioned::new(merged, *pos)), *pos)
            }
            Entry::Fragment { first: Part { pos, on, directives, .. }, sets } => {
                let inner = on.map_or(of, |on| on.node.on.node.as_str());
                let merged = InlineFragment {
                    type_condition: on.cloned(),
                    directives: directives.to_vec(),
                    selection_set: Positioned::new(self.sets(&sets, inner), pos),
                };
                Positioned::new(Selection::InlineFragment(Positioned::new(merged, pos)), pos)
            }
        }
    }
}

impl<'a> Entries<'a> {
    fn field(&mut self, field: &'a Positioned<Field>) {
        let set = &field.node.selection_set.node;
        let alike = self.fields.entry(field.node.response_key().node.as_str()).or_default();
        for index in alike.iter() {
            if let Some(Entry::Field { first, sets }) = self.all.get_mut(*index)
                && same_field(&first.node, &field.node)
            {
                sets.push(set);
                return;
            }
        }
        alike.push(self.all.len());
        self.all.push(Entry::Field { first: field, sets: vec![set] });
    }

    fn fragment(&mut self, part: Part<'a>) {
        for index in &self.fragments {
            if let Some(Entry::Fragment { first, sets }) = self.all.get_mut(*index)
                && same_part(first, &part)
            {
                sets.push(part.set);
                return;
            }
        }
        self.fragments.push(self.all.len());
        self.all.push(Entry::Fragment { first: part, sets: vec![part.set] });
    }
}

fn same_field(one: &Field, other: &Field) -> bool {
    one.name.node == other.name.node
        && same_arguments(&one.arguments, &other.arguments)
        && same_directives(&one.directives, &other.directives)
}

fn same_part(one: &Part<'_>, other: &Part<'_>) -> bool {
    one.on.map(|on| &on.node.on.node) == other.on.map(|on| &on.node.on.node)
        && same_directives(one.directives, other.directives)
}

fn same_directives(one: &[Positioned<Directive>], other: &[Positioned<Directive>]) -> bool {
    let same = |(one, other): (&Positioned<Directive>, &Positioned<Directive>)| {
        one.node.name.node == other.node.name.node
            && same_arguments(&one.node.arguments, &other.node.arguments)
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// Returns whether the arguments are the same, in any order.
fn same_arguments<V: PartialEq>(
    one: &[(Positioned<Name>, Positioned<V>)],
    other: &[(Positioned<Name>, Positioned<V>)],
) -> bool {
    one.len() == other.len()
        && one.iter().all(|(name, value)| {
            other.iter().any(|(other, theirs)| other.node == name.node && theirs.node == value.node)
        })
}

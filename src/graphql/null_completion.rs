//! Completes responses with failed fields. A failed field must be present and null. If its type is non-null, its parent
//! must be null instead.
//!
//! The library omits the keys of failed fields, and returns null for an object whose fields all failed. This breaks
//! clients that rely on the schema's types. See section 6.4.4
//! of the specification, <https://spec.graphql.org/September2025/#sec-Handling-Execution-Errors>. Responses without
//! errors stay unchanged.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, PathSegment, Response, Value,
    indexmap::IndexMap,
    parser::{
        parse_schema,
        types::{
            BaseType, ExecutableDocument, Field, OperationType, Selection, SelectionSet, Type, TypeKind,
            TypeSystemDefinition,
        },
    },
};

/// The schema's object types: for each type and field, the field's type. Unions and interfaces are missing, because the
/// response does not show which object stands for one. Their contents stay as they are.
#[derive(Debug, Default)]
pub struct Shape(HashMap<String, HashMap<String, Type>>);

impl Shape {
    /// Parses the schema.
    pub fn of(sdl: &str) -> Self {
        let Ok(document) = parse_schema(sdl) else { return Self::default() };
        let mut objects = HashMap::new();
        for definition in document.definitions {
            if let TypeSystemDefinition::Type(definition) = definition
                && let TypeKind::Object(object) = definition.node.kind
            {
                let fields = object.fields.into_iter().map(|field| {
                    let field = field.node;
                    (field.name.node.to_string(), field.ty.node)
                });
                objects.insert(definition.node.name.node.to_string(), fields.collect());
            }
        }
        Self(objects)
    }

    /// Returns the names of the root fields.
    pub fn root_fields(&self) -> impl Iterator<Item = &str> {
        let roots = ["Query", "Mutation", "Subscription"].into_iter().filter_map(|root| self.0.get(root));
        roots.flat_map(HashMap::keys).map(String::as_str)
    }

    /// Returns the name of a field's type, without list wrappers.
    pub fn type_of(&self, of: &str, field: &str) -> Option<&str> {
        let mut base = &self.0.get(of)?.get(field)?.base;
        loop {
            match base {
                BaseType::Named(name) => return Some(name.as_str()),
                BaseType::List(items) => base = &items.base,
            }
        }
    }

    /// Completes a response that contains field errors. A response without executed fields keeps no data.
    pub fn complete_nulls(&self, document: &ExecutableDocument, name: Option<&str>, response: &mut Response) {
        if response.errors.iter().all(|error| error.path.is_empty()) {
            return;
        }
        let mut operations = document.operations.iter();
        let operation = match name {
            Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
            None => operations.next(),
        };
        let Some((_, operation)) = operation else { return };
        let root = match operation.node.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        if response.data == Value::Null {
            response.data = Value::Object(IndexMap::new());
        }
        let errors = response.errors.iter();
        let parents = errors.filter_map(|error| Some(text(error.path.split_last()?.1))).collect();
        let mut pass = Pass { shape: self, document, parents, path: Vec::new() };
        if let Value::Object(data) = &mut response.data
            && !pass.object(data, root, &operation.node.selection_set.node)
        {
            response.data = Value::Null;
        }
    }
}

struct Pass<'a> {
    shape: &'a Shape,
    document: &'a ExecutableDocument,
    /// The paths of the objects with failed fields.
    parents: HashSet<Vec<String>>,
    /// The path of the current value: response keys and list indices.
    path: Vec<String>,
}

fn text(path: &[PathSegment]) -> Vec<String> {
    let text = |segment: &PathSegment| match segment {
        PathSegment::Field(key) => key.clone(),
        PathSegment::Index(index) => index.to_string(),
    };
    path.iter().map(text).collect()
}

impl Pass<'_> {
    /// Completes an object of type `of`. Returns `false` if a non-null field is null, so that the object itself must
    /// become null.
    fn object(&mut self, object: &mut IndexMap<Name, Value>, of: &str, set: &SelectionSet) -> bool {
        set.items.iter().all(|selection| match &selection.node {
            Selection::Field(field) => self.field(object, of, &field.node),
            // A directive may have left the selection out.
            Selection::InlineFragment(fragment) if fragment.node.directives.is_empty() => {
                let on = fragment.node.type_condition.as_ref().map_or(of, |on| on.node.on.node.as_str());
                self.part(object, of, on, &fragment.node.selection_set.node)
            }
            Selection::FragmentSpread(spread) if spread.node.directives.is_empty() => {
                let document = self.document;
                document.fragments.get(&spread.node.fragment_name.node).is_none_or(|fragment| {
                    let on = fragment.node.type_condition.node.on.node.as_str();
                    self.part(object, of, on, &fragment.node.selection_set.node)
                })
            }
            Selection::InlineFragment(_) | Selection::FragmentSpread(_) => true,
        })
    }

    /// Completes the fields of a fragment if its type condition is `of` or one of its interfaces.
    fn part(&mut self, object: &mut IndexMap<Name, Value>, of: &str, on: &str, set: &SelectionSet) -> bool {
        let is_about_others = on != of && self.shape.0.contains_key(on);
        is_about_others || self.object(object, of, set)
    }

    fn field(&mut self, object: &mut IndexMap<Name, Value>, of: &str, field: &Field) -> bool {
        let shape = self.shape;
        let Some(ty) = shape.0.get(of).and_then(|fields| fields.get(field.name.node.as_str())) else {
            return true;
        };
        let key = field.response_key().node.clone();
        match object.get_mut(&key) {
            Some(value) => {
                self.path.push(key.to_string());
                let is_whole = self.value(value, ty, &field.selection_set.node);
                self.path.pop();
                is_whole
            }
            None if !field.directives.is_empty() => true,
            None => {
                object.insert(key, Value::Null);
                ty.nullable
            }
        }
    }

    /// Completes a value of type `ty`, and sets it to null if necessary. Returns `false` if the type does not allow
    /// null.
    fn value(&mut self, value: &mut Value, ty: &Type, set: &SelectionSet) -> bool {
        if *value == Value::Null && self.is_object_of_failed_fields(ty) {
            *value = Value::Object(IndexMap::new());
        }
        let whole = match (&mut *value, &ty.base) {
            (Value::Null, _) => return ty.nullable,
            (Value::Object(object), BaseType::Named(of)) => self.object(object, of, set),
            (Value::List(items), BaseType::List(of)) => items.iter_mut().enumerate().all(|(index, item)| {
                self.path.push(index.to_string());
                let is_whole = self.value(item, of, set);
                self.path.pop();
                is_whole
            }),
            _ => true,
        };
        if whole {
            return true;
        }
        *value = Value::Null;
        ty.nullable
    }

    /// Returns whether the current value, null of type `ty`, stands for an object whose fields all failed.
    fn is_object_of_failed_fields(&self, ty: &Type) -> bool {
        let BaseType::Named(of) = &ty.base else { return false };
        self.shape.0.contains_key(of.as_str()) && self.parents.contains(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{ServerError, parser::parse_query};
    use serde_json::json;

    use super::*;

    const SDL: &str = "type Query { a: A b: B! list: [A] strict: [A!]! either: Either }
        type A { id: Int! name: String b: B } type B { id: Int! } union Either = A | B";

    fn completed(query: &str, data: serde_json::Value) -> serde_json::Value {
        completed_after(vec![PathSegment::Field("a".to_owned())], query, data)
    }

    fn completed_after(failed: Vec<PathSegment>, query: &str, data: serde_json::Value) -> serde_json::Value {
        let document = parse_query(query).expect("a good document");
        let mut error = ServerError::new("failed", None);
        error.path = failed;
        let mut response = Response::from_errors(vec![error]);
        response.data = Value::from_json(data).expect("a value");
        Shape::of(SDL).complete_nulls(&document, None, &mut response);
        serde_json::to_value(response.data).expect("JSON")
    }

    #[test]
    fn failed_nullable_fields_become_null() {
        assert_eq!(completed("{ a { id } }", json!(null)), json!({ "a": null }));
        assert_eq!(
            completed("{ a { id name } }", json!({ "a": { "id": 1 } })),
            json!({ "a": { "id": 1, "name": null } })
        );
        assert_eq!(
            completed("{ x: a { id } b { id } }", json!({ "b": { "id": 1 } })),
            json!({ "x": null, "b": { "id": 1 } })
        );
    }

    #[test]
    fn failed_non_null_fields_make_their_parent_null() {
        assert_eq!(completed("{ a { name id } }", json!({ "a": { "name": "n" } })), json!({ "a": null }));
        assert_eq!(
            completed("{ a { name b { id } } }", json!({ "a": { "name": "n", "b": {} } })),
            json!({ "a": { "name": "n", "b": null } })
        );
        assert_eq!(completed("{ a { id } b { id } }", json!({ "a": { "id": 1 } })), json!(null));
        assert_eq!(
            completed("{ list { id } }", json!({ "list": [{ "id": 1 }, {}] })),
            json!({ "list": [{ "id": 1 }, null] })
        );
        assert_eq!(completed("{ strict { id } }", json!({ "strict": [{ "id": 1 }, {}] })), json!(null));
    }

    #[test]
    fn object_with_only_failed_fields_is_not_null() {
        let field = |name: &str| PathSegment::Field(name.to_owned());
        let failed = vec![field("a"), field("name")];
        assert_eq!(
            completed_after(failed, "{ a { name b { id } } }", json!({ "a": null })),
            json!({ "a": { "name": null, "b": null } })
        );
        let failed = vec![field("list"), PathSegment::Index(1), field("name")];
        assert_eq!(
            completed_after(failed, "{ list { name } }", json!({ "list": [null, null] })),
            json!({ "list": [null, { "name": null }] })
        );
        let failed = vec![field("a"), field("id")];
        assert_eq!(completed_after(failed, "{ a { id } }", json!({ "a": null })), json!({ "a": null }));
    }

    #[test]
    fn fields_left_out_by_directives_are_not_completed() {
        assert_eq!(
            completed("{ a { id name @skip(if: true) } }", json!({ "a": { "id": 1 } })),
            json!({ "a": { "id": 1 } })
        );
        assert_eq!(
            completed("{ either { ... on A { id } ... on B { id } } }", json!({ "either": { "id": 1 } })),
            json!({ "either": { "id": 1 } })
        );
        assert_eq!(
            completed("{ a { ...f } } fragment f on A { id name }", json!({ "a": { "id": 1 } })),
            json!({ "a": { "id": 1, "name": null } })
        );
    }
}

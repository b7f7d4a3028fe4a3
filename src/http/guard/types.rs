//! The guard's view of the schema: the type, length and weight of every field, and which fragments always apply.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name,
    parser::{
        parse_schema,
        types::{BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition},
    },
};

use crate::graphql::weight::{self, Weight};

/// The type of an argument or an input field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Its type.
    pub(super) ty: Type,
    /// Whether it has a default.
    pub(super) has_default: bool,
}

impl Position {
    /// Returns the type of the argument of `@include` and `@skip`.
    pub(super) fn condition() -> Self {
        Self { ty: Type { base: BaseType::Named(Name::new("Boolean")), nullable: false }, has_default: false }
    }

    fn of(input: &InputValueDefinition) -> (String, Self) {
        let position = Self { ty: input.ty.node.clone(), has_default: input.default_value.is_some() };
        (input.name.node.to_string(), position)
    }
}

/// One field of an object or an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldType {
    /// The name of its type, without lists.
    pub(super) of: String,
    /// Whether it is a list.
    pub(super) is_list: bool,
    /// Its cost besides its items and their fields.
    pub(super) weight: Weight,
    /// The assumed length of its list.
    pub(super) length: u64,
    /// Its arguments.
    pub(super) arguments: HashMap<String, Position>,
}

/// The schema's objects and interfaces.
#[derive(Debug, Default)]
pub(super) struct Types {
    fields: HashMap<String, HashMap<String, FieldType>>,
    /// The fields of each input object.
    inputs: HashMap<String, HashMap<String, Position>>,
    /// The values of each enumeration.
    values: HashMap<String, HashSet<String>>,
    /// The interfaces and unions of each object or interface.
    above: HashMap<String, HashSet<String>>,
}

impl Types {
    /// Reads the schema. If it is invalid, no type is known; a test ensures that it is valid.
    pub(super) fn of(sdl: &str) -> Self {
        let Ok(document) = parse_schema(sdl) else { return Self::default() };
        let mut types = Self::default();
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let name = definition.node.name.node.to_string();
            let (fields, implements) = match definition.node.kind {
                TypeKind::Object(object) => (object.fields, object.implements),
                TypeKind::Interface(interface) => (interface.fields, interface.implements),
                TypeKind::Union(union) => {
                    for member in union.members {
                        types.above.entry(member.node.to_string()).or_default().insert(name.clone());
                    }
                    continue;
                }
                TypeKind::InputObject(input) => {
                    let fields = input.fields.iter().map(|field| Position::of(&field.node)).collect();
                    types.inputs.insert(name, fields);
                    continue;
                }
                TypeKind::Enum(of) => {
                    let values = of.values.iter().map(|value| value.node.value.node.to_string());
                    types.values.insert(name, values.collect());
                    continue;
                }
                TypeKind::Scalar => continue,
            };
            let above = types.above.entry(name.clone()).or_default();
            above.extend(implements.iter().map(|interface| interface.node.to_string()));
            let fields = fields.iter().map(|field| field_type(&name, &field.node)).collect();
            types.fields.insert(name, fields);
        }
        types
    }

    /// Returns a field of a type.
    pub(super) fn field(&self, of: &str, name: &str) -> Option<&FieldType> {
        self.fields.get(of)?.get(name)
    }

    /// Returns a field of an input object.
    pub(super) fn input(&self, of: &str, name: &str) -> Option<&Position> {
        self.inputs.get(of)?.get(name)
    }

    /// Returns the fields of an input object, in the order of their names.
    pub(super) fn input_fields(&self, of: &str) -> Option<impl Iterator<Item = (&str, &Position)> + use<'_>> {
        let mut fields: Vec<_> =
            self.inputs.get(of)?.iter().map(|(name, position)| (name.as_str(), position)).collect();
        fields.sort_unstable_by_key(|(name, _)| *name);
        Some(fields.into_iter())
    }

    /// Returns the values of an enumeration.
    pub(super) fn values(&self, of: &str) -> Option<&HashSet<String>> {
        self.values.get(of)
    }

    /// Returns whether a fragment with this type condition applies to every value of the type.
    pub(super) fn always_applies(&self, condition: &str, of: &str) -> bool {
        condition == of || self.above.get(of).is_some_and(|above| above.contains(condition))
    }
}

fn field_type(on: &str, field: &FieldDefinition) -> (String, FieldType) {
    let name = field.name.node.as_str();
    let (of, is_list) = leaf(&field.ty.node);
    let arguments = field.arguments.iter().map(|argument| Position::of(&argument.node)).collect();
    let (weight, length) = (weight::of(on, name, &of), weight::length(on, name));
    let field_type = FieldType { of, is_list, weight, length, arguments };
    (name.to_owned(), field_type)
}

/// Returns the type without lists, and whether it is a list.
fn leaf(ty: &Type) -> (String, bool) {
    match &ty.base {
        BaseType::Named(name) => (name.to_string(), false),
        BaseType::List(of) => (leaf(of).0, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_is_read() {
        let types = Types::of(&crate::graphql::sdl());
        let categories = types.field("Query", "categories").expect("a field");
        assert_eq!((categories.of.as_str(), categories.is_list), ("Category", true));
        assert!(types.always_applies("Event", "Event"));
        assert!(types.always_applies("Node", "Event"));
        assert!(types.always_applies("SeatAvailability", "AvailabilityDelta"));
        assert!(!types.always_applies("Event", "Node"));
        assert!(!types.always_applies("Event", "Unknown"));
    }

    #[test]
    fn every_weighted_field_exists() {
        let types = Types::of(&crate::graphql::sdl());
        let fields = weight::WEIGHTS.iter().map(|(on, field, ..)| (on, field));
        for (on, field) in fields.chain(weight::LENGTHS.iter().map(|(on, field, _)| (on, field))) {
            assert!(types.field(on, field).is_some(), "{on}.{field}");
        }
    }
}

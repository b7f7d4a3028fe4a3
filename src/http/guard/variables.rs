//! Variables by the rules of the specification, where the library deviates from them.
//!
//! The library rejects a nullable variable for an argument with a default, replaces an omitted variable with null
//! instead of leaving its argument out, and does not count a use in a directive. So [`promote`] makes such variables
//! non-null before validation, and [`bind`] leaves out the uses of omitted variables before execution. It also replaces
//! the variables of `@include` and `@skip` with their values.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned, Value as Constant,
    parser::types::{
        BaseType, Directive, DocumentOperations, ExecutableDocument, OperationDefinition, Selection,
        SelectionSet, Type, VariableDefinition,
    },
};
use async_graphql_value::Value;
use serde_json::{Map, Value as Json};

use super::{
    Refusal,
    merge::{chosen, root},
    types::{Position, Types},
};
use crate::graphql::code::ApiCode;

/// The variables of an operation, for the check of their values.
#[derive(Debug, Default)]
pub struct Variables {
    /// The non-null variables without a default, with their types.
    required: Vec<(String, String)>,
    /// The variables without a default.
    optional: Vec<String>,
    /// The variables that directives use.
    conditions: Vec<String>,
}

impl Variables {
    /// Reads the variables of the chosen operation of a document whose variables are not [promoted](promote) yet.
    pub(super) fn of(document: &ExecutableDocument, name: Option<&str>) -> Self {
        let Some((_, operation)) = chosen(&document.operations, name) else { return Self::default() };
        let mut conditions = Binder::new(HashSet::new(), HashMap::new());
        conditions.document(&mut document.clone());
        let definitions = operation.node.variable_definitions.iter().map(|definition| &definition.node);
        let without_default = || definitions.clone().filter(|definition| definition.default_value.is_none());
        let name = |definition: &VariableDefinition| definition.name.node.to_string();
        let required = without_default().filter(|definition| !definition.var_type.node.nullable);
        Self {
            required: required.map(|it| (name(it), it.var_type.node.to_string())).collect(),
            optional: without_default().map(name).collect(),
            conditions: definitions
                .clone()
                .filter(|definition| conditions.conditions.contains(&definition.name.node))
                .map(name)
                .collect(),
        }
    }

    /// Refuses a request that lacks the value of a required variable, or whose condition is not a Boolean. See section
    /// 6.1.2 of the specification, "Coercing Variable Values".
    pub fn check(&self, values: &Map<String, Json>) -> Result<(), Refusal> {
        let is_missing = |name: &str| values.get(name).is_none_or(Json::is_null);
        if let Some((name, ty)) = self.required.iter().find(|(name, _)| is_missing(name)) {
            return Err(refused(name, &format!("of the required type `{ty}` has no value")));
        }
        let is_condition = |name: &String| values.get(name).is_none_or(Json::is_boolean);
        match self.conditions.iter().find(|name| !is_condition(name)) {
            Some(name) => Err(refused(name, "must be `true` or `false`")),
            None => Ok(()),
        }
    }

    /// Returns whether the document needs [`bind`] before its execution with these values.
    pub fn needs_binding(&self, values: &Map<String, Json>) -> bool {
        !self.conditions.is_empty() || self.optional.iter().any(|name| !values.contains_key(name))
    }
}

/// Refuses variables that directives use without a definition, and variables that are not allowed where they are used.
/// See section 5.8.5 of the specification, "All Variable Usages Are Allowed".
pub(super) fn check(document: &ExecutableDocument, types: &Types) -> Result<(), Refusal> {
    let mut result = Ok(());
    each_usage(document, types, &mut |definition, name, usage| {
        if result.is_err() {
            return;
        }
        result = match definition {
            Some(definition) if !is_allowed(definition, usage.position) => {
                let (given, wanted) = (&definition.var_type.node, &usage.position.ty);
                let why = format!("of type `{given}` is not allowed where `{wanted}` is expected");
                Err(refused(name, &why))
            }
            None if usage.in_directive => Err(refused(name, "is not defined")),
            // The library reports undefined variables in arguments.
            Some(_) | None => Ok(()),
        };
    });
    result
}

/// Makes nullable variables non-null if an argument or input field with a default uses them. [`bind`] leaves the
/// argument out if the variable is omitted, so that the default applies.
pub(super) fn promote(document: &mut ExecutableDocument, types: &Types) {
    let mut promoted = HashSet::new();
    each_usage(document, types, &mut |definition, name, usage| {
        let needs_value = !usage.position.ty.nullable && usage.position.has_default;
        let is_nullable = |it: &VariableDefinition| it.var_type.node.nullable && it.default_value.is_none();
        if needs_value && definition.is_some_and(is_nullable) {
            promoted.insert(name.clone());
        }
    });
    for operation in operations_mut(&mut document.operations) {
        for definition in &mut operation.node.variable_definitions {
            if promoted.contains(&definition.node.name.node) {
                definition.node.var_type.node.nullable = false;
            }
        }
    }
}

/// Replaces the variables of directives with `true`, so that the library can validate the document.
pub fn without_conditions(document: &ExecutableDocument) -> ExecutableDocument {
    let mut document = document.clone();
    Binder::new(HashSet::new(), HashMap::new()).document(&mut document);
    document
}

/// Leaves out the arguments and input fields whose variables are omitted, and replaces the variables of directives with
/// their values. See section 6.4.1 of the specification, "Coercing Field Arguments".
pub fn bind(document: &mut ExecutableDocument, values: &Map<String, Json>) {
    let (mut omitted, mut conditions) = (HashSet::new(), HashMap::new());
    for (_, operation) in document.operations.iter() {
        for definition in &operation.node.variable_definitions {
            let definition = &definition.node;
            let name = &definition.name.node;
            let value = values.get(name.as_str());
            let default = definition.default_value.as_ref().map(|default| &default.node);
            if value.is_none() && default.is_none() {
                omitted.insert(name.clone());
            }
            let is_met = match (value, default) {
                (Some(value), _) => value == &Json::Bool(true),
                (None, default) => default == Some(&Constant::Boolean(true)),
            };
            conditions.insert(name.clone(), is_met);
        }
    }
    Binder::new(omitted, conditions).document(document);
}

/// A pass over a document that changes the uses of its variables.
struct Binder {
    omitted: HashSet<Name>,
    /// The values of conditions. All others are true.
    values: HashMap<Name, bool>,
    /// The variables that arguments of fields use after the pass.
    used: HashSet<Name>,
    /// The variables that directives used.
    conditions: HashSet<Name>,
}

impl Binder {
    fn new(omitted: HashSet<Name>, values: HashMap<Name, bool>) -> Self {
        Self { omitted, values, used: HashSet::new(), conditions: HashSet::new() }
    }

    fn document(&mut self, document: &mut ExecutableDocument) {
        for operation in operations_mut(&mut document.operations) {
            self.set(&mut operation.node.selection_set.node);
        }
        for fragment in document.fragments.values_mut() {
            self.set(&mut fragment.node.selection_set.node);
        }
        // A definition without a use would be an error.
        for operation in operations_mut(&mut document.operations) {
            operation.node.variable_definitions.retain(|definition| {
                let name = &definition.node.name.node;
                let was_used = self.omitted.contains(name) || self.conditions.contains(name);
                self.used.contains(name) || !was_used
            });
        }
    }

    /// Changes a selection set. The scan limits the depth of this recursion.
    fn set(&mut self, set: &mut SelectionSet) {
        for item in &mut set.items {
            match &mut item.node {
                Selection::Field(field) => {
                    let field = &mut field.node;
                    self.directives(&mut field.directives);
                    field.arguments.retain_mut(|(_, value)| self.keeps(&mut value.node));
                    self.set(&mut field.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    self.directives(&mut fragment.node.directives);
                    self.set(&mut fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => self.directives(&mut spread.node.directives),
            }
        }
    }

    fn directives(&mut self, directives: &mut [Positioned<Directive>]) {
        for (_, value) in directives.iter_mut().flat_map(|directive| &mut directive.node.arguments) {
            if let Value::Variable(name) = &value.node {
                self.conditions.insert(name.clone());
                let is_met = self.values.get(name).copied().unwrap_or(true);
                value.node = Value::Boolean(is_met);
            }
        }
    }

    /// Changes the value of an argument or an input field. Returns whether the argument stays.
    fn keeps(&mut self, value: &mut Value) -> bool {
        match value {
            Value::Variable(name) if self.omitted.contains(name) => return false,
            Value::Variable(name) => {
                self.used.insert(name.clone());
            }
            Value::List(items) => {
                for item in items {
                    if !self.keeps(item) {
                        *item = Value::Null;
                    }
                }
            }
            Value::Object(fields) => fields.retain(|_, value| self.keeps(value)),
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Boolean(_)
            | Value::Binary(_)
            | Value::Enum(_) => {}
        }
        true
    }
}

/// A place where a document uses a variable.
struct Usage<'a> {
    position: &'a Position,
    in_directive: bool,
}

type OnUsage<'a> = dyn FnMut(Option<&VariableDefinition>, &Name, &Usage<'_>) + 'a;

/// Calls `on_usage` for every use of a variable in every operation, with its definition.
fn each_usage(document: &ExecutableDocument, types: &Types, on_usage: &mut OnUsage<'_>) {
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        let definitions =
            operation.variable_definitions.iter().map(|it| (it.node.name.node.as_str(), &it.node));
        let definitions = definitions.collect();
        let mut walk =
            Walk { document, types, definitions, visited: HashSet::new(), on_usage: &mut *on_usage };
        walk.set(&operation.selection_set.node, root(operation.ty));
    }
}

struct Walk<'a, 'b, 'c> {
    document: &'a ExecutableDocument,
    types: &'a Types,
    definitions: HashMap<&'a str, &'a VariableDefinition>,
    visited: HashSet<&'a str>,
    on_usage: &'b mut OnUsage<'c>,
}

impl<'a> Walk<'a, '_, '_> {
    /// Visits the selections on type `of`. The guard limits the depth of this recursion.
    fn set(&mut self, set: &'a SelectionSet, of: &str) {
        for item in &set.items {
            for directive in item.node.directives() {
                for (_, value) in &directive.node.arguments {
                    self.value(&value.node, Some(&Position::condition()), true);
                }
            }
            match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let types = self.types;
                    let found = types.field(of, field.name.node.as_str());
                    for (name, value) in &field.arguments {
                        let position = found.and_then(|found| found.arguments.get(name.node.as_str()));
                        self.value(&value.node, position, false);
                    }
                    self.set(&field.selection_set.node, found.map_or("", |found| found.of.as_str()));
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map_or(of, |on| on.node.on.node.as_str());
                    self.set(&fragment.node.selection_set.node, on);
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    if let Some(fragment) = self.document.fragments.get(name)
                        && self.visited.insert(name)
                    {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.set(&fragment.node.selection_set.node, on);
                    }
                }
            }
        }
    }

    /// Visits a value at a position. Validation refuses values at unknown positions.
    fn value(&mut self, value: &Value, position: Option<&Position>, in_directive: bool) {
        let Some(position) = position else { return };
        match (value, &position.ty.base) {
            (Value::Variable(name), _) => {
                let definition = self.definitions.get(name.as_str()).copied();
                (self.on_usage)(definition, name, &Usage { position, in_directive });
            }
            (Value::List(items), BaseType::List(of)) => {
                let position = Position { ty: Type::clone(of), has_default: false };
                for item in items {
                    self.value(item, Some(&position), in_directive);
                }
            }
            (Value::Object(fields), BaseType::Named(of)) => {
                for (name, value) in fields {
                    let types = self.types;
                    self.value(value, types.input(of.as_str(), name.as_str()), in_directive);
                }
            }
            (_, BaseType::Named(_) | BaseType::List(_)) => {}
        }
    }
}

/// Returns whether the variable may be used at the position: `IsVariableUsageAllowed` in the specification.
fn is_allowed(definition: &VariableDefinition, position: &Position) -> bool {
    let given = &definition.var_type.node;
    if position.ty.nullable || !given.nullable {
        return is_compatible(given, &position.ty);
    }
    let default = definition.default_value.as_ref();
    let has_value = default.is_some_and(|default| default.node != Constant::Null);
    let nullable = Type { nullable: true, ..position.ty.clone() };
    (has_value || position.has_default) && is_compatible(given, &nullable)
}

/// `AreTypesCompatible` in the specification.
fn is_compatible(given: &Type, wanted: &Type) -> bool {
    let same = match (&given.base, &wanted.base) {
        (BaseType::Named(given), BaseType::Named(wanted)) => given == wanted,
        (BaseType::List(given), BaseType::List(wanted)) => is_compatible(given, wanted),
        (BaseType::Named(_), BaseType::List(_)) | (BaseType::List(_), BaseType::Named(_)) => false,
    };
    same && (wanted.nullable || !given.nullable)
}

fn operations_mut(operations: &mut DocumentOperations) -> Vec<&mut Positioned<OperationDefinition>> {
    match operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    }
}

fn refused(name: &str, what: &str) -> Refusal {
    let name: String = name.chars().take(80).collect();
    Refusal::new(ApiCode::GraphqlValidationFailed, format!("The variable `${name}` {what}."))
}

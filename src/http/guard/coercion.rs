//! Where an argument does not fit its type. The library names the type of an unreadable value, but not its location.
//!
//! This runs only after a failed operation, so its cost does not matter.

use async_graphql::{
    ID, ScalarType, Value as Constant,
    parser::types::{BaseType, ExecutableDocument, Selection, SelectionSet, Type},
};
use serde_json::{Map, Value as Json};

use super::{
    cost::Costs,
    merge::{chosen, root},
    types::{Position, Types},
};
use crate::graphql::scalar::{CurrencyCode, Decimal, Instant, Long};

impl Costs {
    /// Returns the location of the first value in an argument of the operation that does not fit its type: the name of
    /// the argument, then names of input fields and indices of lists. The document must have passed the guard, which
    /// refuses recursive fragments and limits the depth.
    pub fn misfit(
        &self,
        document: &ExecutableDocument,
        name: Option<&str>,
        variables: &Map<String, Json>,
    ) -> Option<Vec<String>> {
        let (_, operation) = chosen(&document.operations, name)?;
        let operation = &operation.node;
        let defaults = |name: &str| {
            let definitions = &operation.variable_definitions;
            let definition = definitions.iter().find(|definition| definition.node.name.node == name)?;
            definition.node.default_value.as_ref().map(|default| default.node.clone())
        };
        let value_of = |name: &str| match variables.get(name) {
            Some(value) => Constant::from_json(value.clone()).ok(),
            None => defaults(name),
        };
        let search = Search { document, types: &self.types, value_of: &value_of };
        search.set(&operation.selection_set.node, root(operation.ty))
    }
}

struct Search<'a> {
    document: &'a ExecutableDocument,
    types: &'a Types,
    value_of: &'a dyn Fn(&str) -> Option<Constant>,
}

impl Search<'_> {
    fn set(&self, set: &SelectionSet, of: &str) -> Option<Vec<String>> {
        set.items.iter().find_map(|item| match &item.node {
            Selection::Field(field) => {
                let field = &field.node;
                let found = self.types.field(of, &field.name.node)?;
                let in_arguments = field.arguments.iter().find_map(|(name, value)| {
                    let position = found.arguments.get(name.node.as_str())?;
                    // An omitted variable is an omitted argument.
                    let value =
                        value.node.clone().into_const_with(|name| (self.value_of)(&name).ok_or(())).ok()?;
                    let mut path = vec![name.node.to_string()];
                    self.misfits(&value, &position.ty, &mut path).then_some(path)
                });
                in_arguments.or_else(|| self.set(&field.selection_set.node, &found.of))
            }
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map_or(of, |on| on.node.on.node.as_str());
                self.set(&fragment.node.selection_set.node, on)
            }
            Selection::FragmentSpread(spread) => {
                let fragment = self.document.fragments.get(&spread.node.fragment_name.node)?;
                let on = fragment.node.type_condition.node.on.node.as_str();
                self.set(&fragment.node.selection_set.node, on)
            }
        })
    }

    /// Returns whether a part of the value does not fit the type. Then `path` leads to that part.
    fn misfits(&self, value: &Constant, ty: &Type, path: &mut Vec<String>) -> bool {
        match (value, &ty.base) {
            (Constant::Null, _) => !ty.nullable,
            (Constant::List(items), BaseType::List(of)) => items
                .iter()
                .enumerate()
                .any(|(index, item)| within(path, index.to_string(), |path| self.misfits(item, of, path))),
            // A single value stands for a list of it.
            (value, BaseType::List(of)) => self.misfits(value, of, path),
            (value, BaseType::Named(name)) => match self.types.input_fields(name) {
                Some(fields) => self.object_misfits(value, fields, path),
                None => !self.is_leaf(value, name),
            },
        }
    }

    fn object_misfits<'f>(
        &self,
        value: &Constant,
        fields: impl Iterator<Item = (&'f str, &'f Position)>,
        path: &mut Vec<String>,
    ) -> bool {
        let Constant::Object(given) = value else { return true };
        for (name, position) in fields {
            let misfits = match given.get(name) {
                Some(value) => within(path, name.to_owned(), |path| self.misfits(value, &position.ty, path)),
                // The path leads to the object. It has only names that the client wrote, because the schema may be secret.
                None => !position.ty.nullable && !position.has_default,
            };
            if misfits {
                return true;
            }
        }
        false
    }

    fn is_leaf(&self, value: &Constant, ty: &str) -> bool {
        match ty {
            "Int" => is::<i32>(value),
            "Float" => is::<f64>(value),
            "Boolean" => is::<bool>(value),
            "String" => is::<String>(value),
            "ID" => is::<ID>(value),
            "Decimal" => is::<Decimal>(value),
            "CurrencyCode" => is::<CurrencyCode>(value),
            "Long" => is::<Long>(value),
            "DateTime" => is::<Instant>(value),
            ty => match (self.types.values(ty), value) {
                (Some(values), Constant::Enum(name)) => values.contains(name.as_str()),
                (Some(values), Constant::String(name)) => values.contains(name.as_str()),
                (Some(_), _) => false,
                // Another scalar, whose values are not checked here.
                (None, _) => true,
            },
        }
    }
}

/// Adds a step to the path while the check runs, and keeps it if the check finds something.
fn within(path: &mut Vec<String>, step: String, check: impl FnOnce(&mut Vec<String>) -> bool) -> bool {
    path.push(step);
    let found = check(path);
    if !found {
        path.pop();
    }
    found
}

fn is<T: ScalarType>(value: &Constant) -> bool {
    T::parse(value.clone()).is_ok()
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    fn misfit(document: &str, variables: &Json) -> Option<String> {
        let costs = Costs::of(&crate::graphql::sdl());
        let document = parse_query(document).expect("a document");
        let Json::Object(variables) = variables else { panic!("an object") };
        costs.misfit(&document, None, variables).map(|path| path.join("."))
    }

    #[test]
    fn misfit_is_located_in_variables_and_literals() {
        let create =
            "mutation($input: CreateCouponInput!) { createCoupon(input: $input) { errors { code } } }";
        let coupon = |with: &Json| {
            let mut input = json!({ "shopId": "s", "title": "T", "kind": "AMOUNT_OFF" });
            for (name, value) in with.as_object().into_iter().flatten() {
                input[name] = value.clone();
            }
            json!({ "input": input })
        };
        let money =
            |amount: Json, currency: &str| json!({ "amount": { "amount": amount, "currency": currency } });
        for (with, expected) in [
            (json!({}), None),
            (money(json!("5.00"), "EUR"), None),
            (money(json!("5.00"), "XYZ"), Some("input.amount.currency")),
            (money(json!(5), "EUR"), Some("input.amount.amount")),
            (json!({ "amount": { "amount": "5.00" } }), Some("input.amount")),
            (json!({ "kind": "NOTHING_OFF" }), Some("input.kind")),
            (json!({ "validFrom": "tomorrow" }), Some("input.validFrom")),
            (json!({ "stock": 3_000_000_000_u32 }), Some("input.stock")),
            (json!({ "listed": "yes" }), Some("input.listed")),
            (json!({ "appliesTo": ["a", true] }), Some("input.appliesTo.1")),
            (json!({ "title": null }), Some("input.title")),
        ] {
            assert_eq!(misfit(create, &coupon(&with)).as_deref(), expected, "{with}");
        }
        for (document, expected) in [
            ("{ events(first: 1) { nodes { id } } }", None),
            ("{ events(first: \"1\") { nodes { id } } }", Some("first")),
            ("{ events(filter: { from: \"now\" }) { nodes { id } } }", Some("filter.from")),
            (
                "{ ...q } fragment q on Query { events(filter: { status: [LOST] }) { nodes { id } } }",
                Some("filter.status.0"),
            ),
            ("{ event(id: \"x\") { coupons(first: 1.5) { nodes { id } } } }", Some("first")),
            (
                "query($at: DateTime = \"x\") { events(filter: { until: $at }) { nodes { id } } }",
                Some("filter.until"),
            ),
        ] {
            assert_eq!(misfit(document, &json!({})).as_deref(), expected, "{document}");
        }
    }
}

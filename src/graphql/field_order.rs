//! The order of fields in a response, which is that of the document.
//!
//! The specification requires it (October 2021, 7.2.2), and a cache that compares entity tags needs it. The library
//! resolves fields concurrently and writes them in the order of completion.

use async_graphql::{
    Name, Value,
    parser::types::{ExecutableDocument, Selection, SelectionSet},
};

/// The order of the fields in an operation.
#[derive(Clone, Debug, Default)]
pub struct FieldOrder(Vec<(String, FieldOrder)>);

impl FieldOrder {
    /// Reads the order from a document with one operation.
    pub fn of(document: &ExecutableDocument) -> Self {
        let mut order = Self::default();
        for (_, operation) in document.operations.iter() {
            order.add(document, &operation.node.selection_set.node);
        }
        order
    }

    fn add(&mut self, document: &ExecutableDocument, set: &SelectionSet) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let key = field.node.response_key().node.as_str();
                    let index = self.position(key, 0).unwrap_or_else(|| {
                        self.0.push((key.to_owned(), Self::default()));
                        self.0.len() - 1
                    });
                    if let Some((_, inner)) = self.0.get_mut(index) {
                        inner.add(document, &field.node.selection_set.node);
                    }
                }
                Selection::InlineFragment(fragment) => self.add(document, &fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                        self.add(document, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    /// Sorts the fields of a response into this order.
    pub fn restore(&self, value: &mut Value) {
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.restore(item)),
            Value::Object(fields) => {
                if !self.is_kept_by(fields.keys().map(Name::as_str)) {
                    fields.sort_by_cached_key(|key, _| self.position(key, 0));
                }
                let mut next = 0;
                for (key, value) in fields.iter_mut() {
                    let Some(index) = self.position(key, next) else { continue };
                    next = index + 1;
                    if let Some((_, inner)) = self.0.get(index)
                        && !inner.0.is_empty()
                    {
                        inner.restore(value);
                    }
                }
            }
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Boolean(_)
            | Value::Binary(_)
            | Value::Enum(_) => {}
        }
    }

    fn is_kept_by<'a>(&self, mut keys: impl Iterator<Item = &'a str>) -> bool {
        let mut next = 0;
        keys.all(|key| {
            let found = self.0.iter().skip(next).position(|(name, _)| name == key);
            next += found.map_or(0, |skipped| skipped + 1);
            found.is_some()
        })
    }

    /// Returns the position of a field. The search starts at `hint` and wraps around.
    fn position(&self, key: &str, hint: usize) -> Option<usize> {
        let from_hint =
            self.0.iter().skip(hint).position(|(name, _)| name == key).map(|skipped| hint + skipped);
        from_hint.or_else(|| self.0.iter().take(hint).position(|(name, _)| name == key))
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{parser::parse_query, value};

    use super::*;

    fn restored(document: &str, mut response: Value) -> String {
        FieldOrder::of(&parse_query(document).expect("a document")).restore(&mut response);
        response.to_string()
    }

    #[test]
    fn fields_are_written_in_the_order_of_the_document() {
        let document = "{ b a: x { z y } ...F list { d c } } fragment F on Query { f ... { e } }";
        let response = value!({
            "e": 1, "list": [{ "c": 1, "d": 2 }, null, { "d": 2, "c": 1 }], "a": { "y": 1, "z": 2 }, "f": 1, "b": 1,
        });
        let expected = "{b: 1, a: {z: 2, y: 1}, f: 1, e: 1, list: [{d: 2, c: 1}, null, {d: 2, c: 1}]}";
        assert_eq!(restored(document, response), expected);
    }

    #[test]
    fn field_named_twice_stands_where_it_is_named_first() {
        let document = "{ node { ... on Event { name } id ... on Shop { slug name } } }";
        assert_eq!(
            restored(document, value!({ "node": { "slug": 1, "id": 2, "name": 3 } })),
            "{node: {name: 3, id: 2, slug: 1}}"
        );
    }
}

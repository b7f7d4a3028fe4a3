//! Repairs in the text of a document: values that the reader adds or replaces. The rest of the text stays as it is.

use std::ops::Range;

use super::json::Raw;

/// A place in the document for a value.
pub(super) struct Slot {
    range: Range<usize>,
    /// The key, if the object does not have it yet.
    key: Option<&'static str>,
}

/// The repairs so far.
pub(super) struct Repairs {
    /// The address of the document. Values are slices of the document, so their addresses are their positions.
    start: usize,
    edits: Vec<(Slot, String)>,
}

impl Repairs {
    pub(super) fn new(document: &str) -> Self {
        Self { start: document.as_ptr().addr(), edits: Vec::new() }
    }

    /// Returns the place of the value under this key. `object` and `value` are slices of the document. The object must
    /// have another key, and `value` is `None` if it does not have this one.
    pub(super) fn slot(&self, object: &str, key: &'static str, value: Raw<'_>) -> Slot {
        let at = |text: &str| text.as_ptr().addr() - self.start;
        if let Some(value) = value {
            let start = at(value.get());
            Slot { range: start..start + value.get().len(), key: None }
        } else {
            let start = at(object) + 1;
            Slot { range: start..start, key: Some(key) }
        }
    }

    /// Puts a JSON value into the place.
    pub(super) fn put(&mut self, slot: Slot, json: String) {
        self.edits.push((slot, json));
    }

    /// Returns the repaired document.
    pub(super) fn apply(mut self, document: String) -> String {
        if self.edits.is_empty() {
            return document;
        }
        self.edits.sort_by_key(|(slot, _)| slot.range.start);
        let mut repaired = String::with_capacity(document.len() + 64 * self.edits.len());
        let mut done = 0;
        for (slot, json) in self.edits {
            repaired.push_str(document.get(done..slot.range.start).unwrap_or_default());
            match slot.key {
                Some(key) => repaired.extend(["\"", key, "\":", &json, ","]),
                None => repaired.push_str(&json),
            }
            done = slot.range.end;
        }
        repaired.push_str(document.get(done..).unwrap_or_default());
        repaired
    }
}

/// Returns the text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn values_are_replaced_and_added_in_place() {
        let document = r#"{"a":null,"b":[{"c":"old"},{"d":1}]}"#.to_owned();
        let mut repairs = Repairs::new(&document);
        let root: &RawValue = serde_json::from_str(&document).unwrap();
        let keys: std::collections::HashMap<&str, &RawValue> = serde_json::from_str(root.get()).unwrap();
        let objects: Vec<&RawValue> = serde_json::from_str(keys["b"].get()).unwrap();
        let old: std::collections::HashMap<&str, &RawValue> = serde_json::from_str(objects[0].get()).unwrap();
        let last = repairs.slot(objects[1].get(), "c", None);
        let first = repairs.slot(root.get(), "a", Some(keys["a"]));
        let middle = repairs.slot(objects[0].get(), "c", Some(old["c"]));
        repairs.put(last, quoted("added"));
        repairs.put(first, "5".to_owned());
        repairs.put(middle, quoted("n\"ew"));
        assert_eq!(repairs.apply(document), r#"{"a":5,"b":[{"c":"n\"ew"},{"c":"added","d":1}]}"#);
    }
}

//! Limits on the number of things in a document. A list is not read beyond its limit, so a document cannot use more
//! memory than a valid plan.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The remaining number of things of one kind in all lists of the document.
pub(super) struct Room {
    what: &'static str,
    most: usize,
    left: usize,
}

impl Room {
    pub(super) fn new(what: &'static str, most: usize) -> Self {
        Self { what, most, left: most }
    }

    /// Returns the items of a JSON list, or a message if there are too many.
    pub(super) fn take<'d>(&mut self, list: &'d str) -> Result<Vec<&'d RawValue>, String> {
        // The document is valid JSON, so the only possible error is the limit.
        let items = serde_json::Deserializer::from_str(list)
            .deserialize_seq(AtMost(self.left))
            .map_err(|_| format!("exceeds the limit of {} {} per plan", grouped(self.most), self.what))?;
        self.left -= items.len();
        Ok(items)
    }
}

/// Formats a number with thousands separators: 60,000.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Collects a list of at most this many items. Fails at the first item beyond.
struct AtMost(usize);

impl<'d> Visitor<'d> for AtMost {
    type Value = Vec<&'d RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {}", self.0)
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == self.0 {
                return Err(A::Error::custom("too many"));
            }
            list.push(item);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_shared_by_all_the_lists_it_is_given_to() {
        let mut room = Room::new("seats", 1_234);
        assert_eq!(room.take(&format!("[{}0]", "0,".repeat(1_000))).unwrap().len(), 1_001);
        assert_eq!(room.take(&format!("[{}0]", "0,".repeat(232))).unwrap().len(), 233);
        assert!(room.take("[]").is_ok());
        assert_eq!(room.take("[0]").unwrap_err(), "exceeds the limit of 1,234 seats per plan");
    }
}

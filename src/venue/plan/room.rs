//! Limits on how many things a document may hold: a list is not read beyond the room that is left, so that
//! no document costs more memory than its plan deserves.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How many more of something the document may hold, over all the lists it is spread on.
pub(super) struct Room {
    what: &'static str,
    most: usize,
    left: usize,
}

impl Room {
    pub(super) fn new(what: &'static str, most: usize) -> Self {
        Self { what, most, left: most }
    }

    /// The items of a JSON list, or why there are too many.
    pub(super) fn take<'d>(&mut self, list: &'d str) -> Result<Vec<&'d RawValue>, String> {
        // The document is known to be JSON, so the only thing that can fail is the limit.
        let items =
            serde_json::Deserializer::from_str(list).deserialize_seq(AtMost(self.left)).map_err(|_| {
                format!("goes beyond the {} {} that a plan may have", grouped(self.most), self.what)
            })?;
        self.left -= items.len();
        Ok(items)
    }
}

/// A number with its thousands set apart: 60,000.
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

/// Collects a list, and fails at the first item too many.
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
        assert_eq!(room.take("[0]").unwrap_err(), "goes beyond the 1,234 seats that a plan may have");
    }
}

//! Sort keys: the order in which people expect names.

use std::fmt::Write as _;

use icu_collator::{
    Collator, CollatorBorrowed, CollatorPreferences, options::CollatorOptions,
    preferences::CollationNumericOrdering,
};

/// Bytes of a sort key that are kept. Names that differ only later keep the order of their ids. The key must fit into
/// an index row of PostgreSQL, which has 2,704 bytes.
const BYTES_MAX: usize = 500;

/// Returns the key by which a name is sorted: its collation key in hexadecimal digits, so that the order of bytes is the
/// order of names on every database.
///
/// The order is that of the Unicode Collation Algorithm (UTS 10) with the root collation of CLDR: accents and cases
/// count only if the letters are equal, and numbers are sorted by their values.
pub(crate) fn sort_key(name: &str) -> String {
    let mut bytes = Vec::new();
    if let Some(collator) = collator() {
        // Writing into a vector cannot fail.
        let _ = collator.write_sort_key_to(name, &mut bytes);
    }
    bytes.truncate(BYTES_MAX);
    let mut key = String::with_capacity(bytes.len() * 2 + 1);
    for byte in &bytes {
        let _ = write!(key, "{byte:02x}");
    }
    // An empty key means that it is not computed yet.
    key.push('.');
    key
}

/// Returns the collator of the root locale. Its data are part of the program, so it exists.
fn collator() -> Option<CollatorBorrowed<'static>> {
    let mut preferences = CollatorPreferences::default();
    preferences.numeric_ordering = Some(CollationNumericOrdering::True);
    Collator::try_new(preferences, CollatorOptions::default()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_people_expect() {
        let expected = [
            "!",
            "2 Cellos",
            "10 Tenöre",
            "ananas",
            "Apfel",
            "Äpfel",
            "Ärzteball",
            "azur",
            "Éclair",
            "Event 2",
            "Event 10",
            "İzmir Caz",
            "łódź",
            "Mozart",
            "Öl",
            "Ölfarbe",
            "Zürich",
            "zürich 2",
            "Ωmega",
            "Опера",
            "東京",
        ];
        let mut sorted = expected;
        sorted.reverse();
        sorted.sort_by_key(|name| sort_key(name));
        assert_eq!(sorted, expected);
    }

    #[test]
    fn spellings_have_one_place_and_keys_are_bounded() {
        assert_eq!(sort_key("Café"), sort_key("Cafe\u{301}"));
        assert!(!sort_key("").is_empty());
        for name in ["ß".repeat(200), "東".repeat(200), "🎉".repeat(200), "e\u{301}".repeat(100)] {
            let key = sort_key(&name);
            assert!(key.len() <= 2 * BYTES_MAX + 1, "{}", key.len());
            assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'.'));
        }
    }
}

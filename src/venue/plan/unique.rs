//! Distinct names: a name that is taken gets a number.

use std::collections::{HashMap, HashSet};

/// The names that are taken.
#[derive(Default)]
pub(super) struct Unique {
    taken: HashSet<String>,
    /// By name: the number to try next. Without it, a thousand equal names would try a million numbers.
    next: HashMap<String, usize>,
}

impl Unique {
    /// Marks a name as taken. Returns `false` if it already is.
    pub(super) fn take(&mut self, name: String) -> bool {
        self.taken.insert(name)
    }

    /// Takes the name, or else the name with the first free number from 2 on. `numbered` adds the number.
    pub(super) fn take_or_number(&mut self, name: &str, numbered: impl Fn(usize) -> String) -> String {
        if self.taken.insert(name.to_owned()) {
            return name.to_owned();
        }
        let next = self.next.entry(name.to_owned()).or_insert(2);
        loop {
            let other = numbered(*next);
            *next += 1;
            if self.taken.insert(other.clone()) {
                return other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_names_get_the_first_free_number() {
        let mut unique = Unique::default();
        assert!(unique.take("a-3".to_owned()) && !unique.take("a-3".to_owned()));
        let mut next = || unique.take_or_number("a", |number| format!("a-{number}"));
        assert_eq!([next(), next(), next(), next()], ["a", "a-2", "a-4", "a-5"]);
    }
}

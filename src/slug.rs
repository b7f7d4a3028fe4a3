//! Slugs: readable, unique names of shops and categories for web addresses.
//!
//! A slug consists of groups of lower-case ASCII letters and digits, joined by single hyphens: 3–60 characters in
//! total.
//!
//! Invariant: pure and synchronous.

use crate::{error::Check, spelling};

/// The minimum length of a slug, in characters.
const LEAST: usize = 3;
/// The maximum length of a slug, in characters.
const MOST: usize = 60;
/// Characters that a derived slug leaves free for a suffix.
const SUFFIX_ROOM: usize = 8;

/// An object in a filter, by its id or its slug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdOrSlug<T> {
    /// Its id.
    Id(T),
    /// Its unique name for URLs.
    Slug(String),
}

/// Slugs to try for something new: the one that was asked for, or else those that its name suggests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    stem: String,
    given: bool,
}

/// The number of attempts without a random suffix. Later attempts append a large random number.
const SMALL_NUMBERS: u32 = 5;
/// The total number of attempts.
const ATTEMPTS: u32 = 8;

impl Candidates {
    /// Creates the candidates: the `given` slug alone, or slugs derived from `name`. `fallback` replaces a name from
    /// which no slug can be derived.
    pub fn new(given: Option<String>, name: &str, fallback: &str) -> Self {
        match given {
            Some(stem) => Self { stem, given: true },
            None => Self { stem: derived(name).unwrap_or_else(|| fallback.to_owned()), given: false },
        }
    }

    /// Returns the slugs in the order in which to try them. `random` provides the suffixes of the last ones.
    pub fn iter(&self, random: impl Fn() -> u64) -> impl Iterator<Item = String> {
        let attempts = if self.given { 1 } else { ATTEMPTS };
        (1..=attempts).map(move |attempt| match attempt {
            1 => self.stem.clone(),
            2..=SMALL_NUMBERS => format!("{}-{attempt}", self.stem),
            _ => format!("{}-{}", self.stem, random() % 9_000_000 + 1_000_000),
        })
    }
}

/// Adds an error at `path` if the given slug is not valid.
pub fn check(check: &mut Check, slug: Option<&str>, path: &str) {
    check.that(
        slug.is_none_or(is_slug),
        path,
        "must have 3 to 60 characters: a to z, 0 to 9, and single hyphens between them",
    );
}

/// Returns whether the text is a slug.
pub fn is_slug(text: &str) -> bool {
    (LEAST..=MOST).contains(&text.len())
        && text.split('-').all(|group| {
            !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// Returns the slug that a caller means: without spaces around it, in lower case. Links are often typed or pasted.
pub fn normal(slug: &str) -> String {
    spelling::key(slug)
}

/// Derives a slug from a name, with space for a suffix. Returns `None` if the name has too few characters with an ASCII
/// spelling.
fn derived(name: &str) -> Option<String> {
    let slug = beginning(&spelling::ascii(name), MOST - SUFFIX_ROOM);
    is_slug(&slug).then_some(slug)
}

/// Returns the beginning of an ASCII spelling, with at most this number of characters.
pub fn beginning(ascii: &str, most: usize) -> String {
    ascii.chars().take(most).collect::<String>().trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_letters_digits_and_single_hyphens_are_slugs() {
        for good in ["abc", "a-b", "123", "the-old-town-hall", &"x".repeat(60)] {
            assert!(is_slug(good), "{good}");
        }
        for bad in
            ["", "ab", "-ab", "ab-", "a--b", "Abc", "a b", "a_b", "äbc", "a/b", "abc\n", &"x".repeat(61)]
        {
            assert!(!is_slug(bad), "{bad}");
        }
    }

    #[test]
    fn names_suggest_slugs() {
        for (name, slug) in [
            ("The Old Town Hall", Some("the-old-town-hall")),
            ("  Café  Zürich! ", Some("cafe-zuerich")),
            ("AC/DC & friends", Some("ac-dc-friends")),
            ("東京", Some("dong-jing")),
            ("Åre Østfold", Some("are-oestfold")),
            ("Zu\u{308}rich", Some("zuerich")),
            ("İstanbul Çağ", Some("istanbul-cag")),
            ("Москва", Some("moskva")),
            ("🎉🎉🎉", None),
            ("A", None),
            ("", None),
            ("--__--", None),
        ] {
            assert_eq!(derived(name).as_deref(), slug, "{name}");
        }
        assert!(derived(&"ß".repeat(200)).is_some_and(|slug| is_slug(&slug)));
    }

    #[test]
    fn slug_in_a_link_is_read_in_any_spelling() {
        for text in ["the-hall", "The-Hall", " THE-HALL\n", "ｔｈｅ－ｈａｌｌ", "the-\u{200b}hall"] {
            assert_eq!(normal(text), "the-hall", "{text:?}");
        }
    }

    #[test]
    fn only_derived_slugs_get_suffixes_and_all_candidates_are_slugs() {
        let given = Candidates::new(Some("mine".to_owned()), "Other", "shop");
        assert_eq!(given.iter(|| 0).collect::<Vec<_>>(), ["mine"]);
        let long = Candidates::new(None, &"long name ".repeat(30), "shop");
        let all: Vec<_> = long.iter(|| u64::MAX).collect();
        assert_eq!(all.len(), 8);
        assert!(all.iter().all(|slug| is_slug(slug)), "{all:?}");
        let foreign: Vec<_> = Candidates::new(None, "🎉", "shop").iter(|| 0).take(2).collect();
        assert_eq!(foreign, ["shop", "shop-2"]);
    }
}

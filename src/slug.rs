//! Slugs: the readable, unique names by which shops and categories stand in addresses.
//!
//! Lower-case ASCII letters and digits in groups joined by single hyphens, 3 to 60 characters.
//!
//! Invariant: pure and synchronous.

use crate::error::Check;

/// The fewest characters of a slug.
const LEAST: usize = 3;
/// The most characters of a slug.
const MOST: usize = 60;
/// What a derived slug leaves free for a suffix.
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

/// How many derived slugs are tried with a small number, before large random ones.
const SMALL_NUMBERS: u32 = 5;
/// How many derived slugs are tried at all.
const ATTEMPTS: u32 = 8;

impl Candidates {
    /// The `given` slug alone, or those derived from `name`; `fallback` serves names without a usable letter.
    pub fn new(given: Option<String>, name: &str, fallback: &str) -> Self {
        match given {
            Some(stem) => Self { stem, given: true },
            None => Self { stem: derived(name).unwrap_or_else(|| fallback.to_owned()), given: false },
        }
    }

    /// The slugs, in the order in which to try them. `random` makes the suffixes of the last ones.
    pub fn iter(&self, random: impl Fn() -> u64) -> impl Iterator<Item = String> {
        let attempts = if self.given { 1 } else { ATTEMPTS };
        (1..=attempts).map(move |attempt| match attempt {
            1 => self.stem.clone(),
            2..=SMALL_NUMBERS => format!("{}-{attempt}", self.stem),
            _ => format!("{}-{}", self.stem, random() % 9_000_000 + 1_000_000),
        })
    }
}

/// Notes at `path` what is wrong with a slug that was given.
pub fn check(check: &mut Check, slug: Option<&str>, path: &str) {
    check.that(
        slug.is_none_or(is_slug),
        path,
        "must have 3 to 60 characters: a to z, 0 to 9, and single hyphens between them",
    );
}

/// Whether the text is a slug.
pub fn is_slug(text: &str) -> bool {
    (LEAST..=MOST).contains(&text.len())
        && text.split('-').all(|group| {
            !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// The slug that a name suggests, with room for a suffix; none when too little of it can be written in ASCII.
fn derived(name: &str) -> Option<String> {
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        let plain = plain(letter);
        if plain.is_empty() && !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        slug.push_str(&plain);
        if slug.len() >= MOST - SUFFIX_ROOM {
            break;
        }
    }
    slug.truncate(MOST - SUFFIX_ROOM);
    let slug = slug.trim_end_matches('-');
    is_slug(slug).then(|| slug.to_owned())
}

/// The letter in ASCII; nothing for what separates words, or has no common spelling.
fn plain(letter: char) -> String {
    match letter {
        'a'..='z' | '0'..='9' => return letter.to_string(),
        'ä' | 'æ' => "ae",
        'ö' | 'ø' | 'œ' => "oe",
        'ü' => "ue",
        'ß' => "ss",
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ą' => "a",
        'ç' | 'ć' | 'č' => "c",
        'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' => "o",
        'ř' => "r",
        'ś' | 'š' => "s",
        'ù' | 'ú' | 'û' | 'ů' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => "",
    }
    .to_owned()
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
            ("東京", None),
            ("A", None),
            ("", None),
            ("--__--", None),
        ] {
            assert_eq!(derived(name).as_deref(), slug, "{name}");
        }
        assert!(derived(&"ß".repeat(200)).is_some_and(|slug| is_slug(&slug)));
    }

    #[test]
    fn only_derived_slugs_get_suffixes_and_all_candidates_are_slugs() {
        let given = Candidates::new(Some("mine".to_owned()), "Other", "shop");
        assert_eq!(given.iter(|| 0).collect::<Vec<_>>(), ["mine"]);
        let long = Candidates::new(None, &"long name ".repeat(30), "shop");
        let all: Vec<_> = long.iter(|| u64::MAX).collect();
        assert_eq!(all.len(), 8);
        assert!(all.iter().all(|slug| is_slug(slug)), "{all:?}");
        let foreign: Vec<_> = Candidates::new(None, "東京", "shop").iter(|| 0).take(2).collect();
        assert_eq!(foreign, ["shop", "shop-2"]);
    }
}

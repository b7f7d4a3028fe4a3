//! The words of a text for the search index, and the words of a query.
//!
//! A query word matches an indexed word that is equal (*exact*), that begins with it (*prefix*), or that differs by one
//! typing error (*near*). Case and accents are ignored. `ä` is also `ae`, and so on.

use std::collections::BTreeSet;

use deunicode::deunicode_char;
use icu_properties::{
    CodePointMapData,
    props::{LineBreak, Script},
};
use unicode_normalization::{
    UnicodeNormalization,
    char::{canonical_combining_class, is_combining_mark},
};

use super::key;

/// Words of a query that are used; the rest is ignored.
pub(crate) const QUERY_WORDS_MAX: usize = 8;
/// Characters of a query that are used; the rest is ignored.
const QUERY_CHARS_MAX: usize = 500;
/// Characters of a word that are stored and compared; the rest is ignored.
pub(crate) const WORD_CHARS_MAX: usize = 40;
/// The smallest number of letters of a query word that tolerates a typing error.
pub(crate) const TOLERANT_CHARS_MIN: usize = 5;
/// Parts of a compound such as `AC/DC` that are also indexed as one word.
const JOINED_PARTS_MAX: usize = 4;

/// A word of a query, in all its spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryWord {
    /// The spellings. A result has one of them.
    pub(crate) spellings: Vec<String>,
    /// Whether the word tolerates a typing error.
    pub(crate) tolerant: bool,
}

/// Returns the words under which the index stores the text: in the order of the text, without duplicates.
///
/// Words of a script without blanks between words, such as Chinese or Thai, are not known. So the index has the rest of
/// such a text from each of its characters on, and a prefix finds any part of it.
pub(crate) fn indexed_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for compound in compounds(text) {
        for part in &compound {
            if part.unspaced {
                words.extend(ends(&part.text));
            } else {
                words.extend(spellings(&part.text));
            }
        }
        // `AC/DC` is also found as `acdc`, and `Mother's` as `mothers`.
        if (2..=JOINED_PARTS_MAX).contains(&compound.len()) && compound.iter().all(|part| !part.unspaced) {
            let joined: String = compound.iter().map(|part| part.text.as_str()).collect();
            words.extend(spellings(&joined));
        }
    }
    let mut seen = BTreeSet::new();
    words.retain(|word| seen.insert(word.clone()));
    words
}

/// Returns the words of a query. A result must match all of them.
pub(crate) fn query_words(text: &str) -> Vec<QueryWord> {
    let word = |part: Part| {
        let spellings: Vec<String> = spellings(&part.text).collect();
        let tolerant = !part.unspaced && spellings.iter().any(|word| is_tolerant(word, TOLERANT_CHARS_MIN));
        QueryWord { spellings, tolerant }
    };
    let text: String = text.chars().take(QUERY_CHARS_MAX).collect();
    let words = compounds(&text).into_iter().flatten().map(word);
    words.filter(|word| !word.spellings.is_empty()).take(QUERY_WORDS_MAX).collect()
}

/// Returns the spellings of a word with one letter left out, and the word itself: words with one typing error have one
/// of them in common. The first letter always stays, because people rarely mistype it. Empty for a word that is too
/// short, or that is not of letters only.
pub(crate) fn deletions(word: &str) -> BTreeSet<String> {
    if !is_tolerant(word, TOLERANT_CHARS_MIN - 1) {
        return BTreeSet::new();
    }
    let without =
        |at: usize| word.chars().enumerate().filter(move |(index, _)| *index != at).map(|(_, letter)| letter);
    let count = word.chars().count();
    (1..count).map(|at| without(at).collect()).chain([word.to_owned()]).collect()
}

/// Returns whether the words begin with the same letter and differ by one typing error: a letter that is missing, added
/// or wrong, or two neighbours that are exchanged.
pub(crate) fn is_near(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
    let rest = |letters: &[char], from: usize| letters.get(from..).unwrap_or_default().to_vec();
    if same == 0 {
        return false;
    }
    match long.len() - short.len() {
        0 => {
            let exchanged = one.get(same) == other.get(same + 1) && one.get(same + 1) == other.get(same);
            one == other
                || rest(&one, same + 1) == rest(&other, same + 1)
                || exchanged && rest(&one, same + 2) == rest(&other, same + 2)
        }
        1 => rest(short, same) == rest(long, same + 1),
        _ => false,
    }
}

fn is_tolerant(word: &str, least: usize) -> bool {
    word.chars().count() >= least && word.chars().all(|letter| letter.is_alphabetic() && !is_unspaced(letter))
}

/// A part of a text: a word, or a text of a script without blanks.
#[derive(Debug)]
struct Part {
    text: String,
    unspaced: bool,
}

/// Splits a text at all characters that are neither letters nor digits. Parts that only a single sign separates, or a
/// change of the script, form a compound.
fn compounds(text: &str) -> Vec<Vec<Part>> {
    let text = key(text);
    let mut compounds: Vec<Vec<Part>> = vec![Vec::new()];
    let mut gap = String::new();
    for letter in text.chars() {
        if !letter.is_alphanumeric() && !is_combining_mark(letter) {
            gap.push(letter);
            continue;
        }
        let joins = gap.is_empty() || (gap.chars().count() == 1 && gap != " ");
        if !joins {
            compounds.push(Vec::new());
        }
        let split = !std::mem::take(&mut gap).is_empty();
        let Some(compound) = compounds.last_mut() else { continue };
        let last = compound.last_mut().filter(|_| !split);
        match last {
            // A mark belongs to the letter before it.
            Some(part) if is_combining_mark(letter) || part.unspaced == is_unspaced(letter) => {
                part.text.push(letter);
            }
            Some(_) | None if is_combining_mark(letter) => {}
            Some(_) | None => {
                compound.push(Part { text: letter.to_string(), unspaced: is_unspaced(letter) });
            }
        }
    }
    compounds
}

/// Returns whether the letter is of a script that has no blanks between words, or in which words are joined to phrases:
/// the classes of UAX 14 at which lines break between letters, and Hangul.
fn is_unspaced(letter: char) -> bool {
    if letter.is_ascii() {
        return false;
    }
    let class = CodePointMapData::<LineBreak>::new().get(letter);
    let breaks = [
        LineBreak::Ideographic,
        LineBreak::ConditionalJapaneseStarter,
        LineBreak::Nonstarter,
        LineBreak::ComplexContext,
    ];
    breaks.contains(&class) || CodePointMapData::<Script>::new().get(letter) == Script::Hangul
}

/// Returns the text from each of its characters on.
fn ends(text: &str) -> impl Iterator<Item = String> {
    let text = plain(text);
    let starts: Vec<usize> =
        text.char_indices().filter(|(_, letter)| !is_combining_mark(*letter)).map(|(at, _)| at).collect();
    starts.into_iter().filter_map(move |at| text.get(at..).map(bounded))
}

/// Returns the spellings of a word: without accents, and with two letters for an umlaut.
fn spellings(word: &str) -> impl Iterator<Item = String> + use<> {
    let plain_word = bounded(&plain(word));
    let long_word = bounded(&plain(&umlauts(word)));
    let differs = long_word != plain_word;
    [plain_word].into_iter().chain(differs.then_some(long_word)).filter(|word| !word.is_empty())
}

fn bounded(word: &str) -> String {
    word.chars().take(WORD_CHARS_MAX).collect()
}

/// Replaces German and Nordic umlauts by the two letters with which people write them if their keyboard lacks them.
fn umlauts(word: &str) -> String {
    let mut long = String::new();
    for letter in word.chars() {
        match letter {
            'ä' | 'æ' => long.push_str("ae"),
            'ö' | 'ø' | 'œ' => long.push_str("oe"),
            'ü' => long.push_str("ue"),
            'å' => long.push_str("aa"),
            _ => long.push(letter),
        }
    }
    long
}

/// Removes accents, and replaces Latin letters beyond ASCII by their ASCII spelling.
fn plain(word: &str) -> String {
    let bare: String = word.nfkd().filter(|letter| !is_accent(*letter)).nfc().collect();
    let mut plain = String::new();
    for letter in bare.chars() {
        let is_latin = !letter.is_ascii() && CodePointMapData::<Script>::new().get(letter) == Script::Latin;
        let spelling = deunicode_char(letter).filter(|_| is_latin).unwrap_or_default();
        let letters: String = spelling.chars().filter(char::is_ascii_alphanumeric).collect();
        if letters.is_empty() {
            plain.push(letter);
        } else {
            plain.push_str(&letters.to_ascii_lowercase());
        }
    }
    plain
}

/// Returns whether the character is an accent, or a point of Hebrew or Arabic that is usually not written. Vowel signs and
/// tone marks of other scripts are not: they are part of the word.
fn is_accent(letter: char) -> bool {
    matches!(canonical_combining_class(letter), 1 | 10..=36 | 202..=240) || letter == '\u{640}'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether the query finds the text without typing errors.
    fn finds(query: &str, text: &str) -> bool {
        let words = indexed_words(text);
        let matches = |word: &QueryWord| {
            word.spellings.iter().any(|start| words.iter().any(|word| word.starts_with(start.as_str())))
        };
        let query = query_words(query);
        !query.is_empty() && query.iter().all(matches)
    }

    #[test]
    fn text_is_split_into_plain_words() {
        assert_eq!(
            indexed_words("  Die Zauberflöte – KV 620 (Kiel)"),
            ["die", "zauberflote", "zauberfloete", "kv", "620", "kiel"]
        );
        assert_eq!(indexed_words("AC/DC"), ["ac", "dc", "acdc"]);
        assert_eq!(indexed_words("東京2026"), ["東京", "京", "2026"]);
        assert!(indexed_words("!!! – '%_ 🎉").is_empty());
        assert_eq!(indexed_words(&"x".repeat(100))[0].len(), WORD_CHARS_MAX);
        assert_eq!(query_words(&"a ".repeat(1_000)).len(), QUERY_WORDS_MAX);
    }

    #[test]
    fn case_accents_and_forms_do_not_matter() {
        for (query, text) in [
            ("istanbul", "İstanbul"),
            ("ISTANBUL", "İstanbul"),
            ("ıstanbul", "İSTANBUL"),
            ("İZMİR", "İzmir Caz"),
            ("izmir", "İzmir Caz"),
            ("strasse", "Straße"),
            ("STRASSENFEST", "Straßenfest"),
            ("straße", "STRASSENFEST"),
            ("koln", "Köln"),
            ("koeln", "Köln"),
            ("köln", "Koeln"),
            ("ko\u{308}ln", "KÖLN"),
            ("cafe", "Café"),
            ("café", "CAFE"),
            ("ÄRZTEBALL", "Ärzteball"),
            ("aerzteball", "Ärzteball"),
            ("smorrebrod", "Smørrebrød"),
            ("smoerrebroed", "Smørrebrød"),
            ("lodz", "Łódź"),
            ("goteborg", "Göteborg"),
            ("aarhus", "Århus"),
            ("arhus", "Århus"),
            ("oeuvre", "œuvre"),
            ("thor", "Þór"),
            ("dvorak", "Dvořák"),
            ("елка", "Ёлка"),
            ("αθηνα", "Αθήνα"),
            ("οδοσ", "ΟΔΌΣ"),
            ("שלום", "שָׁלוֹם"),
            ("محمد", "مُحَمَّد"),
            ("ｊａｚｚ", "Jazz"),
            ("konzerthaus", "Kon\u{ad}zert\u{ad}haus"),
            ("हिन्दी", "हिन्दी गीत"),
            ("cafe\u{301} zürich", "Zu\u{308}rich, Café"),
            ("arlesienne", "L’Arlésienne"),
            ("mothers day", "Mother’s Day"),
            ("acdc", "AC/DC"),
            ("e-mail", "E-Mail"),
        ] {
            assert!(finds(query, text), "{query} {text}: {:?} {:?}", query_words(query), indexed_words(text));
        }
        for (query, text) in [
            ("stanbul", "İstanbul"),
            ("zmir", "İzmir"),
            ("ln", "Köln"),
            ("🎉", "Party 🎉"),
            ("haus", "Konzerthaus"),
        ] {
            assert!(!finds(query, text), "{query} {text}: {:?}", indexed_words(text));
        }
    }

    #[test]
    fn unspaced_scripts_are_searched_inside() {
        for (query, text) in [
            ("交響曲", "ベートーヴェン第九交響曲"),
            ("第九", "ベートーヴェン第九交響曲"),
            ("ｳﾞｪﾝ", "ベートーヴェン第九交響曲"),
            ("音乐会", "新年音乐会2026"),
            ("2026", "新年音乐会2026"),
            ("音乐会2026", "新年音乐会2026"),
            ("ดนตรี", "เทศกาลดนตรีกรุงเทพ"),
            ("กรุงเทพ", "เทศกาลดนตรีกรุงเทพ"),
            ("재즈", "서울재즈페스티벌"),
            ("コンサート", "東京コンサート"),
            ("ヨガ", "朝ヨガ"),
        ] {
            assert!(finds(query, text), "{query} {text}: {:?} {:?}", query_words(query), indexed_words(text));
        }
        assert!(!finds("曲響", "第九交響曲"));
        assert!(!finds("カ", "朝ガ"), "the voicing mark is part of the letter");
    }

    #[test]
    fn one_typing_error_is_near() {
        for (typed, word) in [
            ("konzret", "konzert"),
            ("konzer", "konzert"),
            ("konzertt", "konzert"),
            ("konsert", "konzert"),
            ("kkonzert", "konzert"),
            ("jazzz", "jazz"),
            ("konzert", "konzert"),
            ("москав", "москва"),
        ] {
            assert!(is_near(typed, word) && is_near(word, typed), "{typed} {word}");
            assert!(!deletions(typed).is_disjoint(&deletions(word)), "{typed} {word}");
        }
        for (typed, word) in [
            ("stanbul", "istanbul"),
            ("okonzert", "konzert"),
            ("knozret", "konzert"),
            ("konz", "konzert"),
            ("", "a"),
        ] {
            assert!(!is_near(typed, word) && !is_near(word, typed), "{typed} {word}");
        }
        for short in ["abc", "", "12345", "k0nzert", "交響曲交響曲"] {
            assert!(deletions(short).is_empty(), "{short}");
        }
        for (query, tolerant) in [("jazz", false), ("jazzz", true), ("12345", false), ("交響曲交響曲", false)]
        {
            assert_eq!(query_words(query)[0].tolerant, tolerant, "{query}");
        }
    }
}

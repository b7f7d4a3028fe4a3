//! Properties of the forms of arbitrary texts.

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::{
    ascii, key,
    search::{deletions, indexed_words, is_near, query_words},
    sort_key,
};

/// Returns whether the text has a Greek letter with a small iota below. Its capital form is two letters, so that a mark
/// after it moves from the first to the second letter.
fn has_iota_below(text: &str) -> bool {
    text.nfkd().any(|letter| letter == '\u{345}')
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn key_ignores_case_and_normal_form(text in "\\PC{0,30}|[aiIİıßẞſσςΣ\u{300}-\u{344}ａ-ｚ\u{fb00}-\u{fb06}]{0,12}") {
        prop_assume!(!has_iota_below(&text));
        let text: String = text.nfc().collect();
        let expected = key(&text);
        prop_assert_eq!(key(&expected), &*expected);
        prop_assert_eq!(key(&text.nfd().collect::<String>()), &*expected);
        prop_assert_eq!(key(&text.nfkc().collect::<String>()), &*expected);
        prop_assert_eq!(key(&text.to_uppercase()), &*expected);
        prop_assert_eq!(key(&text.to_lowercase()), &*expected);
    }

    #[test]
    fn text_is_found_by_its_own_words(text in "\\PC{0,40}|[aößÅ 'ー東京กำ\u{e31}ガ한국\u{300}-]{0,20}") {
        prop_assume!(!has_iota_below(&text));
        let words = indexed_words(&text);
        for typed in [text.clone(), text.to_uppercase(), text.nfd().collect()] {
            for word in query_words(&typed) {
                let found = word.spellings.iter().any(|start| words.iter().any(|word| word.starts_with(start)));
                prop_assert!(found, "{:?} {:?}", word, words);
            }
        }
    }

    #[test]
    fn forms_of_every_text_are_plain(text in "\\PC{0,60}") {
        prop_assert!(ascii(&text).bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
        prop_assert!(!sort_key(&text).contains('\0') && !key(&text).chars().any(char::is_control));
    }

    #[test]
    fn words_with_a_typing_error_share_a_spelling(one in "[a-c]{4,8}", other in "[a-c]{4,8}") {
        prop_assert_eq!(is_near(&one, &other), is_near(&other, &one));
        if is_near(&one, &other) {
            prop_assert!(!deletions(&one).is_disjoint(&deletions(&other)));
        }
    }
}

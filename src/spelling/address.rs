//! The ASCII spelling of a name for web addresses.

use deunicode::deunicode_char;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::folded;

/// Returns the name in lower-case ASCII letters, digits and single hyphens. Empty if it has no letter or digit with an
/// ASCII spelling.
///
/// German and Nordic umlauts have two letters, as in `zuerich` and `smoerrebroed`. All other letters are transliterated
/// by their usual romanisation.
pub(crate) fn ascii(name: &str) -> String {
    let mut ascii = String::new();
    for letter in name.nfc().collect::<String>().replace('İ', "i").to_lowercase().nfc() {
        // Marks without a composed character, and what has no width.
        if is_combining_mark(letter) || folded(std::iter::once(letter)).is_empty() {
            continue;
        }
        match spelled(letter) {
            Some(spelling) => {
                for byte in spelling.bytes() {
                    if byte.is_ascii_alphanumeric() {
                        ascii.push(char::from(byte.to_ascii_lowercase()));
                    } else {
                        separate(&mut ascii);
                    }
                }
            }
            None => separate(&mut ascii),
        }
    }
    ascii.truncate(ascii.trim_end_matches('-').len());
    ascii
}

fn separate(ascii: &mut String) {
    if !ascii.is_empty() && !ascii.ends_with('-') {
        ascii.push('-');
    }
}

/// Returns the ASCII spelling of a lower-case letter or a digit. `None` for signs and for letters without one.
fn spelled(letter: char) -> Option<&'static str> {
    match letter {
        'ä' | 'æ' | 'ǽ' => Some("ae"),
        'ö' | 'ø' | 'œ' | 'ǿ' => Some("oe"),
        'ü' => Some("ue"),
        'ß' => Some("ss"),
        _ if letter.is_alphanumeric() => deunicode_char(letter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_an_ascii_spelling() {
        for (name, expected) in [
            ("Zürich Konzert", "zuerich-konzert"),
            ("Zu\u{308}rich Konzert", "zuerich-konzert"),
            ("Über den Wolken", "ueber-den-wolken"),
            ("Die Zauberflöte (KV 620)", "die-zauberfloete-kv-620"),
            ("GROẞE STRAẞE", "grosse-strasse"),
            ("Smørrebrød & Ærø", "smoerrebroed-aeroe"),
            ("İstanbul Işık Şöleni", "istanbul-isik-soeleni"),
            ("Łódź Żubrówka", "lodz-zubrowka"),
            ("Đorđe Þór", "dorde-thor"),
            ("Škoda Žižkov Řeř", "skoda-zizkov-rer"),
            ("L’été à Nîmes", "l-ete-a-nimes"),
            ("Москва Опера", "moskva-opera"),
            ("Αθήνα", "athena"),
            ("東京", "dong-jing"),
            ("ｆｕｌｌ　ｗｉｄｔｈ", "full-width"),
            ("party 🎉 time", "party-time"),
            ("Kon\u{ad}zert\u{200b}haus", "konzerthaus"),
            ("🎉", ""),
            ("--__--", ""),
            ("", ""),
        ] {
            assert_eq!(ascii(name), expected, "{name}");
        }
    }

    #[test]
    fn ascii_spelling_has_only_letters_digits_and_single_hyphens() {
        for start in (0..0x3_0000_u32).step_by(64) {
            let name: String = (start..start + 64).filter_map(char::from_u32).collect();
            let ascii = ascii(&name);
            assert!(
                ascii.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
            assert!(!ascii.starts_with('-') && !ascii.ends_with('-') && !ascii.contains("--"), "{ascii}");
        }
    }
}

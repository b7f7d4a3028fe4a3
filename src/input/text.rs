//! Plain text for people: names, descriptions, reasons.

use std::{
    fmt::{self, Display},
    ops::RangeInclusive,
};

use unicode_normalization::UnicodeNormalization;

use super::characters::{Allowed, CharacterFault, character_fault};

/// The rule for a plain text.
///
/// The stored form is in Unicode normal form C, without white space at its ends, and with line feeds as line breaks.
/// Its length is counted in Unicode characters of the stored form. `characters.rs` says which characters it may have.
#[derive(Clone, Debug)]
pub struct Text {
    allowed: Allowed,
    length: RangeInclusive<usize>,
}

/// Why a text is refused. `Display` writes a sentence for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextFault {
    /// It is too short or too long.
    Length {
        /// The least number of characters.
        min: usize,
        /// The greatest number of characters.
        max: usize,
    },
    /// It consists of blanks only.
    Blank,
    /// It has a character that it must not have.
    Character(CharacterFault),
}

impl Text {
    /// Returns the rule for a text of one line.
    pub fn line(length: RangeInclusive<usize>) -> Self {
        Self { allowed: Allowed::Line, length }
    }

    /// Returns the rule for a text of any number of lines. It may have tabs.
    pub fn paragraphs(length: RangeInclusive<usize>) -> Self {
        Self { allowed: Allowed::Paragraphs, length }
    }

    /// Returns the text in its stored form.
    pub fn parse(&self, text: &str) -> Result<String, TextFault> {
        // The line breaks of Windows and of HTML forms.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text: String = text.trim().nfc().collect();
        if let Some(fault) = character_fault(&text, self.allowed) {
            return Err(TextFault::Character(fault));
        }
        if !self.length.contains(&text.chars().count()) {
            return Err(TextFault::Length { min: *self.length.start(), max: *self.length.end() });
        }
        if !text.is_empty() && text.chars().all(is_blank) {
            return Err(TextFault::Blank);
        }
        Ok(text)
    }
}

/// Returns whether the character has no ink. White space inside of the text is allowed, but not a text of nothing else.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || character == '\u{2800}'
}

impl Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { min, max } => write!(f, "must have {min} to {max} characters"),
            Self::Blank => f.write_str("must have a character that is not blank"),
            Self::Character(fault) => fault.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(rule: &Text, texts: &[(&str, &str)]) {
        for (text, stored) in texts {
            assert_eq!(rule.parse(text).as_deref(), Ok(*stored), "{text:?} {}", text.escape_unicode());
        }
    }

    fn unchanged(texts: &[&str]) {
        for text in texts {
            assert_eq!(Text::line(1..=200).parse(text).as_deref(), Ok(*text), "{}", text.escape_unicode());
        }
    }

    fn refused(texts: &[&str]) {
        for rule in [Text::line(1..=200), Text::paragraphs(1..=200)] {
            for text in texts {
                assert!(rule.parse(text).is_err(), "{text:?} {}", text.escape_unicode());
            }
        }
    }

    #[test]
    fn text_is_trimmed_and_composed() {
        let line = Text::line(1..=200);
        kept(
            &line,
            &[
                (" Gala ", "Gala"),
                ("Cafe\u{301}", "Café"),
                ("\u{3000}第九\u{a0}\n", "第九"),
                ("I\u{307}zmir", "İzmir"),
                ("\u{1112}\u{1161}\u{11ab}", "한"),
                ("10\u{a0}€", "10\u{a0}€"),
            ],
        );
        let paragraphs = Text::paragraphs(0..=200);
        kept(&paragraphs, &[("", ""), (" \r\n ", ""), ("a\r\nb\rc\n\td", "a\nb\nc\n\td")]);
    }

    #[test]
    fn scripts_and_emoji_are_unchanged() {
        unchanged(&[
            "🎉 Gala",
            "👩🏽‍🚀",
            "👨‍👩‍👧‍👦",
            "🏳️‍🌈",
            "🏴‍☠️",
            "❤️‍🔥",
            "🐻‍❄️",
            "🇩🇪🇫🇷",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} Burns Night",
            "1️⃣ #️⃣",
            "☎︎ ☎️",
            "می\u{200c}خواهم",
            "کار\u{200c}ها",
            "ه\u{200d}.ش",
            "ക്\u{200d}",
            "श्री क्\u{200d}ष",
            "र\u{200d}\u{94d}य",
            "ශ්\u{200d}රී ලංකා",
            "র\u{200d}\u{9cd}যাব",
            "ភាសា\u{200b}ខ្មែរ",
            "วันนี้\u{200b}ดี",
            "葛\u{e0100}飾",
            "ᠮᠣᠩᠭᠣᠯ\u{180e}ᠠ",
            "བཀྲ་ཤིས་བདེ་ལེགས།",
            "ཧྲཱིཿ",
            "Việt Nam",
            "שָׁלוֹם",
            "اَلسَّلَامُ",
            "\u{601}١٢",
            "\u{1fae8}",
            "\u{1faf9}",
            "𝓙𝓪𝔃𝔃",
            "A–B — “C” …",
            "\u{2800}a",
            "½ ² № ℃",
        ]);
    }

    #[test]
    fn text_that_cannot_be_seen_is_refused() {
        refused(&[
            "",
            " \u{3000}\u{a0}",
            "\u{2800}",
            "a\u{200b}b",
            "a\u{200c}b",
            "a\u{200d}b",
            "\u{200d}👩",
            "👩\u{200d}",
            "👩\u{200d}a",
            "a\u{200d}👩",
            "خانه\u{200c}",
            "क\u{200d}ष",
            "a\u{200e}b",
            "a\u{200f}",
            "\u{61c}a",
            "a\u{202a}b\u{202c}",
            "ticket\u{202e}fdp.exe",
            "\u{2066}a\u{2069}",
            "a\u{2060}b",
            "a\u{2062}b",
            "\u{feff}a",
            "a\u{ad}b",
            "a\u{34f}b",
            "\u{3164}",
            "\u{ffa0}x",
            "\u{115f}\u{1160}",
            "a\u{17b4}",
            "a\u{180e}b",
            "a\u{fe0f}",
            "1\u{fe0f}",
            "a\u{e0100}",
            "a\u{e0061}",
            "\u{1f3f4}\u{e0061}\u{e0062}\u{e007f}",
            "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}",
            "\u{e0001}a",
            "a\u{1d173}b",
            "a\u{fff9}b",
            "a\u{206a}b",
        ]);
    }

    #[test]
    fn text_without_a_meaning_is_refused() {
        let zalgo = format!("a{}", "\u{35c}\u{323}".repeat(3));
        let thai = format!("ก{}", "\u{e47}".repeat(9));
        refused(&[
            "a\0",
            "a\u{1b}[31m",
            "a\u{7f}b",
            "a\u{9b}b",
            "a\u{e000}",
            "\u{f8ff}",
            "a\u{10fffd}",
            "a\u{378}",
            "a\u{ffff}",
            "a\u{fdd0}",
            "a\u{fffd}",
            "a\u{fffc}",
            "\u{301}a",
            &zalgo,
            &thai,
            "a\u{b}b",
            "a\u{c}b",
            "a\u{85}b",
            "a\u{2028}b",
            "a\u{2029}b",
        ]);
        for text in ["a\nb", "a\r\nb", "a\rb", "a\tb"] {
            assert!(Text::line(1..=200).parse(text).is_err(), "{text:?}");
            assert!(Text::paragraphs(1..=200).parse(text).is_ok(), "{text:?}");
        }
        assert!(Text::paragraphs(1..=200).parse("a\n\u{301}b").is_err());
    }

    #[test]
    fn length_is_counted_in_stored_characters() {
        let rule = Text::line(2..=3);
        for (text, good) in
            [("a", false), (" a ", false), ("ab", true), ("e\u{301}o\u{308}u\u{308}", true), ("abcd", false)]
        {
            assert_eq!(rule.parse(text).is_ok(), good, "{text:?}");
        }
        let faults = [
            ("a", "must have 2 to 3 characters"),
            (
                "a\u{202e}b",
                "must not contain characters that change the direction of the text (U+202E is character 2)",
            ),
        ];
        for (text, why) in faults {
            assert_eq!(rule.parse(text).map_err(|fault| fault.to_string()), Err(why.to_owned()));
        }
    }
}

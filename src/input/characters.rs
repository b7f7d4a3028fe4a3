//! The characters that plain text may have: those that a reader can see, and those that the writing needs.
//!
//! The rule follows UTS 39 (Unicode security mechanisms) and UAX 31 (joiners), with the exceptions that are named here.
//! Refused are:
//!
//! - control characters, private-use characters, and characters that Unicode has not assigned, because their normal
//!   form is not stable. Code points that are reserved for future emoji are allowed.
//! - characters that are invisible (`Default_Ignorable_Code_Point`) or change the direction of the text, except where
//!   the writing needs them: joiners and variation selectors in emoji, joiners in Arabic and Indic writing, zero-width
//!   spaces between words of scripts without spaces, variation selectors after ideographs and Mongolian letters
//! - U+FFFC and U+FFFD, which replace an object that was not copied and a byte that was not decoded
//! - more than [`MARKS_MAX`] combining marks on one character, and marks without a character

use std::fmt::{self, Display};

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        BidiControl, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiModifier,
        ExtendedPictographic, GeneralCategory, PrependedConcatenationMark, Script, UnifiedIdeograph,
    },
    script::ScriptWithExtensions,
};

/// The nonspacing and enclosing marks that a character may have (UTS 39, 5.4).
const MARKS_MAX: usize = 4;
/// The same for Tibetan, where the lower letters of a stack are marks.
const TIBETAN_MARKS_MAX: usize = 8;
/// The emoji that are written with tags: the flags of England, Scotland and Wales (UTS 51, RGI emoji tag sequences).
const TAGGED_FLAGS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];
const BLACK_FLAG: char = '\u{1f3f4}';
const CANCEL_TAG: char = '\u{e007f}';
const ZERO_WIDTH_SPACE: char = '\u{200b}';
const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
const KEYCAP: char = '\u{20e3}';
const VIRAMA: CanonicalCombiningClass = CanonicalCombiningClass::Virama;

/// Scripts whose letters join, and in which a non-joiner separates the parts of a word.
const JOINED: [Script; 6] =
    [Script::Arabic, Script::Syriac, Script::Nko, Script::Mongolian, Script::Mandaic, Script::Adlam];
/// Scripts that are written without spaces between words.
const UNSPACED: [Script; 4] = [Script::Khmer, Script::Lao, Script::Myanmar, Script::Thai];

/// Whether a text may have several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// One line without tabs.
    Line,
    /// Line feeds and tabs too.
    Paragraphs,
}

/// A character that the text must not have. `Display` writes a sentence for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CharacterFault {
    /// Its position, from one.
    pub at: usize,
    /// The character.
    pub character: char,
    /// Why it is refused.
    pub kind: Kind,
}

/// Why a character is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It ends a line or is a tab, in a text of one line.
    LineBreak,
    /// It is a control character.
    Control,
    /// It changes the direction of the text.
    Direction,
    /// It cannot be seen.
    Invisible,
    /// It has no meaning outside of one font or system.
    PrivateUse,
    /// It is no character.
    Unassigned,
    /// It replaces something that was lost.
    Lost,
    /// It is one of too many marks on a character.
    Marks,
    /// It is a mark without a character.
    NoBase,
}

impl Display for CharacterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, character, kind } = self;
        let what = match kind {
            Kind::LineBreak => "line breaks and tabs",
            Kind::Control => "control characters",
            Kind::Direction => "characters that change the direction of the text",
            Kind::Invisible => "invisible characters",
            Kind::PrivateUse => "private-use characters",
            Kind::Unassigned => "characters that Unicode does not define",
            Kind::Lost => "placeholders for characters that were lost",
            Kind::Marks => "more than 4 combining marks on one character",
            Kind::NoBase => "combining marks without a character before them",
        };
        write!(f, "must not contain {what} (U+{:04X} is character {at})", u32::from(*character))
    }
}

/// Returns the first character that the text must not have. The text is in normal form C.
pub fn character_fault(text: &str, allowed: Allowed) -> Option<CharacterFault> {
    let characters: Vec<char> = text.chars().collect();
    let mut marks = 0;
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        let around = Around { before: characters.get(..at)?, after: characters.get(at + 1..)? };
        let category = general_category(character);
        if matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark) {
            marks += 1;
        } else if category != GeneralCategory::SpacingMark {
            marks = 0;
        }
        let kind = around.kind(character, category, allowed).or_else(|| {
            let most = if has_script(character, Script::Tibetan) { TIBETAN_MARKS_MAX } else { MARKS_MAX };
            (marks > most).then_some(Kind::Marks)
        });
        if let Some(kind) = kind {
            return Some(CharacterFault { at: at + 1, character, kind });
        }
        at += 1 + if character == BLACK_FLAG { tag_count(around.after) } else { 0 };
    }
    None
}

/// The characters before and after one.
#[derive(Clone, Copy)]
struct Around<'a> {
    before: &'a [char],
    after: &'a [char],
}

impl Around<'_> {
    /// Returns why the character between these is refused, or `None`.
    fn kind(self, character: char, category: GeneralCategory, allowed: Allowed) -> Option<Kind> {
        let is_needed = match character {
            '\n' | '\t' if allowed == Allowed::Paragraphs => true,
            '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                return Some(Kind::LineBreak);
            }
            '\u{fffc}' | '\u{fffd}' => return Some(Kind::Lost),
            NON_JOINER => self.separates(),
            JOINER => self.joins(),
            ZERO_WIDTH_SPACE => self.divides_words(),
            '\u{fe0e}' | '\u{fe0f}' => self.chooses_emoji(),
            '\u{fe00}'..='\u{fe02}' | '\u{e0100}'..='\u{e01ef}' => {
                self.last().is_some_and(|base| CodePointSetData::new::<UnifiedIdeograph>().contains(base))
            }
            '\u{180b}'..='\u{180f}' => self.last().is_some_and(|base| has_script(base, Script::Mongolian)),
            _ => false,
        };
        if is_needed {
            return None;
        }
        if CodePointSetData::new::<BidiControl>().contains(character) {
            return Some(Kind::Direction);
        }
        if CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character) {
            return Some(Kind::Invisible);
        }
        self.kind_of_category(character, category)
    }

    fn kind_of_category(self, character: char, category: GeneralCategory) -> Option<Kind> {
        let is_number_sign = CodePointSetData::new::<PrependedConcatenationMark>().contains(character);
        let is_future_emoji = CodePointSetData::new::<ExtendedPictographic>().contains(character);
        if category == GeneralCategory::Control {
            Some(Kind::Control)
        } else if category == GeneralCategory::Format && !is_number_sign {
            Some(Kind::Invisible)
        } else if category == GeneralCategory::PrivateUse {
            Some(Kind::PrivateUse)
        } else if category == GeneralCategory::Unassigned && !is_future_emoji {
            Some(Kind::Unassigned)
        } else if is_mark(category) && self.last().is_none_or(|base| base == '\n') {
            Some(Kind::NoBase)
        } else {
            None
        }
    }

    fn last(self) -> Option<char> {
        self.before.last().copied()
    }

    fn next(self) -> Option<char> {
        self.after.first().copied()
    }

    /// Returns the last character that is no mark.
    fn base(self) -> Option<char> {
        self.before.iter().rev().copied().find(|before| !is_mark(general_category(*before)))
    }

    /// Returns whether a non-joiner is needed here: between letters that join (UAX 31, A1; also after letters that do
    /// not join to the left, because keyboards produce it), and next to a virama (A2).
    fn separates(self) -> bool {
        let joined = |one: char| is_letter(one) && JOINED.iter().any(|script| has_script(one, *script));
        (self.base().is_some_and(joined) && self.next().is_some_and(joined)) || self.is_at_virama()
    }

    /// Returns whether a joiner is needed here: between emoji (UTS 51), next to a virama (UAX 31, B), and after an
    /// Arabic letter, which it shows in its joined form.
    fn joins(self) -> bool {
        self.is_between_emoji()
            || self.is_at_virama()
            || self.base().is_some_and(|one| is_letter(one) && has_script(one, Script::Arabic))
    }

    /// Returns whether a virama precedes or follows, within a word.
    fn is_at_virama(self) -> bool {
        let is_virama = |one: char| CodePointMapData::<CanonicalCombiningClass>::new().get(one) == VIRAMA;
        let is_in_word = self.base().is_some_and(is_letter);
        is_in_word && (self.last().is_some_and(is_virama) || self.next().is_some_and(is_virama))
    }

    fn is_between_emoji(self) -> bool {
        let emoji = CodePointSetData::new::<ExtendedPictographic>();
        let extends = |one: char| one == '\u{fe0f}' || CodePointSetData::new::<EmojiModifier>().contains(one);
        let left = self.before.iter().rev().copied().find(|one| !extends(*one));
        left.is_some_and(|one| emoji.contains(one)) && self.next().is_some_and(|one| emoji.contains(one))
    }

    /// Returns whether a zero-width space is between letters of a script without spaces.
    fn divides_words(self) -> bool {
        let unspaced = |one: char| UNSPACED.iter().any(|script| has_script(one, *script));
        self.last().is_some_and(unspaced) && self.next().is_some_and(unspaced)
    }

    /// Returns whether a variation selector chooses between text and emoji. After a digit it is a part of a keycap.
    fn chooses_emoji(self) -> bool {
        self.last().is_some_and(|base| {
            CodePointSetData::new::<Emoji>().contains(base)
                && (!base.is_ascii() || self.next() == Some(KEYCAP))
        })
    }
}

/// Returns the number of tags after a black flag, if they make it the flag of a country.
fn tag_count(after: &[char]) -> usize {
    let is_tag = |tag: &&char| ('\u{e0020}'..='\u{e007e}').contains(*tag);
    let tags: String =
        after.iter().take_while(is_tag).filter_map(|tag| char::from_u32(u32::from(*tag) - 0xe0000)).collect();
    let is_flag = TAGGED_FLAGS.contains(&tags.as_str()) && after.get(tags.len()) == Some(&CANCEL_TAG);
    if is_flag { tags.len() + 1 } else { 0 }
}

fn general_category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

fn has_script(character: char, script: Script) -> bool {
    ScriptWithExtensions::new().has_script(character, script)
}

fn is_letter(character: char) -> bool {
    character.is_alphabetic() && !is_mark(general_category(character))
}

fn is_mark(category: GeneralCategory) -> bool {
    matches!(
        category,
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark | GeneralCategory::SpacingMark
    )
}

//! Typed access to one value of the document. An unusable value becomes a fault at its path, and reading continues
//! without it.
//!
//! The reader accepts what other editors write: numbers as text, text as numbers, and `null` for a missing value.
//! Values stay slices of the document until they are read, so unread keys allocate nothing.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fault::{Cause, Path, Report};
use super::model::{COORDINATE_MAX, NAME_CHARS_MAX};
use super::room::{Room, grouped};
use super::warning::WarningCode;

/// A raw value of the document. `null` is a value here, and absent for all methods of [`Spot`].
pub(super) type Raw<'d> = Option<&'d RawValue>;

/// A path in the document and the value there.
#[derive(Clone, Copy)]
pub(super) struct Spot<'d, 'p> {
    raw: Raw<'d>,
    pub(super) path: Path<'p>,
}

/// Declares an object with these keys, each as a raw value.
macro_rules! raw_object {
    ($name:ident { $($key:ident),* }) => {
        #[derive(serde::Deserialize)]
        struct $name<'d> {
            $(#[serde(borrow, default, deserialize_with = "super::json::raw")] $key: super::json::Raw<'d>,)*
        }
    };
}
pub(super) use raw_object;

/// Reads a value without dropping `null`.
pub(super) fn raw<'d, D: Deserializer<'d>>(value: D) -> Result<Raw<'d>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

raw_object!(Point { x, y });

impl<'d> Spot<'d, '_> {
    /// Returns the whole document. The text must be valid JSON.
    pub(super) fn document(text: &'d str) -> Self {
        Self { raw: serde_json::from_str::<&RawValue>(text).ok(), path: Path::Root }
    }

    /// Returns the value under a key of this object.
    pub(super) fn at<'s>(&'s self, key: &'static str, raw: Raw<'d>) -> Spot<'d, 's> {
        Spot { raw: raw.filter(|raw| raw.get() != "null"), path: self.path.key(key) }
    }

    /// Returns the JSON of the value.
    pub(super) fn json(&self) -> Option<&'d str> {
        self.raw.map(RawValue::get)
    }

    pub(super) fn is_absent(self) -> bool {
        self.raw.is_none()
    }

    pub(super) fn is_text(self) -> bool {
        self.raw.is_some_and(|raw| kind(raw) == "text")
    }

    /// Reads an object. Reads only the keys of `T`.
    pub(super) fn object<T: Deserialize<'d>>(self, report: &mut Report) -> Option<T> {
        let json = self.of_kind("an object", report)?;
        // `T` contains raw values only, so the only possible error is a duplicate key.
        let read = serde_json::from_str(json).map_err(|error| {
            let error = error.to_string();
            let what = error.split(" at line ").next().unwrap_or_default();
            report.fault(self.path, Cause::DuplicateKey, format!("cannot be read: {what}"));
        });
        read.ok()
    }

    /// Returns the items of a list. Their number is subtracted from `room`.
    pub(super) fn items<'s>(
        &'s self,
        room: &mut Room,
        report: &mut Report,
    ) -> impl Iterator<Item = Spot<'d, 's>> + use<'d, 's> {
        let list = self.list(room, report).unwrap_or_default();
        self.numbered(list)
    }

    /// Does the same as [`Self::items`] for an optional list.
    pub(super) fn items_if_any<'s>(
        &'s self,
        room: &mut Room,
        report: &mut Report,
    ) -> impl Iterator<Item = Spot<'d, 's>> + use<'d, 's> {
        let list = self.raw.and_then(|_| self.list(room, report)).unwrap_or_default();
        self.numbered(list)
    }

    fn numbered<'s>(&'s self, list: Vec<&'d RawValue>) -> impl Iterator<Item = Spot<'d, 's>> + use<'d, 's> {
        list.into_iter().enumerate().map(|(index, raw)| Spot { raw: Some(raw), path: self.path.index(index) })
    }

    fn list(self, room: &mut Room, report: &mut Report) -> Option<Vec<&'d RawValue>> {
        let json = self.of_kind("a list", report)?;
        room.take(json).map_err(|why| report.last_fault(self.path, Cause::Limit, why)).ok()
    }

    /// Reads an optional text; a number counts as text. Returns `None` if it is absent or unusable.
    pub(super) fn text(self, report: &mut Report) -> Option<String> {
        if self.is_absent() {
            return None;
        }
        let text = self.string(report)?;
        self.fit(text, report)
    }

    /// Reads an optional text as one line: white space becomes single spaces. Returns `None` if it is absent or empty.
    pub(super) fn words(self, report: &mut Report) -> Option<String> {
        if self.is_absent() {
            return None;
        }
        let words = self.string(report)?.split_whitespace().collect::<Vec<_>>().join(" ");
        self.fit(words, report).filter(|words| !words.is_empty())
    }

    fn string(self, report: &mut Report) -> Option<String> {
        let raw = self.raw?;
        match kind(raw) {
            "text" => serde_json::from_str(raw.get())
                .map_err(|_| {
                    let why = "contains an escape sequence that is not a character";
                    report.fault(self.path, Cause::Escape, why);
                })
                .ok(),
            "a number" => Some(raw.get().to_owned()),
            other => {
                report.fault(self.path, Cause::WrongKind, format!("must be text, but is {other}"));
                None
            }
        }
    }

    /// Returns the text without invisible characters, if it is short enough.
    fn fit(self, text: String, report: &mut Report) -> Option<String> {
        let text = if text.chars().any(is_invisible) {
            report.warn(WarningCode::TextCleaned, self.path);
            cleaned(&text)
        } else {
            text
        };
        let chars = text.chars().count();
        if chars > NAME_CHARS_MAX {
            let why = format!("is {chars} characters long; the maximum is {NAME_CHARS_MAX}");
            report.fault(self.path, Cause::TooLong, why);
            return None;
        }
        Some(text)
    }

    /// Reads an optional name without surrounding white space, which users could not see or retype.
    pub(super) fn name(self, report: &mut Report) -> Option<String> {
        let name = self.text(report)?;
        let trimmed = name.trim();
        if trimmed.len() < name.len() && !trimmed.is_empty() {
            report.warn(WarningCode::TextCleaned, self.path);
        }
        Some(trimmed.to_owned()).filter(|name| !name.is_empty())
    }

    /// Reads a finite number of at most [`COORDINATE_MAX`] in magnitude. A text of digits is a number.
    pub(super) fn number(self, report: &mut Report) -> Option<f64> {
        let digits = self.digits(report)?;
        // Use the standard library: serde_json's floats may differ in the last digit.
        let number: f64 = digits.parse().unwrap_or(f64::INFINITY);
        if number.abs() > COORDINATE_MAX {
            let why = format!("{} is out of bounds; the maximum is {COORDINATE_MAX}", short(&digits));
            report.fault(self.path, Cause::OutOfBounds, why);
            return None;
        }
        Some(number)
    }

    /// Reads an integer from 1 to `most`. A text of digits is a number.
    pub(super) fn count(self, most: u32, report: &mut Report) -> Option<u32> {
        let digits = self.digits(report)?;
        let whole = digits.strip_suffix(".0").unwrap_or(&digits);
        let count = whole.parse().ok().filter(|count| (1..=most).contains(count));
        if count.is_none() {
            let why =
                format!("{} is not a whole number from 1 to {}", short(&digits), grouped(most as usize));
            report.fault(self.path, Cause::Capacity, why);
        }
        count
    }

    /// Reads a boolean, also as text. Returns `false` if it is absent.
    pub(super) fn flag(self, report: &mut Report) -> bool {
        match self.json() {
            None | Some("\"false\"" | "\"\"") => false,
            Some("\"true\"") => true,
            Some(_) => self.of_kind("true or false", report) == Some("true"),
        }
    }

    /// Reads a position `{x, y}`.
    pub(super) fn point(self, report: &mut Report) -> Option<(f64, f64)> {
        let point: Point = self.object(report)?;
        let x = self.at("x", point.x).number(report);
        let y = self.at("y", point.y).number(report);
        x.zip(y)
    }

    /// Reads an optional position relative to the parent. If it is absent, returns the parent's origin.
    pub(super) fn offset(self, report: &mut Report) -> Option<(f64, f64)> {
        if self.is_absent() { Some((0.0, 0.0)) } else { self.point(report) }
    }

    /// Returns the digits of a number, or of a text that is a number.
    fn digits(self, report: &mut Report) -> Option<String> {
        if let Some(number) = self.json().and_then(number_in_text) {
            return Some(number);
        }
        self.of_kind("a number", report).map(str::to_owned)
    }

    fn present(self, report: &mut Report) -> Option<&'d RawValue> {
        if self.is_absent() {
            report.fault(self.path, Cause::Missing, "is missing");
        }
        self.raw
    }

    fn of_kind(self, wanted: &str, report: &mut Report) -> Option<&'d str> {
        let raw = self.present(report)?;
        let found = kind(raw);
        if found != wanted {
            report.fault(self.path, Cause::WrongKind, format!("must be {wanted}, but is {found}"));
            return None;
        }
        Some(raw.get())
    }
}

/// Returns the number in a JSON text such as `"12"`, `" 1.5 "` or `"1,5"`. Returns `None` for all other JSON.
pub(super) fn number_in_text(json: &str) -> Option<String> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?.trim();
    let is_number = !text.is_empty()
        && text.chars().all(|letter| letter.is_ascii_digit() || "+-.,eE".contains(letter))
        && text.chars().any(|letter| letter.is_ascii_digit());
    let number = text.strip_prefix('+').unwrap_or(text).replace(',', ".");
    let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite() && is_number)?;
    Some(number.to_string())
}

/// Returns whether the character is invisible or changes the direction of the text around it.
fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Removes invisible characters. Line breaks and tabs become single spaces.
fn cleaned(text: &str) -> String {
    let visible = |letter: char| {
        if letter.is_whitespace() { Some(' ') } else { Some(letter).filter(|_| !is_invisible(letter)) }
    };
    let text: String = text.chars().filter_map(visible).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Shortens a number for a message: in the document it may have any length.
fn short(digits: &str) -> &str {
    digits.get(..20).unwrap_or(digits)
}

/// Returns the kind of a JSON value by its first character. The document is known to be valid JSON.
fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_are_read() {
        for (json, number) in [
            (r#""12""#, Some("12")),
            (r#"" -1.50 ""#, Some("-1.5")),
            (r#""1,5""#, Some("1.5")),
            (r#""+3e2""#, Some("300")),
            (r#""007""#, Some("7")),
            (r#"".5""#, Some("0.5")),
            (r#""""#, None),
            (r#""1.2.3""#, None),
            (r#""1e999""#, None),
            (r#""NaN""#, None),
            (r#""inf""#, None),
            (r#""-""#, None),
            (r#""12 px""#, None),
            ("12", None),
            ("null", None),
        ] {
            assert_eq!(number_in_text(json).as_deref(), number, "{json}");
        }
    }

    #[test]
    fn invisible_characters_are_removed_and_line_breaks_become_spaces() {
        for (given, kept) in [
            ("Row\n 1", "Row 1"),
            ("\u{202e}evil", "evil"),
            ("A\u{200b}1\u{feff}", "A1"),
            ("a\u{7}b\t c", "ab c"),
            ("\r\n", ""),
        ] {
            assert!(given.chars().any(is_invisible));
            assert_eq!(cleaned(given), kept);
        }
        assert!(!"👩\u{200d}👧 é Straße".chars().any(is_invisible), "a joiner belongs to its emoji");
    }
}

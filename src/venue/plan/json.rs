//! Typed access to one value of the document. An unusable value becomes a fault at its path, and reading continues
//! without it.
//!
//! Values stay slices of the document until they are read, so unread keys allocate nothing.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::{Faults, Path};
use super::room::{Room, grouped};
use super::{COORDINATE_MAX, NAME_CHARS_MAX};

/// A raw value of the document. `null` counts as absent.
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
            $(#[serde(borrow)] $key: super::json::Raw<'d>,)*
        }
    };
}
pub(super) use raw_object;

raw_object!(Point { x, y });

impl<'d> Spot<'d, '_> {
    /// Returns the whole document. The text must be valid JSON.
    pub(super) fn document(text: &'d str) -> Self {
        Self { raw: serde_json::from_str::<&RawValue>(text).ok(), path: Path::Root }
    }

    /// Returns the value under a key of this object.
    pub(super) fn at<'s>(&'s self, key: &'static str, raw: Raw<'d>) -> Spot<'d, 's> {
        Spot { raw, path: self.path.key(key) }
    }

    pub(super) fn is_absent(self) -> bool {
        self.raw.is_none()
    }

    pub(super) fn is_text(self) -> bool {
        self.raw.is_some_and(|raw| kind(raw) == "text")
    }

    /// Reads an object. Reads only the keys of `T`.
    pub(super) fn object<T: Deserialize<'d>>(self, faults: &mut Faults) -> Option<T> {
        let json = self.of_kind("an object", faults)?;
        // `T` contains raw values only, so the only possible error is a duplicate key.
        let read = serde_json::from_str(json).map_err(|error| {
            let error = error.to_string();
            let what = error.split(" at line ").next().unwrap_or_default();
            faults.add(self.path, format!("cannot be read: {what}"));
        });
        read.ok()
    }

    /// Returns the items of a list. Their number is subtracted from `room`.
    pub(super) fn items<'s>(
        &'s self,
        room: &mut Room,
        faults: &mut Faults,
    ) -> impl Iterator<Item = Spot<'d, 's>> + use<'d, 's> {
        let list = self.list(room, faults).unwrap_or_default();
        self.numbered(list)
    }

    /// Does the same as [`Self::items`] for an optional list.
    pub(super) fn items_if_any<'s>(
        &'s self,
        room: &mut Room,
        faults: &mut Faults,
    ) -> impl Iterator<Item = Spot<'d, 's>> + use<'d, 's> {
        let list = self.raw.and_then(|_| self.list(room, faults)).unwrap_or_default();
        self.numbered(list)
    }

    fn numbered<'s>(&'s self, list: Vec<&'d RawValue>) -> impl Iterator<Item = Spot<'d, 's>> + use<'d, 's> {
        list.into_iter().enumerate().map(|(index, raw)| Spot { raw: Some(raw), path: self.path.index(index) })
    }

    fn list(self, room: &mut Room, faults: &mut Faults) -> Option<Vec<&'d RawValue>> {
        let json = self.of_kind("a list", faults)?;
        room.take(json).map_err(|why| faults.add_last(self.path, why)).ok()
    }

    /// Reads a text; a number counts as text. It may be empty, but must not be too long or contain control characters.
    pub(super) fn text(self, faults: &mut Faults) -> Option<String> {
        let text = self.string(faults)?;
        self.fit(text, faults)
    }

    /// Reads an optional text as one line: white space becomes single spaces. Returns `None` if it is absent or empty.
    pub(super) fn words(self, faults: &mut Faults) -> Option<String> {
        if self.is_absent() {
            return None;
        }
        let words = self.string(faults)?.split_whitespace().collect::<Vec<_>>().join(" ");
        self.fit(words, faults).filter(|words| !words.is_empty())
    }

    fn string(self, faults: &mut Faults) -> Option<String> {
        let raw = self.present(faults)?;
        match kind(raw) {
            "text" => serde_json::from_str(raw.get())
                .map_err(|_| faults.add(self.path, "contains an escape sequence that is not a character"))
                .ok(),
            "a number" => Some(raw.get().to_owned()),
            other => {
                faults.add(self.path, format!("must be text, but is {other}"));
                None
            }
        }
    }

    /// Returns the text if it is short enough and has no control characters.
    fn fit(self, text: String, faults: &mut Faults) -> Option<String> {
        let chars = text.chars().count();
        if chars > NAME_CHARS_MAX {
            faults.add(self.path, format!("is {chars} characters long; the maximum is {NAME_CHARS_MAX}"));
        } else if text.chars().any(char::is_control) {
            faults.add(self.path, "contains a control character, such as a line break or a tab");
        } else {
            return Some(text);
        }
        None
    }

    /// Reads a text that is not blank.
    pub(super) fn name(self, faults: &mut Faults) -> Option<String> {
        let name = self.text(faults)?;
        if name.trim().is_empty() {
            faults.add(self.path, "must not be empty");
            return None;
        }
        Some(name)
    }

    /// Reads a name without surrounding white space, which users could not see or retype.
    pub(super) fn guid(self, faults: &mut Faults) -> Option<String> {
        let guid = self.name(faults)?;
        if guid.trim() != guid {
            faults.add(self.path, format!("`{guid}` begins or ends with a space"));
            return None;
        }
        Some(guid)
    }

    /// Reads a finite number of at most [`COORDINATE_MAX`] in magnitude.
    pub(super) fn number(self, faults: &mut Faults) -> Option<f64> {
        let digits = self.of_kind("a number", faults)?;
        // Use the standard library: serde_json's floats may differ in the last digit.
        let number: f64 = digits.parse().unwrap_or(f64::INFINITY);
        if number.abs() > COORDINATE_MAX {
            faults.add(
                self.path,
                format!("{} is out of bounds; the maximum is {COORDINATE_MAX}", short(digits)),
            );
            return None;
        }
        Some(number)
    }

    /// Reads an integer from 1 to `most`.
    pub(super) fn count(self, most: u32, faults: &mut Faults) -> Option<u32> {
        let digits = self.of_kind("a number", faults)?;
        let count = digits.parse().ok().filter(|count| (1..=most).contains(count));
        if count.is_none() {
            let most = grouped(most as usize);
            faults.add(self.path, format!("{} is not a whole number from 1 to {most}", short(digits)));
        }
        count
    }

    /// Reads a boolean. Returns `false` if it is absent.
    pub(super) fn flag(self, faults: &mut Faults) -> bool {
        !self.is_absent() && self.of_kind("true or false", faults) == Some("true")
    }

    /// Reads a position `{x, y}`.
    pub(super) fn point(self, faults: &mut Faults) -> Option<(f64, f64)> {
        let point: Point = self.object(faults)?;
        let x = self.at("x", point.x).number(faults);
        let y = self.at("y", point.y).number(faults);
        x.zip(y)
    }

    /// Reads an optional position relative to the parent. If it is absent, returns the parent's origin.
    pub(super) fn offset(self, faults: &mut Faults) -> Option<(f64, f64)> {
        if self.is_absent() { Some((0.0, 0.0)) } else { self.point(faults) }
    }

    fn present(self, faults: &mut Faults) -> Option<&'d RawValue> {
        if self.is_absent() {
            faults.add(self.path, "is missing");
        }
        self.raw
    }

    fn of_kind(self, wanted: &str, faults: &mut Faults) -> Option<&'d str> {
        let raw = self.present(faults)?;
        let found = kind(raw);
        if found != wanted {
            faults.add(self.path, format!("must be {wanted}, but is {found}"));
            return None;
        }
        Some(raw.get())
    }
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

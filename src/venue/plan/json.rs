//! Typed access to one value of the document. Whatever cannot be used becomes a fault at its own path, and
//! the walk goes on without it.
//!
//! Values stay slices of the document until they are asked for, so nothing is ever built from keys that are
//! not read.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::{Faults, Path};
use super::room::{Room, grouped};
use super::{COORDINATE_MAX, NAME_CHARS_MAX};

/// A value as it stands in the document. `null` counts as absent.
pub(super) type Raw<'d> = Option<&'d RawValue>;

/// A place in the document and what is written there.
#[derive(Clone, Copy)]
pub(super) struct Spot<'d, 'p> {
    raw: Raw<'d>,
    pub(super) path: Path<'p>,
}

/// Declares an object whose listed keys are read, each as a raw value.
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
    /// The whole of a document that is known to be JSON.
    pub(super) fn document(text: &'d str) -> Self {
        Self { raw: serde_json::from_str::<&RawValue>(text).ok(), path: Path::Root }
    }

    /// The value under a key of this object.
    pub(super) fn at<'s>(&'s self, key: &'static str, raw: Raw<'d>) -> Spot<'d, 's> {
        Spot { raw, path: self.path.key(key) }
    }

    pub(super) fn is_absent(self) -> bool {
        self.raw.is_none()
    }

    pub(super) fn is_text(self) -> bool {
        self.raw.is_some_and(|raw| kind(raw) == "text")
    }

    /// An object, of whose keys only those of `T` are read.
    pub(super) fn object<T: Deserialize<'d>>(self, faults: &mut Faults) -> Option<T> {
        let json = self.of_kind("an object", faults)?;
        // `T` consists of raw values only, so the one thing that can fail is a key written twice.
        let read = serde_json::from_str(json).map_err(|error| {
            let error = error.to_string();
            let what = error.split(" at line ").next().unwrap_or_default();
            faults.add(self.path, format!("cannot be read: {what}"));
        });
        read.ok()
    }

    /// The items of a list, whose length is taken from the room that is left.
    pub(super) fn items<'s>(
        &'s self,
        room: &mut Room,
        faults: &mut Faults,
    ) -> impl Iterator<Item = Spot<'d, 's>> + use<'d, 's> {
        let list = self.list(room, faults).unwrap_or_default();
        self.numbered(list)
    }

    /// The same for a list that may be left out.
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

    /// Text, or a number taken as text. It may be empty, but not long, and bears no control characters.
    pub(super) fn text(self, faults: &mut Faults) -> Option<String> {
        let text = self.string(faults)?;
        self.fit(text, faults)
    }

    /// Text that may be left out or empty, on one line: line breaks are blanks here.
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
                .map_err(|_| faults.add(self.path, "contains an escape that is no character"))
                .ok(),
            "a number" => Some(raw.get().to_owned()),
            other => {
                faults.add(self.path, format!("must be text, but is {other}"));
                None
            }
        }
    }

    /// The text, when it can be shown.
    fn fit(self, text: String, faults: &mut Faults) -> Option<String> {
        let chars = text.chars().count();
        if chars > NAME_CHARS_MAX {
            faults.add(self.path, format!("is {chars} characters long; the most is {NAME_CHARS_MAX}"));
        } else if text.chars().any(char::is_control) {
            faults.add(self.path, "contains a control character, such as a line break or a tab");
        } else {
            return Some(text);
        }
        None
    }

    /// Text that is not blank.
    pub(super) fn name(self, faults: &mut Faults) -> Option<String> {
        let name = self.text(faults)?;
        if name.trim().is_empty() {
            faults.add(self.path, "must not be empty");
            return None;
        }
        Some(name)
    }

    /// A name without blanks around it, which nobody could see or retype.
    pub(super) fn guid(self, faults: &mut Faults) -> Option<String> {
        let guid = self.name(faults)?;
        if guid.trim() != guid {
            faults.add(self.path, format!("`{guid}` begins or ends with a space"));
            return None;
        }
        Some(guid)
    }

    /// A finite number within the bounds of a plan.
    pub(super) fn number(self, faults: &mut Faults) -> Option<f64> {
        let digits = self.of_kind("a number", faults)?;
        // Not serde_json: its reading of floats may be off in the last digit, the standard library's is not.
        let number: f64 = digits.parse().unwrap_or(f64::INFINITY);
        if number.abs() > COORDINATE_MAX {
            faults
                .add(self.path, format!("{} is out of bounds; the most is {COORDINATE_MAX}", short(digits)));
            return None;
        }
        Some(number)
    }

    /// A whole number from 1 to `most`.
    pub(super) fn count(self, most: u32, faults: &mut Faults) -> Option<u32> {
        let digits = self.of_kind("a number", faults)?;
        let count = digits.parse().ok().filter(|count| (1..=most).contains(count));
        if count.is_none() {
            let most = grouped(most as usize);
            faults.add(self.path, format!("{} is not a whole number from 1 to {most}", short(digits)));
        }
        count
    }

    /// True or false; false when absent.
    pub(super) fn flag(self, faults: &mut Faults) -> bool {
        !self.is_absent() && self.of_kind("true or false", faults) == Some("true")
    }

    /// A position `{x, y}`.
    pub(super) fn point(self, faults: &mut Faults) -> Option<(f64, f64)> {
        let point: Point = self.object(faults)?;
        let x = self.at("x", point.x).number(faults);
        let y = self.at("y", point.y).number(faults);
        x.zip(y)
    }

    /// A position that may be left out, meaning the parent's own.
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

/// As much of a number as a sentence can bear: it may be as long as the document.
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

//! Exports a plan as a document that pretix accepts.
//!
//! pretix refuses unknown keys, so the export contains only the keys of its `seating-plan.schema.json`. Tessera's keys,
//! other unknown keys and decoration that pretix does not support are omitted.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::number_in_text;
use super::model::Plan;

/// The values that pretix accepts at a place of its document.
enum Form {
    /// A text. A number is written as text.
    Text,
    /// One of these texts.
    Word(&'static [&'static str]),
    Number,
    /// An integer. Fractions are rounded up.
    Whole,
    /// `{x, y}`. The origin if it is missing.
    Position,
    List(&'static Form),
    Object {
        needs: &'static [(&'static str, Form)],
        may: &'static [(&'static str, Form)],
    },
}

use Form::{List, Number, Object, Position, Text, Whole, Word};

const PLAN: Form = Object {
    needs: &[("name", Text), ("categories", List(&CATEGORY)), ("zones", List(&ZONE)), ("size", SIZE)],
    may: &[],
};
const SIZE: Form = Object { needs: &[("width", Whole), ("height", Whole)], may: &[] };
const CATEGORY: Form = Object { needs: &[("name", Text)], may: &[("color", Text)] };
const ZONE: Form = Object {
    needs: &[("name", Text), ("position", Position), ("rows", List(&ROW))],
    may: &[("zone_id", Text), ("uuid", Text), ("areas", List(&AREA))],
};
const ROW: Form = Object {
    needs: &[("row_number", Text), ("position", Position), ("seats", List(&SEAT))],
    may: &[
        ("row_label", Text),
        ("seat_label", Text),
        ("uuid", Text),
        ("row_number_position", Word(&["start", "end", "both"])),
    ],
};
const SEAT: Form = Object {
    needs: &[("seat_guid", Text), ("seat_number", Text), ("position", Position), ("category", Text)],
    may: &[("uuid", Text), ("start_direction", Text), ("radius", Number)],
};
const AREA: Form = Object {
    needs: &[("position", Position)],
    may: &[
        ("shape", Word(&["polygon", "rectangle", "ellipse", "circle", "text"])),
        ("color", Text),
        ("border_color", Text),
        ("rotation", Number),
        ("uuid", Text),
        ("polygon", Object { needs: &[("points", List(&POINT))], may: &[] }),
        ("rectangle", Object { needs: &[("width", Number), ("height", Number)], may: &[] }),
        ("ellipse", Object { needs: &[("radius", POINT)], may: &[] }),
        ("circle", Object { needs: &[("radius", Number)], may: &[] }),
        (
            "text",
            Object {
                needs: &[("text", Text), ("position", Position)],
                may: &[("color", Text), ("size", Number)],
            },
        ),
    ],
};
const POINT: Form = Object { needs: &[("x", Number), ("y", Number)], may: &[] };

impl Plan {
    /// Returns the document reduced to pretix's keys. General-admission areas become decoration.
    ///
    /// pretix requires at least two characters in a seat's guid. A shorter guid is exported unchanged.
    pub fn for_pretix(&self) -> String {
        let mut out = String::with_capacity(self.document.len());
        PLAN.write(serde_json::from_str(&self.document).ok(), &mut out);
        out
    }
}

impl Form {
    /// Writes the parts of the value that fit this form. Returns `false` and writes nothing if nothing fits.
    fn write(&self, raw: Option<&RawValue>, out: &mut String) -> bool {
        let json = raw.map_or("null", RawValue::get);
        if let (Number | Whole, Some(number)) = (self, number_in_text(json)) {
            return self.write(RawValue::from_string(number).ok().as_deref(), out);
        }
        let is_text = json.starts_with('"');
        let is_number = json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        match *self {
            Text if is_number => put(out, &["\"", json, "\""]),
            Text => is_text && put(out, &[json]),
            Word(words) => is_text && words.contains(&json.trim_matches('"')) && put(out, &[json]),
            Number => is_number && put(out, &[json]),
            Whole => is_number && put(out, &[&json.parse::<f64>().unwrap_or_default().ceil().to_string()]),
            Position => POINT.write(raw, out),
            List(item) => json.starts_with('[') && write_list(item, json, out),
            Object { needs, may } => json.starts_with('{') && write_object(needs, may, json, out),
        }
    }

    /// Writes pretix's default for a missing value. Returns `false` if there is no default.
    fn write_default(&self, out: &mut String) -> bool {
        match *self {
            Text => put(out, &["\"\""]),
            Position => put(out, &[r#"{"x":0,"y":0}"#]),
            List(_) => put(out, &["[]"]),
            Word(_) | Number | Whole | Object { .. } => false,
        }
    }
}

/// Writes the parts and returns `true`.
fn put(out: &mut String, parts: &[&str]) -> bool {
    out.extend(parts.iter().copied());
    true
}

/// Writes the items that fit.
fn write_list(item: &Form, json: &str, out: &mut String) -> bool {
    let items: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    out.push('[');
    for raw in items {
        let start = out.len();
        if !out.ends_with('[') {
            out.push(',');
        }
        if !item.write(Some(raw), out) {
            out.truncate(start);
        }
    }
    put(out, &["]"])
}

/// Writes the keys that fit. Returns `false` and writes nothing if a required key is missing.
fn write_object(needs: &[(&str, Form)], may: &[(&str, Form)], json: &str, out: &mut String) -> bool {
    let keys = || needs.iter().chain(may);
    let wanted: Vec<&str> = keys().map(|(key, _)| *key).collect();
    let Ok(values) = serde_json::Deserializer::from_str(json).deserialize_map(Pick(&wanted)) else {
        return false;
    };
    let start = out.len();
    for (index, ((key, form), raw)) in keys().zip(values).enumerate() {
        let before = out.len();
        put(out, &[if before == start { "{" } else { "," }, "\"", key, "\":"]);
        if form.write(raw, out) {
            continue;
        }
        if index >= needs.len() {
            out.truncate(before);
        } else if !form.write_default(out) {
            out.truncate(start);
            return false;
        }
    }
    put(out, &[if out.len() == start { "{}" } else { "}" }])
}

/// Selects these keys of an object, in this order, and skips the others.
struct Pick<'k>(&'k [&'k str]);

impl<'d> Visitor<'d> for Pick<'_> {
    type Value = Vec<Option<&'d RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.0.len()];
        while let Some(key) = map.next_key::<Cow<'d, str>>()? {
            match self.0.iter().position(|wanted| *wanted == key) {
                Some(index) => values[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(values)
    }
}

//! Drawings of a plan other than seats: outlines of areas, and decoration such as the stage and texts.
//!
//! A drawing is never refused. Unsupported parts are omitted, so that imported plans stay valid.

use serde::Deserialize;
use serde_json::Value;

use super::color::color;
use super::json::number_in_text;
use super::model::{COORDINATE_MAX, NAME_CHARS_MAX, Plan};

/// The maximum number of corners of an outline. Outlines with more are omitted.
const CORNERS_MAX: usize = 1_000;

/// One drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The index of the outlined area in [`Plan::areas`]. `None` for decoration.
    pub area: Option<usize>,
    /// The distance of its anchor from the plan's left edge, in plan units.
    pub x: f64,
    /// The distance of its anchor from the plan's upper edge, in plan units.
    pub y: f64,
    /// The rotation around the anchor, clockwise, in degrees.
    pub rotation: f64,
    /// The shape.
    pub shape: Shape,
    /// The colour as `#rrggbb`. Safe in HTML.
    pub color: Option<String>,
    /// The text on it.
    pub text: Option<String>,
}

/// A shape, relative to its anchor.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A rectangle. The anchor is its upper left corner.
    Rectangle {
        /// The width, to the right.
        width: f64,
        /// The height, downwards.
        height: f64,
    },
    /// An ellipse. The anchor is its centre.
    Ellipse {
        /// The horizontal radius.
        rx: f64,
        /// The vertical radius.
        ry: f64,
    },
    /// A polygon with these corners.
    Polygon(Vec<(f64, f64)>),
    /// Only text. The anchor is its centre.
    Text,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    zones: Vec<Zone>,
}

#[derive(Deserialize)]
struct Zone {
    #[serde(default)]
    position: Value,
    #[serde(default)]
    areas: Option<Vec<Value>>,
}

impl Plan {
    /// Returns all drawings in map order.
    pub fn drawings(&self) -> Vec<Drawing> {
        drawn(&self.document).into_iter().map(|drawn| drawn.drawing).collect()
    }
}

impl Drawing {
    /// Returns the upper left and the lower right corner of the drawing without its rotation.
    pub(super) fn bounds(&self) -> ((f64, f64), (f64, f64)) {
        let at = |x: f64, y: f64| (self.x + x, self.y + y);
        match &self.shape {
            &Shape::Rectangle { width, height } => (at(0.0, 0.0), at(width, height)),
            &Shape::Ellipse { rx, ry } => (at(-rx, -ry), at(rx, ry)),
            Shape::Polygon(corners) => {
                let first = corners.first().copied().unwrap_or_default();
                let bounds = corners.iter().fold((first, first), |((x, y), (right, low)), corner| {
                    ((x.min(corner.0), y.min(corner.1)), (right.max(corner.0), low.max(corner.1)))
                });
                let ((x, y), (right, low)) = bounds;
                (at(x, y), at(right, low))
            }
            Shape::Text => (at(0.0, 0.0), at(0.0, 0.0)),
        }
    }
}

/// A drawing with its place in the document.
pub(super) struct Drawn {
    pub(super) drawing: Drawing,
    /// The index of its zone.
    pub(super) zone: usize,
    /// The `name` of its area.
    pub(super) name: Option<String>,
}

/// Reads all drawings of a document.
pub(super) fn drawn(document: &str) -> Vec<Drawn> {
    let Ok(document) = serde_json::from_str::<Document>(document) else { return Vec::new() };
    let (mut drawings, mut areas) = (Vec::new(), 0..);
    for (zone, raw) in document.zones.into_iter().enumerate() {
        let origin = point(&raw.position).unwrap_or_default();
        for raw in raw.areas.unwrap_or_default() {
            // The reader counts areas in the same order: those with a capacity are general admission.
            let area = if raw["capacity"].is_null() { None } else { areas.next() };
            let drawing = drawing(&raw, origin, area);
            drawings.extend(drawing.map(|drawing| Drawn { drawing, zone, name: words(&raw["name"]) }));
        }
    }
    drawings
}

fn drawing(raw: &Value, origin: (f64, f64), area: Option<usize>) -> Option<Drawing> {
    let text = words(&raw["text"]["text"]).or_else(|| words(&raw["text"]));
    // The areas of early pretix plans have no shape: they are rectangles.
    let early = length(&raw["width"]).zip(length(&raw["height"]));
    let shape = match raw["shape"].as_str().or(early.and(Some("early")))? {
        "early" => early.map(|(width, height)| Shape::Rectangle { width, height })?,
        "rectangle" => Shape::Rectangle {
            width: length(&raw["rectangle"]["width"])?,
            height: length(&raw["rectangle"]["height"])?,
        },
        "circle" => {
            let radius = length(&raw["circle"]["radius"])?;
            Shape::Ellipse { rx: radius, ry: radius }
        }
        "ellipse" => Shape::Ellipse {
            rx: length(&raw["ellipse"]["radius"]["x"])?,
            ry: length(&raw["ellipse"]["radius"]["y"])?,
        },
        "polygon" => {
            let corners = raw["polygon"]["points"].as_array()?;
            let corners = corners.iter().take(CORNERS_MAX + 1).map(point).collect::<Option<Vec<_>>>()?;
            Some(corners).filter(|corners| (3..=CORNERS_MAX).contains(&corners.len())).map(Shape::Polygon)?
        }
        "text" if text.is_some() => Shape::Text,
        _ => return None,
    };
    let (x, y) = point(&raw["position"]).unwrap_or_default();
    let rotation = number(&raw["rotation"]).unwrap_or_default() % 360.0;
    let (x, y) = (thousandths(origin.0 + x), thousandths(origin.1 + y));
    let color = raw["color"].as_str().and_then(color);
    Some(Drawing { area, x, y, rotation, shape, color, text })
}

fn number(value: &Value) -> Option<f64> {
    let in_text = || number_in_text(&format!("\"{}\"", value.as_str()?))?.parse().ok();
    value.as_f64().or_else(in_text).filter(|number| number.abs() <= COORDINATE_MAX)
}

fn length(value: &Value) -> Option<f64> {
    number(value).filter(|length| *length > 0.0)
}

fn point(value: &Value) -> Option<(f64, f64)> {
    number(&value["x"]).zip(number(&value["y"]))
}

fn words(value: &Value) -> Option<String> {
    let words = value.as_str()?.split_whitespace().collect::<Vec<_>>().join(" ");
    let fits =
        !words.is_empty() && words.chars().count() <= NAME_CHARS_MAX && !words.chars().any(char::is_control);
    fits.then_some(words)
}

fn thousandths(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drawings(areas: &Value) -> Vec<Drawing> {
        let document = json!({ "name": "n", "size": { "width": 10, "height": 10 }, "categories": [],
            "zones": [{ "name": "z", "position": { "x": 1, "y": 2.5 }, "rows": [], "areas": areas }] });
        Plan::parse(&document.to_string()).unwrap().drawings()
    }

    #[test]
    fn outlines_belong_to_their_areas_and_the_rest_is_decoration() {
        let drawn = drawings(&json!([
            { "shape": "rectangle", "rectangle": { "width": 8, "height": 2 }, "position": { "x": 1, "y": 1 },
              "color": "#FFF", "rotation": 450, "text": { "text": " The \n stage " } },
            { "capacity": 5, "area_guid": "a" },
            { "shape": "circle", "circle": { "radius": 3 }, "capacity": 7, "area_guid": "b" },
            { "shape": "ellipse", "ellipse": { "radius": { "x": 1, "y": 2 } }, "capacity": null },
            { "shape": "polygon", "polygon": { "points": [{ "x": 0, "y": 0 }, { "x": 1, "y": 0 }, { "x": 0, "y": -1 }] } },
            { "shape": "text", "text": { "text": "Bar" } },
        ]));
        let areas: Vec<_> = drawn.iter().map(|drawing| drawing.area).collect();
        assert_eq!(areas, [None, Some(1), None, None, None]);
        let stage = Drawing {
            area: None,
            x: 2.0,
            y: 3.5,
            rotation: 90.0,
            shape: Shape::Rectangle { width: 8.0, height: 2.0 },
            color: Some("#ffffff".to_owned()),
            text: Some("The stage".to_owned()),
        };
        assert_eq!(drawn[0], stage);
        assert_eq!(drawn[1].shape, Shape::Ellipse { rx: 3.0, ry: 3.0 });
        assert_eq!(drawn[2].shape, Shape::Ellipse { rx: 1.0, ry: 2.0 });
        assert_eq!(drawn[3].shape, Shape::Polygon(vec![(0.0, 0.0), (1.0, 0.0), (0.0, -1.0)]));
        assert_eq!((&drawn[4].shape, drawn[4].text.as_deref()), (&Shape::Text, Some("Bar")));
    }

    #[test]
    fn unknown_values_are_ignored() {
        let corner = json!({ "x": 0, "y": 0 });
        let drawn = drawings(&json!([
            { "capacity": 1, "area_guid": "a", "shape": "star" },
            { "shape": "rectangle" },
            { "shape": "rectangle", "rectangle": { "width": -1, "height": 2 } },
            { "shape": "rectangle", "rectangle": { "width": 1e9, "height": 2 } },
            { "shape": "polygon", "polygon": { "points": [corner, corner] } },
            { "shape": "polygon", "polygon": { "points": vec![corner.clone(); CORNERS_MAX + 1] } },
            { "shape": "polygon", "polygon": { "points": [corner, corner, { "x": 1 }] } },
            { "shape": "text" },
            { "shape": 3 },
            {},
        ]));
        assert_eq!(drawn, []);
        let drawn = drawings(&json!([
            { "capacity": 1, "area_guid": "a" },
            { "shape": "circle", "circle": { "radius": 1 }, "color": "red;}</style>", "rotation": "much", "text": 5 },
        ]));
        assert_eq!((&drawn[0].color, &drawn[0].text, drawn[0].rotation), (&None, &None, 0.0));
    }
}

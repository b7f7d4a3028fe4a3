//! Drawings of a plan other than seats: outlines of areas, and decoration such as the stage and texts.
//!
//! A drawing is never refused. Unsupported parts are omitted, so that imported plans stay valid.

use serde::Deserialize;
use serde_json::Value;

use super::{COORDINATE_MAX, NAME_CHARS_MAX, Plan};

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
    /// The colour as `#rrggbb` or `#rgb`. Safe in HTML.
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
        let Ok(document) = serde_json::from_str::<Document>(&self.document) else { return Vec::new() };
        let (mut drawings, mut areas) = (Vec::new(), 0..self.areas.len());
        for zone in document.zones {
            let origin = point(&zone.position).unwrap_or_default();
            for raw in zone.areas.unwrap_or_default() {
                // The reader counts areas in the same order: those with a capacity are general admission.
                let area = if raw["capacity"].is_null() { None } else { areas.next() };
                drawings.extend(drawing(&raw, origin, area));
            }
        }
        drawings
    }
}

fn drawing(raw: &Value, origin: (f64, f64), area: Option<usize>) -> Option<Drawing> {
    let text = words(&raw["text"]["text"]).or_else(|| words(&raw["text"]));
    let shape = match raw["shape"].as_str()? {
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
    Some(Drawing { area, x, y, rotation, shape, color: color(&raw["color"]), text })
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.abs() <= COORDINATE_MAX)
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

fn color(value: &Value) -> Option<String> {
    let digits = value.as_str()?.strip_prefix('#')?;
    let good = matches!(digits.len(), 3 | 6) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    good.then(|| format!("#{}", digits.to_ascii_lowercase()))
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
            color: Some("#fff".to_owned()),
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

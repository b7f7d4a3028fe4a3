//! What a plan draws besides its seats: the outlines of areas, and decoration such as the stage and words.
//!
//! Drawings are never refused. Whatever of one cannot be understood is left out, because a plan that was good when it was
//! imported stays good.

use serde::Deserialize;
use serde_json::Value;

use super::{COORDINATE_MAX, NAME_CHARS_MAX, Plan};

/// Corners that an outline may have; what has more is not drawn.
const CORNERS_MAX: usize = 1_000;

/// Something drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The admission area whose outline it is, as an index into [`Plan::areas`]; none: decoration.
    pub area: Option<usize>,
    /// Distance of its anchor from the plan's left edge.
    pub x: f64,
    /// Distance of its anchor from the plan's upper edge.
    pub y: f64,
    /// In degrees, clockwise around the anchor.
    pub rotation: f64,
    /// Its form.
    pub shape: Shape,
    /// Always `#rrggbb` or `#rgb`, so it is safe to put into a page.
    pub color: Option<String>,
    /// The words on it.
    pub text: Option<String>,
}

/// A form, relative to its anchor.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// The anchor is the upper left corner.
    Rectangle {
        /// To the right.
        width: f64,
        /// Downwards.
        height: f64,
    },
    /// The anchor is the centre.
    Ellipse {
        /// Horizontally.
        rx: f64,
        /// Vertically.
        ry: f64,
    },
    /// Corners.
    Polygon(Vec<(f64, f64)>),
    /// Nothing but words, with the anchor as their centre.
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
    /// Everything that is drawn, in map order.
    pub fn drawings(&self) -> Vec<Drawing> {
        let Ok(document) = serde_json::from_str::<Document>(&self.document) else { return Vec::new() };
        let (mut drawings, mut areas) = (Vec::new(), 0..self.areas.len());
        for zone in document.zones {
            let origin = point(&zone.position).unwrap_or_default();
            for raw in zone.areas.unwrap_or_default() {
                // The reader counts areas in the same order: those with a capacity are admission.
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
    fn what_cannot_be_understood_is_left_out() {
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

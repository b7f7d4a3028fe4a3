//! The geometry of a seat map as one JSON text, for front ends that draw it. It contains everything that `SeatMap`
//! returns about places. It is served at `SeatMap.url`, apart from GraphQL, so that browsers and caches can keep it.

use async_graphql::ID;
use serde::{Serialize, Serializer};

use super::places::{area_id, seat_id};
use crate::{
    graphql::id::{decode, encode},
    venue::{
        SeatMap,
        plan::{self, Access, shape},
    },
};

/// The version of the format. It increases when the meaning of the text changes.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Geometry<'a> {
    format: u32,
    id: String,
    revision: i32,
    name: &'a str,
    width: Number,
    height: Number,
    categories: Vec<Category<'a>>,
    zones: Vec<Zone<'a>>,
    areas: Vec<Area<'a>>,
    drawings: Vec<Drawing<'a>>,
}

#[derive(Serialize)]
struct Category<'a> {
    name: &'a str,
    color: &'a str,
}

#[derive(Serialize)]
struct Zone<'a> {
    name: &'a str,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    number: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    seats: Vec<Seat<'a>>,
}

#[derive(Serialize)]
struct Seat<'a> {
    id: String,
    number: &'a str,
    x: Number,
    y: Number,
    /// Index into `categories`.
    category: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "companionOf")]
    companion_of: Option<String>,
}

#[derive(Serialize)]
struct Area<'a> {
    id: String,
    name: &'a str,
    /// Index into `zones`.
    zone: usize,
    /// Index into `categories`.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<usize>,
    capacity: u32,
    x: Number,
    y: Number,
}

#[derive(Serialize)]
struct Drawing<'a> {
    /// Index into `areas`. `None` for decoration.
    #[serde(skip_serializing_if = "Option::is_none")]
    area: Option<usize>,
    x: Number,
    y: Number,
    #[serde(skip_serializing_if = "Number::is_zero")]
    rotation: Number,
    #[serde(flatten)]
    shape: Shape,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "shape", rename_all = "lowercase")]
enum Shape {
    Rectangle { width: Number, height: Number },
    Ellipse { rx: Number, ry: Number },
    Polygon { points: Vec<(Number, Number)> },
    Text,
}

/// A number that is written without a fraction if it is an integer.
#[derive(Clone, Copy)]
struct Number(f64);

impl Number {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
    fn is_zero(&self) -> bool {
        self.0 == 0.0
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::cast_possible_truncation, reason = "coordinates are at most a million")]
        let whole = self.0 as i64;
        if self.0.fract() == 0.0 { serializer.serialize_i64(whole) } else { serializer.serialize_f64(self.0) }
    }
}

/// Returns the path of the geometry below the server's address.
pub(crate) fn path(id: entity::SeatMapId) -> String {
    format!("/seat-maps/{}", encode(id).0)
}

/// Parses the last part of such a path.
pub(crate) fn named(id: String) -> Option<entity::SeatMapId> {
    decode(&ID(id), "id").ok()
}

/// Serialises the geometry. Equal seat maps give equal texts.
pub(crate) fn geometry(map: &SeatMap) -> serde_json::Result<String> {
    let plan = &map.plan;
    let drawings = plan.drawings();
    serde_json::to_string(&Geometry {
        format: FORMAT,
        id: encode(map.id).0,
        revision: map.revision,
        name: &plan.name,
        width: Number(plan.width),
        height: Number(plan.height),
        categories: plan
            .categories
            .iter()
            .map(|category| Category { name: &category.name, color: &category.color })
            .collect(),
        zones: plan.zones.iter().map(|zone| Zone::of(map, zone)).collect(),
        areas: plan.areas.iter().enumerate().map(|(index, area)| Area::of(map, index, area)).collect(),
        drawings: drawings.iter().map(Drawing::of).collect(),
    })
}

impl<'a> Zone<'a> {
    fn of(map: &'a SeatMap, zone: &'a plan::Zone) -> Self {
        let rows = zone.rows.clone().map(|index| {
            let row = &map.plan.rows[index];
            let seats = row.seats.clone().map(|index| Seat::of(map, index)).collect();
            Row { number: &row.number, label: row.label.as_deref(), seats }
        });
        Self { name: &zone.name, rows: rows.collect() }
    }
}

impl<'a> Seat<'a> {
    fn of(map: &'a SeatMap, index: usize) -> Self {
        let seat = &map.plan.seats[index];
        let (access, companion_of) = match seat.access {
            Access::Standard => (None, None),
            Access::Wheelchair => (Some("wheelchair"), None),
            Access::Companion { of } => (Some("companion"), of.map(|of| seat_id(map, of).0)),
        };
        Self {
            id: seat_id(map, index).0,
            number: &seat.number,
            x: Number(seat.x),
            y: Number(seat.y),
            category: seat.category,
            access,
            companion_of,
        }
    }
}

impl<'a> Area<'a> {
    fn of(map: &SeatMap, index: usize, area: &'a plan::Area) -> Self {
        Self {
            id: area_id(map, index).0,
            name: &area.name,
            zone: area.zone,
            category: area.category,
            capacity: area.capacity,
            x: Number(area.x),
            y: Number(area.y),
        }
    }
}

impl<'a> Drawing<'a> {
    fn of(drawing: &'a shape::Drawing) -> Self {
        let shape = match &drawing.shape {
            &shape::Shape::Rectangle { width, height } => {
                Shape::Rectangle { width: Number(width), height: Number(height) }
            }
            &shape::Shape::Ellipse { rx, ry } => Shape::Ellipse { rx: Number(rx), ry: Number(ry) },
            shape::Shape::Polygon(points) => {
                Shape::Polygon { points: points.iter().map(|&(x, y)| (Number(x), Number(y))).collect() }
            }
            shape::Shape::Text => Shape::Text,
        };
        Self {
            area: drawing.area,
            x: Number(drawing.x),
            y: Number(drawing.y),
            rotation: Number(drawing.rotation),
            shape,
            color: drawing.color.as_deref(),
            text: drawing.text.as_deref(),
        }
    }
}

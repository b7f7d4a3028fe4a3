//! The focal point of a seat map or event in the API.

use async_graphql::{Context, Enum, InputObject, SimpleObject};
use entity::{SeatMapId, event};

use crate::{
    error::FaultResult,
    event::focal_point,
    graphql::context::ContextExt,
    venue::{
        self,
        plan::{self, FocalSource},
    },
};

/// How a focal point was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "FocalSource")]
pub enum FocalPointSource {
    /// The vendor gave it, in the plan or on the event.
    Given,
    /// A text on the plan names a stage, screen, pitch or similar.
    StageText,
    /// A shape, or a zone without places, has such a name.
    StageShape,
    /// A guess: the rows are curved around it.
    RowCurve,
    /// A guess: the rows are numbered, or listed, from the front to the back.
    RowOrder,
    /// A guess: nothing shows the front, so it is the middle of the upper edge.
    UpperEdge,
}

/// The point that the best seats are closest to, such as the stage.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct FocalPoint {
    /// The distance from the left edge of the plan, in plan units. May be outside of the plan.
    x: f64,
    /// The distance from the upper edge of the plan, in plan units. May be outside of the plan.
    y: f64,
    /// How it was found. If it is a guess and wrong, set `focalPoint` on the event.
    source: FocalPointSource,
}

impl FocalPoint {
    /// Returns the point that the vendor set for the event, or else that of its seat map.
    pub(crate) async fn of_event(ctx: &Context<'_>, row: &event::Model) -> FaultResult<Self> {
        match focal_point::FocalPoint::of(row) {
            Some(point) => {
                let (x, y) = point.units();
                Ok(Self { x, y, source: FocalPointSource::Given })
            }
            None => Self::of_map(ctx, row.seat_map_id).await,
        }
    }

    /// Returns the point of a seat map.
    pub(crate) async fn of_map(ctx: &Context<'_>, id: SeatMapId) -> FaultResult<Self> {
        let plan::FocalPoint { x, y, source } = venue::seat_map(ctx.app(), id).await?.plan.focal;
        Ok(Self { x, y, source: source.into() })
    }
}

/// A point on the plan of a seat map.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct FocalPointInput {
    /// The distance from the left edge of the plan, in plan units, from -1,000,000 to 1,000,000.
    x: f64,
    /// The distance from the upper edge of the plan, in plan units, from -1,000,000 to 1,000,000.
    y: f64,
}

impl FocalPointInput {
    /// Checks the point.
    pub(crate) fn parse(self) -> FaultResult<focal_point::FocalPoint> {
        focal_point::FocalPoint::in_units(self.x, self.y)
    }
}

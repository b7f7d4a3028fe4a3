//! Importing and deleting seat maps in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use super::SeatMap;
use crate::{
    graphql::{
        context::ContextExt,
        error::{ApiResult, outcome},
        id::decode,
        user_error::user_error,
        venue::Venue,
    },
    venue::{
        plan::{ImportOptions, Warning, WarningCode},
        revisions::{self, NewPlan},
        rules::Refusal,
    },
};

user_error! {
    /// An error of `importSeatMap`.
    ImportSeatMapError, ImportSeatMapErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// The venue already has 100 revisions of its seat map, which is the maximum. Delete one that no event uses.
        TooManyRevisions: Limited,
    }
}

user_error! {
    /// An error of `deleteSeatMap`.
    DeleteSeatMapError, DeleteSeatMapErrorCode (Invalid NotFound) from Refusal {
        /// `events` use the seat map. Move them to another one with `changeEventSeatMap`, or keep the seat map.
        InUse: Refused,
    }
    {
        /// With `IN_USE`: the number of events that use the seat map, including drafts and past events.
        events: i32,
    }
}

/// What was repaired or guessed during an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "WarningCode")]
pub enum SeatMapWarningCode {
    /// The plan has no name, so it got one.
    NameAdded,
    /// The plan has no usable size. Its size was chosen so that all places fit.
    SizeGuessed,
    /// A colour cannot be read. The default colour replaces it.
    ColorIgnored,
    /// Several categories have the same name. They were merged.
    CategoryMerged,
    /// Seats have no category name. They are in a category named `Uncategorised`, which needs a tier.
    CategoryAdded,
    /// Seats have a category that the plan does not declare. It was added. Check its spelling.
    CategoryUndeclared,
    /// Seats have no guid. They got one.
    GuidAdded,
    /// Guids that were used again got their zone and row as a prefix, because `prefixDuplicateGuids` is set.
    GuidPrefixed,
    /// Seats have no number.
    NumberMissing,
    /// Line breaks, invisible or control characters were removed from texts.
    TextCleaned,
    /// Places had the label of another place. Zone, block or number now tell them apart.
    LabelExtended,
    /// The plan does not say where the front is. See `SeatMap.focalPoint`.
    FrontGuessed,
}

/// What was repaired or guessed during an import. There is one warning per kind.
#[derive(Debug, SimpleObject)]
pub struct SeatMapWarning {
    /// The kind of the repair or guess.
    code: SeatMapWarningCode,
    /// The number of places in the plan that it is about.
    count: u32,
    /// An explanation for vendors, in English: what was changed, and what to check.
    message: String,
    /// The first places, at most 5: JSON paths, labels, or texts of the plan.
    examples: Vec<String>,
}

impl From<Warning> for SeatMapWarning {
    fn from(warning: Warning) -> Self {
        let (code, message) = (warning.code.into(), warning.message());
        Self { code, count: warning.count, message, examples: warning.examples }
    }
}

/// How a plan is imported.
#[derive(Clone, Copy, Debug, Default, InputObject)]
pub struct ImportSeatMapOptions {
    /// Whether guids that are used again get their zone and row as a prefix, and a number if necessary. The first use
    /// keeps its guid. The same plan always gets the same guids. If false, duplicate guids are an error.
    #[graphql(default)]
    prefix_duplicate_guids: bool,
}

/// Input of `importSeatMap`.
#[derive(Debug, InputObject)]
pub struct ImportSeatMapInput {
    /// The venue of the plan. You must be an owner or manager of its shop.
    venue_id: ID,
    /// The plan as pretix seating-plan JSON, or an object of pretix's API with the plan as its `layout`. Colours can be
    /// any colour of CSS. Numbers can be texts, and texts numbers. What is missing is added if possible; see `warnings`
    /// in the result. Tessera reads additional keys: `capacity` makes an area a general-admission area. `wheelchair`
    /// marks a seat as a wheelchair place. `companion` or `companion_of` marks a companion seat. `focal_point`, such as
    /// `{"x": 500, "y": 0}`, is the point that the best seats are closest to. If it is missing, it is inferred from
    /// texts and shapes that name a stage, screen, pitch or similar, or from the rows; see `SeatMap.focalPoint`.
    plan: String,
    /// How the plan is imported.
    options: Option<ImportSeatMapOptions>,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result. Without a key, a repeated call creates another object.
    idempotency_key: Option<String>,
}

/// The result of `importSeatMap`.
#[derive(Debug, SimpleObject)]
pub struct ImportSeatMapPayload {
    /// The new revision. Null if `errors` is not empty.
    seat_map: Option<SeatMap>,
    /// What was repaired or guessed, so that the plan could be imported. Empty if nothing was, or if `errors` is not
    /// empty.
    warnings: Vec<SeatMapWarning>,
    /// Why the mutation failed. Empty if it succeeded. For an error in the plan, `path` is `["plan", "<JSON path>"]`,
    /// such as `zones[3].rows[0].seats[12].seat_guid`. Errors of one kind are one error. Its `message` has their number,
    /// the first places, and how to import the plan nevertheless, if that is possible.
    errors: Vec<ImportSeatMapError>,
}

/// Input of `deleteSeatMap`.
#[derive(Debug, InputObject)]
pub struct DeleteSeatMapInput {
    /// The id of the seat map. You must be an owner or manager of its shop.
    seat_map_id: ID,
}

/// The result of `deleteSeatMap`.
#[derive(Debug, SimpleObject)]
pub struct DeleteSeatMapPayload {
    /// The venue without the seat map. Null if `errors` is not empty.
    venue: Option<Venue>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<DeleteSeatMapError>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct SeatMapMutation;

#[Object]
impl SeatMapMutation {
    /// Imports a seating plan as the next revision of the venue's seat map. Seat maps never change: existing events
    /// keep their revision, unless you move them with `changeEventSeatMap`.
    async fn import_seat_map(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `importSeatMap`.")] input: ImportSeatMapInput,
    ) -> ApiResult<Option<ImportSeatMapPayload>> {
        ctx.viewer().user()?;
        let ImportSeatMapInput { venue_id, plan, options, idempotency_key } = input;
        let ImportSeatMapOptions { prefix_duplicate_guids } = options.unwrap_or_default();
        let result = match decode(&venue_id, "venueId") {
            Ok(venue) => {
                let new = NewPlan { venue, text: plan, options: ImportOptions { prefix_duplicate_guids } };
                revisions::import(ctx.app(), ctx.viewer(), new, idempotency_key.as_deref()).await
            }
            Err(fault) => Err(fault.into()),
        };
        let (imported, errors) = outcome(result)?;
        let (seat_map, warnings) = match imported {
            Some(imported) => (Some(SeatMap(imported.revision)), imported.warnings),
            None => (None, Vec::new()),
        };
        let warnings = warnings.into_iter().map(SeatMapWarning::from).collect();
        Ok(Some(ImportSeatMapPayload { seat_map, warnings, errors }))
    }

    /// Deletes a seat map that no event uses. The next import may get its revision number.
    async fn delete_seat_map(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `deleteSeatMap`.")] input: DeleteSeatMapInput,
    ) -> ApiResult<Option<DeleteSeatMapPayload>> {
        ctx.viewer().user()?;
        let result = match decode(&input.seat_map_id, "seatMapId") {
            Ok(id) => revisions::delete(ctx.app(), ctx.viewer(), id).await,
            Err(fault) => Err(fault.into()),
        };
        let (venue, errors) = outcome(result.map(Venue::from))?;
        Ok(Some(DeleteSeatMapPayload { venue, errors }))
    }
}

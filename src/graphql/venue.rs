//! Venues in the API.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject, dataloader::Loader};
use entity::{ShopId, VenueId, venue};

use super::{
    context::ContextExt,
    error::{ApiResult, edited, found, outcome},
    event::{EventArgs, EventConnection, EventFilter, EventSort, event_connection},
    id::{decode, encode},
    loader::{Batch, Shared, keyed},
    page::{Connected, PageArgs, connection},
    scalar::{Instant, Long},
    seat_map::SeatMap,
    shop::Shop,
    user_error::{Explain, Explanation, user_error},
};
use crate::{
    error::{Fault, FaultResult, Object},
    venue::{
        edit,
        find::{self, Revision},
        rules::{Change, Details, Refusal},
    },
};

user_error! {
    /// An error of `createVenue`.
    CreateVenueError, CreateVenueErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {}
}

user_error! {
    /// An error of `updateVenue`.
    UpdateVenueError, UpdateVenueErrorCode (Invalid NotFound Stale) from Refusal {}
}

/// The data fields of the error types of venues and seat maps.
#[derive(Debug, Default)]
pub(crate) struct VenueErrorData {
    /// With `IN_USE`: the number of events.
    pub(crate) events: Option<i32>,
}

impl Explain for Refusal {
    type Data = VenueErrorData;

    fn explain(self) -> Explanation<VenueErrorData> {
        match self {
            Self::TooManyRevisions => {
                Explanation::new("the venue already has the maximum number of seat-map revisions")
            }
            Self::InUse { events } => {
                let data = VenueErrorData { events: Some(i32::try_from(events).unwrap_or(i32::MAX)) };
                Explanation::new(format!("events use the seat map; their number is {events}"))
                    .at("seatMapId")
                    .with(data)
            }
        }
    }
}

/// A place where events take place. It is public if it has a published event. Members of its shop always see it.
#[derive(Clone, Debug)]
pub struct Venue(venue::Model);

impl From<venue::Model> for Venue {
    fn from(row: venue::Model) -> Self {
        Self(row)
    }
}

/// A place where events take place. It is public if it has a published event. Members of its shop always see it.
#[Object]
impl Venue {
    /// The global id.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// The display name as plain text.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The street address. May be empty.
    async fn address(&self) -> &str {
        &self.0.address
    }

    /// The town or city.
    async fn city(&self) -> &str {
        &self.0.city
    }

    /// The ISO 3166-1 alpha-2 code of the country.
    async fn country(&self) -> &str {
        &self.0.country
    }

    /// The IANA time zone for the times of events at this venue, such as `Europe/Berlin`.
    async fn time_zone(&self) -> &str {
        &self.0.time_zone
    }

    /// The shop that owns the venue.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Shop> {
        Shop::of(ctx, self.0.shop_id).await
    }

    /// The revisions of the seat map that you may see, newest first, at most 100. Members of the shop see all of them.
    /// Others see the revisions that published events use.
    async fn seat_maps(&self, ctx: &Context<'_>) -> ApiResult<Vec<SeatMap>> {
        let maps = ctx.loaders().one(MapsOf(self.0.id)).await?.unwrap_or_default();
        Ok(maps.into_iter().map(SeatMap::from).collect())
    }

    /// The newest revision of the seat map that you may see. Null if there is none.
    async fn latest_seat_map(&self, ctx: &Context<'_>) -> ApiResult<Option<SeatMap>> {
        let maps = ctx.loaders().one(MapsOf(self.0.id)).await?.unwrap_or_default();
        Ok(maps.into_iter().next().map(SeatMap::from))
    }

    /// Increases with every change. Send it as `expectedVersion` when you edit the venue.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// When the venue was created.
    async fn created_at(&self) -> Instant {
        self.0.created_at.into()
    }

    /// When the venue was last changed.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at.into()
    }

    /// The events at the venue that you may see.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection, the filter and the sort order"
    )]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The filter. If omitted, all of these events.")] filter: Option<EventFilter>,
        #[graphql(desc = "The sort order. If omitted, as in `Query.events`.")] sort: Option<EventSort>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<EventConnection> {
        let id = self.0.id;
        let page = PageArgs { after, before, first, last };
        event_connection(ctx, EventArgs { filter, sort, page }, |filter| filter.venues.push(id)).await
    }
}

impl Venue {
    /// Returns the venue that an object refers to.
    pub(crate) async fn of(ctx: &Context<'_>, id: VenueId) -> ApiResult<Self> {
        let row = ctx.loaders().one(VenueOf(id)).await?.ok_or(Fault::NotFound(Object::Venue))?;
        Ok(Self(row))
    }

    /// Loads the venue if the viewer may see it.
    pub(crate) async fn load(ctx: &Context<'_>, id: VenueId) -> FaultResult<Self> {
        find::venue(ctx.app(), ctx.viewer(), id).await.map(Self)
    }
}

/// Loader key: a venue, for viewers who see an object that refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct VenueOf(VenueId);

impl Loader<VenueOf> for Batch {
    type Value = venue::Model;
    type Error = Shared;

    async fn load(&self, keys: &[VenueOf]) -> Result<HashMap<VenueOf, venue::Model>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        Ok(keyed(find::venues_by_ids(&self.app, ids).await?, |row| VenueOf(row.id)))
    }
}

/// Loader key: a venue, if the viewer may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KnownVenue(pub(crate) VenueId);

impl Loader<KnownVenue> for Batch {
    type Value = venue::Model;
    type Error = Shared;

    async fn load(&self, keys: &[KnownVenue]) -> Result<HashMap<KnownVenue, venue::Model>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        Ok(keyed(find::venues(&self.app, &self.viewer, ids).await?, |row| KnownVenue(row.id)))
    }
}

/// Loader key: the revisions of a venue's seat map, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct MapsOf(VenueId);

impl Loader<MapsOf> for Batch {
    type Value = Vec<Revision>;
    type Error = Shared;

    async fn load(&self, keys: &[MapsOf]) -> Result<HashMap<MapsOf, Vec<Revision>>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let mut maps: HashMap<MapsOf, Vec<Revision>> = HashMap::new();
        for map in find::revisions_of(&self.app, &self.viewer, ids).await? {
            maps.entry(MapsOf(map.venue_id)).or_default().push(map);
        }
        Ok(maps)
    }
}

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct VenueQuery;

#[Object]
impl VenueQuery {
    /// Returns the venue. Null if there is none, or if you may not see it.
    async fn venue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the venue.")] id: ID,
    ) -> ApiResult<Option<Venue>> {
        found(Venue::load(ctx, decode(&id, "id")?).await)
    }

    /// Lists the shop's venues that you may see, oldest first.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection and the filter")]
    async fn venues(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the shop.")] shop_id: ID,
        #[graphql(
            desc = "Only venues whose `updatedAt` is later than this time. Send a time that is a minute \
                          before your last request, because concurrent changes can become visible late."
        )]
        updated_after: Option<Instant>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connected<VenueId, Venue>> {
        let shop: ShopId = decode(&shop_id, "shopId")?;
        let window = PageArgs { after, before, first, last }.window()?;
        let page = find::venues_of_shop(ctx.app(), ctx.viewer(), shop, updated_after.map(Into::into), window)
            .await?;
        Ok(connection(page, |row| (row.id, Venue(row))))
    }
}

/// Input of `createVenue`.
#[derive(Debug, InputObject)]
pub struct CreateVenueInput {
    /// The shop that owns the venue. You must be its owner or manager.
    shop_id: ID,
    /// The display name as plain text, 1 to 200 characters.
    name: String,
    /// The street address, at most 400 characters.
    #[graphql(default)]
    address: String,
    /// The town or city, 1 to 200 characters.
    city: String,
    /// The code of the country that ISO 3166-1 alpha-2 assigns, in upper case, such as `GB`. Reserved codes such as
    /// `UK` are refused.
    country: String,
    /// The name of an IANA time zone, such as `Europe/Berlin`. Older names are accepted and returned unchanged.
    /// Abbreviations such as `CEST` are refused.
    time_zone: String,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result. Without a key, a repeated call creates another object.
    idempotency_key: Option<String>,
}

/// The result of `createVenue`.
#[derive(Debug, SimpleObject)]
pub struct CreateVenuePayload {
    /// The new venue. Null if `errors` is not empty.
    venue: Option<Venue>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<CreateVenueError>,
}

/// Input of `updateVenue`. Omitted fields stay unchanged.
#[derive(Debug, InputObject)]
pub struct UpdateVenueInput {
    /// The id of the venue.
    venue_id: ID,
    /// The venue's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    expected_version: Long,
    /// The display name as plain text, 1 to 200 characters.
    name: Option<String>,
    /// The street address, at most 400 characters.
    address: Option<String>,
    /// The town or city, 1 to 200 characters.
    city: Option<String>,
    /// The code of the country that ISO 3166-1 alpha-2 assigns, in upper case, such as `GB`. Reserved codes such as
    /// `UK` are refused.
    country: Option<String>,
    /// The name of an IANA time zone, such as `Europe/Berlin`. Older names are accepted and returned unchanged.
    /// Abbreviations such as `CEST` are refused.
    time_zone: Option<String>,
}

/// The result of `updateVenue`.
#[derive(Debug, SimpleObject)]
pub struct UpdateVenuePayload {
    /// The venue after the change. With the error `STALE`, the current venue. Null with other errors.
    venue: Option<Venue>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<UpdateVenueError>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct VenueMutation;

#[Object]
impl VenueMutation {
    /// Creates a venue. Call `importSeatMap` next. Requires an owner or manager of the shop.
    async fn create_venue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `createVenue`.")] input: CreateVenueInput,
    ) -> ApiResult<Option<CreateVenuePayload>> {
        ctx.viewer().user()?;
        let CreateVenueInput { shop_id, name, address, city, country, time_zone, idempotency_key } = input;
        let details = Details { name, address, city, country, time_zone };
        let result = match decode(&shop_id, "shopId") {
            Ok(shop) => {
                edit::create(ctx.app(), ctx.viewer(), shop, details, idempotency_key.as_deref()).await
            }
            Err(fault) => Err(fault.into()),
        };
        let (venue, errors) = outcome(result.map(Venue))?;
        Ok(Some(CreateVenuePayload { venue, errors }))
    }

    /// Changes a venue. Searches find its events by the new name at once.
    async fn update_venue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `updateVenue`.")] input: UpdateVenueInput,
    ) -> ApiResult<Option<UpdateVenuePayload>> {
        ctx.viewer().user()?;
        let UpdateVenueInput { venue_id, expected_version, name, address, city, country, time_zone } = input;
        let change = Change { name, address, city, country, time_zone };
        let result = match decode(&venue_id, "venueId") {
            Ok(id) => edit::update(ctx.app(), ctx.viewer(), id, expected_version.0, change).await,
            Err(fault) => Err(fault.into()),
        };
        let current = async { Venue::load(ctx, decode(&venue_id, "venueId")?).await };
        let (venue, errors) = edited(result.map(Venue), current).await?;
        Ok(Some(UpdateVenuePayload { venue, errors }))
    }
}

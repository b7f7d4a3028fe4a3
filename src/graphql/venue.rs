//! Venues in the API.

use std::collections::HashMap;

use async_graphql::{
    Context, ID, InputObject, Object, SimpleObject,
    connection::{Connection, EmptyFields},
    dataloader::Loader,
};
use chrono::{DateTime, Utc};
use entity::{ShopId, VenueId, venue};

use super::{
    context::ContextExt,
    error::{ApiResult, found, outcome, user_error},
    id::{decode, encode},
    loader::{Batch, Shared, keyed},
    page::{Cursor, PageArgs, connection},
    scalar::Long,
    seat_map::SeatMap,
    shop::Shop,
};
use crate::{
    error::Faulty,
    venue::{
        edit,
        find::{self, Revision},
        rules::{Change, Details, Refusal},
    },
};

user_error! {
    /// Something about venues and seat maps that could not be done.
    VenueError, VenueErrorCode {
        /// The venue has 100 revisions of its seat map, which is as many as are kept.
        TooManyRevisions,
    }
}

impl From<Refusal> for VenueError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooManyRevisions => Self {
                code: VenueErrorCode::TooManyRevisions,
                message: "this venue has as many revisions of its seat map as are kept".to_owned(),
                ..Self::default()
            },
        }
    }
}

/// Where events take place. Everybody sees the venues of published events; its shop's members see it always.
#[derive(Clone, Debug)]
pub struct Venue(venue::Model);

impl From<venue::Model> for Venue {
    fn from(row: venue::Model) -> Self {
        Self(row)
    }
}

/// Where events take place. Everybody sees the venues of published events; its shop's members see it always.
#[Object]
impl Venue {
    /// Globally unique.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Street address; may be empty.
    async fn address(&self) -> &str {
        &self.0.address
    }

    /// Town or city.
    async fn city(&self) -> &str {
        &self.0.city
    }

    /// ISO 3166-1 code of the country, two letters.
    async fn country(&self) -> &str {
        &self.0.country
    }

    /// IANA time zone in which to show the times of events here, such as `Europe/Berlin`.
    async fn time_zone(&self) -> &str {
        &self.0.time_zone
    }

    /// Whose venue it is.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Option<Shop>> {
        Ok(ctx.loaders().one(self.0.shop_id).await?.map(Shop))
    }

    /// The revisions of the seat map that you may see, newest first; at most 100. Members of the shop see all of them,
    /// everybody else those that a published event is sold on.
    async fn seat_maps(&self, ctx: &Context<'_>) -> ApiResult<Vec<SeatMap>> {
        let maps = ctx.loaders().one(MapsOf(self.0.id)).await?.unwrap_or_default();
        Ok(maps.into_iter().map(SeatMap::from).collect())
    }

    /// The newest revision of the seat map that you may see.
    async fn latest_seat_map(&self, ctx: &Context<'_>) -> ApiResult<Option<SeatMap>> {
        let maps = ctx.loaders().one(MapsOf(self.0.id)).await?.unwrap_or_default();
        Ok(maps.into_iter().next().map(SeatMap::from))
    }

    /// Raised by each change; give it as `expectedVersion` when you change the venue.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// When the venue was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

impl Venue {
    /// The venue, if the viewer may see it.
    pub(crate) async fn load(ctx: &Context<'_>, id: VenueId) -> Faulty<Self> {
        find::venue(ctx.app(), ctx.viewer(), id).await.map(Self)
    }
}

/// Venues by their ids, for those who see something that takes place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VenueOf(pub(crate) VenueId);

impl Loader<VenueOf> for Batch {
    type Value = venue::Model;
    type Error = Shared;

    async fn load(&self, keys: &[VenueOf]) -> Result<HashMap<VenueOf, venue::Model>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        Ok(keyed(find::venues_by_ids(&self.app, ids).await?, |row| VenueOf(row.id)))
    }
}

/// The revisions of a venue's seat map, newest first.
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

/// Queries.
#[derive(Debug, Default)]
pub struct VenueQuery;

#[Object]
impl VenueQuery {
    /// The venue; null if there is none, or if it is not yours to see.
    async fn venue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which venue.")] id: ID,
    ) -> ApiResult<Option<Venue>> {
        found(Venue::load(ctx, decode(&id, "id")?).await)
    }

    /// The shop's venues that you may see, oldest first.
    #[expect(clippy::too_many_arguments, reason = "connections take four of them")]
    async fn venues(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose venues.")] shop_id: ID,
        #[graphql(desc = "How many from the beginning, 1 to 100; 20 when nothing is said.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<Cursor<VenueId>, Venue, EmptyFields>> {
        let shop: ShopId = decode(&shop_id, "shopId")?;
        let window = PageArgs { after, before, first, last }.window()?;
        let page = find::venues_of_shop(ctx.app(), ctx.viewer(), shop, window).await?;
        Ok(connection(page, EmptyFields, |row| (row.id, Venue(row))))
    }
}

/// A new venue.
#[derive(Debug, InputObject)]
pub struct CreateVenueInput {
    /// Whose venue it will be; you must be an owner or manager of the shop.
    shop_id: ID,
    /// Display name, 1 to 200 characters.
    name: String,
    /// Street address, at most 400 characters.
    #[graphql(default)]
    address: String,
    /// Town or city, 1 to 200 characters.
    city: String,
    /// ISO 3166-1 code of the country, two letters in upper case.
    country: String,
    /// IANA time zone, such as `Europe/Berlin`.
    time_zone: String,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct CreateVenuePayload {
    /// The new venue; null if it was not made.
    venue: Option<Venue>,
    /// Why it was not made; empty if it was.
    errors: Vec<VenueError>,
}

/// Changes to a venue. What is left out stays as it is.
#[derive(Debug, InputObject)]
pub struct UpdateVenueInput {
    /// Which venue.
    venue_id: ID,
    /// The version that you read; if the venue was changed since, nothing happens and the error is `STALE`.
    expected_version: Long,
    /// Display name, 1 to 200 characters.
    name: Option<String>,
    /// Street address, at most 400 characters.
    address: Option<String>,
    /// Town or city, 1 to 200 characters.
    city: Option<String>,
    /// ISO 3166-1 code of the country, two letters in upper case.
    country: Option<String>,
    /// IANA time zone, such as `Europe/Berlin`.
    time_zone: Option<String>,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct UpdateVenuePayload {
    /// The venue as it is now; null if it was not changed.
    venue: Option<Venue>,
    /// Why it was not changed; empty if it was.
    errors: Vec<VenueError>,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct VenueMutation;

#[Object]
impl VenueMutation {
    /// Makes a venue. Import its seat map next.
    async fn create_venue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new venue.")] input: CreateVenueInput,
    ) -> ApiResult<CreateVenuePayload> {
        ctx.viewer().user()?;
        let CreateVenueInput { shop_id, name, address, city, country, time_zone } = input;
        let details = Details { name, address, city, country, time_zone };
        let result = match decode(&shop_id, "shopId") {
            Ok(shop) => edit::create(ctx.app(), ctx.viewer(), shop, details).await,
            Err(fault) => Err(fault.into()),
        };
        let (venue, errors) = outcome(result.map(Venue))?;
        Ok(CreateVenuePayload { venue, errors })
    }

    /// Changes a venue; its events are found by the new name at once.
    async fn update_venue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateVenueInput,
    ) -> ApiResult<UpdateVenuePayload> {
        ctx.viewer().user()?;
        let UpdateVenueInput { venue_id, expected_version, name, address, city, country, time_zone } = input;
        let change = Change { name, address, city, country, time_zone };
        let result = match decode(&venue_id, "venueId") {
            Ok(id) => edit::update(ctx.app(), ctx.viewer(), id, expected_version.0, change).await,
            Err(fault) => Err(fault.into()),
        };
        let (venue, errors) = outcome(result.map(Venue))?;
        Ok(UpdateVenuePayload { venue, errors })
    }
}

//! Tiers, the price levels of events, in the API.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject, dataloader::Loader};
use entity::{
    EventId, SeatMapId, TierId, event,
    tier::{self, ScopeKind, scope},
};

use super::{
    context::ContextExt,
    error::{ApiResult, outcome},
    event::{Event, EventError},
    id::{AREA, decode, decode_as, encode},
    loader::{Batch, Shared},
    scalar::{Long, Money, MoneyInput},
    seat_map::Area,
};
use crate::{
    error::{Fault, Faulty, Result as Outcome},
    event::{
        self as events,
        pricing::TierDetails,
        rules::Refusal,
        tiers::{self, Change, Scope},
    },
    venue,
};

/// A price level of an event.
#[derive(Clone, Debug)]
pub struct Tier {
    row: tier::Model,
    currency: String,
    map: SeatMapId,
}

/// A price level of an event.
#[Object]
impl Tier {
    /// Globally unique.
    async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// Display name, unique within the event.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// What a place costs, tax included, without the fee.
    async fn price(&self) -> Money {
        self.money(self.row.price_minor)
    }

    /// The fee that is added to each place, tax included.
    async fn fee(&self) -> Money {
        self.money(self.row.fee_minor)
    }

    /// What a buyer pays for a place: price and fee.
    async fn total(&self) -> Money {
        self.total_price()
    }

    /// The rate of the tax that price and fee contain, in hundredths of a percent: 1900 is 19 %.
    async fn tax_basis_points(&self) -> i32 {
        self.row.tax_basis_points
    }

    /// The names of the seat map's categories that it prices.
    async fn categories(&self, ctx: &Context<'_>) -> ApiResult<Vec<String>> {
        self.keys(ctx, ScopeKind::Category).await.map_err(Into::into)
    }

    /// The general-admission areas that it prices by themselves, besides those of its categories.
    async fn areas(&self, ctx: &Context<'_>) -> ApiResult<Vec<Area>> {
        let guids = self.keys(ctx, ScopeKind::Area).await?;
        let map = venue::seat_map(ctx.app(), self.map).await?;
        let areas = (0..).zip(&map.plan.areas).filter(|(_, area)| guids.contains(&area.guid));
        Ok(areas.filter_map(|(ordinal, _)| Area::new(&map, ordinal)).collect())
    }

    /// Its place in the order of the event's tiers.
    async fn position(&self) -> i32 {
        self.row.position
    }

    /// Whether its places are sold to those only who give an access code that opens it: see `reserveSeats`. Everybody
    /// else is told of neither the tier nor its places.
    async fn hidden(&self) -> bool {
        self.row.hidden
    }

    /// Raised by each change; give it as `expectedVersion` when you change the tier.
    async fn version(&self) -> Long {
        Long(self.row.version)
    }
}

impl Tier {
    /// A price level of the event.
    pub(crate) fn new(row: tier::Model, event: &event::Model) -> Self {
        Self { row, currency: event.currency.clone(), map: event.seat_map_id }
    }

    /// Price and fee.
    pub(crate) fn total_price(&self) -> Money {
        self.money(self.total_minor())
    }

    /// The same in minor units.
    pub(crate) fn total_minor(&self) -> i64 {
        self.row.price_minor + self.row.fee_minor
    }

    fn money(&self, minor: i64) -> Money {
        Money::of(minor, &self.currency)
    }

    async fn keys(&self, ctx: &Context<'_>, kind: ScopeKind) -> Faulty<Vec<String>> {
        let scopes = ctx.loaders().one(ScopesOf(self.row.id)).await?.unwrap_or_default();
        Ok(scopes.into_iter().filter(|scope| scope.kind == kind).map(|scope| scope.key).collect())
    }
}

/// The price levels of an event, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TiersOf(pub(crate) EventId);

impl Loader<TiersOf> for Batch {
    type Value = Vec<tier::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[TiersOf]) -> Result<HashMap<TiersOf, Vec<tier::Model>>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let mut tiers: HashMap<TiersOf, Vec<tier::Model>> = HashMap::new();
        for tier in events::tiers_of_all(&self.app, ids).await? {
            tiers.entry(TiersOf(tier.event_id)).or_default().push(tier);
        }
        Ok(tiers)
    }
}

/// What a price level prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ScopesOf(TierId);

impl Loader<ScopesOf> for Batch {
    type Value = Vec<scope::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[ScopesOf]) -> Result<HashMap<ScopesOf, Vec<scope::Model>>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let mut scopes: HashMap<ScopesOf, Vec<scope::Model>> = HashMap::new();
        for scope in events::scopes_of_tiers(&self.app, ids).await? {
            scopes.entry(ScopesOf(scope.tier_id)).or_default().push(scope);
        }
        Ok(scopes)
    }
}

/// A new price level. Every category and area has at most one tier of the event.
#[derive(Debug, InputObject)]
pub struct CreateTierInput {
    /// Of which event; you must be an owner or manager of its shop.
    event_id: ID,
    /// Display name, unique within the event, 1 to 200 characters.
    name: String,
    /// What a place costs, tax included, in the event's currency.
    price: MoneyInput,
    /// The fee that is added to each place, tax included; none when left out.
    fee: Option<MoneyInput>,
    /// The rate of the tax that price and fee contain, in hundredths of a percent: 1900 is 19 %.
    #[graphql(default)]
    tax_basis_points: i32,
    /// The names of the seat map's categories that it prices, seats and areas alike.
    #[graphql(default)]
    categories: Vec<String>,
    /// General-admission areas that it prices, whatever their category's price is.
    #[graphql(default)]
    areas: Vec<ID>,
    /// Its place in the order of the event's tiers.
    #[graphql(default)]
    position: i32,
    /// Whether its places are sold to those only who give an access code that opens it.
    #[graphql(default)]
    hidden: bool,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct CreateTierPayload {
    /// The new tier; null if it was not made.
    tier: Option<Tier>,
    /// Why it was not made; empty if it was.
    errors: Vec<EventError>,
}

/// Changes to a tier. What is left out stays as it is. Reservations keep the prices at which they were made.
#[derive(Debug, InputObject)]
pub struct UpdateTierInput {
    /// Which tier.
    tier_id: ID,
    /// The version that you read; if the tier was changed since, nothing happens and the error is `STALE`.
    expected_version: Long,
    /// Display name, unique within the event, 1 to 200 characters.
    name: Option<String>,
    /// What a place costs, tax included, in the event's currency.
    price: Option<MoneyInput>,
    /// The fee that is added to each place, tax included.
    fee: Option<MoneyInput>,
    /// The rate of the tax that price and fee contain, in hundredths of a percent.
    tax_basis_points: Option<i32>,
    /// The names of the categories that it prices, instead of those before.
    categories: Option<Vec<String>>,
    /// The areas that it prices, instead of those before.
    areas: Option<Vec<ID>>,
    /// Its place in the order of the event's tiers.
    position: Option<i32>,
    /// Whether its places are sold to those only who give an access code that opens it.
    hidden: Option<bool>,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct UpdateTierPayload {
    /// The tier as it is now; null if it was not changed.
    tier: Option<Tier>,
    /// Why it was not changed; empty if it was.
    errors: Vec<EventError>,
}

/// A tier to delete.
#[derive(Debug, InputObject)]
pub struct DeleteTierInput {
    /// Which tier; its event must be a draft.
    tier_id: ID,
    /// The version that you read; if the tier was changed since, nothing happens and the error is `STALE`.
    expected_version: Long,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct DeleteTierPayload {
    /// The event without the tier; null if it was not deleted.
    event: Option<Event>,
    /// Why it was not deleted; empty if it was.
    errors: Vec<EventError>,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct TierMutation;

#[Object]
impl TierMutation {
    /// Makes a price level of an event and says which seats and areas it prices.
    async fn create_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new tier.")] input: CreateTierInput,
    ) -> ApiResult<CreateTierPayload> {
        ctx.viewer().user()?;
        let (tier, errors) = outcome(create(ctx, input).await)?;
        Ok(CreateTierPayload { tier, errors })
    }

    /// Changes a price level. Whatever is reserved or sold stays at the price at which it was reserved.
    async fn update_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateTierInput,
    ) -> ApiResult<UpdateTierPayload> {
        ctx.viewer().user()?;
        let (tier, errors) = outcome(update(ctx, input).await)?;
        Ok(UpdateTierPayload { tier, errors })
    }

    /// Deletes a price level of a draft.
    async fn delete_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which tier.")] input: DeleteTierInput,
    ) -> ApiResult<DeleteTierPayload> {
        ctx.viewer().user()?;
        let result = match decode(&input.tier_id, "tierId") {
            Ok(id) => tiers::delete(ctx.app(), ctx.viewer(), id, input.expected_version.0).await,
            Err(fault) => Err(fault.into()),
        };
        let (event, errors) = outcome(result.map(Event::from))?;
        Ok(DeleteTierPayload { event, errors })
    }
}

async fn create(ctx: &Context<'_>, input: CreateTierInput) -> Outcome<Tier, Refusal> {
    ctx.viewer().user()?;
    let event = Event::row(ctx, decode(&input.event_id, "eventId")?).await?;
    let details = TierDetails {
        name: input.name,
        price: input.price.minor(&event.currency, "price")?,
        fee: input.fee.map_or(Ok(0), |fee| fee.minor(&event.currency, "fee"))?,
        tax_basis_points: input.tax_basis_points,
        position: input.position,
        hidden: input.hidden,
    };
    let scope = Scope { categories: input.categories, areas: areas(&input.areas)? };
    let tier = tiers::create(ctx.app(), ctx.viewer(), event.id, details, scope).await?;
    Ok(Tier::new(tier, &event))
}

async fn update(ctx: &Context<'_>, input: UpdateTierInput) -> Outcome<Tier, Refusal> {
    ctx.viewer().user()?;
    let id = decode(&input.tier_id, "tierId")?;
    let (_, event) = tiers::seen(ctx.app(), ctx.viewer(), id).await?;
    let minor =
        |money: Option<MoneyInput>, path| money.map(|money| money.minor(&event.currency, path)).transpose();
    let change = Change {
        name: input.name,
        price: minor(input.price, "price")?,
        fee: minor(input.fee, "fee")?,
        tax_basis_points: input.tax_basis_points,
        position: input.position,
        hidden: input.hidden,
        categories: input.categories,
        areas: input.areas.map(|ids| areas(&ids)).transpose()?,
    };
    let tier = tiers::update(ctx.app(), ctx.viewer(), id, input.expected_version.0, change).await?;
    Ok(Tier::new(tier, &event))
}

fn areas(ids: &[ID]) -> Result<Vec<uuid::Uuid>, Fault> {
    ids.iter().enumerate().map(|(index, id)| decode_as(AREA, id, &format!("areas.{index}"))).collect()
}

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
    error::{Fault, FaultResult, Result as Outcome},
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
    /// The global id.
    async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// The display name, unique within the event.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// The price of one place, including tax, without the fee.
    async fn price(&self) -> Money {
        self.money(self.row.price_minor)
    }

    /// The fee of one place, including tax.
    async fn fee(&self) -> Money {
        self.money(self.row.fee_minor)
    }

    /// The price of one place plus the fee, including tax.
    async fn total(&self) -> Money {
        self.total_price()
    }

    /// The tax rate contained in price and fee, in hundredths of a percent: 1900 is 19 %.
    async fn tax_basis_points(&self) -> i32 {
        self.row.tax_basis_points
    }

    /// The names of the seat categories that the tier prices.
    async fn categories(&self, ctx: &Context<'_>) -> ApiResult<Vec<String>> {
        self.keys(ctx, ScopeKind::Category).await.map_err(Into::into)
    }

    /// The general-admission areas that the tier prices directly, in addition to those of its categories.
    async fn areas(&self, ctx: &Context<'_>) -> ApiResult<Vec<Area>> {
        let guids = self.keys(ctx, ScopeKind::Area).await?;
        let map = venue::seat_map(ctx.app(), self.map).await?;
        let areas = (0..).zip(&map.plan.areas).filter(|(_, area)| guids.contains(&area.guid));
        Ok(areas.filter_map(|(ordinal, _)| Area::new(&map, ordinal)).collect())
    }

    /// The position in the order of the event's tiers. Smaller numbers come first.
    async fn position(&self) -> i32 {
        self.row.position
    }

    /// Whether the tier is hidden. Its places are sold only with an access code that unlocks it; see `reserveSeats`.
    /// Other buyers see neither the tier nor its places.
    async fn hidden(&self) -> bool {
        self.row.hidden
    }

    /// Increases with every change. Send it as `expectedVersion` when you edit the tier.
    async fn version(&self) -> Long {
        Long(self.row.version)
    }
}

impl Tier {
    /// Creates a tier of the event.
    pub(crate) fn new(row: tier::Model, event: &event::Model) -> Self {
        Self { row, currency: event.currency.clone(), map: event.seat_map_id }
    }

    /// Returns price plus fee.
    pub(crate) fn total_price(&self) -> Money {
        self.money(self.total_minor())
    }

    /// Returns price plus fee in minor units.
    pub(crate) fn total_minor(&self) -> i64 {
        self.row.price_minor + self.row.fee_minor
    }

    fn money(&self, minor: i64) -> Money {
        Money::of(minor, &self.currency)
    }

    async fn keys(&self, ctx: &Context<'_>, kind: ScopeKind) -> FaultResult<Vec<String>> {
        let scopes = ctx.loaders().one(ScopesOf(self.row.id)).await?.unwrap_or_default();
        Ok(scopes.into_iter().filter(|scope| scope.kind == kind).map(|scope| scope.key).collect())
    }
}

/// Loader key: the tiers of an event, in their order.
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

/// Loader key: what a tier prices.
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

/// Input of `createTier`. At most one tier of an event can price a category or an area.
#[derive(Debug, InputObject)]
pub struct CreateTierInput {
    /// The event of the tier. You must be an owner or manager of its shop.
    event_id: ID,
    /// The display name, unique within the event, 1 to 200 characters.
    name: String,
    /// The price of one place, including tax, in the event's currency.
    price: MoneyInput,
    /// The fee of one place, including tax. If omitted, there is no fee.
    fee: Option<MoneyInput>,
    /// The tax rate contained in price and fee, in hundredths of a percent: 1900 is 19 %.
    #[graphql(default)]
    tax_basis_points: i32,
    /// The names of the seat categories that the tier prices, both seats and areas.
    #[graphql(default)]
    categories: Vec<String>,
    /// The ids of general-admission areas that the tier prices directly. This overrides the price of their category.
    #[graphql(default)]
    areas: Vec<ID>,
    /// The position in the order of the event's tiers. Smaller numbers come first.
    #[graphql(default)]
    position: i32,
    /// Whether the tier is hidden. Its places are sold only with an access code that unlocks it.
    #[graphql(default)]
    hidden: bool,
}

/// The result of `createTier`.
#[derive(Debug, SimpleObject)]
pub struct CreateTierPayload {
    /// The new tier. Null if `errors` is not empty.
    tier: Option<Tier>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<EventError>,
}

/// Input of `updateTier`. Omitted fields stay unchanged. Existing reservations keep their prices.
#[derive(Debug, InputObject)]
pub struct UpdateTierInput {
    /// The id of the tier.
    tier_id: ID,
    /// The tier's `version` when you last read it. If it has changed since, nothing is stored and the error is `STALE`.
    expected_version: Long,
    /// The display name, unique within the event, 1 to 200 characters.
    name: Option<String>,
    /// The price of one place, including tax, in the event's currency.
    price: Option<MoneyInput>,
    /// The fee of one place, including tax.
    fee: Option<MoneyInput>,
    /// The tax rate contained in price and fee, in hundredths of a percent.
    tax_basis_points: Option<i32>,
    /// The new list of category names. It replaces the previous list.
    categories: Option<Vec<String>>,
    /// The new list of area ids. It replaces the previous list.
    areas: Option<Vec<ID>>,
    /// The position in the order of the event's tiers. Smaller numbers come first.
    position: Option<i32>,
    /// Whether the tier is hidden. Its places are sold only with an access code that unlocks it.
    hidden: Option<bool>,
}

/// The result of `updateTier`.
#[derive(Debug, SimpleObject)]
pub struct UpdateTierPayload {
    /// The tier after the change. Null if `errors` is not empty.
    tier: Option<Tier>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<EventError>,
}

/// Input of `deleteTier`.
#[derive(Debug, InputObject)]
pub struct DeleteTierInput {
    /// The id of the tier. Its event must be a draft.
    tier_id: ID,
    /// The tier's `version` when you last read it. If it has changed since, nothing is stored and the error is `STALE`.
    expected_version: Long,
}

/// The result of `deleteTier`.
#[derive(Debug, SimpleObject)]
pub struct DeleteTierPayload {
    /// The event without the tier. Null if `errors` is not empty.
    event: Option<Event>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<EventError>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct TierMutation;

#[Object]
impl TierMutation {
    /// Creates a tier of an event and sets the seats and areas that it prices. Requires an owner or manager of the
    /// shop.
    async fn create_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `createTier`.")] input: CreateTierInput,
    ) -> ApiResult<CreateTierPayload> {
        ctx.viewer().user()?;
        let (tier, errors) = outcome(create(ctx, input).await)?;
        Ok(CreateTierPayload { tier, errors })
    }

    /// Changes a tier. Existing reservations and tickets keep their prices.
    async fn update_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `updateTier`.")] input: UpdateTierInput,
    ) -> ApiResult<UpdateTierPayload> {
        ctx.viewer().user()?;
        let (tier, errors) = outcome(update(ctx, input).await)?;
        Ok(UpdateTierPayload { tier, errors })
    }

    /// Deletes a tier of a draft.
    async fn delete_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `deleteTier`.")] input: DeleteTierInput,
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

//! Tiers, the price levels of events, in the API.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{
    SeatMapId, TierId,
    event::{self, EventState},
    tier::{self, ScopeKind},
};

pub(crate) use super::tier_loaders::TiersOf;
use super::{
    admission::{EntryRules, EntryRulesInput},
    context::ContextExt,
    error::{ApiResult, edited, outcome},
    event::{CreateTierError, Event, TierError},
    id::{AREA, decode, decode_as, encode},
    scalar::{Instant, Long, Money, MoneyInput},
    seat_map::Area,
    shop::RoleIn,
    tier_loaders::ScopesOf,
};
use crate::{
    error::{Fault, FaultResult, Object, Result as Outcome},
    event::{
        admission,
        pricing::TierDetails,
        rules::Refusal,
        tiers::{self, Change, NewTier, Scope},
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
    pub async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// The event that the tier belongs to.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Event> {
        Event::of(ctx, self.row.event_id).await
    }

    /// The display name as plain text, unique within the event. Names that differ only in case are equal.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// The price of one place, including fee and tax: `basePrice` plus `fee`.
    #[graphql(name = "price")]
    async fn full_price(&self) -> Money {
        self.price()
    }

    /// The price of one place without the fee, including tax.
    async fn base_price(&self) -> Money {
        self.money(self.row.price_minor)
    }

    /// The fee of one place, including tax.
    async fn fee(&self) -> Money {
        self.money(self.row.fee_minor)
    }

    /// The tax rate contained in the price, in hundredths of a percent: 1900 is 19 %.
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
    /// Other buyers do not see the tier, and its places appear as not for sale.
    async fn hidden(&self) -> bool {
        self.row.hidden
    }

    /// How often a ticket of the tier admits. Null if the rules of `Event.admission` apply.
    async fn entry_rules(&self) -> Option<EntryRules> {
        admission::EntryRules::of_tier(&self.row).map(EntryRules::from)
    }

    /// Increases with every change. Send it as `expectedVersion` when you edit the tier.
    async fn version(&self) -> Long {
        Long(self.row.version)
    }

    /// When the tier was last changed.
    async fn updated_at(&self) -> Instant {
        self.row.updated_at.into()
    }
}

impl Tier {
    /// Creates a tier of the event.
    pub(crate) fn new(row: tier::Model, event: &event::Model) -> Self {
        Self { row, currency: event.currency.clone(), map: event.seat_map_id }
    }

    /// Returns the current tier for a payload.
    async fn current(ctx: &Context<'_>, id: &ID) -> FaultResult<Self> {
        let (tier, event) = tiers::seen(ctx.app(), ctx.viewer(), decode(id, "tierId")?).await?;
        Ok(Self::new(tier, &event))
    }

    /// Returns the tier that one of the viewer's objects refers to, even if the tier is hidden.
    pub(crate) async fn of(ctx: &Context<'_>, id: TierId) -> FaultResult<Self> {
        let row = ctx.loaders().one(id).await?.ok_or(Fault::NotFound(Object::Tier))?;
        let event = ctx.loaders().one(row.event_id).await?.ok_or(Fault::NotFound(Object::Event))?;
        Ok(Self::new(row, &event))
    }

    /// Returns the tier if the viewer may see it. Hidden tiers and tiers of drafts are visible to members of the shop
    /// only.
    pub(crate) async fn visible(ctx: &Context<'_>, id: TierId) -> FaultResult<Option<Self>> {
        let Some(row) = ctx.loaders().one(id).await? else { return Ok(None) };
        let Some(event) = ctx.loaders().one(row.event_id).await? else { return Ok(None) };
        let is_public = !row.hidden && event.state != EventState::Draft;
        let is_seen = is_public || ctx.loaders().one(RoleIn(event.shop_id)).await?.is_some();
        Ok(is_seen.then(|| Self::new(row, &event)))
    }

    /// Returns the price of one place, including the fee.
    pub(crate) fn price(&self) -> Money {
        self.money(self.price_minor())
    }

    /// Returns the price of one place, including the fee, in minor units.
    pub(crate) fn price_minor(&self) -> i64 {
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

/// Input of `createTier`. At most one tier of an event can price a category or an area.
#[derive(Debug, InputObject)]
pub struct CreateTierInput {
    /// The event of the tier. You must be an owner or manager of its shop.
    event_id: ID,
    /// The display name as plain text, unique within the event, 1 to 200 characters.
    name: String,
    /// The price of one place without the fee, including tax, in the event's currency.
    base_price: MoneyInput,
    /// The fee of one place, including tax. If omitted, there is no fee.
    fee: Option<MoneyInput>,
    /// The tax rate contained in base price and fee, in hundredths of a percent: 1900 is 19 %.
    #[graphql(default)]
    tax_basis_points: i32,
    /// The names of the seat categories that the tier prices, both seats and areas. Case does not matter, unless the
    /// seat map has several categories that differ only in case.
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
    /// How often a ticket of the tier admits. If omitted, the rules of `Event.admission` apply.
    entry_rules: Option<EntryRulesInput>,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result. Without a key, a repeated call creates another object.
    idempotency_key: Option<String>,
}

/// The result of `createTier`.
#[derive(Debug, SimpleObject)]
pub struct CreateTierPayload {
    /// The new tier. Null if `errors` is not empty.
    tier: Option<Tier>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<CreateTierError>,
}

/// Input of `updateTier`. Omitted fields stay unchanged. Existing reservations keep their prices.
#[derive(Debug, InputObject)]
pub struct UpdateTierInput {
    /// The id of the tier.
    tier_id: ID,
    /// The tier's `version` when you last read it. If it has changed since, nothing is stored and the error is `STALE`.
    expected_version: Long,
    /// The display name as plain text, unique within the event, 1 to 200 characters.
    name: Option<String>,
    /// The price of one place without the fee, including tax, in the event's currency.
    base_price: Option<MoneyInput>,
    /// The fee of one place, including tax.
    fee: Option<MoneyInput>,
    /// The tax rate contained in base price and fee, in hundredths of a percent.
    tax_basis_points: Option<i32>,
    /// The new list of category names. It replaces the previous list.
    categories: Option<Vec<String>>,
    /// The new list of area ids. It replaces the previous list.
    areas: Option<Vec<ID>>,
    /// The position in the order of the event's tiers. Smaller numbers come first.
    position: Option<i32>,
    /// Whether the tier is hidden. Its places are sold only with an access code that unlocks it.
    hidden: Option<bool>,
    /// How often a ticket of the tier admits. Null for the rules of `Event.admission`. Buyers keep the rules of their
    /// checkout if they permit more.
    entry_rules: MaybeUndefined<EntryRulesInput>,
}

/// The result of `updateTier`.
#[derive(Debug, SimpleObject)]
pub struct UpdateTierPayload {
    /// The tier after the change. With the error `STALE`, the current tier. Null with other errors.
    tier: Option<Tier>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<TierError>,
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
    /// The current tier if the error is `STALE`. Otherwise null.
    tier: Option<Tier>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<TierError>,
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
    ) -> ApiResult<Option<CreateTierPayload>> {
        ctx.viewer().user()?;
        let (tier, errors) = outcome(create(ctx, input).await)?;
        Ok(Some(CreateTierPayload { tier, errors }))
    }

    /// Changes a tier. Existing reservations and tickets keep their prices.
    async fn update_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `updateTier`.")] input: UpdateTierInput,
    ) -> ApiResult<Option<UpdateTierPayload>> {
        ctx.viewer().user()?;
        let tier_id = input.tier_id.clone();
        let (tier, errors) = edited(update(ctx, input).await, Tier::current(ctx, &tier_id)).await?;
        Ok(Some(UpdateTierPayload { tier, errors }))
    }

    /// Deletes a tier of a draft.
    async fn delete_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `deleteTier`.")] input: DeleteTierInput,
    ) -> ApiResult<Option<DeleteTierPayload>> {
        ctx.viewer().user()?;
        let result = match decode(&input.tier_id, "tierId") {
            Ok(id) => tiers::delete(ctx.app(), ctx.viewer(), id, input.expected_version.0).await,
            Err(fault) => Err(fault.into()),
        };
        let result = result.map(|event| (Some(Event::from(event)), None));
        let current = async {
            let tier = Tier::current(ctx, &input.tier_id).await?;
            FaultResult::Ok((None, Some(tier)))
        };
        let (result, errors) = edited(result, current).await?;
        let (event, tier) = result.unwrap_or_default();
        Ok(Some(DeleteTierPayload { event, tier, errors }))
    }
}

async fn create(ctx: &Context<'_>, input: CreateTierInput) -> Outcome<Tier, Refusal> {
    ctx.viewer().user()?;
    let event = Event::row(ctx, decode(&input.event_id, "eventId")?).await?;
    let details = TierDetails {
        name: input.name,
        price: input.base_price.minor(&event.currency, "basePrice")?,
        fee: input.fee.map_or(Ok(0), |fee| fee.minor(&event.currency, "fee"))?,
        tax_basis_points: input.tax_basis_points,
        position: input.position,
        hidden: input.hidden,
        entries: input.entry_rules.map(admission::EntryRules::from),
    };
    let scope = Scope { categories: input.categories, areas: areas(&input.areas)? };
    let (new, key) = (NewTier { details, scope }, input.idempotency_key.as_deref());
    let tier = tiers::create(ctx.app(), ctx.viewer(), event.id, new, key).await?;
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
        price: minor(input.base_price, "basePrice")?,
        fee: minor(input.fee, "fee")?,
        tax_basis_points: input.tax_basis_points,
        position: input.position,
        hidden: input.hidden,
        entries: input.entry_rules.map_value(admission::EntryRules::from).into(),
        categories: input.categories,
        areas: input.areas.map(|ids| areas(&ids)).transpose()?,
    };
    let tier = tiers::update(ctx.app(), ctx.viewer(), id, input.expected_version.0, change).await?;
    Ok(Tier::new(tier, &event))
}

fn areas(ids: &[ID]) -> Result<Vec<uuid::Uuid>, Fault> {
    ids.iter().enumerate().map(|(index, id)| decode_as(AREA, id, &format!("areas.{index}"))).collect()
}

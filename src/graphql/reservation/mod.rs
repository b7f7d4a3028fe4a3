//! Reservations in the API.

mod input;
mod pick;
mod refusal;

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use entity::{CouponId, EventId, ReservationId, reservation::ReservationState};
use futures_util::{Stream, StreamExt};

use self::refusal::plain;
pub use self::{
    input::{
        ExtendReservationInput, ExtendReservationPayload, ReleaseReservationInput, ReleaseReservationPayload,
        ReserveSeatsInput, ReserveSeatsPayload,
    },
    pick::{AccessibleInput, AdmissionInput, BestAvailableInput, PickInput},
    refusal::{ReservationError, ReservationErrorCode},
};
use crate::{
    error::Faulty,
    event as events,
    graphql::{
        context::ContextExt,
        coupon::Coupon,
        error::{ApiError, ApiResult, found, outcome},
        event::Event,
        id::{self, decode, encode},
        order::Order,
        scalar::{Long, Money},
        seat_map::seat_id,
    },
    inventory::{self, Item, Place, ReservationSnapshot},
    order as orders,
    venue::SeatMap,
};

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "ReservationState")]
pub enum State {
    /// Runs until its deadline.
    Active,
    /// Belongs to an order that is being paid, and does not run out meanwhile.
    Paying,
    /// Became tickets.
    Converted,
    /// Given back.
    Released,
    /// Ran out.
    Expired,
}

/// A buyer's temporary hold on places of one event, all or nothing. Whoever does not pay in time loses it.
#[derive(Clone, Debug)]
pub struct Reservation(pub(crate) inventory::Reservation);

/// A buyer's temporary hold on places of one event, all or nothing. Whoever does not pay in time loses it.
#[Object]
impl Reservation {
    /// The reservation's id.
    pub async fn id(&self) -> ID {
        encode(self.snapshot().id)
    }

    /// Raised by every change.
    async fn version(&self) -> Long {
        Long(self.snapshot().version)
    }

    /// Where it stands.
    async fn state(&self, ctx: &Context<'_>) -> State {
        match self.snapshot().state {
            // Overdue is expired, whether somebody wrote it down yet or not.
            ReservationState::Active if self.snapshot().is_overdue(ctx.app().clock.now()) => State::Expired,
            ReservationState::Active => State::Active,
            ReservationState::Paying => State::Paying,
            ReservationState::Converted => State::Converted,
            ReservationState::Released => State::Released,
            ReservationState::Expired => State::Expired,
        }
    }

    /// When it runs out.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.snapshot().deadline
    }

    /// Beyond this it cannot be extended.
    async fn expires_at_latest(&self) -> DateTime<Utc> {
        self.snapshot().deadline_max
    }

    /// The server's time, so that a countdown need not trust the client's clock.
    async fn server_now(&self, ctx: &Context<'_>) -> DateTime<Utc> {
        ctx.app().clock.now()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.snapshot().created_at
    }

    /// The event that the places are of, unless copies of a coupon are reserved.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Option<Event>> {
        Ok(ctx.loaders().one(self.event_id()).await?.map(Event::from))
    }

    /// The coupon, if it is copies of one that are reserved.
    async fn coupon(&self, ctx: &Context<'_>) -> ApiResult<Option<Coupon>> {
        Ok(ctx.loaders().one(CouponId::from(self.0.inventory)).await?.map(Coupon::from))
    }

    /// What it holds, at prices that stay as they were when it was made.
    async fn items(&self, ctx: &Context<'_>) -> ApiResult<Vec<ReservationItem>> {
        if let Some(coupon) = ctx.loaders().one(CouponId::from(self.0.inventory)).await? {
            let of = |item| ReservationItem::of_coupon(item, &coupon.title, &self.snapshot().currency);
            return Ok(self.snapshot().items.iter().map(of).collect());
        }
        let map = map_of(ctx, self.event_id()).await?;
        Ok(self
            .snapshot()
            .items
            .iter()
            .map(|item| ReservationItem::of(item, &map, &self.snapshot().currency))
            .collect())
    }

    /// How many places it holds.
    async fn quantity(&self) -> u32 {
        self.snapshot().quantity()
    }

    /// What the places cost, fees and tax included.
    async fn total(&self) -> Money {
        Money::of(self.snapshot().total(), &self.snapshot().currency)
    }

    /// The order that it belongs to, from the checkout on.
    async fn order(&self, ctx: &Context<'_>) -> ApiResult<Option<Order>> {
        match self.snapshot().order {
            Some(id) => Ok(found(orders::visible(ctx.app(), ctx.viewer(), None, id).await)?.map(Order::from)),
            None => Ok(None),
        }
    }
}

impl Reservation {
    fn snapshot(&self) -> &ReservationSnapshot {
        &self.0.snapshot
    }

    fn event_id(&self) -> EventId {
        self.0.inventory.into()
    }
}

/// One seat, some places of an area, or some copies of a coupon.
#[derive(Debug, SimpleObject)]
pub struct ReservationItem {
    /// The place in words, such as `Stalls, Row A, Seat 12`.
    pub label: String,
    /// The seat; null for an area or a coupon.
    pub seat_id: Option<ID>,
    /// The area; null for a seat or a coupon.
    pub area_id: Option<ID>,
    /// How many places or copies.
    pub quantity: u32,
    /// Price of one place, tax included.
    pub price: Money,
    /// Fee of one place, tax included.
    pub fee: Money,
    /// Tax contained in price and fee of one place.
    pub tax: Money,
    /// All places together, fees and tax included.
    pub total: Money,
}

impl ReservationItem {
    fn of(item: &Item, map: &SeatMap, currency: &str) -> Self {
        let (label, seat_id, area_id) = match item.place {
            Place::Seat { ordinal, .. } => {
                (map.plan.seat_name(ordinal as usize), Some(seat_id(map, ordinal as usize)), None)
            }
            Place::Area { ordinal, .. } => (
                map.plan.areas.get(ordinal as usize).map(|area| area.name.clone()),
                None,
                Some(id::encode_as(id::AREA, map.place_id(ordinal))),
            ),
        };
        Self { label: label.unwrap_or_default(), seat_id, area_id, ..Self::of_coupon(item, "", currency) }
    }

    fn of_coupon(item: &Item, title: &str, currency: &str) -> Self {
        let quantity = item.place.quantity();
        Self {
            label: title.to_owned(),
            seat_id: None,
            area_id: None,
            quantity,
            price: Money::of(item.price, currency),
            fee: Money::of(item.fee, currency),
            tax: Money::of(item.tax, currency),
            total: Money::of(i64::from(quantity) * (item.price + item.fee), currency),
        }
    }
}

/// Queries.
#[derive(Debug, Default)]
pub struct ReservationQuery;

#[Object]
impl ReservationQuery {
    /// Your own reservation. Null when there is none with this id, or it is somebody else's.
    async fn reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The reservation.")] id: ID,
    ) -> ApiResult<Option<Reservation>> {
        ctx.viewer().account()?;
        Ok(found(inventory::owned(ctx.app(), ctx.viewer(), decode(&id, "id")?).await)?.map(Reservation))
    }

    /// A challenge to solve before you reserve places of an event. Its solution is good for one reservation of yours. Null
    /// if the event asks for none, is not published, or does not exist.
    async fn reservation_challenge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The event.")] event_id: ID,
    ) -> ApiResult<Option<ReservationChallenge>> {
        ctx.viewer().account()?;
        let event: EventId = decode(&event_id, "eventId")?;
        let challenge = inventory::proof::challenge(ctx.app(), ctx.viewer(), event).await?;
        Ok(challenge.map(|challenge| ReservationChallenge {
            challenge: challenge.text,
            expires_at: challenge.expires_at,
            work: Long(i64::try_from(challenge.work).unwrap_or(i64::MAX)),
        }))
    }
}

/// What to solve before a reservation, for events whose `buyerRequirement` is `PROOF_OF_WORK`.
#[derive(Debug, SimpleObject)]
pub struct ReservationChallenge {
    /// The challenge in JSON, for the ALTCHA widget (protocol version 2).
    challenge: String,
    /// When it is too late to reserve with its solution.
    expires_at: DateTime<Utc>,
    /// How many hashes a solution takes on average. It rises with the demand.
    work: Long,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct ReservationMutation;

#[Object]
impl ReservationMutation {
    /// Reserves places for you, all or nothing, until a deadline. Nobody else gets them meanwhile, and their prices
    /// stay. Guests may do this too: see `createGuestSession`.
    async fn reserve_seats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to reserve.")] input: ReserveSeatsInput,
    ) -> ApiResult<ReserveSeatsPayload> {
        ctx.viewer().account()?;
        let (reservation, errors) = outcome(input.reserve(ctx).await)?;
        Ok(ReserveSeatsPayload { reservation: reservation.map(Reservation), errors })
    }

    /// Gives an active reservation of yours back; its places are free at once.
    async fn release_reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ReleaseReservationInput,
    ) -> ApiResult<ReleaseReservationPayload> {
        ctx.viewer().account()?;
        let released = async {
            let id: ReservationId = decode(&input.reservation_id, "reservationId")?;
            inventory::release(ctx.app(), ctx.viewer(), id).await
        };
        let (reservation, errors) = outcome(released.await.map_err(plain))?;
        Ok(ReleaseReservationPayload { reservation: reservation.map(Reservation), errors })
    }

    /// Gives an active reservation of yours more time: again as long as it first had, from now on, but never beyond
    /// `expiresAtLatest`.
    async fn extend_reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ExtendReservationInput,
    ) -> ApiResult<ExtendReservationPayload> {
        ctx.viewer().account()?;
        let extended = async {
            let id: ReservationId = decode(&input.reservation_id, "reservationId")?;
            orders::extend_reservation(ctx.app(), ctx.viewer(), id).await
        };
        let (reservation, errors) = outcome(extended.await.map_err(plain))?;
        Ok(ExtendReservationPayload { reservation: reservation.map(Reservation), errors })
    }
}

/// Subscriptions.
#[derive(Debug, Default)]
pub struct ReservationSubscription;

#[Subscription]
impl ReservationSubscription {
    /// Your own reservation, now and after every change, until it has ended: for a countdown.
    async fn reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The reservation.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Reservation, ApiError>> + use<>, ApiError> {
        let id = decode(&id, "id")?;
        let stream = inventory::watch(ctx.app(), ctx.viewer(), id).await?;
        Ok(stream.map(|next| next.map(Reservation).map_err(ApiError::from)))
    }
}

/// The seat map of an event that can be seen by all, or by the viewer.
async fn map_of(ctx: &Context<'_>, event: EventId) -> Faulty<Arc<SeatMap>> {
    events::find::seat_map(ctx.app(), ctx.viewer(), event).await
}

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
    error::FaultResult,
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

/// The state of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "ReservationState")]
pub enum State {
    /// The reservation is valid until its deadline.
    Active,
    /// The reservation belongs to an order that is being paid. It does not expire while the payment is in progress.
    Paying,
    /// The reservation was bought and turned into tickets or claims.
    Converted,
    /// The buyer released the reservation.
    Released,
    /// The reservation expired.
    Expired,
}

/// A buyer's temporary reservation of places of one event, or of copies of one coupon. It expires if it is not paid in
/// time.
#[derive(Clone, Debug)]
pub struct Reservation(pub(crate) inventory::Reservation);

/// A buyer's temporary reservation of places of one event, or of copies of one coupon. It expires if it is not paid in
/// time.
#[Object]
impl Reservation {
    /// The global id of the reservation.
    pub async fn id(&self) -> ID {
        encode(self.snapshot().id)
    }

    /// Increases with every change.
    async fn version(&self) -> Long {
        Long(self.snapshot().version)
    }

    /// The current state.
    async fn state(&self, ctx: &Context<'_>) -> State {
        match self.snapshot().state {
            // An overdue reservation is expired, even if its row is not updated yet.
            ReservationState::Active if self.snapshot().is_overdue(ctx.app().clock.now()) => State::Expired,
            ReservationState::Active => State::Active,
            ReservationState::Paying => State::Paying,
            ReservationState::Converted => State::Converted,
            ReservationState::Released => State::Released,
            ReservationState::Expired => State::Expired,
        }
    }

    /// When the reservation expires.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.snapshot().deadline
    }

    /// The latest possible deadline. The reservation cannot be extended beyond it.
    async fn expires_at_latest(&self) -> DateTime<Utc> {
        self.snapshot().deadline_max
    }

    /// The server's current time. Use it for a countdown, because the client's clock may be wrong.
    async fn server_now(&self, ctx: &Context<'_>) -> DateTime<Utc> {
        ctx.app().clock.now()
    }

    /// When the object was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.snapshot().created_at
    }

    /// The event of the places. Null if copies of a coupon are reserved.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Option<Event>> {
        Ok(ctx.loaders().one(self.event_id()).await?.map(Event::from))
    }

    /// The coupon of the copies. Null if places are reserved.
    async fn coupon(&self, ctx: &Context<'_>) -> ApiResult<Option<Coupon>> {
        Ok(ctx.loaders().one(CouponId::from(self.0.inventory)).await?.map(Coupon::from))
    }

    /// The reserved items. Their prices stay as they were when the reservation was made.
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

    /// Number of reserved places or copies.
    async fn quantity(&self) -> u32 {
        self.snapshot().quantity()
    }

    /// The total price, including fees and tax.
    async fn total(&self) -> Money {
        Money::of(self.snapshot().total(), &self.snapshot().currency)
    }

    /// The order that contains the reservation. Null before the checkout.
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

/// One seat, several places of an area, or several copies of a coupon.
#[derive(Debug, SimpleObject)]
pub struct ReservationItem {
    /// The name of the place, such as `Stalls, Row A, Seat 12`, or the title of the coupon.
    pub label: String,
    /// The id of the seat. Null for an area or a coupon.
    pub seat_id: Option<ID>,
    /// The id of the area. Null for a seat or a coupon.
    pub area_id: Option<ID>,
    /// Number of places or copies.
    pub quantity: u32,
    /// The price of one place or copy, including tax.
    pub price: Money,
    /// The fee of one place or copy, including tax.
    pub fee: Money,
    /// The tax contained in price and fee of one place or copy.
    pub tax: Money,
    /// The total of all places or copies, including fees and tax.
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

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct ReservationQuery;

#[Object]
impl ReservationQuery {
    /// Returns a reservation of yours. Null if there is none with this id, or if it belongs to another account.
    async fn reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the reservation.")] id: ID,
    ) -> ApiResult<Option<Reservation>> {
        ctx.viewer().account()?;
        Ok(found(inventory::owned(ctx.app(), ctx.viewer(), decode(&id, "id")?).await)?.map(Reservation))
    }

    /// Returns a challenge to solve before you reserve places of an event. Its solution is valid for one reservation.
    /// Null if the event needs no challenge, is not published or does not exist.
    async fn reservation_challenge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the event.")] event_id: ID,
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

/// A challenge to solve before a reservation, for events whose `buyerRequirement` is `PROOF_OF_WORK`.
#[derive(Debug, SimpleObject)]
pub struct ReservationChallenge {
    /// The challenge as JSON, for the ALTCHA widget (protocol version 2).
    challenge: String,
    /// When the challenge expires. Reserve with its solution before.
    expires_at: DateTime<Utc>,
    /// The expected number of hashes for a solution. It increases with demand.
    work: Long,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct ReservationMutation;

#[Object]
impl ReservationMutation {
    /// Reserves places until a deadline: all of them or none. During this time, no other buyer can get them, and their
    /// prices stay. Guests can call it too; see `createGuestSession`.
    async fn reserve_seats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `reserveSeats`.")] input: ReserveSeatsInput,
    ) -> ApiResult<ReserveSeatsPayload> {
        ctx.viewer().account()?;
        let (reservation, errors) = outcome(input.reserve(ctx).await)?;
        Ok(ReserveSeatsPayload { reservation: reservation.map(Reservation), errors })
    }

    /// Releases an active reservation of yours. Its places become available at once.
    async fn release_reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `releaseReservation`.")] input: ReleaseReservationInput,
    ) -> ApiResult<ReleaseReservationPayload> {
        ctx.viewer().account()?;
        let released = async {
            let id: ReservationId = decode(&input.reservation_id, "reservationId")?;
            inventory::release(ctx.app(), ctx.viewer(), id).await
        };
        let (reservation, errors) = outcome(released.await.map_err(plain))?;
        Ok(ReleaseReservationPayload { reservation: reservation.map(Reservation), errors })
    }

    /// Extends an active reservation of yours. The new deadline is the original duration from now, but not after
    /// `expiresAtLatest`.
    async fn extend_reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `extendReservation`.")] input: ExtendReservationInput,
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

/// The subscriptions of this slice.
#[derive(Debug, Default)]
pub struct ReservationSubscription;

#[Subscription]
impl ReservationSubscription {
    /// Streams a reservation of yours: once at the start and after every change, until it has ended. Use it for a
    /// countdown.
    async fn reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the reservation.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Reservation, ApiError>> + use<>, ApiError> {
        let id = decode(&id, "id")?;
        let stream = inventory::watch(ctx.app(), ctx.viewer(), id).await?;
        Ok(stream.map(|next| next.map(Reservation).map_err(ApiError::from)))
    }
}

/// Returns the seat map of an event that the viewer may see.
async fn map_of(ctx: &Context<'_>, event: EventId) -> FaultResult<Arc<SeatMap>> {
    events::find::seat_map(ctx.app(), ctx.viewer(), event).await
}

//! Reservations in the API.

mod input;
mod item;
mod pick;
mod refusal;

use std::collections::HashMap;

use async_graphql::{Context, Enum, ID, Object, SimpleObject, Subscription, dataloader::Loader};
use entity::{CouponId, EventId, ReservationId, reservation::ReservationState};
use futures_util::{Stream, StreamExt};

pub use self::{
    input::{
        ExtendReservationInput, ExtendReservationPayload, ReleaseReservationInput, ReleaseReservationPayload,
        ReserveSeatsInput, ReserveSeatsPayload,
    },
    item::ReservationItem,
    pick::{AccessibleInput, AdmissionInput, BestAvailableInput, PickInput},
    refusal::{ReservationError, ReserveSeatsError},
};
use self::{item::Sold, refusal::plain};
use crate::{
    graphql::{
        context::ContextExt,
        coupon::Coupon,
        error::{ApiError, ApiResult, found, outcome},
        event::Event,
        id::{decode, encode},
        loader::{Batch, Shared, keyed},
        order::Order,
        scalar::{Instant, Long, Money},
        seat_map::map_of_event,
    },
    inventory::{self, Item, ReservationSnapshot},
    order as orders,
};

/// The status of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "ReservationStatus")]
pub enum Status {
    /// The reservation is valid until its deadline.
    Active,
    /// The reservation belongs to an order that is being paid. It does not expire while the payment is in progress.
    Paying,
    /// The reservation was bought and turned into tickets or claims.
    Converted,
    /// The buyer released the reservation, or its event was cancelled.
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

    /// The current status. It depends on the time: a reservation expires at its deadline.
    async fn status(&self, ctx: &Context<'_>) -> Status {
        match self.snapshot().state {
            // An overdue reservation is expired, even if its row is not updated yet.
            ReservationState::Active if self.snapshot().is_overdue(ctx.app().clock.now()) => Status::Expired,
            ReservationState::Active => Status::Active,
            ReservationState::Paying => Status::Paying,
            ReservationState::Converted => Status::Converted,
            ReservationState::Released => Status::Released,
            ReservationState::Expired => Status::Expired,
        }
    }

    /// When the reservation expires.
    async fn expires_at(&self) -> Instant {
        self.snapshot().deadline.into()
    }

    /// The latest possible deadline. The reservation cannot be extended beyond it.
    async fn expires_at_latest(&self) -> Instant {
        self.snapshot().deadline_max.into()
    }

    /// The server's current time. Use it for a countdown, because the client's clock may be wrong.
    async fn server_now(&self, ctx: &Context<'_>) -> Instant {
        ctx.app().clock.now().into()
    }

    /// When the object was created.
    async fn created_at(&self) -> Instant {
        self.snapshot().created_at.into()
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
        let sold = match ctx.loaders().one(CouponId::from(self.0.inventory)).await? {
            Some(coupon) => Sold::Copies(coupon.title),
            None => Sold::Places(map_of_event(ctx, self.event_id()).await?),
        };
        let currency = &self.snapshot().currency;
        let items = self.snapshot().items.iter();
        Ok(items.map(|item| ReservationItem::of(item.clone(), sold.clone(), currency)).collect())
    }

    /// Number of reserved places or copies.
    async fn quantity(&self) -> u32 {
        self.snapshot().quantity()
    }

    /// The sum of the base prices, including tax, without fees. `subtotal` plus `fees` is `total`.
    async fn subtotal(&self) -> Money {
        self.sum(|item| item.price)
    }

    /// The sum of the fees, including tax.
    async fn fees(&self) -> Money {
        self.sum(|item| item.fee)
    }

    /// The tax contained in the total.
    async fn tax(&self) -> Money {
        self.sum(|item| item.tax)
    }

    /// The total price, including fees and tax, before discounts.
    async fn total(&self) -> Money {
        Money::of(self.snapshot().total(), &self.snapshot().currency)
    }

    /// The order that contains the reservation. Null before the checkout.
    async fn order(&self, ctx: &Context<'_>) -> ApiResult<Option<Order>> {
        match self.snapshot().order {
            Some(id) => Ok(Order::visible(ctx, id).await?),
            None => Ok(None),
        }
    }
}

impl Reservation {
    fn snapshot(&self) -> &ReservationSnapshot {
        &self.0.snapshot
    }

    /// Returns the sum of an amount of all places or copies.
    fn sum(&self, amount: impl Fn(&Item) -> i64) -> Money {
        let items = self.snapshot().items.iter();
        let sum = items.map(|item| i64::from(item.place.quantity()) * amount(item)).sum();
        Money::of(sum, &self.snapshot().currency)
    }

    fn event_id(&self) -> EventId {
        self.0.inventory.into()
    }
}

impl Loader<ReservationId> for Batch {
    type Value = inventory::Reservation;
    type Error = Shared;

    async fn load(
        &self,
        keys: &[ReservationId],
    ) -> Result<HashMap<ReservationId, inventory::Reservation>, Shared> {
        let reservations = inventory::owned_by_ids(&self.app, &self.viewer, keys.to_vec()).await?;
        Ok(keyed(reservations, |reservation| reservation.snapshot.id))
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
            expires_at: challenge.expires_at.into(),
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
    expires_at: Instant,
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
    ) -> ApiResult<Option<ReserveSeatsPayload>> {
        ctx.viewer().account()?;
        let (reservation, errors) = outcome(input.reserve(ctx).await)?;
        Ok(Some(ReserveSeatsPayload { reservation: reservation.map(Reservation), errors }))
    }

    /// Releases an active reservation of yours. Its places become available at once.
    async fn release_reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `releaseReservation`.")] input: ReleaseReservationInput,
    ) -> ApiResult<Option<ReleaseReservationPayload>> {
        ctx.viewer().account()?;
        let released = async {
            let id: ReservationId = decode(&input.reservation_id, "reservationId")?;
            inventory::release(ctx.app(), ctx.viewer(), id).await
        };
        let (reservation, errors) = outcome(released.await.map_err(plain))?;
        Ok(Some(ReleaseReservationPayload { reservation: reservation.map(Reservation), errors }))
    }

    /// Extends an active reservation of yours. The new deadline is the original duration from now, but not after
    /// `expiresAtLatest`. The end of the sales does not matter: a buyer who reserved in time can extend, check out and
    /// pay until `expiresAtLatest`.
    async fn extend_reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `extendReservation`.")] input: ExtendReservationInput,
    ) -> ApiResult<Option<ExtendReservationPayload>> {
        ctx.viewer().account()?;
        let extended = async {
            let id: ReservationId = decode(&input.reservation_id, "reservationId")?;
            orders::extend_reservation(ctx.app(), ctx.viewer(), id).await
        };
        let (reservation, errors) = outcome(extended.await.map_err(plain))?;
        Ok(Some(ExtendReservationPayload { reservation: reservation.map(Reservation), errors }))
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

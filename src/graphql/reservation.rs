//! Reservations in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, OneofObject, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use entity::{EventId, ReservationId, reservation::ReservationState};
use futures_util::{Stream, StreamExt};

use super::{
    context::ContextExt,
    error::{ApiError, ApiResult, found, outcome, user_error},
    event::Event,
    id::{self, decode, encode},
    order::Order,
    scalar::Money,
};
use crate::{
    error::{Error, Fault, Faulty},
    event as events,
    inventory::{self, Held, Item, Pick, Place, Refusal, Reserve},
    order as orders,
    venue::{self, SeatMap},
};

user_error! {
    /// Why places were not reserved, or a reservation was not changed.
    ReservationError, ReservationErrorCode {
        /// The event is not published, or was cancelled.
        NotOpen,
        /// Sales have not begun; `availableAt` says when they do.
        SalesNotStarted,
        /// Sales are over.
        SalesEnded,
        /// A seat or area has no price, so it is not for sale.
        NotForSale,
        /// Somebody was first: `seats` are no longer free. Nothing was reserved.
        SeatsTaken,
        /// The area has only `available` places left. Nothing was reserved.
        AreaFull,
        /// You would have more places than the event allows one buyer: `limit`, of which you have `taken`.
        LimitExceeded,
        /// The reservation ran out or was given back.
        ReservationEnded,
        /// The reservation belongs to an order: cancel the order instead.
        AlreadyOrdered,
        /// The reservation is being paid.
        BeingPaid,
        /// The reservation has all the time that the event allows.
        NoMoreTime,
    }
    {
        /// The seats that are not free or not for sale.
        seats: Vec<ID>,
        /// Places left in the area.
        available: u32,
        /// How many places one buyer may have.
        limit: u32,
        /// How many places you have already.
        taken: u32,
        /// When it becomes possible.
        available_at: DateTime<Utc>,
    }
}

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
        encode(self.held().id)
    }

    /// Raised by every change.
    async fn version(&self) -> super::scalar::Long {
        super::scalar::Long(self.held().version)
    }

    /// Where it stands.
    async fn state(&self, ctx: &Context<'_>) -> State {
        match self.held().state {
            // Overdue is expired, whether somebody wrote it down yet or not.
            ReservationState::Active if self.held().is_overdue(ctx.app().clock.now()) => State::Expired,
            ReservationState::Active => State::Active,
            ReservationState::Paying => State::Paying,
            ReservationState::Converted => State::Converted,
            ReservationState::Released => State::Released,
            ReservationState::Expired => State::Expired,
        }
    }

    /// When it runs out.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.held().deadline
    }

    /// Beyond this it cannot be extended.
    async fn expires_at_latest(&self) -> DateTime<Utc> {
        self.held().deadline_max
    }

    /// The server's time, so that a countdown need not trust the client's clock.
    async fn server_now(&self, ctx: &Context<'_>) -> DateTime<Utc> {
        ctx.app().clock.now()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.held().created_at
    }

    /// The event that the places are of.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Event> {
        Event::of(ctx, self.event_id()).await
    }

    /// What it holds, at prices that stay as they were when it was made.
    async fn items(&self, ctx: &Context<'_>) -> ApiResult<Vec<ReservationItem>> {
        let map = map_of(ctx, self.event_id()).await?;
        Ok(self
            .held()
            .items
            .iter()
            .map(|item| ReservationItem::of(item, &map, &self.held().currency))
            .collect())
    }

    /// How many places it holds.
    async fn quantity(&self) -> u32 {
        self.held().quantity()
    }

    /// What the places cost, fees and tax included.
    async fn total(&self) -> Money {
        Money::of(self.held().total(), &self.held().currency)
    }

    /// The order that it belongs to, from the checkout on.
    async fn order(&self, ctx: &Context<'_>) -> ApiResult<Option<Order>> {
        match self.held().order {
            Some(id) => Ok(found(orders::visible(ctx.app(), ctx.viewer(), None, id).await)?.map(Order::from)),
            None => Ok(None),
        }
    }
}

impl Reservation {
    fn held(&self) -> &Held {
        &self.0.held
    }

    fn event_id(&self) -> EventId {
        self.0.inventory.into()
    }
}

/// One seat, or some places of an area.
#[derive(Debug, SimpleObject)]
pub struct ReservationItem {
    /// The place in words, such as `Stalls, Row A, Seat 12`.
    pub label: String,
    /// The seat; null for an area.
    pub seat_id: Option<ID>,
    /// The area; null for a seat.
    pub area_id: Option<ID>,
    /// How many places.
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
        let quantity = item.place.quantity();
        let (label, seat_id, area_id) = match item.place {
            Place::Seat { ordinal, .. } => {
                (map.plan.seat_name(ordinal as usize), Some(seat_id(map, ordinal)), None)
            }
            Place::Area { ordinal, .. } => (
                map.plan.areas.get(ordinal as usize).map(|area| area.name.clone()),
                None,
                Some(id::encode_as(id::AREA, map.place_id(ordinal))),
            ),
        };
        Self {
            label: label.unwrap_or_default(),
            seat_id,
            area_id,
            quantity,
            price: Money::of(item.price, currency),
            fee: Money::of(item.fee, currency),
            tax: Money::of(item.tax, currency),
            total: Money::of(i64::from(quantity) * (item.price + item.fee), currency),
        }
    }
}

/// What to reserve.
#[derive(Debug, InputObject)]
pub struct ReserveSeatsInput {
    /// Of which event.
    pub event_id: ID,
    /// Which places.
    pub pick: PickInput,
    /// Your own key, 8 to 255 characters, a UUID for instance: the same call with the same key has its effect once,
    /// and the same answer, for 7 days.
    pub idempotency_key: String,
}

/// Which places: exactly one of these.
#[derive(Debug, OneofObject)]
pub enum PickInput {
    /// These seats, all or none.
    SeatIds(Vec<ID>),
    /// Places of an area without numbered seats.
    Admission(AdmissionInput),
}

/// Places of an area without numbered seats.
#[derive(Debug, InputObject)]
pub struct AdmissionInput {
    /// The area.
    pub area_id: ID,
    /// How many places.
    pub quantity: u32,
}

/// What came of it.
#[derive(Debug, SimpleObject)]
pub struct ReserveSeatsPayload {
    /// The reservation, if it was made.
    pub reservation: Option<Reservation>,
    /// Why it was not made.
    pub errors: Vec<ReservationError>,
}

/// Which reservation to give back.
#[derive(Debug, InputObject)]
pub struct ReleaseReservationInput {
    /// The reservation.
    pub reservation_id: ID,
}

/// What came of it.
#[derive(Debug, SimpleObject)]
pub struct ReleaseReservationPayload {
    /// The reservation, released.
    pub reservation: Option<Reservation>,
    /// Why it was not released.
    pub errors: Vec<ReservationError>,
}

/// Which reservation to give more time.
#[derive(Debug, InputObject)]
pub struct ExtendReservationInput {
    /// The reservation.
    pub reservation_id: ID,
}

/// What came of it.
#[derive(Debug, SimpleObject)]
pub struct ExtendReservationPayload {
    /// The reservation, with its new deadline.
    pub reservation: Option<Reservation>,
    /// Why it was not extended.
    pub errors: Vec<ReservationError>,
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
        let (reservation, errors) = outcome(reserve(ctx, input).await)?;
        Ok(ReserveSeatsPayload { reservation: reservation.map(Reservation), errors })
    }

    /// Gives an active reservation of yours back; its places are free at once.
    async fn release_reservation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ReleaseReservationInput,
    ) -> ApiResult<ReleaseReservationPayload> {
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

/// A refusal with the seat map by which its seats are named.
struct Told(Refusal, Option<std::sync::Arc<SeatMap>>);

async fn reserve(ctx: &Context<'_>, input: ReserveSeatsInput) -> Result<inventory::Reservation, Error<Told>> {
    let event: EventId = decode(&input.event_id, "eventId")?;
    let map = map_of(ctx, event).await?;
    let pick = pick(&input.pick, &map)?;
    let reserve = Reserve { event, pick, key: input.idempotency_key };
    inventory::reserve(ctx.app(), ctx.viewer(), reserve)
        .await
        .map_err(|error| error.map_refusal(|refusal| Told(refusal, Some(map))))
}

/// The seat map of an event that can be seen by all, or by the viewer.
async fn map_of(ctx: &Context<'_>, event: EventId) -> Faulty<std::sync::Arc<SeatMap>> {
    let event = events::find::event(ctx.app(), ctx.viewer(), event).await?;
    venue::seat_map(ctx.app(), event.seat_map_id).await
}

fn pick(input: &PickInput, map: &SeatMap) -> Faulty<Pick> {
    match input {
        PickInput::SeatIds(ids) => {
            let mut ordinals = Vec::with_capacity(ids.len().min(inventory::PLACES_MAX));
            for (index, id) in ids.iter().enumerate() {
                let path = format!("pick.seatIds.{index}");
                let seat = id::decode_as(id::SEAT, id, &path)?;
                let ordinal = map.ordinal(seat).filter(|&ordinal| (ordinal as usize) < map.plan.seats.len());
                ordinals.push(ordinal.ok_or_else(|| Fault::invalid(&path, "is not a seat of this event"))?);
            }
            Ok(Pick::Seats(ordinals))
        }
        PickInput::Admission(admission) => {
            let path = "pick.admission.areaId";
            let area = id::decode_as(id::AREA, &admission.area_id, path)?;
            let area = map.ordinal(area).filter(|&ordinal| (ordinal as usize) < map.plan.areas.len());
            let area = area.ok_or_else(|| Fault::invalid(path, "is not an area of this event"))?;
            Ok(Pick::Admission { area, quantity: admission.quantity })
        }
    }
}

fn seat_id(map: &SeatMap, ordinal: u32) -> ID {
    id::encode_as(id::SEAT, map.place_id(ordinal))
}

fn plain(error: Error<Refusal>) -> Error<Told> {
    error.map_refusal(|refusal| Told(refusal, None))
}

impl From<Told> for ReservationError {
    fn from(Told(refusal, map): Told) -> Self {
        let ids =
            |seats: Vec<u32>| map.as_ref().map(|map| seats.iter().map(|&seat| seat_id(map, seat)).collect());
        let new = |code, message: &str| Self { code, message: message.to_owned(), ..Self::default() };
        use ReservationErrorCode as Code;
        match refusal {
            Refusal::NotOpen => new(Code::NotOpen, "nothing of this event is sold"),
            Refusal::SalesNotStarted { at } => Self {
                available_at: Some(at),
                retryable: true,
                ..new(Code::SalesNotStarted, "sales have not begun")
            },
            Refusal::SalesEnded => new(Code::SalesEnded, "sales are over"),
            Refusal::UnknownPlaces => new(Code::Invalid, "there are no such places"),
            Refusal::NotForSale { seats } => {
                Self { seats: ids(seats), ..new(Code::NotForSale, "these places are not for sale") }
            }
            Refusal::SeatsTaken { seats } => Self {
                seats: ids(seats),
                ..new(Code::SeatsTaken, "somebody was first; nothing was reserved")
            },
            Refusal::AreaFull { available } => Self {
                available: Some(available),
                ..new(Code::AreaFull, "not as many places are left; nothing was reserved")
            },
            Refusal::LimitExceeded { limit, taken } => Self {
                limit: Some(limit),
                taken: Some(taken),
                ..new(Code::LimitExceeded, "one buyer may not have as many places of this event")
            },
            Refusal::ReservationNotFound => new(Code::NotFound, "there is no such reservation"),
            Refusal::ReservationEnded | Refusal::PlacesChanged => {
                new(Code::ReservationEnded, "the reservation has ended")
            }
            Refusal::AlreadyOrdered => {
                new(Code::AlreadyOrdered, "the reservation belongs to an order; cancel the order instead")
            }
            Refusal::BeingPaid => new(Code::BeingPaid, "the reservation is being paid"),
            Refusal::NoMoreTime => {
                new(Code::NoMoreTime, "the reservation has all the time that the event allows")
            }
        }
    }
}

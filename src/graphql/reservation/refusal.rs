//! The error types of reservations.

use async_graphql::ID;
use chrono::{DateTime, Utc};

use crate::{
    coupon::{access, discount::DiscountRefusal, spend::ClaimRefusal},
    error::{Error, Fault, Object},
    graphql::{
        id::encode,
        scalar::Instant,
        seat_map::seat_id,
        user_error::{Explain, Explanation, millis, user_error},
    },
    inventory::{OwnReservations, Refusal},
    venue::SeatMap,
};

user_error! {
    /// An error of `reserveSeats`.
    ReserveSeatsError, ReserveSeatsErrorCode (Invalid NotFound IdempotencyMismatch) from ReservationCause {
        /// The event is not published or was cancelled.
        NotOpen: Refused,
        /// Sales have not begun. Try again at `availableAt`.
        SalesNotStarted: Refused,
        /// Sales have ended.
        SalesEnded: Refused,
        /// A seat or area has no price and is not for sale. Choose other places.
        NotForSale: Refused,
        /// The `seats` are not available. Nothing was reserved. If `ownReservationIds` is not empty, you reserved some of
        /// them yourself, for example in another tab: continue with that reservation, or release it. Otherwise another
        /// buyer was first: choose other seats. If all of them are merely reserved, `availableAt` says when they become
        /// available unless they are bought.
        SeatsTaken: Conflict,
        /// The pick would leave `seats` behind as single seats between taken ones. Nothing was reserved. Add these
        /// seats, or move the pick: an equally large pick in the same rows leaves fewer single seats.
        LeavesOrphans: Refused,
        /// Only `available` matching seats are free together. If wheelchair places are missing, `available` counts
        /// those. `enoughIfSplit` says whether `split: true` would succeed. Nothing was reserved.
        NotEnoughTogether: Conflict,
        /// Only `available` matching seats are left in total. If wheelchair places are missing, `available` counts
        /// those. Nothing was reserved.
        NotEnoughLeft: Conflict,
        /// The area has only `available` places left. Nothing was reserved. If reserved places would be enough,
        /// `availableAt` says when they become available unless they are bought. `ownReservationIds` names your own
        /// reservations of places in the area.
        AreaFull: Conflict,
        /// You would exceed the event's `limit` of places per buyer. You already have `taken`: `reserved` in unpaid
        /// reservations, and `bought`.
        LimitExceeded: Limited,
        /// You kept places of this event reserved for too long without buying. You can reserve again at `availableAt`.
        CoolingDown: Limited,
        /// Your network (an IPv4 address or an IPv6 /64) would exceed its `limit` of unpaid places for this event. It
        /// has `taken`. Pay for your reservations, or try again at `availableAt`, when the first of them expire.
        TooManyUnpaid: Limited,
        /// Most places of this event are reserved and unpaid. Each network may now have only as many as two buyers. Pay
        /// for your reservations, or try again at `availableAt`, when your network's reservations expire.
        MostlyUnpaid: Limited,
        /// Only signed-up users can buy for this event. Call `signUp` first.
        RegistrationRequired: Refused,
        /// Only users with a verified e-mail address can buy for this event.
        VerifiedEmailRequired: Refused,
        /// This event needs a solved challenge. Query `reservationChallenge` and send its solution as `proof`.
        ProofRequired: Invalid,
        /// The proof is wrong, expired, already used, or not for you and this event. Get a new challenge.
        ProofInvalid: Invalid,
        /// There is no such access code, or you cannot use it. All unusable codes give this error. No places were
        /// checked.
        UnknownAccessCode: NotFound,
        /// The access code is not valid now, or unlocks no tier of this event. No places were checked.
        AccessCodeNotValid: Refused,
        /// Too many wrong codes. Wait `retryAfterMs`, then try again.
        TooManyCodes: Limited,
    }
    {
        /// The ids of the seats that are unavailable, not for sale, or would be left behind. Null for other codes.
        seats: Vec<ID>,
        /// Number of places left: in the area, together, or in total. Null for other codes.
        available: u32,
        /// Whether there are enough seats if the party is split. Set only with `NOT_ENOUGH_TOGETHER`.
        enough_if_split: bool,
        /// Maximum number of places for one buyer or one network. Null for other codes.
        limit: u32,
        /// Number of places that you or your network already have. Null for other codes.
        taken: u32,
        /// Number of places that you have reserved and not paid yet. Set only with `LIMIT_EXCEEDED`.
        reserved: u32,
        /// Number of places that you have bought. Set only with `LIMIT_EXCEEDED`.
        bought: u32,
        /// The ids of your own reservations that have some of the `seats`, places in the area, or places that count
        /// against your `limit`. Never those of other buyers. Set only with `SEATS_TAKEN`, `AREA_FULL` and
        /// `LIMIT_EXCEEDED`.
        own_reservation_ids: Vec<ID>,
        /// When another attempt can succeed. Null if unknown.
        available_at: Instant,
        /// Milliseconds to wait before the next attempt. Set only with `TOO_MANY_CODES`.
        retry_after_ms: i32,
    }
}

user_error! {
    /// An error of a mutation that extends or releases a reservation.
    ReservationError, ReservationErrorCode (Invalid NotFound) from ReservationCause {
        /// The event was cancelled, so its reservations cannot be extended.
        NotOpen: Refused,
        /// The reservation expired or was released. Reserve again.
        ReservationEnded: Refused,
        /// The reservation belongs to an order. Cancel the order instead.
        AlreadyOrdered: Refused,
        /// The reservation is being paid.
        BeingPaid: Refused,
        /// The reservation already has the maximum duration of the event.
        NoMoreTime: Limited,
    }
}

/// The data of reservation errors.
#[derive(Debug, Default)]
pub(crate) struct ReservationData {
    seats: Option<Vec<ID>>,
    available: Option<u32>,
    enough_if_split: Option<bool>,
    limit: Option<u32>,
    taken: Option<u32>,
    reserved: Option<u32>,
    bought: Option<u32>,
    own_reservation_ids: Option<Vec<ID>>,
    available_at: Option<Instant>,
    retry_after_ms: Option<i32>,
}

type Explained = Explanation<ReservationData>;

/// Why places were not reserved, or a reservation was not changed. The variants have the names of the codes.
#[derive(Debug)]
pub(crate) enum ReservationCause {
    NotOpen(Explained),
    SalesNotStarted(Explained),
    SalesEnded(Explained),
    NotForSale(Explained),
    SeatsTaken(Explained),
    LeavesOrphans(Explained),
    NotEnoughTogether(Explained),
    NotEnoughLeft(Explained),
    AreaFull(Explained),
    LimitExceeded(Explained),
    CoolingDown(Explained),
    TooManyUnpaid(Explained),
    MostlyUnpaid(Explained),
    RegistrationRequired(Explained),
    VerifiedEmailRequired(Explained),
    ProofRequired(Explained),
    ProofInvalid(Explained),
    UnknownAccessCode(Explained),
    AccessCodeNotValid(Explained),
    TooManyCodes(Explained),
    ReservationEnded(Explained),
    AlreadyOrdered(Explained),
    BeingPaid(Explained),
    NoMoreTime(Explained),
}

impl Explain for ReservationCause {
    type Data = ReservationData;

    fn explain(self) -> Explained {
        match self {
            Self::NotOpen(explained)
            | Self::SalesNotStarted(explained)
            | Self::SalesEnded(explained)
            | Self::NotForSale(explained)
            | Self::SeatsTaken(explained)
            | Self::LeavesOrphans(explained)
            | Self::NotEnoughTogether(explained)
            | Self::NotEnoughLeft(explained)
            | Self::AreaFull(explained)
            | Self::LimitExceeded(explained)
            | Self::CoolingDown(explained)
            | Self::TooManyUnpaid(explained)
            | Self::MostlyUnpaid(explained)
            | Self::RegistrationRequired(explained)
            | Self::VerifiedEmailRequired(explained)
            | Self::ProofRequired(explained)
            | Self::ProofInvalid(explained)
            | Self::UnknownAccessCode(explained)
            | Self::AccessCodeNotValid(explained)
            | Self::TooManyCodes(explained)
            | Self::ReservationEnded(explained)
            | Self::AlreadyOrdered(explained)
            | Self::BeingPaid(explained)
            | Self::NoMoreTime(explained) => explained,
        }
    }
}

/// Converts a refusal of a reservation with an access code.
pub(super) fn with_code(error: Error<access::Refusal>, map: &SeatMap) -> Error<ReservationCause> {
    match error {
        Error::Refused(access::Refusal::Places(refusal)) => with_map(Error::Refused(refusal), Some(map)),
        Error::Refused(access::Refusal::Code(why)) => Error::Refused(of_code(why)),
        Error::Fault(fault) => Error::Fault(fault),
    }
}

/// Converts a refusal that is not about seats.
pub(super) fn plain(error: Error<Refusal>) -> Error<ReservationCause> {
    with_map(error, None)
}

/// Converts a refusal. The seat map names its seats.
pub(super) fn with_map(error: Error<Refusal>, map: Option<&SeatMap>) -> Error<ReservationCause> {
    match error {
        Error::Refused(Refusal::UnknownPlaces) => Fault::invalid("pick", "there are no such places").into(),
        Error::Refused(Refusal::ReservationNotFound) => Fault::NotFound(Object::Reservation).into(),
        Error::Refused(refusal) => Error::Refused(of_places(refusal, map)),
        Error::Fault(fault) => Error::Fault(fault),
    }
}

fn of_code(why: ClaimRefusal) -> ReservationCause {
    use ReservationCause as Cause;
    let new = |message: &str| Explained::new(message).at("accessCode");
    match why {
        ClaimRefusal::TooManyCodes { retry_after_seconds } => {
            let data = ReservationData {
                retry_after_ms: Some(millis(retry_after_seconds)),
                ..ReservationData::default()
            };
            Cause::TooManyCodes(new("too many wrong codes; try again later").with(data).retryable(true))
        }
        ClaimRefusal::Rule(DiscountRefusal::NotYetValid { .. }) => {
            Cause::AccessCodeNotValid(new("the access code is not valid yet"))
        }
        ClaimRefusal::Rule(DiscountRefusal::Expired) => {
            Cause::AccessCodeNotValid(new("the access code's validity has ended"))
        }
        ClaimRefusal::Rule(_) => {
            Cause::AccessCodeNotValid(new("the access code unlocks no tier of this event"))
        }
        ClaimRefusal::UnknownCode | ClaimRefusal::InUse | ClaimRefusal::Used => {
            Cause::UnknownAccessCode(new("there is no such access code, or you cannot use it"))
        }
    }
}

fn ids(own: &OwnReservations) -> Vec<ID> {
    own.ids.iter().map(|id| encode(*id)).collect()
}

#[expect(clippy::too_many_lines, reason = "a table with one entry per refusal")]
fn of_places(refusal: Refusal, map: Option<&SeatMap>) -> ReservationCause {
    use ReservationCause as Cause;
    let new = |message: &str| Explained::new(message);
    let seats = |seats: Vec<u32>| ReservationData {
        seats: map.map(|map| seats.iter().map(|&seat| seat_id(map, seat as usize)).collect()),
        ..ReservationData::default()
    };
    let at = |at: Option<DateTime<Utc>>| ReservationData {
        available_at: at.map(Instant::from),
        ..ReservationData::default()
    };
    match refusal {
        Refusal::NotOpen => Cause::NotOpen(new("the event is not on sale")),
        Refusal::SalesNotStarted { at: start } => {
            Cause::SalesNotStarted(new("sales have not begun").with(at(Some(start))).retryable(true))
        }
        Refusal::SalesEnded => Cause::SalesEnded(new("sales have ended")),
        Refusal::NotForSale { seats: all } => {
            Cause::NotForSale(new("these places are not for sale").with(seats(all)))
        }
        Refusal::SeatsTaken { seats: lost, at, own } => {
            let message = if own.ids.is_empty() {
                "some seats are no longer available; nothing was reserved"
            } else {
                "you have reserved some of these seats yourself; nothing more was reserved"
            };
            let data = ReservationData {
                available_at: at.map(Instant::from),
                own_reservation_ids: Some(ids(&own)),
                ..seats(lost)
            };
            Cause::SeatsTaken(new(message).with(data).retryable(at.is_some()))
        }
        Refusal::LeavesOrphans { seats: left } => Cause::LeavesOrphans(
            new("the pick would leave single seats behind; nothing was reserved").with(seats(left)),
        ),
        Refusal::NotEnoughTogether { available, if_split } => {
            Cause::NotEnoughTogether(new("not enough seats are free together; nothing was reserved").with(
                ReservationData { available: Some(available), enough_if_split: Some(if_split), ..at(None) },
            ))
        }
        Refusal::NotEnoughLeft { available } => Cause::NotEnoughLeft(
            new("not enough seats are free; nothing was reserved")
                .with(ReservationData { available: Some(available), ..at(None) }),
        ),
        Refusal::AreaFull { available, at: free, own } => Cause::AreaFull(
            new("not enough places are left; nothing was reserved")
                .with(ReservationData {
                    available: Some(available),
                    own_reservation_ids: Some(ids(&own)),
                    ..at(free)
                })
                .retryable(free.is_some()),
        ),
        Refusal::LimitExceeded { limit, taken, own } => {
            let message = if own.places > 0 {
                "the limit of places per buyer is exceeded, counting the places that you have reserved"
            } else {
                "the limit of places per buyer is exceeded"
            };
            Cause::LimitExceeded(new(message).with(ReservationData {
                limit: Some(limit),
                taken: Some(taken),
                reserved: Some(own.places),
                bought: Some(taken.saturating_sub(own.places)),
                own_reservation_ids: Some(ids(&own)),
                ..at(None)
            }))
        }
        Refusal::CoolingDown { at: end } => Cause::CoolingDown(
            new("places were reserved for too long without buying; try again later")
                .with(at(Some(end)))
                .retryable(true),
        ),
        Refusal::TooManyUnpaid { limit, unpaid, at: end } => Cause::TooManyUnpaid(
            new("your network has too many unpaid places of this event")
                .with(ReservationData { limit: Some(limit), taken: Some(unpaid), ..at(end) })
                .retryable(true),
        ),
        Refusal::Crowded { at: end } => Cause::MostlyUnpaid(
            new("most places are unpaid; each network may have only as many as two buyers")
                .with(at(end))
                .retryable(true),
        ),
        Refusal::RegistrationRequired => {
            Cause::RegistrationRequired(new("this event is sold to signed-up users only"))
        }
        Refusal::VerifiedEmailRequired => Cause::VerifiedEmailRequired(new(
            "this event is sold to users with a verified e-mail address only",
        )),
        Refusal::ProofRequired => {
            Cause::ProofRequired(new("solve a challenge of this event first").at("proof"))
        }
        Refusal::ProofInvalid => Cause::ProofInvalid(
            new("the proof is wrong, expired or already used; get a new challenge").at("proof"),
        ),
        // `with_map` has converted the first two.
        Refusal::UnknownPlaces
        | Refusal::ReservationNotFound
        | Refusal::ReservationEnded
        | Refusal::PlacesChanged
        | Refusal::TermsChanged
        | Refusal::CodeTaken => Cause::ReservationEnded(new("the reservation has ended")),
        Refusal::AlreadyOrdered => {
            Cause::AlreadyOrdered(new("the reservation belongs to an order; cancel the order instead"))
        }
        Refusal::BeingPaid => Cause::BeingPaid(new("the reservation is being paid")),
        Refusal::NoMoreTime => Cause::NoMoreTime(new("the reservation already has the maximum duration")),
    }
}

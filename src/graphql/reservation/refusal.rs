//! The error type of reservations.

use std::sync::Arc;

use async_graphql::ID;
use chrono::{DateTime, Utc};

use self::ReservationErrorCode as Code;
use crate::{
    coupon::{access, discount::DiscountRefusal, spend::ClaimRefusal},
    error::Error,
    graphql::{error::user_error, seat_map::seat_id},
    inventory::Refusal,
    venue::SeatMap,
};

user_error! {
    /// An error of a reservation mutation.
    ReservationError, ReservationErrorCode {
        /// The event is not published or was cancelled.
        NotOpen,
        /// Sales have not begun. Try again at `availableAt`.
        SalesNotStarted,
        /// Sales have ended.
        SalesEnded,
        /// A seat or area has no price and is not for sale. Choose other places.
        NotForSale,
        /// Another buyer was first: `seats` are no longer available. Nothing was reserved. Choose other seats. If all
        /// of them are merely reserved, `availableAt` says when they become available unless they are bought.
        SeatsTaken,
        /// The pick would leave `seats` behind as single seats between taken ones. Nothing was reserved. Add these
        /// seats, or move the pick: an equally large pick in the same rows leaves fewer single seats.
        LeavesOrphans,
        /// Only `available` matching seats are free together. If wheelchair places are missing, `available` counts
        /// those. `enoughIfSplit` says whether `split: true` would succeed. Nothing was reserved.
        NotEnoughTogether,
        /// Only `available` matching seats are left in total. If wheelchair places are missing, `available` counts
        /// those. Nothing was reserved.
        NotEnoughLeft,
        /// The area has only `available` places left. Nothing was reserved. If reserved places would be enough,
        /// `availableAt` says when they become available unless they are bought.
        AreaFull,
        /// You would exceed the event's `limit` of places per buyer. You already have `taken`.
        LimitExceeded,
        /// You kept places of this event reserved for too long without buying. You can reserve again at `availableAt`.
        CoolingDown,
        /// Your network (an IPv4 address or an IPv6 /64) would exceed its `limit` of unpaid places for this event. It
        /// has `taken`. Pay for your reservations, or try again at `availableAt`, when the first of them expire.
        TooManyUnpaid,
        /// Most places of this event are reserved and unpaid. Each network may now have only as many as two buyers. Pay
        /// for your reservations, or try again at `availableAt`, when your network's reservations expire.
        MostlyUnpaid,
        /// Only signed-up users can buy for this event. Call `signUp` first.
        RegistrationRequired,
        /// Only users with a verified e-mail address can buy for this event.
        VerifiedEmailRequired,
        /// This event needs a solved challenge. Query `reservationChallenge` and send its solution as `proof`.
        ProofRequired,
        /// The proof is wrong, expired, already used, or not for you and this event. Get a new challenge.
        ProofInvalid,
        /// There is no such access code, or you cannot use it. All unusable codes give this error. No places were
        /// checked.
        UnknownAccessCode,
        /// The access code is not valid now, or unlocks no tier of this event. No places were checked.
        AccessCodeNotValid,
        /// Too many wrong codes. Wait `retryAfterSeconds`, then try again.
        TooManyCodes,
        /// The reservation expired or was released. Reserve again.
        ReservationEnded,
        /// The reservation belongs to an order. Cancel the order instead.
        AlreadyOrdered,
        /// The reservation is being paid.
        BeingPaid,
        /// The reservation already has the maximum duration of the event.
        NoMoreTime,
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
        /// When another attempt can succeed. Null if unknown.
        available_at: DateTime<Utc>,
        /// Seconds to wait before the next attempt. Set only with `TOO_MANY_CODES`.
        retry_after_seconds: u32,
    }
}

/// A refusal with the context for its message.
pub(super) enum ReservationRefusal {
    /// A refusal, with the seat map that names its seats.
    Places(Refusal, Option<Arc<SeatMap>>),
    /// An access code that unlocks nothing.
    AccessCode(ClaimRefusal),
}

impl ReservationRefusal {
    /// Converts a refusal of a reservation with an access code.
    pub(super) fn with_code(refusal: access::Refusal, map: Arc<SeatMap>) -> Self {
        match refusal {
            access::Refusal::Places(refusal) => Self::Places(refusal, Some(map)),
            access::Refusal::Code(why) => Self::AccessCode(why),
        }
    }
}

/// Converts a refusal that is not about seats.
pub(super) fn plain(error: Error<Refusal>) -> Error<ReservationRefusal> {
    error.map_refusal(|refusal| ReservationRefusal::Places(refusal, None))
}

impl From<ReservationRefusal> for ReservationError {
    fn from(refusal: ReservationRefusal) -> Self {
        match refusal {
            ReservationRefusal::Places(refusal, map) => Self::of_places(refusal, map.as_deref()),
            ReservationRefusal::AccessCode(why) => Self::of_code(why),
        }
    }
}

impl ReservationError {
    fn of_code(why: ClaimRefusal) -> Self {
        let (code, message) = match why {
            ClaimRefusal::TooManyCodes { .. } => {
                (Code::TooManyCodes, "too many wrong codes; try again later")
            }
            ClaimRefusal::Rule(DiscountRefusal::NotYetValid { .. }) => {
                (Code::AccessCodeNotValid, "the access code is not valid yet")
            }
            ClaimRefusal::Rule(DiscountRefusal::Expired) => {
                (Code::AccessCodeNotValid, "the access code's validity has ended")
            }
            ClaimRefusal::Rule(_) => {
                (Code::AccessCodeNotValid, "the access code unlocks no tier of this event")
            }
            ClaimRefusal::UnknownCode | ClaimRefusal::InUse | ClaimRefusal::Used => {
                (Code::UnknownAccessCode, "there is no such access code, or you cannot use it")
            }
        };
        let mut error = Self {
            code,
            message: message.to_owned(),
            path: vec!["accessCode".to_owned()],
            ..Self::default()
        };
        if let ClaimRefusal::TooManyCodes { retry_after_seconds } = why {
            error.retryable = true;
            error.retry_after_seconds = Some(retry_after_seconds);
        }
        error
    }

    /// Converts a refusal that is about the caller or its network, not about places.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller passes six refusals, and this is the sixth"
    )]
    fn of_caller(refusal: &Refusal) -> Self {
        let new = |code, message: &str| Self { code, message: message.to_owned(), ..Self::default() };
        match *refusal {
            Refusal::TooManyUnpaid { limit, unpaid, at } => Self {
                limit: Some(limit),
                taken: Some(unpaid),
                available_at: at,
                retryable: true,
                ..new(Code::TooManyUnpaid, "your network has too many unpaid places of this event")
            },
            Refusal::Crowded { at } => Self {
                available_at: at,
                retryable: true,
                ..new(
                    Code::MostlyUnpaid,
                    "most places are unpaid; each network may have only as many as two buyers",
                )
            },
            Refusal::RegistrationRequired => {
                new(Code::RegistrationRequired, "this event is sold to signed-up users only")
            }
            Refusal::VerifiedEmailRequired => new(
                Code::VerifiedEmailRequired,
                "this event is sold to users with a verified e-mail address only",
            ),
            Refusal::ProofRequired => new(Code::ProofRequired, "solve a challenge of this event first"),
            _ => Self {
                path: vec!["proof".to_owned()],
                ..new(Code::ProofInvalid, "the proof is wrong, expired or already used; get a new challenge")
            },
        }
    }

    fn of_places(refusal: Refusal, map: Option<&SeatMap>) -> Self {
        let ids =
            |seats: Vec<u32>| map.map(|map| seats.iter().map(|&seat| seat_id(map, seat as usize)).collect());
        let new = |code, message: &str| Self { code, message: message.to_owned(), ..Self::default() };
        match refusal {
            Refusal::NotOpen => new(Code::NotOpen, "the event is not on sale"),
            Refusal::SalesNotStarted { at } => Self {
                available_at: Some(at),
                retryable: true,
                ..new(Code::SalesNotStarted, "sales have not begun")
            },
            Refusal::SalesEnded => new(Code::SalesEnded, "sales have ended"),
            Refusal::UnknownPlaces => new(Code::Invalid, "there are no such places"),
            Refusal::NotForSale { seats } => {
                Self { seats: ids(seats), ..new(Code::NotForSale, "these places are not for sale") }
            }
            Refusal::SeatsTaken { seats, at } => Self {
                seats: ids(seats),
                available_at: at,
                retryable: at.is_some(),
                ..new(Code::SeatsTaken, "some seats are no longer available; nothing was reserved")
            },
            Refusal::LeavesOrphans { seats } => Self {
                seats: ids(seats),
                ..new(Code::LeavesOrphans, "the pick would leave single seats behind; nothing was reserved")
            },
            Refusal::NotEnoughTogether { available, if_split } => Self {
                available: Some(available),
                enough_if_split: Some(if_split),
                ..new(Code::NotEnoughTogether, "not enough seats are free together; nothing was reserved")
            },
            Refusal::NotEnoughLeft { available } => Self {
                available: Some(available),
                ..new(Code::NotEnoughLeft, "not enough seats are free; nothing was reserved")
            },
            Refusal::AreaFull { available, at } => Self {
                available: Some(available),
                available_at: at,
                retryable: at.is_some(),
                ..new(Code::AreaFull, "not enough places are left; nothing was reserved")
            },
            Refusal::LimitExceeded { limit, taken } => Self {
                limit: Some(limit),
                taken: Some(taken),
                ..new(Code::LimitExceeded, "the limit of places per buyer is exceeded")
            },
            Refusal::CoolingDown { at } => Self {
                available_at: Some(at),
                retryable: true,
                ..new(Code::CoolingDown, "places were reserved for too long without buying; try again later")
            },
            Refusal::TooManyUnpaid { .. }
            | Refusal::Crowded { .. }
            | Refusal::RegistrationRequired
            | Refusal::VerifiedEmailRequired
            | Refusal::ProofRequired
            | Refusal::ProofInvalid => Self::of_caller(&refusal),
            Refusal::ReservationNotFound => new(Code::NotFound, "there is no such reservation"),
            Refusal::ReservationEnded
            | Refusal::PlacesChanged
            | Refusal::TermsChanged
            | Refusal::CodeTaken => new(Code::ReservationEnded, "the reservation has ended"),
            Refusal::AlreadyOrdered => {
                new(Code::AlreadyOrdered, "the reservation belongs to an order; cancel the order instead")
            }
            Refusal::BeingPaid => new(Code::BeingPaid, "the reservation is being paid"),
            Refusal::NoMoreTime => new(Code::NoMoreTime, "the reservation already has the maximum duration"),
        }
    }
}

//! Why places were not reserved, as clients are told.

use std::sync::Arc;

use async_graphql::ID;
use chrono::{DateTime, Utc};

use self::ReservationErrorCode as Code;
use crate::{
    coupon::{access, discount::Reason, spend::Why},
    error::Error,
    graphql::{error::user_error, seat_map::seat_id},
    inventory::Refusal,
    venue::SeatMap,
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
        /// Somebody was first: `seats` are no longer free. Nothing was reserved. While all of them are only reserved,
        /// `availableAt` says when they come back unless they are bought.
        SeatsTaken,
        /// The pick would leave `seats` behind as single seats between taken ones. Take them too, or move along: as many
        /// seats can be picked from the same stretches with fewer left alone. Nothing was reserved.
        LeavesOrphans,
        /// Only `available` seats of the kind that you want are free together; of wheelchair places, where these are
        /// what is lacking. `enoughIfSplit` says whether `split: true` would do. Nothing was reserved.
        NotEnoughTogether,
        /// Only `available` seats of the kind that you want are free at all; of wheelchair places, where these are what
        /// is lacking. Nothing was reserved.
        NotEnoughLeft,
        /// The area has only `available` places left. Nothing was reserved. If reserved places would be enough, `availableAt`
        /// says when they come back unless they are bought.
        AreaFull,
        /// You would have more places than the event allows one buyer: `limit`, of which you have `taken`.
        LimitExceeded,
        /// You kept places of this event too long without buying any; `availableAt` says when you may reserve again.
        CoolingDown,
        /// Your network (an IPv4 address or an IPv6 /64) would have more than `limit` unpaid places of this event; it has
        /// `taken`. Pay for what you reserved, or come back at `availableAt`, when the first of them run out.
        TooManyUnpaid,
        /// Most places of this event are reserved and unpaid, so each network may have as many of them as two buyers. Pay for what
        /// you reserved, or come back at `availableAt`, when your network's reservations run out.
        MostlyUnpaid,
        /// This event is sold to signed-up users only: see `signUp`.
        RegistrationRequired,
        /// This event is sold to users with a verified e-mail address only.
        VerifiedEmailRequired,
        /// This event asks for a solved challenge: see `reservationChallenge`.
        ProofRequired,
        /// The proof is not of a challenge for you and this event, or it is wrong, too old, or used: get a new challenge.
        ProofInvalid,
        /// There is no such access code that you could use: the same answer for all such codes. No place was looked at.
        UnknownAccessCode,
        /// The access code is not valid now, or opens no tier of this event. No place was looked at.
        AccessCodeNotValid,
        /// You typed too many wrong codes; `retryAfterSeconds` says how long to wait.
        TooManyCodes,
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
        /// The seats that are not free, not for sale, or would be left behind.
        seats: Vec<ID>,
        /// Places left: in the area, together, or at all.
        available: u32,
        /// Whether there are enough seats for a party that may be parted.
        enough_if_split: bool,
        /// How many places one buyer, or one network, may have.
        limit: u32,
        /// How many places you have already, or your network.
        taken: u32,
        /// When it becomes possible, or may become so.
        available_at: DateTime<Utc>,
        /// After how many seconds to try another code.
        retry_after_seconds: u32,
    }
}

/// What is to be told.
pub(super) enum Told {
    /// A refusal with the seat map by which its seats are named.
    Places(Refusal, Option<Arc<SeatMap>>),
    /// An access code that opens nothing.
    Code(Why),
}

impl Told {
    /// A refusal of who gave an access code.
    pub(super) fn with_code(refusal: access::Refusal, map: Arc<SeatMap>) -> Self {
        match refusal {
            access::Refusal::Places(refusal) => Self::Places(refusal, Some(map)),
            access::Refusal::Code(why) => Self::Code(why),
        }
    }
}

/// A refusal that is not about seats.
pub(super) fn plain(error: Error<Refusal>) -> Error<Told> {
    error.map_refusal(|refusal| Told::Places(refusal, None))
}

impl From<Told> for ReservationError {
    fn from(told: Told) -> Self {
        match told {
            Told::Places(refusal, map) => Self::of_places(refusal, map.as_deref()),
            Told::Code(why) => Self::of_code(why),
        }
    }
}

impl ReservationError {
    fn of_code(why: Why) -> Self {
        let (code, message) = match why {
            Why::TooManyCodes { .. } => (Code::TooManyCodes, "too many wrong codes; wait"),
            Why::Rule(Reason::NotYetValid { .. }) => {
                (Code::AccessCodeNotValid, "the access code's validity has not begun")
            }
            Why::Rule(Reason::Expired) => (Code::AccessCodeNotValid, "the access code's validity is over"),
            Why::Rule(_) => (Code::AccessCodeNotValid, "the code opens no tier of this event"),
            Why::UnknownCode | Why::InUse | Why::Used => {
                (Code::UnknownAccessCode, "there is no such code that you could use")
            }
        };
        let mut error = Self {
            code,
            message: message.to_owned(),
            path: vec!["accessCode".to_owned()],
            ..Self::default()
        };
        if let Why::TooManyCodes { retry_after_seconds } = why {
            error.retryable = true;
            error.retry_after_seconds = Some(retry_after_seconds);
        }
        error
    }

    /// A refusal that is about who calls and from where, not about places.
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
                    "most places are unpaid; each network may have as many of them as two buyers",
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
                ..new(Code::ProofInvalid, "the proof is wrong, too old or used; get a new challenge")
            },
        }
    }

    fn of_places(refusal: Refusal, map: Option<&SeatMap>) -> Self {
        let ids =
            |seats: Vec<u32>| map.map(|map| seats.iter().map(|&seat| seat_id(map, seat as usize)).collect());
        let new = |code, message: &str| Self { code, message: message.to_owned(), ..Self::default() };
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
            Refusal::SeatsTaken { seats, at } => Self {
                seats: ids(seats),
                available_at: at,
                retryable: at.is_some(),
                ..new(Code::SeatsTaken, "somebody was first; nothing was reserved")
            },
            Refusal::LeavesOrphans { seats } => Self {
                seats: ids(seats),
                ..new(Code::LeavesOrphans, "this would leave single seats behind; nothing was reserved")
            },
            Refusal::NotEnoughTogether { available, if_split } => Self {
                available: Some(available),
                enough_if_split: Some(if_split),
                ..new(Code::NotEnoughTogether, "not as many seats are free together; nothing was reserved")
            },
            Refusal::NotEnoughLeft { available } => Self {
                available: Some(available),
                ..new(Code::NotEnoughLeft, "not as many seats are free; nothing was reserved")
            },
            Refusal::AreaFull { available, at } => Self {
                available: Some(available),
                available_at: at,
                retryable: at.is_some(),
                ..new(Code::AreaFull, "not as many places are left; nothing was reserved")
            },
            Refusal::LimitExceeded { limit, taken } => Self {
                limit: Some(limit),
                taken: Some(taken),
                ..new(Code::LimitExceeded, "one buyer may not have as many places of this event")
            },
            Refusal::CoolingDown { at } => Self {
                available_at: Some(at),
                retryable: true,
                ..new(Code::CoolingDown, "places were kept too long without buying any; come back later")
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
            Refusal::NoMoreTime => {
                new(Code::NoMoreTime, "the reservation has all the time that the event allows")
            }
        }
    }
}

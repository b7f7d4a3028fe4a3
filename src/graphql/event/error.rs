//! Error types of events and tiers.

use crate::event::rules::Refusal;
use crate::graphql::user_error::{Explain, Explanation, user_error};

user_error! {
    /// An error of `createEvent`.
    CreateEventError, CreateEventErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// Another event uses this slug. Choose a different one.
        SlugTaken: Conflict,
        /// The venue has no seat map. Call `importSeatMap` first.
        NoSeatMap: Refused,
    }
}

user_error! {
    /// An error of a mutation that changes an event.
    EventError, EventErrorCode (Invalid NotFound Stale) from Refusal {
        /// Another event uses this slug. Choose a different one.
        SlugTaken: Conflict,
        /// No tier prices any seat or area. Call `createTier` first.
        NothingForSale: Refused,
        /// The operation requires a draft, and the event is already published.
        NotDraft: Refused,
        /// The event is a draft. Only a published event can be cancelled.
        NotPublished: Refused,
        /// The event is cancelled and cannot be changed.
        Cancelled: Refused,
        /// The event has ended and cannot be published.
        Over: Refused,
    }
}

user_error! {
    /// An error of `createTier`.
    CreateTierError, CreateTierErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// The event is cancelled and cannot be changed.
        Cancelled: Refused,
        /// Another tier of the event already prices the category or area; `path` names it. Remove it from one of the
        /// two tiers.
        AlreadyPriced: Conflict,
        /// Another tier of the event has this name. Choose a different one.
        TierNameTaken: Conflict,
        /// The event already has 100 tiers, which is the maximum.
        TooManyTiers: Limited,
    }
}

user_error! {
    /// An error of a mutation that changes or deletes a tier.
    TierError, TierErrorCode (Invalid NotFound Stale) from Refusal {
        /// Only tiers of a draft can be deleted, and the event is already published.
        NotDraft: Refused,
        /// The event is cancelled and cannot be changed.
        Cancelled: Refused,
        /// Another tier of the event already prices the category or area; `path` names it. Remove it from one of the
        /// two tiers.
        AlreadyPriced: Conflict,
        /// Another tier of the event has this name. Choose a different one.
        TierNameTaken: Conflict,
    }
}

impl Explain for Refusal {
    type Data = ();

    fn explain(self) -> Explanation {
        match self {
            Self::SlugTaken => Explanation::new("another event has this slug").at("slug"),
            Self::NoSeatMap => Explanation::new("the venue has no seat map; import one first").at("venueId"),
            Self::NothingForSale => Explanation::new("no tier prices any seat or area; create one first"),
            Self::NotDraft => Explanation::new("the event is already published"),
            Self::NotPublished => Explanation::new("the event is not published"),
            Self::Cancelled => Explanation::new("the event is cancelled"),
            Self::Over => Explanation::new("the event has ended"),
            Self::AlreadyPriced(path, name) => {
                Explanation { path, ..Explanation::new(format!("another tier prices {name}")) }
            }
            Self::TierNameTaken => Explanation::new("another tier of the event has this name").at("name"),
            Self::TooManyTiers => Explanation::new("the event already has the maximum number of tiers"),
        }
    }
}

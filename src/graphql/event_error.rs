//! Error types of events and tiers.

use super::user_error::{Explain, Explanation, user_error};
use crate::event::rules::Refusal;

user_error! {
    /// An error of `createEvent`.
    CreateEventError, CreateEventErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// Another event uses or used this slug. Choose a different one.
        SlugTaken: Conflict,
        /// The venue has no seat map. Call `importSeatMap` first.
        NoSeatMap: Refused,
    }
}

user_error! {
    /// An error of a mutation that changes an event.
    EventError, EventErrorCode (Invalid NotFound Stale) from Refusal {
        /// Another event uses or used this slug. Choose a different one.
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
    /// An error of `duplicateEvent`.
    DuplicateEventError, DuplicateEventErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// Another event uses this slug. Choose a different one.
        SlugTaken: Conflict,
        /// The server does not know the time zone of the venue. Correct it with `updateVenue`.
        UnknownTimeZone: Refused,
    }
}

user_error! {
    /// An error of `createEvents`.
    CreateEventsError, CreateEventsErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// Another event uses one of the slugs. Choose a different beginning, or omit `slug`.
        SlugTaken: Conflict,
        /// The server does not know the time zone of the venue. Correct it with `updateVenue`.
        UnknownTimeZone: Refused,
        /// The series already has an event at each of the dates.
        NothingNew: Refused,
    }
}

user_error! {
    /// An error of `publishEvents`.
    PublishEventsError, PublishEventsErrorCode (Invalid NotFound) from Refusal {
        /// No tier of the drafts prices any seat or area. Call `createTier` first.
        NothingForSale: Refused,
        /// All drafts of the series have ended and cannot be published.
        Over: Refused,
        /// No event of the series is a draft.
        NoDrafts: Refused,
    }
}

user_error! {
    /// An error of `deleteEvent`.
    DeleteEventError, DeleteEventErrorCode (Invalid NotFound Stale) from Refusal {
        /// The event was published. Call `cancelEvent` instead.
        NotDraft: Refused,
        /// Coupons refer to the event or to one of its tiers. Change them first.
        InUse: Refused,
    }
}

user_error! {
    /// An error of `changeEventSeatMap`.
    ChangeEventSeatMapError, ChangeEventSeatMapErrorCode (Invalid NotFound Stale) from Refusal {
        /// Places of the event are reserved, or were in an order. Keep the seat map.
        PlacesTaken: Refused,
        /// The seat map lacks categories or areas that the event's tiers price; `message` names them. Change the tiers, or
        /// choose another seat map.
        NotOnSeatMap: Refused,
        /// No tier prices any seat or area of the seat map.
        NothingForSale: Refused,
        /// The event is cancelled and cannot be changed.
        Cancelled: Refused,
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
            Self::UnknownTimeZone => {
                Explanation::new("the time zone of the venue is not known; correct it with `updateVenue`")
            }
            Self::NothingNew => Explanation::new("the series already has an event at each date").at("dates"),
            Self::NoDrafts => Explanation::new("no event of the series is a draft").at("seriesId"),
            Self::InUse(count) => {
                let coupons = if count == 1 { "1 coupon refers" } else { &format!("{count} coupons refer") };
                Explanation::new(format!("{coupons} to the event or to one of its tiers")).at("eventId")
            }
            Self::PlacesTaken => Explanation::new("places of the event are reserved, or were in an order"),
            Self::NotOnSeatMap(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let message = format!("tiers price what the seat map does not have: {}", names.join(", "));
                Explanation::new(message).at("seatMapId")
            }
            Self::TooManyTiers => Explanation::new("the event already has the maximum number of tiers"),
        }
    }
}

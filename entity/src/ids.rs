//! Typed ids: a `ShopId` cannot be passed as an `EventId`.
//!
//! The values are UUIDs of version 7, so that indexes grow at one end. The GraphQL layer shows them as `TypeIDs`: the
//! prefix and the UUID in base 32.

use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The interface of all typed ids.
pub trait TypedId: Copy + Send + Sync + 'static {
    /// The prefix of its `TypeID`.
    const PREFIX: &'static str;

    /// Returns the UUID.
    fn uuid(self) -> Uuid;

    /// Creates the id from a UUID.
    fn from_uuid(uuid: Uuid) -> Self;
}

macro_rules! id_type {
    ($($(#[$doc:meta])+ $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])+
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl TypedId for $name {
            const PREFIX: &'static str = $prefix;

            fn uuid(self) -> Uuid {
                self.0
            }

            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    )+};
}

id_type! {
    /// The account of a guest or a user.
    AccountId = "account";
    /// A sign-in on one device: a family of refresh tokens.
    SessionId = "session";
    /// A vendor's organisation.
    ShopId = "shop";
    /// A category of products and services.
    CategoryId = "category";
    /// The place of events.
    VenueId = "venue";
    /// One immutable revision of a venue's geometry.
    SeatMapId = "seatmap";
    /// Something that people attend.
    EventId = "event";
    /// Events that were created together, such as the dates of a tour. It has no row of its own.
    SeriesId = "series";
    /// A price level of an event.
    TierId = "tier";
    /// The version-guarded stock of one event or coupon. It has the same id as the event or coupon.
    InventoryId = "inventory";
    /// A buyer's temporary reservation of an inventory.
    ReservationId = "reservation";
    /// An order: what a buyer buys in one checkout.
    OrderId = "order";
    /// One line of an order: one place, or one copy of a coupon.
    OrderLineId = "orderline";
    /// One attempt to pay an order at the provider.
    PaymentId = "payment";
    /// Money that goes back for a paid order.
    RefundId = "refund";
    /// The right to enter, with a signed code.
    TicketId = "ticket";
    /// One scan at a gate.
    CheckInId = "checkin";
    /// A product that a shop offers.
    ProductId = "product";
    /// A coupon that a shop publishes.
    CouponId = "coupon";
    /// One buyer's copy of a coupon.
    ClaimId = "claim";
    /// One use of a claim.
    RedemptionId = "redemption";
    /// One change of permissions or money.
    AuditId = "audit";
}

impl From<EventId> for InventoryId {
    fn from(event: EventId) -> Self {
        Self(event.0)
    }
}

impl From<InventoryId> for EventId {
    fn from(inventory: InventoryId) -> Self {
        Self(inventory.0)
    }
}

impl From<CouponId> for InventoryId {
    fn from(coupon: CouponId) -> Self {
        Self(coupon.0)
    }
}

impl From<InventoryId> for CouponId {
    fn from(inventory: InventoryId) -> Self {
        Self(inventory.0)
    }
}

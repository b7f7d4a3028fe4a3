//! Typed ids: a `ShopId` cannot be passed where an `EventId` is wanted.
//!
//! Inside they are UUIDs (version 7, so that indexes grow at one end); outside they are shown as `TypeIDs`, the prefix
//! and the UUID in base 32, by the GraphQL layer.

use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What all typed ids have in common.
pub trait TypedId: Copy + Send + Sync + 'static {
    /// The prefix of this kind's `TypeID`.
    const PREFIX: &'static str;

    /// The UUID inside.
    fn uuid(self) -> Uuid;

    /// The id of this kind with the UUID.
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
    /// A guest or a signed-up user.
    AccountId = "account";
    /// A sign-in on one device: a family of refresh tokens.
    SessionId = "session";
    /// A vendor's organisation.
    ShopId = "shop";
    /// A node in the tree of product and service types.
    CategoryId = "category";
    /// Where events take place.
    VenueId = "venue";
    /// One immutable revision of a venue's geometry.
    SeatMapId = "seatmap";
    /// Something that people attend.
    EventId = "event";
    /// A price level of an event.
    TierId = "tier";
    /// The version-guarded stock of one event or one coupon; it has the id of what it is the stock of.
    InventoryId = "inventory";
    /// A buyer's temporary reservation of an inventory.
    ReservationId = "reservation";
    /// What is bought.
    OrderId = "order";
    /// One line of an order: one seat, or one place in an area.
    OrderLineId = "orderline";
    /// One attempt at the payment provider.
    PaymentId = "payment";
    /// Money on its way back.
    RefundId = "refund";
    /// The right to enter.
    TicketId = "ticket";
    /// One scan at a gate.
    CheckInId = "checkin";
    /// What a shop sells or gives away.
    ProductId = "product";
    /// What a shop promises to whoever claims one.
    CouponId = "coupon";
    /// A coupon in the hands of its holder.
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

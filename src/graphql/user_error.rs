//! The errors in the payloads of mutations: the interface, its kinds, and the macro that declares an error type.
//!
//! A mutation's error type contains only codes that the mutation, or another one with the same type, can return. Tests
//! ensure that a type has `IDEMPOTENCY_MISMATCH` only if its inputs have a key, and `STALE` only if they have a version.

use std::fmt::Debug;

use async_graphql::{Enum, Interface};

use super::{account, category, check_in, coupon, event, order, payment, reservation, seat_map, shop, venue};

/// What a client can do about an error. All error types have the same kinds, so that a client can handle codes that it
/// does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserErrorKind {
    /// The input is invalid. Correct the field that `path` names.
    Invalid,
    /// An object of the input does not exist, or you may not see it. Check the id or the code.
    NotFound,
    /// The object has changed since you read it. The payload contains the current object. Merge your changes, then
    /// repeat the mutation with its version.
    Stale,
    /// Another object or another call was first: a name, a place or a copy is taken. Choose a different one.
    Conflict,
    /// A limit is reached. If `retryable` is true, wait, then repeat the mutation; otherwise ask for less.
    Limited,
    /// A rule or the state of an object does not allow the mutation. Tell the user the reason.
    Refused,
}

/// An error of a mutation. Each error type has its own `code` with more details.
#[derive(Debug, Interface)]
#[graphql(
    field(
        name = "kind",
        ty = "&UserErrorKind",
        desc = "What to do about the error. Use it for codes that your client does not know."
    ),
    field(
        name = "message",
        ty = "&String",
        desc = "An explanation for developers, in English. Do not show it to users or parse it; use `code`."
    ),
    field(
        name = "path",
        ty = "&Vec<String>",
        desc = "The location in the input: field names and list indices from the outside in. Empty if the error is not about one field."
    ),
    field(
        name = "retryable",
        ty = "&bool",
        desc = "Whether the same call can succeed later without a change of its input."
    )
)]
pub enum UserError {
    /// Errors of sign-up, sessions and passwords.
    Account(account::AccountError),
    /// Errors of `updateProfile`.
    UpdateProfile(account::UpdateProfileError),
    /// Errors of `createCategory`.
    CreateCategory(category::CreateCategoryError),
    /// Errors of `updateCategory`.
    UpdateCategory(category::UpdateCategoryError),
    /// Errors of `createShop`.
    CreateShop(shop::CreateShopError),
    /// Errors of `updateShop`.
    UpdateShop(shop::UpdateShopError),
    /// Errors of memberships.
    ShopMember(shop::ShopMemberError),
    /// Errors of `createVenue`.
    CreateVenue(venue::CreateVenueError),
    /// Errors of `updateVenue`.
    UpdateVenue(venue::UpdateVenueError),
    /// Errors of `importSeatMap`.
    ImportSeatMap(seat_map::ImportSeatMapError),
    /// Errors of `deleteSeatMap`.
    DeleteSeatMap(seat_map::DeleteSeatMapError),
    /// Errors of `createEvent`.
    CreateEvent(event::CreateEventError),
    /// Errors of changes of events.
    Event(event::EventError),
    /// Errors of `duplicateEvent`.
    DuplicateEvent(event::DuplicateEventError),
    /// Errors of `createEvents`.
    CreateEvents(event::CreateEventsError),
    /// Errors of `publishEvents`.
    PublishEvents(event::PublishEventsError),
    /// Errors of `deleteEvent`.
    DeleteEvent(event::DeleteEventError),
    /// Errors of `changeEventSeatMap`.
    ChangeEventSeatMap(event::ChangeEventSeatMapError),
    /// Errors of `createTier`.
    CreateTier(event::CreateTierError),
    /// Errors of changes of tiers.
    Tier(event::TierError),
    /// Errors of `createProduct`.
    CreateProduct(coupon::CreateProductError),
    /// Errors of changes of products.
    Product(coupon::ProductError),
    /// Errors of `createCoupon`.
    CreateCoupon(coupon::CreateCouponError),
    /// Errors of changes of coupons.
    Coupon(coupon::CouponError),
    /// Errors of `deleteCoupon`.
    DeleteCoupon(coupon::DeleteCouponError),
    /// Errors of code lists.
    CouponCodes(coupon::CouponCodesError),
    /// Errors of `withdrawCouponCode`.
    WithdrawCode(coupon::codes::WithdrawCodeError),
    /// Errors of claiming and reserving coupons.
    Claim(coupon::ClaimError),
    /// Errors of `releaseClaim`.
    ReleaseClaim(coupon::ReleaseClaimError),
    /// Errors of `shareClaim`.
    ShareClaim(coupon::ShareClaimError),
    /// Errors of `acceptClaim`.
    AcceptClaim(coupon::AcceptClaimError),
    /// Errors of `redeemClaim`.
    RedeemClaim(coupon::RedeemClaimError),
    /// Errors of `reserveSeats`.
    ReserveSeats(reservation::ReserveSeatsError),
    /// Errors of changes of reservations.
    Reservation(reservation::ReservationError),
    /// Errors of `checkout`.
    Checkout(order::CheckoutError),
    /// Errors of `cancelOrder`.
    CancelOrder(order::CancelOrderError),
    /// Errors of `payOrder`.
    PayOrder(payment::PayOrderError),
    /// Errors of payments in progress.
    Payment(payment::PaymentError),
    /// Errors of `refundOrder`.
    RefundOrder(payment::RefundOrderError),
    /// Errors of `checkIn`.
    CheckIn(check_in::CheckInError),
    /// Errors of `checkOut`.
    CheckOut(check_in::CheckOutError),
    /// Errors of `undoCheckIn`.
    UndoCheckIn(check_in::UndoCheckInError),
}

/// The codes that have the same meaning in all error types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Common {
    /// The input is malformed.
    Invalid,
    /// The object does not exist, or the viewer may not know that it does.
    NotFound,
    /// The object changed after the client read it.
    Stale,
    /// The key was used before with different input.
    IdempotencyMismatch,
}

/// An error type of mutations. [`user_error!`] implements it.
pub(crate) trait UserErrorType: Sized {
    /// The refusals that the type's codes are named after.
    type Cause: Explain;

    /// Creates an error with a common code. Returns `None` if the type does not have it.
    fn common(common: Common, message: String, path: Vec<String>) -> Option<Self>;

    /// Creates an error with the code of the same name as the cause. Returns `None` if the type does not have it.
    fn of(cause: Self::Cause) -> Option<Self>;
}

/// A refusal that is explained to API clients.
pub(crate) trait Explain: Debug {
    /// The data fields of the slice's error types.
    type Data: Default;

    /// Returns everything but the code.
    fn explain(self) -> Explanation<Self::Data>;
}

/// An error without its code.
#[derive(Debug, Default)]
pub(crate) struct Explanation<D = ()> {
    /// The explanation for developers.
    pub(crate) message: String,
    /// The location in the input.
    pub(crate) path: Vec<String>,
    /// Whether the same call can succeed later.
    pub(crate) retryable: bool,
    /// The data fields.
    pub(crate) data: D,
}

impl<D: Default> Explanation<D> {
    /// Creates an explanation that is not about one field.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), path: Vec::new(), retryable: false, data: D::default() }
    }

    /// Names the input field, such as `pick.seatIds`.
    pub(crate) fn at(self, path: &str) -> Self {
        Self { path: path.split('.').map(str::to_owned).collect(), ..self }
    }

    /// Sets data fields.
    pub(crate) fn with(self, data: D) -> Self {
        Self { data, ..self }
    }

    /// Marks the error as temporary, or not.
    pub(crate) fn retryable(self, retryable: bool) -> Self {
        Self { retryable, ..self }
    }
}

/// A slice's refusal as one or several causes of the type `C`.
pub(crate) trait Causes<C> {
    /// Returns the causes. Each becomes an error.
    fn causes(self) -> Vec<C>;
}

impl<C: Explain> Causes<C> for C {
    fn causes(self) -> Vec<C> {
        vec![self]
    }
}

/// Converts seconds to the milliseconds of `retryAfterMs`.
pub(crate) fn millis(seconds: u32) -> i32 {
    i32::try_from(seconds.saturating_mul(1_000)).unwrap_or(i32::MAX)
}

/// Declares an error type, its codes with their kinds, and the data that its errors can carry. The parentheses list the
/// common codes that the type has. The other codes have the names of refusals of the type after `from`.
macro_rules! user_error {
    (
        $(#[$doc:meta])* $name:ident, $code:ident ($($common:ident)*) from $cause:ident {
            $($(#[$variant_doc:meta])* $variant:ident: $kind:ident,)*
        }
        $({ $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* })?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, async_graphql::SimpleObject)]
        pub struct $name {
            /// The error code. Use it to decide how to react.
            pub code: $code,
            /// What to do about the error. Use it for codes that your client does not know.
            pub kind: $crate::graphql::user_error::UserErrorKind,
            /// An explanation for developers, in English. Do not show it to users or parse it; use `code`.
            pub message: String,
            /// The location in the input: field names and list indices from the outside in. Empty if the error is not
            /// about one field.
            pub path: Vec<String>,
            /// Whether the same call can succeed later without a change of its input.
            pub retryable: bool,
            $($($(#[$field_doc])* pub $field: Option<$ty>,)*)?
        }

        $crate::graphql::user_error::user_error! {
            @common $code ($($common)*) {} { $($(#[$variant_doc])* $variant: $kind,)* }
        }

        impl $crate::graphql::user_error::UserErrorType for $name {
            type Cause = $cause;

            fn common(
                common: $crate::graphql::user_error::Common,
                message: String,
                path: Vec<String>,
            ) -> Option<Self> {
                let code = [$(($crate::graphql::user_error::Common::$common, $code::$common)),*]
                    .into_iter()
                    .find_map(|(other, code): ($crate::graphql::user_error::Common, $code)| {
                        (other == common).then_some(code)
                    })?;
                Some(Self {
                    code,
                    kind: code.kind(),
                    message,
                    path,
                    retryable: false,
                    $($($field: None,)*)?
                })
            }

            fn of(cause: $cause) -> Option<Self> {
                let codes: &[(bool, $code)] =
                    &[$((matches!(cause, $cause::$variant { .. }), $code::$variant)),*];
                let code = codes.iter().find_map(|(is_this, code)| is_this.then_some(*code))?;
                let explained = $crate::graphql::user_error::Explain::explain(cause);
                Some(Self {
                    code,
                    kind: code.kind(),
                    message: explained.message,
                    path: explained.path,
                    retryable: explained.retryable,
                    $($($field: explained.data.$field,)*)?
                })
            }
        }
    };
    (@common $code:ident (Invalid $($rest:ident)*) { $($done:tt)* } $own:tt) => {
        $crate::graphql::user_error::user_error! { @common $code ($($rest)*) { $($done)*
            /// The input is invalid; `path` names the field. Nothing was stored. Correct the input.
            Invalid: Invalid,
        } $own }
    };
    (@common $code:ident (NotFound $($rest:ident)*) { $($done:tt)* } $own:tt) => {
        $crate::graphql::user_error::user_error! { @common $code ($($rest)*) { $($done)*
            /// The object does not exist, or you may not see it.
            NotFound: NotFound,
        } $own }
    };
    (@common $code:ident (Stale $($rest:ident)*) { $($done:tt)* } $own:tt) => {
        $crate::graphql::user_error::user_error! { @common $code ($($rest)*) { $($done)*
            /// The object has changed since you read it, so `expectedVersion` is not its current version. The payload
            /// contains the current object. Merge your changes, then repeat the mutation with its version.
            Stale: Stale,
        } $own }
    };
    (@common $code:ident (IdempotencyMismatch $($rest:ident)*) { $($done:tt)* } $own:tt) => {
        $crate::graphql::user_error::user_error! { @common $code ($($rest)*) { $($done)*
            /// The idempotency key was used before with different input. Use a new key for different input.
            IdempotencyMismatch: Invalid,
        } $own }
    };
    (@common $code:ident () { $($done:tt)* } { $($own:tt)* }) => {
        $crate::graphql::user_error::user_error! { @codes $code { $($done)* $($own)* } }
    };
    (@codes $code:ident { $($(#[$doc:meta])* $variant:ident: $kind:ident,)* }) => {
        /// The codes of the error type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
        pub enum $code {
            $($(#[$doc])* $variant,)*
        }

        impl $code {
            /// Returns what a client can do about the error.
            fn kind(self) -> $crate::graphql::user_error::UserErrorKind {
                match self {
                    $(Self::$variant => $crate::graphql::user_error::UserErrorKind::$kind,)*
                }
            }
        }
    };
}
pub(crate) use user_error;

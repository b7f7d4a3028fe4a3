//! Error types of orders.

use super::claims::{message, missing, valid_from};
use crate::{
    coupon::{
        discount::DiscountRefusal,
        spend::{ClaimRefusal, Named, RefusedClaim},
    },
    graphql::{
        scalar::{Instant, Money},
        user_error::{Causes, Explain, Explanation, millis, user_error},
    },
    order::{Refusal, ReservationRefusal},
};

user_error! {
    /// An error of `checkout`. There is one for each claim that does not apply.
    CheckoutError, CheckoutErrorCode (Invalid NotFound IdempotencyMismatch) from CheckoutCause {
        /// A reservation expired or was released. Reserve again.
        ReservationEnded: Refused,
        /// A reservation already belongs to another order. Pay or cancel that order.
        AlreadyOrdered: Refused,
        /// A reservation is being paid in another order.
        BeingPaid: Refused,
        /// The reservations are of several shops or currencies. Create one order for each.
        SeveralShops: Invalid,
        /// The shop has no such code, or you cannot use it. All unusable codes give this error. For an unclaimed code,
        /// `claimCode` tells the reason.
        UnknownCode: NotFound,
        /// Too many wrong codes. Wait `retryAfterMs`, then try again.
        TooManyCodes: Limited,
        /// A claim is bound to another unpaid order of its holder. Pay or cancel that order.
        ClaimInUse: Refused,
        /// A claim was used, revoked or released. Remove it from the input.
        ClaimUsed: Refused,
        /// A claim is not valid before `validFrom`.
        NotYetValid: Refused,
        /// A claim's validity has ended. Remove it from the input.
        Expired: Refused,
        /// A claim gives no discount. It unlocks hidden tiers; send its code with `reserveSeats`.
        NoDiscount: Refused,
        /// A claim belongs to another shop. Remove it from the input.
        OtherShop: Refused,
        /// A claim's amounts are in another currency. Remove it from the input.
        OtherCurrency: Refused,
        /// A claim does not apply to any of the items. Remove it from the input.
        OtherItems: Refused,
        /// The items do not reach the minimum spend of a claim. Add items for `missing`, or remove the claim.
        MinimumNotMet: Limited,
        /// A claim cannot be combined with others. Use it alone, or remove it.
        Exclusive: Refused,
        /// Two claims are of the same stacking group, or of the same coupon with an amount or a percentage. Remove one
        /// of them.
        GroupTwice: Refused,
        /// The budget of a claim's coupon is used up. Remove the claim.
        BudgetSpent: Limited,
        /// A gift card has no remaining value. Remove it from the input.
        GiftCardEmpty: Refused,
        /// The remaining total is zero, so a claim has nothing to reduce. Remove it to keep it for later.
        NothingLeft: Refused,
    }
    {
        /// Milliseconds to wait before the next attempt. Set only with `TOO_MANY_CODES`.
        retry_after_ms: i32,
        /// The amount by which the matching items miss the minimum spend. Set only with `MINIMUM_NOT_MET`.
        missing: Money,
        /// When the claim becomes valid. Set only with `NOT_YET_VALID`.
        valid_from: Instant,
    }
}

user_error! {
    /// An error of `cancelOrder`.
    CancelOrderError, CancelOrderErrorCode (Invalid NotFound) from CheckoutCause {
        /// A payment of the order is in progress. Call `cancelPayment` first.
        BeingPaid: Refused,
        /// The order is already paid.
        AlreadyPaid: Refused,
        /// The order expired or was cancelled before.
        OrderEnded: Refused,
    }
}

/// Why an order was not created or cancelled: a refusal, or a claim that does not apply.
#[derive(Debug)]
pub(crate) enum CheckoutCause {
    ReservationEnded(Option<usize>),
    AlreadyOrdered(Option<usize>),
    /// The path of the order or of the reservation.
    BeingPaid(String),
    SeveralShops,
    AlreadyPaid,
    OrderEnded,
    UnknownCode(OfClaim),
    TooManyCodes(OfClaim),
    ClaimInUse(OfClaim),
    ClaimUsed(OfClaim),
    NotYetValid(OfClaim),
    Expired(OfClaim),
    NoDiscount(OfClaim),
    OtherShop(OfClaim),
    OtherCurrency(OfClaim),
    OtherItems(OfClaim),
    MinimumNotMet(OfClaim),
    Exclusive(OfClaim),
    GroupTwice(OfClaim),
    BudgetSpent(OfClaim),
    GiftCardEmpty(OfClaim),
    NothingLeft(OfClaim),
}

/// A claim that does not apply, and the currency of the order.
#[derive(Debug)]
pub(crate) struct OfClaim(RefusedClaim, String);

/// The data of order errors.
#[derive(Debug, Default)]
pub(crate) struct OrderData {
    retry_after_ms: Option<i32>,
    missing: Option<Money>,
    valid_from: Option<Instant>,
}

/// Returns the path of a reservation in the input of `checkout`.
fn reservation(index: Option<usize>) -> String {
    index.map_or_else(|| "reservationIds".to_owned(), |index| format!("reservationIds.{index}"))
}

impl Causes<CheckoutCause> for Refusal {
    fn causes(self) -> Vec<CheckoutCause> {
        vec![match self {
            Self::Reservation { index, why: ReservationRefusal::Ended } => {
                CheckoutCause::ReservationEnded(index)
            }
            Self::Reservation { index, why: ReservationRefusal::AlreadyOrdered } => {
                CheckoutCause::AlreadyOrdered(index)
            }
            Self::Reservation { index, why: ReservationRefusal::BeingPaid } => {
                CheckoutCause::BeingPaid(reservation(index))
            }
            Self::BeingPaid => CheckoutCause::BeingPaid("orderId".to_owned()),
            Self::SeveralShops => CheckoutCause::SeveralShops,
            Self::AlreadyPaid => CheckoutCause::AlreadyPaid,
            Self::OrderEnded => CheckoutCause::OrderEnded,
            Self::Claims { currency, refused } => {
                let cause = |one: RefusedClaim| CheckoutCause::of_claim(OfClaim(one, currency.clone()));
                return refused.into_iter().map(cause).collect();
            }
        }]
    }
}

impl CheckoutCause {
    fn of_claim(claim: OfClaim) -> Self {
        match claim.0.why {
            ClaimRefusal::UnknownCode => Self::UnknownCode(claim),
            ClaimRefusal::TooManyCodes { .. } => Self::TooManyCodes(claim),
            ClaimRefusal::InUse => Self::ClaimInUse(claim),
            ClaimRefusal::Used => Self::ClaimUsed(claim),
            ClaimRefusal::Rule(DiscountRefusal::NotYetValid { .. }) => Self::NotYetValid(claim),
            ClaimRefusal::Rule(DiscountRefusal::Expired) => Self::Expired(claim),
            ClaimRefusal::Rule(DiscountRefusal::NoDiscount) => Self::NoDiscount(claim),
            ClaimRefusal::Rule(DiscountRefusal::OtherShop) => Self::OtherShop(claim),
            ClaimRefusal::Rule(DiscountRefusal::OtherCurrency) => Self::OtherCurrency(claim),
            ClaimRefusal::Rule(DiscountRefusal::OtherItems) => Self::OtherItems(claim),
            ClaimRefusal::Rule(DiscountRefusal::MinimumNotMet { .. }) => Self::MinimumNotMet(claim),
            ClaimRefusal::Rule(DiscountRefusal::Exclusive) => Self::Exclusive(claim),
            ClaimRefusal::Rule(DiscountRefusal::GroupTwice) => Self::GroupTwice(claim),
            ClaimRefusal::Rule(DiscountRefusal::BudgetSpent) => Self::BudgetSpent(claim),
            ClaimRefusal::Rule(DiscountRefusal::Empty) => Self::GiftCardEmpty(claim),
            ClaimRefusal::Rule(DiscountRefusal::NothingLeft) => Self::NothingLeft(claim),
        }
    }
}

impl Explain for CheckoutCause {
    type Data = OrderData;

    fn explain(self) -> Explanation<OrderData> {
        match self {
            Self::ReservationEnded(index) => {
                Explanation::new("a reservation has ended; reserve again").at(&reservation(index))
            }
            Self::AlreadyOrdered(index) => {
                Explanation::new("a reservation already belongs to another order").at(&reservation(index))
            }
            Self::BeingPaid(path) => Explanation::new("a payment is in progress").at(&path),
            Self::SeveralShops => {
                Explanation::new("the reservations are of several shops or currencies").at("reservationIds")
            }
            Self::AlreadyPaid => Explanation::new("the order is already paid").at("orderId"),
            Self::OrderEnded => Explanation::new("the order expired or was cancelled").at("orderId"),
            Self::UnknownCode(claim)
            | Self::TooManyCodes(claim)
            | Self::ClaimInUse(claim)
            | Self::ClaimUsed(claim)
            | Self::NotYetValid(claim)
            | Self::Expired(claim)
            | Self::NoDiscount(claim)
            | Self::OtherShop(claim)
            | Self::OtherCurrency(claim)
            | Self::OtherItems(claim)
            | Self::MinimumNotMet(claim)
            | Self::Exclusive(claim)
            | Self::GroupTwice(claim)
            | Self::BudgetSpent(claim)
            | Self::GiftCardEmpty(claim)
            | Self::NothingLeft(claim) => claim.explain(),
        }
    }
}

impl OfClaim {
    fn explain(self) -> Explanation<OrderData> {
        let Self(refused, currency) = self;
        let path = match refused.named {
            Named::Id(index) => format!("claimIds.{index}"),
            Named::Code(index) => format!("codes.{index}"),
        };
        let explained = match refused.why {
            ClaimRefusal::UnknownCode => Explanation::new("there is no such code, or you cannot use it"),
            ClaimRefusal::TooManyCodes { retry_after_seconds } => {
                Explanation::new("too many wrong codes; wait")
                    .with(OrderData {
                        retry_after_ms: Some(millis(retry_after_seconds)),
                        ..OrderData::default()
                    })
                    .retryable(true)
            }
            ClaimRefusal::InUse => Explanation::new("the claim is bound to another unpaid order"),
            ClaimRefusal::Used => Explanation::new("the claim was used, revoked or released"),
            ClaimRefusal::Rule(reason) => Explanation::new(message(reason)).with(OrderData {
                missing: missing(reason).map(|missing| Money::of(missing, &currency)),
                valid_from: valid_from(reason),
                ..OrderData::default()
            }),
        };
        explained.at(&path)
    }
}

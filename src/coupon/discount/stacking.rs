//! Combinations of claims, and their order of application.

use entity::ClaimId;

use super::{DiscountRefusal, Offer, is_payment};
use crate::coupon::terms::Worth;

/// Returns the sort key of a claim, which does not depend on the order of the input.
pub(super) fn place(offer: &Offer) -> (bool, i32, u8, ClaimId) {
    let rank = match offer.terms.worth {
        Worth::FixedPrice { .. } => 0,
        Worth::FreeItem => 1,
        Worth::PercentOff { .. } => 2,
        Worth::AmountOff { .. } => 3,
        Worth::GiftCard { .. } => 4,
        Worth::AccessCode => 5,
    };
    // Gift cards come after all discounts. Otherwise they would pay too much.
    (is_payment(offer.terms.worth), offer.terms.position, rank, offer.claim)
}

/// Checks whether the claim can be combined with the others.
pub(super) fn check(offer: &Offer, all: &[&Offer]) -> Result<(), DiscountRefusal> {
    if is_payment(offer.terms.worth) {
        return Ok(());
    }
    let mut others = all.iter().filter(|other| other.claim != offer.claim && !is_payment(other.terms.worth));
    if offer.terms.exclusive && others.clone().next().is_some() {
        return Err(DiscountRefusal::Exclusive);
    }
    let group = &offer.terms.stacking_group;
    let is_of_group = |other: &Offer| group.is_some() && other.terms.stacking_group == *group;
    let is_again = |other: &Offer| other.coupon == offer.coupon && is_once(offer) && is_once(other);
    if others.any(|other| is_of_group(other) || is_again(other)) {
        return Err(DiscountRefusal::GroupTwice);
    }
    Ok(())
}

/// Returns whether the claim applies to the whole order. Two such claims of a coupon would double its discount.
fn is_once(offer: &Offer) -> bool {
    match offer.terms.worth {
        Worth::AmountOff { .. } | Worth::PercentOff { .. } => true,
        Worth::FreeItem | Worth::FixedPrice { .. } | Worth::AccessCode | Worth::GiftCard { .. } => false,
    }
}

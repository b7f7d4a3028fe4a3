//! Which claims may be spent together, and in which order they apply.

use entity::ClaimId;

use super::{Offer, Reason, is_payment};
use crate::coupon::terms::Worth;

/// Where the claim stands among others: the same, whoever typed it first.
pub(super) fn place(offer: &Offer) -> (bool, i32, u8, ClaimId) {
    let rank = match offer.terms.worth {
        Worth::FixedPrice { .. } => 0,
        Worth::FreeItem => 1,
        Worth::PercentOff { .. } => 2,
        Worth::AmountOff { .. } => 3,
        Worth::GiftCard { .. } => 4,
        Worth::AccessCode => 5,
    };
    // What pays comes after everything that makes cheaper, or it would pay too much.
    (is_payment(offer.terms.worth), offer.terms.position, rank, offer.claim)
}

/// Whether the claim may be spent beside the others.
pub(super) fn check(offer: &Offer, all: &[&Offer]) -> Result<(), Reason> {
    if is_payment(offer.terms.worth) {
        return Ok(());
    }
    let mut others = all.iter().filter(|other| other.claim != offer.claim && !is_payment(other.terms.worth));
    if offer.terms.exclusive && others.clone().next().is_some() {
        return Err(Reason::Exclusive);
    }
    let group = &offer.terms.stacking_group;
    if group.is_some() && others.any(|other| other.terms.stacking_group == *group) {
        return Err(Reason::GroupTwice);
    }
    Ok(())
}

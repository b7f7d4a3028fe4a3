//! Combinations of claims, and their order of application.

use entity::ClaimId;

use super::{DiscountRefusal, Offer, is_payment};
use crate::{coupon::terms::Worth, spelling};

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
    let is_of_group = |other: &Offer| is_one_group(group.as_deref(), other.terms.stacking_group.as_deref());
    let is_again = |other: &Offer| other.coupon == offer.coupon && is_once(offer) && is_once(other);
    if others.any(|other| is_of_group(other) || is_again(other)) {
        return Err(DiscountRefusal::GroupTwice);
    }
    Ok(())
}

/// Returns whether both are names of the same group, in any spelling.
fn is_one_group(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other || spelling::key(one) == spelling::key(other),
        (None, _) | (_, None) => false,
    }
}

/// Returns whether the claim applies to the whole order. Two such claims of a coupon would double its discount.
fn is_once(offer: &Offer) -> bool {
    match offer.terms.worth {
        Worth::AmountOff { .. } | Worth::PercentOff { .. } => true,
        Worth::FreeItem | Worth::FixedPrice { .. } | Worth::AccessCode | Worth::GiftCard { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_one_group;

    #[test]
    fn group_is_the_same_in_every_spelling() {
        for (one, other, same) in [
            ("Spring", "spring", true),
            ("FRÜHLING", "fru\u{308}hling", true),
            ("Große Pause", "GROSSE  PAUSE", true),
            ("spring", "summer", false),
            ("ete", "été", false),
        ] {
            assert_eq!(is_one_group(Some(one), Some(other)), same, "{one} {other}");
        }
        assert!(!is_one_group(None, None) && !is_one_group(Some("spring"), None));
    }
}

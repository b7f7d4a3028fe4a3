//! Properties of the discounts for random baskets and claims.

use std::collections::HashSet;

use entity::ClaimId;
use proptest::prelude::*;

use super::{
    Basket, Discount, DiscountRefusal, Line, Offer, Worth, applies, apply,
    model::{CURRENCY, baskets, expected, id, now, offers},
};
use crate::coupon::terms::Terms;

fn applied(lines: &[Line], offers: &[Offer]) -> Result<Vec<Discount>, Vec<(ClaimId, DiscountRefusal)>> {
    apply(Basket { lines, currency: CURRENCY, now: now() }, offers)
}

fn of<'a>(offers: &'a [Offer], discount: &Discount) -> &'a Offer {
    offers.iter().find(|offer| offer.claim == discount.claim).unwrap()
}

/// Removes the terms that make the rules refuse most random sets.
fn agreeable(mut offers: Vec<Offer>) -> Vec<Offer> {
    for offer in &mut offers {
        offer.terms = Terms {
            shop: entity::ShopId(id(0)),
            currency: CURRENCY.to_owned(),
            scopes: offer.terms.scopes.iter().copied().take(1).collect(),
            minimum_spend: offer.terms.minimum_spend.min(3),
            exclusive: false,
            stacking_group: None,
            ..offer.terms.clone()
        };
        offer.valid_until = None;
        offer.valid_from = now();
        offer.budget = offer.budget.map(|budget| budget + 1);
    }
    offers.retain(|offer| offer.terms.worth != Worth::AccessCode);
    let mut once = HashSet::new();
    offers.retain(|offer| match offer.terms.worth {
        Worth::AmountOff { .. } | Worth::PercentOff { .. } => once.insert(offer.coupon),
        Worth::FreeItem | Worth::FixedPrice { .. } | Worth::AccessCode | Worth::GiftCard { .. } => true,
    });
    offers
}

fn mixed() -> impl Strategy<Value = Vec<Offer>> {
    prop_oneof![1 => offers(), 3 => offers().prop_map(agreeable)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn discounts_equal_the_model(lines in baskets(), offers in mixed()) {
        let real = applied(&lines, &offers)
            .map(|discounts| {
                discounts.into_iter().map(|discount| (discount.claim, discount.amounts)).collect::<Vec<_>>()
            })
            .map_err(|refused| {
                let mut claims: Vec<ClaimId> = refused.into_iter().map(|(claim, _)| claim).collect();
                claims.sort();
                claims
            });
        prop_assert_eq!(real, expected(&lines, &offers));
    }

    #[test]
    fn order_of_the_input_does_not_matter(
        lines in baskets(),
        (offers, typed) in mixed().prop_flat_map(|offers| (Just(offers.clone()), Just(offers).prop_shuffle())),
    ) {
        prop_assert_eq!(applied(&lines, &offers), applied(&lines, &typed));
    }

    #[test]
    fn lines_add_up_and_no_rest_is_negative(lines in baskets(), offers in mixed()) {
        let Ok(discounts) = applied(&lines, &offers) else { return Ok(()) };
        prop_assert_eq!(discounts.len(), offers.len());
        let mut rest = 0;
        for (index, line) in lines.iter().enumerate() {
            let taken = |payments: bool| -> i64 {
                let kind = discounts.iter().filter(|discount| !payments || discount.is_payment);
                kind.map(|discount| discount.amounts[index]).sum()
            };
            let cheaper = taken(false) - taken(true);
            prop_assert!((0..=line.price).contains(&cheaper), "discounts reduce prices only");
            prop_assert!((0..=line.price + line.fee).contains(&taken(false)));
            rest += line.price + line.fee - taken(false);
        }
        let whole: i64 = lines.iter().map(|line| line.price + line.fee).sum();
        prop_assert_eq!(rest, whole - discounts.iter().map(Discount::total).sum::<i64>());
        for discount in &discounts {
            prop_assert!(discount.total() > 0 && discount.amounts.iter().all(|&amount| amount >= 0));
        }
    }

    #[test]
    fn no_discount_exceeds_the_terms(lines in baskets(), offers in mixed()) {
        let Ok(discounts) = applied(&lines, &offers) else { return Ok(()) };
        for discount in &discounts {
            let offer = of(&offers, discount);
            match offer.terms.worth {
                Worth::AmountOff { amount } => prop_assert!(discount.total() <= amount),
                Worth::PercentOff { basis_points, cap } => {
                    prop_assert!(cap.is_none_or(|cap| discount.total() <= cap));
                    let mine = lines.iter().filter(|line| applies(&offer.terms, line));
                    let sum: i64 = mine.map(|line| line.price).sum();
                    prop_assert!(2 * discount.total() * 10_000 <= 2 * sum * i64::from(basis_points) + 10_000);
                }
                Worth::FreeItem | Worth::FixedPrice { .. } => {
                    prop_assert_eq!(discount.amounts.iter().filter(|&&amount| amount > 0).count(), 1);
                }
                Worth::GiftCard { .. } => prop_assert!(discount.total() <= offer.balance),
                Worth::AccessCode => prop_assert!(false, "an access code takes nothing off"),
            }
            for (line, &amount) in lines.iter().zip(&discount.amounts) {
                prop_assert!(amount == 0 || applies(&offer.terms, line), "the claim does not apply to the line");
            }
            let applicable = lines.iter().filter(|line| applies(&offer.terms, line));
            prop_assert!(applicable.map(|line| line.price).sum::<i64>() >= offer.terms.minimum_spend);
            let same = discounts.iter().filter(|other| other.coupon == discount.coupon);
            let spent: i64 = same.map(Discount::total).sum();
            prop_assert!(offer.budget.is_none_or(|budget| spent <= budget), "beyond the budget");
        }
    }

    /// The exact percentage of the whole, rounded half up, whatever the lines are; and each line's part is within one
    /// minor unit of its exact share.
    #[test]
    fn percentage_depends_on_the_total_only(
        prices in proptest::collection::vec(0..=20_000_i64, 1..40),
        basis_points in 1..=10_000_i32,
    ) {
        let lines: Vec<Line> = prices.iter().map(|&price| Line { price, ..plain() }).collect();
        let mut offers = vec![percentage(basis_points)];
        let sum: i64 = prices.iter().sum();
        let expected = (2 * sum * i64::from(basis_points) + 10_000) / 20_000;
        if let Ok(discounts) = applied(&lines, &offers) {
            prop_assert_eq!(discounts[0].total(), expected);
            for (price, amount) in prices.iter().zip(&discounts[0].amounts) {
                let exact = price * expected;
                prop_assert!((amount * sum - exact).abs() < sum, "{} of {}", amount, price);
            }
        } else {
            prop_assert_eq!(expected, 0);
        }
        // The same amount in one line.
        let whole = [Line { price: sum, ..plain() }];
        offers[0].terms.scopes.clear();
        let whole = applied(&whole, &offers).map_or(0, |discounts| discounts[0].total());
        prop_assert_eq!(whole, expected);
    }

    #[test]
    fn large_amounts_do_not_overflow(
        price in 0..=1_000_000_000_000_i64,
        lines in 1_usize..500,
        mut offers in offers().prop_map(agreeable),
    ) {
        let line = Line { price, fee: price, ..plain() };
        let lines = vec![line; lines];
        for offer in &mut offers {
            if let Worth::AmountOff { .. } = offer.terms.worth {
                offer.terms.worth = Worth::AmountOff { amount: price };
            }
            offer.balance = 1_000_000_000_000;
            offer.terms.scopes.clear();
        }
        if let Ok(discounts) = applied(&lines, &offers) {
            let taken: i64 = discounts.iter().map(Discount::total).sum();
            prop_assert!(taken <= lines.iter().map(|line| line.price + line.fee).sum());
        }
    }
}

fn percentage(basis_points: i32) -> Offer {
    Offer {
        claim: ClaimId(id(1)),
        coupon: entity::CouponId(id(1)),
        terms: Terms {
            shop: entity::ShopId(id(0)),
            title: "Off".to_owned(),
            worth: Worth::PercentOff { basis_points, cap: None },
            currency: CURRENCY.to_owned(),
            scopes: Vec::new(),
            minimum_spend: 0,
            exclusive: false,
            stacking_group: None,
            position: 0,
            shareable: false,
            description: String::new(),
            small_print: String::new(),
        },
        valid_from: now(),
        valid_until: None,
        balance: 0,
        budget: None,
    }
}

fn plain() -> Line {
    Line {
        shop: entity::ShopId(id(0)),
        event: None,
        tier: None,
        product: None,
        categories: Vec::new(),
        price: 0,
        fee: 0,
        is_gift_card: false,
    }
}

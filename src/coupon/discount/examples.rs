//! The rules one by one, on orders that a reader can check.

use chrono::Duration;
use entity::{ClaimId, CouponId, EventId, ShopId, TierId};

use super::{
    Basket, DiscountRefusal, Line, Offer, Scope, ScopeKind, Terms, Worth, apply,
    model::{CURRENCY, id, now},
};

fn line(price: i64, fee: i64) -> Line {
    Line {
        shop: ShopId(id(0)),
        event: Some(EventId(id(1))),
        tier: Some(TierId(id(2))),
        product: None,
        categories: Vec::new(),
        price,
        fee,
        is_gift_card: false,
    }
}

fn offer(number: u8, worth: Worth) -> Offer {
    let terms = Terms {
        shop: ShopId(id(0)),
        title: "Off".to_owned(),
        worth,
        currency: CURRENCY.to_owned(),
        scopes: Vec::new(),
        minimum_spend: 0,
        exclusive: false,
        stacking_group: None,
        position: 0,
        shareable: false,
        description: String::new(),
        small_print: String::new(),
    };
    Offer {
        claim: ClaimId(id(number)),
        coupon: CouponId(id(number)),
        terms,
        valid_from: now(),
        valid_until: None,
        balance: worth.face().unwrap_or_default(),
        budget: None,
    }
}

fn amounts(lines: &[Line], offers: &[Offer]) -> Vec<Vec<i64>> {
    let discounts = apply(Basket { lines, currency: CURRENCY, now: now() }, offers).unwrap();
    discounts.into_iter().map(|discount| discount.amounts).collect()
}

fn reasons(lines: &[Line], offers: &[Offer]) -> Vec<DiscountRefusal> {
    let refused = apply(Basket { lines, currency: CURRENCY, now: now() }, offers).unwrap_err();
    refused.into_iter().map(|(_, reason)| reason).collect()
}

const TEN_OFF: Worth = Worth::AmountOff { amount: 1_000 };
const TENTH_OFF: Worth = Worth::PercentOff { basis_points: 1_000, cap: None };

#[test]
fn amount_is_split_to_the_last_cent() {
    let three = [line(3_333, 100), line(3_333, 100), line(3_333, 100)];
    assert_eq!(amounts(&three, &[offer(1, TEN_OFF)]), [[334, 333, 333]]);
    assert_eq!(amounts(&[line(2_000, 0), line(1_000, 0)], &[offer(1, TEN_OFF)]), [[667, 333]]);
    assert_eq!(amounts(&[line(600, 500)], &[offer(1, TEN_OFF)]), [[600]], "fees get no discount");
}

#[test]
fn percentage_of_the_total_is_rounded_half_up() {
    let table: [(&[i64], i32, i64); 12] = [
        // 25 % off 19.99: 14.99 to pay.
        (&[1_999], 2_500, 500),
        // 10 % off 8 × 12.35.
        (&[1_235; 8], 1_000, 988),
        // 5 % off ten seats at ¥19: 9.5.
        (&[19; 10], 500, 10),
        // A third off three coffees.
        (&[333; 3], 3_333, 333),
        // 10 % off twenty items at 0.04: each alone would save nothing.
        (&[4; 20], 1_000, 8),
        // 15 % off 9.99 and 0.01.
        (&[999, 1], 1_500, 150),
        // 50 % off 0.01: half a cent, in favour of the buyer.
        (&[1], 5_000, 1),
        // 49.99 % off 0.01 is less than half a cent.
        (&[50, 1], 4_999, 25),
        // 12.5 % off 7 × 8.90.
        (&[890; 7], 1_250, 779),
        // 99.99 % off 1.00, and 100 %.
        (&[100], 9_999, 100),
        (&[100, 250], 10_000, 350),
        (&[0, 1_999, 0], 2_500, 500),
    ];
    for (prices, basis_points, off) in table {
        let lines: Vec<Line> = prices.iter().map(|&price| line(price, 50)).collect();
        let amounts = amounts(&lines, &[offer(1, Worth::PercentOff { basis_points, cap: None })]).remove(0);
        assert_eq!(amounts.iter().sum::<i64>(), off, "{basis_points} of {prices:?}");
        assert!(amounts.iter().zip(prices).all(|(amount, price)| amount <= price), "{amounts:?}");
    }
    let tiny = offer(1, Worth::PercentOff { basis_points: 200, cap: None });
    assert_eq!(reasons(&[line(20, 0)], &[tiny]), [DiscountRefusal::NothingLeft], "2 % of ¥20 is ¥0.4");
}

#[test]
fn percentage_is_split_by_the_largest_remainders_and_capped() {
    assert_eq!(amounts(&[line(1_999, 0), line(9, 0)], &[offer(1, TENTH_OFF)]), [[200, 1]]);
    assert_eq!(amounts(&[line(19, 0), line(19, 0), line(19, 0)], &[offer(1, TENTH_OFF)]), [[2, 2, 2]]);
    assert_eq!(amounts(&[line(14, 0), line(14, 0), line(14, 0)], &[offer(1, TENTH_OFF)]), [[2, 1, 1]]);
    let capped = Worth::PercentOff { basis_points: 5_000, cap: Some(1_001) };
    assert_eq!(amounts(&[line(3_000, 0), line(3_000, 0)], &[offer(1, capped)]), [[501, 500]]);
}

#[test]
fn one_line_is_free_or_has_a_fixed_price() {
    let lines = [line(3_000, 100), line(2_000, 100), line(500, 100)];
    assert_eq!(amounts(&lines, &[offer(1, Worth::FreeItem)]), [[0, 0, 500]]);
    assert_eq!(amounts(&lines, &[offer(1, Worth::FixedPrice { amount: 800 })]), [[0, 1_200, 0]]);
}

#[test]
fn discounts_apply_one_after_the_other_and_gift_cards_pay_the_rest() {
    let card = Offer { balance: 5_000, ..offer(1, Worth::GiftCard { face: 9_000 }) };
    let mut first = offer(3, TEN_OFF);
    let tenth = offer(2, TENTH_OFF);
    let lines = [line(4_000, 250)];
    let all = [card.clone(), first.clone(), tenth.clone()];
    assert_eq!(
        amounts(&lines, &all),
        [[400], [1_000], [2_850]],
        "a percentage first, then an amount, then gift cards"
    );
    first.terms.position = -1;
    assert_eq!(
        amounts(&lines, &[card, first, tenth]),
        [[1_000], [300], [2_950]],
        "unless the shop sets positions"
    );
}

#[test]
fn claims_of_one_coupon_share_its_budget() {
    let claim =
        |number| Offer { budget: Some(1_500), coupon: CouponId(id(9)), ..offer(number, Worth::FreeItem) };
    let lines = [line(1_000, 0), line(1_000, 0), line(1_000, 0)];
    assert_eq!(amounts(&lines, &[claim(1), claim(2)]), [[1_000, 0, 0], [0, 500, 0]]);
    assert_eq!(reasons(&lines, &[claim(1), claim(2), claim(3)]), [DiscountRefusal::BudgetSpent]);
}

#[test]
fn coupon_for_the_order_applies_once() {
    let lines = [line(9_000, 0), line(9_000, 0)];
    let of_one = |number, worth| Offer { coupon: CouponId(id(9)), ..offer(number, worth) };
    for worth in [TEN_OFF, TENTH_OFF] {
        let twice = [of_one(1, worth), of_one(2, worth)];
        assert_eq!(reasons(&lines, &twice), [DiscountRefusal::GroupTwice, DiscountRefusal::GroupTwice]);
    }
    let drinks = [of_one(1, Worth::FreeItem), of_one(2, Worth::FreeItem)];
    assert_eq!(amounts(&lines, &drinks).len(), 2, "each is for one line");
}

#[test]
fn refusal_has_a_reason() {
    let lines = [line(4_000, 250)];
    let with = |change: fn(&mut Offer)| {
        let mut offer = offer(1, TEN_OFF);
        change(&mut offer);
        reasons(&lines, &[offer]).remove(0)
    };
    let later = now() + Duration::seconds(1);
    let elsewhere = [Scope { kind: ScopeKind::Event, target: id(2) }];
    assert_eq!(
        with(|offer| offer.valid_from += Duration::seconds(1)),
        DiscountRefusal::NotYetValid { from: later }
    );
    assert_eq!(with(|offer| offer.valid_until = Some(now())), DiscountRefusal::Expired);
    assert_eq!(with(|offer| offer.terms.worth = Worth::AccessCode), DiscountRefusal::NoDiscount);
    assert_eq!(with(|offer| offer.terms.shop = ShopId(id(7))), DiscountRefusal::OtherShop);
    assert_eq!(with(|offer| "CHF".clone_into(&mut offer.terms.currency)), DiscountRefusal::OtherCurrency);
    assert_eq!(
        with(|offer| offer.terms.minimum_spend = 4_001),
        DiscountRefusal::MinimumNotMet { missing: 1 }
    );
    assert_eq!(with(|offer| offer.budget = Some(0)), DiscountRefusal::BudgetSpent);
    assert_eq!(
        with(|offer| offer.terms.worth = Worth::FixedPrice { amount: 4_000 }),
        DiscountRefusal::NothingLeft
    );
    assert_eq!(with(|offer| offer.terms.worth = Worth::GiftCard { face: 5 }), DiscountRefusal::Empty);
    let mut other = offer(1, TEN_OFF);
    other.terms.scopes = elsewhere.to_vec();
    assert_eq!(reasons(&lines, &[other]), [DiscountRefusal::OtherItems]);
}

#[test]
fn exclusive_claim_and_group_are_refused_in_combination() {
    let lines = [line(4_000, 250)];
    let card = offer(4, Worth::GiftCard { face: 100 });
    let mut alone = offer(1, TEN_OFF);
    alone.terms.exclusive = true;
    assert_eq!(reasons(&lines, &[alone.clone(), offer(2, TENTH_OFF)]), [DiscountRefusal::Exclusive]);
    assert_eq!(amounts(&lines, &[alone, card]), [[1_000], [100]], "a gift card only pays");
    let mut twice = [offer(1, TEN_OFF), offer(2, TENTH_OFF), offer(3, TEN_OFF)];
    twice[0].terms.stacking_group = Some("spring".to_owned());
    twice[1].terms.stacking_group = Some("spring".to_owned());
    assert_eq!(reasons(&lines, &twice), [DiscountRefusal::GroupTwice, DiscountRefusal::GroupTwice]);
    twice[1].terms.stacking_group = Some("summer".to_owned());
    assert_eq!(amounts(&lines, &twice).len(), 3);
}

#[test]
fn gift_card_gets_no_discount_and_is_not_paid_with_a_gift_card() {
    let lines = [Line { is_gift_card: true, ..line(5_000, 0) }];
    for worth in [TEN_OFF, Worth::FreeItem, Worth::GiftCard { face: 5_000 }] {
        assert_eq!(reasons(&lines, &[offer(1, worth)]), [DiscountRefusal::OtherItems]);
    }
}

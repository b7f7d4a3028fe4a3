//! Random baskets and claims, and a slow model of the discounts.
//!
//! The model shares no code with the rules. It counts amounts cent by cent, tries all distributions of the remaining
//! cents, and searches for the next claim again after each one.

use chrono::{DateTime, Duration, Utc};
use entity::{CategoryId, ClaimId, CouponId, EventId, ProductId, ShopId, TierId};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Line, Offer};
use crate::coupon::terms::{Scope, ScopeKind, Terms, Worth};

pub(super) const CURRENCY: &str = "EUR";

pub(super) fn id(number: u8) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

pub(super) fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_000)
}

/// Returns each claim's amounts by line, in the order of application, or the claims that do not apply.
pub(super) fn expected(lines: &[Line], offers: &[Offer]) -> Result<Vec<(ClaimId, Vec<i64>)>, Vec<ClaimId>> {
    let bad: Vec<ClaimId> = offers
        .iter()
        .filter(|offer| !is_good_alone(lines, offer) || clashes(offer, offers))
        .map(|offer| offer.claim)
        .collect();
    if !bad.is_empty() {
        return Err(sorted(bad));
    }
    let mut prices: Vec<i64> = lines.iter().map(|line| line.price).collect();
    let mut fees: Vec<i64> = lines.iter().map(|line| line.fee).collect();
    let mut waiting: Vec<&Offer> = offers.iter().collect();
    let mut done: Vec<(&Offer, Vec<i64>)> = Vec::new();
    let mut useless = Vec::new();
    while let Some(index) = next_of(&waiting) {
        let offer = waiting.remove(index);
        let spent: i64 = done.iter().filter(|(other, _)| other.coupon == offer.coupon).map(total).sum();
        let room = offer.budget.map_or(i64::MAX, |budget| budget - spent);
        let amounts = amounts_of(lines, &prices, &fees, (offer, room));
        if amounts.iter().sum::<i64>() == 0 {
            useless.push(offer.claim);
            continue;
        }
        for (line, amount) in amounts.iter().enumerate() {
            for _ in 0..*amount {
                let pot = if prices[line] > 0 { &mut prices[line] } else { &mut fees[line] };
                *pot -= 1;
            }
        }
        done.push((offer, amounts));
    }
    if !useless.is_empty() {
        return Err(sorted(useless));
    }
    Ok(done.into_iter().map(|(offer, amounts)| (offer.claim, amounts)).collect())
}

fn total((_, amounts): &(&Offer, Vec<i64>)) -> i64 {
    amounts.iter().sum()
}

fn sorted(mut claims: Vec<ClaimId>) -> Vec<ClaimId> {
    claims.sort();
    claims
}

fn is_card(offer: &Offer) -> bool {
    matches!(offer.terms.worth, Worth::GiftCard { .. })
}

fn is_for(offer: &Offer, line: &Line) -> bool {
    let named = |kind: ScopeKind, target: Uuid| {
        offer.terms.scopes.iter().any(|scope| scope.kind == kind && scope.target == target)
    };
    line.shop == offer.terms.shop
        && !line.is_gift_card
        && (offer.terms.scopes.is_empty()
            || named(ScopeKind::Shop, line.shop.0)
            || line.product.is_some_and(|product| named(ScopeKind::Product, product.0))
            || line.event.is_some_and(|event| named(ScopeKind::Event, event.0))
            || line.tier.is_some_and(|tier| named(ScopeKind::Tier, tier.0))
            || line.categories.iter().any(|category| named(ScopeKind::Category, category.0)))
}

fn is_good_alone(lines: &[Line], offer: &Offer) -> bool {
    let mine: Vec<&Line> = lines.iter().filter(|line| is_for(offer, line)).collect();
    let spend: i64 = mine.iter().map(|line| line.price).sum();
    offer.terms.worth != Worth::AccessCode
        && offer.terms.currency == CURRENCY
        && offer.valid_from <= now()
        && offer.valid_until.is_none_or(|until| now() < until)
        && !mine.is_empty()
        && spend >= offer.terms.minimum_spend
}

fn clashes(offer: &Offer, offers: &[Offer]) -> bool {
    let discounts: Vec<&Offer> = offers.iter().filter(|other| !is_card(other)).collect();
    let of_group = discounts.iter().filter(|other| other.terms.stacking_group == offer.terms.stacking_group);
    let for_the_order = |offer: &Offer| match offer.terms.worth {
        Worth::PercentOff { .. } | Worth::AmountOff { .. } => Some(offer.coupon),
        Worth::GiftCard { .. } | Worth::AccessCode | Worth::FixedPrice { .. } | Worth::FreeItem => None,
    };
    let of_coupon = offers.iter().filter_map(for_the_order).filter(|coupon| *coupon == offer.coupon);
    !is_card(offer)
        && (for_the_order(offer).is_some() && of_coupon.count() > 1
            || offer.terms.exclusive && discounts.len() > 1
            || offer.terms.stacking_group.is_some() && of_group.count() > 1)
}

/// Returns the index of the claim that no other one precedes.
fn next_of(waiting: &[&Offer]) -> Option<usize> {
    let rank = |offer: &Offer| match offer.terms.worth {
        Worth::FixedPrice { .. } => 1,
        Worth::FreeItem => 2,
        Worth::PercentOff { .. } => 3,
        Worth::AmountOff { .. } => 4,
        Worth::GiftCard { .. } | Worth::AccessCode => 5,
    };
    let before = |a: &Offer, b: &Offer| {
        if is_card(a) != is_card(b) {
            return is_card(b);
        }
        if a.terms.position != b.terms.position {
            return a.terms.position < b.terms.position;
        }
        if rank(a) != rank(b) {
            return rank(a) < rank(b);
        }
        a.claim.0.as_u128() < b.claim.0.as_u128()
    };
    (0..waiting.len()).find(|&one| !waiting.iter().any(|other| before(other, waiting[one])))
}

fn amounts_of(lines: &[Line], prices: &[i64], fees: &[i64], (offer, room): (&Offer, i64)) -> Vec<i64> {
    let left: Vec<i64> = (0..lines.len())
        .map(|line| match (is_for(offer, &lines[line]), is_card(offer)) {
            (true, true) => prices[line] + fees[line],
            (true, false) => prices[line],
            (false, _) => 0,
        })
        .collect();
    let asked = match offer.terms.worth {
        Worth::AmountOff { amount } => dealt(amount, &left),
        Worth::GiftCard { .. } => dealt(offer.balance, &left),
        Worth::PercentOff { basis_points, cap } => {
            // The largest amount that is at most half a cent above the exact percentage.
            let sum: i64 = left.iter().sum();
            let is_near = |part: i64| 2 * part * 10_000 <= 2 * sum * i64::from(basis_points) + 10_000;
            let part = (0..=sum).rfind(|&part| is_near(part)).unwrap();
            dealt(cap.map_or(part, |cap| cap.min(part)), &left)
        }
        Worth::FreeItem => cheapest(0, &left),
        Worth::FixedPrice { amount } => cheapest(amount, &left),
        Worth::AccessCode => vec![0; lines.len()],
    };
    dealt(room, &asked)
}

fn cheapest(price: i64, left: &[i64]) -> Vec<i64> {
    let mut amounts = vec![0; left.len()];
    let mut found: Option<usize> = None;
    for line in 0..left.len() {
        if left[line] > price && found.is_none_or(|found| left[line] < left[found]) {
            found = Some(line);
        }
    }
    if let Some(line) = found {
        amounts[line] = left[line] - price;
    }
    amounts
}

/// Splits at most `most` in proportion to the wishes. Each part is rounded down. Of all distributions of the remaining
/// cents, takes the one with the largest fractions; of equal ones, the one with the first lines.
fn dealt(most: i64, wishes: &[i64]) -> Vec<i64> {
    let all: i64 = wishes.iter().sum();
    if all <= most {
        return wishes.to_vec();
    }
    let whole: Vec<i64> =
        wishes.iter().map(|wish| (0..=*wish).rfind(|part| part * all <= most * wish).unwrap()).collect();
    let over = most - whole.iter().sum::<i64>();
    let fraction = |line: usize| most * wishes[line] - whole[line] * all;
    let ways = (0_u32..1 << wishes.len()).filter(|way| i64::from(way.count_ones()) == over);
    let best = ways
        .max_by_key(|way| {
            let chosen: Vec<usize> = (0..wishes.len()).filter(|line| way >> line & 1 == 1).collect();
            let fractions: i64 = chosen.iter().map(|&line| fraction(line)).sum();
            (fractions, chosen.into_iter().map(std::cmp::Reverse).collect::<Vec<_>>())
        })
        .unwrap();
    (0..wishes.len()).map(|line| whole[line] + i64::from(best >> line & 1)).collect()
}

/// Random baskets of up to five lines, most of them of one shop.
pub(super) fn baskets() -> impl Strategy<Value = Vec<Line>> {
    let amount = prop_oneof![1 => Just(0_i64), 4 => 0_i64..12, 6 => 0_i64..400];
    let line =
        (amount.clone(), amount, 0_u8..2, 0_u8..3, 0_u8..20).prop_map(|(price, fee, event, tier, rare)| {
            Line {
                shop: ShopId(id(u8::from(rare == 0))),
                event: (rare != 1).then(|| EventId(id(event))),
                tier: (rare != 1).then(|| TierId(id(tier))),
                product: (rare == 1).then(|| ProductId(id(tier))),
                categories: (0..=tier).map(|category| CategoryId(id(category))).collect(),
                price,
                fee,
                is_gift_card: rare == 2,
            }
        });
    proptest::collection::vec(line, 1..6)
}

fn worths() -> impl Strategy<Value = Worth> {
    let amount = prop_oneof![1_i64..10, 1_i64..500];
    let share = prop_oneof![1 => Just(10_000), 4 => 1..10_000, 2 => Just(3_333)];
    prop_oneof![
        4 => amount.clone().prop_map(|amount| Worth::AmountOff { amount }),
        4 => (share, proptest::option::of(amount.clone()))
            .prop_map(|(basis_points, cap)| Worth::PercentOff { basis_points, cap }),
        2 => Just(Worth::FreeItem),
        2 => (0_i64..200).prop_map(|amount| Worth::FixedPrice { amount }),
        2 => amount.prop_map(|face| Worth::GiftCard { face }),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    let scope = (0_u8..5, 0_u8..3).prop_map(|(kind, target)| Scope {
        kind: match kind {
            0 => ScopeKind::Shop,
            1 => ScopeKind::Product,
            2 => ScopeKind::Event,
            3 => ScopeKind::Tier,
            _ => ScopeKind::Category,
        },
        target: id(target),
    });
    let scopes = prop_oneof![3 => Just(vec![]), 2 => proptest::collection::vec(scope, 1..4)];
    let minimum = prop_oneof![5 => Just(0_i64), 1 => 1_i64..600];
    let group = prop_oneof![5 => Just(None), 2 => "[ab]".prop_map(Some)];
    (worths(), scopes, minimum, group, (0_u8..16, 0_i32..3)).prop_map(
        |(worth, scopes, minimum_spend, stacking_group, (rare, position))| Terms {
            shop: ShopId(id(u8::from(rare == 0))),
            title: "Off".to_owned(),
            worth: if rare == 1 { Worth::AccessCode } else { worth },
            currency: if rare == 2 { "CHF" } else { CURRENCY }.to_owned(),
            scopes,
            minimum_spend,
            exclusive: rare == 3 || rare == 4,
            stacking_group,
            position,
            shareable: true,
            description: String::new(),
            small_print: String::new(),
        },
    )
}

/// Up to five random claims of three coupons. The claims of a coupon share its budget.
pub(super) fn offers() -> impl Strategy<Value = Vec<Offer>> {
    let claim = (0_u8..3, terms(), 0_i64..500, 0_u8..30);
    let budgets = proptest::collection::vec(proptest::option::of(0_i64..300), 3);
    (proptest::collection::vec(claim, 1..6), budgets).prop_map(|(claims, budgets)| {
        let offer = |(number, (coupon, terms, balance, rare)): (u8, (u8, Terms, i64, u8))| Offer {
            claim: ClaimId(id(number)),
            coupon: CouponId(id(coupon)),
            valid_from: now() + Duration::seconds(i64::from(rare == 0)),
            valid_until: (rare < 5).then(|| now() + Duration::seconds(i64::from(rare != 1))),
            balance: if matches!(terms.worth, Worth::GiftCard { .. }) { balance } else { 0 },
            budget: budgets[usize::from(coupon)],
            terms,
        };
        (1..).zip(claims).map(offer).collect()
    })
}

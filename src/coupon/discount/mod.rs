//! The discounts of claims on an order: one pure function, for the checkout and for previews.
//!
//! Claims apply one after the other, each to the rest that earlier claims left of its lines. The order is: gift cards
//! last, then by position, kind and id. The order of the input does not matter. Either all claims apply, or none, with
//! reasons. A claim that would take nothing off is refused, so that it is not spent without a discount.
//!
//! - A percentage is computed once, on the sum of the rests of the claim's lines. It is rounded to the nearest minor
//!   unit, and a half is rounded up, in favour of the buyer: 25 % off 19.99 is 5.00, and 14.99 remain. So the discount
//!   does not depend on how many lines an amount is divided into. The cap and the rest of the coupon's budget limit it.
//! - An amount for several lines, and so a percentage, is split in proportion to their rests. The remaining cents go to the largest
//!   remainders; of equal ones, to the first lines.
//! - At most one claim of a coupon with an amount or a percentage applies to an order.
//! - A free item or a fixed price applies to one line: the cheapest one that becomes cheaper.
//! - The minimum spend is compared with the prices of the claim's lines before discounts.
//! - Discounts reduce prices. A gift card is a means of payment: it pays fees too, does not change the tax, and can be
//!   combined with all claims. A gift card that is bought gets no discount and cannot be paid with a gift card.
//!
//! Invariant: pure and synchronous. No line has a negative rest.

mod share;
mod stacking;
mod tax;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{CategoryId, ClaimId, CouponId, EventId, ProductId, ShopId, TierId};

pub use self::tax::tax_of_rest;
use super::terms::{Scope, ScopeKind, Terms, Worth};

/// One place or coupon that is bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The shop that sells it.
    pub shop: ShopId,
    /// The event of a place.
    pub event: Option<EventId>,
    /// The tier of a place.
    pub tier: Option<TierId>,
    /// The product of a coupon.
    pub product: Option<ProductId>,
    /// Its category and the categories above.
    pub categories: Vec<CategoryId>,
    /// The price in minor units.
    pub price: i64,
    /// The fee in minor units, in addition to the price.
    pub fee: i64,
    /// Whether it is a gift card, which gets no discount.
    pub is_gift_card: bool,
}

/// The input of the rules besides the claims.
#[derive(Clone, Copy, Debug)]
pub struct Basket<'a> {
    /// The lines of the order.
    pub lines: &'a [Line],
    /// The ISO 4217 code of all amounts.
    pub currency: &'a str,
    /// The current time.
    pub now: DateTime<Utc>,
}

/// A claim that the buyer wants to spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The claim.
    pub claim: ClaimId,
    /// Its coupon.
    pub coupon: CouponId,
    /// The terms of the claim.
    pub terms: Terms,
    /// The beginning of its validity.
    pub valid_from: DateTime<Utc>,
    /// The end of its validity. `None` for no end.
    pub valid_until: Option<DateTime<Utc>>,
    /// The balance of a gift card.
    pub balance: i64,
    /// The rest of the coupon's budget, if it has one.
    pub budget: Option<i64>,
}

/// Why a claim does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscountRefusal {
    /// Its validity has not started.
    NotYetValid {
        /// When it starts.
        from: DateTime<Utc>,
    },
    /// Its validity has ended.
    Expired,
    /// It is an access code, which opens tiers when places are reserved.
    NoDiscount,
    /// It is of another shop.
    OtherShop,
    /// It is in another currency.
    OtherCurrency,
    /// It applies to none of the lines.
    OtherItems,
    /// The minimum spend is not reached.
    MinimumNotMet {
        /// The missing amount in minor units.
        missing: i64,
    },
    /// It excludes other discounts.
    Exclusive,
    /// Another claim of its stacking group is in the input, or of a coupon that applies once per order.
    GroupTwice,
    /// The coupon's budget is spent.
    BudgetSpent,
    /// The gift card's balance is zero.
    Empty,
    /// The rests of its lines are zero, or no line becomes cheaper.
    NothingLeft,
}

/// The discount of one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discount {
    /// The claim.
    pub claim: ClaimId,
    /// Its coupon.
    pub coupon: CouponId,
    /// The title of the claim.
    pub title: String,
    /// Whether it is a payment by gift card.
    pub is_payment: bool,
    /// The amount off each line, in minor units.
    pub amounts: Vec<i64>,
}

impl Discount {
    /// Returns the sum over all lines.
    pub fn total(&self) -> i64 {
        self.amounts.iter().sum()
    }
}

/// The rest of a line after earlier claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rest {
    price: i64,
    fee: i64,
}

/// Returns the discounts in the order of application, or all claims that do not apply, with reasons.
pub fn apply(basket: Basket, offers: &[Offer]) -> Result<Vec<Discount>, Vec<(ClaimId, DiscountRefusal)>> {
    let mut offers: Vec<&Offer> = offers.iter().collect();
    offers.sort_by_key(|offer| stacking::place(offer));
    let mut refused = Vec::new();
    for offer in &offers {
        if let Err(reason) = check(basket, offer).and_then(|()| stacking::check(offer, &offers)) {
            refused.push((offer.claim, reason));
        }
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut rests: Vec<Rest> =
        basket.lines.iter().map(|line| Rest { price: line.price, fee: line.fee }).collect();
    let mut budgets: BTreeMap<CouponId, i64> = BTreeMap::new();
    let mut discounts = Vec::new();
    for offer in offers {
        let budget = offer.budget.map(|left| budgets.entry(offer.coupon).or_insert(left));
        match take(basket.lines, &mut rests, offer, budget.as_deref().copied()) {
            Ok(discount) => {
                if let Some(budget) = budget {
                    *budget -= discount.total();
                }
                discounts.push(discount);
            }
            Err(reason) => refused.push((offer.claim, reason)),
        }
    }
    if refused.is_empty() { Ok(discounts) } else { Err(refused) }
}

/// Checks a claim without regard to the others.
fn check(basket: Basket, offer: &Offer) -> Result<(), DiscountRefusal> {
    let terms = &offer.terms;
    let applicable = || basket.lines.iter().filter(|line| applies(terms, line));
    let bought: i64 = applicable().map(|line| line.price).sum();
    if terms.worth == Worth::AccessCode {
        Err(DiscountRefusal::NoDiscount)
    } else if basket.lines.iter().all(|line| line.shop != terms.shop) {
        Err(DiscountRefusal::OtherShop)
    } else if offer.valid_until.is_some_and(|until| until <= basket.now) {
        Err(DiscountRefusal::Expired)
    } else if offer.valid_from > basket.now {
        Err(DiscountRefusal::NotYetValid { from: offer.valid_from })
    } else if terms.currency != basket.currency {
        Err(DiscountRefusal::OtherCurrency)
    } else if applicable().next().is_none() {
        Err(DiscountRefusal::OtherItems)
    } else if bought < terms.minimum_spend {
        Err(DiscountRefusal::MinimumNotMet { missing: terms.minimum_spend - bought })
    } else {
        Ok(())
    }
}

/// Returns whether the claim applies to the line.
pub fn applies(terms: &Terms, line: &Line) -> bool {
    let names = |scope: &Scope| match scope.kind {
        ScopeKind::Shop => line.shop.0 == scope.target,
        ScopeKind::Product => line.product.is_some_and(|product| product.0 == scope.target),
        ScopeKind::Event => line.event.is_some_and(|event| event.0 == scope.target),
        ScopeKind::Tier => line.tier.is_some_and(|tier| tier.0 == scope.target),
        ScopeKind::Category => line.categories.iter().any(|category| category.0 == scope.target),
    };
    line.shop == terms.shop
        && !line.is_gift_card
        && (terms.scopes.is_empty() || terms.scopes.iter().any(names))
}

/// Applies a claim to the rests.
fn take(
    lines: &[Line],
    rests: &mut [Rest],
    offer: &Offer,
    budget: Option<i64>,
) -> Result<Discount, DiscountRefusal> {
    let is_payment = is_payment(offer.terms.worth);
    let left: Vec<i64> = lines
        .iter()
        .zip(rests.iter())
        .map(|(line, rest)| match applies(&offer.terms, line) {
            true if is_payment => rest.price + rest.fee,
            true => rest.price,
            false => 0,
        })
        .collect();
    let wanted = wanted(offer, &left);
    if budget == Some(0) {
        return Err(DiscountRefusal::BudgetSpent);
    }
    let amounts = match budget {
        Some(budget) => share::bounded(budget, wanted),
        None => wanted,
    };
    if amounts.iter().all(|&amount| amount == 0) {
        let is_empty = is_payment && offer.balance == 0;
        return Err(if is_empty { DiscountRefusal::Empty } else { DiscountRefusal::NothingLeft });
    }
    for (rest, amount) in rests.iter_mut().zip(&amounts) {
        let of_price = rest.price.min(*amount);
        *rest = Rest { price: rest.price - of_price, fee: rest.fee - (amount - of_price) };
    }
    let (claim, coupon, title) = (offer.claim, offer.coupon, offer.terms.title.clone());
    Ok(Discount { claim, coupon, title, is_payment, amounts })
}

/// Returns the claim's amounts without regard to its budget. `left` has the rests of the lines.
fn wanted(offer: &Offer, left: &[i64]) -> Vec<i64> {
    match offer.terms.worth {
        Worth::AmountOff { amount } => share::bounded(amount, left.to_vec()),
        Worth::GiftCard { .. } => share::bounded(offer.balance, left.to_vec()),
        Worth::PercentOff { basis_points, cap } => {
            let part = share::portion(left, basis_points);
            share::bounded(cap.map_or(part, |cap| part.min(cap)), left.to_vec())
        }
        Worth::FreeItem => one_for(0, left),
        Worth::FixedPrice { amount } => one_for(amount, left),
        Worth::AccessCode => vec![0; left.len()],
    }
}

/// Returns the amounts that reduce the cheapest line above `price` to `price`.
fn one_for(price: i64, left: &[i64]) -> Vec<i64> {
    let dearer = (0..left.len()).filter(|&line| left[line] > price);
    let cheapest = dearer.min_by_key(|&line| left[line]);
    (0..left.len()).map(|line| if Some(line) == cheapest { left[line] - price } else { 0 }).collect()
}

fn is_payment(worth: Worth) -> bool {
    worth.face().is_some()
}

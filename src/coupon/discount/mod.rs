//! What claims are worth on an order: one pure function, for the checkout and for whoever asks beforehand.
//!
//! Claims apply one after the other, each to what the ones before left of the lines it is for, in an order of their own:
//! gift cards last, then by position, kind and id. In what order they were typed tells nothing. All of them apply, or
//! none and it is said why; one that would take nothing off is refused, so that nobody spends it for nothing.
//!
//! - A percentage is rounded down on each line; the cap and what is left of the coupon's budget bound the sum.
//! - An amount that is for several lines is shared out in proportion to what is left of them, the cents that are over
//!   going to the largest remainders, the first lines first.
//! - Of one coupon that takes off an amount or a percentage one claim applies: it is for the order.
//! - A free item or a fixed price is for one line: the cheapest that it makes cheaper.
//! - The minimum is measured on the prices of the lines it is for, before discounts.
//! - Discounts are on prices. A gift card is a means of payment: it pays fees too, does not change the tax, and has no
//!   part in what may be combined. What is a gift card itself is sold at its price, and not for another one.
//!
//! Invariant: pure and synchronous. No line is ever below nothing.

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

/// What is bought: one place, or one coupon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who sells it.
    pub shop: ShopId,
    /// The event that it admits to.
    pub event: Option<EventId>,
    /// Its price level.
    pub tier: Option<TierId>,
    /// The product that it is one of.
    pub product: Option<ProductId>,
    /// Its category and those above.
    pub categories: Vec<CategoryId>,
    /// Its price in minor units.
    pub price: i64,
    /// The fee on top.
    pub fee: i64,
    /// Whether it is a gift card, which nothing makes cheaper.
    pub is_gift_card: bool,
}

/// An order in the making.
#[derive(Clone, Copy, Debug)]
pub struct Basket<'a> {
    /// What is bought.
    pub lines: &'a [Line],
    /// ISO 4217 code of its amounts.
    pub currency: &'a str,
    /// The time.
    pub now: DateTime<Utc>,
}

/// A claim that somebody wants to spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The claim.
    pub claim: ClaimId,
    /// Its coupon.
    pub coupon: CouponId,
    /// What was promised.
    pub terms: Terms,
    /// Valid from here …
    pub valid_from: DateTime<Utc>,
    /// … until here; none: for ever.
    pub valid_until: Option<DateTime<Utc>>,
    /// What is left of a gift card.
    pub balance: i64,
    /// What is left of the coupon's budget, if it has one.
    pub budget: Option<i64>,
}

/// Why a claim does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its time has not come.
    NotYetValid {
        /// When it comes.
        from: DateTime<Utc>,
    },
    /// Its time is up.
    Expired,
    /// It takes nothing off: it opens price levels, when places are reserved.
    NoDiscount,
    /// It is another shop's.
    OtherShop,
    /// Its amounts are in another currency.
    OtherCurrency,
    /// It is for other things than are bought.
    OtherItems,
    /// Too little is bought of what it is for.
    MinimumNotMet {
        /// How much more it takes, in minor units.
        missing: i64,
    },
    /// It applies alone only.
    Exclusive,
    /// Another one of its group is there; or of its coupon, of which one applies to an order.
    GroupTwice,
    /// The campaign's budget is used up.
    BudgetSpent,
    /// The gift card is empty.
    Empty,
    /// There is nothing left that it could take off.
    NothingLeft,
}

/// What one claim takes off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discount {
    /// The claim.
    pub claim: ClaimId,
    /// Its coupon.
    pub coupon: CouponId,
    /// What it is called.
    pub title: String,
    /// Whether it pays, rather than making things cheaper.
    pub is_payment: bool,
    /// How much of each line, in minor units.
    pub amounts: Vec<i64>,
}

impl Discount {
    /// How much in all.
    pub fn total(&self) -> i64 {
        self.amounts.iter().sum()
    }
}

/// What is left of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rest {
    price: i64,
    fee: i64,
}

/// What the claims take off, in the order in which they apply; or everything that does not apply, and why.
pub fn apply(basket: Basket, offers: &[Offer]) -> Result<Vec<Discount>, Vec<(ClaimId, Reason)>> {
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

/// Whether the claim is for such an order, whatever else is spent on it.
fn check(basket: Basket, offer: &Offer) -> Result<(), Reason> {
    let terms = &offer.terms;
    let applicable = || basket.lines.iter().filter(|line| applies(terms, line));
    let bought: i64 = applicable().map(|line| line.price).sum();
    if terms.worth == Worth::AccessCode {
        Err(Reason::NoDiscount)
    } else if basket.lines.iter().all(|line| line.shop != terms.shop) {
        Err(Reason::OtherShop)
    } else if offer.valid_until.is_some_and(|until| until <= basket.now) {
        Err(Reason::Expired)
    } else if offer.valid_from > basket.now {
        Err(Reason::NotYetValid { from: offer.valid_from })
    } else if terms.currency != basket.currency {
        Err(Reason::OtherCurrency)
    } else if applicable().next().is_none() {
        Err(Reason::OtherItems)
    } else if bought < terms.minimum_spend {
        Err(Reason::MinimumNotMet { missing: terms.minimum_spend - bought })
    } else {
        Ok(())
    }
}

/// Whether the claim is for such a line.
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

/// Takes off what the claim takes off.
fn take(lines: &[Line], rests: &mut [Rest], offer: &Offer, budget: Option<i64>) -> Result<Discount, Reason> {
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
        return Err(Reason::BudgetSpent);
    }
    let amounts = match budget {
        Some(budget) => share::bounded(budget, wanted),
        None => wanted,
    };
    if amounts.iter().all(|&amount| amount == 0) {
        let is_empty = is_payment && offer.balance == 0;
        return Err(if is_empty { Reason::Empty } else { Reason::NothingLeft });
    }
    for (rest, amount) in rests.iter_mut().zip(&amounts) {
        let of_price = rest.price.min(*amount);
        *rest = Rest { price: rest.price - of_price, fee: rest.fee - (amount - of_price) };
    }
    let (claim, coupon, title) = (offer.claim, offer.coupon, offer.terms.title.clone());
    Ok(Discount { claim, coupon, title, is_payment, amounts })
}

/// What the claim would take of what is left of the lines, its budget aside.
fn wanted(offer: &Offer, left: &[i64]) -> Vec<i64> {
    match offer.terms.worth {
        Worth::AmountOff { amount } => share::bounded(amount, left.to_vec()),
        Worth::GiftCard { .. } => share::bounded(offer.balance, left.to_vec()),
        Worth::PercentOff { basis_points, cap } => {
            let amounts = left.iter().map(|&left| share::portion(left, basis_points)).collect();
            share::bounded(cap.unwrap_or(i64::MAX), amounts)
        }
        Worth::FreeItem => one_for(0, left),
        Worth::FixedPrice { amount } => one_for(amount, left),
        Worth::AccessCode => vec![0; left.len()],
    }
}

/// The cheapest line that costs more than the price now costs the price.
fn one_for(price: i64, left: &[i64]) -> Vec<i64> {
    let dearer = (0..left.len()).filter(|&line| left[line] > price);
    let cheapest = dearer.min_by_key(|&line| left[line]);
    (0..left.len()).map(|line| if Some(line) == cheapest { left[line] - price } else { 0 }).collect()
}

fn is_payment(worth: Worth) -> bool {
    worth.face().is_some()
}

//! The price range of an event in the API.

use async_graphql::SimpleObject;
use entity::tier;

use super::scalar::Money;

/// A price range.
#[derive(Debug, SimpleObject)]
pub struct PriceRange {
    /// The lowest price.
    lowest: Money,
    /// The highest price.
    highest: Money,
}

impl PriceRange {
    /// Returns the range over all visible tiers, including fees. Returns `None` if there is none.
    pub(super) fn of(tiers: &[tier::Model], currency: &str) -> Option<Self> {
        let shown = || tiers.iter().filter(|tier| !tier.hidden);
        let totals = || shown().map(|tier| tier.price_minor + tier.fee_minor);
        totals().min().zip(totals().max()).map(|(lowest, highest)| Self {
            lowest: Money::of(lowest, currency),
            highest: Money::of(highest, currency),
        })
    }
}

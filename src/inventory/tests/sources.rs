//! Unpaid places by source in the slow model: counted anew from all live reservations.

use std::collections::HashMap;

use entity::AccountId;

use super::{
    AREAS, SEATS,
    model::{Model, Refusals, Reserved},
};
use crate::inventory::{Hoarding, Pick, Place, Refusal, Source, Stock, UnpaidPlaces};

/// Low enough to be reached often: the hall has 22 places for sale.
const PER_SOURCE: u32 = 8;
const CROWDED: u32 = 10;
pub(super) const LIMITS: Hoarding =
    Hoarding { per_source: Some(PER_SOURCE), crowded: Some(CROWDED), in_crowd: 0, wasted: 0, shortest: 0 };
const SOURCES: [Source; 2] = [Source(-7), Source(9)];

/// The network of a buyer: two buyers share each network, the others have none.
pub(super) fn source_of(buyer: AccountId) -> Option<Source> {
    match buyer.0.as_u128() {
        0 | 1 => Some(SOURCES[0]),
        2 | 3 => Some(SOURCES[1]),
        _ => None,
    }
}

/// The stock's counts per source equal those of its live reservations, overdue or not.
pub(super) fn agrees(stock: &Stock) {
    let mut expected: HashMap<Source, UnpaidPlaces> = HashMap::new();
    for reservation in stock.reservations.values() {
        if let Some(source) = reservation.source {
            let unpaid = expected.entry(source).or_default();
            unpaid.places += reservation.quantity();
            unpaid.reservations.insert(reservation.id);
        }
    }
    assert_eq!(stock.sources, expected, "unpaid places by source");
}

impl Model {
    /// Refuses a source that would have too many unpaid places.
    pub(super) fn limit_source(&self, buyer: AccountId, pick: &Pick) -> Result<(), Refusals> {
        let Some(source) = source_of(buyer) else { return Ok(()) };
        let own = self.unpaid(|reserved| source_of(reserved.buyer) == Some(source));
        let live = self.live().filter(|(_, reserved)| source_of(reserved.buyer) == Some(source));
        let ends: Vec<_> = live.filter_map(|(_, reserved)| reserved.comes_back()).collect();
        if own + pick.quantity() > PER_SOURCE {
            let at = ends.iter().min().copied();
            return Err(vec![Refusal::TooManyUnpaid { limit: PER_SOURCE, unpaid: own, at }]);
        }
        // The last seat and the last area have no price.
        let for_sale = SEATS - 1 + AREAS[..AREAS.len() - 1].iter().sum::<u32>();
        let free = for_sale - self.unpaid(|_| true) - self.sold();
        if own > 0 && self.unpaid(|_| true) >= CROWDED && free >= pick.quantity() {
            return Err(vec![Refusal::Crowded { at: ends.iter().max().copied() }]);
        }
        Ok(())
    }

    /// Checks the counts of a stock without overdue reservations.
    pub(super) fn sources_agree(&self, stock: &Stock) {
        for source in SOURCES {
            let counted = stock.sources.get(&source).map(|unpaid| unpaid.places).unwrap_or_default();
            let expected = self.unpaid(|reserved| source_of(reserved.buyer) == Some(source));
            assert_eq!(counted, expected, "unpaid places of {source:?}");
            assert!(counted <= PER_SOURCE, "{source:?} has too many");
        }
    }

    fn unpaid(&self, wanted: impl Fn(&Reserved) -> bool) -> u32 {
        let live = self.live().filter(|(_, reserved)| wanted(reserved));
        live.flat_map(|(_, reserved)| &reserved.places).map(Place::quantity).sum()
    }
}

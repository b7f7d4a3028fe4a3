//! Changes between two versions, as the public or the shop sees them.
//!
//! A delta covers one or several versions. It contains the final state of each changed place, not the steps. So
//! consecutive deltas can be merged into one, and applying it to the version before the first gives the version of the
//! last.
//!
//! Invariant: pure and synchronous.

use std::collections::BTreeMap;

use entity::{TierId, inventory::SeatStatus};

use super::{
    change::Change,
    state::Counts,
    totals::{Audience, Offer},
};

/// The changes from one version to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The version that the delta is based on.
    pub after: i64,
    /// The version that the delta leads to.
    pub version: i64,
    /// Changed seats by ordinal, with their final status.
    pub seats: BTreeMap<u32, PublicStatus>,
    /// Changed areas by ordinal, with their final number of available places.
    pub areas: BTreeMap<u32, u32>,
    /// Totals of all places at `version`. Places that are not for sale count as blocked.
    pub counts: Counts,
    /// Tiers with changed places, with their final number of available places.
    pub tiers: BTreeMap<TierId, u32>,
}

/// A seat's public status. Whether a seat is being paid is private.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublicStatus {
    /// Free to reserve.
    Available,
    /// Reserved or being paid.
    Reserved,
    /// Sold.
    Sold,
    /// Withheld, without a price, or hidden from the reader.
    Blocked,
}

impl PublicStatus {
    /// Returns the public status of a seat that is for sale to the reader.
    pub(super) fn of(status: SeatStatus) -> Self {
        match status {
            SeatStatus::Available => Self::Available,
            SeatStatus::Blocked => Self::Blocked,
            SeatStatus::Reserved | SeatStatus::Paying => Self::Reserved,
            SeatStatus::Sold => Self::Sold,
        }
    }
}

impl Delta {
    /// Returns the part of one version's changes that the audience sees. Places that it cannot see do not change for it:
    /// the snapshot shows them as not for sale until new terms cause a new snapshot. A free place in no tier is blocked.
    /// Returns `None` if the change has no totals, so that only a snapshot can follow it.
    pub fn of(version: i64, change: &Change, audience: Audience<'_>) -> Option<Self> {
        let public = change.totals.as_ref()?;
        let is_shop = audience == Audience::Shop;
        let totals = change.shop_totals.as_ref().filter(|_| is_shop).unwrap_or(public);
        let is_in = |list: &[u32], ordinal: u32| list.binary_search(&ordinal).is_ok();
        let is_unpriced = |ordinal: u32| is_in(&change.unpriced_seats, ordinal);
        let seats = change
            .seats
            .iter()
            .filter(|seat| is_shop || is_unpriced(seat.0) || !is_in(&change.hidden_seats, seat.0));
        let areas = change.areas.iter().filter(|area| is_shop || !is_in(&change.hidden_areas, area.0));
        Some(Self {
            after: version - 1,
            version,
            counts: totals.counts(),
            tiers: totals.1.iter().copied().collect(),
            seats: seats
                .map(|&(ordinal, status, ..)| {
                    let seen = if is_unpriced(ordinal) { Offer::Unpriced.seat(status) } else { Some(status) };
                    (ordinal, seen.map_or(PublicStatus::Blocked, PublicStatus::of))
                })
                .collect(),
            areas: areas
                .map(|&(ordinal, available, ..)| {
                    (ordinal, if is_in(&change.unpriced_areas, ordinal) { 0 } else { available })
                })
                .collect(),
        })
    }

    /// Merges the next delta into this one. Returns it as an error if it does not follow.
    pub fn merge(&mut self, next: Self) -> Result<(), Self> {
        if next.after != self.version {
            return Err(next);
        }
        self.version = next.version;
        self.seats.extend(next.seats);
        self.areas.extend(next.areas);
        self.counts = next.counts;
        self.tiers.extend(next.tiers);
        Ok(())
    }

    /// Returns the number of changed places.
    pub fn len(&self) -> usize {
        self.seats.len() + self.areas.len()
    }

    /// Returns whether no public place changed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inventory::totals::Totals;

    const SEATS: usize = 12;
    const AREAS: usize = 3;

    /// A client's copy of the availability.
    #[derive(Clone, Debug, PartialEq)]
    struct Map {
        version: i64,
        seats: Vec<PublicStatus>,
        areas: Vec<u32>,
        counts: Counts,
        tiers: BTreeMap<TierId, u32>,
    }

    impl Map {
        fn take(&mut self, delta: &Delta) {
            assert_eq!(delta.after, self.version, "follows what the client has");
            self.version = delta.version;
            for (&seat, &status) in &delta.seats {
                self.seats[seat as usize] = status;
            }
            for (&area, &available) in &delta.areas {
                self.areas[area as usize] = available;
            }
            self.counts = delta.counts;
            self.tiers.extend(&delta.tiers);
        }
    }

    fn is_hidden(ordinal: u32) -> bool {
        ordinal.is_multiple_of(3)
    }

    fn status() -> impl Strategy<Value = SeatStatus> {
        prop_oneof![
            Just(SeatStatus::Available),
            Just(SeatStatus::Reserved),
            Just(SeatStatus::Paying),
            Just(SeatStatus::Sold),
            Just(SeatStatus::Blocked),
        ]
    }

    prop_compose! {
        fn change()(
            seats in proptest::collection::vec((0..SEATS, status()), 0..6),
            areas in proptest::collection::vec((0..AREAS, 0..50_u32), 0..3),
            counts in any::<[u32; 4]>(),
            tiers in proptest::collection::btree_map(0..3_u128, any::<u32>(), 0..3),
        ) -> Change {
            let ordinal = |index: usize| u32::try_from(index).expect("few");
            // In no particular order, and without duplicates, like the places of a change.
            let seats: std::collections::HashMap<_, _> = seats.into_iter().collect();
            let areas: std::collections::HashMap<_, _> = areas.into_iter().collect();
            // Some are hidden, always the same ones.
            let hidden = |ordinals: Vec<u32>| -> Vec<u32> {
                let hidden: std::collections::BTreeSet<u32> =
                    ordinals.into_iter().filter(|&ordinal| is_hidden(ordinal)).collect();
                hidden.into_iter().collect()
            };
            Change {
                hidden_seats: hidden(seats.keys().copied().map(ordinal).collect()),
                hidden_areas: hidden(areas.keys().copied().map(ordinal).collect()),
                seats: seats.into_iter().map(|(index, status)| (ordinal(index), status, 1, None)).collect(),
                areas: areas.into_iter().map(|(index, free)| (ordinal(index), free, 0, 0)).collect(),
                totals: Some(Totals(counts, tiers.into_iter().map(|(tier, left)| (tier_id(tier), left)).collect())),
                ..Change::default()
            }
        }
    }

    fn tier_id(number: u128) -> TierId {
        TierId(uuid::Uuid::from_u128(number))
    }

    /// Returns the maps at every version, by applying each change of a visible place.
    fn maps(changes: &[Change]) -> Vec<Map> {
        let mut map = Map {
            version: 7,
            seats: vec![PublicStatus::Available; SEATS],
            areas: vec![50; AREAS],
            counts: Counts::default(),
            tiers: BTreeMap::new(),
        };
        for (ordinal, seat) in (0..).zip(&mut map.seats) {
            if is_hidden(ordinal) {
                *seat = PublicStatus::Blocked;
            }
        }
        for (ordinal, area) in (0..).zip(&mut map.areas) {
            if is_hidden(ordinal) {
                *area = 0;
            }
        }
        let mut maps = vec![map.clone()];
        for change in changes {
            map.version += 1;
            for &(seat, status, ..) in change.seats.iter().filter(|seat| !is_hidden(seat.0)) {
                map.seats[seat as usize] = PublicStatus::of(status);
            }
            for &(area, available, ..) in change.areas.iter().filter(|area| !is_hidden(area.0)) {
                map.areas[area as usize] = available;
            }
            let totals = change.totals.as_ref().expect("totals");
            map.counts = totals.counts();
            map.tiers.extend(totals.1.iter().copied());
            maps.push(map.clone());
        }
        maps
    }

    proptest! {
        /// A history can be cut into deltas anywhere: a client that applies them has the right map at every cut.
        #[test]
        fn merged_deltas_lead_to_the_same_map_as_single_ones(
            changes in proptest::collection::vec(change(), 1..30),
            cuts in proptest::collection::vec(any::<bool>(), 30),
        ) {
            let maps = maps(&changes);
            let mut client = maps[0].clone();
            let mut whole: Option<Delta> = None;
            for (index, change) in changes.iter().enumerate() {
                let single = Delta::of(8 + i64::try_from(index).expect("few"), change, Audience::PUBLIC).expect("totals");
                match &mut whole {
                    Some(whole) => prop_assert_eq!(whole.merge(single), Ok(())),
                    None => whole = Some(single),
                }
                if (cuts[index] || index + 1 == changes.len())
                    && let Some(whole) = whole.take()
                {
                    client.take(&whole);
                    prop_assert_eq!(&client, &maps[index + 1]);
                }
            }
        }

        /// Merging is associative.
        #[test]
        fn merging_is_associative(changes in proptest::collection::vec(change(), 3)) {
            let [a, b, c] = [0, 1, 2].map(|index: usize| {
                Delta::of(8 + i64::try_from(index).expect("few"), &changes[index], Audience::PUBLIC).expect("totals")
            });
            let mut left = a.clone();
            prop_assert_eq!(left.merge(b.clone()), Ok(()));
            prop_assert_eq!(left.merge(c.clone()), Ok(()));
            let (mut right, mut tail) = (a, b);
            prop_assert_eq!(tail.merge(c), Ok(()));
            prop_assert_eq!(right.merge(tail), Ok(()));
            prop_assert_eq!(left, right);
        }
    }

    #[test]
    fn delta_that_does_not_follow_is_returned() {
        let change = Change { totals: Some(Totals::default()), ..Change::default() };
        let delta = |version| Delta::of(version, &change, Audience::PUBLIC).expect("totals");
        let mut third = delta(3);
        for other in [2, 3, 5] {
            assert_eq!(third.merge(delta(other)), Err(delta(other)), "{other} does not follow 3");
        }
        assert_eq!((third.after, third.version), (2, 3), "and nothing of it was taken");
    }

    #[test]
    fn change_without_totals_has_no_delta() {
        assert_eq!(Delta::of(3, &Change { terms: true, ..Change::default() }, Audience::PUBLIC), None);
    }
}

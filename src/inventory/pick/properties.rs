//! In random houses the choice agrees with the slow model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    best_available, leaves_no_orphans,
    model::{House, houses, now, wishes},
};
use crate::{
    inventory::command::{AccessibleParty, BestAvailable, Refusal},
    venue::plan::Access,
};

/// Returns groups of neighbours, in their given order.
fn groups(house: &House, seats: &[u32]) -> Vec<Vec<u32>> {
    seats.chunk_by(|a, b| house.neighbours(*a).contains(b)).map(<[u32]>::to_vec).collect()
}

/// Returns the lengths of the stretches of free and wanted seats, longest first.
fn stretches(house: &House, wish: &BestAvailable) -> Vec<usize> {
    let mut lengths = Vec::new();
    for row in &house.rows {
        let good = |seat: &u32| house.is_free(*seat) && house.rank(wish, *seat).is_some();
        let parts = row.chunk_by(|a, b| good(a) && good(b) && house.neighbours(*a).contains(b));
        lengths.extend(parts.filter(|part| good(&part[0])).map(<[u32]>::len));
    }
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    lengths
}

/// Returns all choices of `quantity` of these seats.
fn choices(seats: &[u32], quantity: usize) -> Vec<Vec<u32>> {
    match (quantity, seats) {
        (0, _) => vec![Vec::new()],
        (_, []) => Vec::new(),
        (_, [first, rest @ ..]) => {
            let mut with = choices(rest, quantity - 1);
            for choice in &mut with {
                choice.push(*first);
            }
            with.extend(choices(rest, quantity));
            with
        }
    }
}

/// Returns all free seats that can be reached from these over free neighbours.
fn reached(house: &House, from: &[u32]) -> Vec<u32> {
    let (mut seen, mut next) = (BTreeSet::new(), from.to_vec());
    while let Some(seat) = next.pop() {
        if house.is_free(seat) && seen.insert(seat) {
            next.extend(house.neighbours(seat));
        }
    }
    seen.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn best_block_is_the_one_that_exhaustive_search_finds(
        house in houses(6, 10, false),
        wish in wishes(),
    ) {
        let quantity = wish.quantity as usize;
        let all = house.blocks(&wish, quantity);
        let best = all.iter().min_by_key(|block| house.key(&wish, block)).cloned();
        let left: usize = stretches(&house, &wish).iter().sum();
        let most = stretches(&house, &wish).first().copied().unwrap_or_default();
        let expected = match best {
            Some(block) => Ok(block),
            None if left < quantity => Err(Refusal::NotEnoughLeft { available: u32::try_from(left).unwrap() }),
            None => {
                Err(Refusal::NotEnoughTogether { available: u32::try_from(most).unwrap(), if_split: true })
            }
        };
        let chosen = best_available(&house.stock, &wish, now());
        if let Ok(seats) = &chosen {
            let tidy = all.iter().any(|block| house.new_orphans(block).is_empty());
            prop_assert!(!tidy || house.new_orphans(seats).is_empty(), "an orphan that could be avoided");
            prop_assert!(seats.iter().all(|&seat| house.is_free(seat)));
        }
        prop_assert_eq!(chosen, expected);
    }

    #[test]
    fn split_party_gets_as_few_groups_as_possible(
        house in houses(6, 10, false),
        wish in wishes(),
        more in 0_u32..12,
    ) {
        let wish = BestAvailable { quantity: wish.quantity + more, split: true, ..wish };
        let mut left = wish.quantity as usize;
        let fewest = stretches(&house, &wish)
            .into_iter()
            .take_while(|length| { let more = left > 0; left = left.saturating_sub(*length); more })
            .count();
        match best_available(&house.stock, &wish, now()) {
            Ok(seats) => {
                prop_assert_eq!(left, 0);
                prop_assert_eq!(seats.len(), wish.quantity as usize);
                prop_assert_eq!(seats.iter().collect::<BTreeSet<_>>().len(), seats.len(), "a seat twice");
                let good = |&seat: &u32| house.is_free(seat) && house.rank(&wish, seat).is_some();
                prop_assert!(seats.iter().all(good));
                prop_assert!(groups(&house, &seats).len() <= fewest, "{seats:?} in more than {fewest} groups");
            }
            Err(refusal) => {
                let available = u32::try_from(stretches(&house, &wish).iter().sum::<usize>()).unwrap();
                prop_assert_eq!(refusal, Refusal::NotEnoughLeft { available });
                prop_assert!(available < wish.quantity);
            }
        }
    }

    #[test]
    fn manual_pick_is_refused_if_another_from_the_same_stretches_leaves_fewer_orphans(
        house in houses(3, 8, false),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 1..5),
    ) {
        let all: Vec<u32> = house.rows.iter().flatten().copied().filter(|&seat| house.is_open(seat)).collect();
        prop_assume!(!all.is_empty());
        let picked: BTreeSet<u32> = picks.iter().map(|index| all[index.index(all.len())]).collect();
        let picked: Vec<u32> = picked.into_iter().collect();
        let left = house.new_orphans(&picked);
        let least = || {
            let near = reached(&house, &picked);
            choices(&near, picked.len()).iter().map(|choice| house.new_orphans(choice).len()).min().unwrap()
        };
        let exempt = !house.stock.terms.orphan_rule || picked.iter().any(|&seat| !house.is_free(seat));
        let expected = if exempt || left.is_empty() || left.len() <= least() {
            Ok(())
        } else {
            Err(Refusal::LeavesOrphans { seats: left })
        };
        prop_assert_eq!(leaves_no_orphans(&house.stock, &picked, &[], now()), expected);
    }

    #[test]
    fn accessible_party_gets_permitted_seats_and_sits_together_if_possible(
        house in houses(5, 10, true),
        wish in wishes(),
        (places, companions) in (1_u32..3, 0_u32..3),
        split in any::<bool>(),
    ) {
        let party = AccessibleParty { wheelchair_places: places, companions };
        let quantity = wish.quantity.max(places + companions);
        let wish = BestAvailable { quantity, accessible: Some(party), split, ..wish };
        let wanted = |seat: u32| house.is_open(seat) && house.rank(&wish, seat).is_some();
        let access = |seat: u32| house.plan.seats[seat as usize].access;
        let all = || house.rows.iter().flatten().copied().filter(|&seat| wanted(seat));
        let wheelchairs: Vec<u32> = all().filter(|&seat| access(seat) == Access::Wheelchair).collect();
        match best_available(&house.stock, &wish, now()) {
            Ok(seats) => {
                prop_assert_eq!(seats.len(), quantity as usize);
                prop_assert_eq!(seats.iter().collect::<BTreeSet<_>>().len(), seats.len(), "a seat twice");
                prop_assert!(seats.iter().all(|&seat| wanted(seat)));
                let chosen: Vec<u32> =
                    seats.iter().copied().filter(|&seat| access(seat) == Access::Wheelchair).collect();
                prop_assert_eq!(chosen.len(), places as usize);
                let row = |seat: u32| house.plan.seats[seat as usize].row;
                prop_assert!(split || chosen.iter().all(|&seat| row(seat) == row(chosen[0])));
                let beside: Vec<u32> = seats
                    .iter()
                    .copied()
                    .filter(|&seat| matches!(access(seat), Access::Companion { .. }))
                    .collect();
                prop_assert!(beside.len() <= companions as usize);
                for &seat in &beside {
                    match access(seat) {
                        Access::Companion { of: Some(place) } => {
                            prop_assert!(chosen.iter().any(|&chosen| chosen as usize == place));
                        }
                        Access::Standard | Access::Wheelchair | Access::Companion { of: None } => prop_assert!(chosen.iter().any(|&chosen| row(chosen) == row(seat))),
                    }
                }
                // A companion gets a companion's seat if there is one.
                let own = |place: u32| all().any(|seat| access(seat) == Access::Companion { of: Some(place as usize) });
                if places == 1 && companions == 1 && wheelchairs.iter().any(|&place| own(place)) {
                    prop_assert_eq!(beside.len(), 1);
                }
                // One wheelchair user and friends sit side by side if that is possible.
                let friends = quantity as usize - 1;
                let fits = |&place: &u32| house.rows[row(place)].windows(quantity as usize).any(|block| {
                    let good = |&seat: &u32| seat == place || (house.is_free(seat) && wanted(seat));
                    let together = |pair: &[u32]| house.neighbours(pair[0]).contains(&pair[1]);
                    block.contains(&place) && block.iter().all(good) && block.windows(2).all(together)
                });
                if places == 1 && companions == 0 && friends > 0 && wheelchairs.iter().any(fits) {
                    let mut seats = seats.clone();
                    seats.sort_by_key(|seat| house.rows[row(*seat)].iter().position(|other| other == seat));
                    prop_assert_eq!(groups(&house, &seats).len(), 1, "{:?} are parted", seats);
                }
            }
            Err(Refusal::NotEnoughLeft { .. }) => {
                // Companions' seats next to other wheelchair places are not taken.
                let ordinary: usize = stretches(&house, &wish).iter().sum();
                let others = (quantity - places) as usize;
                prop_assert!(wheelchairs.len() < places as usize || ordinary < others);
            }
            Err(refusal) => {
                prop_assert!(!split, "{refusal:?}");
                let split = BestAvailable { split: true, ..wish.clone() };
                let would = best_available(&house.stock, &split, now()).is_ok();
                prop_assert!(
                    matches!(refusal, Refusal::NotEnoughTogether { if_split, .. } if if_split == would),
                    "{refusal:?}, but parted: {would}"
                );
            }
        }
    }
}

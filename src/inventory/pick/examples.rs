//! Choices and the orphan rule in small houses.
//!
//! A row is written as a word: `.` free, `x` sold, `l` lapsed, `W` a wheelchair place, `C` the companion's seat beside
//! it, `_` a missing seat.

use super::{
    best_available, leaves_no_orphans,
    model::{House, RowOf, SeatOf, State, now, tier},
};
use crate::{
    inventory::command::{AccessibleParty, BestAvailable, Refusal},
    venue::plan::Access,
};

/// Returns a house with these rows, the first nearest to the stage, in the middle.
fn house(rows: &[&str]) -> House {
    let row = |(index, word): (usize, &&str)| {
        let mut gap = 0;
        let mut seats = Vec::new();
        for letter in word.chars() {
            gap += 1;
            let (state, access, category) = match letter {
                '_' => continue,
                '.' => (State::Free, Access::Standard, 0),
                'b' => (State::Free, Access::Standard, 1),
                'x' => (State::Sold, Access::Standard, 0),
                'l' => (State::Lapsed, Access::Standard, 0),
                'W' => (State::Free, Access::Wheelchair, 0),
                'w' => (State::Sold, Access::Wheelchair, 0),
                'C' => (State::Free, Access::Companion { of: Some(1) }, 0),
                other => panic!("what is {other}?"),
            };
            seats.push(SeatOf { gap, state, access, category });
            gap = 0;
        }
        let width = 20 * i64::try_from(word.len()).unwrap();
        let y = 20 * i64::try_from(index).unwrap();
        RowOf { zone: 0, y, x: 150 - width / 2 - 10, backwards: false, seats }
    };
    House::new(&rows.iter().enumerate().map(row).collect::<Vec<_>>(), true)
}

fn best(house: &House, quantity: u32) -> Result<Vec<u32>, Refusal> {
    best_available(&house.stock, &BestAvailable { quantity, ..BestAvailable::default() }, now())
}

#[test]
fn middle_of_the_first_row_comes_first_without_orphans() {
    assert_eq!(best(&house(&["........", "........"]), 2), Ok(vec![3, 4]));
    // The middle two would leave single seats on both sides.
    assert_eq!(best(&house(&["....", "...."]), 2), Ok(vec![0, 1]));
    // Three of four leave one in any case: the second row has room.
    assert_eq!(best(&house(&["....", "xx.....xx"]), 3), Ok(vec![6, 7, 8]));
    // Unavoidable.
    assert_eq!(best(&house(&["....", "xxxx"]), 3), Ok(vec![0, 1, 2]));
    // An aisle and a missing seat separate neighbours.
    assert_eq!(
        best(&house(&[".._.._..", "..__.."]), 3),
        Err(Refusal::NotEnoughTogether { available: 2, if_split: true })
    );
    assert_eq!(best(&house(&["x.x", ".x."]), 4), Err(Refusal::NotEnoughLeft { available: 3 }));
}

#[test]
fn lapsed_seat_is_free_and_wheelchair_place_is_not_for_ordinary_parties() {
    assert_eq!(best(&house(&["xllx"]), 2), Ok(vec![1, 2]));
    assert_eq!(
        best(&house(&["..WC.."]), 3),
        Err(Refusal::NotEnoughTogether { available: 2, if_split: true })
    );
    assert_eq!(best(&house(&["WC"]), 1), Err(Refusal::NotEnoughLeft { available: 0 }));
}

#[test]
fn most_wanted_tier_outweighs_distance() {
    let house = house(&["....", "bbbb"]);
    let wish = |tiers| BestAvailable { quantity: 2, tiers, ..BestAvailable::default() };
    let best = |tiers| best_available(&house.stock, &wish(tiers), now()).unwrap();
    assert_eq!(best(vec![]), [0, 1]);
    assert_eq!(best(vec![tier(1)]), [4, 5]);
    assert_eq!(best(vec![tier(1), tier(0)]), [4, 5]);
    assert_eq!(best(vec![tier(0), tier(1)]), [0, 1]);
}

#[test]
fn party_is_split_into_few_groups_near_each_other() {
    let house = house(&["..x..", "...x.", "xxxxx", "..x.."]);
    let wish = BestAvailable { quantity: 5, split: true, ..BestAvailable::default() };
    // At most three sit together; the other two directly in front of them.
    assert_eq!(best_available(&house.stock, &wish, now()), Ok(vec![0, 1, 5, 6, 7]));
    let wish = BestAvailable { quantity: 13, ..wish };
    assert_eq!(best_available(&house.stock, &wish, now()), Err(Refusal::NotEnoughLeft { available: 12 }));
}

#[test]
fn accessible_party_sits_side_by_side() {
    let wish = |wheelchair_places, companions, quantity, split| BestAvailable {
        quantity,
        accessible: Some(AccessibleParty { wheelchair_places, companions }),
        split,
        ..BestAvailable::default()
    };
    let best = |rows: &[&str], wish| {
        let mut seats = best_available(&house(rows).stock, &wish, now())?;
        seats.sort_unstable();
        Ok::<_, Refusal>(seats)
    };
    assert_eq!(best(&["......", "..WC.."], wish(1, 1, 2, false)), Ok(vec![8, 9]));
    assert_eq!(best(&["......", "..WC.."], wish(1, 1, 4, false)), Ok(vec![6, 7, 8, 9]));
    assert_eq!(best(&["......", "..WC.."], wish(1, 0, 3, false)), Ok(vec![6, 7, 8]));
    // Without a companion's seat the companion sits next to the user, where that leaves no orphan.
    assert_eq!(best(&["......", ".xWx..", "..W..."], wish(1, 1, 2, false)), Ok(vec![14, 15]));
    // The adjacent seats are taken: the others sit as near as possible.
    assert_eq!(best(&["......", "......", "xxWCxx"], wish(1, 1, 4, false)), Ok(vec![8, 9, 14, 15]));
    // Two wheelchair places in one row, or, with a split, in two.
    assert_eq!(best(&["W.....", "WCWC.."], wish(2, 2, 4, false)), Ok(vec![6, 7, 8, 9]));
    assert_eq!(
        best(&["WC....", "..WC.."], wish(2, 2, 4, false)),
        Err(Refusal::NotEnoughTogether { available: 1, if_split: true })
    );
    assert_eq!(best(&["WC....", "..WC.."], wish(2, 2, 4, true)), Ok(vec![0, 1, 8, 9]));
    assert_eq!(
        best(&["wC....", "..WC.."], wish(2, 2, 4, true)),
        Err(Refusal::NotEnoughLeft { available: 1 })
    );
}

#[test]
fn orphan_rule_names_the_seats_and_accepts_unavoidable_orphans() {
    let picked = |row: &str, seats: &[u32]| leaves_no_orphans(&house(&[row]).stock, seats, &[], now());
    let left = |seats: &[u32]| Err(Refusal::LeavesOrphans { seats: seats.to_vec() });
    assert_eq!(picked("......", &[1]), left(&[0]));
    assert_eq!(picked("......", &[2, 3]), Ok(()));
    assert_eq!(picked("......", &[0, 2]), left(&[1]));
    assert_eq!(picked(".....", &[1, 3]), left(&[0, 2, 4]));
    assert_eq!(picked("x..x....", &[1, 5]), left(&[2, 4]));
    // Three of four, one of two.
    assert_eq!(picked("x....x", &[1, 2, 3]), Ok(()));
    assert_eq!(picked("x....x", &[1, 2, 4]), Ok(()));
    assert_eq!(picked("x..x", &[1]), Ok(()));
    // A pick that completes the run, and an orphan that was one before.
    assert_eq!(picked("x...x", &[1, 2, 3]), Ok(()));
    assert_eq!(picked("x.x....", &[3, 4]), Ok(()));
    // The end of a row, an aisle, a lapsed seat, a wheelchair place.
    assert_eq!(picked("...._....", &[2]), left(&[3]));
    assert_eq!(picked("xl...", &[2]), left(&[1]));
    assert_eq!(picked("W....", &[2]), left(&[1]));
    assert_eq!(picked("......W", &[1, 6]), Ok(()), "with a wheelchair user it is as it is");
    let mut off = house(&["......"]);
    off.stock.terms.orphan_rule = false;
    assert_eq!(leaves_no_orphans(&off.stock, &[1], &[], now()), Ok(()));
}

/// A refusal that names a hidden seat would reveal that it is free.
#[test]
fn hidden_seat_counts_as_orphan_only_for_buyers_who_unlocked_it() {
    let mut house = house(&["......"]);
    house.stock.terms.tiers[1].hidden = true;
    house.stock.terms.seat_tiers[0] = Some(1);
    let picked = |opened: &[entity::TierId]| leaves_no_orphans(&house.stock, &[1], opened, now());
    assert_eq!(picked(&[]), Ok(()));
    assert_eq!(picked(&[tier(1)]), Err(Refusal::LeavesOrphans { seats: vec![0] }));
}

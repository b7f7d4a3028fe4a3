//! Tests of the checker: histories that it must accept, and histories that it must refuse.

use super::{
    check::{Operation, Stuck, linearisable},
    seat::{
        Act::{self, *},
        Rules, Seat, Sight,
        Stage::{Ordered, Paying},
    },
};
use crate::support::random::Random;

const RULES: Rules = Rules { seconds: 10, seconds_max: 20 };

fn verdict(history: &[(u64, Option<u64>, Act)]) -> Result<(), Stuck> {
    let operations =
        history.iter().map(|&(asked, answered, act)| Operation { asked, answered, act }).collect();
    linearisable(&RULES, Seat::new(0), operations)
}

/// Checks operations that do not overlap.
fn in_turn(acts: &[Act]) -> Result<(), Stuck> {
    let history: Vec<_> = (0..).zip(acts).map(|(turn, act)| (2 * turn, Some(2 * turn + 1), *act)).collect();
    verdict(&history)
}

fn take(by: u32) -> Act {
    Take { by, until: None }
}

#[test]
fn a_seats_life_is_accepted() {
    in_turn(&[
        take(1),
        FoundTaken,
        Clock(5),
        Extend { by: 1, until: Some(15) },
        NoMoreTime { by: 1 },
        Attach { by: 1 },
        At { by: 1, stage: Ordered },
        Begin { by: 1 },
        Clock(100),
        End { by: 1 },
        Gone { by: 1 },
        Take { by: 2, until: Some(110) },
        Release { by: 2 },
        FoundFree,
        take(3),
        Attach { by: 3 },
        Begin { by: 3 },
        At { by: 3, stage: Paying },
        Sell { by: 3 },
        Seen(Sight::Sold(Some(3))),
        TakeBack { by: 3 },
        Seen(Sight::Free),
        take(4),
    ])
    .expect("linearisable");
}

#[test]
fn impossible_histories_are_rejected() {
    let sold = [take(1), Attach { by: 1 }, Begin { by: 1 }, Sell { by: 1 }];
    let cases: &[&[Act]] = &[
        &[take(1), take(2)],
        &[take(1), FoundFree],
        &[FoundTaken],
        &[take(1), Clock(9), take(2)],
        &[take(1), Clock(10), Extend { by: 1, until: None }],
        &[take(1), Clock(10), FoundTaken],
        &[take(1), Clock(5), Extend { by: 1, until: Some(14) }],
        &[take(1), Attach { by: 1 }, Release { by: 1 }],
        &[take(1), Attach { by: 1 }, Clock(10), Begin { by: 1 }],
        &[take(1), Attach { by: 1 }, Sell { by: 1 }],
        &[take(1), GiveUp { by: 1 }],
        &[take(1), Attach { by: 1 }, GiveUp { by: 1 }, FoundTaken],
        &[take(1), Gone { by: 1 }],
        &[take(1), Seen(Sight::Free)],
        &[take(1), Seen(Sight::Held(Some(2)))],
        &[Take { by: 1, until: Some(11) }],
        &[&sold[..], &[take(2)]].concat(),
        &[&sold[..], &[Clock(1_000), take(2)]].concat(),
        &[&sold[..], &[TakeBack { by: 2 }]].concat(),
        &[&sold[..], &[TakeBack { by: 1 }, TakeBack { by: 1 }]].concat(),
    ];
    for case in cases {
        assert!(matches!(in_turn(case), Err(Stuck::NoOrder(_))), "{case:?}");
    }
}

#[test]
fn overlapping_calls_may_be_in_any_order() {
    // The release has the last response, but it happened first.
    let history = [
        (0, Some(1), take(1)),
        (2, Some(9), Release { by: 1 }),
        (3, Some(4), FoundTaken),
        (5, Some(6), take(2)),
        (7, Some(8), FoundTaken),
    ];
    verdict(&history).expect("linearisable");
    // Requested after the response to the second operation, it cannot precede it.
    let mut late = history;
    late[1].0 = 7;
    assert!(matches!(verdict(&late), Err(Stuck::NoOrder(_))));
}

#[test]
fn unanswered_calls_may_have_happened_or_not() {
    verdict(&[(0, None, take(1)), (1, Some(2), take(2))]).expect("it never happened");
    verdict(&[(0, None, take(1)), (1, Some(2), FoundTaken)]).expect("it happened at once");
    verdict(&[(0, None, take(1)), (1, Some(2), FoundFree), (3, Some(4), FoundTaken)]).expect("and later");
    let not_twice = [(0, None, take(1)), (1, Some(2), FoundTaken), (3, Some(4), FoundFree)];
    assert!(matches!(verdict(&not_twice), Err(Stuck::NoOrder(_))));
    // It cannot happen before its request.
    let early = [(0, Some(1), FoundTaken), (2, None, take(1))];
    assert!(matches!(verdict(&early), Err(Stuck::NoOrder(_))));
    // An operation with a response must have happened. So an acknowledged commit that was lost is detected.
    let forgotten = [(0, Some(1), take(1)), (2, Some(3), Seen(Sight::Free))];
    assert!(matches!(verdict(&forgotten), Err(Stuck::NoOrder(_))));
}

/// Histories generated from an order, with each operation stretched around its moment, are accepted. With one falsified
/// result they are refused.
#[test]
fn long_histories_are_decided() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let (mut history, mut holder) = (Vec::new(), None);
        for moment in 1..600_u32 {
            let act = match holder {
                None if random.chance(50) => FoundFree,
                None => {
                    holder = Some(moment);
                    take(moment)
                }
                Some(_) if random.chance(60) => FoundTaken,
                Some(by) => {
                    holder = None;
                    Release { by }
                }
            };
            let moment = u64::from(moment) * 100;
            let stretch = |random: &mut Random| u64::try_from(random.below(900)).expect("small") + 1;
            let (before, after) = (stretch(&mut random), stretch(&mut random));
            let answered = (!random.chance(1)).then_some(moment + after);
            history.push((moment.saturating_sub(before), answered, act));
        }
        verdict(&history).expect("linearisable");
        // Two reservations without a release between them, far from all other operations.
        let end = 1_000_000;
        history.extend([(end, Some(end + 1), Clock(50)), (end + 2, Some(end + 3), take(9_998))]);
        history.push((end + 4, Some(end + 5), take(9_999)));
        assert!(matches!(verdict(&history), Err(Stuck::NoOrder(_))), "seed {seed}");
    }
}

//! The events of the demo: places, times and prices.
//!
//! Invariant: data only.

/// The slug of the main event, which has most of the orders.
pub(super) const MAIN: &str = "a-midsummer-night";
/// The slug of the event in the stadium.
pub(super) const DERBY: &str = "harbour-derby";
/// The slug of the event that is sold out.
pub(super) const SOLD_OUT: &str = "jazz-at-midnight";
/// The slug of the first event of a series.
pub(super) const SERIES: &str = "open-rehearsal";
/// The dates of that series.
pub(super) const SERIES_RULE: &str = "FREQ=WEEKLY;COUNT=4";

/// The final state of a demo event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    OnSale,
    Upcoming,
    SalesEnded,
    Past,
    Cancelled,
    Draft,
}

/// The venue of a demo event.
#[derive(Clone, Copy)]
pub(super) enum Hall {
    Playhouse,
    Studio,
    Arena,
    Lantern,
}

/// A demo event.
pub(super) struct Show {
    pub(super) hall: Hall,
    pub(super) fate: Fate,
    /// The slug of its category.
    pub(super) category: &'static str,
    pub(super) slug: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// The start date, in days from now.
    pub(super) day: i64,
    /// The start time, in minutes after midnight UTC. Values from 1,440 are on the next day.
    pub(super) minute: i64,
    /// The duration in minutes.
    pub(super) lasts: i64,
    /// Days before the start until which buyers may refund by themselves. `None` excludes refunds.
    pub(super) refund_days: Option<i64>,
    pub(super) prices: Prices,
}

/// The prices of an event.
pub(super) struct Prices {
    pub(super) tax_basis_points: i32,
    pub(super) fee: i64,
    /// The price levels: the name, which is also the plan's category, and the price in minor units.
    pub(super) levels: &'static [(&'static str, i64)],
}

const PLAYHOUSE: Prices = Prices {
    tax_basis_points: 1_300,
    fee: 250,
    levels: &[("Premium", 8_900), ("Stalls", 5_900), ("Circle", 3_900), ("Box", 7_250)],
};
const STUDIO: Prices =
    Prices { tax_basis_points: 1_300, fee: 100, levels: &[("Front", 2_200), ("Back", 1_800)] };
const FREE: Prices = Prices { tax_basis_points: 0, fee: 0, levels: &[("Front", 0), ("Back", 0)] };
const ARENA: Prices = Prices {
    tax_basis_points: 1_000,
    fee: 330,
    levels: &[
        ("Hospitality", 28_000),
        ("Side", 9_800),
        ("End", 5_400),
        ("Family", 3_900),
        ("Standing", 3_200),
    ],
};
const LANTERN: Prices = Prices {
    tax_basis_points: 900,
    fee: 325,
    levels: &[("Premium", 6_400), ("Stalls", 4_800), ("Circle", 3_200), ("Box", 5_500)],
};

/// All demo events.
pub(super) const SHOWS: [Show; 13] = [
    Show {
        hall: Hall::Playhouse,
        fate: Fate::OnSale,
        category: "drama",
        slug: MAIN,
        name: "A Midsummer Night",
        description: "Four lovers, one wood and too much moonlight. Two hours and a half with one interval, in \
                      English with German surtitles.",
        day: 24,
        minute: 17 * 60 + 30,
        lasts: 150,
        refund_days: Some(2),
        prices: PLAYHOUSE,
    },
    Show {
        hall: Hall::Playhouse,
        fate: Fate::OnSale,
        category: "family",
        slug: "the-paper-dragon",
        name: "The Paper Dragon",
        description: "A dragon made of old newspapers learns to fly. For everybody from five years on.",
        day: 12,
        minute: 13 * 60,
        lasts: 75,
        refund_days: Some(1),
        prices: PLAYHOUSE,
    },
    Show {
        hall: Hall::Playhouse,
        fate: Fate::Upcoming,
        category: "chamber-music",
        slug: "winter-songs",
        name: "Winter Songs",
        description: "A string quartet and a soprano by candlelight. Sales begin in a week.",
        day: 75,
        minute: 18 * 60,
        lasts: 100,
        refund_days: Some(7),
        prices: PLAYHOUSE,
    },
    Show {
        hall: Hall::Playhouse,
        fate: Fate::Past,
        category: "opera",
        slug: "the-lamplighter",
        name: "The Lamplighter",
        description: "The last lamplighter of the town hears that gas is coming to an end. An opera in three acts.",
        day: -20,
        minute: 17 * 60,
        lasts: 180,
        refund_days: None,
        prices: PLAYHOUSE,
    },
    Show {
        hall: Hall::Studio,
        fate: Fate::OnSale,
        category: "jazz",
        slug: SOLD_OUT,
        name: "Jazz at Midnight",
        description: "Piano, double bass and brushes, and no more than forty chairs.",
        day: 5,
        minute: 22 * 60,
        lasts: 120,
        refund_days: None,
        prices: STUDIO,
    },
    Show {
        hall: Hall::Studio,
        fate: Fate::OnSale,
        category: "theatre",
        slug: SERIES,
        name: "Open Rehearsal",
        description: "See how a scene is made, and ask why. Admission is free; a ticket keeps you a chair.",
        day: 10,
        minute: 16 * 60,
        lasts: 90,
        refund_days: Some(0),
        prices: FREE,
    },
    Show {
        hall: Hall::Arena,
        fate: Fate::OnSale,
        category: "football",
        slug: DERBY,
        name: "Harbour Derby: Hoshi v. Minato",
        description: "East bank against west bank. The gates open two hours before kick-off.",
        day: 18,
        minute: 10 * 60,
        lasts: 120,
        refund_days: Some(3),
        prices: ARENA,
    },
    Show {
        hall: Hall::Arena,
        fate: Fate::Upcoming,
        category: "athletics",
        slug: "evening-of-records",
        name: "Evening of Records",
        description: "Sprints, jumps and the mile under floodlights. Sales begin in a week.",
        day: 60,
        minute: 9 * 60 + 30,
        lasts: 210,
        refund_days: Some(7),
        prices: ARENA,
    },
    Show {
        hall: Hall::Lantern,
        fate: Fate::OnSale,
        category: "comedy",
        slug: "late-night-laughter",
        name: "Late Night Laughter",
        description: "Five comedians, ten minutes each, and one microphone.",
        day: 3,
        minute: 25 * 60,
        lasts: 90,
        refund_days: None,
        prices: LANTERN,
    },
    Show {
        hall: Hall::Lantern,
        fate: Fate::OnSale,
        category: "family",
        slug: "moon-rabbit",
        name: "Moon Rabbit",
        description: "A puppet play about a rabbit who wants to see the Earth rise.",
        day: 16,
        minute: 20 * 60,
        lasts: 60,
        refund_days: Some(1),
        prices: LANTERN,
    },
    Show {
        hall: Hall::Lantern,
        fate: Fate::SalesEnded,
        category: "comedy",
        slug: "the-last-matinee",
        name: "The Last Matinee",
        description: "A farce with seven doors. Online sales are over; ask at the box office.",
        day: 1,
        minute: 19 * 60,
        lasts: 110,
        refund_days: None,
        prices: LANTERN,
    },
    Show {
        hall: Hall::Lantern,
        fate: Fate::Cancelled,
        category: "rock",
        slug: "garage-rockets",
        name: "Garage Rockets",
        description: "Loud, short and called off: the drummer broke a thumb.",
        day: 30,
        minute: 25 * 60 + 30,
        lasts: 120,
        refund_days: None,
        prices: LANTERN,
    },
    Show {
        hall: Hall::Lantern,
        fate: Fate::Draft,
        category: "comedy",
        slug: "autumn-revue",
        name: "Autumn Revue",
        description: "Not announced yet: title and cast may change.",
        day: 110,
        minute: 25 * 60,
        lasts: 130,
        refund_days: Some(7),
        prices: LANTERN,
    },
];

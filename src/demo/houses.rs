//! The demo's categories, shops, members and venues.

use std::collections::HashMap;

use entity::{ShopId, VenueId, shop::ShopRole};

use super::{SCANNER, SELLER, made};
use crate::{
    app::App,
    auth::Viewer,
    category,
    error::FaultResult,
    shop,
    venue::{
        edit,
        plan::ImportOptions,
        revisions::{self, NewPlan},
        rules::Details,
    },
};

const THEATRE_PLAN: &str = include_str!("../../demo/theatre.json");
const STADIUM_PLAN: &str = include_str!("../../demo/stadium.json");
const STUDIO_PLAN: &str = include_str!("../../demo/studio.json");

/// The categories, parents first: the parent's slug, the slug and the name.
const CATEGORIES: [(Option<&str>, &str, &str); 14] = [
    (None, "music", "Music"),
    (Some("music"), "classical", "Classical"),
    (Some("classical"), "chamber-music", "Chamber music"),
    (Some("music"), "rock", "Rock"),
    (Some("music"), "jazz", "Jazz"),
    (None, "stage", "Stage"),
    (Some("stage"), "theatre", "Theatre"),
    (Some("theatre"), "drama", "Drama"),
    (Some("stage"), "opera", "Opera"),
    (Some("stage"), "comedy", "Comedy"),
    (None, "sports", "Sports"),
    (Some("sports"), "football", "Football"),
    (Some("sports"), "athletics", "Athletics"),
    (None, "family", "Family"),
];

/// A venue and its shop.
#[derive(Clone, Copy)]
pub(super) struct House {
    pub(super) shop: ShopId,
    pub(super) venue: VenueId,
}

/// All venues.
pub(super) struct Houses {
    pub(super) playhouse: House,
    pub(super) studio: House,
    pub(super) arena: House,
    pub(super) lantern: House,
}

/// Creates the categories.
pub(super) async fn plant_categories(app: &App, operator: &Viewer) -> FaultResult<()> {
    let mut ids = HashMap::new();
    for (position, (parent, slug, name)) in (0..).zip(CATEGORIES) {
        let input = category::Create {
            parent: parent.and_then(|parent| ids.get(parent).copied()),
            slug: Some(slug.to_owned()),
            name: name.to_owned(),
            position,
        };
        ids.insert(slug, made(category::create(app, operator, input, None).await)?.id);
    }
    Ok(())
}

/// Creates the shops and their venues, and imports the venues' seat maps.
pub(super) async fn build(app: &App, vendor: &Viewer) -> FaultResult<Houses> {
    let playhouse = open(app, vendor, &PLAYHOUSE).await?;
    for (email, role) in [(SELLER, ShopRole::Seller), (SCANNER, ShopRole::Scanner)] {
        let expected_version = shop::by_id(app, playhouse).await?.version;
        let email = email.to_owned();
        let input = shop::SetMember { shop: playhouse, expected_version, email, role };
        made(shop::set_member(app, vendor, input).await)?;
    }
    let arena = open(app, vendor, &ARENA).await?;
    let lantern = open(app, vendor, &LANTERN).await?;
    let river = |name: &str| details(name, ["Uferpromenade 7", "Linz", "AT", "Europe/Vienna"]);
    let bay = details("Hoshi Arena", ["2-7 Hoshimi, Koto-ku", "Tokyo", "JP", "Asia/Tokyo"]);
    let street =
        details("Lantern Street Theater", ["410 Lantern Street", "Chicago", "US", "America/Chicago"]);
    Ok(Houses {
        playhouse: equip(app, vendor, playhouse, river("Playhouse"), THEATRE_PLAN).await?,
        studio: equip(app, vendor, playhouse, river("Studio"), STUDIO_PLAN).await?,
        arena: equip(app, vendor, arena, bay, STADIUM_PLAN).await?,
        lantern: equip(app, vendor, lantern, street, THEATRE_PLAN).await?,
    })
}

/// A shop of the demo.
struct DemoShop {
    name: &'static str,
    description: &'static str,
    currency: &'static str,
    /// The slug of its category.
    category: &'static str,
}

const PLAYHOUSE: DemoShop = DemoShop {
    name: "Playhouse am Fluss",
    description: "Drama, opera and chamber music on the river bank. The main house seats 941 in stalls, circle and \
                  boxes; the studio behind it seats 40.",
    currency: "EUR",
    category: "stage",
};
const ARENA: DemoShop = DemoShop {
    name: "Hoshi Arena",
    description: "Home of football and athletics on the bay: more than twenty thousand seats, and three standing \
                  terraces for those who would rather sing.",
    currency: "JPY",
    category: "sports",
};
const LANTERN: DemoShop = DemoShop {
    name: "Lantern Street",
    description: "A neighborhood theater for all ages, with puppets in the afternoon and stand-up at night.",
    currency: "USD",
    category: "family",
};

async fn open(app: &App, vendor: &Viewer, shop: &DemoShop) -> FaultResult<ShopId> {
    let input = shop::Create {
        slug: None,
        name: shop.name.to_owned(),
        description: shop.description.to_owned(),
        currency: shop.currency.to_owned(),
        category: Some(category::by_slug(app, shop.category).await?.id),
    };
    Ok(made(shop::create(app, vendor, input, None).await)?.id)
}

/// Returns the details of a venue: its name, and its street address, city, country and time zone.
fn details(name: &str, place: [&str; 4]) -> Details {
    let [address, city, country, time_zone] = place.map(str::to_owned);
    Details { name: name.to_owned(), address, city, country, time_zone }
}

async fn equip(app: &App, vendor: &Viewer, shop: ShopId, details: Details, plan: &str) -> FaultResult<House> {
    let venue = made(edit::create(app, vendor, shop, details, None).await)?.id;
    let plan = NewPlan { venue, text: plan.to_owned(), options: ImportOptions::default() };
    made(revisions::import(app, vendor, plan, None).await)?;
    Ok(House { shop, venue })
}

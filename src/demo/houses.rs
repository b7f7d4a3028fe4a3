//! The category tree, the shops with the people who work there, and their venues.

use std::collections::HashMap;

use entity::{ShopId, VenueId, shop::ShopRole};

use super::{SCANNER, SELLER, made};
use crate::{
    app::App,
    auth::Viewer,
    category,
    error::FaultResult,
    shop,
    venue::{edit, rules::Details},
};

const THEATRE_PLAN: &str = include_str!("../../demo/theatre.json");
const STADIUM_PLAN: &str = include_str!("../../demo/stadium.json");
const STUDIO_PLAN: &str = include_str!("../../demo/studio.json");

/// Parents before their children: the parent's slug, the slug and the name.
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

/// A venue and the shop that it belongs to.
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

/// Makes the category tree.
pub(super) async fn plant_categories(app: &App, operator: &Viewer) -> FaultResult<()> {
    let mut ids = HashMap::new();
    for (position, (parent, slug, name)) in (0..).zip(CATEGORIES) {
        let input = category::Create {
            parent: parent.and_then(|parent| ids.get(parent).copied()),
            slug: Some(slug.to_owned()),
            name: name.to_owned(),
            position,
        };
        ids.insert(slug, made(category::create(app, operator, input).await)?.id);
    }
    Ok(())
}

/// Opens the shops and their venues, and imports the venues' seat maps.
pub(super) async fn build(app: &App, vendor: &Viewer) -> FaultResult<Houses> {
    let playhouse = open(app, vendor, ("Playhouse am Fluss", "EUR", "stage"), PLAYHOUSE).await?;
    for (email, role) in [(SELLER, ShopRole::Seller), (SCANNER, ShopRole::Scanner)] {
        let input = shop::SetMember { shop: playhouse, email: email.to_owned(), role };
        made(shop::set_member(app, vendor, input).await)?;
    }
    let arena = open(app, vendor, ("Hoshi Arena", "JPY", "sports"), ARENA).await?;
    let lantern = open(app, vendor, ("Lantern Street", "USD", "family"), LANTERN).await?;
    let river = ["Uferpromenade 7", "Linz", "AT", "Europe/Vienna"];
    let bay = ["2-7 Hoshimi, Koto-ku", "Tokyo", "JP", "Asia/Tokyo"];
    let street = ["410 Lantern Street", "Chicago", "US", "America/Chicago"];
    Ok(Houses {
        playhouse: equip(app, vendor, (playhouse, "Playhouse", river), THEATRE_PLAN).await?,
        studio: equip(app, vendor, (playhouse, "Studio", river), STUDIO_PLAN).await?,
        arena: equip(app, vendor, (arena, "Hoshi Arena", bay), STADIUM_PLAN).await?,
        lantern: equip(app, vendor, (lantern, "Lantern Street Theater", street), THEATRE_PLAN).await?,
    })
}

const PLAYHOUSE: &str = "Drama, opera and chamber music on the river bank. The main house seats 941 in stalls, circle \
                         and boxes; the studio behind it seats 40.";
const ARENA: &str = "Home of football and athletics on the bay: more than twenty thousand seats, and three standing \
                     terraces for those who would rather sing.";
const LANTERN: &str =
    "A neighborhood theater for all ages, with puppets in the afternoon and stand-up at night.";

async fn open(
    app: &App,
    vendor: &Viewer,
    (name, currency, category): (&str, &str, &str),
    description: &str,
) -> FaultResult<ShopId> {
    let input = shop::Create {
        slug: None,
        name: name.to_owned(),
        description: description.to_owned(),
        currency: currency.to_owned(),
        category: Some(category::by_slug(app, category).await?.id),
    };
    Ok(made(shop::create(app, vendor, input).await)?.id)
}

async fn equip(
    app: &App,
    vendor: &Viewer,
    (shop, name, [address, city, country, time_zone]): (ShopId, &str, [&str; 4]),
    plan: &str,
) -> FaultResult<House> {
    let details = Details {
        name: name.to_owned(),
        address: address.to_owned(),
        city: city.to_owned(),
        country: country.to_owned(),
        time_zone: time_zone.to_owned(),
    };
    let venue = made(edit::create(app, vendor, shop, details).await)?.id;
    made(edit::import_seat_map(app, vendor, venue, plan.to_owned()).await)?;
    Ok(House { shop, venue })
}

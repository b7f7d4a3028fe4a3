//! The demo's orders: some seats of the main event and of the stadium, and all seats of the studio.

use entity::{event, order::OrderState};

use super::{
    BUYER, made,
    shows::{DERBY, MAIN, SOLD_OUT},
};
use crate::{
    account,
    app::App,
    auth::Viewer,
    error::{Fault, FaultResult},
    event::find,
    inventory::{self, Pick, Reserve},
    order::{self, Checkout, Contact},
    payment::{self, Pay},
    venue,
};

/// A card of the sandbox whose payments always succeed.
const CARD: &str = "pm_card_visa";

/// The seats of the demo's buyer at the main event.
const BUYERS_SEATS: [&str; 2] = ["Stalls-H-12", "Stalls-H-13"];
/// The seats of guests at the main event.
const OTHERS_SEATS: [&[&str]; 4] = [
    &["Stalls-D-4", "Stalls-D-5", "Stalls-D-6", "Stalls-D-7"],
    &["Stalls-F-14", "Stalls-F-15"],
    &["Circle-A-20", "Circle-A-21", "Circle-A-22"],
    &["Box-3-1", "Box-3-2", "Box-3-3", "Box-3-4"],
];
/// The seats of one guest in the stadium.
const STADIUM_SEATS: [&str; 4] = ["N2-4-3", "N2-4-4", "N2-4-5", "N2-4-6"];
/// The standing places of one guest in the stadium.
const STANDING: Pick = Pick::Admission { area: 0, quantity: 6 };

/// Creates and pays the orders.
pub(super) async fn sell(app: &App, buyer: &Viewer) -> FaultResult<()> {
    let main = find::event_by_slug(app, buyer, MAIN).await?;
    let pick = seats(app, &main, &BUYERS_SEATS).await?;
    buy(app, buyer, contact("Demo Buyer", BUYER), &main, pick).await?;
    for guids in OTHERS_SEATS {
        let pick = seats(app, &main, guids).await?;
        buy_as_guest(app, &main, pick).await?;
    }
    let derby = find::event_by_slug(app, buyer, DERBY).await?;
    let pick = seats(app, &derby, &STADIUM_SEATS).await?;
    buy_as_guest(app, &derby, pick).await?;
    buy_as_guest(app, &derby, STANDING).await?;
    let studio = find::event_by_slug(app, buyer, SOLD_OUT).await?;
    let map = venue::seat_map(app, studio.seat_map_id).await?;
    let ordinals: Vec<u32> = (0..).zip(&map.plan.seats).map(|(ordinal, _)| ordinal).collect();
    let most = usize::try_from(studio.limit_per_buyer).map_err(Fault::internal)?;
    for group in ordinals.chunks(most) {
        buy_as_guest(app, &studio, Pick::Seats(group.to_vec())).await?;
    }
    Ok(())
}

/// Selects the seats with these guids.
async fn seats(app: &App, event: &event::Model, guids: &[&str]) -> FaultResult<Pick> {
    let map = venue::seat_map(app, event.seat_map_id).await?;
    let wanted = (0..).zip(&map.plan.seats).filter(|(_, seat)| guids.contains(&seat.guid.as_str()));
    Ok(Pick::Seats(wanted.map(|(ordinal, _)| ordinal).collect()))
}

async fn buy_as_guest(app: &App, event: &event::Model, pick: Pick) -> FaultResult<()> {
    let guest = made(account::create_guest(app, &Viewer::ANONYMOUS).await)?.viewer();
    buy(app, &guest, contact("Demo Guest", "guest@tessera.example"), event, pick).await
}

fn contact(name: &str, email: &str) -> Contact {
    Contact { name: name.to_owned(), email: email.to_owned(), phone: None }
}

/// Reserves, checks out and pays, as anybody does.
async fn buy(
    app: &App,
    buyer: &Viewer,
    contact: Contact,
    event: &event::Model,
    pick: Pick,
) -> FaultResult<()> {
    // Nobody here buys twice of one event.
    let key = format!("demo-{}", event.slug);
    let reserve = Reserve { event: event.id, pick, key: key.clone() };
    let reservation = made(inventory::reserve(app, buyer, reserve).await)?;
    let input = Checkout {
        reservations: vec![reservation.snapshot.id],
        claims: Vec::new(),
        codes: Vec::new(),
        contact,
        key: key.clone(),
    };
    let order = made(order::checkout(app, buyer, input).await)?;
    let input = Pay { order: order.id, access_token: None, method: Some(CARD.to_owned()), key };
    let paid = made(payment::pay(app, buyer, input).await)?;
    if paid.order.state == OrderState::Paid {
        Ok(())
    } else {
        Err(Fault::internal(format!("a demo order is not paid but {:?}", paid.order.state)))
    }
}

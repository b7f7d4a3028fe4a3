//! The checkout: an order made of reservations and a contact.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use entity::{
    AccountId, EventId, InventoryId, OrderId, OrderLineId, ReservationId, ShopId, TierId, event,
    order::{self, OrderState, line},
};
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde::Serialize;

use super::{Refusal, access, by_id};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, Faulty, Result},
    event as events,
    idempotency::Key,
    inventory::{
        self, Command, Held, Place, Reservation,
        deal::{Deal, NoDeal, transact},
    },
    outbox,
    store::Tx,
    venue::{self, SeatMap},
};

/// Reservations that one order may hold.
const RESERVATIONS_MAX: usize = 20;
/// Letters and digits without those that look alike.
const NUMBER_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Whom the order is for.
#[derive(Clone, Debug, Serialize)]
pub struct Contact {
    /// Whom to address.
    pub name: String,
    /// Where the tickets go.
    pub email: String,
    /// As given.
    pub phone: Option<String>,
}

/// What to check out.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The reservations, all of one shop.
    pub reservations: Vec<ReservationId>,
    /// Whom the order is for.
    pub contact: Contact,
    /// The caller's idempotency key.
    pub key: String,
}

/// What the lines need of an event.
struct Sale {
    event: event::Model,
    map: Arc<SeatMap>,
    tier_names: BTreeMap<TierId, String>,
}

/// An order in the making: everything but what the desk decides.
struct Draft {
    id: OrderId,
    number: String,
    account: AccountId,
    shop: ShopId,
    currency: String,
    contact: Contact,
    access_digest: Vec<u8>,
    sales: BTreeMap<InventoryId, Sale>,
    inventory_of: BTreeMap<ReservationId, InventoryId>,
    now: DateTime<Utc>,
}

/// Makes an order of the viewer's reservations, which keep their deadlines.
pub async fn checkout(app: &App, viewer: &Viewer, input: Checkout) -> Result<order::Model, Refusal> {
    let account = viewer.account()?;
    let contact = validate(&input)?;
    let key = Key::new(account, "checkout", &input.key, &(&input.reservations, &contact))?;
    if let Some(subject) = key.subject(app.store.read()).await? {
        return Ok(by_id(app, OrderId(subject)).await?);
    }
    let mut reservations = Vec::with_capacity(input.reservations.len());
    for id in &input.reservations {
        reservations.push(inventory::owned(app, viewer, *id).await?);
    }
    let draft = draft(app, account, contact, &reservations).await?;
    let id = draft.id;
    let mut legs: BTreeMap<InventoryId, Vec<Command>> = BTreeMap::new();
    for reservation in &reservations {
        let attach = Command::Attach { id: reservation.held.id, buyer: account, order: id };
        legs.entry(reservation.inventory).or_default().push(attach);
    }
    let draft = Arc::new(draft);
    let companion: inventory::deal::Companion = Box::new(move |tx, held| {
        let draft = draft.clone();
        Box::pin(async move { draft.insert_in_tx(tx, held).await })
    });
    let deal =
        Deal { legs: legs.into_iter().collect(), companion: Some(companion), key: Some((key.clone(), id.0)) };
    match transact(app, deal).await {
        Ok(_) => {
            app.outbox.wake();
            Ok(by_id(app, id).await?)
        }
        // Race: the same call at the same time may have been first.
        Err(no_deal) => match (key.subject(app.store.read()).await?, no_deal) {
            (Some(subject), _) => Ok(by_id(app, OrderId(subject)).await?),
            (None, NoDeal::Refused(refusal)) => Err(refused(&refusal)),
            (None, NoDeal::KeyUsed) => Err(Fault::Unavailable.into()),
            (None, NoDeal::Fault(fault)) => Err(fault.into()),
        },
    }
}

fn refused(refusal: &inventory::Refusal) -> Error<Refusal> {
    Error::Refused(match refusal {
        inventory::Refusal::AlreadyOrdered => Refusal::AlreadyOrdered,
        inventory::Refusal::BeingPaid => Refusal::BeingPaid,
        inventory::Refusal::NotOpen
        | inventory::Refusal::SalesNotStarted { .. }
        | inventory::Refusal::SalesEnded
        | inventory::Refusal::UnknownPlaces
        | inventory::Refusal::NotForSale { .. }
        | inventory::Refusal::SeatsTaken { .. }
        | inventory::Refusal::LeavesOrphans { .. }
        | inventory::Refusal::NotEnoughTogether { .. }
        | inventory::Refusal::NotEnoughLeft { .. }
        | inventory::Refusal::AreaFull { .. }
        | inventory::Refusal::LimitExceeded { .. }
        | inventory::Refusal::CoolingDown { .. }
        | inventory::Refusal::ReservationNotFound
        | inventory::Refusal::ReservationEnded
        | inventory::Refusal::NoMoreTime
        | inventory::Refusal::PlacesChanged => Refusal::ReservationEnded,
    })
}

fn validate(input: &Checkout) -> Faulty<Contact> {
    let mut check = Check::default();
    let distinct: std::collections::BTreeSet<_> = input.reservations.iter().collect();
    let email = input.contact.email.trim().to_lowercase();
    let plausible = email.len() <= 254
        && !email.contains(|c: char| c.is_whitespace() || c.is_control())
        && email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.contains('@')
                && domain.split('.').filter(|part| !part.is_empty()).count() > 1
        });
    check
        .that(!input.reservations.is_empty(), "reservationIds", "name at least one reservation")
        .that(
            input.reservations.len() <= RESERVATIONS_MAX,
            "reservationIds",
            "at most 20 reservations in one order",
        )
        .that(distinct.len() == input.reservations.len(), "reservationIds", "names a reservation twice")
        .text(&input.contact.name, "contact.name", 1, 200)
        .that(plausible, "contact.email", "must be an e-mail address")
        .text(input.contact.phone.as_deref().unwrap_or_default(), "contact.phone", 0, 40)
        .done()?;
    Ok(Contact { name: input.contact.name.trim().to_owned(), email, phone: input.contact.phone.clone() })
}

async fn draft(
    app: &App,
    account: AccountId,
    contact: Contact,
    reservations: &[Reservation],
) -> Result<Draft, Refusal> {
    let mut sales = BTreeMap::new();
    for reservation in reservations {
        if let Entry::Vacant(entry) = sales.entry(reservation.inventory) {
            entry.insert(sale(app, reservation.inventory.into()).await?);
        }
    }
    let first = sales.values().next().ok_or(Fault::NotFound("reservation"))?;
    let (shop, currency) = (first.event.shop_id, first.event.currency.clone());
    if sales.values().any(|sale| sale.event.shop_id != shop || sale.event.currency != currency) {
        return Err(Error::Refused(Refusal::SeveralShops));
    }
    let id = OrderId(app.clock.new_uuid());
    let letters: [u8; 10] = app.random();
    let number: String =
        letters.iter().map(|byte| char::from(NUMBER_ALPHABET[usize::from(byte % 32)])).collect();
    Ok(Draft {
        id,
        number: format!("{}-{}", &number[..5], &number[5..]),
        account,
        shop,
        currency,
        contact,
        access_digest: access::digest_of(&access::token(app, id)?),
        sales,
        inventory_of: reservations.iter().map(|of| (of.held.id, of.inventory)).collect(),
        now: app.clock.now(),
    })
}

async fn sale(app: &App, id: EventId) -> Faulty<Sale> {
    let event = events::by_id(app, id).await?;
    let map = venue::seat_map(app, event.seat_map_id).await?;
    let tiers = events::tiers_of(app, id).await?;
    Ok(Sale { event, map, tier_names: tiers.into_iter().map(|tier| (tier.id, tier.name)).collect() })
}

impl Draft {
    async fn insert_in_tx(&self, tx: &Tx, held: &[Held]) -> Faulty<()> {
        let lines = self.lines(held)?;
        let sum = |of: fn(&Line) -> i64| lines.iter().map(of).sum::<i64>();
        let expires_at = held.iter().map(|held| held.deadline).min().unwrap_or(self.now);
        let row = order::ActiveModel {
            id: Set(self.id),
            number: Set(self.number.clone()),
            account_id: Set(self.account),
            shop_id: Set(self.shop),
            state: Set(OrderState::AwaitingPayment),
            currency: Set(self.currency.clone()),
            total_minor: Set(sum(|line| line.price + line.fee)),
            fee_minor: Set(sum(|line| line.fee)),
            tax_minor: Set(sum(|line| line.tax)),
            discount_minor: Set(0),
            contact_name: Set(self.contact.name.clone()),
            contact_email: Set(self.contact.email.clone()),
            contact_phone: Set(self.contact.phone.clone()),
            access_digest: Set(self.access_digest.clone()),
            expires_at: Set(expires_at),
            paid_at: Set(None),
            version: Set(1),
            created_at: Set(self.now),
            updated_at: Set(self.now),
        };
        order::Entity::insert(row).exec_without_returning(tx).await?;
        let rows = (0..).zip(lines).map(|(position, line)| line.row(self.id, position));
        line::Entity::insert_many(rows).exec_without_returning(tx).await?;
        outbox::record_in_tx(tx, outbox::Kind::OrderChanged, self.id.0, self.now).await
    }

    /// One line per place.
    fn lines(&self, held: &[Held]) -> Faulty<Vec<Line>> {
        let mut lines = Vec::new();
        for held in held {
            let inventory = self.inventory_of.get(&held.id).ok_or_else(|| Fault::internal("no such leg"))?;
            let sale = self.sales.get(inventory).ok_or_else(|| Fault::internal("no such sale"))?;
            for item in &held.items {
                let line = Line {
                    event: sale.event.id,
                    reservation: held.id,
                    seat: None,
                    area: None,
                    label: String::new(),
                    tier: item.tier,
                    tier_name: sale.tier_names.get(&item.tier).cloned().unwrap_or_default(),
                    price: item.price,
                    fee: item.fee,
                    tax: item.tax,
                    epoch: 0,
                };
                match item.place {
                    Place::Seat { ordinal, epoch } => {
                        let label = sale.map.plan.seat_name(ordinal as usize).unwrap_or_default();
                        lines.push(Line { seat: Some(ordinal), label, epoch, ..line });
                    }
                    Place::Area { ordinal, quantity } => {
                        let area = sale.map.plan.areas.get(ordinal as usize);
                        let label = area.map(|area| area.name.clone()).unwrap_or_default();
                        let line = Line { area: Some(ordinal), label, ..line };
                        lines.extend(std::iter::repeat_n(line, quantity as usize));
                    }
                }
            }
        }
        Ok(lines)
    }
}

#[derive(Clone)]
struct Line {
    event: EventId,
    reservation: ReservationId,
    seat: Option<u32>,
    area: Option<u32>,
    label: String,
    tier: TierId,
    tier_name: String,
    price: i64,
    fee: i64,
    tax: i64,
    epoch: u32,
}

impl Line {
    fn row(self, order: OrderId, position: i32) -> line::ActiveModel {
        line::ActiveModel {
            id: Set(line_id(order, position)),
            order_id: Set(order),
            position: Set(position),
            event_id: Set(Some(self.event)),
            coupon_id: Set(None),
            reservation_id: Set(self.reservation),
            seat_ordinal: Set(self.seat.and_then(|ordinal| i32::try_from(ordinal).ok())),
            area_ordinal: Set(self.area.and_then(|ordinal| i32::try_from(ordinal).ok())),
            label: Set(self.label),
            tier_id: Set(Some(self.tier)),
            tier_name: Set(self.tier_name),
            price_minor: Set(self.price),
            fee_minor: Set(self.fee),
            tax_minor: Set(self.tax),
            discount_minor: Set(0),
            epoch: Set(i32::try_from(self.epoch).unwrap_or(i32::MAX)),
        }
    }
}

/// A line's id follows from its order's and its position: an order has at most a few hundred lines.
fn line_id(order: OrderId, position: i32) -> OrderLineId {
    let mut bytes = order.0.into_bytes();
    let [high, low] = u16::try_from(position).unwrap_or(u16::MAX).to_be_bytes();
    bytes[14] ^= high;
    bytes[15] ^= low;
    OrderLineId(uuid::Uuid::from_bytes(bytes))
}

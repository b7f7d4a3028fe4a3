//! The checkout: an order made of reservations, of claims that make it cheaper, and a contact.
//!
//! What the claims take off is worked out before the transaction, and holds only if the claims, their coupons' budgets
//! and the places are then what they were: otherwise it is worked out again.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use entity::{
    AccountId, ClaimId, InventoryId, OrderId, ReservationId,
    order::{self, OrderState, line},
};
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde::Serialize;

use super::{
    Refusal, access,
    basket::{Basket, Line},
    by_id,
    spending::{Worth, worth},
};
use crate::{
    app::App,
    auth::Viewer,
    coupon::{order_claims, spend},
    error::{Check, Error, Fault, Faulty, Result},
    idempotency::Key,
    inventory::{
        self, Command, Held, Reservation,
        deal::{Companion, Deal, NoDeal, transact},
    },
    outbox,
    store::Tx,
};

/// Reservations that one order may hold.
pub(super) const RESERVATIONS_MAX: usize = 20;
/// How often discounts are worked out before a buyer is told to come back.
const ATTEMPTS: usize = 8;
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
    /// Claims of the viewer's to spend.
    pub claims: Vec<ClaimId>,
    /// Codes of claims to spend.
    pub codes: Vec<String>,
    /// Whom the order is for.
    pub contact: Contact,
    /// The caller's idempotency key.
    pub key: String,
}

/// An order in the making: everything but what the desk decides.
struct Draft {
    id: OrderId,
    number: String,
    account: AccountId,
    contact: Contact,
    access_digest: Vec<u8>,
    basket: Arc<Basket>,
    worth: Worth,
    now: DateTime<Utc>,
}

/// Makes an order of the viewer's reservations, which keep their deadlines, and of what claims take off it.
pub async fn checkout(app: &App, viewer: &Viewer, input: Checkout) -> Result<order::Model, Refusal> {
    let account = viewer.account()?;
    let contact = validate(&input)?;
    let asked = (&input.reservations, &input.claims, &input.codes, &contact);
    let key = Key::new(account, "checkout", &input.key, &asked)?;
    if let Some(subject) = key.subject(app.store.read()).await? {
        return Ok(by_id(app, OrderId(subject)).await?);
    }
    // In the order in which the desks will tell them.
    let mut legs: BTreeMap<InventoryId, Vec<Reservation>> = BTreeMap::new();
    for id in &input.reservations {
        let reservation = inventory::owned(app, viewer, *id).await?;
        legs.entry(reservation.inventory).or_default().push(reservation);
    }
    let reservations: Vec<Reservation> = legs.into_values().flatten().collect();
    let basket = Arc::new(Basket::of(app, &reservations).await?);
    for _ in 0..ATTEMPTS {
        let claims = (input.claims.as_slice(), input.codes.as_slice());
        let worth = match worth(app, viewer, claims, (&basket, &reservations)).await {
            // Race: the same call at the same time may have bound the claims.
            Err(Error::Refused(refusal)) => {
                return match key.subject(app.store.read()).await? {
                    Some(subject) => Ok(by_id(app, OrderId(subject)).await?),
                    None => Err(Error::Refused(refusal)),
                };
            }
            worth => worth?,
        };
        let draft = draft(app, account, &contact, (&basket, worth))?;
        let id = draft.id;
        match attempt(app, draft, &reservations, key.clone()).await {
            Ok(()) => {
                app.outbox.wake();
                return Ok(by_id(app, id).await?);
            }
            // Race: the same call at the same time may have been first.
            Err(no_deal) => match (key.subject(app.store.read()).await?, no_deal) {
                (Some(subject), _) => return Ok(by_id(app, OrderId(subject)).await?),
                (None, NoDeal::Fault(Fault::Stale(order_claims::STALE))) => {}
                (None, NoDeal::Refused(refusal)) => return Err(refused(&refusal)),
                (None, NoDeal::KeyUsed) => return Err(Fault::unavailable().into()),
                (None, NoDeal::Fault(fault)) => return Err(fault.into()),
            },
        }
    }
    Err(Fault::unavailable().into())
}

async fn attempt(
    app: &App,
    draft: Draft,
    reservations: &[Reservation],
    key: Key,
) -> std::result::Result<(), NoDeal> {
    let (id, account) = (draft.id, draft.account);
    let legs = reservations
        .chunk_by(|a, b| a.inventory == b.inventory)
        .map(|of_one| {
            let attach = |of: &Reservation| Command::Attach { id: of.held.id, buyer: account, order: id };
            (of_one[0].inventory, of_one.iter().map(attach).collect())
        })
        .collect();
    let draft = Arc::new(draft);
    let companion: Companion = Box::new(move |tx, held| {
        let draft = draft.clone();
        Box::pin(async move { draft.insert_in_tx(tx, held).await })
    });
    transact(app, Deal { legs, companion: Some(companion), key: Some((key, id.0)) }).await.map(|_| ())
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
        | inventory::Refusal::TooManyUnpaid { .. }
        | inventory::Refusal::Crowded { .. }
        | inventory::Refusal::RegistrationRequired
        | inventory::Refusal::VerifiedEmailRequired
        | inventory::Refusal::ProofRequired
        | inventory::Refusal::ProofInvalid
        | inventory::Refusal::ReservationNotFound
        | inventory::Refusal::ReservationEnded
        | inventory::Refusal::NoMoreTime
        | inventory::Refusal::PlacesChanged
        | inventory::Refusal::TermsChanged
        | inventory::Refusal::CodeTaken => Refusal::ReservationEnded,
    })
}

fn validate(input: &Checkout) -> Faulty<Contact> {
    let mut check = Check::default();
    let distinct: std::collections::BTreeSet<_> = input.reservations.iter().collect();
    let claims: std::collections::BTreeSet<_> = input.claims.iter().collect();
    let email = input.contact.email.trim().to_lowercase();
    let plausible = email.len() <= 254
        && !email.contains(|c: char| c.is_whitespace() || c.is_control())
        && email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.contains('@')
                && domain.split('.').filter(|part| !part.is_empty()).count() > 1
        });
    let claims_max = input.claims.len() + input.codes.len() <= spend::CLAIMS_MAX;
    check
        .that(!input.reservations.is_empty(), "reservationIds", "name at least one reservation")
        .that(
            input.reservations.len() <= RESERVATIONS_MAX,
            "reservationIds",
            "at most 20 reservations in one order",
        )
        .that(distinct.len() == input.reservations.len(), "reservationIds", "names a reservation twice")
        .that(claims_max, "claimIds", "at most 20 claims and codes in one order")
        .that(claims.len() == input.claims.len(), "claimIds", "names a claim twice")
        .text(&input.contact.name, "contact.name", 1, 200)
        .that(plausible, "contact.email", "must be an e-mail address")
        .text(input.contact.phone.as_deref().unwrap_or_default(), "contact.phone", 0, 40)
        .done()?;
    Ok(Contact { name: input.contact.name.trim().to_owned(), email, phone: input.contact.phone.clone() })
}

fn draft(
    app: &App,
    account: AccountId,
    contact: &Contact,
    (basket, worth): (&Arc<Basket>, Worth),
) -> Faulty<Draft> {
    let id = OrderId(app.clock.new_uuid());
    let letters: [u8; 10] = app.random();
    let number: String =
        letters.iter().map(|byte| char::from(NUMBER_ALPHABET[usize::from(byte % 32)])).collect();
    Ok(Draft {
        id,
        number: format!("{}-{}", &number[..5], &number[5..]),
        account,
        contact: contact.clone(),
        access_digest: access::digest_of(&access::token(app, id)?),
        basket: basket.clone(),
        worth,
        now: app.clock.now(),
    })
}

impl Draft {
    async fn insert_in_tx(&self, tx: &Tx, held: &[Held]) -> Faulty<()> {
        let mut lines = self.basket.lines(held)?;
        if lines != self.worth.lines {
            return Err(Fault::Stale(order_claims::STALE));
        }
        self.basket.discount(&mut lines, &self.worth.spent)?;
        let sum = |of: fn(&Line) -> i64| lines.iter().map(of).sum::<i64>();
        let expires_at = held.iter().map(|held| held.deadline).min().unwrap_or(self.now);
        let row = order::ActiveModel {
            id: Set(self.id),
            number: Set(self.number.clone()),
            account_id: Set(self.account),
            shop_id: Set(self.basket.shop),
            state: Set(OrderState::AwaitingPayment),
            currency: Set(self.basket.currency.clone()),
            total_minor: Set(sum(|line| line.price + line.fee - line.discount)),
            fee_minor: Set(sum(|line| line.fee)),
            tax_minor: Set(sum(|line| line.tax)),
            discount_minor: Set(sum(|line| line.discount)),
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
        order_claims::reserve_in_tx(tx, self.id, &self.worth.spent, self.now).await?;
        outbox::record_in_tx(tx, outbox::Kind::OrderChanged, self.id.0, self.now).await
    }
}

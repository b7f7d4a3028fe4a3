//! The checkout: creates an order from reservations, coupon claims and a contact.
//!
//! The discounts are computed before the transaction. They are valid only if the claims, their coupons' budgets and the
//! places have not changed when it commits. Otherwise they are computed again.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use entity::{
    AccountId, ClaimId, InventoryId, OrderId, ReservationId,
    order::{self, OrderState, line},
    reservation::ReservationState,
};
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde::Serialize;

use super::{
    Refusal, ReservationRefusal, access,
    basket::{Basket, Line},
    by_id,
    discounts::{DiscountedLines, claims_refused, discounted_lines},
};
use crate::{
    app::App,
    auth::Viewer,
    coupon::{
        claim_code::Grant,
        order_claims::{self, DiscountsChanged},
        spend::{self, ClaimRefusal, GrantRefusal, Named, RefusedClaim, judge_refusal},
    },
    error::{Check, Error, Fault, FaultResult, Result},
    idempotency::{self, Attempt, AttemptError, Key},
    input,
    inventory::{
        self, Command, Reservation, ReservationSnapshot,
        transaction::{Companion, InventoryTransaction, TransactionError, transact},
    },
    limits::text,
    outbox,
    readable_code::spell,
    store::Tx,
};

/// Maximum number of reservations in one order.
pub const RESERVATIONS_MAX: usize = 20;
/// How often discounts are computed before the checkout fails as unavailable.
const ATTEMPTS: usize = 8;
/// The characters of an order's number.
const NUMBER_CHARS: usize = 10;

/// The person that the order is for.
#[derive(Clone, Debug, Serialize)]
pub struct Contact {
    /// Name to address the person by.
    pub name: String,
    /// E-mail address for the tickets.
    pub email: String,
    /// Phone number as entered.
    pub phone: Option<String>,
}

/// The input of a checkout.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The reservations, all of one shop.
    pub reservations: Vec<ReservationId>,
    /// The viewer's claims to spend.
    pub claims: Vec<ClaimId>,
    /// Codes of claims to spend.
    pub codes: Vec<String>,
    /// The person that the order is for.
    pub contact: Contact,
    /// The caller's idempotency key.
    pub key: String,
}

/// A prepared order: everything except what the desks decide.
struct Draft {
    id: OrderId,
    number: String,
    account: AccountId,
    contact: Contact,
    access_digest: Vec<u8>,
    basket: Arc<Basket>,
    discounted: DiscountedLines,
    now: DateTime<Utc>,
}

/// Creates an order from the viewer's reservations, with the discounts of the claims. The reservations keep their
/// deadlines.
pub async fn checkout(app: &App, viewer: &Viewer, input: Checkout) -> Result<order::Model, Refusal> {
    let account = viewer.account()?;
    let contact = validate(&input)?;
    let asked = (&input.reservations, &input.claims, &input.codes, &contact);
    let key = Key::new(account, "checkout", &input.key, &asked)?;
    let replay = |subject| by_id(app, OrderId(subject));
    let attempt = Box::pin(attempt(app, viewer, (&input, &contact), &key));
    idempotency::once(app, &key, replay, attempt).await
}

async fn attempt(
    app: &App,
    viewer: &Viewer,
    (input, contact): (&Checkout, &Contact),
    key: &Key,
) -> Attempt<order::Model, Refusal> {
    let account = viewer.account()?;
    // Sorted like the reservations that the desks return.
    let mut by_inventory: BTreeMap<InventoryId, Vec<Reservation>> = BTreeMap::new();
    for (index, id) in input.reservations.iter().enumerate() {
        let owned = inventory::owned(app, viewer, *id).await;
        let reservation = owned.map_err(|fault| fault.at(&format!("reservationIds.{index}")))?;
        by_inventory.entry(reservation.inventory).or_default().push(reservation);
    }
    let reservations: Vec<Reservation> = by_inventory.into_values().flatten().collect();
    let basket = Arc::new(Basket::of(app, &reservations).await?);
    let mut was_closed = false;
    for _ in 0..ATTEMPTS {
        let claims = spend::NamedClaims { ids: &input.claims, codes: &input.codes };
        let discounted = discounted_lines(app, viewer, claims, &basket, &reservations).await?;
        let (named, grants): (Vec<Named>, Vec<Grant>) = discounted.grants.iter().cloned().unzip();
        let draft = draft(app, account, contact, (&basket, discounted))?;
        let id = draft.id;
        match store(app, draft, &reservations, key.clone()).await {
            Ok(()) => {
                app.outbox.wake();
                return Ok(by_id(app, id).await?);
            }
            // Race: the claims, their budgets or the places have changed.
            Err(TransactionError::Companion(DiscountsChanged)) => {}
            Err(TransactionError::Refused(refusal)) => match judge_refusal(app, &grants, &refusal) {
                GrantRefusal::Changed => {}
                GrantRefusal::Unclear if !was_closed => was_closed = true,
                GrantRefusal::Unclear | GrantRefusal::Unrelated => {
                    return Err(refused(app, input, &refusal).await?.into());
                }
                GrantRefusal::Refused => {
                    let why = ClaimRefusal::UnknownCode;
                    let all = named.into_iter().map(|named| RefusedClaim { named, why }).collect();
                    return Err(claims_refused(&basket, all).into());
                }
            },
            Err(TransactionError::KeyUsed) => return Err(AttemptError::KeyUsed),
            Err(TransactionError::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::unavailable().into())
}

async fn store(
    app: &App,
    draft: Draft,
    reservations: &[Reservation],
    key: Key,
) -> std::result::Result<(), TransactionError<DiscountsChanged>> {
    let (id, account) = (draft.id, draft.account);
    let mut parts: Vec<(InventoryId, Vec<Command>)> = reservations
        .chunk_by(|a, b| a.inventory == b.inventory)
        .map(|of_one| {
            let attach = |of: &Reservation| Command::Attach { id: of.snapshot.id, buyer: account, order: id };
            (of_one[0].inventory, of_one.iter().map(attach).collect())
        })
        .collect();
    // The desks of their coupons make the claims before the companion reserves them for the order.
    parts.extend(
        draft
            .discounted
            .grants
            .iter()
            .map(|(_, grant)| (grant.coupon.into(), vec![Command::Claim(grant.new_claim.clone())])),
    );
    let draft = Arc::new(draft);
    let companion: Companion<DiscountsChanged> = Box::new(move |tx, reservations| {
        let draft = draft.clone();
        Box::pin(async move { draft.insert_in_tx(tx, reservations).await })
    });
    transact(app, InventoryTransaction { parts, companion: Some(companion), key: Some((key, id.0)) })
        .await
        .map(|_| ())
}

/// Names the reservation that a desk refused.
async fn refused(app: &App, input: &Checkout, refusal: &inventory::Refusal) -> FaultResult<Error<Refusal>> {
    let why = reason(refusal);
    let now = app.clock.now();
    for (index, id) in input.reservations.iter().enumerate() {
        let snapshot = inventory::by_id(app, *id).await?.snapshot;
        let found = match snapshot.state {
            ReservationState::Paying => Some(ReservationRefusal::BeingPaid),
            ReservationState::Active if snapshot.is_overdue(now) => Some(ReservationRefusal::Ended),
            ReservationState::Active => snapshot.order.map(|_| ReservationRefusal::AlreadyOrdered),
            ReservationState::Converted | ReservationState::Released | ReservationState::Expired => {
                Some(ReservationRefusal::Ended)
            }
        };
        if found == Some(why) {
            return Ok(Error::Refused(Refusal::Reservation { index: Some(index), why }));
        }
    }
    Ok(Error::Refused(Refusal::Reservation { index: None, why }))
}

fn reason(refusal: &inventory::Refusal) -> ReservationRefusal {
    match refusal {
        inventory::Refusal::AlreadyOrdered => ReservationRefusal::AlreadyOrdered,
        inventory::Refusal::BeingPaid => ReservationRefusal::BeingPaid,
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
        | inventory::Refusal::CodeTaken => ReservationRefusal::Ended,
    }
}

fn validate(input: &Checkout) -> FaultResult<Contact> {
    let mut check = Check::default();
    let distinct: std::collections::BTreeSet<_> = input.reservations.iter().collect();
    let claims: std::collections::BTreeSet<_> = input.claims.iter().collect();
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
        .that(claims.len() == input.claims.len(), "claimIds", "names a claim twice");
    let Contact { name, email, phone } = &input.contact;
    let name = check.line(name, "contact.name", 1..=text::NAME);
    let email = check.parsed("contact.email", input::email(email)).unwrap_or_default();
    // A form sends an empty text for a field that the buyer leaves out.
    let phone = phone.as_deref().filter(|phone| !phone.trim().is_empty());
    let phone = phone.and_then(|phone| check.parsed("contact.phone", input::phone(phone)));
    check.done()?;
    Ok(Contact { name, email, phone })
}

fn draft(
    app: &App,
    account: AccountId,
    contact: &Contact,
    (basket, discounted): (&Arc<Basket>, DiscountedLines),
) -> FaultResult<Draft> {
    let id = OrderId(app.clock.new_uuid());
    let number: String = spell(u128::from_be_bytes(app.random())).take(NUMBER_CHARS).collect();
    let (begin, end) = number.split_at(NUMBER_CHARS / 2);
    Ok(Draft {
        id,
        number: format!("{begin}-{end}"),
        account,
        contact: contact.clone(),
        access_digest: access::digest_of(&access::token(app, id)?),
        basket: basket.clone(),
        discounted,
        now: app.clock.now(),
    })
}

impl Draft {
    async fn insert_in_tx(
        &self,
        tx: &Tx,
        reservations: &[ReservationSnapshot],
    ) -> Result<(), DiscountsChanged> {
        let mut lines = self.basket.lines(reservations)?;
        if lines != self.discounted.lines {
            return Err(Error::Refused(DiscountsChanged));
        }
        self.basket.discount(&mut lines, &self.discounted.spent)?;
        let sum = |of: fn(&Line) -> i64| lines.iter().map(of).sum::<i64>();
        let expires_at =
            reservations.iter().map(|reservation| reservation.deadline).min().unwrap_or(self.now);
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
        let rows = rows.collect::<FaultResult<Vec<_>>>()?;
        line::Entity::insert_many(rows).exec_without_returning(tx).await?;
        order_claims::reserve_in_tx(tx, self.id, &self.discounted.spent, self.now).await?;
        Ok(outbox::record_in_tx(tx, outbox::Kind::OrderChanged, self.id.0, self.now).await?)
    }
}

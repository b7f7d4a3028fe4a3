//! A buyer of a server under faults, who records all acknowledged facts.

use entity::{
    AccountId, OrderId, PaymentId, ReservationId, TicketId, order,
    payment::{self, PaymentState},
    reservation,
    ticket::{self, TicketState},
};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use tessera::store::Connections;
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

use crate::support::{
    given,
    process::{Came, request},
};

/// An acknowledged fact, which must stay true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The account of a guest that signed in.
    Guest(AccountId),
    Reserved(ReservationId),
    Ordered(OrderId),
    /// A paid order, its payment and its tickets.
    Paid(OrderId, PaymentId, Vec<TicketId>),
}

/// The reason why a purchase was not completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The server responded with this code.
    Refused(String),
    /// There was no response.
    Lost,
}

const GUEST: &str =
    "mutation { createGuestSession { session { accessToken account { id } } errors { code } } }";

/// Signs in as a new guest.
pub(crate) async fn guest(address: &str) -> Result<Fact, Ended> {
    let session = ask(address, None, GUEST, json!({}), "createGuestSession").await?;
    Ok(Fact::Guest(AccountId(uuid(&session["session"]["account"]["id"]))))
}

/// Buys a seat as a new guest. Reports each fact as soon as it is acknowledged.
pub(crate) async fn buy(
    address: &str,
    (event, seat): (&str, &str),
    tell: &mut impl FnMut(Fact),
) -> Result<(), Ended> {
    let session = ask(address, None, GUEST, json!({}), "createGuestSession").await?;
    tell(Fact::Guest(AccountId(uuid(&session["session"]["account"]["id"]))));
    let token = session["session"]["accessToken"].as_str().expect("a token");
    let key = format!("key-{seat}-{}", &token[token.len() - 16..]);
    let input = json!({ "event": event, "seats": [seat], "key": key });
    let reserved = ask(address, Some(token), given::RESERVE, input, "reserveSeats").await?;
    let reservation = &reserved["reservation"]["id"];
    tell(Fact::Reserved(ReservationId(uuid(reservation))));
    let input = json!({ "reservations": [reservation], "key": key });
    let ordered = ask(address, Some(token), given::CHECKOUT, input, "checkout").await?;
    let order = &ordered["order"]["id"];
    tell(Fact::Ordered(OrderId(uuid(order))));
    let input = json!({ "order": order, "method": "pm_card_visa", "key": key });
    let paid = ask(address, Some(token), given::PAY, input, "payOrder").await?;
    if paid["order"]["state"] != "PAID" {
        return Err(Ended::Refused("PENDING".to_owned()));
    }
    let tickets: Vec<TicketId> = paid["order"]["tickets"]
        .as_array()
        .expect("tickets")
        .iter()
        .map(|ticket| TicketId(uuid(&ticket["id"])))
        .collect();
    assert_eq!(tickets.len(), 1, "{paid}");
    tell(Fact::Paid(OrderId(uuid(order)), PaymentId(uuid(&paid["payment"]["id"])), tickets));
    Ok(())
}

/// Returns a mutation's payload if it has no errors.
async fn ask(
    address: &str,
    token: Option<&str>,
    document: &str,
    variables: Value,
    field: &str,
) -> Result<Value, Ended> {
    let Came::Answered(answer) = request(address, token, document, &variables).await else {
        return Err(Ended::Lost);
    };
    if let Some(code) = answer["errors"][0]["extensions"]["code"].as_str() {
        return Err(Ended::Refused(code.to_owned()));
    }
    let payload = &answer["data"][field];
    if let Some(code) = payload["errors"][0]["code"].as_str() {
        return Err(Ended::Refused(code.to_owned()));
    }
    assert!(payload.is_object(), "{answer}");
    Ok(payload.clone())
}

impl Fact {
    /// Returns whether the database contains the fact.
    pub(crate) async fn is_in(&self, db: &Connections) -> bool {
        match self {
            Self::Guest(id) => {
                let account = entity::account::Entity::find_by_id(*id).one(db).await.expect("a read");
                account.is_some()
            }
            Self::Reserved(id) => {
                reservation::Entity::find_by_id(*id).one(db).await.expect("a read").is_some()
            }
            Self::Ordered(id) => order::Entity::find_by_id(*id).one(db).await.expect("a read").is_some(),
            Self::Paid(id, paid, tickets) => {
                let order = order::Entity::find_by_id(*id).one(db).await.expect("a read");
                let payment = payment::Entity::find_by_id(*paid).one(db).await.expect("a read");
                let mut are_issued = true;
                for id in tickets {
                    let ticket = ticket::Entity::find_by_id(*id).one(db).await.expect("a read");
                    are_issued &= ticket.is_some_and(|ticket| ticket.state == TicketState::Issued);
                }
                order.is_some_and(|order| order.state == order::OrderState::Paid)
                    && payment.is_some_and(|payment| {
                        matches!(payment.state, PaymentState::Capturing | PaymentState::Captured)
                    })
                    && are_issued
            }
        }
    }
}

fn uuid(id: &Value) -> Uuid {
    let id = id.as_str().unwrap_or_else(|| panic!("no id: {id}"));
    id.parse::<TypeSafeId<DynamicType>>().expect("an id").uuid()
}

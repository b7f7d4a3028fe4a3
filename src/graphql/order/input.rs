//! What clients say about orders, and what they are answered.

use async_graphql::{Context, ID, InputObject, SimpleObject};
use entity::{ClaimId, ReservationId, order};

use super::{Order, OrderError};
use crate::{
    error::Result as Outcome,
    graphql::{context::ContextExt, id::decode},
    order::{self as orders, Checkout, Contact, Refusal},
};

/// What to check out.
#[derive(Debug, InputObject)]
pub struct CheckoutInput {
    /// Your active reservations, all of one shop.
    pub reservation_ids: Vec<ID>,
    /// Claims of yours to spend: discounts, and gift cards. In which order you name them makes no difference.
    #[graphql(default)]
    pub claim_ids: Vec<ID>,
    /// Codes of the shop's to spend: of claims of yours, or of somebody's who may give them away, or codes that the shop
    /// printed or sent and nobody claimed yet. Those are claimed for you first, and stay in your bag if no order is made.
    /// Case, blanks and hyphens of the codes that are made here do not matter.
    #[graphql(default)]
    pub codes: Vec<String>,
    /// Whom the order is for.
    pub contact: ContactInput,
    /// Your own key: the same call with the same key has its effect once.
    pub idempotency_key: String,
}

impl CheckoutInput {
    /// Checks out what is named.
    pub(super) async fn check_out(self, ctx: &Context<'_>) -> Outcome<order::Model, Refusal> {
        let mut reservations: Vec<ReservationId> = Vec::new();
        for (index, id) in self.reservation_ids.iter().enumerate() {
            reservations.push(decode(id, &format!("reservationIds.{index}"))?);
        }
        let mut claims: Vec<ClaimId> = Vec::new();
        for (index, id) in self.claim_ids.iter().enumerate() {
            claims.push(decode(id, &format!("claimIds.{index}"))?);
        }
        let ContactInput { name, email, phone } = self.contact;
        let contact = Contact { name, email, phone };
        let (codes, key) = (self.codes, self.idempotency_key);
        orders::checkout(ctx.app(), ctx.viewer(), Checkout { reservations, claims, codes, contact, key })
            .await
    }
}

/// Whom an order is for.
#[derive(Debug, InputObject)]
pub struct ContactInput {
    /// Whom to address.
    pub name: String,
    /// Where the tickets go.
    pub email: String,
    /// If you like.
    pub phone: Option<String>,
}

/// What came of it.
#[derive(Debug, SimpleObject)]
pub struct CheckoutPayload {
    /// The order, to be paid before it expires.
    pub order: Option<Order>,
    /// Why it was not made.
    pub errors: Vec<OrderError>,
}

/// Which order to give up.
#[derive(Debug, InputObject)]
pub struct CancelOrderInput {
    /// The order.
    pub order_id: ID,
    /// Its access token, if you are not signed in as its buyer.
    pub access_token: Option<String>,
}

/// What came of it.
#[derive(Debug, SimpleObject)]
pub struct CancelOrderPayload {
    /// The order, cancelled.
    pub order: Option<Order>,
    /// Why it was not cancelled.
    pub errors: Vec<OrderError>,
}

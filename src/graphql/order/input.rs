//! Inputs and payloads of order mutations.

use async_graphql::{Context, ID, InputObject, SimpleObject};
use entity::{ClaimId, ReservationId, order};

use super::{CancelOrderError, CheckoutError, Order};
use crate::{
    error::Result as Outcome,
    graphql::{context::ContextExt, id::decode},
    order::{self as orders, Checkout, Contact, Refusal},
};

/// Input of `checkout`.
#[derive(Debug, InputObject)]
pub struct CheckoutInput {
    /// The ids of your active reservations. All must be of one shop.
    pub reservation_ids: Vec<ID>,
    /// The ids of your claims to use, both discounts and gift cards. Their order in the list has no effect.
    #[graphql(default)]
    pub claim_ids: Vec<ID>,
    /// Codes of the shop to use. Each belongs to one of your claims, to another holder's shareable claim, or to an
    /// unclaimed code from the shop. Unclaimed codes are claimed for you first, and stay in your bag if no order is
    /// created. For generated codes, case, spaces and hyphens are ignored.
    #[graphql(default)]
    pub codes: Vec<String>,
    /// The contact data for the order.
    pub contact: ContactInput,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result.
    pub idempotency_key: String,
}

impl CheckoutInput {
    /// Checks out the given reservations and claims.
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

/// The contact data for an order.
#[derive(Debug, InputObject)]
pub struct ContactInput {
    /// The name of the recipient as plain text, 1 to 200 characters.
    pub name: String,
    /// The e-mail address of the recipient, for messages about the order, by the rules of `SignUpInput.email`.
    pub email: String,
    /// The telephone number of the recipient, by the rules of `SignUpInput.phone`. Optional.
    pub phone: Option<String>,
}

/// The result of `checkout`.
#[derive(Debug, SimpleObject)]
pub struct CheckoutPayload {
    /// The order. Pay it before `expiresAt`. Null if `errors` is not empty.
    pub order: Option<Order>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<CheckoutError>,
}

/// Input of `cancelOrder`.
#[derive(Debug, InputObject)]
pub struct CancelOrderInput {
    /// The id of the order.
    pub order_id: ID,
    /// The order's access token. Send it if you are not signed in as the buyer.
    pub access_token: Option<String>,
}

/// The result of `cancelOrder`.
#[derive(Debug, SimpleObject)]
pub struct CancelOrderPayload {
    /// The cancelled order. Null if `errors` is not empty.
    pub order: Option<Order>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<CancelOrderError>,
}

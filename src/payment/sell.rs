//! The moment an order becomes paid: seats sold, tickets and coupons issued, claims used up, payment
//! moved on, all in one commit.

use std::sync::Arc;

use entity::{
    TicketId,
    order::{self, OrderState},
    payment::{self, PaymentState},
};

use super::{all_legs, ledger, move_in_tx};
use crate::{
    app::App,
    coupon::{issue, order_claims},
    error::Fault,
    inventory::{
        Command,
        deal::{Claim, Companion, Deal, NoDeal, transact},
    },
    order as orders, ticket,
};

/// Sells the seats of an authorised payment; it is collected next.
pub(super) async fn sell(app: &App, payment: &payment::Model) -> Result<(), NoDeal> {
    let order = orders::by_id(app, payment.order_id).await.map_err(NoDeal::Fault)?;
    match order.state {
        OrderState::AwaitingPayment => {}
        // Given up meanwhile: the payment is given up too.
        OrderState::Expired | OrderState::Cancelled | OrderState::RefundDue | OrderState::Stuck => {
            return Err(NoDeal::Refused(crate::inventory::Refusal::ReservationEnded));
        }
        OrderState::Paid | OrderState::PartiallyRefunded | OrderState::Refunded => {
            return Err(NoDeal::Fault(Fault::Stale("order")));
        }
    }
    let id = order.id;
    let legs =
        all_legs(app, &order, |reservation| vec![Command::Sell { id: reservation, order: id }]).await?;
    let companion = paid(app, order, Some(payment.clone())).await?;
    transact(app, Deal { legs, companion: Some(companion), key: None }).await.map(|_| ())
}

/// An order of which nothing is to pay becomes paid at once.
pub(super) async fn give_away(app: &App, order: &order::Model, key: Claim) -> Result<(), NoDeal> {
    let id = order.id;
    let legs = all_legs(app, order, |reservation| {
        vec![
            Command::BeginPayment { id: reservation, order: id },
            Command::Sell { id: reservation, order: id },
        ]
    })
    .await?;
    let companion = paid(app, order.clone(), None).await?;
    transact(app, Deal { legs, companion: Some(companion), key: Some(key) }).await.map(|_| ())
}

/// What is written beside the sold seats.
async fn paid(app: &App, order: order::Model, payment: Option<payment::Model>) -> Result<Companion, NoDeal> {
    let now = app.clock.now();
    let lines = orders::lines_of(app, order.id).await.map_err(NoDeal::Fault)?;
    let discounts = order_claims::discounts_of(app, order.id).await.map_err(NoDeal::Fault)?;
    let discounts = Arc::new(discounts);
    let claims = Arc::new(issue::new_claims(app, &order, lines.iter()).await.map_err(NoDeal::Fault)?);
    let lines: Arc<Vec<_>> =
        Arc::new(lines.into_iter().map(|line| (TicketId(app.clock.new_uuid()), line)).collect());
    let app = app.clone();
    Ok(Box::new(move |tx, _| {
        let (app, order, payment) = (app.clone(), order.clone(), payment.clone());
        let (lines, discounts, claims) = (lines.clone(), discounts.clone(), claims.clone());
        Box::pin(async move {
            orders::move_in_tx(tx, &order, OrderState::Paid, now).await?;
            match payment {
                Some(payment) => move_in_tx(tx, &payment, PaymentState::Capturing, now).await.map(drop)?,
                None => ledger::given_away_in_tx(tx, &app, &order).await?,
            }
            ticket::issue_in_tx(tx, &order, &lines, now).await?;
            issue::issue_in_tx(tx, &claims, now).await?;
            order_claims::redeem_in_tx(tx, &order, &discounts, now).await
        })
    }))
}

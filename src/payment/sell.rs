//! The sale: one commit sells the seats, issues tickets and coupons, redeems claims, and advances the payment.

use std::sync::Arc;

use entity::{TicketId, order, payment};

use super::{all_parts, ledger, sold_in_tx};
use crate::{
    app::App,
    coupon::{issue, order_claims},
    error::{Fault, Object},
    inventory::{
        self, Command,
        transaction::{Companion, IdempotencyClaim, InventoryTransaction, TransactionError, transact},
    },
    order::{
        self as orders,
        state::{self as order_state, Impossible, Step},
    },
    ticket,
};

/// Sells the seats of an authorised payment. The payment is captured next.
pub(super) async fn sell(app: &App, payment: &payment::Model) -> Result<(), TransactionError> {
    let order = orders::by_id(app, payment.order_id).await.map_err(TransactionError::Fault)?;
    match order_state::after(order.state, Step::Sell) {
        Ok(_) => {}
        // The order ended meanwhile, so the payment is cancelled.
        Err(Impossible::Ended) => {
            return Err(TransactionError::Refused(inventory::Refusal::ReservationEnded));
        }
        Err(Impossible::AlreadyPaid | Impossible::AlreadyRefunded | Impossible::NotPaid) => {
            return Err(TransactionError::Fault(Fault::Stale(Object::Order)));
        }
    }
    let id = order.id;
    let parts =
        all_parts(app, &order, |reservation| vec![Command::Sell { id: reservation, order: id }]).await?;
    let companion = paid(app, order, Some(payment.clone())).await?;
    transact(app, InventoryTransaction { parts, companion: Some(companion), key: None }).await.map(|_| ())
}

/// Marks an order with a total of zero as paid at once.
pub(super) async fn sell_free(
    app: &App,
    order: &order::Model,
    key: IdempotencyClaim,
) -> Result<(), TransactionError> {
    let id = order.id;
    let parts = all_parts(app, order, |reservation| {
        vec![
            Command::BeginPayment { id: reservation, order: id },
            Command::Sell { id: reservation, order: id },
        ]
    })
    .await?;
    let companion = paid(app, order.clone(), None).await?;
    transact(app, InventoryTransaction { parts, companion: Some(companion), key: Some(key) })
        .await
        .map(|_| ())
}

/// Returns the writes that accompany the sale.
async fn paid(
    app: &App,
    order: order::Model,
    payment: Option<payment::Model>,
) -> Result<Companion, TransactionError> {
    let now = app.clock.now();
    let lines = orders::lines_of(app, order.id).await.map_err(TransactionError::Fault)?;
    let discounts = order_claims::discounts_of(app, order.id).await.map_err(TransactionError::Fault)?;
    let discounts = Arc::new(discounts);
    let claims =
        Arc::new(issue::new_claims(app, &order, lines.iter()).await.map_err(TransactionError::Fault)?);
    let lines: Arc<Vec<_>> =
        Arc::new(lines.into_iter().map(|line| (TicketId(app.clock.new_uuid()), line)).collect());
    let app = app.clone();
    Ok(Box::new(move |tx, _| {
        let (app, order, payment) = (app.clone(), order.clone(), payment.clone());
        let (lines, discounts, claims) = (lines.clone(), discounts.clone(), claims.clone());
        Box::pin(async move {
            orders::move_in_tx(tx, &order, Step::Sell, now).await?;
            match payment {
                Some(payment) => sold_in_tx(tx, &payment, now).await.map(drop)?,
                None => ledger::book_free_order_in_tx(tx, &app, &order).await?,
            }
            ticket::issue_in_tx(tx, &order, &lines, now).await?;
            issue::issue_in_tx(tx, &claims, now).await?;
            Ok(order_claims::redeem_in_tx(tx, &order, &discounts, now).await?)
        })
    }))
}

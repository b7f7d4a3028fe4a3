//! The ledger: append-only, double entry. The entries of a posting sum to zero. The provider's balance is the captured
//! amounts less the refunded ones.

use entity::{
    order,
    payment::{self, ledger, refund},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use crate::{app::App, error::FaultResult, store::Tx};

/// The platform's own account, for fees.
const FEES: &str = "platform:fees";

/// Books a captured payment: the provider holds the money and owes it to the shop and the platform.
pub(super) async fn book_capture_in_tx(
    tx: &Tx,
    app: &App,
    order: &order::Model,
    payment: &payment::Model,
) -> FaultResult<()> {
    post_in_tx(tx, app, order, Cause::Payment(payment)).await
}

/// Books a refund: the reverse of a capture or a part of it.
pub(super) async fn book_refund_in_tx(
    tx: &Tx,
    app: &App,
    order: &order::Model,
    refund: &refund::Model,
) -> FaultResult<()> {
    post_in_tx(tx, app, order, Cause::Refund(refund)).await
}

/// Books an order fully paid by claims: no money moves, and the shop owes the platform its fee.
pub(super) async fn book_free_order_in_tx(tx: &Tx, app: &App, order: &order::Model) -> FaultResult<()> {
    post_in_tx(tx, app, order, Cause::Claims { fee: order.fee_minor }).await
}

/// Books the return of an order, or a part of it, without money, including `fee` of the order's fee.
pub(super) async fn book_free_return_in_tx(
    tx: &Tx,
    app: &App,
    order: &order::Model,
    fee: i64,
) -> FaultResult<()> {
    let booked = ledger::Entity::find()
        .filter(ledger::Column::OrderId.eq(order.id))
        .filter(ledger::Column::Account.eq(FEES));
    // Fees were booked with the order's payment or, for free orders, alone. The previous version did not book the
    // latter, so there may be nothing to reverse.
    match booked.one(tx).await? {
        Some(_) => post_in_tx(tx, app, order, Cause::Claims { fee: -fee }).await,
        None => Ok(()),
    }
}

enum Cause<'a> {
    Payment(&'a payment::Model),
    Refund(&'a refund::Model),
    Claims { fee: i64 },
}

async fn post_in_tx(tx: &Tx, app: &App, order: &order::Model, cause: Cause<'_>) -> FaultResult<()> {
    let posting_id = app.clock.new_uuid();
    let (amount, fee, payment_id, refund_id) = match cause {
        Cause::Payment(payment) => (payment.amount_minor, order.fee_minor, Some(payment.id), None),
        Cause::Refund(refund) => (-refund.amount_minor, -refund.fee_minor, None, Some(refund.id)),
        Cause::Claims { fee } => (0, fee, None, None),
    };
    let sides = [
        (format!("provider:{}", app.payment.provider.name()), amount),
        (format!("shop:{}", order.shop_id.0), fee - amount),
        (FEES.to_owned(), -fee),
    ];
    let rows: Vec<_> = sides
        .into_iter()
        .filter(|(_, amount)| *amount != 0)
        .map(|(account, amount)| ledger::ActiveModel {
            id: Set(app.clock.new_uuid()),
            posting_id: Set(posting_id),
            account: Set(account),
            amount_minor: Set(amount),
            currency: Set(order.currency.clone()),
            order_id: Set(order.id),
            payment_id: Set(payment_id),
            refund_id: Set(refund_id),
            at: Set(app.clock.now()),
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    ledger::Entity::insert_many(rows).exec_without_returning(tx).await?;
    Ok(())
}

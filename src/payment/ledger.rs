//! The books: append-only, double entry. The entries of a posting sum to zero, and what the provider's account holds is
//! what was captured less what was refunded.

use entity::{
    order,
    payment::{self, ledger, refund},
};
use sea_orm::{ActiveValue::Set, EntityTrait};

use crate::{app::App, error::Faulty, store::Tx};

/// The platform's own book, for fees.
const FEES: &str = "platform:fees";

/// Books a captured payment: the provider has the money; the shop and the platform are owed it.
pub(super) async fn captured_in_tx(
    tx: &Tx,
    app: &App,
    order: &order::Model,
    payment: &payment::Model,
) -> Faulty<()> {
    post_in_tx(tx, app, order, Cause::Payment(payment), 1).await
}

/// Books a refund: a capture, turned around.
pub(super) async fn refunded_in_tx(
    tx: &Tx,
    app: &App,
    order: &order::Model,
    refund: &refund::Model,
) -> Faulty<()> {
    post_in_tx(tx, app, order, Cause::Refund(refund), -1).await
}

/// Books an order that claims paid for wholly: no money moves, and the shop owes the platform its fee.
pub(super) async fn given_away_in_tx(tx: &Tx, app: &App, order: &order::Model) -> Faulty<()> {
    post_in_tx(tx, app, order, Cause::Claims, 1).await
}

/// Books that such an order is taken back.
pub(super) async fn taken_back_in_tx(tx: &Tx, app: &App, order: &order::Model) -> Faulty<()> {
    post_in_tx(tx, app, order, Cause::Claims, -1).await
}

enum Cause<'a> {
    Payment(&'a payment::Model),
    Refund(&'a refund::Model),
    Claims,
}

async fn post_in_tx(tx: &Tx, app: &App, order: &order::Model, cause: Cause<'_>, sign: i64) -> Faulty<()> {
    let posting_id = app.clock.new_uuid();
    let (provider, amount, payment_id, refund_id) = match cause {
        Cause::Payment(payment) => (app.provider.name(), payment.amount_minor, Some(payment.id), None),
        Cause::Refund(refund) => (app.provider.name(), refund.amount_minor, None, Some(refund.id)),
        Cause::Claims => (app.provider.name(), 0, None, None),
    };
    let sides = [
        (format!("provider:{provider}"), amount),
        (format!("shop:{}", order.shop_id.0), order.fee_minor - amount),
        (FEES.to_owned(), -order.fee_minor),
    ];
    let rows: Vec<_> = sides
        .into_iter()
        .filter(|(_, amount)| *amount != 0)
        .map(|(account, amount)| ledger::ActiveModel {
            id: Set(app.clock.new_uuid()),
            posting_id: Set(posting_id),
            account: Set(account),
            amount_minor: Set(sign * amount),
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

//! Orders: what a buyer buys, from the checkout to its end.
//!
//! An order contains one or several reservations of one shop, and spends coupon claims. Everything about it is fixed at
//! the checkout: places, tier names, prices, fees, discounts and tax.

pub mod access;
mod basket;
mod checkout;
mod claims;
mod discounts;
mod expiry;
pub mod lists;
pub(crate) mod live;
pub mod parts;
pub mod rights;
pub mod state;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{
    AccountId, InventoryId, OrderId, OrderLineId, ReservationId, ShopId,
    order::{self, OrderState, line},
    reservation::{self, ReservationState},
};
use futures_util::{Stream, stream};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use self::state::{Impossible, Step};
pub use self::{
    checkout::{Checkout, Contact, RESERVATIONS_MAX, checkout},
    claims::{accept_claim, redeem_claim, release_claim, share_claim},
    discounts::{ApplicableClaim, applicable, applicable_to_order},
    expiry::expire_due,
};
use crate::{
    app::App,
    auth::Viewer,
    clock::comparable,
    coupon::{order_claims, spend},
    error::{Error, Fault, FaultResult, Object, Result},
    inventory::{
        self, Command, Reservation,
        transaction::{InventoryTransaction, TransactionError, transact},
    },
    limits::Rule,
    outbox,
    page::{self, Direction, Page, Window},
    shop::{self, rules::Power},
    store::{Tx, save_versioned},
};

/// The mutations of orders that have priority over reservations under load: they keep or release reserved places.
pub const URGENT_MUTATIONS: &[&str] = &["cancelOrder", "checkout"];

/// Reasons why the business refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A reservation cannot be ordered.
    Reservation {
        /// Its position in the input. `None` if it is not known, because another call has changed it meanwhile.
        index: Option<usize>,
        /// The reason.
        why: ReservationRefusal,
    },
    /// A payment of the order is running.
    BeingPaid,
    /// The reservations belong to several shops or currencies.
    SeveralShops,
    /// The order is already paid.
    AlreadyPaid,
    /// The order has expired or was cancelled.
    OrderEnded,
    /// Some claims cannot be spent in the order.
    Claims {
        /// ISO 4217 code of the order's amounts.
        currency: String,
        /// The refused claims with their reasons.
        refused: Vec<spend::RefusedClaim>,
    },
}

/// Why a reservation cannot be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationRefusal {
    /// It has expired or was released.
    Ended,
    /// It already belongs to an order.
    AlreadyOrdered,
    /// It is being paid in another order.
    BeingPaid,
}

impl From<Impossible> for Refusal {
    fn from(impossible: Impossible) -> Self {
        match impossible {
            Impossible::AlreadyPaid | Impossible::AlreadyRefunded => Self::AlreadyPaid,
            Impossible::Ended | Impossible::NotPaid => Self::OrderEnded,
        }
    }
}

/// Returns the order if the viewer may see it: its buyer, a holder of its access token, or a seller of the shop. For
/// others, returns [`Fault::NotFound`].
pub async fn visible(
    app: &App,
    viewer: &Viewer,
    token: Option<&str>,
    id: OrderId,
) -> FaultResult<order::Model> {
    let order = by_id(app, id).await?;
    if opens(app, viewer, token, &order).await? {
        return Ok(order);
    }
    match shop::authorise(app, viewer, order.shop_id, Power::Sell).await {
        Ok(()) => Ok(order),
        Err(Fault::Forbidden(_) | Fault::Unauthenticated) => Err(Fault::NotFound(Object::Order)),
        Err(fault) => Err(fault),
    }
}

/// Returns the order if the viewer may pay or cancel it: its buyer, or a holder of its access token.
pub async fn own(app: &App, viewer: &Viewer, token: Option<&str>, id: OrderId) -> FaultResult<order::Model> {
    let order = by_id(app, id).await?;
    if opens(app, viewer, token, &order).await? { Ok(order) } else { Err(Fault::NotFound(Object::Order)) }
}

/// Returns whether the viewer is the order's buyer or has its access token. Wrong tokens count for the viewer's
/// network.
async fn opens(app: &App, viewer: &Viewer, token: Option<&str>, order: &order::Model) -> FaultResult<bool> {
    if is_buyer(order, viewer) {
        return Ok(true);
    }
    let Some(token) = token else { return Ok(false) };
    Ok(!opened_by(app, viewer, token, vec![order.clone()]).await?.is_empty())
}

/// Returns those of the orders that the access token opens. If it opens none, the token counts for the viewer's network.
async fn opened_by(
    app: &App,
    viewer: &Viewer,
    token: &str,
    mut orders: Vec<order::Model>,
) -> FaultResult<Vec<order::Model>> {
    if orders.is_empty() {
        return Ok(orders);
    }
    let network = app.limits.network_subject(viewer).map(|network| (Rule::NetworkTokens, network));
    let guess = app.limits.attempt(network).await?;
    orders.retain(|order| access::opens(token, order));
    if orders.is_empty() {
        app.limits.security("foreign_order", viewer);
    } else {
        guess.forgive().await;
    }
    Ok(orders)
}

fn is_buyer(order: &order::Model, viewer: &Viewer) -> bool {
    viewer.account().is_ok_and(|account| account == order.account_id)
}

/// Returns the order without any access check.
pub(crate) async fn by_id(app: &App, id: OrderId) -> FaultResult<order::Model> {
    order::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Order))
}

/// Returns the order's lines by position.
pub async fn lines_of(app: &App, id: OrderId) -> FaultResult<Vec<line::Model>> {
    Ok(line::Entity::find()
        .filter(line::Column::OrderId.eq(id))
        .order_by_asc(line::Column::Position)
        .all(app.store.read())
        .await?)
}

/// Returns the order line without any access check.
pub(crate) async fn line_by_id(app: &App, id: OrderLineId) -> FaultResult<line::Model> {
    line::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Order))
}

/// Returns the account's orders, newest first.
pub async fn of_account(
    app: &App,
    account: AccountId,
    window: Window<Uuid>,
) -> FaultResult<Page<order::Model>> {
    let select = order::Entity::find().filter(order::Column::AccountId.eq(account));
    page::read(app.store.read(), select, order::Column::Id, Direction::Descending, window).await
}

/// Returns the shop's orders, newest first, to its sellers: all, or those that changed after a time.
pub async fn of_shop(
    app: &App,
    viewer: &Viewer,
    id: ShopId,
    updated_after: Option<DateTime<Utc>>,
    window: Window<Uuid>,
) -> FaultResult<Page<order::Model>> {
    shop::authorise(app, viewer, id, Power::Sell).await?;
    let mut select = order::Entity::find().filter(order::Column::ShopId.eq(id));
    if let Some(time) = updated_after {
        select = select.filter(order::Column::UpdatedAt.gt(comparable(time)));
    }
    page::read(app.store.read(), select, order::Column::Id, Direction::Descending, window).await
}

/// Streams the order: its current state, and its state after every change. The viewer must be allowed to see it.
pub async fn watch(
    app: &App,
    viewer: &Viewer,
    token: Option<String>,
    id: OrderId,
) -> FaultResult<impl Stream<Item = FaultResult<order::Model>> + use<>> {
    visible(app, viewer, token.as_deref(), id).await?;
    // Subscribe before the first read: the other order would lose a change in between.
    let live = app.outbox.listen(id.0);
    let state = (app.clone(), *viewer, live, true);
    Ok(stream::unfold(state, move |(app, viewer, mut live, first)| {
        let token = token.clone();
        async move {
            if !first && !live.changed().await {
                return None;
            }
            let order = visible(&app, &viewer, token.as_deref(), id).await;
            Some((order, (app, viewer, live, false)))
        }
    }))
}

/// Extends a reservation, and its order with it.
pub async fn extend_reservation(
    app: &App,
    viewer: &Viewer,
    id: ReservationId,
) -> Result<Reservation, inventory::Refusal> {
    let reservation = inventory::extend(app, viewer, id).await?;
    if let Some(order) = reservation.snapshot.order {
        expiry::expire_or_prolong(app, order).await?;
    }
    Ok(reservation)
}

/// Cancels an unpaid order and releases its reservations. Cancelling again has no effect.
pub async fn cancel(
    app: &App,
    viewer: &Viewer,
    token: Option<&str>,
    id: OrderId,
) -> Result<order::Model, Refusal> {
    let order = own(app, viewer, token, id).await?;
    if order.state == OrderState::Cancelled {
        return Ok(order);
    }
    state::after(order.state, Step::Cancel).map_err(|impossible| Error::Refused(impossible.into()))?;
    end(app, order, Step::Cancel).await?;
    let order = by_id(app, id).await?;
    match state::after(order.state, Step::Cancel) {
        _ if order.state == OrderState::Cancelled => Ok(order),
        Ok(_) if has_live_payment(app, id).await? => Err(Error::Refused(Refusal::BeingPaid)),
        // A reservation has just expired; the worker will update the order.
        Ok(_) => Err(Error::Refused(Refusal::OrderEnded)),
        Err(impossible) => Err(Error::Refused(impossible.into())),
    }
}

/// Returns the order's reservations that are active or being paid, by inventory.
pub(crate) async fn live_reservations(
    app: &App,
    id: OrderId,
) -> FaultResult<BTreeMap<InventoryId, Vec<ReservationId>>> {
    let live = live_until(app, id).await?.into_iter();
    Ok(live.map(|(inventory, live)| (inventory, live.into_iter().map(|(id, _)| id).collect())).collect())
}

/// Returns the same reservations with their deadlines.
async fn live_until(
    app: &App,
    id: OrderId,
) -> FaultResult<BTreeMap<InventoryId, Vec<(ReservationId, DateTime<Utc>)>>> {
    let rows = reservation::Entity::find()
        .filter(reservation::Column::OrderId.eq(id))
        .filter(reservation::Column::State.is_in([ReservationState::Active, ReservationState::Paying]))
        .order_by_asc(reservation::Column::Id)
        .all(app.store.read())
        .await?;
    let mut by_inventory: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in rows {
        by_inventory.entry(row.inventory_id).or_default().push((row.id, row.deadline));
    }
    Ok(by_inventory)
}

/// Returns the earliest hard maximum of the order's live reservations; `None` if none is live.
pub(crate) async fn hard_maximum(app: &App, id: OrderId) -> FaultResult<Option<DateTime<Utc>>> {
    let ends: Vec<DateTime<Utc>> = reservation::Entity::find()
        .select_only()
        .column(reservation::Column::DeadlineMax)
        .filter(reservation::Column::OrderId.eq(id))
        .filter(reservation::Column::State.is_in([ReservationState::Active, ReservationState::Paying]))
        .into_tuple()
        .all(app.store.read())
        .await?;
    Ok(ends.into_iter().min())
}

/// Stores the order's state after the step, and records the change. The caller has checked that the state that was read
/// allows the step.
pub(crate) async fn move_in_tx(
    tx: &Tx,
    order: &order::Model,
    step: Step,
    now: DateTime<Utc>,
) -> FaultResult<order::Model> {
    let to = state::after(order.state, step)
        .map_err(|why| Fault::internal(format!("{step:?} of an order that is {:?}: {why:?}", order.state)))?;
    let mut row = order.clone().into_active_model();
    row.state = Set(to);
    row.updated_at = Set(now);
    if to == OrderState::Paid {
        row.paid_at = Set(Some(now));
    }
    let moved = save_versioned::<order::Entity>(tx, row, order.version, Object::Order).await?;
    outbox::record_in_tx(tx, outbox::Kind::OrderChanged, order.id.0, now).await?;
    Ok(moved)
}

/// Ends an unpaid order and releases its remaining reservations, in one transaction.
async fn end(app: &App, order: order::Model, step: Step) -> FaultResult<()> {
    let (buyer, ended) = (order.account_id, order.id);
    let now = app.clock.now();
    let live = live_until(app, order.id).await?;
    if live.is_empty() {
        let tx = app.store.begin().await?;
        return match end_in_tx(&tx, &order, step, now).await {
            Ok(()) => Ok(tx.commit().await?),
            // Changed meanwhile; the next round reads the new state.
            Err(Fault::Stale(_)) => Ok(()),
            Err(fault) => Err(fault),
        };
    }
    let parts = live
        .into_iter()
        .map(|(inventory, ids)| {
            let release = |id| Command::Release { id, buyer, order: Some(ended) };
            let in_time = ids.into_iter().filter(|(_, deadline)| *deadline > now).map(|(id, _)| release(id));
            // Overdue reservations expire; the desk would refuse to release them.
            (inventory, std::iter::once(Command::Expire).chain(in_time).collect())
        })
        .collect();
    let companion: inventory::transaction::Companion = Box::new(move |tx, _| {
        let order = order.clone();
        Box::pin(async move { Ok(end_in_tx(tx, &order, step, now).await?) })
    });
    match transact(app, InventoryTransaction { parts, companion: Some(companion), key: None }).await {
        // Overdue, being paid, or gone meanwhile: the next round reads the new state.
        Ok(_)
        | Err(
            TransactionError::Refused(_)
            | TransactionError::KeyUsed
            | TransactionError::Fault(Fault::Stale(_)),
        ) => Ok(()),
        Err(TransactionError::Fault(fault)) => Err(fault),
    }
}

/// Ends an unpaid order and returns its claims to their holders.
async fn end_in_tx(tx: &Tx, order: &order::Model, step: Step, now: DateTime<Utc>) -> FaultResult<()> {
    move_in_tx(tx, order, step, now).await?;
    order_claims::release_in_tx(tx, order.id, now).await
}

async fn has_live_payment(app: &App, id: OrderId) -> FaultResult<bool> {
    let paying = order::Entity::find_by_id(id)
        .select_only()
        .column(order::Column::Id)
        .filter(order::Column::Id.in_subquery((app.order.being_paid)(Some(id))));
    Ok(paying.into_tuple::<OrderId>().one(app.store.read()).await?.is_some())
}

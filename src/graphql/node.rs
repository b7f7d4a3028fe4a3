//! `node(id:)` and `nodes(ids:)`: any object by its global id, as Relay requires.
//!
//! All objects are read through loaders, so `nodes` needs as many statements for a hundred ids of one type as for two.

use std::sync::Arc;

use async_graphql::{Context, ID, Interface, Object};
use entity::{
    AccountId, CategoryId, ClaimId, CouponId, EventId, OrderId, OrderLineId, PaymentId, ProductId, RefundId,
    ReservationId, SeatMapId, ShopId, TicketId, TierId, TypedId, VenueId,
};
use futures_util::future::try_join_all;

use super::{
    account::{Account, OwnAccount},
    category::Category,
    context::ContextExt,
    coupon::{Bag, Claim, Coupon, Product},
    error::ApiResult,
    event::{Event, Tier},
    id,
    order::{LineOf, Order, OrderLine},
    payment::{Payment, Refund},
    reservation::Reservation,
    seat_map::{Area, KnownMap, Seat, SeatMap},
    shop::Shop,
    ticket::Ticket,
    venue::{KnownVenue, Venue},
};
use crate::error::{Fault, FaultResult};

/// The maximum number of ids in one call of `nodes`.
const IDS_MAX: usize = 100;

/// An object with a global id.
#[derive(Debug, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The global id, unique across all types."))]
pub enum Node {
    /// An account.
    Account(Account),
    /// A general-admission area.
    Area(Area),
    /// The viewer's bag.
    Bag(Bag),
    /// A category.
    Category(Category),
    /// A claim.
    Claim(Claim),
    /// A coupon.
    Coupon(Coupon),
    /// An event.
    Event(Event),
    /// An order.
    Order(Order),
    /// A line of an order.
    OrderLine(OrderLine),
    /// A payment.
    Payment(Payment),
    /// A product.
    Product(Product),
    /// A refund.
    Refund(Refund),
    /// A reservation.
    Reservation(Reservation),
    /// A numbered seat.
    Seat(Seat),
    /// A seat map.
    SeatMap(SeatMap),
    /// A shop.
    Shop(Shop),
    /// A ticket.
    Ticket(Ticket),
    /// A tier.
    Tier(Tier),
    /// A venue.
    Venue(Venue),
}

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Returns any object by its global id. Null if there is none, or if you may not see it.
    // Relay's compiler accepts no other argument.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id of the object.")] id: ID,
    ) -> ApiResult<Option<Node>> {
        Ok(load(ctx, &id, None).await?)
    }

    /// Returns objects by their global ids, in the order of the ids. An element is null if there is no such object, or
    /// if you may not see it.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global ids of the objects, at most 100.")] ids: Vec<ID>,
        #[graphql(
            desc = "The access token of an order. Send it to read the order, its lines, tickets, payments, refunds and \
            bought claims if you are not signed in as the buyer."
        )]
        access_token: Option<String>,
    ) -> ApiResult<Vec<Option<Node>>> {
        if ids.len() > IDS_MAX {
            return Err(Fault::invalid("ids", format!("must be at most {IDS_MAX} ids")).into());
        }
        let token = access_token.map(Arc::from);
        Ok(try_join_all(ids.iter().map(|id| load(ctx, id, token.as_ref()))).await?)
    }
}

/// Loads an object if the viewer may see it. The token opens its order.
async fn load(ctx: &Context<'_>, id: &ID, token: Option<&Arc<str>>) -> FaultResult<Option<Node>> {
    let Some((prefix, uuid)) = id::split(id) else { return Ok(None) };
    let loaders = ctx.loaders();
    Ok(match prefix.as_str() {
        AccountId::PREFIX => {
            loaders.one(OwnAccount(AccountId(uuid))).await?.map(|row| Node::Account(row.into()))
        }
        id::AREA => Area::visible(ctx, uuid).await?.map(Node::Area),
        id::BAG => {
            let own = ctx.viewer().account().ok().filter(|account| account.0 == uuid);
            own.map(|account| Node::Bag(Bag(account)))
        }
        CategoryId::PREFIX => loaders.one(CategoryId(uuid)).await?.map(|row| Node::Category(Category(row))),
        ClaimId::PREFIX => Claim::visible(ctx, ClaimId(uuid), token).await?.map(Node::Claim),
        CouponId::PREFIX => Coupon::visible(ctx, CouponId(uuid)).await?.map(Node::Coupon),
        EventId::PREFIX => Event::visible(ctx, EventId(uuid)).await?.map(Node::Event),
        OrderId::PREFIX => Order::opened_by(ctx, OrderId(uuid), token).await?.map(Node::Order),
        OrderLineId::PREFIX => {
            let Some(row) = loaders.one(LineOf(OrderLineId(uuid))).await? else { return Ok(None) };
            let order = Order::opened_by(ctx, row.order_id, token).await?;
            order.map(|order| Node::OrderLine(OrderLine::of(row, &order)))
        }
        PaymentId::PREFIX => {
            let Some(row) = loaders.one(PaymentId(uuid)).await? else { return Ok(None) };
            let order = Order::opened_by(ctx, row.order_id, token).await?;
            order.map(|order| Node::Payment(Payment::of(row, &order)))
        }
        ProductId::PREFIX => loaders.one(ProductId(uuid)).await?.map(|row| Node::Product(row.into())),
        RefundId::PREFIX => {
            let Some(row) = loaders.one(RefundId(uuid)).await? else { return Ok(None) };
            let order = Order::opened_by(ctx, row.order_id, token).await?;
            order.map(|order| Node::Refund(Refund::of(row, &order)))
        }
        ReservationId::PREFIX => {
            loaders.one(ReservationId(uuid)).await?.map(|row| Node::Reservation(Reservation(row)))
        }
        id::SEAT => Seat::visible(ctx, uuid).await?.map(Node::Seat),
        SeatMapId::PREFIX => {
            loaders.one(KnownMap(SeatMapId(uuid))).await?.map(|row| Node::SeatMap(row.into()))
        }
        ShopId::PREFIX => loaders.one(ShopId(uuid)).await?.map(|row| Node::Shop(Shop(row))),
        TicketId::PREFIX => Ticket::visible(ctx, TicketId(uuid), token).await?.map(Node::Ticket),
        TierId::PREFIX => Tier::visible(ctx, TierId(uuid)).await?.map(Node::Tier),
        VenueId::PREFIX => loaders.one(KnownVenue(VenueId(uuid))).await?.map(|row| Node::Venue(row.into())),
        _ => None,
    })
}

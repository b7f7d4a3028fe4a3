//! `node(id:)`: any object by its global id, as Relay requires.

use async_graphql::{Context, ID, Interface, Object};
use entity::{
    CategoryId, ClaimId, CouponId, EventId, OrderId, ProductId, ReservationId, SeatMapId, ShopId, TicketId,
    TypedId, VenueId,
};

use super::{
    category::Category,
    context::ContextExt,
    coupon::{Bag, Claim, Coupon, Product},
    error::{ApiResult, found},
    event::Event,
    id,
    order::Order,
    reservation::Reservation,
    seat_map::SeatMap,
    shop::Shop,
    ticket::Ticket,
    venue::Venue,
};
use crate::{category, coupon, event, inventory, order, shop, ticket, venue};

/// An object with a global id.
#[derive(Debug, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The global id, unique across all types."))]
pub enum Node {
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
    /// A product.
    Product(Product),
    /// A reservation.
    Reservation(Reservation),
    /// A seat map.
    SeatMap(SeatMap),
    /// A shop.
    Shop(Shop),
    /// A ticket.
    Ticket(Ticket),
    /// A venue.
    Venue(Venue),
}

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Returns any object by its global id. Null if there is none, or if you may not see it.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id of the object.")] id: ID,
    ) -> ApiResult<Option<Node>> {
        let Some((prefix, uuid)) = id::split(&id) else { return Ok(None) };
        let (app, viewer) = (ctx.app(), ctx.viewer());
        Ok(match prefix.as_str() {
            id::BAG => viewer
                .account()
                .ok()
                .filter(|account| account.0 == uuid)
                .map(|account| Node::Bag(Bag(account))),
            CategoryId::PREFIX => category::by_ids(app, vec![CategoryId(uuid)])
                .await?
                .pop()
                .map(|row| Node::Category(Category(row))),
            ClaimId::PREFIX => found(coupon::claim::owned(app, viewer, ClaimId(uuid)).await)?
                .map(|row| Node::Claim(row.into())),
            CouponId::PREFIX => found(coupon::find::coupon(app, viewer, CouponId(uuid)).await)?
                .map(|row| Node::Coupon(row.into())),
            ProductId::PREFIX => found(coupon::product::by_id(app, ProductId(uuid)).await)?
                .map(|row| Node::Product(row.into())),
            EventId::PREFIX => found(event::find::event(app, viewer, EventId(uuid)).await)?
                .map(|row| Node::Event(row.into())),
            OrderId::PREFIX => found(order::visible(app, viewer, None, OrderId(uuid)).await)?
                .map(|row| Node::Order(row.into())),
            ReservationId::PREFIX => found(inventory::owned(app, viewer, ReservationId(uuid)).await)?
                .map(|row| Node::Reservation(Reservation(row))),
            SeatMapId::PREFIX => found(venue::find::revision(app, viewer, SeatMapId(uuid)).await)?
                .map(|row| Node::SeatMap(row.into())),
            ShopId::PREFIX => found(shop::by_id(app, ShopId(uuid)).await)?.map(|row| Node::Shop(Shop(row))),
            TicketId::PREFIX => {
                found(ticket::owned(app, viewer, TicketId(uuid)).await)?.map(|row| Node::Ticket(row.into()))
            }
            VenueId::PREFIX => found(venue::find::venue(app, viewer, VenueId(uuid)).await)?
                .map(|row| Node::Venue(row.into())),
            _ => None,
        })
    }
}

//! What an order is made of: reservations with what they are of, as lines for the order and for the discounts.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use entity::{
    CategoryId, EventId, InventoryId, OrderId, OrderLineId, ReservationId, ShopId, TierId, event,
    order::line, tier,
};
use sea_orm::ActiveValue::Set;

use super::Refusal;
use crate::{
    app::App,
    category,
    coupon::discount::{self, tax_of_rest},
    error::{Error, Fault, Faulty, Result},
    event as events,
    inventory::{Held, Item, Place, Reservation},
    money::{self, Money},
    venue::{self, SeatMap},
};

/// What lines need of the event that they are of.
#[derive(Debug)]
struct Sale {
    event: event::Model,
    map: Arc<SeatMap>,
    tiers: BTreeMap<TierId, tier::Model>,
    categories: Vec<CategoryId>,
}

/// Reservations of one shop in one currency, and what they are of.
#[derive(Debug)]
pub(super) struct Basket {
    /// The seller.
    pub(super) shop: ShopId,
    /// ISO 4217 code.
    pub(super) currency: String,
    sales: BTreeMap<InventoryId, Sale>,
    inventory_of: BTreeMap<ReservationId, InventoryId>,
}

/// One place, as it is bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    event: EventId,
    reservation: ReservationId,
    seat: Option<u32>,
    area: Option<u32>,
    label: String,
    tier: TierId,
    tier_name: String,
    /// Price in minor units.
    pub(super) price: i64,
    /// Fee in minor units.
    pub(super) fee: i64,
    /// Tax contained in what is left of both.
    pub(super) tax: i64,
    /// What is taken off both.
    pub(super) discount: i64,
    tax_basis_points: u32,
    epoch: u32,
}

impl Basket {
    /// The basket of the reservations.
    pub(super) async fn of(app: &App, reservations: &[Reservation]) -> Result<Self, Refusal> {
        let mut sales = BTreeMap::new();
        for reservation in reservations {
            if let Entry::Vacant(entry) = sales.entry(reservation.inventory) {
                entry.insert(sale(app, reservation.inventory.into()).await?);
            }
        }
        let first = sales.values().next().ok_or(Fault::NotFound("reservation"))?;
        let (shop, currency) = (first.event.shop_id, first.event.currency.clone());
        if sales.values().any(|sale| sale.event.shop_id != shop || sale.event.currency != currency) {
            return Err(Error::Refused(Refusal::SeveralShops));
        }
        let inventory_of = reservations.iter().map(|of| (of.held.id, of.inventory)).collect();
        Ok(Self { shop, currency, sales, inventory_of })
    }

    /// One line per place, before discounts.
    pub(super) fn lines<'a>(&self, held: impl IntoIterator<Item = &'a Held>) -> Faulty<Vec<Line>> {
        let mut lines = Vec::new();
        for held in held {
            let sale = self.sale_of(held.id)?;
            for item in &held.items {
                sale.add_lines(held.id, item, &mut lines);
            }
        }
        Ok(lines)
    }

    /// The lines as the discounts want them.
    pub(super) fn discountable(&self, lines: &[Line]) -> Faulty<Vec<discount::Line>> {
        let line = |line: &Line| {
            let sale = self.sale_of(line.reservation)?;
            Ok(discount::Line {
                shop: self.shop,
                event: Some(line.event),
                tier: Some(line.tier),
                product: None,
                categories: sale.categories.clone(),
                price: line.price,
                fee: line.fee,
                is_gift_card: false,
            })
        };
        lines.iter().map(line).collect()
    }

    /// Takes what the discounts take off the lines; those that make cheaper also change the tax.
    pub(super) fn discount<'a>(
        &self,
        lines: &mut [Line],
        discounts: impl Iterator<Item = &'a discount::Discount> + Clone,
    ) -> Faulty<()> {
        let currency = money::currency(&self.currency).ok_or_else(|| Fault::internal("unknown currency"))?;
        for (index, line) in lines.iter_mut().enumerate() {
            let of = |discount: &discount::Discount| discount.amounts.get(index).copied().unwrap_or_default();
            let cheaper: i64 = discounts.clone().filter(|discount| !discount.is_payment).map(of).sum();
            line.discount = discounts.clone().map(of).sum();
            if cheaper > 0 {
                let gross = Money::new(line.price + line.fee, currency);
                line.tax = tax_of_rest((gross, line.tax), gross.minor - cheaper, line.tax_basis_points)?;
            }
        }
        Ok(())
    }

    fn sale_of(&self, reservation: ReservationId) -> Faulty<&Sale> {
        let inventory = self.inventory_of.get(&reservation);
        let sale = inventory.and_then(|inventory| self.sales.get(inventory));
        sale.ok_or_else(|| Fault::internal("a reservation of another basket"))
    }
}

async fn sale(app: &App, id: EventId) -> Faulty<Sale> {
    let event = events::by_id(app, id).await?;
    let map = venue::seat_map(app, event.seat_map_id).await?;
    let tiers = events::tiers_of(app, id).await?;
    let mut lineages = category::lineages(app, vec![event.category_id]).await?;
    let categories = lineages.remove(&event.category_id).unwrap_or_default();
    Ok(Sale { event, map, tiers: tiers.into_iter().map(|tier| (tier.id, tier)).collect(), categories })
}

impl Sale {
    fn add_lines(&self, reservation: ReservationId, item: &Item, lines: &mut Vec<Line>) {
        let tier = self.tiers.get(&item.tier);
        let line = Line {
            event: self.event.id,
            reservation,
            seat: None,
            area: None,
            label: String::new(),
            tier: item.tier,
            tier_name: tier.map(|tier| tier.name.clone()).unwrap_or_default(),
            price: item.price,
            fee: item.fee,
            tax: item.tax,
            discount: 0,
            tax_basis_points: tier.map(|tier| tier.tax_basis_points.unsigned_abs()).unwrap_or_default(),
            epoch: 0,
        };
        match item.place {
            Place::Seat { ordinal, epoch } => {
                let label = self.map.plan.seat_name(ordinal as usize).unwrap_or_default();
                lines.push(Line { seat: Some(ordinal), label, epoch, ..line });
            }
            Place::Area { ordinal, quantity } => {
                let area = self.map.plan.areas.get(ordinal as usize);
                let label = area.map(|area| area.name.clone()).unwrap_or_default();
                let line = Line { area: Some(ordinal), label, ..line };
                lines.extend(std::iter::repeat_n(line, quantity as usize));
            }
        }
    }
}

impl Line {
    /// As it is stored.
    pub(super) fn row(self, order: OrderId, position: i32) -> line::ActiveModel {
        line::ActiveModel {
            id: Set(line_id(order, position)),
            order_id: Set(order),
            position: Set(position),
            event_id: Set(Some(self.event)),
            coupon_id: Set(None),
            reservation_id: Set(self.reservation),
            seat_ordinal: Set(self.seat.and_then(|ordinal| i32::try_from(ordinal).ok())),
            area_ordinal: Set(self.area.and_then(|ordinal| i32::try_from(ordinal).ok())),
            label: Set(self.label),
            tier_id: Set(Some(self.tier)),
            tier_name: Set(self.tier_name),
            price_minor: Set(self.price),
            fee_minor: Set(self.fee),
            tax_minor: Set(self.tax),
            discount_minor: Set(self.discount),
            epoch: Set(i32::try_from(self.epoch).unwrap_or(i32::MAX)),
        }
    }
}

/// A line's id follows from its order's and its position: an order has at most a few hundred lines.
fn line_id(order: OrderId, position: i32) -> OrderLineId {
    let mut bytes = order.0.into_bytes();
    let [high, low] = u16::try_from(position).unwrap_or(u16::MAX).to_be_bytes();
    bytes[14] ^= high;
    bytes[15] ^= low;
    OrderLineId(uuid::Uuid::from_bytes(bytes))
}

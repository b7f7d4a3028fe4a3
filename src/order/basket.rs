//! The reservations of an order and what they reserve, converted to lines for the order and for the discounts.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use entity::{
    CategoryId, CouponId, EventId, InventoryId, OrderId, OrderLineId, ReservationId, ShopId, TierId,
    coupon::{self, CouponKind},
    event,
    inventory::InventoryKind,
    order::line,
    tier,
};
use sea_orm::ActiveValue::Set;

use super::{Refusal, rights::Rights};
use crate::{
    app::App,
    category,
    coupon::{
        self as coupons,
        discount::{self, tax_of_rest},
        order_claims::AppliedClaim,
    },
    error::{Error, Fault, FaultResult, Object, Result},
    event as events,
    inventory::{self, Item, Place, Reservation, ReservationSnapshot},
    money::{self, Money},
    venue::{self, SeatMap},
};

/// The data that lines need about one inventory.
#[derive(Debug)]
struct Sale {
    of: Subject,
    /// Its category and all ancestors.
    categories: Vec<CategoryId>,
}

/// What an inventory sells.
#[derive(Debug)]
enum Subject {
    /// Places of an event.
    Event { event: event::Model, map: Arc<SeatMap>, tiers: BTreeMap<TierId, tier::Model> },
    /// Copies of a coupon.
    Coupon(coupon::Model),
}

/// Reservations of one shop in one currency, with their sales data.
#[derive(Debug)]
pub(super) struct Basket {
    /// The seller.
    pub(super) shop: ShopId,
    /// ISO 4217 code.
    pub(super) currency: String,
    sales: BTreeMap<InventoryId, Sale>,
    inventory_of: BTreeMap<ReservationId, InventoryId>,
}

/// One place or coupon copy of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    event: Option<EventId>,
    coupon: Option<CouponId>,
    reservation: ReservationId,
    seat: Option<u32>,
    area: Option<u32>,
    label: String,
    tier: Option<TierId>,
    tier_name: String,
    /// Price in minor units.
    pub(super) price: i64,
    /// Fee in minor units.
    pub(super) fee: i64,
    /// Tax contained in price and fee after discounts, in minor units.
    pub(super) tax: i64,
    /// Discount on price and fee, in minor units.
    pub(super) discount: i64,
    tax_basis_points: u32,
    epoch: u32,
    /// The buyer's rights. `None` for a coupon.
    rights: Option<Rights>,
}

impl Basket {
    /// Creates the basket of the reservations.
    pub(super) async fn of(app: &App, reservations: &[Reservation]) -> Result<Self, Refusal> {
        let ids = reservations.iter().map(|reservation| reservation.inventory).collect();
        let kinds: BTreeMap<InventoryId, InventoryKind> =
            inventory::counts_of(app, ids).await?.into_iter().map(|row| (row.id, row.kind)).collect();
        let mut sales = BTreeMap::new();
        for reservation in reservations {
            if let Entry::Vacant(entry) = sales.entry(reservation.inventory) {
                let id = reservation.inventory;
                entry.insert(match kinds.get(&id) {
                    Some(InventoryKind::Coupon) => sale_of_coupon(app, id.into()).await?,
                    Some(InventoryKind::Event) | None => sale_of_event(app, id.into()).await?,
                });
            }
        }
        let first = sales.values().next().ok_or(Fault::NotFound(Object::Reservation))?;
        let (shop, currency) = first.of.seller();
        if sales.values().any(|sale| sale.of.seller() != (shop, currency)) {
            return Err(Error::Refused(Refusal::SeveralShops));
        }
        let currency = currency.to_owned();
        let inventory_of = reservations.iter().map(|of| (of.snapshot.id, of.inventory)).collect();
        Ok(Self { shop, currency, sales, inventory_of })
    }

    /// Returns one line per place or copy, before discounts.
    pub(super) fn lines<'a>(
        &self,
        reservations: impl IntoIterator<Item = &'a ReservationSnapshot>,
    ) -> FaultResult<Vec<Line>> {
        let mut lines = Vec::new();
        for reservation in reservations {
            let sale = self.sale_of(reservation.id)?;
            for item in &reservation.items {
                sale.add_lines(reservation.id, item, &mut lines);
            }
        }
        Ok(lines)
    }

    /// Converts the lines to the discount rules' input.
    pub(super) fn discountable(&self, lines: &[Line]) -> FaultResult<Vec<discount::Line>> {
        let line = |line: &Line| {
            let sale = self.sale_of(line.reservation)?;
            let (product, is_gift_card) = match &sale.of {
                Subject::Event { .. } => (None, false),
                Subject::Coupon(coupon) => (coupon.product_id, coupon.kind == CouponKind::GiftCard),
            };
            Ok(discount::Line {
                shop: self.shop,
                event: line.event,
                tier: line.tier,
                product,
                categories: sale.categories.clone(),
                price: line.price,
                fee: line.fee,
                is_gift_card,
            })
        };
        lines.iter().map(line).collect()
    }

    /// Applies the discounts to the lines. Price reductions also reduce the tax; payments by gift card do not.
    pub(super) fn discount(&self, lines: &mut [Line], spent: &[AppliedClaim]) -> FaultResult<()> {
        let currency = money::currency(&self.currency).ok_or_else(|| Fault::internal("unknown currency"))?;
        for (index, line) in lines.iter_mut().enumerate() {
            let of = |spent: &AppliedClaim| spent.discount.amounts.get(index).copied().unwrap_or_default();
            let cheaper: i64 = spent.iter().filter(|spent| !spent.discount.is_payment).map(of).sum();
            line.discount = spent.iter().map(of).sum();
            if cheaper > 0 {
                let gross = Money::new(line.price + line.fee, currency);
                line.tax = tax_of_rest((gross, line.tax), gross.minor - cheaper, line.tax_basis_points)?;
            }
        }
        Ok(())
    }

    fn sale_of(&self, reservation: ReservationId) -> FaultResult<&Sale> {
        let inventory = self.inventory_of.get(&reservation);
        let sale = inventory.and_then(|inventory| self.sales.get(inventory));
        sale.ok_or_else(|| Fault::internal("a reservation of another basket"))
    }
}

async fn sale_of_event(app: &App, id: EventId) -> FaultResult<Sale> {
    let event = events::by_id(app, id).await?;
    let map = venue::seat_map(app, event.seat_map_id).await?;
    let tiers = events::tiers_of(app, id).await?.into_iter().map(|tier| (tier.id, tier)).collect();
    let categories = lineage(app, event.category_id).await?;
    Ok(Sale { of: Subject::Event { event, map, tiers }, categories })
}

async fn sale_of_coupon(app: &App, id: CouponId) -> FaultResult<Sale> {
    let coupon = coupons::by_id(app, id).await?;
    let categories = lineage(app, coupon.category_id).await?;
    Ok(Sale { of: Subject::Coupon(coupon), categories })
}

async fn lineage(app: &App, id: CategoryId) -> FaultResult<Vec<CategoryId>> {
    Ok(category::lineages(app, vec![id]).await?.remove(&id).unwrap_or_default())
}

impl Subject {
    /// Returns the shop and the currency of the sale.
    fn seller(&self) -> (ShopId, &str) {
        match self {
            Self::Event { event, .. } => (event.shop_id, &event.currency),
            Self::Coupon(coupon) => (coupon.shop_id, &coupon.currency),
        }
    }
}

impl Sale {
    fn add_lines(&self, reservation: ReservationId, item: &Item, lines: &mut Vec<Line>) {
        let line = Line {
            event: None,
            coupon: None,
            reservation,
            seat: None,
            area: None,
            label: String::new(),
            tier: None,
            tier_name: String::new(),
            price: item.price,
            fee: item.fee,
            tax: item.tax,
            discount: 0,
            tax_basis_points: 0,
            epoch: 0,
            rights: None,
        };
        let (line, map) = match &self.of {
            Subject::Event { event, map, tiers } => {
                let tier = tiers.get(&item.tier);
                let line = Line {
                    event: Some(event.id),
                    tier: Some(item.tier),
                    tier_name: tier.map(|tier| tier.name.clone()).unwrap_or_default(),
                    tax_basis_points: tier.map_or(0, |tier| tier.tax_basis_points.unsigned_abs()),
                    rights: Some(Rights::of(event, tier)),
                    ..line
                };
                (line, Some(map))
            }
            Subject::Coupon(coupon) => {
                let line = Line {
                    coupon: Some(coupon.id),
                    label: coupon.title.clone(),
                    tax_basis_points: coupon.tax_basis_points.unsigned_abs(),
                    ..line
                };
                (line, None)
            }
        };
        match item.place {
            Place::Seat { ordinal, epoch } => {
                let label = map.and_then(|map| map.plan.seat_name(ordinal as usize)).unwrap_or_default();
                lines.push(Line { seat: Some(ordinal), label, epoch, ..line });
            }
            Place::Area { ordinal, quantity } => {
                let area = map.and_then(|map| map.plan.areas.get(ordinal as usize));
                let label = area.map_or_else(|| line.label.clone(), |area| area.name.clone());
                let line = Line { area: Some(ordinal), label, ..line };
                lines.extend(std::iter::repeat_n(line, quantity as usize));
            }
        }
    }
}

impl Line {
    /// Converts the line to a row.
    pub(super) fn row(self, order: OrderId, position: i32) -> FaultResult<line::ActiveModel> {
        let rights = self.rights.map(|rights| rights.to_json()).transpose()?;
        Ok(line::ActiveModel {
            id: Set(line_id(order, position)),
            order_id: Set(order),
            position: Set(position),
            event_id: Set(self.event),
            coupon_id: Set(self.coupon),
            reservation_id: Set(self.reservation),
            seat_ordinal: Set(self.seat.and_then(|ordinal| i32::try_from(ordinal).ok())),
            area_ordinal: Set(self.area.and_then(|ordinal| i32::try_from(ordinal).ok())),
            label: Set(self.label),
            tier_id: Set(self.tier),
            tier_name: Set(self.tier_name),
            price_minor: Set(self.price),
            fee_minor: Set(self.fee),
            tax_minor: Set(self.tax),
            discount_minor: Set(self.discount),
            epoch: Set(i32::try_from(self.epoch).unwrap_or(i32::MAX)),
            rights: Set(rights),
        })
    }
}

/// Derives a line's id from its order's id and its position. An order has at most a few hundred lines.
fn line_id(order: OrderId, position: i32) -> OrderLineId {
    let mut bytes = order.0.into_bytes();
    let [high, low] = u16::try_from(position).unwrap_or(u16::MAX).to_be_bytes();
    bytes[14] ^= high;
    bytes[15] ^= low;
    OrderLineId(uuid::Uuid::from_bytes(bytes))
}

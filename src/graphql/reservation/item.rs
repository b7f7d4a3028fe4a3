//! The items of a reservation in the API.

use std::sync::Arc;

use async_graphql::{Context, Object};

use crate::{
    graphql::{
        error::ApiResult,
        event::Tier,
        scalar::Money,
        seat_map::{Area, Seat},
    },
    inventory::{Item, Place},
    venue::SeatMap,
};

/// One seat, several places of an area, or several copies of a coupon.
#[derive(Debug)]
pub struct ReservationItem {
    item: Item,
    sold: Sold,
    currency: String,
}

/// What a reservation reserves.
#[derive(Clone, Debug)]
pub(super) enum Sold {
    /// Places on this seat map.
    Places(Arc<SeatMap>),
    /// Copies of a coupon with this title.
    Copies(String),
}

/// One seat, several places of an area, or several copies of a coupon.
#[Object]
impl ReservationItem {
    /// The name of the place, such as `Stalls, Row A, Seat 12`, or the title of the coupon.
    async fn label(&self) -> String {
        let label = match (&self.sold, self.item.place) {
            (Sold::Copies(title), _) => Some(title.clone()),
            (Sold::Places(map), Place::Seat { ordinal, .. }) => map.plan.seat_name(ordinal as usize),
            (Sold::Places(map), Place::Area { ordinal, .. }) => {
                map.plan.areas.get(ordinal as usize).map(|area| area.name.clone())
            }
        };
        label.unwrap_or_default()
    }

    /// The tier of the places in its current form. Null for a coupon.
    async fn tier(&self, ctx: &Context<'_>) -> ApiResult<Option<Tier>> {
        match self.sold {
            Sold::Places(_) => Ok(Some(Tier::of(ctx, self.item.tier).await?)),
            Sold::Copies(_) => Ok(None),
        }
    }

    /// The numbered seat. Null for an area or a coupon.
    async fn seat(&self) -> Option<Seat> {
        match (&self.sold, self.item.place) {
            (Sold::Places(map), Place::Seat { ordinal, .. }) => Seat::new(map, ordinal),
            (Sold::Places(_) | Sold::Copies(_), _) => None,
        }
    }

    /// The general-admission area. Null for a seat or a coupon.
    async fn area(&self) -> Option<Area> {
        match (&self.sold, self.item.place) {
            (Sold::Places(map), Place::Area { ordinal, .. }) => Area::new(map, ordinal),
            (Sold::Places(_) | Sold::Copies(_), _) => None,
        }
    }

    /// Number of places or copies.
    async fn quantity(&self) -> u32 {
        self.item.place.quantity()
    }

    /// The price of one place or copy, including fee and tax: `basePrice` plus `fee`.
    async fn price(&self) -> Money {
        self.money(self.item.price + self.item.fee)
    }

    /// The price of one place or copy without the fee, including tax.
    async fn base_price(&self) -> Money {
        self.money(self.item.price)
    }

    /// The fee of one place or copy, including tax.
    async fn fee(&self) -> Money {
        self.money(self.item.fee)
    }

    /// The tax contained in the price of one place or copy.
    async fn tax(&self) -> Money {
        self.money(self.item.tax)
    }

    /// The total of all places or copies, including fees and tax.
    async fn total(&self) -> Money {
        self.money(i64::from(self.item.place.quantity()) * (self.item.price + self.item.fee))
    }
}

impl ReservationItem {
    pub(super) fn of(item: Item, sold: Sold, currency: &str) -> Self {
        Self { item, sold, currency: currency.to_owned() }
    }

    fn money(&self, minor: i64) -> Money {
        Money::of(minor, &self.currency)
    }
}

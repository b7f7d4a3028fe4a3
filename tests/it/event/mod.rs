//! Tests of events, tiers and their lists.

mod derived_dates;
mod hidden_tiers;
mod links;
mod lists;
mod management;
mod on_sale;
mod prices;

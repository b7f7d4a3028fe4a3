//! Tests of events, tiers and their lists.

mod hidden_tiers;
mod links;
mod lists;
mod management;
mod on_sale;
mod prices;

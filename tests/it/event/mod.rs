//! Tests of events, tiers and their lists.

mod derived_dates;
mod event_draft;
pub(crate) mod hidden_tiers;
mod links;
mod lists;
mod management;
mod old_links;
mod on_sale;
mod prices;
mod search;
mod series;
mod series_race;
mod spelling;

//! The only module that uses async-graphql, besides `http`: the API's types, its root fields and the translation of
//! errors.
//!
//! Its files have the names of the slices. A root field contains no authorisation rules: it parses the input, calls the
//! slice with the viewer, and maps the result. The doc comments of API types are the schema's descriptions, written for
//! API users.

pub mod account;
pub mod admission;
pub mod availability;
pub mod budget;
pub mod cacheability;
pub mod category;
pub mod check_in;
pub mod code;
mod context;
pub mod coupon;
pub mod error;
pub mod event;
pub mod event_edit;
mod event_error;
pub mod event_list;
mod event_loaders;
mod event_seat_map;
pub mod event_series;
pub mod field_order;
mod id;
pub mod limits;
mod loader;
mod long_text;
pub mod mask_errors;
pub mod node;
pub mod null_completion;
pub mod order;
mod page;
pub mod payment;
mod payment_error;
pub mod price_range;
pub mod progress;
pub mod reservation;
pub mod reservation_rules;
pub mod scalar;
pub mod seat_map;
pub mod shop;
pub mod size;
pub mod ticket;
mod ticket_loaders;
pub mod tier;
mod tier_loaders;
pub mod user_error;
pub mod venue;
pub mod weight;

use async_graphql::{
    MergedObject, MergedSubscription, Request, SDLExportOptions, Schema as Built, SchemaBuilder,
};

pub use self::loader::Batches;
use crate::{app::App, auth::Viewer};

/// The root type of queries.
#[derive(Debug, Default, MergedObject)]
pub struct Query(
    account::AccountQuery,
    category::CategoryQuery,
    coupon::CouponQuery,
    coupon::ClaimQuery,
    event::EventQuery,
    limits::LimitsQuery,
    node::NodeQuery,
    order::OrderQuery,
    order::ApplicableQuery,
    reservation::ReservationQuery,
    seat_map::SeatMapQuery,
    shop::ShopQuery,
    ticket::TicketQuery,
    venue::VenueQuery,
);

/// The root type of mutations.
///
/// Names, titles and cities are texts of one line. Descriptions, terms, addresses and reasons may have several lines
/// and tabs. Both are stored in Unicode normal form C, without white space at their ends and with line feeds as line
/// breaks, and are returned as stored. Emoji are allowed. Control characters, invisible characters and characters
/// that change the direction of the text are refused with `INVALID`, except where emoji or a script needs them.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(
    account::AccountMutation,
    category::CategoryMutation,
    check_in::CheckInMutation,
    coupon::CouponMutation,
    coupon::CouponDeletion,
    coupon::ProductMutation,
    coupon::ClaimMutation,
    coupon::CodeMutation,
    coupon::CounterMutation,
    event::EventMutation,
    event::SeriesMutation,
    event_seat_map::EventSeatMapMutation,
    order::OrderMutation,
    payment::PaymentMutation,
    reservation::ReservationMutation,
    seat_map::SeatMapMutation,
    shop::ShopMutation,
    tier::TierMutation,
    venue::VenueMutation,
);

/// The root type of subscriptions.
#[derive(Debug, Default, MergedSubscription)]
pub struct Subscription(
    availability::AvailabilitySubscription,
    coupon::CouponSubscription,
    coupon::BagSubscription,
    order::OrderSubscription,
    reservation::ReservationSubscription,
);

/// The executable schema.
pub type Schema = Built<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Built::build(Query::default(), Mutation::default(), Subscription::default())
        .register_output_type::<user_error::UserError>()
}

/// Builds the executable schema. The guard in `http/` enforces limits and introspection rules.
pub fn schema(app: &App) -> Schema {
    builder().data(app.clone()).disable_suggestions().finish()
}

/// Builds the schema without an application. It can validate documents but not run them.
pub fn bare() -> Schema {
    builder().disable_suggestions().finish()
}

/// Returns the schema in SDL.
pub fn sdl() -> String {
    builder().finish().sdl_with_options(SDLExportOptions::new().include_specified_by())
}

/// Data that an operation shares with the code that runs it.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The versions that the operation read.
    pub progress: progress::Progress,
    /// The remaining budget.
    pub budget: budget::Budget,
}

/// Adds the data that resolvers need to a request. Run the request through the returned batches.
pub fn prepare(app: &App, request: Request, viewer: Viewer, run: Run) -> (Request, Batches) {
    let (loaders, batches) = loader::Loaders::new(app, &viewer, run.budget.clone());
    (request.data(loaders).data(viewer).data(run.progress).data(run.budget), batches)
}

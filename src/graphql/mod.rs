//! The one room that knows async-graphql: the API's types, its root fields, and how business answers are told.
//!
//! Its files bear the slices' names. A root field authorises nothing by itself: it parses the input, calls the slice
//! with the viewer, and maps the answer. What the descriptions say is written for the API's user.

pub mod account;
pub mod availability;
pub mod budget;
pub mod cacheable;
pub mod category;
pub mod complete;
mod context;
pub mod coupon;
pub mod error;
pub mod event;
pub mod event_edit;
pub mod event_list;
pub mod field_order;
mod id;
mod loader;
mod long_text;
pub mod mask;
pub mod node;
pub mod order;
mod page;
pub mod payment;
pub mod progress;
pub mod public;
pub mod reservation;
pub mod reservation_rules;
pub mod scalar;
pub mod seat_map;
pub mod shop;
pub mod size;
pub mod ticket;
pub mod tier;
pub mod venue;
pub mod weight;

use async_graphql::{MergedObject, MergedSubscription, Request, Schema as Built, SchemaBuilder};

pub use self::loader::Batches;
use crate::{app::App, auth::Viewer};

/// Everything that can be asked.
#[derive(Debug, Default, MergedObject)]
pub struct Query(
    account::AccountQuery,
    category::CategoryQuery,
    coupon::CouponQuery,
    coupon::ClaimQuery,
    event::EventQuery,
    node::NodeQuery,
    order::OrderQuery,
    order::ApplicableQuery,
    reservation::ReservationQuery,
    seat_map::SeatMapQuery,
    shop::ShopQuery,
    ticket::TicketQuery,
    venue::VenueQuery,
);

/// Everything that can be done.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(
    account::AccountMutation,
    category::CategoryMutation,
    coupon::CouponMutation,
    coupon::ProductMutation,
    coupon::ClaimMutation,
    coupon::CodeMutation,
    coupon::CounterMutation,
    event::EventMutation,
    order::OrderMutation,
    payment::PaymentMutation,
    reservation::ReservationMutation,
    seat_map::SeatMapMutation,
    shop::ShopMutation,
    ticket::TicketMutation,
    tier::TierMutation,
    venue::VenueMutation,
);

/// Everything that can be watched.
#[derive(Debug, Default, MergedSubscription)]
pub struct Subscription(
    availability::AvailabilitySubscription,
    coupon::CouponSubscription,
    coupon::BagSubscription,
    order::OrderSubscription,
    reservation::ReservationSubscription,
);

/// The schema, executable.
pub type Schema = Built<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Built::build(Query::default(), Mutation::default(), Subscription::default())
        .register_output_type::<error::UserError>()
}

/// The executable schema. Limits and introspection are the guard's, in `http/`.
pub fn schema(app: &App) -> Schema {
    builder().data(app.clone()).disable_suggestions().finish()
}

/// The schema without an application: it validates documents and runs none.
pub fn bare() -> Schema {
    builder().disable_suggestions().finish()
}

/// The schema as text.
pub fn sdl() -> String {
    builder().finish().sdl()
}

/// What an operation and those who run it tell each other.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Which versions it read.
    pub progress: progress::Progress,
    /// What it may still use.
    pub budget: budget::Budget,
}

/// Gives a request what the resolvers need of its viewer; it is run over the batches.
pub fn prepare(app: &App, request: Request, viewer: Viewer, run: Run) -> (Request, Batches) {
    let (loaders, batches) = loader::Loaders::new(app, &viewer, run.budget.clone());
    (request.data(loaders).data(viewer).data(run.progress).data(run.budget), batches)
}

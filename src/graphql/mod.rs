//! The one room that knows async-graphql: the API's types, its root fields, and how business answers are told.
//!
//! Its files bear the slices' names. A root field authorises nothing by itself: it parses the input, calls the slice
//! with the viewer, and maps the answer. What the descriptions say is written for the API's user.

pub mod account;
pub mod category;
pub mod context;
pub mod error;
pub mod id;
pub mod loader;
pub mod page;
pub mod scalar;
pub mod shop;

use async_graphql::{EmptySubscription, MergedObject, Request, Schema as Built, SchemaBuilder};

use crate::{app::App, auth::Viewer};

/// Everything that can be asked.
#[derive(Debug, Default, MergedObject)]
pub struct Query(account::AccountQuery, category::CategoryQuery, shop::ShopQuery);

/// Everything that can be done.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(account::AccountMutation, category::CategoryMutation, shop::ShopMutation);

/// The schema, executable.
pub type Schema = Built<Query, Mutation, EmptySubscription>;

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Built::build(Query::default(), Mutation::default(), EmptySubscription)
        .register_output_type::<error::UserError>()
}

/// The executable schema. Limits and introspection are the guard's, in `http/`.
pub fn schema(app: &App) -> Schema {
    builder().data(app.clone()).disable_suggestions().finish()
}

/// The schema as text.
pub fn sdl() -> String {
    builder().finish().sdl()
}

/// Gives a request what the resolvers need of its viewer.
pub fn prepare(app: &App, request: Request, viewer: Viewer) -> Request {
    request.data(loader::Loaders::new(app, &viewer)).data(viewer)
}

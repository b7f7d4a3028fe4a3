//! Loads tickets by their ids, orders and order lines.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use entity::{OrderId, OrderLineId, TicketId, ticket};

use super::loader::{Batch, Shared, grouped, keyed};
use crate::ticket as tickets;

/// Loader key: the tickets of an order, in the order of its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TicketsOf(pub(crate) OrderId);

/// Loader key: the ticket that was issued for an order line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TicketFor(pub(crate) OrderLineId);

impl Loader<TicketId> for Batch {
    type Value = ticket::Model;
    type Error = Shared;

    async fn load(&self, keys: &[TicketId]) -> Result<HashMap<TicketId, ticket::Model>, Shared> {
        Ok(keyed(tickets::by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}

impl Loader<TicketsOf> for Batch {
    type Value = Vec<ticket::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[TicketsOf]) -> Result<HashMap<TicketsOf, Vec<ticket::Model>>, Shared> {
        let orders = keys.iter().map(|key| key.0).collect();
        Ok(grouped(tickets::of_orders(&self.app, orders).await?, |row| TicketsOf(row.order_id)))
    }
}

impl Loader<TicketFor> for Batch {
    type Value = ticket::Model;
    type Error = Shared;

    async fn load(&self, keys: &[TicketFor]) -> Result<HashMap<TicketFor, ticket::Model>, Shared> {
        let lines = keys.iter().map(|key| key.0).collect();
        Ok(keyed(tickets::of_lines(&self.app, lines).await?, |row| TicketFor(row.order_line_id)))
    }
}

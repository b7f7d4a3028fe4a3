//! Loads events, and the counts of their places, for a whole list at once.

use std::collections::HashMap;

use async_graphql::{Context, dataloader::Loader};
use entity::{EventId, InventoryId, event, inventory};

use crate::graphql::{
    context::ContextExt,
    error::ApiResult,
    event::Event,
    loader::{Batch, Shared, keyed},
    shop::RoleIn,
};
use crate::{
    error::{Fault, FaultResult, Object},
    event as events,
    inventory::counts_of,
};

impl Event {
    /// Returns the event's row if the viewer may see it.
    pub(crate) async fn row(ctx: &Context<'_>, id: EventId) -> FaultResult<event::Model> {
        events::find::event(ctx.app(), ctx.viewer(), id).await
    }

    /// Returns the event that one of the viewer's objects refers to, even if the viewer may not see the event itself.
    pub(crate) async fn of(ctx: &Context<'_>, id: EventId) -> ApiResult<Self> {
        Ok(ctx.loaders().one(id).await?.ok_or(Fault::NotFound(Object::Event))?.into())
    }

    /// Returns the event if the viewer may see it. Drafts are visible to members of their shop only.
    pub(crate) async fn visible(ctx: &Context<'_>, id: EventId) -> FaultResult<Option<Self>> {
        let Some(row) = ctx.loaders().one(id).await? else { return Ok(None) };
        let is_seen =
            row.state != event::EventState::Draft || ctx.loaders().one(RoleIn(row.shop_id)).await?.is_some();
        Ok(is_seen.then(|| Self::from(row)))
    }
}

/// Loader key: how many places are in each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CountsOf(pub(crate) InventoryId);

impl Loader<CountsOf> for Batch {
    type Value = inventory::Model;
    type Error = Shared;

    async fn load(&self, keys: &[CountsOf]) -> Result<HashMap<CountsOf, inventory::Model>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        Ok(keyed(counts_of(&self.app, ids).await?, |row| CountsOf(row.id)))
    }
}

impl Loader<EventId> for Batch {
    type Value = event::Model;
    type Error = Shared;

    async fn load(&self, keys: &[EventId]) -> Result<HashMap<EventId, event::Model>, Shared> {
        Ok(keyed(events::by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}

//! The queries of events.

use async_graphql::{Context, ID, Object};
use entity::event::EventState;

use super::{Event, EventArgs, EventConnection, EventFilter, EventSort, event_connection};
use crate::{
    error::Fault,
    event::find,
    graphql::{
        context::ContextExt,
        error::{ApiResult, found},
        id::{decode, readable_slug},
        page::PageArgs,
    },
};

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    /// Returns the event with this id or slug; send exactly one of the two. Null if there is none, or if it is a draft
    /// that you may not see. A former slug also leads to the event, so compare `slug` and redirect old links.
    async fn event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The event.")] id: Option<ID>,
        #[graphql(desc = "The unique name for URLs.")] slug: Option<String>,
    ) -> ApiResult<Option<Event>> {
        let row = match (id, slug) {
            (Some(id), None) => Event::row(ctx, decode(&id, "id")?).await,
            (None, Some(slug)) => find::event_by_slug(ctx.app(), ctx.viewer(), &readable_slug(&slug)).await,
            (None, None) | (Some(_), Some(_)) => return Err(Fault::invalid("id", "give id or slug").into()),
        };
        // The viewer decides whether a draft is visible, and an event without an inventory has no version.
        if !row.as_ref().is_ok_and(|event| event.state == EventState::Published) {
            ctx.progress().read_other();
        }
        found(row.map(Event))
    }

    /// Lists the events that you may see: all published events, and the drafts of the shops that you are a member of.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection, the filter and the sort order"
    )]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The filter. If omitted, all events.")] filter: Option<EventFilter>,
        #[graphql(
            desc = "The sort order. If omitted, upcoming events come first: those that have not ended, by start. Past \
            events follow, those that started last first."
        )]
        sort: Option<EventSort>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<EventConnection> {
        event_connection(
            ctx,
            EventArgs { filter, sort, page: PageArgs { after, before, first, last } },
            |_| {},
        )
        .await
    }
}

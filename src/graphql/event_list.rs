//! Which events are listed, and in which order.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use chrono::{DateTime, Utc};

use super::{context::ContextExt, error::ApiResult, event::EventStatus, id::decode, scalar::Long};
use crate::{
    error::Faulty,
    event::{
        find::{self, Filter, Order},
        rules,
    },
};

/// In which order events are listed. A cursor is good for the order in which it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Order")]
pub enum EventOrder {
    /// Those that start first come first.
    StartsAt,
    /// Those that start last come first.
    StartsAtDesc,
    /// By name.
    Name,
    /// Those that were made last come first.
    Newest,
}

/// Which events. All that is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct EventFilter {
    /// Sold by this shop.
    shop: Option<ID>,
    /// In this category or one below it.
    category: Option<ID>,
    /// Words, each of which begins a word of the event's name, its shop's name, its venue's name or its town. At most
    /// eight words count.
    search: Option<String>,
    /// Start at this time or later.
    from: Option<DateTime<Utc>>,
    /// Start before this time.
    until: Option<DateTime<Utc>>,
    /// Stand at one of these.
    status: Option<Vec<EventStatus>>,
}

impl EventFilter {
    pub(super) fn parse(self) -> Faulty<Filter> {
        Ok(Filter {
            shop: self.shop.map(|id| decode(&id, "filter.shop")).transpose()?,
            category: self.category.map(|id| decode(&id, "filter.category")).transpose()?,
            search: self.search,
            from: self.from,
            until: self.until,
            statuses: self.status.unwrap_or_default().into_iter().map(rules::EventStatus::from).collect(),
        })
    }
}

/// What the list of events says beyond its pages.
#[derive(Debug)]
pub struct EventTotal(Filter);

impl EventTotal {
    pub(super) fn of(filter: Filter) -> Self {
        Self(filter)
    }
}

/// What the list of events says beyond its pages.
#[Object]
impl EventTotal {
    /// How many events there are on all pages. Counted only when it is asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> ApiResult<Long> {
        let count = find::count(ctx.app(), ctx.viewer(), &self.0).await?;
        Ok(Long(i64::try_from(count).unwrap_or(i64::MAX)))
    }
}

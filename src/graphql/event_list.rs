//! Filter, sort order and total count of event lists.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use chrono::{DateTime, Utc};

use super::{context::ContextExt, error::ApiResult, event::EventStatus, id::decode, scalar::Long};
use crate::{
    error::FaultResult,
    event::{
        find::{self, Filter, Order},
        rules,
    },
};

/// The sort order of events. A cursor is valid only for the order in which it was returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Order")]
pub enum EventOrder {
    /// By start, earliest first.
    StartsAt,
    /// By start, latest first.
    StartsAtDesc,
    /// By name, ascending.
    Name,
    /// Newest first.
    Newest,
}

/// A filter for events. All given conditions must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct EventFilter {
    /// Only events of this shop.
    shop: Option<ID>,
    /// Only items in this category or its descendants.
    category: Option<ID>,
    /// Words to search for, at most eight. Each must be the start of a word in the event's name, the shop's name, the
    /// venue's name or its city.
    search: Option<String>,
    /// Only events that start at this time or later.
    from: Option<DateTime<Utc>>,
    /// Only events that start before this time.
    until: Option<DateTime<Utc>>,
    /// Only items in one of these states.
    status: Option<Vec<EventStatus>>,
}

impl EventFilter {
    pub(super) fn parse(self) -> FaultResult<Filter> {
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

/// Additional fields of the event connection.
#[derive(Debug)]
pub struct EventTotal(Filter);

impl EventTotal {
    pub(super) fn of(filter: Filter) -> Self {
        Self(filter)
    }
}

/// Additional fields of the event connection.
#[Object]
impl EventTotal {
    /// Number of events on all pages. Request it only if you need it: it costs an extra count.
    async fn total_count(&self, ctx: &Context<'_>) -> ApiResult<Long> {
        let count = find::count(ctx.app(), ctx.viewer(), &self.0).await?;
        Ok(Long(i64::try_from(count).unwrap_or(i64::MAX)))
    }
}

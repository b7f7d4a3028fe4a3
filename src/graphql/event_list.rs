//! Filter, statuses and sort order of event lists.

use async_graphql::{Context, Enum, ID, InputObject};

use super::{
    context::ContextExt,
    error::ApiResult,
    event::Event,
    id::{decode, id_or_slug},
    page::{Connected, PageArgs, SortDirection, connection},
    scalar::Instant,
};
use crate::{
    error::FaultResult,
    event::{
        list::{self, Field, Filter, Key, Sort},
        rules,
    },
};

/// A page of events.
pub(crate) type EventConnection = Connected<Key, Event>;

/// A sort order for events. Events with equal values are sorted by their ids in the same direction. A cursor is valid
/// only for the field by which its list was sorted.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct EventSort {
    /// The field to sort by.
    field: EventSortField,
    /// The direction.
    #[graphql(default_with = "SortDirection::Ascending")]
    direction: SortDirection,
}

/// A field that events can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Field")]
pub enum EventSortField {
    /// The start of the event.
    StartsAt,
    /// The name, in the order of the Unicode Collation Algorithm: accents and case count only between equal letters,
    /// and numbers are sorted by their value.
    Name,
    /// The time of creation.
    CreatedAt,
}

/// The status of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "rules::EventStatus")]
pub enum EventStatus {
    /// Not published. Only members of the shop see the event.
    Draft,
    /// Published, but sales have not begun.
    Upcoming,
    /// Places can be reserved now.
    OnSale,
    /// No place is available now, although sales are open. Places can become available again when reservations expire.
    SoldOut,
    /// Sales have ended, but the event has not.
    SalesEnded,
    /// The event has ended.
    Past,
    /// The event is cancelled. Nothing is sold any more.
    Cancelled,
}

/// A filter for events. All given conditions must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct EventFilter {
    /// Only events of the shop with this id.
    shop_id: Option<ID>,
    /// Only events of the shop with this slug.
    shop_slug: Option<String>,
    /// Only events in the category with this id or its descendants.
    category_id: Option<ID>,
    /// Only events in the category with this slug or its descendants.
    category_slug: Option<String>,
    /// Only events at the venue with this id.
    venue_id: Option<ID>,
    /// Only events of the series with this id.
    series_id: Option<ID>,
    /// Words to search for, at most eight. Each must be a word in the event's name, the shop's name, the venue's name or
    /// its city, or the start of such a word. Case and accents are ignored. A word of five or more letters also finds
    /// words that differ from it by one typing error after the first letter. Without `sort`, exact matches come first,
    /// then words that begin with your words, then words with a typing error. A text without letters and digits finds
    /// nothing.
    search: Option<String>,
    /// Only events that are not over at this time: they end later, or start at this time or later. With the current
    /// time, the list has running and future events.
    from: Option<Instant>,
    /// Only events that start before this time. With `from`, the list has the events that take place in the period,
    /// even if only in part.
    until: Option<Instant>,
    /// Only items in one of these statuses.
    status: Option<Vec<EventStatus>>,
    /// Only events whose `updatedAt` is later than this time. Concurrent changes can become visible up to a minute
    /// late, so send a time that is a minute before your last request.
    updated_after: Option<Instant>,
}

impl EventFilter {
    pub(super) fn parse(self) -> FaultResult<Filter> {
        Ok(Filter {
            shops: id_or_slug(self.shop_id, self.shop_slug, "filter.shopId")?,
            categories: id_or_slug(self.category_id, self.category_slug, "filter.categoryId")?,
            venues: self.venue_id.map(|id| decode(&id, "filter.venueId")).transpose()?.into_iter().collect(),
            series: self
                .series_id
                .map(|id| decode(&id, "filter.seriesId"))
                .transpose()?
                .into_iter()
                .collect(),
            search: self.search,
            from: self.from.map(Into::into),
            until: self.until.map(Into::into),
            updated_after: self.updated_after.map(Into::into),
            statuses: self.status.unwrap_or_default().into_iter().map(rules::EventStatus::from).collect(),
        })
    }
}

/// The arguments of a list of events.
pub(crate) struct EventArgs {
    pub(crate) filter: Option<EventFilter>,
    pub(crate) sort: Option<EventSort>,
    pub(crate) page: PageArgs,
}

/// Returns a page of the events that the viewer may see. `narrow` adds the conditions of the object that has the list.
pub(crate) async fn event_connection(
    ctx: &Context<'_>,
    args: EventArgs,
    narrow: impl FnOnce(&mut Filter) + Send,
) -> ApiResult<EventConnection> {
    let mut filter = args.filter.unwrap_or_default().parse()?;
    narrow(&mut filter);
    let sort = args.sort.map_or(Sort::Upcoming, |sort| Sort::By(sort.field.into(), sort.direction.into()));
    let page = list::events(ctx.app(), ctx.viewer(), &filter, sort, args.page.window()?).await?;
    Ok(connection(page, |(key, row)| (key, Event::from(row))))
}

//! The past entries of a ticket: its check-ins without those that were undone.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use entity::{
    TicketId, VenueId,
    event::{self, EntryPeriod},
    ticket::{
        self, ScanOutcome, TicketState,
        check_in::{self, Column},
    },
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
    sea_query::{Expr, Func},
};

use super::rules::{Day, Entries};
use crate::{
    app::App,
    error::FaultResult,
    event::admission::EntryRules,
    order::{self, rights::Rights},
    venue::find,
};

/// What decides about the next scan of a ticket.
pub(super) struct Past {
    /// The rules of the purchase, and the current ones.
    pub(super) rules: [EntryRules; 2],
    /// The entries.
    pub(super) entries: Entries,
    /// When another day begins, if a rule counts by days.
    pub(super) next_day: Option<DateTime<Utc>>,
}

/// Reads the rules and the entries of a ticket. A concurrent scan changes the ticket's version, so its result is only
/// valid if the ticket has not changed when it is written.
pub(super) async fn past_of(
    app: &App,
    ticket: &ticket::Model,
    event: &event::Model,
    now: DateTime<Utc>,
) -> FaultResult<Past> {
    let line = order::line_by_id(app, ticket.order_line_id).await?;
    let tiers = order_tier(app, &line).await?;
    let current = Rights::of(event, tiers.as_ref()).entries;
    let bought = Rights::of_line(&line)?.map_or(current, |rights| rights.entries);
    let rules = [bought, current];
    let counts_days = rules.iter().any(|rules| rules.period == EntryPeriod::Day);
    let day = if counts_days { Some(Day::of(now, zone_of(app, event.venue_id).await?)) } else { None };
    let today = match day {
        Some(day) => admissions_in(app, ticket.id, day).await?,
        None => 0,
    };
    // Older versions did not count entries.
    let is_used = ticket.state == TicketState::CheckedIn;
    let total = u64::from(ticket.entries.unsigned_abs()).max(u64::from(is_used));
    let entries = Entries { total, today, is_outside: ticket.checked_out_at.is_some() };
    Ok(Past { rules, entries, next_day: day.map(|day| day.until) })
}

async fn order_tier(
    app: &App,
    line: &entity::order::line::Model,
) -> FaultResult<Option<entity::tier::Model>> {
    let Some(tier) = line.tier_id else { return Ok(None) };
    Ok(crate::event::tiers_by_ids(app, vec![tier]).await?.pop())
}

/// Returns the venue's time zone. UTC if the venue was stored with an unknown one.
async fn zone_of(app: &App, id: VenueId) -> FaultResult<Tz> {
    let venue = find::venues_by_ids(app, vec![id]).await?.pop();
    Ok(venue.and_then(|venue| venue.time_zone.parse().ok()).unwrap_or(Tz::UTC))
}

/// Counts the entries of a ticket in a day.
async fn admissions_in(app: &App, ticket: TicketId, day: Day) -> FaultResult<u64> {
    let entries = valid(ticket)
        .filter(Column::Outcome.eq(ScanOutcome::Admitted))
        .filter(Column::At.gte(day.from))
        .filter(Column::At.lt(day.until));
    Ok(entries.count(app.store.read()).await?)
}

/// Returns the newest admissions of a ticket, at most two.
pub(super) async fn newest_admissions(
    connection: &impl ConnectionTrait,
    ticket: TicketId,
) -> FaultResult<Vec<check_in::Model>> {
    let admissions =
        valid(ticket).filter(Column::Outcome.is_in([ScanOutcome::Admitted, ScanOutcome::Readmitted]));
    // Older versions did not store the ticket's version, and admitted once.
    let version = Func::coalesce([Expr::col(Column::TicketVersion), Expr::value(0)]);
    Ok(admissions.order_by_desc(version).limit(2).all(connection).await?)
}

/// Returns the newest exit of a ticket.
pub(super) async fn newest_exit(
    connection: &impl ConnectionTrait,
    ticket: TicketId,
) -> FaultResult<Option<check_in::Model>> {
    let exits = valid(ticket).filter(Column::Outcome.eq(ScanOutcome::Left));
    Ok(exits.order_by_desc(Column::TicketVersion).one(connection).await?)
}

/// Returns whether the admission was undone.
pub(super) async fn is_undone(app: &App, row: &check_in::Model) -> FaultResult<bool> {
    let undo = check_in::Entity::find().filter(Column::Undoes.eq(row.id));
    Ok(undo.one(app.store.read()).await?.is_some())
}

/// Selects the scans of a ticket that were not undone.
fn valid(ticket: TicketId) -> Select<check_in::Entity> {
    let undone = check_in::Entity::find()
        .select_only()
        .column(Column::Undoes)
        .filter(Column::TicketId.eq(ticket))
        .filter(Column::Undoes.is_not_null());
    check_in::Entity::find()
        .filter(Column::TicketId.eq(ticket))
        .filter(Column::Id.not_in_subquery(undone.into_query()))
}

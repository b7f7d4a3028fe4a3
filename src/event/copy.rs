//! Copies of an event: everything that its vendor set, with other dates, as drafts.
//!
//! A copy has the venue, seat map, category, texts, rules and tiers of the event, with the seats and areas that the
//! tiers price. It does not have what happened to the event: sales, reservations, orders, its state and audit entries.
//! Coupons keep referring to the event alone. So a hidden tier of a copy needs an access coupon of its own.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use entity::{
    EventId, SeriesId, TierId,
    event::{self, EventState},
    tier::{self, scope},
    venue,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::{
    details::Details,
    edit::{refused, row_of},
    locked_in_tx,
    rules::Refusal,
    scopes_in_tx,
};
use crate::{
    app::App,
    error::{Error, Fault, FaultResult, Object, Result},
    search_text, slug_owner,
    store::Tx,
};

/// The maximum number of rows that the copies of one call have.
const ROWS_MAX: usize = 40_000;
/// Rows per statement: well below the databases' limits of bound values.
const ROWS_PER_STATEMENT: usize = 400;

/// An event with all that is copied.
#[derive(Debug)]
pub(super) struct Template {
    /// The event, locked until the end of the transaction.
    pub(super) event: event::Model,
    tiers: Vec<tier::Model>,
    scopes: Vec<scope::Model>,
}

/// A new event.
#[derive(Debug)]
pub(super) struct Draft {
    /// Its id.
    pub(super) id: EventId,
    /// The series to which it belongs.
    pub(super) series: Option<SeriesId>,
    /// Its details.
    pub(super) details: Details,
}

/// Returns the time zone of the event's venue.
pub(super) async fn zone(app: &App, event: &event::Model) -> Result<Tz, Refusal> {
    let venue = venue::Entity::find_by_id(event.venue_id).one(app.store.read()).await?;
    let venue = venue.ok_or(Fault::NotFound(Object::Venue))?;
    venue.time_zone.parse().map_err(|_| Error::Refused(Refusal::UnknownTimeZone))
}

impl Template {
    /// Reads and locks the event. Fails if it has changed since it was read as `seen`.
    pub(super) async fn read_in_tx(tx: &Tx, seen: &event::Model) -> FaultResult<Self> {
        let event = locked_in_tx(tx, seen.id).await?;
        if event.version != seen.version {
            return Err(Fault::unavailable());
        }
        let tiers = tier::Entity::find()
            .filter(tier::Column::EventId.eq(event.id))
            .order_by_asc(tier::Column::Position)
            .order_by_asc(tier::Column::Id)
            .all(tx)
            .await?;
        let scopes = scopes_in_tx(tx, event.id).await?;
        Ok(Self { event, tiers, scopes })
    }

    /// Writes the drafts, all of one series or of none, with copies of the tiers. Returns them in the order of their starts.
    pub(super) async fn copy_in_tx(
        &self,
        app: &App,
        tx: &Tx,
        drafts: Vec<Draft>,
    ) -> Result<Vec<event::Model>, Refusal> {
        let rows_each = 1 + self.tiers.len() + self.scopes.len();
        if drafts.len() * rows_each > ROWS_MAX {
            let most = ROWS_MAX / rows_each;
            let why =
                format!("must be at most {most} dates: each copies all tiers and categories of the event");
            return Err(Fault::invalid("dates", why).into());
        }
        let now = app.clock.now();
        let ids: Vec<EventId> = drafts.iter().map(|draft| draft.id).collect();
        let changed: Vec<search_text::Source> = match drafts.first().and_then(|draft| draft.series) {
            Some(series) => vec![search_text::Source::Series(series)],
            None => ids.iter().copied().map(search_text::Source::Event).collect(),
        };
        let slugs = drafts.iter().map(|draft| (draft.id, draft.details.slug.clone())).collect();
        if !slug_owner::take_new_in_tx(tx, self.event.shop_id, slugs).await? {
            return Err(Error::Refused(Refusal::SlugTaken));
        }
        let rows: Vec<_> = drafts.into_iter().map(|draft| self.row(draft, now)).collect();
        for rows in rows.chunks(ROWS_PER_STATEMENT) {
            let insert = event::Entity::insert_many(rows.to_vec()).exec_without_returning(tx).await;
            insert.map_err(|error| refused(error.into()))?;
        }
        self.copy_tiers_in_tx(app, tx, &ids).await?;
        for source in changed {
            search_text::refresh_in_tx(tx, source).await?;
        }
        Ok(event::Entity::find()
            .filter(event::Column::Id.is_in(ids))
            .order_by_asc(event::Column::StartsAt)
            .order_by_asc(event::Column::Id)
            .all(tx)
            .await?)
    }

    fn row(&self, draft: Draft, now: DateTime<Utc>) -> event::ActiveModel {
        event::ActiveModel {
            id: Set(draft.id),
            shop_id: Set(self.event.shop_id),
            venue_id: Set(self.event.venue_id),
            seat_map_id: Set(self.event.seat_map_id),
            state: Set(EventState::Draft),
            currency: Set(self.event.currency.clone()),
            series_id: Set(draft.series),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
            ..row_of(draft.details)
        }
    }

    async fn copy_tiers_in_tx(&self, app: &App, tx: &Tx, events: &[EventId]) -> FaultResult<()> {
        let now = app.clock.now();
        let (mut tiers, mut scopes) = (Vec::new(), Vec::new());
        for event in events {
            // Tiers with the same position are ordered by their ids, and ids of one millisecond come in any order.
            let mut ids: Vec<TierId> = self.tiers.iter().map(|_| TierId(app.clock.new_uuid())).collect();
            ids.sort_unstable();
            for (id, tier) in ids.into_iter().zip(&self.tiers) {
                let copy = tier::Model {
                    id,
                    event_id: *event,
                    version: 1,
                    created_at: now,
                    updated_at: now,
                    ..tier.clone()
                };
                tiers.push(copy.into_active_model());
                let own = self.scopes.iter().filter(|scope| scope.tier_id == tier.id).cloned();
                scopes.extend(own.map(|scope| {
                    scope::Model { event_id: *event, tier_id: id, ..scope }.into_active_model()
                }));
            }
        }
        for rows in tiers.chunks(ROWS_PER_STATEMENT) {
            tier::Entity::insert_many(rows.to_vec()).exec_without_returning(tx).await?;
        }
        for rows in scopes.chunks(ROWS_PER_STATEMENT) {
            scope::Entity::insert_many(rows.to_vec()).exec_without_returning(tx).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{ColumnType, Iterable};

    use super::*;

    /// A new date of events must be moved, or belong to the row as such.
    #[test]
    fn every_date_of_an_event_is_known() {
        use entity::event::Column;
        let known = [
            Column::StartsAt,
            Column::EndsAt,
            Column::SalesStart,
            Column::SalesEnd,
            Column::RefundUntil,
            Column::DoorsAt,
            Column::AdmissionFrom,
            Column::AdmissionUntil,
            Column::CreatedAt,
            Column::UpdatedAt,
        ];
        let is_date =
            |column: &Column| matches!(column.def().get_column_type(), ColumnType::TimestampWithTimeZone);
        let dates: Vec<Column> = Column::iter().filter(is_date).collect();
        assert!(dates.len() >= 10, "{dates:?}");
        for date in dates {
            assert!(
                known.iter().any(|known| format!("{known:?}") == format!("{date:?}")),
                "{date:?} is not moved"
            );
        }
    }
}

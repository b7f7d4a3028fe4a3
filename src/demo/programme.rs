//! The demo's events in all states: on sale, upcoming, sales ended, past, cancelled and draft.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use entity::{EventId, event};

use super::{
    houses::{House, Houses},
    made,
    shows::{Fate, Hall, SERIES, SERIES_RULE, SHOWS, Show},
};
use crate::{
    app::App,
    auth::Viewer,
    category,
    error::FaultResult,
    event::{
        admission::Admission,
        details::Change,
        edit::{self, NewEvent},
        pricing::TierDetails,
        publish_series,
        recurrence::dates::Dates,
        reservation_rules::ReservationRules,
        series::{self, NewSeries},
        tiers::{self, NewTier, Scope},
    },
};

/// The time between the start of sales and the event.
const SOLD_FOR: TimeDelta = TimeDelta::days(120);
/// The time from now until sales of upcoming events start.
const SALES_IN: TimeDelta = TimeDelta::days(7);

/// Creates the events.
pub(super) async fn put_on(app: &App, vendor: &Viewer, houses: &Houses) -> FaultResult<()> {
    for show in &SHOWS {
        let event = announce(app, vendor, houses, show).await?;
        let id = event.id;
        if show.fate != Fate::Draft {
            settle(app, vendor, show, event).await?;
        }
        if show.slug == SERIES {
            repeat(app, vendor, id).await?;
        }
    }
    Ok(())
}

/// Creates the draft and its price levels.
async fn announce(app: &App, vendor: &Viewer, houses: &Houses, show: &Show) -> FaultResult<event::Model> {
    let House { shop, venue } = match show.hall {
        Hall::Playhouse => houses.playhouse,
        Hall::Studio => houses.studio,
        Hall::Arena => houses.arena,
        Hall::Lantern => houses.lantern,
    };
    // An event in the past cannot be published, so a past event first gets a date in the future.
    let times = Times::of(show, show.day.max(1), app.clock.now());
    let input = NewEvent {
        shop,
        venue,
        map: None,
        category: category::by_slug(app, show.category).await?.id,
        slug: Some(show.slug.to_owned()),
        name: show.name.to_owned(),
        description: show.description.to_owned(),
        starts_at: times.starts,
        ends_at: times.ends,
        sales_start: Some(times.sales_start),
        sales_end: Some(times.sales_end),
        refund_until: times.refund_until,
        refund_minutes: None,
        admission: Admission::default(),
        reservation_seconds: 600,
        reservation_seconds_max: 1_200,
        limit_per_buyer: 8,
        orphan_rule: true,
        reservation_budget_seconds: Some(2_700),
        cool_down_seconds: 300,
        reservation_rules: ReservationRules::default(),
        focal_point: None,
    };
    let event = made(edit::create(app, vendor, input, None).await)?;
    for (position, (name, price)) in (0..).zip(show.prices.levels) {
        let details = TierDetails {
            name: (*name).to_owned(),
            price: *price,
            fee: show.prices.fee,
            tax_basis_points: show.prices.tax_basis_points,
            position,
            hidden: false,
            entries: None,
        };
        let scope = Scope { categories: vec![(*name).to_owned()], areas: Vec::new() };
        made(tiers::create(app, vendor, event.id, NewTier { details, scope }, None).await)?;
    }
    Ok(event)
}

/// Publishes the draft and changes it to the show's final state.
async fn settle(app: &App, vendor: &Viewer, show: &Show, event: event::Model) -> FaultResult<()> {
    let event = made(edit::publish(app, vendor, event.id, event.version).await)?;
    match show.fate {
        Fate::OnSale | Fate::Upcoming | Fate::SalesEnded | Fate::Draft => {}
        Fate::Past => {
            let times = Times::of(show, show.day, app.clock.now());
            let change = Change {
                starts_at: Some(times.starts),
                ends_at: Some(times.ends),
                sales_start: Some(Some(times.sales_start)),
                sales_end: Some(Some(times.sales_end)),
                refund_until: Some(times.refund_until),
                ..Change::default()
            };
            made(edit::update(app, vendor, event.id, event.version, change).await)?;
        }
        Fate::Cancelled => {
            made(edit::cancel(app, vendor, event.id, event.version).await)?;
        }
    }
    Ok(())
}

/// Creates and publishes further events of a series.
async fn repeat(app: &App, vendor: &Viewer, event: EventId) -> FaultResult<()> {
    let dates = Dates { rule: Some(SERIES_RULE.to_owned()), ..Dates::default() };
    let input = NewSeries { event, dates, name: None, slug: Some(SERIES.to_owned()) };
    let created = made(series::create(app, vendor, input, None).await)?;
    if let Some(series) = created.event.series_id {
        made(publish_series::publish(app, vendor, series).await)?;
    }
    Ok(())
}

struct Times {
    starts: DateTime<Utc>,
    ends: DateTime<Utc>,
    sales_start: DateTime<Utc>,
    sales_end: DateTime<Utc>,
    refund_until: Option<DateTime<Utc>>,
}

impl Times {
    /// Returns the times of the show on the date `day` days from now.
    fn of(show: &Show, day: i64, now: DateTime<Utc>) -> Self {
        let midnight = now.date_naive().and_time(NaiveTime::MIN).and_utc();
        let starts = midnight + TimeDelta::days(day) + TimeDelta::minutes(show.minute);
        Self {
            starts,
            ends: starts + TimeDelta::minutes(show.lasts),
            sales_start: if show.fate == Fate::Upcoming { now + SALES_IN } else { starts - SOLD_FOR },
            sales_end: if show.fate == Fate::SalesEnded { now - TimeDelta::hours(1) } else { starts },
            refund_until: show.refund_days.map(|days| starts - TimeDelta::days(days)),
        }
    }
}

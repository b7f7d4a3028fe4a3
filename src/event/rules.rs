//! The status of an event, and the changes that its state permits.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, Utc};
use entity::{
    event::{self, EventState},
    tier::{ScopeKind, scope},
};

use crate::venue::plan::Plan;

/// The reason why an event or a price level was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another event has the slug.
    SlugTaken,
    /// The venue has no seat map.
    NoSeatMap,
    /// No price level prices any seat or area.
    NothingForSale,
    /// The change needs a draft.
    NotDraft,
    /// The change needs a published event.
    NotPublished,
    /// The event was cancelled.
    Cancelled,
    /// The event has ended.
    Over,
    /// Another price level prices the category or area. Contains its path in the input and its name.
    AlreadyPriced(Vec<String>, String),
    /// Another price level of the event has the name.
    TierNameTaken,
    /// The event already has the maximum number of price levels.
    TooManyTiers,
    /// The time zone of the venue is not known, so local times cannot be computed.
    UnknownTimeZone,
    /// The series already has an event at each of the dates.
    NothingNew,
    /// No event of the series is a draft.
    NoDrafts,
    /// This number of coupons refers to the event.
    InUse(u64),
    /// Places of the event are reserved or were sold.
    PlacesTaken,
    /// The seat map does not have all categories and areas that the price levels price. Contains the missing ones.
    NotOnSeatMap(Vec<String>),
}

/// The status of an event for buyers at a given time. It is computed from the state, the times and the free places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventStatus {
    /// A draft, visible to its shop only.
    Draft,
    /// Published, and sales have not started.
    Upcoming,
    /// In the sales window, with free places.
    OnSale,
    /// In the sales window, without free places.
    SoldOut,
    /// The sales window is over, but the event is not.
    SalesEnded,
    /// The event has ended.
    Past,
    /// The event was cancelled.
    Cancelled,
}

/// Returns the event's status. `event::list` has the same in SQL, and a test compares them.
pub fn status(event: &event::Model, available: u32, now: DateTime<Utc>) -> EventStatus {
    match event.state {
        EventState::Draft => EventStatus::Draft,
        EventState::Cancelled => EventStatus::Cancelled,
        EventState::Published if event.ends_at <= now => EventStatus::Past,
        EventState::Published if event.sales_start > now => EventStatus::Upcoming,
        EventState::Published if event.sales_end <= now => EventStatus::SalesEnded,
        EventState::Published if available == 0 => EventStatus::SoldOut,
        EventState::Published => EventStatus::OnSale,
    }
}

/// Checks whether the event can be published with the categories and areas that its price levels price.
pub fn publish(
    event: &event::Model,
    plan: &Plan,
    scopes: &[scope::Model],
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    match event.state {
        EventState::Cancelled => Err(Refusal::Cancelled),
        EventState::Published => Err(Refusal::NotDraft),
        EventState::Draft if event.ends_at <= now => Err(Refusal::Over),
        EventState::Draft if !sells_something(plan, scopes) => Err(Refusal::NothingForSale),
        EventState::Draft => Ok(()),
    }
}

/// Checks whether the event can be moved to a seat map with this plan.
pub fn change_seat_map(event: &event::Model, plan: &Plan, scopes: &[scope::Model]) -> Result<(), Refusal> {
    change(event)?;
    let is_there = |scope: &&scope::Model| match scope.kind {
        ScopeKind::Category => plan.categories.iter().any(|category| category.name == scope.key),
        ScopeKind::Area => plan.areas.iter().any(|area| area.guid == scope.key),
    };
    let missing: Vec<String> =
        scopes.iter().filter(|scope| !is_there(scope)).map(|scope| scope.key.clone()).collect();
    if !missing.is_empty() {
        return Err(Refusal::NotOnSeatMap(missing));
    }
    match event.state {
        EventState::Published if !sells_something(plan, scopes) => Err(Refusal::NothingForSale),
        EventState::Draft | EventState::Published | EventState::Cancelled => Ok(()),
    }
}

/// Returns whether any seat or area of the plan has a price.
fn sells_something(plan: &Plan, scopes: &[scope::Model]) -> bool {
    let priced =
        |kind: ScopeKind, key: &str| scopes.iter().any(|scope| scope.kind == kind && scope.key == key);
    let by_category: Vec<bool> =
        plan.categories.iter().map(|category| priced(ScopeKind::Category, &category.name)).collect();
    let priced_category = |index: usize| by_category.get(index).copied().unwrap_or_default();
    plan.seats.iter().any(|seat| priced_category(seat.category))
        || plan
            .areas
            .iter()
            .any(|area| priced(ScopeKind::Area, &area.guid) || area.category.is_some_and(priced_category))
}

/// Checks whether the event can be cancelled.
pub fn cancel(event: &event::Model) -> Result<(), Refusal> {
    match event.state {
        EventState::Draft => Err(Refusal::NotPublished),
        EventState::Cancelled => Err(Refusal::Cancelled),
        EventState::Published => Ok(()),
    }
}

/// Checks whether the event's details and price levels can be changed.
pub fn change(event: &event::Model) -> Result<(), Refusal> {
    match event.state {
        EventState::Draft | EventState::Published => Ok(()),
        EventState::Cancelled => Err(Refusal::Cancelled),
    }
}

/// Checks whether the event can be deleted. Nothing was ever sold for a draft, because no event becomes a draft again.
pub fn delete(event: &event::Model) -> Result<(), Refusal> {
    delete_tier(event)
}

/// Checks whether price levels of the event can be deleted. Only drafts have no reservations.
pub fn delete_tier(event: &event::Model) -> Result<(), Refusal> {
    match event.state {
        EventState::Draft => Ok(()),
        EventState::Published | EventState::Cancelled => Err(Refusal::NotDraft),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use entity::{CategoryId, EventId, SeatMapId, ShopId, TierId, VenueId};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::minutes(minutes)
    }

    /// Returns an event with sales from minute 10 to 20. It lasts from minute 20 to 30.
    fn event(state: EventState) -> event::Model {
        event::Model {
            id: EventId(Uuid::from_u128(1)),
            shop_id: ShopId(Uuid::nil()),
            venue_id: VenueId(Uuid::nil()),
            seat_map_id: SeatMapId(Uuid::nil()),
            category_id: CategoryId(Uuid::nil()),
            slug: "gala".to_owned(),
            name: "Gala".to_owned(),
            sort_key: String::new(),
            description: String::new(),
            starts_at: at(20),
            ends_at: at(30),
            sales_start: at(10),
            sales_end: at(20),
            refund_until: None,
            sales_start_given: true,
            sales_end_given: true,
            refund_minutes: None,
            doors_at: None,
            admission_from: None,
            admission_until: None,
            entries_max: Some(1),
            entry_period: entity::event::EntryPeriod::Event,
            reentry: false,
            state,
            currency: "EUR".to_owned(),
            reservation_seconds: 600,
            reservation_seconds_max: 1_200,
            limit_per_buyer: 8,
            orphan_rule: true,
            reservation_budget_seconds: Some(2_700),
            cool_down_seconds: 300,
            buyer_requirement: entity::event::BuyerRequirement::None,
            unpaid_per_network: None,
            unpaid_percent: None,
            series_id: None,
            focal_x: None,
            focal_y: None,
            version: 1,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    fn plan() -> Plan {
        let seat = |guid, category| json!({"seat_guid": guid, "seat_number": guid, "category": category, "position": {"x": 1, "y": 1}});
        let document = json!({
            "name": "Hall", "size": {"width": 10, "height": 10},
            "categories": [{"name": "Front"}, {"name": "Back"}, {"name": "Empty"}],
            "zones": [{
                "name": "Stalls", "position": {"x": 0, "y": 0},
                "rows": [{"row_number": "1", "position": {"x": 0, "y": 0},
                    "seats": [seat("s1", "Front"), seat("s2", "Back")]}],
                "areas": [{"shape": "circle", "circle": {"radius": 5}, "position": {"x": 1, "y": 1},
                    "capacity": 50, "area_guid": "a1", "name": "Floor"}],
            }],
        });
        Plan::parse(&document.to_string()).unwrap()
    }

    fn scope(tier: u128, kind: ScopeKind, key: &str) -> scope::Model {
        let (event_id, tier_id) = (EventId(Uuid::from_u128(1)), TierId(Uuid::from_u128(tier)));
        scope::Model { event_id, kind, key: key.to_owned(), tier_id }
    }

    #[test]
    fn status_follows_from_times_and_places() {
        let event = event(EventState::Published);
        let table = [
            (9, 1, EventStatus::Upcoming),
            (10, 1, EventStatus::OnSale),
            (10, 0, EventStatus::SoldOut),
            (19, 0, EventStatus::SoldOut),
            (20, 1, EventStatus::SalesEnded),
            (29, 0, EventStatus::SalesEnded),
            (30, 1, EventStatus::Past),
        ];
        for (minute, available, expected) in table {
            assert_eq!(super::status(&event, available, at(minute)), expected, "at {minute}");
        }
    }

    #[test]
    fn only_a_draft_with_something_for_sale_is_published() {
        let good = [scope(1, ScopeKind::Category, "Front")];
        let area = [scope(1, ScopeKind::Area, "a1")];
        let empty = [scope(1, ScopeKind::Category, "Empty")];
        let publish = |state, scopes: &[scope::Model], minute| {
            super::publish(&event(state), &plan(), scopes, at(minute))
        };
        assert_eq!(publish(EventState::Draft, &good, 0), Ok(()));
        assert_eq!(publish(EventState::Draft, &area, 0), Ok(()));
        assert_eq!(publish(EventState::Draft, &empty, 0), Err(Refusal::NothingForSale));
        assert_eq!(publish(EventState::Draft, &[], 0), Err(Refusal::NothingForSale));
        assert_eq!(publish(EventState::Draft, &good, 30), Err(Refusal::Over));
        assert_eq!(publish(EventState::Published, &good, 0), Err(Refusal::NotDraft));
        assert_eq!(publish(EventState::Cancelled, &good, 0), Err(Refusal::Cancelled));
    }

    #[test]
    fn only_a_seat_map_with_all_priced_categories_and_areas_replaces_another() {
        let front = scope(1, ScopeKind::Category, "Front");
        let empty = scope(2, ScopeKind::Category, "Empty");
        let area = scope(3, ScopeKind::Area, "a1");
        let moved = |state, scopes: &[scope::Model]| change_seat_map(&event(state), &plan(), scopes);
        assert_eq!(moved(EventState::Published, &[front.clone(), empty.clone(), area.clone()]), Ok(()));
        assert_eq!(moved(EventState::Draft, &[]), Ok(()));
        assert_eq!(moved(EventState::Published, &[empty]), Err(Refusal::NothingForSale));
        assert_eq!(moved(EventState::Cancelled, std::slice::from_ref(&front)), Err(Refusal::Cancelled));
        let missing = [scope(4, ScopeKind::Category, "a1"), scope(5, ScopeKind::Area, "Front"), front, area];
        let names = vec!["a1".to_owned(), "Front".to_owned()];
        assert_eq!(moved(EventState::Published, &missing), Err(Refusal::NotOnSeatMap(names)));
    }

    #[test]
    fn each_state_allows_its_own_changes() {
        let table = [
            (EventState::Draft, Ok(()), Err(Refusal::NotPublished), Ok(())),
            (EventState::Published, Ok(()), Ok(()), Err(Refusal::NotDraft)),
            (EventState::Cancelled, Err(Refusal::Cancelled), Err(Refusal::Cancelled), Err(Refusal::NotDraft)),
        ];
        for (state, changed, cancelled, tier_deleted) in table {
            let event = event(state);
            assert_eq!(change(&event), changed);
            assert_eq!(cancel(&event), cancelled);
            assert_eq!(delete_tier(&event), tier_deleted);
        }
    }
}

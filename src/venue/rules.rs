//! The rules for venues and the numbering of seat maps.
//!
//! Invariant: pure and synchronous.

use entity::venue;
use serde::Serialize;

use crate::{
    error::{Check, FaultResult},
    input,
    limits::text,
};

/// The maximum number of revisions of a venue's seat map. Each may have several megabytes.
pub const REVISIONS_MAX: i32 = 100;

/// The reason why a venue or its seat map was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The venue already has [`REVISIONS_MAX`] revisions of its seat map.
    TooManyRevisions,
    /// Events use the seat map.
    InUse {
        /// The number of events.
        events: u32,
    },
}

/// The editable details of a venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Details {
    /// Display name.
    pub name: String,
    /// The street address. May be empty.
    pub address: String,
    /// Town or city.
    pub city: String,
    /// ISO 3166-1 alpha-2 code.
    pub country: String,
    /// IANA time zone.
    pub time_zone: String,
}

/// A change of a venue's details. `None` leaves a value unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Display name.
    pub name: Option<String>,
    /// Street address.
    pub address: Option<String>,
    /// Town or city.
    pub city: Option<String>,
    /// ISO 3166-1 alpha-2 code.
    pub country: Option<String>,
    /// IANA time zone.
    pub time_zone: Option<String>,
}

impl Details {
    /// Returns the details in a row.
    pub fn of(row: venue::Model) -> Self {
        let venue::Model { name, address, city, country, time_zone, .. } = row;
        Self { name, address, city, country, time_zone }
    }

    /// Returns the details with the change applied.
    #[must_use]
    pub fn with(self, change: Change) -> Self {
        Self {
            name: change.name.unwrap_or(self.name),
            address: change.address.unwrap_or(self.address),
            city: change.city.unwrap_or(self.city),
            country: change.country.unwrap_or(self.country),
            time_zone: change.time_zone.unwrap_or(self.time_zone),
        }
    }

    /// Returns the details in their stored form. If any are invalid, returns all errors.
    pub fn checked(self) -> FaultResult<Self> {
        let Self { name, address, city, country, time_zone } = self;
        let change = Change {
            name: Some(name),
            address: Some(address),
            city: Some(city),
            country: Some(country),
            time_zone: Some(time_zone),
        };
        let empty = Self {
            name: String::new(),
            address: String::new(),
            city: String::new(),
            country: String::new(),
            time_zone: String::new(),
        };
        Ok(empty.with(change.checked()?))
    }
}

impl Change {
    /// Returns the change in its stored form. If any value is invalid, returns all errors.
    ///
    /// Values that stay are not checked, so a venue from an older version can be changed.
    pub fn checked(self) -> FaultResult<Self> {
        let mut check = Check::default();
        let change = Self {
            name: self.name.map(|name| check.line(&name, "name", 1..=text::NAME)),
            address: self.address.map(|address| check.paragraphs(&address, "address", 0..=text::ADDRESS)),
            city: self.city.map(|city| check.line(&city, "city", 1..=text::NAME)),
            country: self
                .country
                .and_then(|code| check.parsed("country", input::country(&code)))
                .map(str::to_owned),
            time_zone: self
                .time_zone
                .and_then(|name| check.parsed("timeZone", input::time_zone(&name)))
                .map(|zone| zone.name().to_owned()),
        };
        check.done()?;
        Ok(change)
    }
}

/// Returns the number of the next revision of a venue that has `count` revisions. `latest` is the number of the newest one.
pub fn next_revision(latest: Option<i32>, count: u64) -> Result<i32, Refusal> {
    let most = u64::try_from(REVISIONS_MAX).unwrap_or_default();
    if count >= most { Err(Refusal::TooManyRevisions) } else { Ok(latest.unwrap_or(0).saturating_add(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    fn hall() -> Details {
        Details {
            name: " Hall ".to_owned(),
            address: String::new(),
            city: "Kiel".to_owned(),
            country: "DE".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
        }
    }

    #[test]
    fn good_details_are_kept_without_blanks() {
        assert_eq!(hall().checked().unwrap().name, "Hall");
        for zone in ["UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires", "America/Port-au-Prince"] {
            let change = Change { time_zone: Some(zone.to_owned()), ..Change::default() };
            assert_eq!(change.clone().checked().unwrap(), change, "{zone}");
        }
    }

    #[test]
    fn all_faults_are_reported_together() {
        let bad = Details {
            name: "  ".to_owned(),
            address: "a\0".to_owned(),
            city: "c".repeat(201),
            country: "de".to_owned(),
            time_zone: "../etc".to_owned(),
        };
        let Err(Fault::Invalid(all)) = bad.checked() else { panic!("it must be refused") };
        let paths: Vec<String> = all.into_iter().map(|invalid| invalid.path.join(".")).collect();
        assert_eq!(paths, ["name", "address", "city", "country", "timeZone"]);
    }

    #[test]
    fn values_that_stay_are_not_checked() {
        let old = Details { time_zone: "Mars/Base".to_owned(), country: "UK".to_owned(), ..hall() };
        let change = Change { name: Some("Arena".to_owned()), ..Change::default() };
        let changed = old.clone().with(change.checked().unwrap());
        assert_eq!(changed, Details { name: "Arena".to_owned(), ..old });
    }

    #[test]
    fn revisions_count_from_one_to_the_most_that_is_kept() {
        assert_eq!(next_revision(None, 0), Ok(1));
        assert_eq!(next_revision(Some(99), 99), Ok(100));
        assert_eq!(next_revision(Some(REVISIONS_MAX), 100), Err(Refusal::TooManyRevisions));
        assert_eq!(next_revision(Some(REVISIONS_MAX), 99), Ok(101), "one was deleted");
    }
}

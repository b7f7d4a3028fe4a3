//! Replays the database's change log: the true state of each version. All other observations are compared with it.

use std::collections::HashMap;

use entity::{
    EventId, InventoryId, ReservationId,
    inventory::{SeatStatus, area, change, seat},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use tessera::{
    app::App,
    inventory::{Change, Place, ReservationSnapshot, feed::PublicStatus},
};

/// The true state of each version, from the first.
#[derive(Debug)]
pub(crate) struct Log {
    versions: Vec<Moment>,
}

/// The public state of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The status of each seat, by ordinal.
    pub(crate) seats: Vec<PublicStatus>,
    /// The number of available places of each area, by ordinal.
    pub(crate) areas: Vec<u32>,
}

/// The state of the inventory during the replay.
struct Replay {
    seats: Vec<(SeatStatus, u32, Option<ReservationId>)>,
    areas: Vec<(u32, u32, u32)>,
    live: HashMap<ReservationId, ReservationSnapshot>,
}

impl Log {
    /// Reads the log and replays it. Panics at a version that violates an invariant.
    pub(crate) async fn read(app: &App, event: EventId) -> Self {
        let (db, id) = (app.store.read(), InventoryId::from(event));
        let seats =
            seat::Entity::find().filter(seat::Column::InventoryId.eq(id)).all(db).await.expect("seats");
        let areas = area::Entity::find()
            .filter(area::Column::InventoryId.eq(id))
            .order_by_asc(area::Column::Ordinal)
            .all(db)
            .await
            .expect("areas");
        let capacity = |area: area::Model| (u32::try_from(area.capacity).expect("a capacity"), 0, 0);
        let mut replay = Replay {
            seats: vec![(SeatStatus::Available, 0, None); seats.len()],
            areas: areas.into_iter().map(capacity).collect(),
            live: HashMap::new(),
        };
        let rows = change::Entity::find()
            .filter(change::Column::InventoryId.eq(id))
            .order_by_asc(change::Column::Version)
            .all(db)
            .await
            .expect("the log");
        let mut versions = Vec::with_capacity(rows.len());
        for (expected, row) in (1..).zip(rows) {
            assert_eq!(row.version, expected, "the log has no gap");
            let change: Change = serde_json::from_str(&row.payload).expect("a change");
            replay.follow(row.version, &change);
            replay.check(row.version);
            versions.push(replay.moment());
        }
        Self { versions }
    }

    /// Returns the last version.
    pub(crate) fn last(&self) -> i64 {
        i64::try_from(self.versions.len()).expect("few")
    }

    /// Returns the state of the version.
    pub(crate) fn at(&self, version: i64) -> &Moment {
        let index = usize::try_from(version - 1).expect("a version");
        self.versions.get(index).unwrap_or_else(|| panic!("version {version} is not in the log"))
    }
}

impl Replay {
    fn follow(&mut self, version: i64, change: &Change) {
        for &(ordinal, status, epoch, reservation) in &change.seats {
            let seat = &mut self.seats[ordinal as usize];
            assert!(epoch >= seat.1, "version {version}: the epoch of seat {ordinal} fell");
            let is_anothers = reservation.is_some() && reservation != seat.2;
            assert!(
                !is_anothers || epoch > seat.1,
                "version {version}: seat {ordinal} was taken, its epoch stayed"
            );
            *seat = (status, epoch, reservation);
        }
        for &(ordinal, available, reserved, sold) in &change.areas {
            let capacity = self.areas[ordinal as usize].0;
            assert_eq!(available + reserved + sold, capacity, "version {version}: area {ordinal} adds up");
            self.areas[ordinal as usize] = (capacity, reserved, sold);
        }
        for reservation in &change.reservations {
            if reservation.is_live() {
                self.live.insert(reservation.id, reservation.clone());
            } else {
                self.live.remove(&reservation.id);
            }
        }
    }

    /// Checks that each held place belongs to a live reservation, and that each live reservation holds all its places.
    fn check(&self, version: i64) {
        let mut held = 0;
        let mut reserved = vec![0; self.areas.len()];
        for reservation in self.live.values() {
            for item in &reservation.items {
                match item.place {
                    Place::Seat { ordinal, epoch } => {
                        let (status, of, by) = self.seats[ordinal as usize];
                        let fits = matches!(status, SeatStatus::Reserved | SeatStatus::Paying);
                        assert!(
                            fits && of == epoch && by == Some(reservation.id),
                            "version {version}: seat {ordinal} is {status:?} at {of} of {by:?}, not of {reservation:?}"
                        );
                        held += 1;
                    }
                    Place::Area { ordinal, quantity } => reserved[ordinal as usize] += quantity,
                }
            }
        }
        let count = |wanted: &[SeatStatus]| self.seats.iter().filter(|seat| wanted.contains(&seat.0)).count();
        assert_eq!(
            count(&[SeatStatus::Reserved, SeatStatus::Paying]),
            held,
            "version {version}: a held seat has no reservation"
        );
        for (ordinal, (area, reserved)) in self.areas.iter().zip(reserved).enumerate() {
            assert_eq!(area.1, reserved, "version {version}: reserved places of area {ordinal}");
        }
    }

    fn moment(&self) -> Moment {
        let visible = |status| match status {
            SeatStatus::Available => PublicStatus::Available,
            SeatStatus::Reserved | SeatStatus::Paying => PublicStatus::Reserved,
            SeatStatus::Sold => PublicStatus::Sold,
            SeatStatus::Blocked => PublicStatus::Blocked,
        };
        Moment {
            seats: self.seats.iter().map(|seat| visible(seat.0)).collect(),
            areas: self.areas.iter().map(|(capacity, reserved, sold)| capacity - reserved - sold).collect(),
        }
    }
}

//! Instances with wrong clocks: deadlines follow the database's clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{EventId, event};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use tessera::{
    app::App,
    auth::{self, Viewer},
    clock::Clock,
    error::{Error, Result},
    inventory::{self, Pick, Refusal, Reservation, Reserve},
    server,
};

use crate::support::{
    World,
    blocking::block_on,
    postgres,
    world::{application, config, migrate},
};

/// How long a reservation lasts in this test, which really waits for the end of it.
const RESERVATION_TIME: TimeDelta = TimeDelta::seconds(4);
/// By how much an instance may misjudge the database's time: what a round trip may take.
const TOLERANCE: TimeDelta = TimeDelta::milliseconds(100);

/// One machine is ten minutes ahead, the other ten minutes behind. From their very first commit on, a reservation lasts
/// as long as the database says, nobody takes it too early, and everybody may take it when its time is up.
#[test]
fn deadlines_follow_the_databases_clock_whatever_the_machines_say() {
    let database = postgres::database("migrated", migrate);
    let data = tempfile::tempdir().expect("a directory");
    block_on(async || {
        let world = World::of(application(&database.url, Clock::system()).await, "PostgreSQL", &database.url);
        world.stage().await;
        let event = world.only_event().await;
        last_seconds(&world, event).await;
        let mut buyers = Vec::new();
        for _ in 0..4 {
            let token = world.guest().await;
            buyers.push(auth::authenticate(&world.app, Some(&token)).await.expect("a viewer"));
        }
        let mut apps = Vec::new();
        for skew in [TimeDelta::minutes(10), TimeDelta::minutes(-10)] {
            let dir = data.path().display().to_string();
            let config = config(&["--database-url", &database.url, "--data-dir", &dir]);
            apps.push(server::open_with(config, Clock::system_skewed(skew)).await.expect("an instance"));
        }
        let mut last = DateTime::UNIX_EPOCH;
        for (seat, app) in (0..).zip(&apps) {
            let before = now(app).await;
            let made = reserve(app, &buyers[seat as usize], event, seat, "first").await.expect("reserved");
            let after = now(app).await;
            last = last.max(made.snapshot.deadline);
            assert!(
                (before + RESERVATION_TIME - TOLERANCE..=after + RESERVATION_TIME + TOLERANCE)
                    .contains(&made.snapshot.deadline),
                "the deadline {} is not between {before} and {after} and {RESERVATION_TIME}",
                made.snapshot.deadline
            );
        }
        // The other instance, and the same one: too early for both.
        for (seat, app) in [(0, &apps[1]), (1, &apps[0]), (0, &apps[0]), (1, &apps[1])] {
            let early = reserve(app, &buyers[2], event, seat, "early").await;
            assert!(now(app).await < last - TOLERANCE, "this machine is too slow for this test");
            assert!(matches!(early, Err(Error::Refused(Refusal::SeatsTaken { .. }))), "{early:?}");
        }
        while now(&world.app).await <= last + TOLERANCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for (seat, app) in [(0, &apps[1]), (1, &apps[0])] {
            reserve(app, &buyers[3], event, seat, "in-time").await.expect("its time is up everywhere");
        }
        for app in apps {
            server::close(app, Duration::from_secs(10)).await;
        }
        world.end().await;
    });
}

async fn now(app: &App) -> DateTime<Utc> {
    app.store.database_time().await.expect("an answer").expect("PostgreSQL's time")
}

async fn reserve(
    app: &App,
    viewer: &Viewer,
    event: EventId,
    seat: u32,
    when: &str,
) -> Result<Reservation, Refusal> {
    let key = format!("{when}-of-seat-{seat}-{}", app.clock.now().timestamp_micros());
    inventory::reserve(app, viewer, Reserve { event, pick: Pick::Seats(vec![seat]), key }).await
}

/// Lets reservations of the event last seconds, which no vendor may ask for.
async fn last_seconds(world: &World, id: EventId) {
    let tx = world.app.store.begin().await.expect("a transaction");
    event::Entity::update_many()
        .col_expr(
            event::Column::ReservationSeconds,
            Expr::value(i32::try_from(RESERVATION_TIME.num_seconds()).expect("few")),
        )
        .filter(event::Column::Id.eq(id))
        .exec(&tx)
        .await
        .expect("an update");
    tx.commit().await.expect("a commit");
}

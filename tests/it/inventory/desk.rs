//! Desks on several instances: notifications, a full queue, repeated calls, and a pruned log.

use std::{pin::pin, time::Duration};

use futures_util::{StreamExt, future::join_all};
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::json;
use tessera::{
    auth::{self, Viewer},
    error::{Error, Fault},
    inventory::{self, Pick, Reserve, feed, feed::Message},
    server, worker,
};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, run_on};

async fn viewer(world: &World) -> Viewer {
    let token = world.guest().await;
    auth::authenticate(&world.app, Some(&token)).await.expect("a viewer")
}

/// What one instance commits, a watcher of another hears by the bus, without anybody polling.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_watcher_of_another_instance_hears_by_the_bus(database: Database) {
    run_on(database, async |world: &World| {
        if world.backend == "SQLite" {
            return; // One process: nobody else is there to be told.
        }
        let stage = world.stage().await;
        let event = world.only_event().await;
        let second = world.second().await;
        // The loops that carry hints, and none that polls.
        let (sender, hearer) = (world.app.clone(), second.clone());
        let sending = world.app.spawn(async move {
            while !sender.shutdown.is_cancelled() {
                worker::send_hints(&sender).await.expect("sent");
            }
        });
        let hearing = second.spawn(async move { worker::hear_hints(&hearer).await });
        let mut feed = pin!(feed::subscribe(&second, event.into(), None));
        let Some(Ok(Message::Snapshot(snapshot))) = feed.next().await else { panic!("a snapshot") };
        let buyer = viewer(world).await;
        for seat in 0..5 {
            let reserve = Reserve { event, pick: Pick::Seats(vec![seat]), key: format!("by-the-bus-{seat}") };
            inventory::reserve(&world.app, &buyer, reserve).await.expect("reserved");
        }
        let mut version = snapshot.version;
        while version < snapshot.version + 5 {
            let heard = tokio::time::timeout(Duration::from_secs(20), feed.next()).await;
            let message = heard.expect("heard in time").expect("the feed goes on").expect("no fault");
            let Message::Delta(delta) = message else { panic!("a delta") };
            assert_eq!(delta.after, version);
            version = delta.version;
        }
        assert_eq!(stage.seats.len(), 30);
        sending.abort();
        hearing.abort();
        drop((sending.await, hearing.await));
        server::close(second, Duration::from_secs(10)).await;
    });
}

/// More want a place than may wait: those too many are told at once to come back, and whoever has a place already is
/// served though the crowd's queue is full.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_full_queue_refuses_at_once_and_payers_come_first(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let event = world.only_event().await;
        let payer = world.guest().await;
        let reservation = world.reserve(&payer, &stage.event, &[&stage.seats[0]]).await;
        let buyer = viewer(world).await;
        // While somebody else holds the inventory's row nothing is committed, and all that is asked piles up.
        let jam = world.app.store.begin().await.expect("a transaction");
        jam.execute_unprepared("UPDATE inventory SET updated_at = updated_at").await.expect("locked");
        let crowd: Vec<_> = (0..6_000)
            .map(|index| {
                let (app, viewer) = (world.app.clone(), buyer);
                let pick = Pick::Admission { area: 0, quantity: 8 };
                let reserve = Reserve { event, pick, key: format!("of-the-crowd-{index}") };
                world.app.spawn(async move { inventory::reserve(&app, &viewer, reserve).await })
            })
            .collect();
        // They run when this task waits: enough of them to fill the queue have been refused then.
        while crowd.iter().filter(|asked| asked.is_finished()).count() < 1_000 {
            tokio::task::yield_now().await;
        }
        let reservations = [reservation.as_str()];
        let checkout = world.checkout(&payer, &reservations);
        let unjam = async { jam.rollback().await.expect("rolled back") };
        let (order, ()) = tokio::join!(checkout, unjam);
        assert!(order.starts_with("order_"));
        let mut overloaded = 0;
        for asked in join_all(crowd).await {
            match asked.expect("no panic") {
                Err(Error::Fault(Fault::Overloaded { retry_after_ms })) => {
                    assert!((500..=2_000).contains(&retry_after_ms));
                    overloaded += 1;
                }
                Ok(_) | Err(Error::Refused(inventory::Refusal::LimitExceeded { .. })) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!((1_000..6_000).contains(&overloaded), "{overloaded} were refused as overloaded");
    });
}

/// A key that was used before disturbs no neighbour: whatever else is in its batch is committed, and it is answered as the
/// first time. Places of an area, because there the repetition is not refused but decided like any other.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_repeated_key_disturbs_no_neighbour(database: Database) {
    run_on(database, async |world: &World| {
        world.stage().await;
        let event = world.only_event().await;
        let repeater = viewer(world).await;
        let again = || Reserve {
            event,
            pick: Pick::Admission { area: 0, quantity: 1 },
            key: "the-same-key".to_owned(),
        };
        let first = inventory::reserve(&world.app, &repeater, again()).await.expect("reserved").snapshot.id;
        let mut buyers = Vec::new();
        for _ in 0..12 {
            buyers.push(viewer(world).await);
        }
        let jam = world.app.store.begin().await.expect("a transaction");
        jam.execute_unprepared("UPDATE inventory SET updated_at = updated_at").await.expect("locked");
        let mut asked = Vec::new();
        for (index, buyer) in buyers.into_iter().enumerate() {
            let pick = Pick::Admission { area: 0, quantity: 2 };
            let reserve = Reserve { event, pick, key: format!("a-neighbour-{index}") };
            for (viewer, reserve) in [(buyer, reserve), (repeater, again())] {
                let app = world.app.clone();
                asked.push(world.app.spawn(async move { inventory::reserve(&app, &viewer, reserve).await }));
            }
        }
        tokio::task::yield_now().await;
        jam.rollback().await.expect("rolled back");
        let answers = join_all(asked).await;
        for (index, answer) in answers.into_iter().enumerate() {
            let reservation = answer.expect("no panic").expect("reserved").snapshot;
            assert_eq!(
                reservation.id == first,
                index % 2 == 1,
                "the repetitions, and nobody else, hear of the first"
            );
        }
        let left = feed::availability(&world.app, event.into()).await.expect("availability").areas[0];
        assert_eq!(left.available(), 50 - 1 - 24);
    });
}

/// Old changes are forgotten, the newest stays; whoever resumes from before gets a snapshot, and whoever is up to date
/// goes on.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_resume_from_before_the_pruned_log_begins_with_a_snapshot(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let event = world.only_event().await;
        let buyer = viewer(world).await;
        for seat in 0..4 {
            let reserve = Reserve { event, pick: Pick::Seats(vec![seat]), key: format!("to-forget-{seat}") };
            inventory::reserve(&world.app, &buyer, reserve).await.expect("reserved");
        }
        let version = feed::availability(&world.app, event.into()).await.expect("availability").version;
        assert_eq!(inventory::prune(&world.app).await.expect("pruned"), 0, "all is young");
        world.advance(Duration::from_hours(2));
        assert!(inventory::prune(&world.app).await.expect("pruned") > 3);
        let log =
            entity::inventory::change::Entity::find().all(world.app.store.read()).await.expect("the log");
        assert_eq!(log.iter().map(|change| change.version).collect::<Vec<_>>(), [version]);

        let mut old = pin!(feed::subscribe(&world.app, event.into(), Some(version - 3)));
        assert!(matches!(old.next().await, Some(Ok(Message::Snapshot(all))) if all.version == version));
        let mut current = pin!(feed::subscribe(&world.app, event.into(), Some(version)));
        let reserve = Reserve { event, pick: Pick::Seats(vec![9]), key: "after-pruning".to_owned() };
        inventory::reserve(&world.app, &viewer(world).await, reserve).await.expect("reserved");
        assert!(matches!(current.next().await, Some(Ok(Message::Delta(delta))) if delta.after == version));

        // A second instance that was away for longer than the log reaches reads the stock anew.
        let second = world.second().await;
        let answer = world.gql(None, "{ __typename }", json!({})).await.good();
        assert_eq!(answer.data("__typename"), "Query");
        let seen = feed::availability(&second, event.into()).await.expect("availability").version;
        assert!(seen > version);
        assert_eq!(stage.seats.len(), 30);
        server::close(second, Duration::from_secs(10)).await;
    });
}

//! Series under concurrent calls and under rate limits.

use serde_json::json;
use tessera::http::Patience;

use crate::{
    event::series::{CREATE, OF_SERIES, create, show, texts},
    support::{World, run},
};

#[test]
fn concurrent_calls_do_not_create_a_date_twice() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = show(world, &stage, json!({})).await;
        let first = json!({ "rule": "FREQ=DAILY;COUNT=2" });
        let series = create(world, &stage, &event, first, json!({})).await.good();
        let series = series.text("createEvents.event.seriesId");
        let dates = json!({ "rule": "FREQ=DAILY;COUNT=8" });
        let call = async |_: usize| create(world, &stage, &event, dates.clone(), json!({})).await;
        let (one, two, three) = tokio::join!(call(1), call(2), call(3));
        let succeeded = [&one, &two, &three]
            .iter()
            .filter(|answer| answer.data("createEvents.events").is_array())
            .count();
        assert_eq!(succeeded, 1, "{} {} {}", one.body, two.body, three.body);
        let list = world.gql(Some(&stage.vendor), OF_SERIES, json!({ "series": series })).await.good();
        let mut starts = texts(&list.data("events.nodes"), "startsAt");
        assert_eq!(starts.len(), 8);
        starts.dedup();
        assert_eq!(starts.len(), 8);
    });
}

#[test]
fn each_event_of_a_series_counts_for_rate_limits() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = show(world, &stage, json!({})).await;
        let small = world
            .beside(
                &["--account-vendor", "60:1", "--network-vendor", "10000:1", "--access-seconds", "3600"],
                Patience::default(),
            )
            .await;
        let address = "203.0.113.9";
        let call = async |count: usize, from: &str| {
            let dates = json!({ "rule": format!("FREQ=DAILY;COUNT={count}"), "from": from });
            let input = json!({ "input": { "eventId": event, "dates": dates } });
            small.gql_from(address, Some(&stage.vendor), (CREATE, input)).await
        };
        call(50, "2027-04-01T18:00:00Z").await.good();
        let refused = call(20, "2028-04-01T18:00:00Z").await;
        assert_eq!(refused.code().as_deref(), Some("RATE_LIMITED"), "{}", refused.body);
        call(5, "2028-04-01T18:00:00Z").await.good();
        small.end().await;
    });
}

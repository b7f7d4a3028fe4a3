//! Watchers of real servers. When a server is killed, they reconnect to another one with their last version.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use tessera::inventory::feed::PublicStatus;
use tokio::sync::watch;

use super::{log::Moment, remote::Front, watch::Watched};
use crate::support::{random::Random, socket::Socket};

const WATCH: &str =
    "subscription($event: ID!, $after: Long) { seatAvailability(eventId: $event, after: $after) {
    __typename
    ... on AvailabilitySnapshot { version rows { statuses } areas { available } }
    ... on AvailabilityDelta { after version seats { id status } areas { available } } } }";

/// Watches until the goal is set and reached.
pub(crate) async fn watch(
    front: &Front,
    mut goal: watch::Receiver<Option<i64>>,
    mut random: Random,
) -> Watched {
    let ordinals: HashMap<&str, u32> = front.seats.iter().map(String::as_str).zip(0..).collect();
    let mut watched = Watched::default();
    loop {
        let address = front.address(&mut random);
        let Some(mut socket) = subscribed(&address, &front.event, watched.version()).await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        loop {
            let version = watched.version();
            let heard = tokio::select! {
                heard = socket.heard() => heard,
                _ = goal.wait_for(|goal| goal.is_some_and(|goal| version >= goal)) => return watched,
            };
            match heard {
                Some(message) if message["type"] == "next" => {
                    take(&mut watched, &message["payload"]["data"]["seatAvailability"], &ordinals);
                }
                // The server was killed, or it cannot continue now.
                Some(_) | None => break,
            }
        }
    }
}

async fn subscribed(address: &str, event: &str, version: i64) -> Option<Socket> {
    let mut socket = Socket::connect(address, &[]).await.ok()?;
    socket.say(json!({ "type": "connection_init" })).await;
    socket.heard().await.filter(|message| message["type"] == "connection_ack")?;
    let after = (version > 0).then_some(version);
    socket.subscribe("map", WATCH, json!({ "event": event, "after": after })).await;
    Some(socket)
}

fn take(watched: &mut Watched, message: &Value, ordinals: &HashMap<&str, u32>) {
    let version = message["version"].as_i64().expect("a version");
    let list = |name: &str| message[name].as_array().expect("a list").iter();
    let available = |area: &Value| u32::try_from(area["available"].as_u64().expect("a number")).expect("few");
    if message["__typename"] == "AvailabilitySnapshot" {
        let letters = list("rows").flat_map(|row| row["statuses"].as_str().expect("letters").chars());
        let moment = Moment {
            seats: letters.map(|letter| visible(&letter.to_string())).collect(),
            areas: list("areas").map(available).collect(),
        };
        return watched.snapshot(version, moment);
    }
    let seat = |seat: &Value| {
        let id = seat["id"].as_str().expect("an id");
        (ordinals[id], visible(seat["status"].as_str().expect("a status")))
    };
    // The event has one area.
    let areas = list("areas").map(|area| (0, available(area)));
    let after = message["after"].as_i64().expect("a version");
    watched.delta(after, version, list("seats").map(seat), areas);
}

fn visible(status: &str) -> PublicStatus {
    match status {
        "A" | "AVAILABLE" => PublicStatus::Available,
        "R" | "RESERVED" => PublicStatus::Reserved,
        "S" | "SOLD" => PublicStatus::Sold,
        "X" | "BLOCKED" => PublicStatus::Blocked,
        other => panic!("no status: {other}"),
    }
}

//! Concurrent claims of one coupon on real servers: neither the stock nor the limit per buyer is exceeded.

use std::{collections::BTreeSet, sync::Arc};

use entity::claim;
use futures_util::{StreamExt, future::join_all, stream};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use tessera::{clock::Clock, http::Patience};
use tokio::sync::Barrier;

use crate::support::{
    World,
    blocking::block_on,
    given,
    given_coupon::CLAIM,
    postgres,
    process::{Came, Server, request},
    sqlite,
    world::{application, migrate},
};

const CLIENTS: usize = 1_000;
/// Clients who come at the same moment.
const BURST: usize = 100;
const STOCK: usize = 50;
/// What a client sends at once: twice under one key, as from two taps, and once under another, as from two tabs.
const KEYS: [&str; 3] = ["storm-first", "storm-first", "storm-other"];

/// The outcomes of all calls.
#[derive(Debug, Default)]
struct Outcomes {
    claims: BTreeSet<String>,
    sold_out: usize,
    limit_reached: usize,
}

#[test]
fn exactly_fifty_of_a_thousand_clients_get_a_copy_on_sqlite() {
    on_sqlite(1);
}

#[test]
fn nor_do_two_servers_on_one_file_give_out_more() {
    on_sqlite(2);
}

#[test]
fn exactly_fifty_of_a_thousand_clients_get_a_copy_on_postgres() {
    on_postgres(1);
}

#[test]
fn nor_do_two_servers_on_postgres_give_out_more() {
    on_postgres(2);
}

fn on_sqlite(servers: usize) {
    let database = sqlite::database("migrated", migrate);
    block_on(async || storm(&database.url, servers).await);
}

fn on_postgres(servers: usize) {
    let database = postgres::database("migrated", migrate);
    block_on(async || storm(&database.url, servers).await);
}

async fn storm(url: &str, servers: usize) {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::of(application(url, Clock::system()).await, "beside the servers", url);
    let stage = world.stage().await;
    let coupon = world.published(&stage, json!({ "stock": STOCK })).await;
    let (mut processes, mut beside, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..servers {
        if servers > 1 && url.starts_with("sqlite:") {
            // A second process would be refused; whatever opens the file all the same does no harm.
            let other = world.beside(&["--allowed-networks", "127.0.0.0/8"], Patience::default()).await;
            addresses.push(other.listen().await);
            beside.push(other);
        } else {
            processes.push(Server::start(url, data.path()));
            addresses.extend(processes.last().map(|server| server.address.clone()));
        }
    }
    let outcomes = ask(&addresses, &clients(&addresses).await, &coupon).await;
    assert_eq!(outcomes.claims.len(), STOCK, "{outcomes:?}");
    // A winner is told of the limit in the other tab, or in both taps, unless all were gone by then; everybody else is told
    // that all are gone.
    assert!(outcomes.limit_reached <= 2 * STOCK, "{outcomes:?}");
    let refused = outcomes.limit_reached + outcomes.sold_out;
    let answers = CLIENTS * KEYS.len();
    assert!((answers - 2 * STOCK..=answers - STOCK).contains(&refused), "{outcomes:?}");
    let written = claim::Entity::find().all(world.app.store.read()).await.expect("claims");
    assert_eq!(written.len(), STOCK, "as many claims are written down");
    let buyers: BTreeSet<_> = written.iter().map(|claim| claim.buyer_id).collect();
    assert_eq!(buyers.len(), STOCK, "of as many buyers");
    drop(processes);
    for other in beside {
        other.end().await;
    }
    world.end().await;
}

/// As many guests' tokens.
async fn clients(addresses: &[String]) -> Vec<String> {
    let guest = async |index: usize| {
        let address = &addresses[index % addresses.len()];
        let answer = answered(address, None, given::GUEST, &json!({})).await;
        let token = answer["data"]["createGuestSession"]["session"]["accessToken"].as_str();
        token.unwrap_or_else(|| panic!("no guest: {answer}")).to_owned()
    };
    stream::iter(0..CLIENTS).map(guest).buffered(16).collect().await
}

/// The clients ask, in bursts; each asks several servers where there are several.
async fn ask(addresses: &[String], clients: &[String], coupon: &str) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for (burst, clients) in clients.chunks(BURST).enumerate() {
        let start = Arc::new(Barrier::new(clients.len() * KEYS.len()));
        let tries = clients.iter().enumerate().flat_map(|(index, token)| {
            let start = &start;
            KEYS.iter().enumerate().map(move |(attempt, key)| async move {
                let address = &addresses[(index + attempt + burst) % addresses.len()];
                start.wait().await;
                answered(address, Some(token), CLAIM, &json!({ "coupon": coupon, "key": key })).await
            })
        });
        let answers = join_all(tries).await;
        for three in answers.chunks(KEYS.len()) {
            outcomes.note(three);
        }
    }
    outcomes
}

async fn answered(address: &str, token: Option<&str>, document: &str, variables: &Value) -> Value {
    match request(address, token, document, variables).await {
        Came::Answered(answer) => answer,
        Came::Lost | Came::NotSent => panic!("{address} did not answer"),
    }
}

impl Outcomes {
    /// What one client was told: nothing but a claim or one of the two refusals, and never of two claims.
    fn note(&mut self, answers: &[Value]) {
        let mut own = BTreeSet::new();
        for answer in answers {
            let payload = &answer["data"]["claimCoupon"];
            match (payload["claim"]["id"].as_str(), payload["errors"][0]["code"].as_str()) {
                (Some(id), None) => drop(own.insert(id.to_owned())),
                (None, Some("SOLD_OUT")) => self.sold_out += 1,
                (None, Some("LIMIT_REACHED")) => self.limit_reached += 1,
                _ => panic!("neither a claim nor a refusal: {answer}"),
            }
        }
        assert!(own.len() <= 1, "one client has several claims: {own:?}");
        self.claims.extend(own);
    }
}

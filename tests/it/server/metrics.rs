//! Metrics in the format of Prometheus, with the documented names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use serde_json::json;
use tessera::{http, telemetry};
use test_case::test_case;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, run_on, run_once, wire::JSON};

/// Asks the private listener, with an `Accept` header; gives the head and the body.
async fn scrape(world: &World, accept: &str) -> (String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    world.app.spawn(http::serve_metrics(world.app.clone(), listener));
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\naccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_lowercase(), body.to_owned())
}

/// The types of metrics by name, and the samples by name and labels. Panics at what Prometheus would not read.
fn read(text: &str) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (mut types, mut samples) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(comment) = line.strip_prefix("# ") {
            let (word, rest) = comment.split_once(' ').expect("a word");
            let (name, rest) = rest.split_once(' ').expect("a name");
            assert!(["HELP", "TYPE", "UNIT"].contains(&word), "{line}");
            if word == "TYPE" {
                let is_new = types.insert(name.to_owned(), rest.to_owned()).is_none();
                assert!(is_new, "{name} is described once");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = series.split('{').next().expect("a name");
        let is_name = name.starts_with("tessera_")
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(is_name, "{line}");
        if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
            let labels = labels.strip_prefix('{').and_then(|labels| labels.strip_suffix('}'));
            for label in labels.expect("brackets").split("\",") {
                let (key, value) = label.split_once("=\"").expect("a label");
                assert!(key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
                assert!(!value.trim_end_matches('"').contains('"'), "{line}");
            }
        }
        let base =
            ["_total", "_bucket", "_count", "_sum", "_info"].iter().find_map(|end| name.strip_suffix(end));
        assert!(types.contains_key(name) || base.is_some_and(|base| types.contains_key(base)), "{line}");
        assert!(value.parse::<f64>().is_ok(), "no number: {line}");
        assert!(samples.insert(series.to_owned(), value.to_owned()).is_none(), "{series} appears once");
    }
    (types, samples)
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn operations_payments_and_refusals_are_counted(database: Database) {
    run_on(database, async |world| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let declined = world.reserve(&buyer, &stage.event, &[&stage.seats[4]]).await;
        let declined = world.checkout(&buyer, &[&declined]).await;
        world.pay(&buyer, &declined, "pm_card_chargeDeclined", "declined-1").await;
        world
            .gql(Some(&buyer), "query evilName { evilAlias: viewer { account { id } } }", json!({}))
            .await
            .good();
        world.post(&[JSON, ("authorization", "Bearer forged")], r#"{"query":"{__typename}"}"#).await;
        world.ask("{ events { ").await;
        world.get("/evil-path").await;
        let (head, text) = scrape(world, "application/openmetrics-text;version=1.0.0").await;
        assert!(
            head.starts_with("http/1.1 200")
                && head.contains("content-type: application/openmetrics-text; version=1.0.0")
        );
        assert!(text.ends_with("# EOF\n"));
        let (_, samples) = read(&text);
        let value = |series: &str| {
            samples.get(series).map_or_else(|| panic!("no {series} in {text}"), String::as_str)
        };
        let operation = |name: &str, kind: &str, outcome: &str| {
            value(&format!(
                "tessera_operations_total{{operation=\"{name}\",kind=\"{kind}\",transport=\"http\",outcome=\"{outcome}\"}}"
            ))
        };
        assert_eq!(operation("reserveSeats", "mutation", "ok"), "2");
        assert_eq!(operation("payOrder", "mutation", "ok"), "2");
        assert_eq!(operation("viewer", "query", "ok"), "1");
        assert_eq!(value("tessera_payments_total{outcome=\"captured\"}"), "1");
        assert_eq!(value("tessera_payments_total{outcome=\"failed\"}"), "1");
        assert_eq!(value("tessera_payments_open{state=\"authorised\"}"), "0");
        assert_eq!(value("tessera_refusals_total{rule=\"UNAUTHENTICATED\"}"), "1");
        assert_eq!(value("tessera_refusals_total{rule=\"GRAPHQL_PARSE_FAILED\"}"), "1");
        assert_eq!(value("tessera_http_requests_total{route=\"other\",status=\"404\"}"), "1");
        assert_eq!(value("tessera_desk_queue_jobs"), "0");
        let batches: u64 = value("tessera_desk_batch_jobs_count").parse().expect("a number");
        assert!(batches >= 4, "{batches}");
        value("tessera_database_connections{pool=\"write\",state=\"idle\"}");
        assert!(!text.contains("evil"), "a client's words are in {text}");
    });
}

#[test]
fn an_older_prometheus_gets_its_own_format() {
    run_once(async |world| {
        let (head, text) = scrape(world, "text/plain;version=0.0.4").await;
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        let (types, _) = read(&text);
        assert!(types.len() > 10 && !text.contains("# EOF"), "{text}");
    });
}

/// All metrics that there are, as queries name them.
async fn names(world: &World) -> BTreeSet<String> {
    let (metrics, took) = (&world.app.metrics, Duration::from_millis(1));
    world.ask("{ __typename }").await;
    metrics.refused("A_RULE");
    metrics.payment("captured");
    metrics.refund("succeeded");
    metrics.provider_call("find", "ok", took);
    metrics.worker_round("expiry", false, took);
    telemetry::sample(&world.app).await;
    let (text, _) = metrics.encode(true).expect("text");
    let (types, _) = read(&text);
    let named = |(name, kind): (&String, &String)| match kind.as_str() {
        "counter" => vec![format!("{name}_total")],
        "histogram" => ["", "_bucket", "_count", "_sum"].map(|end| format!("{name}{end}")).to_vec(),
        "info" => vec![format!("{name}_info")],
        _ => vec![name.clone()],
    };
    types.iter().flat_map(named).collect()
}

/// The names in a text that begin as metrics do.
fn mentioned(text: &str) -> BTreeSet<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter: char| !is_word(letter)).filter(|word| word.starts_with("tessera_"));
    words.map(str::to_owned).collect()
}

#[test]
fn documents_alerts_and_dashboard_use_metrics_that_exist() {
    run_once(async |world| {
        let names = names(world).await;
        let file = |path: &str| fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let documented = file("docs/operations.md");
        let dashboard = file("docs/grafana/tessera.json");
        serde_json::from_str::<serde_json::Value>(&dashboard).expect("JSON");
        for text in [&documented, &file("docs/alerts.yml"), &dashboard] {
            let unknown: Vec<_> = mentioned(text).difference(&names).cloned().collect();
            assert!(unknown.is_empty(), "there are no metrics {unknown:?}; there are {names:?}");
        }
        let mentioned_names = mentioned(&documented);
        let base = |name: &str| ["_bucket", "_count", "_sum"].iter().any(|end| name.ends_with(end));
        let silent: Vec<_> = names.difference(&mentioned_names).filter(|name| !base(name)).collect();
        assert!(silent.is_empty(), "docs/operations.md does not explain {silent:?}");
    });
}

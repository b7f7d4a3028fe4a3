//! Row 13: the visibility of an attack in the log and in the metrics.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    Outcome,
    attack::{
        documents::{body, repeated_field},
        props::{self, VENDOR},
        report::Report,
        sign_in::ten_wrong,
        target::{Camp, Start, Target},
    },
    caller::{Caller, source},
    socket::upgrade,
};

/// The setting that enables the listener of metrics. A server that does not support it ignores it.
const METRICS: &str = "TESSERA_METRICS_LISTEN";

/// Row 13.
pub(crate) async fn row_13(camp: &Camp, report: &mut Report) -> Outcome<()> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let metrics = format!("127.0.0.1:{port}");
    let variables = [(METRICS, metrics.as_str())];
    let target = camp.start(Start { variables: &variables, ..Start::default() }).await?;
    logged(report, &target).await?;
    let answer = target.caller(2).get("/metrics").await;
    let passed = answer.status == 404 || answer.status == 0;
    report.judged("`/metrics` on the public listener", passed, answer.summary(), "404");
    let answer = Caller::new(metrics.parse::<SocketAddr>()?, source(3)).get("/metrics").await;
    let text = answer.text(2_000_000);
    let count = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    let found = format!("{}, {count} metrics", answer.summary());
    report.judged(
        "metrics on a private listener",
        answer.status == 200 && count >= 10,
        found,
        "≥ 10 metrics",
    );
    for (what, words) in [
        ("requests", &["requests"][..]),
        ("refusals by rule", &["refus", "reject"]),
        ("the desk", &["desk"]),
        ("subscribers", &["subscri"]),
        ("payments", &["payment"]),
        ("the worker", &["worker"]),
        ("database pools", &["database_connections"]),
        ("the build", &["build_info"]),
    ] {
        let found = text
            .lines()
            .any(|line| line.starts_with("# TYPE ") && words.iter().any(|word| line.contains(word)));
        report.judged(&format!("metrics tell of {what}"), found, found.to_string(), "a metric");
    }
    Ok(())
}

/// Sends one attack of each kind, and checks that the log has a line about it.
async fn logged(report: &mut Report, target: &Target) -> Outcome<()> {
    for (attack, number) in [
        ("ten wrong passwords", 10),
        ("a forged token", 11),
        ("a document that is too expensive", 12),
        ("a WebSocket from a foreign page", 13),
        ("200 guests of one address", 14),
        ("a foreign Host", 15),
    ] {
        let before = target.log()?.lines().count();
        let mut caller = target.caller(number);
        match number {
            10 => {
                for _ in 0..2 {
                    drop(caller.post(&ten_wrong(VENDOR)).await);
                }
            }
            11 => {
                let mut forged = caller.with_token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.");
                drop(forged.post(&body("{viewer{account{id}}}")).await);
            }
            12 => {
                let document = format!("{{{}}}", "a:__typename ".repeat(40));
                drop(caller.post(&body(&repeated_field(2_400))).await);
                drop(caller.post(&body(&document)).await);
            }
            13 => {
                let host = target.address.to_string();
                let origin = "origin: http://evil.example\r\n";
                drop(upgrade(target.address, source(number), (&host, origin)).await);
            }
            14 => {
                for _ in 0..200 {
                    drop(props::guest(&mut caller).await);
                }
            }
            _ => {
                let request = "GET /graphql?query=%7B__typename%7D HTTP/1.1\r\nhost: evil.example\r\n\r\n";
                drop(caller.raw(request.as_bytes()).await);
            }
        }
        // Another thread writes the log.
        sleep(Duration::from_millis(200)).await;
        let log = target.log()?;
        let lines: Vec<&str> = log.lines().skip(before).collect();
        let secret = ["wrong password", "eyJhbGci", "correct horse"].iter().any(|word| log.contains(word));
        let example = lines.first().copied().unwrap_or_default().chars().take(120).collect::<String>();
        let answer = format!("{} lines, secrets: {secret}; {example}", lines.len());
        report.judged(
            &format!("log: {attack}"),
            !lines.is_empty() && !secret,
            answer,
            "≥ 1 line, no secrets",
        );
    }
    Ok(())
}

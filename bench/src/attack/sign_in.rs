//! Rows 5 and 6: locking an account's owner out with wrong passwords, and a flood of sign-ins.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    Outcome,
    attack::{
        documents::body,
        props::{self, BUYER, PASSWORD, SIGN_IN, SIGN_IN_AGAIN, VENDOR},
        report::{CPU, Line, MEMORY_KIB, Report, milliseconds},
        target::{Camp, Start, Target},
    },
    caller::Caller,
    stats,
};

/// Returns a document with ten aliased sign-ins with a wrong password.
pub(crate) fn ten_wrong(email: &str) -> Vec<u8> {
    let fields = (0..10).fold(String::new(), |mut text, number| {
        let _ = write!(
            text,
            "a{number}: signIn(input: {{ email: \"{email}\", password: \"wrong password {number}\" }}) \
             {{ errors {{ code }} }} "
        );
        text
    });
    body(&format!("mutation {{ {fields} }}"))
}

/// Row 5.
pub(crate) async fn row_5(camp: &Camp, report: &mut Report) -> Outcome<()> {
    lock_out(camp, report, 1).await?;
    lock_out(camp, report, 20).await?;
    let target = camp.start(Start::default()).await?;
    let meter = target.meter()?;
    let answer = target.caller(1).post(&ten_wrong(VENDOR)).await;
    let mut usage = meter.read()?;
    let answered = answer.text(8_192).matches("WRONG_CREDENTIALS").count();
    // Checking a password costs as much as a sign-in, including Argon2's memory. This cost is intended.
    usage.cpu /= u32::try_from(answered.max(1))?;
    let passed = answered <= 10 && usage.cpu <= CPU && usage.peak_kib <= 4 * MEMORY_KIB;
    report.add(Line {
        row: report.row,
        attack: "ten aliased `signIn` in one document, per password looked at".to_owned(),
        usage: Some(usage),
        answer: format!("{}, {answered} looked at", answer.summary()),
        required: "≤ 50 ms, ≤ 40 MB, ≤ 10 looked at".to_owned(),
        passed,
    });
    Ok(())
}

/// Tries wrong passwords from this number of addresses, then signs the owner in from a known device.
async fn lock_out(camp: &Camp, report: &mut Report, addresses: u32) -> Outcome<()> {
    let target = camp.start(Start::default()).await?;
    let mut owner = target.caller(500);
    let known = owner.gql("{ __type(name: \"SignInInput\") { inputFields { name } } }", json!({})).await;
    let sign_in = if known.text(8_192).contains("deviceToken") { SIGN_IN_AGAIN } else { SIGN_IN };
    let data = owner.data(sign_in, json!({ "email": VENDOR, "password": PASSWORD })).await?;
    let part = |name: &str| data["signIn"]["session"][name].clone();
    let (refresh, device) = (part("refreshToken"), part("deviceToken"));
    for _ in 0..4 {
        for number in 0..addresses {
            drop(target.caller(10 + number).post(&ten_wrong(VENDOR)).await);
        }
    }
    let again = json!({ "email": VENDOR, "password": PASSWORD, "device": device });
    let answer = owner.gql(sign_in, again).await;
    let mut passed = props_has_session(&answer.json());
    let mut text = format!("owner's own device: {}", verdict(passed, &answer.text(300)));
    let document = "mutation($token: String!) { refreshSession(input: { refreshToken: $token }) {
        session { accessToken } errors { code } } }";
    let refreshed = owner.gql(document, json!({ "token": refresh })).await;
    let refreshed = refreshed.text(300).contains("\"accessToken\"");
    passed &= refreshed;
    let _ = write!(text, "; refresh: {refreshed}");
    let attack = format!("4 × ten wrong passwords for the owner from {addresses} address(es)");
    report.judged(&attack, passed, text, "the owner signs in where they signed in before");
    Ok(())
}

fn props_has_session(value: &serde_json::Value) -> bool {
    value.pointer("/data/signIn/session/accessToken").is_some()
}

fn verdict(passed: bool, text: &str) -> String {
    if passed { "signed in".to_owned() } else { text.to_owned() }
}

/// Row 6.
pub(crate) async fn row_6(camp: &Camp, report: &mut Report) -> Outcome<()> {
    flood(camp, report, 1).await?;
    flood(camp, report, 10).await
}

/// Floods the server with sign-ins over a hundred connections from this number of addresses. Meanwhile, other clients
/// sign in and browse.
async fn flood(camp: &Camp, report: &mut Report, addresses: u32) -> Outcome<()> {
    const CONNECTIONS: u32 = 100;
    const LEGITIMATE: u32 = 13;
    let target = camp.start(Start::default()).await?;
    let before = browse(&target, 300, 20).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU32::new(0));
    let mut flood = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
        let mut caller = target.caller(10 + number % addresses);
        flood.spawn(async move { drown(&mut caller, number, &stop, &answered).await });
    }
    sleep(Duration::from_secs(1)).await;
    let mut signed_in = 0;
    let mut during = Vec::new();
    for number in 0..LEGITIMATE {
        let mut caller = target.caller(400 + number);
        let email = if number % 2 == 0 { BUYER } else { VENDOR };
        let signing = caller.gql(SIGN_IN, json!({ "email": email, "password": PASSWORD }));
        let answer = timeout(Duration::from_secs(5), signing).await;
        signed_in += u32::from(answer.is_ok_and(|answer| props_has_session(&answer.json())));
        during.push(browse(&target, 310 + number, 5).await?);
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(task) = flood.join_next().await {
        task?;
    }
    let during = stats::median(&mut during).unwrap_or(u32::MAX);
    let answer = format!(
        "{signed_in} of {LEGITIMATE} legitimate sign-ins within 5 s; browse p50 {} → {}; {} sign-ins of the flood \
         looked at",
        milliseconds(Duration::from_micros(before.into())),
        milliseconds(Duration::from_micros(during.into())),
        answered.load(Ordering::Relaxed)
    );
    let attack = format!("100 connections of `signIn` from {addresses} address(es)");
    let passed = signed_in * 10 >= LEGITIMATE * 9;
    report.judged(&attack, passed, answer, "≥ 90 % of legitimate sign-ins");
    Ok(())
}

/// Signs in with wrong passwords until `stop` is set, at most 2,000 times.
async fn drown(caller: &mut Caller, number: u32, stop: &AtomicBool, answered: &AtomicU32) {
    for round in 0..2_000 {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let email = format!("flood-{number}-{round}@example.org");
        let answer = caller.gql(SIGN_IN, json!({ "email": email, "password": "wrong password" })).await;
        if answer.codes().iter().any(|code| code == "WRONG_CREDENTIALS") {
            answered.fetch_add(1, Ordering::Relaxed);
        } else {
            // Refused: pause before the next attempt, in order not to use the processor time of this machine.
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Returns the median latency of browsing, in microseconds.
async fn browse(target: &Target, number: u32, times: u32) -> Outcome<u32> {
    let mut caller = target.caller(number);
    let body = body("{events(first:10){nodes{id name seatsLeft}}}");
    let mut latencies = Vec::new();
    for _ in 0..times {
        let begun = Instant::now();
        drop(caller.post(&body).await);
        latencies.push(stats::micros(begun.elapsed()));
    }
    Ok(stats::median(&mut latencies).unwrap_or(u32::MAX))
}

/// Signs in the buyer, for attacks that need a user.
pub(crate) async fn buyer(target: &Target, number: u32) -> Outcome<Caller> {
    let token = props::sign_in(target, number, BUYER).await?;
    Ok(target.caller(number).with_token(&token))
}

//! The attackers of `--all-together`: all kinds of attacks in a loop, from many loopback addresses, until the time is
//! over.

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    Outcome,
    attack::{
        documents::{body, repeated_field, text},
        guests, payments, props, sign_in,
        sockets::{session, subscribe},
    },
    caller::{Caller, source},
    frame::{self, PING},
    socket::upgrade,
};

/// The number of addresses of each kind of attacker.
const ADDRESSES: u32 = 50;

/// A kind of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Repeat,
    Variables,
    Slow,
    Hoard,
    WrongPasswords,
    SignIns,
    Documents,
    Large,
    Declines,
    Pings,
    Orphans,
    Foreign,
    NeverReads,
}

const KINDS: [(Kind, u64, u32); 13] = [
    (Kind::Repeat, 250, 2),
    (Kind::Variables, 3_000, 1),
    (Kind::Slow, 100, 60),
    (Kind::Hoard, 200, 4),
    (Kind::WrongPasswords, 500, 2),
    (Kind::SignIns, 50, 16),
    (Kind::Documents, 5, 4),
    (Kind::Large, 1_000, 2),
    (Kind::Declines, 200, 2),
    (Kind::Pings, 500, 2),
    (Kind::Orphans, 1_000, 1),
    (Kind::Foreign, 100, 1),
    (Kind::NeverReads, 2_000, 2),
];

/// Attacks the server at this loopback address for the given number of seconds.
pub(crate) async fn attack(target: SocketAddr, seconds: u64) -> Outcome<()> {
    if !target.ip().is_loopback() {
        return Err(format!("{target} is no loopback address").into());
    }
    let until = Instant::now() + Duration::from_secs(seconds.min(3_600));
    let mut tasks = JoinSet::new();
    for (index, (kind, rest, count)) in (0..).zip(KINDS) {
        for number in 0..count {
            tasks.spawn(async move {
                let mut round = number;
                while Instant::now() < until {
                    let from = 1_000 + index * 100 + round % ADDRESSES;
                    // Limits the duration of an attack. Slow clients are slow on purpose.
                    drop(timeout(Duration::from_secs(30), once(kind, target, (from, round))).await);
                    sleep(Duration::from_millis(rest)).await;
                    round += count;
                }
            });
        }
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn once(kind: Kind, target: SocketAddr, (from, round): (u32, u32)) -> Outcome<()> {
    let mut caller = Caller::new(target, source(from));
    match kind {
        Kind::Repeat => drop(caller.post(&body(&repeated_field(2_400))).await),
        Kind::Variables => variables(&mut caller).await,
        Kind::Slow => slow(target, from, round).await?,
        Kind::Hoard => {
            let event = event(&mut caller, props::MAIN).await?;
            guests::hold_eight(&mut caller, &event).await;
        }
        Kind::WrongPasswords => drop(caller.post(&sign_in::ten_wrong(props::VENDOR)).await),
        Kind::SignIns => {
            let email = format!("flood-{round}@example.org");
            drop(caller.gql(props::SIGN_IN, json!({ "email": email, "password": "wrong password" })).await);
        }
        Kind::Documents => {
            for number in 0..50 {
                let document = format!("{{a{}}}", u64::from(round) * 50 + number);
                drop(caller.post(&body(&document)).await);
            }
        }
        Kind::Large => {
            let field = "event(slug:\"harbour-derby\"){seatMap{zones{rows{seats{id guid label x y}}}}}";
            let fields: Vec<String> = (0..25).map(|number| format!("a{number}:{field}")).collect();
            drop(caller.post(&body(&format!("{{{}}}", fields.join(" ")))).await);
        }
        Kind::Declines => {
            let event = event(&mut caller, "the-paper-dragon").await?;
            caller.token = props::guest(&mut caller).await;
            let order = props::order(&mut caller, &event, 1).await?;
            for _ in 0..20 {
                payments::decline(&mut caller, &order).await;
            }
        }
        Kind::Pings => {
            let mut stream = session(target, source(from)).await?;
            let chunk = frame::masked(PING, b"x")?.repeat(200);
            for _ in 0..200 {
                stream.write_all(&chunk).await?;
            }
        }
        Kind::Orphans => {
            let document = "{events(first:100){nodes{name seatsLeft availability{rows{statuses}}}}}";
            let mut stream = session(target, source(from)).await?;
            for id in 0..20 {
                stream.write_all(&subscribe(id, document)?).await?;
            }
        }
        Kind::Foreign => {
            drop(upgrade(target, source(from), ("evil.example", "origin: http://evil.example\r\n")).await);
        }
        Kind::NeverReads => {
            let document = "{event(slug:\"harbour-derby\"){seatMap{zones{rows{seats{id guid label x y}}}}}}";
            let mut stream = session(target, source(from)).await?;
            for id in 0..20 {
                stream.write_all(&subscribe(id, document)?).await?;
            }
            sleep(Duration::from_secs(20)).await;
        }
    }
    Ok(())
}

/// Sends 23 MB of variables that the document does not declare.
async fn variables(caller: &mut Caller) {
    caller.token = props::guest(caller).await;
    let list = "0,".repeat(11_500_000);
    let body = format!("{{\"query\":\"{{__typename}}\",\"variables\":{{\"x\":[{list}0]}}}}");
    drop(caller.post(body.as_bytes()).await);
}

/// Sends half of a request and keeps the connection for 20 seconds.
async fn slow(target: SocketAddr, from: u32, round: u32) -> Outcome<()> {
    let mut stream = crate::caller::connect(target, source(from)).await?;
    let request: &[u8] = match round % 4 {
        0 => b"",
        1 => b"POST /graphql HTTP/1.1\r\nhost: ",
        2 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        _ => b"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
    };
    stream.write_all(request).await?;
    sleep(Duration::from_secs(20)).await;
    Ok(())
}

async fn event(caller: &mut Caller, slug: &str) -> Outcome<String> {
    let answer =
        caller.gql("query($slug: String!) { event(slug: $slug) { id } }", json!({ "slug": slug })).await;
    Ok(text(&answer.json(), "/data/event/id")?.to_owned())
}

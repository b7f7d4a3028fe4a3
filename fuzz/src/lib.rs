//! The properties that the fuzz targets check. Each function takes arbitrary bytes and panics if its property fails.
//!
//! `scripts/fuzz` builds the targets with libFuzzer and runs them. `tests/corpus.rs` replays the seed corpus in
//! `corpus/<target>/` and simple mutations of it with every `cargo test`.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    str,
    sync::OnceLock,
};

use chrono::{DateTime, Duration};
use serde_json::{Value, json};
use tessera::{
    coupon::{
        code::Code,
        code_list::{self, CodeList, Options},
        csv,
    },
    event::recurrence::{Occurrences, Rule},
    graphql,
    http::fuzz::{Guard, Reply, Socket, client_address, params, proxy_header},
    keys::SigningKeys,
    ticket::code::{Claims, CodeFault, TicketKeys, TicketVerifier, sign, verify},
    venue::plan::{FAULTS_MAX, ImportOptions, PLACES_MAX, Plan},
};
use uuid::Uuid;

/// A fuzz target. Takes arbitrary bytes and panics if its property fails.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("guard", guard),
    ("variables", variables),
    ("websocket", websocket),
    ("seat_map", seat_map),
    ("coupon_csv", coupon_csv),
    ("ticket_code", ticket_code),
    ("proxy", proxy),
    ("recurrence", recurrence),
];

/// Document guard: the gates terminate on every text, and give the same decision twice. The reason of a refusal may
/// depend on the order in which fragments are visited. A document that the scanner refuses is never admitted.
pub fn guard(data: &[u8]) {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    let Ok(text) = str::from_utf8(data) else { return };
    let guard = GUARD.get_or_init(|| Guard::new(&graphql::sdl()));
    let verdict = guard.admits(text, None);
    assert_eq!(verdict.is_ok(), guard.admits(text, None).is_ok(), "the verdict changed");
    if tessera::http::guard::scan(text).is_err() {
        assert!(verdict.is_err(), "admitted although the scanner refuses it");
    }
    if let Err(refusal) = &verdict {
        assert!(!refusal.message.contains("src/"), "{refusal:?}");
    }
}

/// Recurrence rules: every text is read or refused, with a reason that does not repeat all of it. The expansion of a rule
/// ends, its times ascend from the start, and a repeated expansion has the same ones.
pub fn recurrence(data: &[u8]) {
    const TIMES: usize = 500;
    let Ok(text) = str::from_utf8(data) else { return };
    let rule: Rule = match text.parse() {
        Ok(rule) => rule,
        Err(reason) => return assert!(reason.0.len() < 200, "{reason:?}"),
    };
    let start = DateTime::UNIX_EPOCH.naive_utc() + Duration::days(20_878) + Duration::hours(20);
    let times: Vec<_> = Occurrences::new(&rule, start).take(TIMES).collect();
    assert!(times.first().is_none_or(|first| *first >= start), "{text}: {:?}", times.first());
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{text}: {times:?}");
    assert!(times.iter().copied().eq(Occurrences::new(&rule, start).take(TIMES)), "{text}");
}

/// Client addresses from proxies: parsing a PROXY header consumes nothing after it. The address that a trusted proxy
/// appends is found, regardless of the entries to its left. Headers from other peers are ignored.
pub fn proxy(data: &[u8]) {
    if let Some((address, rest)) = proxy_header(data) {
        let read = data.len() - rest.len();
        let more = [&data[..read], b"GET / HTTP/1.1"].concat();
        assert_eq!(proxy_header(&more), Some((address, &b"GET / HTTP/1.1"[..])), "it read on");
        assert_eq!(proxy_header(&data[..read - 1]), None, "it does not miss a byte");
    }
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').take(8).collect();
    let (proxy, stranger) =
        (IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)));
    for (name, forged) in [("x-forwarded-for", &b"203.0.113.9"[..]), ("forwarded", b"for=203.0.113.9")] {
        let Some(client) = client_address(proxy, name, &lines) else { continue };
        assert_eq!(client_address(stranger, name, &lines), Some(stranger), "a stranger is believed");
        let is_proxy = match client {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.octets()[0] == 0xfd,
        };
        if !is_proxy {
            let left = [&[forged], &lines[..]].concat();
            assert_eq!(
                client_address(proxy, name, &left),
                Some(client),
                "what stands left of a client counts"
            );
        }
    }
}

/// Request parameters: an accepted body has a document or its id. Serialised and parsed again, it gives the same
/// parameters. Decimal numbers may differ in the last bit, because `serde_json` parses them exactly only with a feature
/// that Tessera does not enable.
pub fn variables(data: &[u8]) {
    let Ok(request) = params(data) else { return };
    assert!(!request.query.is_empty() || request.name.is_some(), "a request without a document was accepted");
    let mut body = json!({
        "query": request.query,
        "operationName": request.operation_name,
        "variables": request.variables,
    });
    if let Some((member, value)) = &request.name {
        body[*member] = value.clone();
    }
    let again = params(body.to_string().as_bytes()).expect("its own output is refused");
    assert_eq!(again.query, request.query);
    assert_eq!((again.name, again.operation_name), (request.name, request.operation_name));
    assert!(is_same(&Value::Object(again.variables), &Value::Object(request.variables)), "other variables");
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same =
                |(key, value): (&String, &Value)| other.get(key).is_some_and(|found| is_same(value, found));
            one.len() == other.len() && one.iter().all(same)
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or_default(), other.as_f64().unwrap_or_default());
            (one - other).abs() <= one.abs() * f64::EPSILON * 4.0
        }
        _ => one == other,
    }
}

/// WebSocket messages and session: there is one message per line, and an empty line ends the oldest operation. Every
/// frame is JSON, the number of operations stays within the limit, and nothing follows a close.
pub fn websocket(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut socket = Socket::default();
    for line in text.split('\n').take(2_000) {
        if line.is_empty() {
            if let Some(frames) = socket.finish_oldest() {
                for frame in frames {
                    assert!(serde_json::from_str::<Value>(&frame).is_ok(), "{frame}");
                }
            }
            continue;
        }
        match socket.receive(line) {
            Reply::Closed => return,
            Reply::Frame(frame) => {
                let value: Value = serde_json::from_str(&frame).expect("a frame is JSON");
                assert!(value["type"].is_string(), "{frame}");
            }
            Reply::Nothing => {}
        }
        assert!(socket.is_within_limit(), "too many operations");
    }
}

/// Seat-map import: an accepted plan can be parsed again from its own document, and its labels are distinct. A refusal
/// has 1 to 20 faults.
pub fn seat_map(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match Plan::import(text, ImportOptions { prefix_duplicate_guids: true }) {
        Ok((plan, warnings)) => {
            assert!(warnings.iter().all(|warning| warning.count > 0 && !warning.message().is_empty()));
            let labels: BTreeSet<_> = (0..plan.seats.len()).map(|seat| plan.seat_name(seat)).collect();
            assert_eq!(labels.len(), plan.seats.len(), "a label twice");
            assert!(plan.places() <= PLACES_MAX);
            let again = Plan::parse(&plan.document).expect("its own document is refused");
            assert_eq!(again, plan);
            let drawings = plan.drawings();
            drop(drawings);
            let pretix = plan.for_pretix();
            assert!(serde_json::from_str::<Value>(&pretix).is_ok(), "{pretix}");
        }
        Err(faults) => assert!((1..=FAULTS_MAX).contains(&faults.len()), "{} faults", faults.len()),
    }
}

/// Coupon codes as CSV: an import is all or nothing, its codes are unique, and its export can be imported again.
pub fn coupon_csv(data: &[u8]) {
    match code_list::read(data, &Options::default()) {
        Ok(CodeList { codes, .. }) => {
            assert!((1..=code_list::CODES_MAX).contains(&codes.len()));
            let unique: BTreeSet<&str> = codes.iter().map(|(_, code)| code.as_str()).collect();
            assert_eq!(unique.len(), codes.len(), "a code twice");
            assert!(codes.windows(2).all(|pair| pair[0].0 <= pair[1].0), "lines out of order");
            let rows = codes.iter().map(|(_, code)| [code.as_str()]);
            let header = std::iter::once(["code"]);
            let exported = csv::export(header.chain(rows)).unwrap_or_else(|_| panic!("no export"));
            let again =
                code_list::read(&exported, &Options::default()).expect("its own export is refused").codes;
            assert!(again.iter().map(|(_, code)| code).eq(codes.iter().map(|(_, code)| code)));
        }
        Err(faults) => {
            assert!(faults.count >= faults.reported.len() && !faults.reported.is_empty());
            assert!(faults.reported.len() <= code_list::FAULTS_REPORTED);
        }
    }
    if let Some(code) = str::from_utf8(data).ok().and_then(Code::parse) {
        assert_eq!(Code::parse(&code.to_string()), Some(code.clone()));
        assert_eq!(Code::parse(code.as_str()), Some(code));
    }
}

/// Ticket codes: only the exact signed text is accepted. The bytes are used as text, and as claims that are signed and
/// then altered.
pub fn ticket_code(data: &[u8]) {
    static KEYS: OnceLock<(TicketKeys, TicketVerifier)> = OnceLock::new();
    let (keys, verifier) = KEYS.get_or_init(|| {
        let keys = SigningKeys::generate().expect("no randomness");
        (TicketKeys::new(&keys), TicketVerifier::new(keys.ticket.public()))
    });
    if let Ok(text) = str::from_utf8(data)
        && let Ok(claims) = verify(verifier, text)
    {
        assert_eq!(sign(keys, claims), text.trim().to_ascii_uppercase());
    }
    let Some((head, change)) = data.split_first_chunk::<36>() else { return };
    let part = |from: usize| head[from..from + 16].try_into().map(Uuid::from_bytes).unwrap_or_default();
    let epoch = u32::from_be_bytes([head[32], head[33], head[34], head[35]]);
    let claims = Claims { ticket: part(0), event: part(16), epoch };
    let code = sign(keys, claims);
    assert_eq!(verify(verifier, &code), Ok(claims));
    let [place, byte, ..] = change else { return };
    let mut altered = code.clone().into_bytes();
    let place = usize::from(*place) % altered.len();
    altered[place] = byte & 0x7f;
    let altered = String::from_utf8(altered).unwrap_or_default();
    if altered.trim().to_ascii_uppercase() == code {
        assert_eq!(verify(verifier, &altered), Ok(claims));
    } else {
        let fault = verify(verifier, &altered).expect_err("an altered code was accepted");
        assert!(matches!(fault, CodeFault::Unreadable(_) | CodeFault::Forged));
    }
}

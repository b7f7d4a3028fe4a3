//! A front end that reserves, releases and claims. It builds requests from prepared parts, and scans responses without
//! parsing them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    Outcome,
    http::{Connection, find, finish, post_head},
};

/// The front end's operations.
const RESERVE: &str = "mutation($e:ID!,$s:[ID!]!,$k:String!){reserveSeats(input:{eventId:$e,pick:{seatIds:$s},\
                       idempotencyKey:$k}){reservation{id expiresAt}errors{code}}}";
const RELEASE: &str =
    "mutation($r:ID!){releaseReservation(input:{reservationId:$r}){reservation{id}errors{code}}}";
const CLAIM: &str = "mutation($c:ID!,$k:String!){claimCoupon(input:{couponId:$c,idempotencyKey:$k})\
                     {claim{id code}errors{code}}}";

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The call succeeded.
    Done,
    /// A business rule refused the call: a seat is taken.
    Refused,
    /// The server was overloaded. The call may be repeated with the same key.
    Again,
    /// Any other result, as text.
    Failed(String),
}

/// A connection that several buyers use in turn.
pub(crate) struct Buyer {
    connection: Connection,
    heads: Vec<Vec<u8>>,
    turn: usize,
    request: Vec<u8>,
    body: Vec<u8>,
    reservation: String,
}

/// Generates unique idempotency keys.
#[derive(Debug, Default)]
pub(crate) struct Keys(AtomicU64);

impl Keys {
    /// Returns the next key.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Buyer {
    /// Opens a connection for the buyers with these access tokens.
    pub(crate) async fn connect(address: &str, tokens: &[String]) -> Outcome<Self> {
        if tokens.is_empty() {
            return Err("a connection without buyers".into());
        }
        Ok(Self {
            connection: Connection::open(address).await?,
            heads: tokens.iter().map(|token| post_head(Some(token))).collect(),
            turn: 0,
            request: Vec::with_capacity(2 * 1024),
            body: Vec::with_capacity(1024),
            reservation: String::new(),
        })
    }

    /// Reserves two seats for the next buyer.
    pub(crate) async fn reserve(&mut self, event: &str, seats: &[String], key: u64) -> Outcome<Answer> {
        self.turn = (self.turn + 1) % self.heads.len();
        let [left, right] = seats else { return Err("seats come in pairs".into()) };
        let key = format!("bench-{key:016x}");
        self.body.clear();
        for piece in [
            "{\"query\":\"",
            RESERVE,
            "\",\"variables\":{\"e\":\"",
            event,
            "\",\"s\":[\"",
            left,
            "\",\"",
            right,
            "\"],\"k\":\"",
            &key,
            "\"}}",
        ] {
            self.body.extend_from_slice(piece.as_bytes());
        }
        self.ask().await
    }

    /// Claims a coupon for the next buyer.
    pub(crate) async fn claim(&mut self, coupon: &str, key: u64) -> Outcome<Answer> {
        self.turn = (self.turn + 1) % self.heads.len();
        let key = format!("bench-{key:016x}");
        self.body.clear();
        for piece in
            ["{\"query\":\"", CLAIM, "\",\"variables\":{\"c\":\"", coupon, "\",\"k\":\"", &key, "\"}}"]
        {
            self.body.extend_from_slice(piece.as_bytes());
        }
        self.ask().await
    }

    /// Repeats the last call for the same buyer with the same key.
    pub(crate) async fn repeat(&mut self) -> Outcome<Answer> {
        self.ask().await
    }

    /// Releases the reservation of the last call.
    pub(crate) async fn release(&mut self) -> Outcome<Answer> {
        self.body.clear();
        let reservation = std::mem::take(&mut self.reservation);
        for piece in ["{\"query\":\"", RELEASE, "\",\"variables\":{\"r\":\"", &reservation, "\"}}"] {
            self.body.extend_from_slice(piece.as_bytes());
        }
        self.ask().await
    }

    async fn ask(&mut self) -> Outcome<Answer> {
        self.request.clear();
        self.request.extend_from_slice(&self.heads[self.turn]);
        finish(&mut self.request, &self.body);
        let (status, body) = self.connection.ask(&self.request).await?;
        let answer = verdict(status, body);
        if answer == Answer::Done {
            self.reservation.clear();
            self.reservation.push_str(made(body).unwrap_or_default());
        }
        Ok(answer)
    }
}

fn verdict(status: u16, body: &[u8]) -> Answer {
    if status == 200 && find(body, b"\"errors\":[]").is_some() && made(body).is_some() {
        Answer::Done
    } else if status == 200 && find(body, b"SEATS_TAKEN").is_some() {
        Answer::Refused
    } else if find(body, b"\"retryable\":true").is_some() {
        Answer::Again
    } else {
        Answer::Failed(format!("{status} {}", String::from_utf8_lossy(body)))
    }
}

/// Finds the id of the new reservation or claim in the response.
fn made(body: &[u8]) -> Option<&str> {
    let begin = find(body, b"\"reservation_").or_else(|| find(body, b"\"claim_"))? + 1;
    let length = find(&body[begin..], b"\"")?;
    std::str::from_utf8(&body[begin..begin + length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_classified() {
        let done = br#"{"data":{"reserveSeats":{"reservation":{"id":"reservation_01"},"errors":[]}}}"#;
        assert_eq!(verdict(200, done), Answer::Done);
        assert_eq!(made(done), Some("reservation_01"));
        let claimed = br#"{"data":{"claimCoupon":{"claim":{"id":"claim_01","code":"2345"},"errors":[]}}}"#;
        assert_eq!((verdict(200, claimed), made(claimed)), (Answer::Done, Some("claim_01")));
        let refused = br#"{"data":{"reserveSeats":{"reservation":null,"errors":[{"code":"SEATS_TAKEN"}]}}}"#;
        assert_eq!(verdict(200, refused), Answer::Refused);
        let again = br#"{"data":{"reserveSeats":null},"errors":[{"extensions":{"code":"UNAVAILABLE","retryable":true}}]}"#;
        assert_eq!(verdict(200, again), Answer::Again);
        let failed = br#"{"data":{"reserveSeats":null},"errors":[{"extensions":{"code":"INTERNAL"}}]}"#;
        assert!(matches!(verdict(200, failed), Answer::Failed(text) if text.contains("INTERNAL")));
        assert!(matches!(verdict(503, done), Answer::Failed(_)));
    }
}

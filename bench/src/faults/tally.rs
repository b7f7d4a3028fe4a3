//! The results of clients: acknowledged calls, errors by kind, and the longest time without an acknowledgement.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::caller::{Answer, NO_ANSWER};

/// The kind of a connection that ended without a response.
pub(crate) const CLOSED: &str = "closed";
/// The kind of a response that timed out.
pub(crate) const SILENT: &str = "no answer";

/// Counts of one run.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// The number of acknowledged mutations.
    pub(crate) acknowledged: u64,
    /// Refusals by code. They are results, not errors.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Errors by kind.
    pub(crate) failed: BTreeMap<String, u64>,
    /// The longest time without an acknowledged mutation.
    pub(crate) gap: Duration,
    /// The longest duration of a read of an event's availability.
    pub(crate) slowest_read: Duration,
    last: Instant,
}

/// A response, interpreted by a client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// The `data` of the first field, which has no errors.
    Data(Value),
    /// Refused by a business rule, with this code.
    Refused(String),
    /// The outcome is unknown, so the call is repeated. Contains the kind of the error.
    Failed(String),
}

impl Tally {
    /// Starts counting now.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            acknowledged: 0,
            refused: BTreeMap::new(),
            failed: BTreeMap::new(),
            gap: Duration::ZERO,
            slowest_read: Duration::ZERO,
            last: now,
        }
    }

    /// Counts an acknowledged mutation.
    pub(crate) fn acknowledge(&mut self, now: Instant) {
        self.acknowledged += 1;
        self.end(now);
    }

    /// Ends the current gap.
    pub(crate) fn end(&mut self, now: Instant) {
        self.gap = self.gap.max(now.saturating_duration_since(self.last));
        self.last = self.last.max(now);
    }

    /// Counts a refusal.
    pub(crate) fn refuse(&mut self, code: &str) {
        *self.refused.entry(code.to_owned()).or_default() += 1;
    }

    /// Counts an error.
    pub(crate) fn fail(&mut self, kind: &str) {
        *self.failed.entry(kind.to_owned()).or_default() += 1;
    }
}

/// Interprets the response to a call of one root field.
pub(crate) fn reply(answer: &Answer) -> Reply {
    if answer.status == 0 {
        let kind = if answer.head == NO_ANSWER { SILENT } else { CLOSED };
        return Reply::Failed(kind.to_owned());
    }
    let mut body = answer.json();
    let code = |error: &Value, pointer| error.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    if let Some(error) = body["errors"].as_array().and_then(|errors| errors.first()) {
        return Reply::Failed(
            code(error, "/extensions/code").unwrap_or_else(|| "an error without code".to_owned()),
        );
    }
    let field = body["data"].as_object_mut().and_then(|data| data.values_mut().next().map(Value::take));
    let Some(field) = field else {
        return Reply::Failed(format!("HTTP {} without data", answer.status));
    };
    match field["errors"].as_array().and_then(|errors| errors.first()) {
        Some(error) => Reply::Refused(code(error, "/code").unwrap_or_else(|| "no code".to_owned())),
        None => Reply::Data(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, length: body.len(), body: body.as_bytes().to_vec(), head: String::new() }
    }

    #[test]
    fn responses_are_classified() {
        let failed = |kind: &str| Reply::Failed(kind.to_owned());
        for (status, body, expected) in [
            (200, r#"{"data":{"pay":{"id":1,"errors":[]}}}"#, None),
            (
                200,
                r#"{"data":{"pay":{"errors":[{"code":"SEATS_TAKEN"}]}}}"#,
                Some(Reply::Refused("SEATS_TAKEN".into())),
            ),
            (503, r#"{"errors":[{"extensions":{"code":"UNAVAILABLE"}}]}"#, Some(failed("UNAVAILABLE"))),
            (502, "<html>", Some(failed("HTTP 502 without data"))),
            (0, "", Some(failed(CLOSED))),
        ] {
            let reply = reply(&answer(status, body));
            assert_eq!(matches!(reply, Reply::Data(_)), expected.is_none(), "{body}");
            assert!(expected.is_none_or(|expected| expected == reply), "{body}");
        }
        let silent = Answer { head: NO_ANSWER.to_owned(), ..Answer::default() };
        assert_eq!(reply(&silent), failed(SILENT));
    }

    #[test]
    fn the_longest_gap_counts() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut tally = Tally::new(begun);
        tally.acknowledge(at(10));
        tally.acknowledge(at(500));
        tally.acknowledge(at(510));
        tally.end(at(700));
        assert_eq!((tally.acknowledged, tally.gap), (3, Duration::from_millis(490)));
    }
}

//! The messages of `graphql-transport-ws`, in both directions.

use super::{
    bearer::bearer,
    json::{self, Member},
    params::{Params, find},
};
use axum::extract::ws::Utf8Bytes;
use serde_json::{Map, Value};

/// The name of the sub-protocol.
pub(super) const PROTOCOL: &str = "graphql-transport-ws";
/// Bytes of an operation's id, which the client chooses and the server stores.
const MAX_ID_BYTES: usize = 256;

/// A message from a client.
#[derive(Debug)]
pub(super) enum ClientMessage {
    /// Opens the session, with a token or without.
    Init {
        /// The bearer token.
        token: Option<String>,
    },
    /// Starts an operation.
    Subscribe {
        /// The id that the client chose.
        id: String,
        /// The operation.
        params: Params,
    },
    /// Ends an operation.
    Complete {
        /// The id of the operation.
        id: String,
    },
    /// Requests a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

impl ClientMessage {
    /// Parses a message. The error is the reason for closing the socket. It has at most 123 bytes, the limit of a close
    /// frame.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let Ok(message) = json::members(text) else {
            return Err("A message must be a small JSON object");
        };
        let payload = find(&message, "payload");
        match string(&message, "type").as_deref() {
            Some("connection_init") => Ok(Self::Init { token: token(payload)? }),
            Some("subscribe") => {
                let Some(Ok(payload)) = payload.map(json::members) else {
                    return Err("The payload must be an object");
                };
                let params = Params::from_members(&payload)
                    .map_err(|_| "The payload needs a query, and objects for variables and extensions")?;
                Ok(Self::Subscribe { id: id(&message)?, params })
            }
            Some("complete") => Ok(Self::Complete { id: id(&message)? }),
            Some("ping") => Ok(Self::Ping),
            Some("pong") => Ok(Self::Pong),
            Some(_) | None => Err("Unknown message type"),
        }
    }
}

fn string(message: &[Member<'_>], name: &str) -> Option<String> {
    serde_json::from_str(find(message, name)?).ok()
}

fn id(message: &[Member<'_>]) -> Result<String, &'static str> {
    match string(message, "id") {
        Some(id) if id.is_empty() || id.len() > MAX_ID_BYTES => Err("The id has a wrong length"),
        Some(id) => Ok(id),
        None => Err("The id must be a string"),
    }
}

/// Finds the token in the payload of `connection_init`: `{"Authorization": "Bearer …"}` in any case, the same inside
/// `headers`, or `{"token": "…"}`.
fn token(payload: Option<&str>) -> Result<Option<String>, &'static str> {
    let payload: Map<String, Value> = match payload {
        None | Some("null") => return Ok(None),
        Some(payload) => serde_json::from_str(payload).map_err(|_| "The payload must be an object")?,
    };
    if let Some(Value::String(token)) = payload.get("token") {
        return Ok(Some(token.clone()));
    }
    let nested = payload.get("headers").and_then(Value::as_object);
    let given = authorization(&payload).or_else(|| nested.and_then(authorization));
    // Another scheme is refused as a bad token. Otherwise its sender would be anonymous.
    Ok(given.map(|value| bearer(value).unwrap_or(value).to_owned()))
}

fn authorization(members: &Map<String, Value>) -> Option<&str> {
    members
        .iter()
        .find(|(name, value)| name.eq_ignore_ascii_case("authorization") && value.is_string())
        .and_then(|(_, value)| value.as_str())
}

/// Returns the acknowledgement of `connection_init`.
pub(super) fn ack() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"type":"connection_ack"}"#)
}

/// Returns the answer to a ping. It does not repeat the payload, which could be large.
pub(super) fn pong() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"type":"pong"}"#)
}

/// Returns the end of an operation.
pub(super) fn complete(id: &str) -> Utf8Bytes {
    format!(r#"{{"id":{},"type":"complete"}}"#, quoted(id)).into()
}

/// Returns a result. `payload` is serialised JSON, which many subscribers may share.
pub(super) fn next(id: &str, payload: &str) -> Utf8Bytes {
    around(id, "next", payload)
}

/// Returns the approximate size of the frame with a payload.
pub(super) fn size(id: &str, payload: &str) -> usize {
    payload.len() + id.len() + r#"{"id":"","type":"next","payload":}"#.len()
}

/// Returns the refusal of an operation, which ends it. `errors` is a JSON list.
pub(super) fn error(id: &str, errors: &str) -> Utf8Bytes {
    around(id, "error", errors)
}

fn around(id: &str, kind: &str, payload: &str) -> Utf8Bytes {
    let id = quoted(id);
    let parts = ["{\"id\":", &id, ",\"type\":\"", kind, "\",\"payload\":", payload, "}"];
    parts.concat().into()
}

fn quoted(id: &str) -> String {
    Value::from(id).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_found_in_all_common_places() {
        let cases = [
            (r#"{"type":"connection_init"}"#, Ok(None)),
            (r#"{"type":"connection_init","payload":null}"#, Ok(None)),
            (r#"{"type":"connection_init","payload":{"x":1}}"#, Ok(None)),
            (r#"{"type":"connection_init","payload":{"Authorization":"Bearer t"}}"#, Ok(Some("t"))),
            (r#"{"type":"connection_init","payload":{"authorization":"bearer t"}}"#, Ok(Some("t"))),
            (
                r#"{"type":"connection_init","payload":{"headers":{"AUTHORIZATION":"Bearer t"}}}"#,
                Ok(Some("t")),
            ),
            (r#"{"type":"connection_init","payload":{"token":"t"}}"#, Ok(Some("t"))),
            (
                r#"{"type":"connection_init","payload":{"Authorization":"Basic dTpw"}}"#,
                Ok(Some("Basic dTpw")),
            ),
            (r#"{"type":"connection_init","payload":7}"#, Err("The payload must be an object")),
        ];
        for (text, expected) in cases {
            let found = ClientMessage::parse(text).map(|message| {
                let ClientMessage::Init { token } = message else { panic!("{message:?}") };
                token
            });
            assert_eq!(found, expected.map(|token| token.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn every_reason_fits_a_close_frame() {
        let long = format!(r#"{{"type":"complete","id":"{}"}}"#, "x".repeat(257));
        let cases = [
            "",
            "[]",
            "7",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"foo"}"#,
            r#"{"type":"subscribe"}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":7}}"#,
            r#"{"type":"complete","id":7}"#,
            &long,
        ];
        for text in cases {
            assert!(ClientMessage::parse(text).unwrap_err().len() <= 123, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_falter(text in ".{0,200}", kind in "(connection_init|subscribe|complete|ping)") {
            let _ = ClientMessage::parse(&text);
            let _ = ClientMessage::parse(&format!(r#"{{"type":"{kind}","id":{text:?},"payload":{text}}}"#));
        }
    }

    #[test]
    fn frames_are_json_whatever_the_id() {
        let id = "a\"\\\u{1}ü";
        for (frame, kind) in
            [(next(id, "{\"data\":1}"), "next"), (error(id, "[]"), "error"), (complete(id), "complete")]
        {
            let value: Value = serde_json::from_str(&frame).unwrap();
            assert_eq!((value["id"].as_str(), value["type"].as_str()), (Some(id), Some(kind)));
        }
    }
}

//! The text of an event stream: results, refusals and the end of an operation as Server-Sent Events.
//!
//! Invariant: pure. Payloads are JSON without line breaks, so each is one `data` line.

use std::fmt::Write;

use super::{
    answer,
    guard::Refusal,
    queue::{Frame, Queued},
};

/// A comment that keeps an idle connection alive. Clients ignore it.
pub(super) const KEEP_ALIVE_COMMENT: &str = ":\n\n";
/// The end of an operation. A browser's `EventSource` delivers only events with a `data` line, so this has an empty one.
const COMPLETE: &str = "event: complete\ndata:\n\n";

/// Appends the frames of operations that are not stopped. Returns whether the stream is complete.
pub(super) fn write(text: &mut String, frames: &[Queued]) -> bool {
    let mut is_last = false;
    for queued in frames.iter().filter(|queued| queued.is_wanted()) {
        is_last |= append(text, queued.frame());
    }
    is_last
}

/// Returns the complete stream of an operation that is refused.
pub(super) fn refused(refusal: &Refusal) -> String {
    let mut text = String::new();
    let errors = answer::errors(refusal).to_string();
    append(&mut text, &Frame::Error("".into(), errors.into()));
    text
}

/// Appends a frame. Returns whether it is the last one of the operation.
fn append(text: &mut String, frame: &Frame) -> bool {
    let mut next = |version: Option<i64>, parts: [&str; 3]| {
        text.push_str("event: next\n");
        if let Some(version) = version {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "id: {version}");
        }
        text.push_str("data: ");
        text.extend(parts);
        text.push_str("\n\n");
    };
    match frame {
        Frame::Next(_, payload, version) => {
            next(*version, [payload, "", ""]);
            false
        }
        Frame::Error(_, errors) => {
            next(None, ["{\"errors\":", errors, "}"]);
            text.push_str(COMPLETE);
            true
        }
        Frame::Complete(_) => {
            text.push_str(COMPLETE);
            true
        }
        // Messages of the WebSocket protocol, which event streams do not use.
        Frame::Text(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: &Frame) -> (String, bool) {
        let mut text = String::new();
        let is_last = append(&mut text, frame);
        (text, is_last)
    }

    #[test]
    fn results_carry_their_version_and_the_end_has_an_empty_data_line() {
        let cases = [
            (
                Frame::Next("".into(), "{\"data\":null}".into(), None),
                "event: next\ndata: {\"data\":null}\n\n",
                false,
            ),
            (
                Frame::Next("".into(), "{\"data\":1}".into(), Some(43)),
                "event: next\nid: 43\ndata: {\"data\":1}\n\n",
                false,
            ),
            (
                Frame::Error("".into(), "[{\"message\":\"no\"}]".into()),
                "event: next\ndata: {\"errors\":[{\"message\":\"no\"}]}\n\nevent: complete\ndata:\n\n",
                true,
            ),
            (Frame::Complete("".into()), "event: complete\ndata:\n\n", true),
        ];
        for (frame, expected, is_last) in cases {
            assert_eq!(text(&frame), (expected.to_owned(), is_last));
        }
    }
}

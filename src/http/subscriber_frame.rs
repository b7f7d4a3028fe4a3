//! The frames that end an operation of a socket.

use super::{
    answer,
    guard::Refusal,
    queue::{Frame, MAX_PAYLOAD_BYTES, Sender},
    session::Operation,
};
use crate::graphql::code::ApiCode;
use std::sync::Arc;

/// Sends the operation's last frame, unless the client has completed it already.
pub(super) async fn end(operation: &Operation, sender: &Sender, last: Frame) {
    // Free the id before the last frame is sent: the client may reuse it immediately.
    if operation.finish() {
        tokio::select! {
            biased;
            () = operation.stop().cancelled() => {}
            _ = sender.push(last, None) => {}
        }
    }
}

/// Returns the frame that refuses an operation.
pub(super) fn refused(id: &Arc<str>, refusal: &Refusal) -> Frame {
    Frame::Error(id.clone(), answer::errors(refusal).to_string().into())
}

/// Returns a refusal if the payload is too large.
pub(super) fn too_large(payload: &str) -> Option<Refusal> {
    let message = "The result is too large for a socket. Request less, or use HTTP.";
    (payload.len() > MAX_PAYLOAD_BYTES).then(|| Refusal::new(ApiCode::ResponseTooLarge, message))
}

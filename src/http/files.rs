//! Transfers of code lists: admission, and a download at the client's speed.

use std::{io, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use entity::ShopId;
use futures_util::stream;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{answer, body::streamed};
use crate::{
    app::App,
    coupon::export::Export,
    graphql::code::ApiCode,
    telemetry::log_fault,
    transfer_slots::{Busy, TransferPermit},
};

/// The `Retry-After` header of a refusal, in seconds.
const RETRY_AFTER: &str = "5";
/// The longest time that a client may take for one part of a file.
const STALL: Duration = Duration::from_secs(30);
/// The longest time for a whole file. Even a slow connection transfers a million codes in it.
const TOTAL: Duration = Duration::from_mins(10);

/// Takes a transfer slot for the shop, or returns the response that refuses the transfer.
pub(super) fn admit(app: &App, shop: ShopId) -> Result<TransferPermit, Box<Response>> {
    app.coupon.transfer_slots.acquire(shop).map_err(|busy| {
        Box::new(match busy {
            Busy::Server => {
                let message = "The server has too many transfers in progress. Try again later.";
                later(StatusCode::SERVICE_UNAVAILABLE, ApiCode::Overloaded, message)
            }
            Busy::Shop => {
                let message = "The shop has another transfer in progress. Try again when it is finished.";
                later(StatusCode::TOO_MANY_REQUESTS, ApiCode::TooManyRequests, message)
            }
        })
    })
}

fn later(status: StatusCode, code: ApiCode, message: &'static str) -> Response {
    let mut response = answer::refused(status, code, message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}

/// A part of a download.
enum Part {
    Bytes(Vec<u8>),
    /// The file is complete.
    End,
}

/// Sends a file part by part, as fast as the client reads. If the client is too slow or the rest cannot be read, the
/// transfer is aborted: a client never takes an incomplete file for a complete one.
pub(super) fn stream_export(app: &App, mut export: Export, permit: TransferPermit) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    let reader = app.clone();
    app.spawn(async move {
        let end = Instant::now() + TOTAL;
        loop {
            let part = tokio::select! {
                () = reader.drained.cancelled() => return,
                () = sleep_until(end) => return,
                part = export.part(&reader) => part,
            };
            let part = match part {
                Ok(Some(bytes)) => Part::Bytes(bytes),
                Ok(None) => break,
                Err(fault) => {
                    log_fault!(&fault, "an export of codes was aborted");
                    return;
                }
            };
            if !matches!(timeout(STALL, sender.send(part)).await, Ok(Ok(()))) {
                return;
            }
        }
        drop(permit);
        let _ = timeout(STALL, sender.send(Part::End)).await;
    });
    let parts = stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver: mpsc::Receiver<Part> = receiver?;
        match receiver.recv().await {
            Some(Part::Bytes(bytes)) => Some((Ok(Bytes::from(bytes)), Some(receiver))),
            Some(Part::End) => None,
            None => Some((Err(io::Error::other("the export was aborted")), None)),
        }
    });
    streamed(parts)
}

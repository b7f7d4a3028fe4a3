//! Files of codes, in and out: whose turn it is, and how a file is given out as fast as it is taken.

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

use super::answer;
use crate::{
    app::App,
    coupon::{
        export::Export,
        turns::{NoTurn, Turn},
    },
    telemetry::log_fault,
};

/// After how many seconds to come back.
const RETRY_AFTER: &str = "5";
/// How long a reader may take for one part of a file.
const STALL: Duration = Duration::from_secs(30);
/// How long a reader may take for a whole file: a million codes in this time is a slow connection.
const TOTAL: Duration = Duration::from_mins(10);

/// The shop's turn, or the answer that tells it to come back.
pub(super) fn admit(app: &App, shop: ShopId) -> Result<Turn, Box<Response>> {
    app.turns.begin(shop).map_err(|why| {
        Box::new(match why {
            NoTurn::Full => {
                let message = "Too many files are going in and out; come back later.";
                later(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", message)
            }
            NoTurn::ShopIsBusy => {
                let message = "Another file of this shop is on its way; come back when it is through.";
                later(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", message)
            }
        })
    })
}

fn later(status: StatusCode, code: &'static str, message: &'static str) -> Response {
    let mut response = answer::refused(status, code, message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}

/// A part of a file on its way out.
enum Part {
    Bytes(Vec<u8>),
    /// All of it was told.
    End,
}

/// Gives a file out as fast as it is taken, part by part. A reader who takes too long for one, and one for whom the rest
/// cannot be read, see the transfer break off: a file is never shorter than it should be without being seen to be.
pub(super) fn give_out(app: &App, mut export: Export, turn: Turn) -> Body {
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
                    log_fault!(&fault, "codes could not be given out to their end");
                    return;
                }
            };
            if !matches!(timeout(STALL, sender.send(part)).await, Ok(Ok(()))) {
                return;
            }
        }
        drop(turn);
        let _ = timeout(STALL, sender.send(Part::End)).await;
    });
    Body::from_stream(stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver: mpsc::Receiver<Part> = receiver?;
        match receiver.recv().await {
            Some(Part::Bytes(bytes)) => Some((Ok(Bytes::from(bytes)), Some(receiver))),
            Some(Part::End) => None,
            None => Some((Err(io::Error::other("the file broke off")), None)),
        }
    }))
}

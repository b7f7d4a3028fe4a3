//! How many files go in and out at once: of one shop one, and few altogether. What is more is refused before anything is
//! done for it, with a time to come back at.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use entity::ShopId;
use futures_util::stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, sleep_until, timeout},
};

use super::answer;
use crate::{app::App, coupon::export::Export};

/// Files at a time, of all shops.
const FILES_MAX: usize = 4;
/// After how many seconds to come back.
const RETRY_AFTER: &str = "5";
/// How long a reader may take for one part of a file.
const STALL: Duration = Duration::from_secs(30);
/// How long a reader may take for a whole file: a million codes in this time is a slow connection.
const TOTAL: Duration = Duration::from_mins(10);

/// The places for files. All clones are the same one.
#[derive(Clone)]
pub(super) struct Files {
    all: Arc<Semaphore>,
    busy: Arc<Mutex<HashSet<ShopId>>>,
}

impl Default for Files {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(FILES_MAX)), busy: Arc::default() }
    }
}

/// A shop's turn; it ends when this is dropped.
pub(super) struct Turn {
    shop: ShopId,
    busy: Arc<Mutex<HashSet<ShopId>>>,
    _place: OwnedSemaphorePermit,
}

impl Files {
    /// Gives the shop its turn, or the answer that tells it to come back. Never waits.
    pub(super) fn admit(&self, shop: ShopId) -> Result<Turn, Box<Response>> {
        let Ok(place) = self.all.clone().try_acquire_owned() else {
            let message = "Too many files are going in and out; come back later.";
            return Err(later(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", message).into());
        };
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(shop) {
            let message = "Another file of this shop is on its way; come back when it is through.";
            return Err(later(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", message).into());
        }
        Ok(Turn { shop, busy: self.busy.clone(), _place: place })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.shop);
    }
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
                    tracing::error!(?fault, "codes could not be given out to their end");
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_shop_has_one_turn_at_a_time_and_all_have_few() {
        let files = Files::default();
        let shop = |number: u128| ShopId(Uuid::from_u128(number));
        let status = |number| files.admit(shop(number)).err().map(|answer| answer.status().as_u16());
        let first = files.admit(shop(0)).ok();
        assert_eq!(status(0), Some(429));
        let others: Vec<Turn> = (1..4).filter_map(|number| files.admit(shop(number)).ok()).collect();
        assert_eq!(others.len(), 3);
        assert_eq!(status(9), Some(503));
        assert_eq!(files.admit(shop(9)).err().expect("refused").headers()[header::RETRY_AFTER], "5");
        drop(first);
        assert_eq!(status(9), None, "its place is free");
        assert_eq!(status(1), Some(429));
        drop(others);
        assert_eq!(status(1), None);
    }
}

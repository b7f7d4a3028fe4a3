//! The versions that an operation reads, shared between its resolvers and the code that runs it.
//!
//! A [shared operation](super::cacheability::shared) is executed once for many clients. Its caller adds a [`Progress`]
//! to the request. The resolver of a versioned stream reads from it where to begin and end, and records the versions
//! that each message covers. A stream is polled for one message at a time, so the last record belongs to the last
//! payload. The resolvers of a query record the source of their answer.
//!
//! Nothing here depends on seats: any stream of an inventory's changes can be shared in this way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entity::InventoryId;

use crate::inventory::feed::Message;

/// The record of what an operation read. All clones share it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    window: Option<Window>,
    span: Option<Span>,
    source: Source,
}

/// Which part of a stream is requested. It overrides the document's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// A snapshot, then all changes.
    Whole,
    /// All changes after this version.
    After(i64),
    /// One message from the first version to the second, or, if that is impossible, a snapshot that is not older.
    Between(i64, i64),
}

/// The versions that a message covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The version that the message follows. `None` for a snapshot.
    pub after: Option<i64>,
    /// The version after the message.
    pub version: i64,
}

impl Span {
    /// Returns the span of a message of an inventory's feed.
    pub fn of(message: &Message) -> Self {
        match message {
            Message::Snapshot(all) => Self { after: None, version: all.version },
            Message::Delta(delta) => Self { after: Some(delta.after), version: delta.version },
        }
    }
}

/// The source of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// No source was recorded.
    #[default]
    Nothing,
    /// One inventory at this version, and immutable data.
    Inventory(InventoryId, i64),
    /// Any other data. The answer is valid for this request only.
    Other,
}

impl Progress {
    /// Creates the record for a stream with this window.
    pub fn of(window: Window) -> Self {
        Self(Arc::new(Mutex::new(Inner { window: Some(window), ..Inner::default() })))
    }

    /// Returns the requested part of the stream. `None` means that the arguments apply.
    pub fn window(&self) -> Option<Window> {
        self.inner().window
    }

    /// Records the span of the next payload.
    pub fn record(&self, span: Span) {
        self.inner().span = Some(span);
    }

    /// Takes the span of the last payload, if one was recorded. Call it once per payload.
    pub fn take(&self) -> Option<Span> {
        self.inner().span.take()
    }

    /// Records that a part of the answer was read from this inventory at this version.
    pub fn read(&self, inventory: InventoryId, version: i64) {
        let mut inner = self.inner();
        let one = Source::Inventory(inventory, version);
        inner.source = match inner.source {
            Source::Nothing => one,
            same if same == one => same,
            Source::Inventory(..) | Source::Other => Source::Other,
        };
    }

    /// Records that a part of the answer depends on the viewer or on unpublished data.
    pub fn read_other(&self) {
        self.inner().source = Source::Other;
    }

    /// Returns the source of the whole answer.
    pub fn source(&self) -> Source {
        self.inner().source
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn answers_from_several_sources_are_not_shared() {
        let [a, b] = [1, 2].map(|number| InventoryId(Uuid::from_u128(number)));
        let source = |reads: &[(InventoryId, i64)]| {
            let progress = Progress::default();
            for &(inventory, version) in reads {
                progress.read(inventory, version);
            }
            progress.source()
        };
        assert_eq!(source(&[]), Source::Nothing);
        assert_eq!(source(&[(a, 3), (a, 3)]), Source::Inventory(a, 3));
        assert_eq!(source(&[(a, 3), (a, 4)]), Source::Other);
        assert_eq!(source(&[(a, 3), (b, 3), (a, 3)]), Source::Other);
        let progress = Progress::default();
        progress.read_other();
        progress.read(a, 3);
        assert_eq!(progress.source(), Source::Other, "`Other` is final");
    }
}

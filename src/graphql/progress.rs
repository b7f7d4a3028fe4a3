//! What resolvers and whoever runs an operation tell one another about versions.
//!
//! An operation that is [public](super::public) may be run once for many. Whoever does so gives the request a
//! [`Progress`]. The resolver of a versioned stream asks it where to begin and to end, and says which versions each of its
//! messages covers; a stream is pulled one message at a time, so what was said last belongs to the payload that came last.
//! The resolvers of a query say what their answer was read from.
//!
//! Nothing here is about seats: any stream of an inventory's changes can be shared so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entity::InventoryId;

use crate::inventory::feed::Message;

/// Given with a request; all clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    window: Option<Window>,
    span: Option<Span>,
    source: Source,
}

/// Which part of a stream is wanted, whatever the document's arguments say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// A snapshot, then everything.
    Whole,
    /// Everything after this version.
    After(i64),
    /// One message that leads from this version to that one, or, where that is not possible, a snapshot that is not older.
    Between(i64, i64),
}

/// The versions that a message covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The version that it follows; none for a snapshot, which follows nothing.
    pub after: Option<i64>,
    /// The version that it leads to.
    pub version: i64,
}

impl Span {
    /// What a message of an inventory's feed covers.
    pub fn of(message: &Message) -> Self {
        match message {
            Message::Snapshot(all) => Self { after: None, version: all.version },
            Message::Delta(delta) => Self { after: Some(delta.after), version: delta.version },
        }
    }
}

/// What an answer was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nothing that has said so.
    #[default]
    Nothing,
    /// One inventory at this version, and what never changes.
    Inventory(InventoryId, i64),
    /// Anything else: the answer is good for this request alone.
    Other,
}

impl Progress {
    /// For a stream of which this part is wanted.
    pub fn of(window: Window) -> Self {
        Self(Arc::new(Mutex::new(Inner { window: Some(window), ..Inner::default() })))
    }

    /// Which part of the stream is wanted; none: what the arguments say.
    pub fn window(&self) -> Option<Window> {
        self.inner().window
    }

    /// The next payload covers this.
    pub fn tell(&self, span: Span) {
        self.inner().span = Some(span);
    }

    /// What the last payload covers, if it has said so. Asked once for each payload.
    pub fn take(&self) -> Option<Span> {
        self.inner().span.take()
    }

    /// A part of the answer was read from this inventory at this version.
    pub fn read(&self, inventory: InventoryId, version: i64) {
        let mut inner = self.inner();
        let one = Source::Inventory(inventory, version);
        inner.source = match inner.source {
            Source::Nothing => one,
            same if same == one => same,
            Source::Inventory(..) | Source::Other => Source::Other,
        };
    }

    /// A part of the answer depends on something else: on who asks, or on what is not published.
    pub fn read_other(&self) {
        self.inner().source = Source::Other;
    }

    /// What the whole answer was read from.
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
    fn an_answer_of_two_versions_or_of_anything_else_belongs_to_one_request() {
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
        assert_eq!(progress.source(), Source::Other, "once it is, it stays");
    }
}

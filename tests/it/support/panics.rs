//! Panics of servers under test. A panic fails its test, even if the server contains it or nobody awaits its task.

use std::{
    io::{BufRead, BufReader, Read},
    panic,
    sync::{Arc, Mutex, Once, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::runtime::{Handle, Id};

/// The panics of this process so far, each with the runtime of its thread.
static SEEN: Mutex<Vec<(Option<Id>, String)>> = Mutex::new(Vec::new());

/// Starts to record panics. Threads without a runtime are left out: they belong to the test itself.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Ok(handle) = Handle::try_current() {
                // A server's runtime for low-priority work is not the test's.
                let is_shared = thread::current().name().is_some_and(|name| name.starts_with("tessera-"));
                let runtime = (!is_shared).then(|| handle.id());
                SEEN.lock().unwrap_or_else(PoisonError::into_inner).push((runtime, info.to_string()));
            }
            report(info);
        }));
    });
}

/// Returns the panics of the runtime, and those of servers' runtimes that several tests may share.
pub(crate) fn of(runtime: Id) -> Vec<String> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.iter().filter(|(id, _)| id.is_none_or(|id| id == runtime)).map(|(_, text)| text.clone()).collect()
}

/// Reads the standard error of a child process until its end, and repeats it.
#[derive(Debug)]
pub(crate) struct Watcher {
    panics: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts to read.
    pub(crate) fn of(log: impl Read + Send + 'static) -> Self {
        let panics = Arc::<Mutex<Vec<String>>>::default();
        let found = panics.clone();
        let reader = thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                eprintln!("{line}");
                if line.contains("panicked at") {
                    found.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            }
        });
        Self { panics, reader: Some(reader) }
    }

    /// Waits for the end of the output. Panics if the process did, unless the test fails already.
    pub(crate) fn judge(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        drop(reader.join());
        let panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(panics.is_empty() || thread::panicking(), "a server panicked: {panics:?}");
    }
}

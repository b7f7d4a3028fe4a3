//! Async work from synchronous places: fixtures are made lazily inside `OnceLock`s and dropped in `Drop`.
//!
//! Invariant: nothing made on this runtime outlives the call, for the runtime ends with it.

use std::panic::resume_unwind;
use std::thread;

/// Runs async work to its end on a thread with a runtime of its own, whatever runtime the caller is in.
///
/// A panic of the work is the caller's panic.
pub(crate) fn block_on<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    let run = || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work()),
        Err(error) => panic!("cannot start a runtime: {error}"),
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

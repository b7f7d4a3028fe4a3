//! Runs asynchronous code from synchronous code, such as `OnceLock` initialisers and `Drop`.
//!
//! Invariant: nothing created on this runtime outlives the call, because the runtime ends with it.

use std::panic::resume_unwind;
use std::thread;

/// Runs the future to completion on a new thread with its own runtime. The caller may be inside another runtime.
///
/// A panic of the future becomes a panic of the caller.
pub(crate) fn block_on<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    let run = || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work()),
        Err(error) => panic!("cannot start a runtime: {error}"),
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

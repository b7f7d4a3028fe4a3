//! Runtimes with their own threads, for work that must not delay requests or be delayed by them.

use std::future::Future;

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;

/// Niceness of low-priority threads: under load they get about a third of the processor time.
const LOW_PRIORITY_NICENESS: i32 = 5;

/// A runtime with its own threads. If it cannot be created, its tasks run on the caller's runtime.
#[derive(Debug)]
pub(crate) struct DedicatedRuntime(Option<Runtime>);

impl DedicatedRuntime {
    /// Creates a runtime for a few tasks that other tasks wait for.
    pub(crate) fn small(name: &'static str) -> Self {
        Self::build(Builder::new_multi_thread().worker_threads(cores().div_ceil(4)), name)
    }

    /// Creates a runtime for many tasks that can wait. Under load its threads get less processor time than others.
    /// (Only on Linux, where each thread has its own niceness.)
    pub(crate) fn low_priority(name: &'static str) -> Self {
        Self::build(Builder::new_multi_thread().worker_threads(cores()).on_thread_start(lower_priority), name)
    }

    fn build(builder: &mut Builder, name: &'static str) -> Self {
        let runtime = builder.thread_name(name).enable_all().build();
        Self(
            runtime
                .inspect_err(|error| tracing::warn!(%error, name, "cannot create a dedicated runtime"))
                .ok(),
        )
    }

    /// Spawns a task that the tracker waits for.
    pub(crate) fn spawn<F>(&self, tasks: &TaskTracker, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.0 {
            Some(runtime) => tasks.spawn_on(future, runtime.handle()),
            None => tasks.spawn(future),
        }
    }
}

impl Drop for DedicatedRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Its tasks have ended, or shutdown has aborted them. Blocking is not possible here.
            runtime.shutdown_background();
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

#[cfg(target_os = "linux")]
fn lower_priority() {
    if let Err(error) = rustix::process::nice(LOW_PRIORITY_NICENESS) {
        tracing::warn!(%error, "cannot lower a thread's priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

//! Threads apart from those that serve requests, for work that must not wait behind them, or they behind it.

use std::future::Future;

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;

/// How far the threads of a crowd stand back: a third of the processor's time where others want it too.
const LOW_PRIORITY_NICENESS: i32 = 5;

/// Threads of their own, or those of the caller where none can be had.
#[derive(Debug)]
pub(crate) struct DedicatedRuntime(Option<Runtime>);

impl DedicatedRuntime {
    /// Threads for few tasks that are waited for.
    pub(crate) fn small(name: &'static str) -> Self {
        Self::build(Builder::new_multi_thread().worker_threads(cores().div_ceil(4)), name)
    }

    /// Threads for many tasks that can wait: where the processor is wanted by others, these get less of it. (Only on
    /// Linux, where a thread has a niceness of its own.)
    pub(crate) fn low_priority(name: &'static str) -> Self {
        Self::build(Builder::new_multi_thread().worker_threads(cores()).on_thread_start(lower_priority), name)
    }

    fn build(builder: &mut Builder, name: &'static str) -> Self {
        let runtime = builder.thread_name(name).enable_all().build();
        Self(runtime.inspect_err(|error| tracing::warn!(%error, name, "no threads of their own")).ok())
    }

    /// Spawns a task on them that the tracker waits for.
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
            // Their tasks have ended, or shutdown has cut them off; waiting is not possible here.
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
        tracing::warn!(%error, "a thread cannot stand back");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

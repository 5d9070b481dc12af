//! Threads of lower priority, for work that takes long and that no sender waits for: reads of history, slow scans.
//!
//! On a busy machine, a thread that computes for milliseconds would take the processor from a thread that serves live
//! traffic for a whole time slice of the scheduler. With a lower priority it has what those leave.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, spawn_blocking};

/// The most threads of a process: some of them for long, for the folds of views, the forwarder and readers of the stream.
/// Further work waits in a queue, which the caller bounds.
pub const THREADS_MAX: usize = 24;

/// The nice value of the threads (nice(2)).
pub const NICE: i32 = 10;

/// `None` if it could not be built: the threads of the caller's runtime are used then.
static THREADS: LazyLock<Option<Runtime>> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    // Fails where a system call filter forbids it: the threads work all the same.
    builder.on_thread_start(|| {
        let _ = rustix::process::setpriority_process(None, NICE);
    });
    builder.thread_name("background").max_blocking_threads(THREADS_MAX).build().ok()
});

/// Runs `work` on a thread of lower priority, which may wait for the disk. The end of the process does not wait for it.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match &*THREADS {
        Some(threads) => threads.spawn_blocking(work),
        None => spawn_blocking(work),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn has_a_lower_priority() {
        let own = rustix::process::getpriority_process(None).expect("never fails");
        let there = spawn(|| rustix::process::getpriority_process(None)).await;
        let there = there.expect("no panic").expect("never fails");
        assert_eq!(there, own.max(NICE));
        assert_eq!(rustix::process::getpriority_process(None), Ok(own));
    }
}

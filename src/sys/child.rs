//! Waiting for a command that shares our terminal.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use signal_hook::consts::SIGCHLD;

/// Makes the kernel keep the exit status of children that are started from now on. A daemon may have started
/// us with SIGCHLD ignored, and the kernel then discards it (wait(2)). A handler that does nothing replaces
/// that. execve(2) resets a handler, so a child starts with the default.
///
/// # Errors
/// Those of sigaction(2).
pub fn keep_status() -> io::Result<()> {
    signal_hook::flag::register(SIGCHLD, Arc::new(AtomicBool::new(false))).map(drop)
}

/// What became of a signal that was not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unforwarded {
    /// The child could not be signalled, for example because it changed its user.
    Failed(Signal, Errno),
    /// The child had ended.
    Ended(Signal),
}

/// Forwards signals to a child until [`wait`] reaps it. SIGTERM and SIGHUP, which may be sent to us alone,
/// are passed on. SIGINT and SIGQUIT are dropped: a terminal sends them to the child as well.
#[derive(Debug)]
pub struct Forwarder {
    /// `true` until the child is about to be reaped. While it is locked, the pid is still the child's.
    running: Arc<Mutex<bool>>,
}

impl Forwarder {
    /// Blocks the signals in this thread and in those that it starts from now on, and starts a thread that
    /// receives them. Call it after the child was spawned, because a child inherits what is blocked: a signal
    /// that arrives between the two ends us, and the child runs on.
    /// Signals that the child ignores (nohup(1)) stay ignored. Calls `unforwarded` for each signal that the
    /// child should have had and did not get, and for every signal after its end.
    ///
    /// # Errors
    /// Those of pthread_sigmask(3) and pthread_create(3).
    pub fn start(
        child: &Child,
        unforwarded: impl Fn(Unforwarded) + Send + 'static,
    ) -> io::Result<Self> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        let mut blocked = signals;
        // Its handler would interrupt system calls of other threads.
        blocked.add(Signal::SIGCHLD);
        blocked.thread_block()?;
        let running = Arc::new(Mutex::new(true));
        let (pid, until) = (pid_of(child), Arc::clone(&running));
        thread::Builder::new().name("signals".into()).spawn(move || {
            while let Ok(signal) = signals.wait() {
                let running = until.lock().unwrap_or_else(PoisonError::into_inner);
                if !*running {
                    unforwarded(Unforwarded::Ended(signal));
                } else if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
                    // It may have ended meanwhile, and is then not reaped yet.
                    if let Err(errno) = kill(pid, signal) {
                        unforwarded(Unforwarded::Failed(signal, errno));
                    }
                }
            }
        })?;
        Ok(Self { running })
    }
}

/// Waits for the end of `child` and reaps it. Needs no SIGCHLD, so another thread cannot swallow it.
///
/// # Errors
/// Those of wait(2). [`is_status_lost`] recognizes a process that ignores SIGCHLD, after [`keep_status`]
/// failed: the kernel then discards the status, and only the end of the child can be observed.
pub fn wait(child: &mut Child, forwarder: Option<Forwarder>) -> io::Result<ExitStatus> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    // Any other error is that of the wait below.
    while waitid(Id::Pid(pid_of(child)), flags) == Err(Errno::EINTR) {}
    if let Some(forwarder) = forwarder {
        *forwarder.running.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
    child.wait()
}

/// `true` if the kernel kept no status of the child because SIGCHLD is ignored (wait(2)).
pub fn is_status_lost(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ECHILD as i32)
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

//! Interrupts a waiting command on SIGINT, SIGTERM or SIGHUP.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, shutdown};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The signals that end a command. SIGHUP stays ignored if it is at the start, as with nohup(1).
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// The grace period after the first signal. A command that does not end, for example because stdout blocks,
/// is then killed by the signal, as by a second one.
pub const GRACE: Duration = Duration::from_secs(2);

/// A request to end: by SIGINT, SIGTERM, SIGHUP, or a closed stdout. It wakes [`Interrupt::wait`], and a read from the
/// stream of [`Interrupt::shuts_down`].
#[derive(Clone)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requested: bool,
    /// The stream that a request shuts down.
    stream: Option<OwnedFd>,
}

impl Interrupt {
    /// Handles the signals, which no longer kill the process at once.
    ///
    /// # Errors
    /// Those of sigaction(2) and pthread_create(3).
    pub fn catch() -> io::Result<Self> {
        let own =
            Self { shared: Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() }) };
        let again = Arc::new(AtomicBool::new(false));
        // Registered before the other handler, so that the first signal finds the flag unset.
        let keeps_running = is_hang_up_ignored();
        let caught = SIGNALS.into_iter().filter(|signal| *signal != SIGHUP || !keeps_running);
        let caught: Vec<i32> = caught.collect();
        for signal in caught.iter().copied() {
            register_conditional_default(signal, Arc::clone(&again))?;
        }
        let mut signals = Signals::new(caught)?;
        let theirs = own.clone();
        thread::Builder::new().name("signals".into()).spawn(move || {
            let Some(signal) = signals.forever().next() else { return };
            again.store(true, Ordering::Relaxed);
            theirs.request();
            thread::sleep(GRACE);
            // Kills the process. If it fails, the next signal does.
            let _ = emulate_default_handler(signal);
        })?;
        Ok(own)
    }

    /// Requests the end as well when the reader of `out` closes it: a command that only waits would not
    /// notice.
    ///
    /// # Errors
    /// Those of dup(2) and pthread_create(3).
    pub fn watch_output(&self, out: BorrowedFd<'_>) -> io::Result<()> {
        let (out, own) = (out.try_clone_to_owned()?, self.clone());
        let waiting = thread::Builder::new().name("stdout".into());
        waiting.spawn(move || {
            // poll(2) reports these two even without a requested event.
            let closed = PollFlags::POLLERR | PollFlags::POLLHUP;
            let mut polled = [PollFd::new(out.as_fd(), PollFlags::empty())];
            loop {
                match poll(&mut polled, PollTimeout::NONE) {
                    Ok(_)
                        if polled[0].revents().is_some_and(|events| events.intersects(closed)) =>
                    {
                        return own.request();
                    }
                    Err(Errno::EINTR) => {}
                    // It is not a pipe or a socket.
                    _ => return,
                }
            }
        })?;
        Ok(())
    }

    /// Requests the end, as a signal does.
    pub fn request(&self) {
        let mut state = self.state();
        state.requested = true;
        if let Some(stream) = state.stream.take() {
            // It may be closed already.
            let _ = shutdown(stream.as_raw_fd(), Shutdown::Both);
        }
        self.shared.changed.notify_all();
    }

    /// `true` if the end was requested.
    pub fn requested(&self) -> bool {
        self.state().requested
    }

    /// Sets the stream that a request shuts down, so that a read from it returns. If the end was requested
    /// already, shuts it down now. Replaces an earlier stream.
    ///
    /// # Errors
    /// Those of dup(2) and shutdown(2).
    pub fn shuts_down(&self, stream: &impl AsFd) -> io::Result<()> {
        let stream = stream.as_fd().try_clone_to_owned()?;
        let mut state = self.state();
        if state.requested {
            return Ok(shutdown(stream.as_raw_fd(), Shutdown::Both)?);
        }
        state.stream = Some(stream);
        Ok(())
    }

    /// Waits for `time` or until the end is requested. Returns `true` if it was, now or before.
    pub fn wait(&self, time: Duration) -> bool {
        let waiting = |state: &mut State| !state.requested;
        let waited = self.shared.changed.wait_timeout_while(self.state(), time, waiting);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.requested
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `true` if this process ignores SIGHUP (proc(5)), or if that is unknown.
fn is_hang_up_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let set = set.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    set.is_none_or(|set| (set >> (SIGHUP - 1)) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    const LONG: Duration = Duration::from_secs(60);

    fn uncaught() -> Interrupt {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new() };
        Interrupt { shared: Arc::new(shared) }
    }

    #[test]
    fn wakes_a_read_and_a_wait() {
        let interrupt = uncaught();
        let (mut reader, _writer) = UnixStream::pair().expect("a pair");
        interrupt.shuts_down(&reader).expect("cloned");
        assert!(!interrupt.requested());
        assert!(!interrupt.wait(Duration::ZERO));
        let (reads, waits) = (thread::spawn(move || reader.read(&mut [0])), interrupt.clone());
        let waits = thread::spawn(move || waits.wait(LONG));
        interrupt.request();
        assert_eq!(reads.join().expect("no panic").expect("the end"), 0);
        assert!(waits.join().expect("no panic"));
        assert!(interrupt.requested());
    }

    #[test]
    fn shuts_down_a_stream_set_after_the_request() {
        let interrupt = uncaught();
        interrupt.request();
        let (mut reader, _writer) = UnixStream::pair().expect("a pair");
        interrupt.shuts_down(&reader).expect("shut down");
        assert_eq!(reader.read(&mut [0]).expect("the end"), 0);
    }

    #[test]
    fn wakes_a_tcp_stream() {
        let interrupt = uncaught();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("bound");
        let mut reader = TcpStream::connect(at).expect("listening");
        interrupt.shuts_down(&reader).expect("cloned");
        let reads = thread::spawn(move || reader.read(&mut [0]));
        interrupt.request();
        assert_eq!(reads.join().expect("no panic").expect("the end"), 0);
    }

    #[test]
    fn a_closed_output_is_a_request() {
        let interrupt = uncaught();
        let (reader, writer) = io::pipe().expect("a pipe");
        interrupt.watch_output(writer.as_fd()).expect("a thread");
        assert!(!interrupt.wait(Duration::ZERO));
        drop(reader);
        assert!(interrupt.wait(LONG));
    }
}

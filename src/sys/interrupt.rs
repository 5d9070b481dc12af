//! Ending a command that waits, at the word of its user.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, shutdown};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// SIGHUP is not among them: nohup(1) has it ignored, and it shall stay so.
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// How long a command may take to end by itself. One that cannot, because nobody takes its output, is
/// ended by the signal then, as by a second one.
pub const GRACE: Duration = Duration::from_secs(2);

/// Whether SIGINT or SIGTERM asked the command to end, or the end of its reader. It wakes whatever waits: for a socket,
/// or for time to pass.
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
    /// What the command may be reading from.
    stream: Option<OwnedFd>,
}

impl Interrupt {
    /// From here on the signals no longer end the process at once.
    ///
    /// # Errors
    /// What sigaction(2) and pthread_create(3) say.
    pub fn catch() -> io::Result<Self> {
        let own =
            Self { shared: Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() }) };
        let again = Arc::new(AtomicBool::new(false));
        // Before the other handler: so the first signal finds the flag not set yet.
        for signal in SIGNALS {
            register_conditional_default(signal, Arc::clone(&again))?;
        }
        let mut signals = Signals::new(SIGNALS)?;
        let theirs = own.clone();
        thread::Builder::new().name("signals".into()).spawn(move || {
            let Some(signal) = signals.forever().next() else { return };
            again.store(true, Ordering::Relaxed);
            theirs.request();
            thread::sleep(GRACE);
            // Ends the process; should it fail, there is a next signal.
            let _ = emulate_default_handler(signal);
        })?;
        Ok(own)
    }

    /// From here on it is also a request when nobody can read any more what is written to `out`: a
    /// command that only waits would never notice.
    ///
    /// # Errors
    /// What dup(2) and pthread_create(3) say.
    pub fn when_unread(&self, out: BorrowedFd<'_>) -> io::Result<()> {
        let (out, own) = (out.try_clone_to_owned()?, self.clone());
        let waiting = thread::Builder::new().name("stdout".into());
        waiting.spawn(move || {
            // Asked for nothing, poll(2) still tells of a hangup and an error.
            let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
            let mut polled = [PollFd::new(out.as_fd(), PollFlags::empty())];
            loop {
                match poll(&mut polled, PollTimeout::NONE) {
                    Ok(_) if polled[0].revents().is_some_and(|told| told.intersects(gone)) => {
                        return own.request();
                    }
                    Err(Errno::EINTR) => {}
                    // What cannot be polled is no pipe.
                    _ => return,
                }
            }
        })?;
        Ok(())
    }

    /// Asks the command to end, as a signal does.
    pub fn request(&self) {
        let mut state = self.state();
        state.requested = true;
        if let Some(stream) = state.stream.take() {
            // It may be closed already, and that is as good.
            let _ = shutdown(stream.as_raw_fd(), Shutdown::Both);
        }
        self.shared.changed.notify_all();
    }

    /// Whether the command was asked to end.
    pub fn requested(&self) -> bool {
        self.state().requested
    }

    /// Names the stream that a request shuts down, so that no read from it waits any longer; if the
    /// request has come already, that happens at once. It takes the place of an earlier one.
    ///
    /// # Errors
    /// What dup(2) and shutdown(2) say.
    pub fn wakes(&self, stream: &impl AsFd) -> io::Result<()> {
        let stream = stream.as_fd().try_clone_to_owned()?;
        let mut state = self.state();
        if state.requested {
            return Ok(shutdown(stream.as_raw_fd(), Shutdown::Both)?);
        }
        state.stream = Some(stream);
        Ok(())
    }

    /// Lets time pass, and tells whether the command was asked to end meanwhile or before.
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
    fn a_request_wakes_a_read_and_a_wait() {
        let interrupt = uncaught();
        let (mut reader, _writer) = UnixStream::pair().expect("a pair");
        interrupt.wakes(&reader).expect("cloned");
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
    fn a_stream_that_comes_after_the_request_is_shut_down_too() {
        let interrupt = uncaught();
        interrupt.request();
        let (mut reader, _writer) = UnixStream::pair().expect("a pair");
        interrupt.wakes(&reader).expect("shut down");
        assert_eq!(reader.read(&mut [0]).expect("the end"), 0);
    }

    #[test]
    fn a_tcp_stream_is_woken_as_well() {
        let interrupt = uncaught();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("bound");
        let mut reader = TcpStream::connect(at).expect("listening");
        interrupt.wakes(&reader).expect("cloned");
        let reads = thread::spawn(move || reader.read(&mut [0]));
        interrupt.request();
        assert_eq!(reads.join().expect("no panic").expect("the end"), 0);
    }

    #[test]
    fn the_end_of_the_reader_is_a_request() {
        let interrupt = uncaught();
        let (reader, writer) = io::pipe().expect("a pipe");
        interrupt.when_unread(writer.as_fd()).expect("a thread");
        assert!(!interrupt.wait(Duration::ZERO));
        drop(reader);
        assert!(interrupt.wait(LONG));
    }
}

//! Waiting for file descriptors (poll(2)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Returns `true` once a read from `fd` would not block: input, end of file and an error all count.
/// Waits for that at most `wait`, in whole milliseconds rounded up.
///
/// # Errors
/// Those of poll(2).
pub fn readable(fd: BorrowedFd<'_>, wait: Duration) -> io::Result<bool> {
    match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout(wait)) {
        Ok(ready) => Ok(ready > 0),
        // The caller checks its deadline and polls again.
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A writer that waits where its descriptor is non-blocking, as one that blocks does. The descriptors 0 to 2 are
/// shared with other processes, any of which may have set `O_NONBLOCK`.
#[derive(Debug)]
pub struct Patient<W>(pub W);

impl<W: io::Write + AsFd> io::Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => writable(&self.0)?,
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        loop {
            match self.0.flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => writable(&self.0)?,
                flushed => return flushed,
            }
        }
    }
}

/// Waits until a write would not block: an error counts.
fn writable(fd: &impl AsFd) -> io::Result<()> {
    match poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// There is input, or the end of it.
    Input,
    /// The peer closed its socket, or the connection failed.
    HangUp,
    /// The time is over, or a signal came. Check the deadline and poll again.
    TimedOut,
}

/// Waits until `input` can be read, the peer of `socket` hangs up, or `wait` is over. Bytes that arrive on
/// `socket` stay in the kernel and wake nothing. Without `wait` there is no timeout.
///
/// # Errors
/// Those of poll(2).
pub fn input_or_hang_up(
    input: BorrowedFd<'_>,
    socket: Option<BorrowedFd<'_>>,
    wait: Option<Duration>,
) -> io::Result<Woken> {
    // nix has no name for POLLRDHUP: the peer will send nothing more.
    let hang_up = PollFlags::from_bits_retain(nix::libc::POLLRDHUP);
    let mut polled = vec![PollFd::new(input, PollFlags::POLLIN)];
    polled.extend(socket.map(|socket| PollFd::new(socket, hang_up)));
    match poll(&mut polled, wait.map_or(PollTimeout::NONE, timeout)) {
        Ok(0) | Err(Errno::EINTR) => return Ok(Woken::TimedOut),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let input_ready = polled[0].any().unwrap_or(true);
    Ok(if input_ready { Woken::Input } else { Woken::HangUp })
}

/// Rounded up, so that a wait never ends early and spins.
fn timeout(wait: Duration) -> PollTimeout {
    PollTimeout::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn input_and_end_of_file_are_readable() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let ready = || readable(reader.as_fd(), Duration::ZERO).expect("a pipe");
        assert!(!ready());
        writer.write_all(b"x").expect("written");
        assert!(ready());
        drop(writer);
        assert!(ready());
    }

    /// Polls one end while the other sends bytes and then closes.
    fn hangs_up(socket: &impl AsFd, mut peer: impl io::Write) {
        let (input, _writer) = io::pipe().expect("a pipe");
        let woken = |wait| input_or_hang_up(input.as_fd(), Some(socket.as_fd()), Some(wait));
        assert_eq!(woken(Duration::ZERO).expect("polled"), Woken::TimedOut);
        peer.write_all(b"ERR 77 unasked\n").expect("written");
        assert_eq!(woken(Duration::ZERO).expect("polled"), Woken::TimedOut, "bytes wake nothing");
        drop(peer);
        assert_eq!(woken(LONG).expect("polled"), Woken::HangUp);
    }

    #[test]
    fn a_closed_peer_is_a_hang_up_and_its_bytes_are_not() {
        let (socket, peer) = UnixStream::pair().expect("a pair");
        hangs_up(&socket, peer);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let socket = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        hangs_up(&socket, listener.accept().expect("accepted").0);
    }

    #[test]
    fn the_end_of_the_input_wakes_with_and_without_a_socket() {
        let (socket, _peer) = UnixStream::pair().expect("a pair");
        for socket in [None, Some(socket.as_fd())] {
            let (input, writer) = io::pipe().expect("a pipe");
            drop(writer);
            assert_eq!(
                input_or_hang_up(input.as_fd(), socket, None).expect("polled"),
                Woken::Input
            );
        }
    }
}

//! Waiting for input.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Whether a read from `fd` would return at once, with input, the end of it, or an error. Waits for
/// that at most `wait`, in whole milliseconds rounded up.
///
/// # Errors
/// What poll(2) says.
pub fn readable(fd: BorrowedFd<'_>, wait: Duration) -> io::Result<bool> {
    let millis = wait.as_micros().div_ceil(1000);
    let wait = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], wait) {
        Ok(ready) => Ok(ready > 0),
        // The caller looks at its clock and comes again.
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::fd::AsFd as _;

    #[test]
    fn input_and_its_end_are_both_ready() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let ready = || readable(reader.as_fd(), Duration::ZERO).expect("a pipe");
        assert!(!ready());
        writer.write_all(b"x").expect("written");
        assert!(ready());
        drop(writer);
        assert!(ready());
    }
}

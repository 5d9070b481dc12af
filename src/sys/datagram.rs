//! Datagrams of a Unix socket with verified credentials (unix(7), `SO_PASSCRED`).

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd as _};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixAddr, UnixCredentials, recvmsg, setsockopt, sockopt,
};

/// Makes the kernel attach the sender's credentials to each message that is sent from now on.
///
/// # Errors
/// Those of setsockopt(2).
pub fn pass_credentials(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, sockopt::PassCred, &true)?)
}

/// Receives datagrams.
#[derive(Debug)]
pub struct Receiver {
    /// Room for the credentials and nothing else, so that the kernel discards descriptors that a sender attaches.
    control: Vec<u8>,
}

/// What was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The bytes that were written to the buffer.
    pub length: usize,
    /// The datagram was longer than the buffer.
    pub cut: bool,
    /// Its sender. `None` if the kernel did not identify it, or discarded descriptors.
    pub sender: Option<Sender>,
}

/// The process that sent a datagram, as the kernel verified it. The uid is the real one of the process, or its
/// effective or saved one if it chose that. Root can state any pid and uid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its pid. `None` if the process is in a pid namespace that is not visible from here.
    pub pid: Option<u32>,
    /// Its uid.
    pub uid: u32,
}

impl Default for Receiver {
    fn default() -> Self {
        Self { control: cmsg_space!(UnixCredentials) }
    }
}

impl Receiver {
    /// Receives one datagram without blocking if the socket does not block.
    ///
    /// # Errors
    /// Those of recvmsg(2).
    pub fn receive(&mut self, socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
        let fd = socket.as_fd().as_raw_fd();
        let mut pieces = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<UnixAddr>(fd, &mut pieces, Some(&mut self.control), flags)?;
        // nix reports no control messages if one was discarded.
        let credentials = match message.cmsgs() {
            Ok(mut messages) => messages.find_map(|message| match message {
                ControlMessageOwned::ScmCredentials(credentials) => Some(credentials),
                _ => None,
            }),
            Err(Errno::ENOBUFS) => None,
            Err(error) => return Err(error.into()),
        };
        let sender = credentials.map(|credentials| Sender {
            pid: u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0),
            uid: credentials.uid(),
        });
        let cut = message.flags.contains(MsgFlags::MSG_TRUNC);
        Ok(Received { length: message.bytes, cut, sender })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::IoSlice;
    use std::os::unix::net::UnixDatagram;

    use nix::sys::socket::{ControlMessage, sendmsg};

    fn pair() -> (UnixDatagram, UnixDatagram) {
        let (from, to) = UnixDatagram::pair().expect("a pair");
        pass_credentials(&to).expect("a Unix socket");
        (from, to)
    }

    #[test]
    fn knows_the_sender() {
        let (from, to) = pair();
        let mut buffer = [0; 8];
        from.send(b"hello").expect("sent");
        let received = Receiver::default().receive(&to, &mut buffer).expect("received");
        let sender = Sender { pid: Some(std::process::id()), uid: super::super::users::current() };
        assert_eq!(received, Received { length: 5, cut: false, sender: Some(sender) });
        assert_eq!(&buffer[..5], b"hello");
        from.send(b"much longer").expect("sent");
        let received = Receiver::default().receive(&to, &mut buffer).expect("received");
        assert_eq!(received, Received { length: 8, cut: true, sender: Some(sender) });
        let error = Receiver::default().receive(&to, &mut buffer).expect_err("nothing is left");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn takes_no_descriptors() {
        let (from, to) = pair();
        let open = || std::fs::read_dir("/proc/self/fd").expect("proc").count();
        let descriptors = [from.as_raw_fd(); 8];
        let control = [ControlMessage::ScmRights(&descriptors)];
        let (bytes, none) = ([IoSlice::new(b"take these")], None::<&UnixAddr>);
        sendmsg(from.as_raw_fd(), &bytes, &control, MsgFlags::empty(), none).expect("sent");
        from.send(b"next").expect("sent");
        let (mut receiver, mut buffer) = (Receiver::default(), [0; 16]);
        let before = open();
        let received = receiver.receive(&to, &mut buffer).expect("received");
        assert_eq!(received.sender, None);
        // Other tests open descriptors meanwhile, but not exactly these.
        assert!(open() < before + descriptors.len(), "no descriptor was installed");
        assert!(receiver.receive(&to, &mut buffer).expect("received").sender.is_some());
    }
}

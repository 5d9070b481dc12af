//! The socket for datagrams: always read, because a full queue would block every program that logs there. What it
//! receives goes into a bounded queue for each uid, and is dropped if that is full. A task for each uid takes from it.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::{Notify, watch};

use super::connection::stopped_after;
use crate::agent::limits::Rate;
use crate::agent::limits::turn::Turn;
use crate::diag::{self, Throttle};
use crate::sys::datagram::{Received, Receiver, Sender};
use crate::sys::socket::SocketFile;
use crate::wire::DATAGRAM_MAX;

/// Users whose datagrams are served at the same time. Those of further ones are dropped until a user is idle.
pub const DATAGRAM_USERS_MAX: usize = 64;

/// Bytes of one user's datagrams that may wait or be decoded, each counted with `HEAD_SIZE`. The buffers may be twice
/// as large.
pub const DATAGRAMS_OF_ONE_MAX: usize = 512 << 10;

/// What a datagram counts besides its bytes.
const HEAD_SIZE: usize = size_of::<Head>();

/// Pause after a read that failed for another reason than that nothing was there.
const PAUSE: Duration = Duration::from_millis(100);

/// Minimum interval between two diagnostics about failing reads, and about messages that have no sender.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// The socket, and its file if the agent created it.
pub(crate) struct Door {
    pub(crate) socket: UnixDatagram,
    pub(crate) file: Option<SocketFile>,
}

/// A user whose datagrams are served.
pub(crate) struct User {
    pub(crate) queue: Queue,
    /// Counts what finds no room in the queue.
    pub(crate) refused: Arc<Rate>,
}

/// The sending half of a user's queue. Drop ends the other half once that is empty.
pub(crate) struct Queue(Arc<Shared>);

/// The receiving half of a user's queue.
pub(crate) struct Inbox {
    shared: Arc<Shared>,
    /// What was taken from the queue.
    taken: Messages,
    /// The next message of these.
    next: usize,
    /// Its offset.
    offset: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    waiting: Messages,
    /// The size of what the inbox has taken.
    taken: usize,
    /// The inbox has taken everything and waits for more.
    idle: bool,
    /// One half is gone.
    closed: bool,
}

#[derive(Default)]
struct Messages {
    bytes: Vec<u8>,
    heads: Vec<Head>,
}

#[derive(Clone, Copy)]
struct Head {
    length: usize,
    pid: Option<u32>,
    cut: bool,
}

/// One datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'q> {
    pub(crate) bytes: &'q [u8],
    /// Its end is missing.
    pub(crate) cut: bool,
    pub(crate) pid: Option<u32>,
}

/// The outcome of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queued {
    Done,
    Full,
    Closed,
}

/// Both halves of a queue.
pub(crate) fn queue() -> (Queue, Inbox) {
    let shared = Arc::new(Shared::default());
    (Queue(shared.clone()), Inbox { shared, taken: Messages::default(), next: 0, offset: 0 })
}

impl Messages {
    fn size(&self) -> usize {
        self.bytes.len() + self.heads.len() * HEAD_SIZE
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_one();
    }
}

impl Queue {
    fn push(&self, bytes: &[u8], cut: bool, pid: Option<u32>) -> Queued {
        let mut state = self.0.state();
        if state.closed {
            return Queued::Closed;
        }
        let held = state.taken + state.waiting.size();
        if held + bytes.len() + HEAD_SIZE > DATAGRAMS_OF_ONE_MAX {
            return Queued::Full;
        }
        state.waiting.bytes.extend_from_slice(bytes);
        state.waiting.heads.push(Head { length: bytes.len(), pid, cut });
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.0.arrived.notify_one();
        }
        Queued::Done
    }

    /// `true` if nothing waits and nothing is being decoded.
    fn is_idle(&self) -> bool {
        self.0.state().idle
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Inbox {
    /// Waits until there is a message. `false` if there will be none.
    pub(crate) async fn wait(&mut self) -> bool {
        loop {
            if self.next < self.taken.heads.len() {
                return true;
            }
            let shared = &self.shared;
            {
                let mut state = shared.state();
                if !state.waiting.heads.is_empty() {
                    return true;
                }
                if state.closed {
                    return false;
                }
                (state.idle, state.taken) = (true, 0);
            }
            // An idle user holds no buffer.
            (self.taken, self.next, self.offset) = (Messages::default(), 0, 0);
            shared.arrived.notified().await;
        }
    }

    /// The next message. `None` if none has come.
    pub(crate) fn next(&mut self) -> Option<Message<'_>> {
        if self.next == self.taken.heads.len() {
            self.take();
        }
        let head = *self.taken.heads.get(self.next)?;
        let bytes = &self.taken.bytes[self.offset..][..head.length];
        self.next += 1;
        self.offset += head.length;
        Some(Message { bytes, cut: head.cut, pid: head.pid })
    }

    fn take(&mut self) {
        let mut state = self.shared.state();
        self.taken = std::mem::take(&mut state.waiting);
        state.taken = self.taken.size();
        (self.next, self.offset) = (0, 0);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Reads until the agent stops. `admit` begins to serve a user; `None` if that is not possible now. `refused` counts
/// the datagrams of users who are not served.
///
/// A socket that the agent created then refuses further datagrams, and what it has received is read to the end. An
/// inherited one keeps them for the next agent.
pub(crate) async fn run(
    Door { socket, file }: Door,
    mut stopping: watch::Receiver<bool>,
    refused: Arc<Rate>,
    admit: impl Fn(u32) -> Option<User>,
) {
    let mut reader = Reader {
        receiver: Receiver::default(),
        buffer: vec![0; DATAGRAM_MAX],
        users: HashMap::new(),
        refused,
        admit,
        reports: Throttle::new(REPORT_EVERY),
    };
    loop {
        let ready = tokio::select! {
            biased;
            () = stopped_after(&mut stopping, None) => break,
            ready = socket.readable() => ready,
        };
        if let Err(error) = ready.and_then(|()| reader.read_turn(&socket)) {
            reader.report(format_args!("cannot read datagrams: {error}: trying again"));
            tokio::time::sleep(PAUSE).await;
        }
        tokio::task::yield_now().await;
    }
    if let Some(file) = file {
        // Senders find no socket, and those who are connected get EPIPE and look for it again.
        drop(file);
        let _ = socket.shutdown(Shutdown::Read);
        while reader.read_waiting(&socket).is_ok() {}
    }
    reader.refused.report();
    reader.users.values().for_each(|user| user.refused.report());
}

struct Reader<A> {
    receiver: Receiver,
    buffer: Vec<u8>,
    users: HashMap<u32, User>,
    refused: Arc<Rate>,
    admit: A,
    reports: Throttle,
}

impl<A: Fn(u32) -> Option<User>> Reader<A> {
    /// Reads what is there, for one turn.
    fn read_turn(&mut self, socket: &UnixDatagram) -> io::Result<()> {
        let mut turn = Turn::begin();
        loop {
            match self.read_next(socket) {
                Ok(length) if turn.note(length) => return Ok(()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads one datagram, if one is there. Returns its length.
    fn read_next(&mut self, socket: &UnixDatagram) -> io::Result<usize> {
        socket.try_io(Interest::READABLE, || self.read_waiting(socket))
    }

    /// As [`Self::read_next`], also if the runtime has not heard of the datagram.
    fn read_waiting(&mut self, socket: &UnixDatagram) -> io::Result<usize> {
        let Received { length, cut, sender } = self.receiver.receive(socket, &mut self.buffer)?;
        match sender {
            Some(sender) => self.deliver(length, cut, sender),
            None => {
                self.refused.note_refused();
                self.report(format_args!(
                    "a datagram with descriptors, or without a sender: dropped"
                ));
            }
        }
        Ok(length)
    }

    fn deliver(&mut self, length: usize, cut: bool, Sender { pid, uid }: Sender) {
        // A queue that its task has left is replaced once.
        for _ in 0..2 {
            let Some(user) = self.users.get(&uid) else {
                if self.admit(uid) {
                    continue;
                }
                break;
            };
            match user.queue.push(&self.buffer[..length], cut, pid) {
                Queued::Done => return,
                Queued::Full => return user.refused.note_refused(),
                Queued::Closed => drop(self.users.remove(&uid)),
            }
        }
        self.refused.note_refused();
    }

    /// Begins to serve a user, in the place of an idle one if need be. `false` if there is no place.
    fn admit(&mut self, uid: u32) -> bool {
        if self.users.len() >= DATAGRAM_USERS_MAX {
            let idle = self.users.iter().find(|(_, user)| user.queue.is_idle());
            let Some(idle) = idle.map(|(uid, _)| *uid) else { return false };
            self.users.remove(&idle);
        }
        let Some(user) = (self.admit)(uid) else { return false };
        self.users.insert(uid, user);
        true
    }

    fn report(&mut self, what: std::fmt::Arguments<'_>) {
        if let Some(omitted) = self.reports.pass(Instant::now()) {
            diag::warning(format_args!("{what}{omitted}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
    }

    #[test]
    fn keeps_order_and_senders() {
        let (queue, mut inbox) = queue();
        assert_eq!(inbox.next(), None);
        for (bytes, cut, pid) in [(&b"one"[..], false, Some(1)), (b"", true, None)] {
            assert_eq!(queue.push(bytes, cut, pid), Queued::Done);
        }
        assert_eq!(inbox.next(), Some(Message { bytes: b"one", cut: false, pid: Some(1) }));
        assert_eq!(queue.push(b"two", false, Some(2)), Queued::Done);
        assert_eq!(inbox.next(), Some(Message { bytes: b"", cut: true, pid: None }));
        drop(queue);
        assert!(runtime().block_on(inbox.wait()), "what was queued is kept");
        assert_eq!(inbox.next(), Some(Message { bytes: b"two", cut: false, pid: Some(2) }));
        assert_eq!(inbox.next(), None);
        assert!(!runtime().block_on(inbox.wait()));
    }

    #[test]
    fn holds_a_bounded_number_of_bytes_and_of_empty_datagrams() {
        for length in [0, 1000, DATAGRAM_MAX] {
            let (queue, mut inbox) = queue();
            let bytes = vec![0; length];
            let fit = DATAGRAMS_OF_ONE_MAX / (length + HEAD_SIZE);
            let push = || queue.push(&bytes, false, None);
            for n in 0..fit {
                assert_eq!(push(), Queued::Done, "{length} {n}");
            }
            assert_eq!(push(), Queued::Full, "{length}");
            assert!(inbox.next().is_some());
            assert_eq!(push(), Queued::Full, "{length}: what is decoded counts");
            while inbox.next().is_some() {}
            assert_eq!(push(), Queued::Done, "{length}");
        }
    }

    #[test]
    fn is_idle_only_while_it_waits() {
        let (queue, mut inbox) = queue();
        assert!(!queue.is_idle(), "its task has not begun");
        runtime().block_on(async {
            let waiting = tokio::spawn(async move { inbox.wait().await.then_some(inbox) });
            tokio::task::yield_now().await;
            assert!(queue.is_idle());
            assert_eq!(queue.push(b"one", false, None), Queued::Done);
            assert!(!queue.is_idle());
            let inbox = waiting.await.expect("no panic").expect("a message");
            drop(inbox);
        });
        assert_eq!(queue.push(b"two", false, None), Queued::Closed);
    }
}

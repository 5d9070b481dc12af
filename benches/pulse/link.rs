//! The load generator: senders and followers of one system, and runs in which each follower must receive every message
//! of every sender in order.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::check::{Check, Expected, Numbers};
use crate::chunked::Chunks;
use crate::load::{MESSAGES, Message};
use crate::progress::Progress;
use crate::systems::{Agent, Socket, System, WAIT_MAX};
use crate::{BenchError, refused};

/// How many messages a sender sends with one write at most.
pub(crate) const BATCH: usize = 600;

/// How far senders may be ahead of their slowest follower, in messages to all followers together, and at least two
/// batches: far enough that no side waits for a single batch, near enough that no system has to drop anything.
const AHEAD: u64 = 150_000;

/// The size of a read, in bytes.
const READ_SIZE: usize = 256 << 10;

/// A sender, and its messages as requests.
struct Sender {
    socket: Socket,
    /// All requests, and those of a batch again, so that each batch is one piece.
    requests: Vec<u8>,
    /// Where each request begins, and where the last one ends.
    begins: Vec<usize>,
    next: usize,
    /// Whether the system can confirm what it has.
    confirms: bool,
}

/// A follower, and what it must receive.
struct Follower {
    socket: Socket,
    check: Check,
    /// For a body in chunks.
    chunks: Option<Chunks>,
    /// The beginning of a message that has not arrived whole.
    rest: Vec<u8>,
}

/// Senders and followers of one system.
pub(crate) struct Link<'a> {
    pub(crate) system: &'a dyn System,
    senders: Vec<Sender>,
    followers: Vec<Follower>,
    /// How many messages all runs have sent.
    sent: u64,
}

/// The result of one run.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// How many messages were sent.
    pub(crate) events: u64,
    /// The bytes of all messages that the first follower received.
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
}

impl Run {
    pub(crate) fn per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

impl<'a> Link<'a> {
    /// One sender for each load, and followers of everything.
    pub(crate) fn new(
        system: &'a dyn System,
        loads: &[Vec<Message>],
        followers: usize,
    ) -> Result<Self, BenchError> {
        let sockets = loads.iter().map(|_| system.sender()).collect::<Result<_, _>>()?;
        let (mut link, expected) = Self::connect(system, loads, sockets)?;
        for _ in 0..followers {
            link.add(system.follower()?, &expected, Numbers::Any)?;
        }
        Ok(link)
    }

    /// A sender on a given connection and one follower.
    pub(crate) fn of_sender(
        system: &'a dyn System,
        load: &Vec<Message>,
        sender: Socket,
    ) -> Result<Self, BenchError> {
        let (mut link, expected) = Self::connect(system, std::slice::from_ref(load), vec![sender])?;
        link.add(system.follower()?, &expected, Numbers::Any)?;
        Ok(link)
    }

    /// A sender, and a follower of the messages that a MATCH selects.
    pub(crate) fn filtered(
        agent: &'a Agent,
        load: &Vec<Message>,
        matching: &str,
        selected: fn(&Message) -> bool,
    ) -> Result<Self, BenchError> {
        let loads = std::slice::from_ref(load);
        let (mut link, expected) = Self::connect(agent, loads, vec![agent.sender()?])?;
        let one = |(tail, message): (&Vec<u8>, &Message)| {
            if selected(message) { tail.clone() } else { Vec::new() }
        };
        let expected = expected[0].iter().zip(load).map(one).collect();
        link.add(agent.follower_of(matching)?, &[Arc::new(expected)], Numbers::After(0))?;
        Ok(link)
    }

    fn connect(
        system: &'a dyn System,
        loads: &[Vec<Message>],
        sockets: Vec<Socket>,
    ) -> Result<(Self, Vec<Expected>), BenchError> {
        let mut link = Self { system, senders: Vec::new(), followers: Vec::new(), sent: 0 };
        let mut expected = Vec::new();
        for (messages, mut socket) in loads.iter().zip(sockets) {
            expected.push(Arc::new(system.expected(&mut socket, messages)?));
            link.senders.push(Sender::new(system, messages, socket));
        }
        Ok((link, expected))
    }

    fn add(
        &mut self,
        socket: Socket,
        expected: &[Expected],
        numbers: Numbers,
    ) -> Result<(), BenchError> {
        let check = Check::new(self.system.head(), self.system.noise(), expected, numbers);
        self.followers.push(Follower::new(socket, check, self.system.is_chunked()));
        Ok(())
    }

    /// Sends batches for this time. The run ends when each follower has the last message and each sender the
    /// confirmation.
    pub(crate) fn run(&mut self, batch: usize, time: Duration) -> Result<Run, BenchError> {
        let before = self.sent;
        let bytes = self.followers[0].check.bytes;
        let ahead = (AHEAD / self.followers.len() as u64).max(2 * batch as u64);
        let progress = Progress::new(self.senders.len(), ahead);
        let (system, followers) = (self.system, &mut self.followers);
        let begin = Instant::now();
        let (sent, received) = thread::scope(|scope| {
            let progress = &progress;
            let sending: Vec<_> = self
                .senders
                .iter_mut()
                .map(|sender| {
                    scope.spawn(move || sender.send(system, progress, batch, begin + time))
                })
                .collect();
            let received = read_all(followers, before, progress);
            if received.is_err() {
                progress.fail();
            }
            let sent: Vec<_> = sending.into_iter().map(|thread| thread.join()).collect();
            (sent, received)
        });
        let mut end = received?;
        for sent in sent {
            let sent = sent.map_err(|_| BenchError::Failed("a sender panicked".into()))?;
            end = end.max(sent?);
        }
        let events = progress.total().unwrap_or_default();
        self.sent += events;
        Ok(Run {
            events,
            bytes: self.followers[0].check.bytes - bytes,
            seconds: (end - begin).as_secs_f64(),
        })
    }

    /// Sends one message at a time, so many a second, for this time. Returns how long each took to the first
    /// follower's read, in µs.
    pub(crate) fn latencies(&mut self, rate: u64, time: Duration) -> Result<Vec<f64>, BenchError> {
        let events = (rate as f64 * time.as_secs_f64()) as u64;
        let (system, sender) = (self.system, &mut self.senders[0]);
        let follower = &mut self.followers[0];
        let begin = Instant::now();
        let (sent, received) = thread::scope(|scope| {
            let sending = scope.spawn(move || sender.send_at(system, rate, events, begin));
            let received = follower.times(events);
            (sending.join(), received)
        });
        let sent = sent.map_err(|_| BenchError::Failed("the sender panicked".into()))??;
        self.sent += events;
        let micros =
            |(sent, received): (&Instant, &Instant)| (*received - *sent).as_secs_f64() * 1e6;
        Ok(sent.iter().zip(&received?).map(micros).collect())
    }
}

impl Sender {
    fn new(system: &dyn System, messages: &[Message], socket: Socket) -> Self {
        let (mut requests, mut begins) = (Vec::new(), vec![0]);
        for message in messages.iter().chain(&messages[..BATCH]) {
            requests.extend(system.request(message));
            begins.push(requests.len());
        }
        let confirms = !messages[0].line.starts_with('<');
        Self { socket, requests, begins, next: 0, confirms }
    }

    /// The requests of the next messages.
    fn take(&mut self, batch: usize) -> std::ops::Range<usize> {
        let range = self.begins[self.next]..self.begins[self.next + batch];
        self.next = (self.next + batch) % MESSAGES;
        range
    }

    fn send(
        &mut self,
        system: &dyn System,
        progress: &Progress,
        batch: usize,
        until: Instant,
    ) -> Result<Instant, BenchError> {
        loop {
            let last = Instant::now() >= until;
            progress.announce(batch as u64, last)?;
            let range = self.take(batch);
            self.socket.write_all(&self.requests[range]).map_err(refused("send"))?;
            if last {
                break;
            }
        }
        if self.confirms {
            system.finish(&mut self.socket)?;
        }
        Ok(Instant::now())
    }

    /// Sends each message when it is due, at the latest when the thread runs again. Returns when each was sent.
    fn send_at(
        &mut self,
        system: &dyn System,
        rate: u64,
        events: u64,
        begin: Instant,
    ) -> Result<Vec<Instant>, BenchError> {
        let mut times = Vec::with_capacity(events as usize);
        for event in 0..events {
            let due = begin + Duration::from_nanos(event * 1_000_000_000 / rate);
            let now = Instant::now();
            if due > now {
                thread::sleep(due - now);
            }
            times.push(Instant::now());
            let range = self.take(1);
            self.socket.write_all(&self.requests[range]).map_err(refused("send"))?;
        }
        system.finish(&mut self.socket)?;
        Ok(times)
    }
}

impl Follower {
    fn new(socket: Socket, check: Check, chunked: bool) -> Self {
        Self { socket, check, chunks: chunked.then(Chunks::default), rest: Vec::new() }
    }

    /// Reads once, and checks what arrived.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BenchError> {
        let kept = self.rest.len();
        buffer[..kept].copy_from_slice(&self.rest);
        let failed = |check: &Check, cause| {
            refused(format!("read events, after {} of them", check.passed()))(cause)
        };
        let mut read = match self.socket.read(&mut buffer[kept..]) {
            Ok(0) => return Err(failed(&self.check, ErrorKind::UnexpectedEof.into())),
            Ok(read) => read,
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(e) => return Err(failed(&self.check, e)),
        };
        if let Some(chunks) = &mut self.chunks {
            read = chunks.data(&mut buffer[kept..kept + read])?;
        }
        let received = &buffer[..kept + read];
        let checked = self.check.check(received)?;
        self.rest.clear();
        self.rest.extend_from_slice(&received[checked..]);
        Ok(())
    }

    /// When each of so many messages was received.
    fn times(&mut self, events: u64) -> Result<Vec<Instant>, BenchError> {
        let mut buffer = vec![0; READ_SIZE];
        let mut times = Vec::with_capacity(events as usize);
        let before = self.check.passed();
        while times.len() < events as usize {
            self.read(&mut buffer)?;
            times.resize((self.check.passed() - before) as usize, Instant::now());
        }
        Ok(times)
    }
}

/// Reads until each follower has all messages. Returns the time of the last read. `before`: what earlier runs sent.
fn read_all(
    followers: &mut [Follower],
    before: u64,
    progress: &Progress,
) -> Result<Instant, BenchError> {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        // A single one needs no poll: it waits in its read.
        if let [follower] = followers {
            follower.read(&mut buffer)?;
        } else {
            for at in ready(followers)? {
                followers[at].read(&mut buffer)?;
            }
        }
        let passed = followers.iter().map(|follower| follower.check.passed());
        let slowest = passed.min().unwrap_or_default() - before;
        progress.pass(slowest);
        if progress.total().is_some_and(|total| slowest >= total) {
            return Ok(Instant::now());
        }
    }
}

/// The followers that have something to read.
fn ready(followers: &[Follower]) -> Result<Vec<usize>, BenchError> {
    let mut polled: Vec<PollFd<'_>> = followers
        .iter()
        .map(|follower| PollFd::new(follower.socket.as_fd(), PollFlags::POLLIN))
        .collect();
    let timeout = PollTimeout::try_from(WAIT_MAX).unwrap_or(PollTimeout::MAX);
    match poll(&mut polled, timeout) {
        Ok(0) => Err(BenchError::Failed("events lost: no follower receives more".into())),
        Ok(_) => {
            let readable = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
            Ok((0..polled.len()).filter(|at| readable(&polled[*at])).collect())
        }
        Err(e) => Err(refused("wait for events")(e.into())),
    }
}

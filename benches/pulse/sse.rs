//! Fan-out of Server-Sent Events: one sender, and many HTTP followers of everything, by our agent and by nginx
//! with nchan, in turns.

use std::io::{ErrorKind, Read as _, Write};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::load::{Load, MESSAGES};
use crate::nchan::Nchan;
use crate::systems::{Agent, WAIT_MAX, ask, connect};
use crate::table::{Row, Target, median};
use crate::{BenchError, refused};

/// How many runs of each are measured, after one that warms up.
const RUNS: usize = 3;

/// How many events are sent with one write.
const BLOCK: usize = 100;
const _: () = assert!(MESSAGES.is_multiple_of(BLOCK));

/// How far a sender may be ahead of its followers, in events: far enough that a follower always has something to
/// read, near enough that no system has to drop anything.
const AHEAD_MAX: u64 = 1_000;

/// The size of a read, in bytes.
const READ_SIZE: usize = 256 << 10;

/// How many bytes of the first follower are kept and compared with what was sent.
const KEPT: usize = 1 << 20;

/// The numbers of followers, and how many messages each system carries to them in one run: about as long for
/// either.
const FANS: [(usize, u64, u64); 2] = [(100, 20_000, 6_000), (1_000, 2_000, 400)];

/// One run: its followers, and what the sender writes.
struct Fan {
    followers: Vec<TcpStream>,
    sender: Box<dyn Write + Send>,
    /// Each as one request.
    requests: Vec<Vec<u8>>,
    /// A byte, and how often each delivered message contains it.
    mark: (u8, u64),
    events: u64,
}

pub(crate) fn run() -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for (followers, ours, peers) in FANS {
        rows.push(measure(followers, ours, peers)?);
    }
    Ok(rows)
}

fn measure(followers: usize, ours: u64, peers: u64) -> Result<Row, BenchError> {
    let agent = Agent::start_web()?;
    let cookie = agent.sign_in()?;
    // One worker is faster with few followers, one for each core with many.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let peer = [Nchan::start(1)?, Nchan::start(cores)?];
    let (mut rates, mut peer_rates) = (Vec::new(), [Vec::new(), Vec::new()]);
    for round in 0..=RUNS {
        let rate = carry(agent.fan(&cookie, followers, ours)?)?;
        if round > 0 {
            rates.push(rate);
        }
        for (nchan, rates) in peer.iter().zip(&mut peer_rates) {
            let Some(nchan) = nchan else { continue };
            let rate = carry(nchan.fan(round, followers, peers)?)?;
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let what =
        format!("one sender to {followers} SSE followers, delivered; peer: nginx with nchan");
    let (ours, [one, each]) = (median(&rates), peer_rates.map(|rates| median(&rates)));
    let peer = one.max(each);
    if peer == 0.0 {
        return Ok(Row::unavailable(&what, "not installed"));
    }
    Ok(Row::compared(&what, thousands(ours), thousands(peer), ours / peer, Target::AtLeast(5.0)))
}

impl Agent {
    /// Followers of everything from now, and a sender.
    fn fan(&self, cookie: &str, followers: usize, events: u64) -> Result<Fan, BenchError> {
        let port = self.web_port();
        let newest = ask(&mut self.connect()?, "PING", "OK ")?;
        let request = format!(
            "GET /events?after={newest} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\
             Accept: text/event-stream\r\n\r\n"
        );
        let send = |message: String| format!("SEND {message}\n").into_bytes();
        Ok(Fan {
            followers: follow(port, followers, &request)?,
            sender: Box::new(self.connect()?),
            requests: Load::Objects.messages().into_iter().map(send).collect(),
            // That of the time. No message contains it.
            mark: (b'Z', 1),
            events,
        })
    }
}

impl Nchan {
    /// Followers of a new channel, and a publisher: one connection with pipelined requests, the fastest of what
    /// was tried (more connections, WebSocket).
    fn fan(&self, channel: usize, followers: usize, events: u64) -> Result<Fan, BenchError> {
        let publish = |message: String| Self::publish(channel, &message);
        Ok(Fan {
            followers: follow(self.port(), followers, &Self::follow(channel))?,
            sender: Box::new(self.publisher()?),
            requests: Load::Objects.messages().into_iter().map(publish).collect(),
            // The object and its fields.
            mark: (b'{', 2),
            events,
        })
    }
}

/// Connects followers and waits until each has the head of its response.
fn follow(port: u16, followers: usize, request: &str) -> Result<Vec<TcpStream>, BenchError> {
    let one = |_| {
        let mut stream = connect(port)?;
        stream.write_all(request.as_bytes()).map_err(refused("follow"))?;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).map_err(refused("read the head of a response"))?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 200") {
            let head = String::from_utf8_lossy(&head).into_owned();
            return Err(BenchError::Failed(format!("a follower is refused: {head}")));
        }
        stream.set_nonblocking(true).map_err(refused("follow"))?;
        Ok(stream)
    };
    (0..followers).map(one).collect()
}

/// One run, from the first write until each follower has the last event. Returns the deliveries a second.
fn carry(mut fan: Fan) -> Result<f64, BenchError> {
    let (delivered, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let (followers, events, mark) = (fan.followers.len() as u64, fan.events, fan.mark);
    let requests = &fan.requests;
    let sender = &mut fan.sender;
    let begin = Instant::now();
    let (sent, received) = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for sent in (0..events).step_by(BLOCK) {
                while sent * followers > delivered.load(Ordering::Relaxed) + AHEAD_MAX * followers {
                    if failed.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    thread::sleep(Duration::from_micros(50));
                }
                let at = sent as usize % MESSAGES;
                sender.write_all(&requests[at..at + BLOCK].concat()).map_err(refused("send"))?;
            }
            Ok(())
        });
        let received = read_all(&mut fan.followers, mark, events, &delivered);
        failed.store(true, Ordering::Relaxed);
        (sending.join(), received)
    });
    let (kept, end) = received?;
    sent.map_err(|_| BenchError::Failed("the sender panicked".into()))??;
    compare(&kept, events)?;
    Ok((events * followers) as f64 / (end - begin).as_secs_f64())
}

/// Reads until each follower has all events. Returns the beginning of what the first one received, and the time of
/// the last read.
fn read_all(
    followers: &mut [TcpStream],
    (mark, each): (u8, u64),
    events: u64,
    delivered: &AtomicU64,
) -> Result<(Vec<u8>, Instant), BenchError> {
    let mut buffer = vec![0; READ_SIZE];
    let mut counts = vec![0; followers.len()];
    let (mut kept, mut left) = (Vec::with_capacity(KEPT), followers.len());
    while left > 0 {
        for at in ready(followers)? {
            let read = match followers[at].read(&mut buffer) {
                Ok(0) => {
                    return Err(BenchError::Failed("a follower's connection was closed".into()));
                }
                Ok(read) => &buffer[..read],
                Err(e) if e.kind() == ErrorKind::WouldBlock => continue,
                Err(e) => return Err(refused("read events")(e)),
            };
            if at == 0 {
                kept.extend_from_slice(&read[..read.len().min(KEPT - kept.len())]);
            }
            let before = counts[at] / each;
            counts[at] += memchr::memchr_iter(mark, read).count() as u64;
            let now = counts[at] / each;
            delivered.fetch_add(now - before, Ordering::Relaxed);
            left -= usize::from(before < events && now >= events);
        }
    }
    let end = Instant::now();
    if counts.iter().any(|count| *count != events * each) {
        return Err(BenchError::Failed("a follower received an event twice".into()));
    }
    Ok((kept, end))
}

/// The followers that have something to read.
fn ready(followers: &[TcpStream]) -> Result<Vec<usize>, BenchError> {
    let mut polled: Vec<PollFd<'_>> =
        followers.iter().map(|follower| PollFd::new(follower.as_fd(), PollFlags::POLLIN)).collect();
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

/// Compares the first messages that a follower received with those that were sent.
fn compare(kept: &[u8], events: u64) -> Result<(), BenchError> {
    let text = String::from_utf8_lossy(kept);
    let mut received =
        text.lines().filter_map(|line| line.strip_prefix("data: ")?.split("\"msg\":\"").nth(1));
    for sent in Load::Objects.messages().into_iter().take(events as usize) {
        let message = |text: &str| text.split('"').next().map(str::to_owned);
        let sent = sent.split("\"msg\":\"").nth(1).and_then(message);
        let received = received.next().and_then(message);
        if received != sent {
            return Err(BenchError::Failed(format!("sent {sent:?}, received {received:?}")));
        }
    }
    Ok(())
}

fn thousands(per_second: f64) -> String {
    format!("{:.0} k/s", per_second / 1e3)
}

//! Random senders, followers, restarts, kills and faults, checked against a model: history holds every
//! acknowledged event once and in order, followers see consecutive numbers or gaps, and the agent leaks no
//! memory and no descriptors.
//!
//! It takes 40 s, or `$PULSE_SOAK_SECONDS`. `$PULSE_SOAK_SEED` repeats the random choices of a run, but not its
//! timing.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;

use crate::harness::{Agent, Client, FIRST, Item, assert_contiguous, parse, report, wait_for};

const SENDERS: usize = 4;
const FOLLOWERS: usize = 3;

/// The duration without `$PULSE_SOAK_SECONDS`.
const SECONDS: u64 = 40;

/// The most that memory may grow from the third to the last quarter, in KiB.
const GROWTH_MAX: u64 = 24 << 10;

/// The most that the number of idle descriptors may grow.
const DESCRIPTORS_MAX: usize = 4;

/// A small window, so that readers reach history. A large history, because the model expects every event.
const SETTINGS: [&str; 2] = ["window.size = \"1MiB\"", "history.size = \"4GiB\""];

/// A seeded random number generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// The number of kinds of faults.
const FAULTS: u64 = 7;

/// How many of them end the process. They come first.
const FAULTS_OF_PROCESS: u64 = 2;

/// The state that senders and followers share.
struct World {
    socket: PathBuf,
    /// The longest pause of a sender after a batch, so that the model of an hour fits into memory.
    pause_millis: u64,
    over: AtomicBool,
    acknowledged: AtomicU64,
    seen: Mutex<HashMap<u64, String>>,
}

impl World {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Waits until `count` more events are acknowledged.
    fn wait_for_progress(&self, count: u64) {
        let now = || self.acknowledged.load(Ordering::Relaxed);
        let wanted = now() + count;
        while now() < wanted {
            // Bounds the wait for one more, not for all.
            let before = now();
            wait_for("acknowledged events", || (now() > before || now() >= wanted).then_some(()));
        }
    }

    /// Connects as soon as an agent listens. `None` once the test is over.
    fn connect(&self) -> Option<Client> {
        while !self.is_over() {
            match UnixStream::connect(&self.socket) {
                Ok(stream) => return Some(Client::from_stream(stream)),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
        None
    }

    /// Sends each message once until the test is over. Returns the numbers of the acknowledged ones.
    fn send(&self, name: usize, mut random: Random) -> Vec<u64> {
        let (mut sent, mut acknowledged) = (0, Vec::new());
        while let Some(mut client) = self.connect() {
            while !self.is_over() {
                let padding = "x".repeat(random.next(300) as usize);
                let batch = sent..sent + 1 + random.next(20);
                sent = batch.end;
                let mut text = Vec::new();
                for n in batch.clone() {
                    writeln!(text, "SEND {name}:{n}:{padding}").expect("a write to memory");
                }
                let how = ["SYNC\n", "SYNC synced\n"][random.next(2) as usize];
                text.extend_from_slice(how.as_bytes());
                if !client.try_write(&text) {
                    break;
                }
                match client.try_whole_line() {
                    Some(line) if line.starts_with("OK ") => {
                        self.acknowledged.fetch_add(batch.end - batch.start, Ordering::Relaxed);
                        acknowledged.extend(batch);
                    }
                    // After a history file was damaged, unstored events may fail.
                    Some(line) => assert!(line.starts_with("ERR 74 "), "{line}"),
                    None => break,
                }
                thread::sleep(Duration::from_millis(random.next(self.pause_millis)));
            }
        }
        acknowledged
    }

    /// Follows until the test is over, and reconnects at random, resuming where it was.
    fn follow(&self, mut random: Random) {
        let mut cursor: Option<(String, u64)> = None;
        while let Some(mut client) = self.connect() {
            let Some((id, last)) = &mut cursor else {
                client.try_write("PING\n");
                let Some(answer) = client.try_whole_line() else { continue };
                let (id, _) = answer["OK ".len()..].split_once('-').expect("a cursor");
                cursor = Some((id.to_owned(), FIRST - 1));
                continue;
            };
            if !client.try_write(format!("TAIL {{\"after\":\"{id}-{last}\",\"follow\":true}}\n")) {
                continue;
            }
            let stay = 1 + random.next(5000);
            for _ in 0..stay {
                let Some(line) = client.try_whole_line() else { break };
                let item = parse(&line);
                *last = assert_contiguous(*last, [&item]);
                if let Item::Event(seq, msg, _) = item {
                    let mut seen = self.seen.lock().expect("no panic");
                    let before = seen.insert(seq, msg.clone());
                    assert!(before.is_none_or(|before| before == msg), "{seq} is two events");
                }
                if self.is_over() {
                    break;
                }
            }
        }
    }
}

/// Injects one fault or administrative action. Returns its name.
fn inject(agent: &mut Agent, which: u64, random: &mut Random) -> &'static str {
    match which {
        0 => {
            agent.kill();
            agent.restart();
            "kill -9"
        }
        1 => {
            assert!(agent.stop().success(), "a clean stop");
            agent.restart();
            "restart"
        }
        2 => {
            agent.signal(Signal::SIGSTOP);
            thread::sleep(Duration::from_millis(100 + random.next(900)));
            agent.signal(Signal::SIGCONT);
            "SIGSTOP"
        }
        3 => {
            agent.signal(Signal::SIGHUP);
            "SIGHUP"
        }
        4 => {
            // The writer finds the newest file grown by an invalid line.
            let newest = newest_file(agent);
            let file = fs::File::options().append(true).open(newest).expect("a writable file");
            (&file).write_all(b"not a line\n").expect("a writable file");
            "a damaged file"
        }
        5 => {
            let crowd: Vec<_> = (0..200).map(|_| agent.connect()).collect();
            drop(crowd);
            "a crowd"
        }
        _ => {
            // A follower from the oldest event that never reads.
            let mut stalled = agent.connect();
            stalled.write("TAIL {\"lines\":1000000,\"follow\":true}\n");
            thread::sleep(Duration::from_millis(300));
            "a stalled follower"
        }
    }
}

fn newest_file(agent: &Agent) -> PathBuf {
    let entries = fs::read_dir(agent.history()).expect("a history directory");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    files.max().expect("a segment")
}

fn resident_kib(agent: &Agent) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn descriptors(agent: &Agent) -> usize {
    fs::read_dir(format!("/proc/{}/fd", agent.pid())).expect("a running process").count()
}

/// Injects faults from number `first` on until `end`. After each, waits until the senders have made progress.
/// Returns the agent's peak memory, in KiB.
fn inject_until(
    end: Instant,
    first: u64,
    agent: &mut Agent,
    world: &World,
    random: &mut Random,
    injected: &mut HashMap<&'static str, usize>,
) -> u64 {
    let mut peak = 0;
    while Instant::now() < end {
        let which = first + random.next(FAULTS - first);
        *injected.entry(inject(agent, which, random)).or_default() += 1;
        world.wait_for_progress(random.next(600));
        peak = peak.max(resident_kib(agent));
    }
    peak
}

#[test]
fn random_faults_lose_nothing_silently() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let from_clock = || SystemTime::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64);
    let seed = number("PULSE_SOAK_SEED").unwrap_or_else(from_clock);
    let seconds = number("PULSE_SOAK_SECONDS").unwrap_or(SECONDS);
    report(&format!("\nPULSE_SOAK_SEED={seed} PULSE_SOAK_SECONDS={seconds}\n"));
    let mut random = Random(seed);
    let mut agent = Agent::with(&SETTINGS);
    agent.connect().write("SEND begin\n").sync();
    let descriptors_before = idle_descriptors(&agent);
    let world = World {
        socket: agent.socket(),
        pause_millis: 20 * (1 + seconds / 100),
        over: AtomicBool::new(false),
        acknowledged: AtomicU64::new(0),
        seen: Mutex::default(),
    };
    let begin = Instant::now();
    let length = Duration::from_secs(seconds);
    let mut injected = HashMap::new();
    let mut growth = 0;
    let acknowledged = thread::scope(|scope| {
        let world = &world;
        let mut seed = || Random(random.next(u64::MAX));
        let senders: Vec<_> = (0..SENDERS)
            .map(|name| (name, seed()))
            .map(|(name, random)| scope.spawn(move || world.send(name, random)))
            .collect();
        let followers: Vec<_> = (0..FOLLOWERS)
            .map(|_| seed())
            .map(|random| scope.spawn(move || world.follow(random)))
            .collect();
        let _over = Over(&world.over);
        let mut inject_until =
            |end, first| inject_until(end, first, &mut agent, world, &mut random, &mut injected);
        // The second half is one process, whose third quarter shows how much memory it needs.
        inject_until(begin + length / 2, 0);
        let before = inject_until(begin + length * 3 / 4, FAULTS_OF_PROCESS);
        let after = inject_until(begin + length, FAULTS_OF_PROCESS);
        growth = after.saturating_sub(before);
        world.over.store(true, Ordering::Relaxed);
        let acknowledged: Vec<Vec<u64>> =
            senders.into_iter().map(|sender| sender.join().expect("no panic")).collect();
        // The last event wakes the followers.
        agent.connect().write("SEND end\n").sync();
        followers.into_iter().for_each(|follower| follower.join().expect("no panic"));
        acknowledged
    });
    assert!(growth < GROWTH_MAX, "memory grew by {growth} KiB");
    let descriptors = idle_descriptors(&agent);
    assert!(descriptors <= descriptors_before + DESCRIPTORS_MAX, "{descriptors} descriptors");
    let kills = injected.get("kill -9").copied().unwrap_or(0);
    check(&agent, &acknowledged, &world.seen.into_inner().expect("no panic"), kills);
    report(&format!("{injected:?}, {} acknowledged\n", world.acknowledged.into_inner()));
}

/// Stops all threads, also if the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The number of the agent's descriptors while only the test itself is connected.
fn idle_descriptors(agent: &Agent) -> usize {
    wait_for("no other connection", || (agent.stats()["connections"] == 1).then_some(()));
    descriptors(agent)
}

/// Checks the history against what senders and followers recorded.
fn check(agent: &Agent, acknowledged: &[Vec<u64>], seen: &HashMap<u64, String>, kills: usize) {
    let items: Vec<Item> = agent.connect().tail("{}").iter().map(|line| parse(line)).collect();
    assert_contiguous(FIRST - 1, &items);
    let gaps: Vec<_> = items.iter().filter_map(Item::gap).collect();
    assert!(gaps.iter().all(|gap| gap.why == "restart"), "{gaps:?}");
    let unclean = gaps.iter().filter(|gap| gap.lost != Some(0)).count();
    assert!(unclean <= kills, "{unclean} gaps of unclean stops, {kills} kills");
    let mut found: Vec<Vec<u64>> = vec![Vec::new(); acknowledged.len()];
    for item in &items {
        let Item::Event(seq, msg, _) = item else { continue };
        assert!(seen.get(seq).is_none_or(|seen| seen == msg), "{seq}: {msg} and {:?}", seen[seq]);
        let mut parts = msg.split(':');
        let name = parts.next().and_then(|name| name.parse::<usize>().ok());
        let n = parts.next().and_then(|n| n.parse().ok());
        if let (Some(name), Some(n)) = (name, n) {
            found[name].push(n);
        }
    }
    for (name, (found, acknowledged)) in found.iter().zip(acknowledged).enumerate() {
        assert!(found.is_sorted_by(|a, b| a < b), "sender {name}: a repeat, or out of order");
        let missing = acknowledged.iter().find(|n| found.binary_search(n).is_err());
        assert_eq!(missing, None, "sender {name}: acknowledged, and not in history");
    }
}

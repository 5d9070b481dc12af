//! Senders, followers, restarts, kills and faults at random, held against a model: what each sender was told
//! is stored stands in history once and in order, what followers see is consecutive or told as a gap, and the
//! agent's memory and descriptors stay as they are.
//!
//! It takes 40 s, or `$PULSE_SOAK_SECONDS`. `$PULSE_SOAK_SEED` repeats what a run did, as far as the machine
//! does too.

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

use crate::harness::{Agent, Client, FIRST, Item, assert_whole, parse, until};

const SENDERS: usize = 4;
const FOLLOWERS: usize = 3;

/// How long without `$PULSE_SOAK_SECONDS`.
const SECONDS: u64 = 40;

/// So much more memory in the last quarter than in the third one, in KiB, is a leak.
const GROWTH_MAX: u64 = 24 << 10;

/// So many more descriptors at rest are a leak.
const DESCRIPTORS_MAX: usize = 4;

/// A small window and small segments, so that everything that can happen does. Nothing is trimmed: the model
/// is to find it all.
const SETTINGS: [&str; 2] = ["window.size = \"1MiB\"", "history.size = \"4GiB\""];

/// Numbers that only the seed decides (splitmix64).
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

/// How many kinds of faults there are.
const FAULTS: u64 = 7;

/// How many of them end the process.
const FAULTS_OF_PROCESS: u64 = 2;

/// What goes on beside the faults.
struct World {
    socket: PathBuf,
    /// Who sends rests for up to so long, so that the model of an hour fits into memory.
    pause_millis: u64,
    over: AtomicBool,
    acknowledged: AtomicU64,
    seen: Mutex<HashMap<u64, String>>,
}

impl World {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Waits until so many more events are acknowledged.
    fn get_on(&self, count: u64) {
        let now = || self.acknowledged.load(Ordering::Relaxed);
        let wanted = now() + count;
        while now() < wanted {
            // However long that takes, some of them come soon.
            let before = now();
            until("acknowledged events", || (now() > before || now() >= wanted).then_some(()));
        }
    }

    /// A connection, as soon as there is an agent. None when all is over.
    fn connect(&self) -> Option<Client> {
        while !self.is_over() {
            match UnixStream::connect(&self.socket) {
                Ok(stream) => return Some(Client::over(stream)),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
        None
    }

    /// Sends on and on, each message once. Gives the numbers of those that were acknowledged.
    fn send(&self, name: usize, mut random: Random) -> Vec<u64> {
        let (mut sent, mut acknowledged) = (0, Vec::new());
        while let Some(mut client) = self.connect() {
            while !self.is_over() {
                let padding = "x".repeat(random.next(300) as usize);
                let batch = sent..sent + 1 + random.next(20);
                sent = batch.end;
                let mut text = Vec::new();
                for n in batch.clone() {
                    writeln!(text, "SEND {name}:{n}:{padding}").expect("memory");
                }
                let how = ["SYNC\n", "SYNC synced\n"][random.next(2) as usize];
                text.extend_from_slice(how.as_bytes());
                if !client.try_say(&text) {
                    break;
                }
                match client.try_whole_line() {
                    Some(line) if line.starts_with("OK ") => {
                        self.acknowledged.fetch_add(batch.end - batch.start, Ordering::Relaxed);
                        acknowledged.extend(batch);
                    }
                    // The disk was taken away: what was not stored was not promised.
                    Some(line) => assert!(line.starts_with("ERR 74 "), "{line}"),
                    None => break,
                }
                thread::sleep(Duration::from_millis(random.next(self.pause_millis)));
            }
        }
        acknowledged
    }

    /// Follows on and on from where it was, and sometimes leaves and comes back.
    fn follow(&self, mut random: Random) {
        let mut cursor: Option<(String, u64)> = None;
        while let Some(mut client) = self.connect() {
            let Some((id, last)) = &mut cursor else {
                client.try_say("PING\n");
                let Some(answer) = client.try_whole_line() else { continue };
                let (id, _) = answer["OK ".len()..].split_once('-').expect("a cursor");
                cursor = Some((id.to_owned(), FIRST - 1));
                continue;
            };
            if !client.try_say(format!("TAIL {{\"after\":\"{id}-{last}\",\"follow\":true}}\n")) {
                continue;
            }
            let stay = 1 + random.next(5000);
            for _ in 0..stay {
                let Some(line) = client.try_whole_line() else { break };
                let item = parse(&line);
                *last = assert_whole(*last, [&item]);
                if let Item::Event(seq, msg, _) = item {
                    let mut seen = self.seen.lock().expect("no follower panicked");
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

/// One fault, or one thing that administrators do: the first two end the process. Gives its name.
fn strike(agent: &mut Agent, which: u64, random: &mut Random) -> &'static str {
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
            // Whoever writes to the newest file next finds it grown by what is not a line.
            let newest = newest_file(agent);
            let file = fs::File::options().append(true).open(newest).expect("ours");
            (&file).write_all(b"not a line\n").expect("ours");
            "a spoiled file"
        }
        5 => {
            let crowd: Vec<_> = (0..200).map(|_| agent.connect()).collect();
            drop(crowd);
            "a crowd"
        }
        _ => {
            // Somebody who follows from the beginning, and never reads.
            let mut stalled = agent.connect();
            stalled.say("TAIL {\"lines\":1000000,\"follow\":true}\n");
            thread::sleep(Duration::from_millis(300));
            "a stalled follower"
        }
    }
}

fn newest_file(agent: &Agent) -> PathBuf {
    let entries = fs::read_dir(agent.history()).expect("a history");
    let paths = entries.map(|entry| entry.expect("read").path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    files.max().expect("a segment")
}

fn resident_kib(agent: &Agent) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn descriptors(agent: &Agent) -> usize {
    fs::read_dir(format!("/proc/{}/fd", agent.pid())).expect("it runs").count()
}

/// Strikes until `end`, with faults from `first` on, each as soon as senders have got on since the last one. Gives the
/// most memory that the agent had.
fn strike_until(
    end: Instant,
    first: u64,
    agent: &mut Agent,
    world: &World,
    random: &mut Random,
    struck: &mut HashMap<&'static str, usize>,
) -> u64 {
    let mut most = 0;
    while Instant::now() < end {
        let which = first + random.next(FAULTS - first);
        *struck.entry(strike(agent, which, random)).or_default() += 1;
        world.get_on(random.next(600));
        most = most.max(resident_kib(agent));
    }
    most
}

#[test]
fn at_random_for_a_while_nothing_is_lost_in_silence() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let of_now = || SystemTime::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64);
    let seed = number("PULSE_SOAK_SEED").unwrap_or_else(of_now);
    let seconds = number("PULSE_SOAK_SECONDS").unwrap_or(SECONDS);
    let told = format!("\nPULSE_SOAK_SEED={seed} PULSE_SOAK_SECONDS={seconds}\n");
    // Not by a macro, whose output a test that passes does not show.
    let _ = std::io::stderr().write_all(told.as_bytes());
    let mut random = Random(seed);
    let mut agent = Agent::with(&SETTINGS);
    agent.connect().say("SEND begin\n").sync();
    let descriptors_at_rest = at_rest(&agent);
    let world = World {
        socket: agent.socket(),
        pause_millis: 20 * (1 + seconds / 100),
        over: AtomicBool::new(false),
        acknowledged: AtomicU64::new(0),
        seen: Mutex::default(),
    };
    let begin = Instant::now();
    let length = Duration::from_secs(seconds);
    let mut struck = HashMap::new();
    let mut grown = 0;
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
        let mut strike_until =
            |end, first| strike_until(end, first, &mut agent, world, &mut random, &mut struck);
        // From half-time on it is one process, which has half of that to show what it needs.
        strike_until(begin + length / 2, 0);
        let before = strike_until(begin + length * 3 / 4, FAULTS_OF_PROCESS);
        let then = strike_until(begin + length, FAULTS_OF_PROCESS);
        grown = then.saturating_sub(before);
        world.over.store(true, Ordering::Relaxed);
        // It wakes whoever follows, and is the last of all.
        let acknowledged: Vec<Vec<u64>> =
            senders.into_iter().map(|sender| sender.join().expect("what a sender saw")).collect();
        agent.connect().say("SEND end\n").sync();
        followers.into_iter().for_each(|follower| follower.join().expect("what a follower saw"));
        acknowledged
    });
    assert!(grown < GROWTH_MAX, "{grown} KiB more at the end");
    let descriptors = at_rest(&agent);
    assert!(descriptors <= descriptors_at_rest + DESCRIPTORS_MAX, "{descriptors} descriptors");
    let kills = struck.get("kill -9").copied().unwrap_or(0);
    check(&agent, &acknowledged, &world.seen.into_inner().expect("nobody panicked"), kills);
    let told = format!("{struck:?}, {} acknowledged\n", world.acknowledged.into_inner());
    let _ = std::io::stderr().write_all(told.as_bytes());
}

/// Lets all threads go, also where a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many descriptors the agent has when nobody is connected but who asks.
fn at_rest(agent: &Agent) -> usize {
    until("nobody is connected", || (agent.stats()["connections"] == 1).then_some(()));
    descriptors(agent)
}

/// Holds history against what everybody knows.
fn check(agent: &Agent, acknowledged: &[Vec<u64>], seen: &HashMap<u64, String>, kills: usize) {
    let items: Vec<Item> = agent.connect().tail("{}").iter().map(|line| parse(line)).collect();
    assert_whole(FIRST - 1, &items);
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
        assert!(found.is_sorted_by(|a, b| a < b), "sender {name}: once, and in order");
        let missing = acknowledged.iter().find(|n| found.binary_search(n).is_err());
        assert_eq!(missing, None, "sender {name}: acknowledged, and not in history");
    }
}

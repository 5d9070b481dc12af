//! All attacks together, at every door, next to clients that behave well.

use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::memory::{BESIDES, assert_returns_to, resident};
use crate::bridge::BRIDGE;
use crate::harness::{
    Agent, FIRST, Item, Running, as_root, assert_contiguous, hostile, optimized, parse, wait_for,
};

/// A user who may send and follow everything.
const ATTACKER: u32 = 4_270;

/// `window.size` by default, in bytes.
const DEFAULT_WINDOW: u64 = 64 << 20;

/// What the allocator may keep between small objects of all the attackers, in bytes.
const FRAGMENTS: u64 = 16 << 20;

/// A user who may do nothing.
const UNPRIVILEGED: u32 = 4_271;

/// The least duration of the attacks.
const DURATION: Duration = Duration::from_secs(6);

/// How long an attack holds its connections before it begins again.
const HOLD: Duration = Duration::from_secs(1);

/// The most that an acknowledged send of root, and the way of its event to a follower, may take longer than to an agent
/// that is not attacked.
const DELAY_MAX: Duration = Duration::from_millis(100);

/// The same for an agent that is not optimized: it needs its threads for itself alone, and on two cores the attackers'
/// readers and scans take them away for some scheduler ticks at each step of a send.
const UNOPTIMIZED_DELAY_MAX: Duration = Duration::from_secs(3);

/// The most that an event may take to a follower besides, from an agent that is not optimized. It takes long to test the
/// events of the attackers for the follower's MATCH.
const UNOPTIMIZED_FILTER_MAX: Duration = Duration::from_secs(25);

/// The timeout of the watchdog. The agent sends keep-alives twice as often.
const WATCHDOG: Duration = Duration::from_secs(2);

/// How often the whole is repeated before it fails, because the machine may be busy, and the longest of some thousand
/// sends is what a single pause of the machine makes it.
const TRIES: usize = 10;

/// What clients felt during the attacks.
#[derive(Debug)]
struct Felt {
    /// The longest acknowledged send to another agent, which is not attacked: what the machine itself takes.
    machine: Duration,
    /// The longest acknowledged send of root.
    send: Duration,
    /// The longest way of an event of root to a quiet follower.
    follow: Duration,
    /// The longest time between two keep-alives for the watchdog.
    keep_alive: Duration,
}

#[test]
fn all_attacks_together_disturb_no_other_client() {
    if !as_root("attacks by other users at every door") {
        return;
    }
    let (delay, filter) = match optimized() {
        Some(_) => (DELAY_MAX, Duration::ZERO),
        None => (UNOPTIMIZED_DELAY_MAX, UNOPTIMIZED_FILTER_MAX),
    };
    let mut all = Vec::new();
    for _ in 0..TRIES {
        let felt = attack();
        assert!(felt.keep_alive < WATCHDOG, "the watchdog was missed: {felt:?}");
        let most = delay + felt.machine;
        if felt.send <= most && felt.follow <= most + filter {
            return;
        }
        all.push(felt);
    }
    panic!("{all:#?}");
}

/// With the default window, which the attackers fill, and the environment of the service.
#[test]
fn all_attacks_together_take_less_than_twice_the_window() {
    if !as_root("attacks by other users at every door") {
        return;
    }
    let mut agent = Agent::prepare(&[BRIDGE, &access()]);
    for (name, value) in allocator_of_unit() {
        agent.env(&name, &value);
    }
    agent.restart();
    let (done, mut peak) = (AtomicBool::new(false), 0);
    thread::scope(|scope| {
        start_attacks(scope, &agent, &done);
        let mut full_since = None;
        wait_for("a window that is full for some seconds", || {
            peak = resident(&agent).max(peak);
            let full = agent.stats()["window_bytes"].as_u64()? >= DEFAULT_WINDOW - (2 << 20);
            let since = *full.then(|| full_since.get_or_insert_with(Instant::now))?;
            (since.elapsed() >= DURATION).then_some(())
        });
        done.store(true, Ordering::Relaxed);
    });
    assert!(peak < 2 * DEFAULT_WINDOW, "{} KiB", peak >> 10);
    assert_returns_to(&agent, DEFAULT_WINDOW + BESIDES + FRAGMENTS);
}

/// What the unit sets of the allocator.
fn allocator_of_unit() -> Vec<(String, String)> {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/systemd/pulsed.service");
    let unit = std::fs::read_to_string(unit).expect("a shipped file");
    let set = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    let variables = set.flat_map(str::split_whitespace).filter_map(|word| word.split_once('='));
    let own = variables.filter(|(name, _)| name.starts_with("MALLOC_"));
    own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The rights of the attackers.
fn access() -> String {
    format!("[[access]]\nsend = [\"{ATTACKER}\"]\ntail = [\"{ATTACKER}\"]")
}

fn attack() -> Felt {
    let access = access();
    let mut agent = Agent::prepare(&[BRIDGE, "window.size = \"8MiB\"", &access]);
    let path = agent.dir().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a writable directory");
    agent.env("NOTIFY_SOCKET", path.to_str().expect("UTF-8"));
    agent.env("WATCHDOG_USEC", &WATCHDOG.as_micros().to_string());
    agent.restart();
    let (other, done) = (Agent::start(), AtomicBool::new(false));
    let felt = thread::scope(|scope| {
        let keep_alive = scope.spawn(|| longest_between_keep_alives(&manager, &done));
        let machine = scope.spawn(|| longest_send(&other, &done));
        let client = scope.spawn(|| send_and_follow(&agent, &done));
        start_attacks(scope, &agent, &done);
        hold_until(Instant::now() + DURATION, &done);
        done.store(true, Ordering::Relaxed);
        let (send, follow) = client.join().expect("no panic");
        let (machine, keep_alive) = (machine.join(), keep_alive.join());
        let keep_alive = keep_alive.expect("no panic");
        Felt { machine: machine.expect("no panic"), send, follow, keep_alive }
    });
    let items: Vec<Item> = agent.history_text().lines().map(parse).collect();
    assert_contiguous(FIRST - 1, &items);
    felt
}

/// Repeats each attack until it is done.
fn start_attacks<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    agent: &Agent,
    done: &'scope AtomicBool,
) {
    for attack in attacks(agent) {
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let mut running = attack();
                assert!(running.line().starts_with("ready"));
                hold_until(Instant::now() + HOLD, done);
                running.wait();
            }
        });
    }
}

fn hold_until(end: Instant, done: &AtomicBool) {
    while Instant::now() < end && !done.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
}

/// One of each attack.
fn attacks(agent: &Agent) -> Vec<impl Fn() -> Running + Send + use<>> {
    let unix = format!("unix://{}", agent.socket_text());
    let tcp = format!("tcp://{}", agent.tcp());
    let web = agent.web();
    let http = format!("tcp://{web}");
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {web}\r\n\r");
    let follow = |matching: &str| format!("TAIL {{\"match\":\"{matching}\",\"follow\":true}}");
    let of_history = ["TAIL {\"match\":\"msg=zz\"}"; 50].join("\n");
    let escapes = format!("SEND {}", "\u{1}".repeat(60_000));
    let since = "TAIL {\"since\":\"2099-01-01T00:00:00Z\"}";
    let chat = r#"SEND {"tag":"a","msg":"x","fields":{"a":1}}"#;
    let start = |uid, mode: &'static str, address: &str, count, line: &str| {
        let (address, line) = (address.to_owned(), line.to_owned());
        move || hostile(uid, mode, &address, count, &line).start()
    };
    vec![
        start(UNPRIVILEGED, "ask", &unix, 64, "HELP"),
        start(UNPRIVILEGED, "ask", &unix, 64, "STATS"),
        start(UNPRIVILEGED, "ask", &unix, 64, "x"),
        start(UNPRIVILEGED, "half", &unix, 500, ""),
        start(UNPRIVILEGED, "ask", &tcp, 32, "AUTH 00000000000000000000000000000000"),
        start(UNPRIVILEGED, "ask", &http, 32, &get("/healthz")),
        start(UNPRIVILEGED, "ask", &http, 32, &get("/events")),
        start(ATTACKER, "ask", &unix, 32, since),
        start(ATTACKER, "ask", &unix, 2, &escapes),
        start(ATTACKER, "ask", &unix, 2, "SEND query took 40ms"),
        start(ATTACKER, "once", &unix, 8, &follow("msg~0[01]{62}2")),
        start(ATTACKER, "once", &unix, 32, &of_history),
        start(ATTACKER, "chat", &unix, 4, chat),
        start(ATTACKER, "deaf", &unix, 100, ""),
    ]
}

/// Sends acknowledged events and follows them, until it is done. Returns the longest send and the longest way.
fn send_and_follow(agent: &Agent, done: &AtomicBool) -> (Duration, Duration) {
    let mut follower = agent.connect();
    follower.follow(",\"match\":\"tag=good\"");
    let (mut send, mut follow, mut count) = (Duration::ZERO, Duration::ZERO, 0);
    while !done.load(Ordering::Relaxed) || count == 0 {
        let begun = Instant::now();
        agent.connect().write(format!("SEND {{\"tag\":\"good\",\"msg\":\"{count}\"}}\n")).sync();
        send = send.max(begun.elapsed());
        // Gaps count the refused events of the attackers, and progress the others.
        let mut lines = std::iter::repeat_with(|| follower.line());
        let event = lines.find(|line| line.starts_with("{\"seq\":"));
        assert_eq!(
            event.and_then(|line| parse(&line).msg().map(str::to_owned)),
            Some(count.to_string())
        );
        follow = follow.max(begun.elapsed());
        count += 1;
    }
    (send, follow)
}

/// The longest acknowledged send to an agent that is not attacked.
fn longest_send(agent: &Agent, done: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !done.load(Ordering::Relaxed) {
        let begun = Instant::now();
        agent.connect().write("SEND x\n").sync();
        longest = longest.max(begun.elapsed());
    }
    longest
}

/// The longest time between two keep-alives.
fn longest_between_keep_alives(manager: &UnixDatagram, done: &AtomicBool) -> Duration {
    manager.set_read_timeout(Some(Duration::from_millis(50))).expect("not zero");
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while !done.load(Ordering::Relaxed) {
        let mut bytes = [0; 4096];
        if let Ok(length) = manager.recv(&mut bytes)
            && bytes[..length].starts_with(b"WATCHDOG=1")
        {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
    }
    longest.max(last.elapsed())
}

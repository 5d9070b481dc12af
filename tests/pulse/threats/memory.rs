//! Resident memory under load: it stays within what the agent states, and returns.

use std::fs;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use pulsed::agent::{
    CONNECTIONS_MAX, DATAGRAM_USERS_MAX, DATAGRAMS_OF_ONE_MAX, HELD_MAX, HELD_OF_ONE_MAX,
    HOSTS_WINDOW, PART_WINDOW, PARTS_MAX, REST_MAX, RUNS_BYTES_MAX,
};

use crate::harness::{Agent, Client, Running, Tool, as_root, parse, seq_of, wait_for};

/// The uid of hostile clients.
const HOSTILE: u32 = 4246;

/// Their connections.
const CROWD: u64 = 1000;

/// The window of the agents, in bytes.
const WINDOW: u64 = 8 << 20;

/// Besides windows and budgets, in bytes.
pub(super) const BESIDES: u64 = 16 << 20;

/// What the allocator may keep of 60 MiB of unfinished lines, between small objects, in bytes.
const FRAGMENTS: u64 = 8 << 20;

/// An idle plain connection, in bytes.
const IDLE: u64 = 8 << 10;

/// Every user may follow.
const RULES: [&str; 4] = ["[[access]]", "tag = \"*\"", "send = [\"*\"]", "tail = [\"*\"]"];

fn start(lines: &[&str]) -> Agent {
    Agent::with(&[lines, &RULES].concat())
}

/// A figure of `/proc/PID/status`, in bytes.
fn status(agent: &Agent, name: &str) -> u64 {
    let path = format!("/proc/{}/status", agent.pid());
    let status = fs::read_to_string(path).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a figure");
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().expect("KiB") << 10
}

/// What the agent's heap, stacks and buffers take. The pages of its program, which are not its own, depend on how it
/// was built.
pub(super) fn resident(agent: &Agent) -> u64 {
    status(agent, "RssAnon")
}

/// Waits until the agent has done what there is to do.
fn settle(agent: &Agent) {
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", agent.pid())).expect("a process");
        let after_name = stat.rsplit(')').next().expect("a name");
        let fields = after_name.split_whitespace().skip(11).take(2);
        fields.map(|field| field.parse::<u64>().expect("a number")).sum::<u64>()
    };
    wait_for("an agent that is idle", || {
        let before = ticks();
        thread::sleep(Duration::from_millis(200));
        (ticks() - before <= 2).then_some(())
    });
}

#[track_caller]
fn assert_resident(agent: &Agent, what: &str, most: u64) {
    let resident = resident(agent);
    assert!(resident <= most, "{what}: {} KiB, at most {} KiB", resident >> 10, most >> 10);
}

/// Waits until little more is resident than the window, and what is besides it.
#[track_caller]
fn assert_returns(agent: &Agent) {
    assert_returns_to(agent, WINDOW + BESIDES + FRAGMENTS);
}

/// Waits until at most so many bytes are resident.
#[track_caller]
pub(super) fn assert_returns_to(agent: &Agent, most: u64) {
    wait_for("no other client", || (agent.stats()["connections"] == 1).then_some(()));
    wait_for(&format!("at most {} KiB after the load", most >> 10), || {
        thread::sleep(Duration::from_millis(200));
        (resident(agent) <= most).then_some(())
    });
}

/// Connections of [`HOSTILE`] that each write this PHP expression and then wait.
fn crowd(agent: &Agent, writes: &str) -> Running {
    let program = format!(
        "$text = {writes};
        for ($n = 0; $n < {CROWD}; $n++) {{
            $open[] = $agent = stream_socket_client('unix://' . getenv('SOCK'));
            fwrite($agent, $text);
        }}
        echo \"ready\\n\";
        fgets(STDIN);"
    );
    let user = format!("--reuid={HOSTILE}");
    let mut crowd = Tool::new("prlimit")
        .args(&["-n4096", "setpriv", &user, "--clear-groups", "php", "-r", &program])
        .env("SOCK", agent.socket_text())
        .start();
    assert_eq!(crowd.line(), "ready");
    crowd
}

#[test]
fn unfinished_lines_are_bounded() {
    if !as_root("unfinished lines of another user") {
        return;
    }
    let agent = start(&["window.size = \"8MiB\""]);
    // A connection that holds a short unfinished line never waits.
    let mut usual = agent.connect_as(HOSTILE);
    let mut crowd = crowd(&agent, "'SEND ' . str_repeat('x', 60000)");
    settle(&agent);
    let held = HELD_OF_ONE_MAX as u64;
    assert_resident(&agent, "unfinished lines", WINDOW + BESIDES + held + CROWD * IDLE);
    usual.write("SEND short\n").sync();
    // Another user, and root, get room for a long line at once.
    let long = format!("SEND {}\n", "y".repeat(60_000));
    for client in [&mut agent.connect(), &mut *agent.connect_as(HOSTILE + 1)] {
        client.write(&long).sync();
    }
    drop(usual);
    crowd.wait();
    // Those that were not read are read once there is room, or their client is gone.
    wait_for("every line", || (agent.stats()["events"] == CROWD + 3).then_some(()));
    assert_returns(&agent);
}

#[test]
fn long_line_is_read_once_there_is_room() {
    if !as_root("unfinished lines of another user") {
        return;
    }
    let agent = start(&["window.size = \"8MiB\""]);
    let mut crowd = crowd(&agent, "'SEND ' . str_repeat('x', 60000)");
    settle(&agent);
    let mut late = agent.connect_as(HOSTILE);
    late.write(format!("SEND {}\nSYNC\n", "y".repeat(60_000)));
    settle(&agent);
    assert!(agent.stats()["events"] == 0, "no room for another long line of this user");
    crowd.wait();
    assert!(late.line().starts_with("OK "));
}

#[test]
fn stalled_followers_are_bounded() {
    if !as_root("followers of another user") {
        return;
    }
    let agent = start(&["window.size = \"8MiB\""]);
    let mut crowd = crowd(&agent, "\"TAIL {\\\"follow\\\":true}\\n\"");
    wait_for("followers", || (agent.stats()["followers"] == CROWD).then_some(()));
    send_long(&agent, 0..60);
    settle(&agent);
    let rests = CROWD * REST_MAX as u64;
    assert_resident(&agent, "stalled followers", WINDOW + BESIDES + CROWD * IDLE + rests);
    crowd.wait();
    assert_returns(&agent);
}

#[test]
fn flood_is_bounded() {
    let agent = start(&["window.size = \"8MiB\"", "history.size = \"64MiB\""]);
    let line: String =
        (0..10_000).map(|n| format!("SEND query {n} took {}ms user={}\n", n % 90, n % 7)).collect();
    // Meanwhile, events one by one, which take most memory besides their bytes, and long ones of many lengths.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| send_long(&agent, 0..150));
        }
        for _ in 0..4 {
            scope.spawn(|| {
                let mut sender = agent.connect();
                for _ in 0..50 {
                    sender.write(&line);
                }
                sender.sync();
            });
        }
        scope.spawn(|| {
            let mut sender = agent.connect();
            for n in 0..2_000 {
                sender.write(format!("SEND {n}\n")).sync();
            }
        });
    });
    assert!(agent.stats()["events"] == 2_004_400);
    settle(&agent);
    assert_resident(&agent, "a flood", WINDOW + BESIDES);
}

/// Sends events whose lines take some 300 KiB, of different lengths, each followed by a short one.
fn send_long(agent: &Agent, numbers: std::ops::Range<usize>) {
    let mut sender = agent.connect();
    for n in numbers {
        let text = "\u{1}".repeat(50_000 + 17 * n);
        sender.write(format!("SEND {n} {text}\nSEND {{\"tag\":\"short\",\"msg\":\"{n}\"}}\n"));
    }
    sender.sync();
}

/// A follower that asks with this line, and does not read until the agent waits for it.
fn stalled(agent: &Agent, request: &str) -> Client {
    let stream = UnixStream::connect(agent.socket()).expect("the agent listens");
    let mut client = Client::from_stream(stream);
    client.write(format!("{request}\n"));
    client
}

/// Every line that a stalled follower gets is whole and the same as others get, read from the window or from history.
#[track_caller]
fn assert_slow_reader_gets_the_same(lines: &[&str]) {
    let agent = start(lines);
    let from = agent.connect().newest();
    let json = format!("TAIL {{\"after\":\"{from}\",\"follow\":true}}");
    let chosen = format!("TAIL {{\"after\":\"{from}\",\"follow\":true,\"match\":\"tag!=short\"}}");
    let paced = format!("TAIL {{\"after\":\"{from}\",\"follow\":true,\"rate\":1000}}");
    let requests = [json.as_str(), &chosen, &paced, "TAIL"];
    let mut slow = requests.map(|request| stalled(&agent, request));
    let mut quick = requests.map(|request| stalled(&agent, request));
    let followers = slow.len() + quick.len();
    wait_for("followers", || (agent.stats()["followers"] == followers).then_some(()));
    let quick = thread::scope(|scope| {
        let readers = quick.each_mut().map(|client| scope.spawn(|| read_to_end(client)));
        send_long(&agent, 0..20);
        agent.connect().write("SEND {\"tag\":\"last\",\"msg\":\"the end\"}\n").sync();
        readers.map(|reader| reader.join().expect("no panic"))
    });
    settle(&agent);
    let backwards = "TAIL {\"reverse\":true}";
    let mut reverse = stalled(&agent, backwards);
    settle(&agent);
    for (at, (slow, quick)) in slow.iter_mut().zip(&quick).enumerate() {
        assert!(read_to_end(slow) == *quick, "{}: {} lines", requests[at], quick.len());
    }
    assert_eq!(quick.each_ref().map(Vec::len), [41, 21, 41, 41]);
    assert!(quick[0][0].len() > 300_000 && quick[0] == quick[2]);
    let mut forwards: Vec<String> = (0..41).map(|_| reverse.line()).collect();
    forwards.reverse();
    assert!(forwards == quick[0], "{backwards}");
}

/// The lines up to the last one of [`assert_slow_reader_gets_the_same`].
fn read_to_end(client: &mut Client) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.contains("the end")) {
        lines.push(client.line());
    }
    lines
}

#[test]
fn slow_reader_gets_the_same_bytes_from_the_window() {
    assert_slow_reader_gets_the_same(&[]);
}

#[test]
fn slow_reader_gets_the_same_bytes_from_history() {
    assert_slow_reader_gets_the_same(&["window.size = \"2MiB\""]);
}

#[test]
fn ends_follower_whose_line_is_gone() {
    let agent = start(&["window.size = \"2MiB\"", "history.size = \"4MiB\""]);
    let from = agent.connect().newest();
    let mut slow = stalled(&agent, &format!("TAIL {{\"after\":\"{from}\",\"follow\":true}}"));
    let mut whole = stalled(&agent, &format!("TAIL {{\"after\":\"{from}\",\"follow\":true}}"));
    wait_for("followers", || (agent.stats()["followers"] == 2).then_some(()));
    send_long(&agent, 0..1);
    settle(&agent);
    send_long(&agent, 1..60);
    wait_for("a history without the first line", || {
        let oldest = agent.stats()["oldest"].as_str().map(seq_of)?;
        (oldest > seq_of(&from) + 10).then_some(())
    });
    // The line that it was reading is not completed with another one.
    assert_eq!(slow.try_whole_line(), None);
    agent.wait_for_output("reads too slowly");
    // The agent stays; a follower that comes again is told of the gap.
    assert_eq!(whole.try_whole_line(), None);
    let mut again = stalled(&agent, &format!("TAIL {{\"after\":\"{from}\"}}"));
    assert_eq!(parse(&again.line()).gap().expect("a gap").why, "retention");
}

#[test]
fn unit_allows_what_is_stated() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/systemd/pulsed.service");
    let unit = fs::read_to_string(unit).expect("a shipped file");
    let (_, comment) = unit.split_once("# What everything takes at once").expect("the arithmetic");
    let (comment, settings) = comment.split_once("MemoryHigh=").expect("the setting");
    let stated = |after: &str| {
        let words = comment.replace("\n#", "");
        let (_, rest) = words.split_once(after).unwrap_or_else(|| panic!("{after}: {words}"));
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap_or_else(|_| panic!("{after}: {words}"))
    };
    let connections = format!("{CONNECTIONS_MAX} connections ");
    let parts = [
        "the window ",
        "the agent itself ",
        &connections,
        "unfinished lines ",
        "runs ",
        "views ",
        "patterns ",
        "TLS and HTTP ",
        "clients that do not read ",
        "datagrams ",
        "the stream of all hosts ",
    ]
    .map(stated);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/pulsed.toml");
    let example = fs::read_to_string(example).expect("a shipped file");
    let (_, window) = example.split_once("\n[window]\n").expect("a section");
    assert!(window.contains(&format!("size = \"{}MiB\"\n", parts[0])), "{window}");
    assert_eq!(parts[1], BESIDES as usize >> 20);
    assert_eq!(parts[2], (CONNECTIONS_MAX * IDLE as usize) >> 20);
    assert_eq!((parts[3], parts[4]), (HELD_MAX >> 20, RUNS_BYTES_MAX >> 20));
    assert_eq!(parts[7], (CONNECTIONS_MAX * (64 << 10)) >> 20);
    assert_eq!(parts[9], (2 * DATAGRAM_USERS_MAX * DATAGRAMS_OF_ONE_MAX) >> 20);
    assert_eq!(parts[10], (HOSTS_WINDOW + PARTS_MAX * PART_WINDOW) >> 20);
    let sum: usize = parts.iter().sum();
    assert_eq!(stated("each): "), sum);
    let high: usize = settings.split('M').next().and_then(|n| n.parse().ok()).expect("MiB");
    assert!(high > sum, "{high} {sum}");
}

//! What other processes, users and faults do to the files of the history and to the descriptors of the agent.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::access::SENDER;
use crate::faults::edited::files as segments;
use crate::faults::sync::{HANGS, SLOW, prepare_with_library};
use crate::faults::{SMALL_WINDOW, everything, gaps, number_of, numbered, trouble};
use crate::harness::{Agent, Client, FIRST, TIMEOUT, Tool, as_root, parse, report};

/// A small history: 16 files of 256 KiB.
const SMALL_HISTORY: &str = "history.size = \"4MiB\"";

/// Sends these numbers, of about 1 KiB each, and waits until they are stored.
#[track_caller]
fn send(client: &mut Client, numbers: std::ops::Range<u64>) {
    for first in numbers.clone().step_by(200) {
        client.write(numbered(first..numbers.end.min(first + 200))).sync();
    }
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("coreutils").success());
}

/// Starts another agent with this one's configuration, which must fail. Returns what it printed.
fn refused_start(agent: &Agent) -> String {
    let config = agent.config();
    let refused = Tool::pulsed().args(&["--config", config.to_str().expect("UTF-8")]).run();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    refused.err
}

/// Sets the soft limit of the agent's open files.
fn allow_descriptors(agent: &Agent, count: &str) {
    let (pid, limit) = (format!("--pid={}", agent.pid()), format!("--nofile={count}:"));
    let done = Command::new("prlimit").args([&pid, &limit]).status().expect("util-linux");
    assert!(done.success());
}

#[test]
fn passing_errors_are_no_loss() {
    const FIRST_PART: u64 = 4000;
    let agent = Agent::with(&[SMALL_WINDOW, SMALL_HISTORY.replace('4', "64").as_str()]);
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    let mut readers = [agent.connect(), agent.connect(), agent.connect()];
    send(&mut sender, 0..FIRST_PART);
    follower.follow("");
    // No descriptor is free: not for a reader, and not for the next segment.
    allow_descriptors(&agent, "8");
    readers[0].write("TAIL {}\n");
    readers[1].write("TAIL {\"reverse\":true}\n");
    readers[2].write("TAIL {\"since\":\"2020-01-01T00:00:00Z\"}\n");
    agent.wait_for_output("trying again");
    sender.write(numbered(FIRST_PART..FIRST_PART + 1));
    let live = parse(&follower.line());
    assert_eq!(number_of(&live), Some(FIRST_PART), "the live path continues");
    allow_descriptors(&agent, "1000");
    sender.sync();
    for (n, reader) in readers.iter_mut().enumerate() {
        let mut lines = Vec::new();
        loop {
            let line = reader.line();
            if line.starts_with("OK ") {
                break;
            }
            lines.push(parse(&line));
        }
        let gaps: Vec<_> = gaps(&lines).into_iter().filter(|gap| gap.why != "restart").collect();
        assert!(gaps.is_empty(), "reader {n}: {gaps:?}");
        let events = lines.iter().filter_map(number_of).count() as u64;
        assert!(events >= FIRST_PART, "reader {n}: {events}");
    }
    send(&mut sender, FIRST_PART + 1..FIRST_PART + 2000);
    let items = everything(&agent, FIRST - 1);
    assert!(gaps(&items).is_empty(), "{:?}", gaps(&items));
    assert!(items.iter().map(number_of).eq((0..FIRST_PART + 2000).map(Some)));
}

#[test]
fn connections_leave_descriptors_for_history() {
    let mut agent = Agent::prepare(&[SMALL_WINDOW]);
    agent.launch_with(&["prlimit", "--nofile=80:80"]);
    agent.restart();
    agent.wait_for_output("the limit of 80 open files allows 20 connections instead of 4096");
    let mut sender = agent.connect();
    sender.sync();
    let crowd: Vec<UnixStream> = (0..200)
        .map(|_| UnixStream::connect(agent.socket()).expect("the kernel queues it"))
        .collect();
    // The last one is answered, so that all before it were accepted or refused.
    let mut last = Client::from_stream(crowd[199].try_clone().expect("a free descriptor"));
    let answer = last.line();
    assert!(answer.starts_with("ERR 75 "), "{answer}");
    // Every segment is a new descriptor.
    send(&mut sender, 0..3000);
    let items: Vec<_> = sender.tail("{}").iter().map(|line| parse(line)).collect();
    assert!(gaps(&items).is_empty() && items.len() == 3000, "{:?}", gaps(&items));
    assert!(!agent.output().contains("trying again"), "{}", agent.output());
}

#[test]
fn directory_that_is_away_for_a_moment_loses_nothing() {
    let mut agent = Agent::with(&[SMALL_WINDOW]);
    let mut sender = agent.connect();
    send(&mut sender, 0..4000);
    let (here, away) = (agent.history(), agent.history().with_extension("away"));
    let oldest = agent.stats()["oldest"].clone();
    fs::rename(&here, &away).expect("moved");
    // Readers find all of it meanwhile, and forget nothing.
    assert_eq!(everything(&agent, FIRST - 1).len(), 4000);
    fs::rename(&away, &here).expect("moved back");
    send(&mut sender, 4000..5000);
    assert_eq!(agent.stats()["oldest"], oldest);
    for starts in 0..2 {
        let items = everything(&agent, FIRST - 1);
        assert_eq!(gaps(&items).len(), starts, "{:?}", gaps(&items));
        assert_eq!(items.iter().filter_map(number_of).count(), 5000);
        assert!(agent.stop().success());
        agent.restart();
    }
}

/// Runs chattr(1). `false`, with a report, if the file system has no such flag.
fn set_immutable(path: &Path, how: &str) -> bool {
    let done = Command::new("sh")
        .args(["-c", "PATH=$PATH:/usr/sbin:/sbin exec chattr \"$@\"", "sh", how])
        .arg(path)
        .status();
    let done = done.expect("a shell").success();
    if !done {
        report("\n*** NOT TESTED, because chattr fails here: a file that cannot be removed ***\n");
    }
    done
}

#[test]
fn immutable_file_makes_no_flood_push_out_events_of_others() {
    if !as_root("a flood of another user, beside a history file that cannot be replaced") {
        return;
    }
    let agent = Agent::with(&[SMALL_WINDOW, SMALL_HISTORY]);
    agent.connect().write("SEND important\n").sync();
    let mut flooder = agent.connect_as(SENDER);
    let mut flood_until = |bytes: u64| {
        while agent.stats()["bytes"].as_u64().expect("a number") < bytes {
            // A part of them may be refused, because the sender is faster than it may be.
            flooder.write(numbered(0..200));
            flooder.request("SYNC");
        }
    };
    flood_until(3 << 19);
    let stuck = segments(&agent)[2].clone();
    if !set_immutable(&stuck, "+i") {
        return;
    }
    flood_until(16 << 20);
    let (trouble, lines) = (trouble(&agent), agent.connect().tail("{}"));
    let files = segments(&agent);
    assert!(set_immutable(&stuck, "-i"));
    assert_eq!(trouble, None);
    // The agent may be about to remove some.
    let on_disk: u64 = files.iter().filter_map(|path| Some(fs::metadata(path).ok()?.len())).sum();
    assert!(on_disk <= 4 << 20, "{on_disk}");
    assert!(files.contains(&stuck));
    let items: Vec<_> = lines.iter().map(|line| parse(line)).collect();
    assert!(items.iter().any(|item| item.msg() == Some("important")), "{:?}", gaps(&items));
    assert!(gaps(&items).iter().all(|gap| gap.why != "storage"), "{:?}", gaps(&items));
}

#[test]
fn immutable_file_stops_no_write() {
    if !as_root("a history file that cannot be removed") {
        return;
    }
    let agent = Agent::with(&[SMALL_WINDOW, SMALL_HISTORY]);
    let mut sender = agent.connect();
    send(&mut sender, 0..1000);
    let stuck = segments(&agent)[1].clone();
    if !set_immutable(&stuck, "+i") {
        return;
    }
    send(&mut sender, 1000..12_000);
    let on_disk: u64 =
        segments(&agent).iter().filter_map(|path| fs::metadata(path).ok()).map(|it| it.len()).sum();
    let trouble = trouble(&agent);
    let items = sender.tail("{}");
    let bytes = agent.stats()["history"]["bytes"].clone();
    assert!(set_immutable(&stuck, "-i"));
    assert_eq!(trouble, None);
    assert!(on_disk <= 4 << 20, "{on_disk}");
    assert_eq!(bytes, on_disk);
    assert!(stuck.exists() && items.len() > 1000, "{}", items.len());
    let whys: Vec<String> =
        items.iter().filter_map(|line| Some(parse(line).gap()?.why.clone())).collect();
    assert!(whys.iter().all(|why| why == "retention"), "{whys:?}");
    let output = agent.output();
    assert_eq!(output.matches("cannot remove").count(), 1, "{output}");
}

#[test]
fn odd_files_neither_hang_nor_end_a_start() {
    let mut agent = Agent::start();
    send(&mut agent.connect(), 0..10);
    assert!(agent.stop().success());
    let precious = agent.dir().join("precious");
    fs::write(&precious, "precious").expect("a writable directory");
    let at = |name: &str| agent.history().join(name);
    // In place of segments they are ignored.
    make_fifo(&at("0000000000009001.jsonl"));
    fs::create_dir(at("0000000000009002.jsonl")).expect("a writable directory");
    symlink(&precious, at("0000000000009003.jsonl")).expect("a writable directory");
    // Temporary files are not written through.
    symlink(&precious, at("state.new")).expect("a writable directory");
    agent.restart();
    agent.wait_for_output("not a regular file: ignored");
    send(&mut agent.connect(), 10..20);
    assert!(agent.stop().success());
    // In place of the other files they are named.
    for name in ["lock", "synced", "state"] {
        let path = agent.history().join(name);
        let kept = path.with_extension("kept");
        fs::rename(&path, &kept).expect("a writable directory");
        for kind in ["fifo", "directory", "link"] {
            match kind {
                "fifo" => make_fifo(&path),
                "directory" => fs::create_dir(&path).expect("a writable directory"),
                _ => symlink(&precious, &path).expect("a writable directory"),
            }
            let output = refused_start(&agent);
            assert!(output.contains("not a regular file"), "{name} {kind}: {output}");
            let removed = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
            removed.expect("a writable directory");
        }
        fs::rename(&kept, &path).expect("a writable directory");
    }
    assert_eq!(fs::read_to_string(&precious).expect("a file"), "precious");
    agent.restart();
    let items = everything(&agent, FIRST - 1);
    assert_eq!(items.iter().filter_map(number_of).count(), 20);
}

#[test]
fn removed_lock_file_lets_no_second_agent_in() {
    let agent = Agent::start();
    let mut sender = agent.connect();
    send(&mut sender, 0..10);
    let lock = agent.history().join("lock");
    fs::remove_file(&lock).expect("a lock file");
    // Its own socket, so that only the history is in the way.
    let other = agent.dir().join("other.toml");
    let text = fs::read_to_string(agent.config()).expect("a configuration");
    fs::write(&other, text.replace("pulsed.sock", "other.sock")).expect("a writable directory");
    let refused = Tool::pulsed().args(&["--config", other.to_str().expect("UTF-8")]).run();
    refused.failed(1, &["another agent", "uses it"]);
    send(&mut sender, 10..20);
    agent.wait_for_output("lock file removed: created again");
    assert!(lock.exists());
    let items = everything(&agent, FIRST - 1);
    assert!(items.iter().map(number_of).eq((0..20).map(Some)));
}

#[test]
fn stop_with_a_hanging_disk_ends() {
    /// 20 s without progress, 5 s for clients, and allowance for a busy machine.
    const STOP_MAX: Duration = Duration::from_secs(60);
    let mut agent = prepare_with_library(&[]);
    agent.restart();
    send(&mut agent.connect(), 0..10);
    let hangs = agent.dir().join(HANGS);
    fs::write(&hangs, "").expect("a writable directory");
    agent.connect().write(numbered(10..20)).newest();
    let begin = Instant::now();
    agent.signal(Signal::SIGTERM);
    let status = loop {
        if let Some(status) = agent.exited() {
            break status;
        }
        assert!(begin.elapsed() < STOP_MAX, "no exit: {}", agent.output());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(1));
    assert!(agent.output().contains("the disk hangs"), "{}", agent.output());
    // What was stored is there.
    fs::remove_file(hangs).expect("a writable directory");
    agent.restart();
    let items = everything(&agent, FIRST - 1);
    assert!(items.iter().filter_map(number_of).take(10).eq(0..10), "{items:?}");
}

#[test]
fn long_unclean_start_extends_its_timeout() {
    let mut agent = prepare_with_library(&[SMALL_WINDOW, "history.sync = \"never\""]);
    agent.restart();
    send(&mut agent.connect(), 0..40_000);
    agent.kill();
    let notify = agent.dir().join("notify");
    let manager = UnixDatagram::bind(&notify).expect("a writable directory");
    manager.set_read_timeout(Some(TIMEOUT)).expect("the timeout is not zero");
    agent.env("NOTIFY_SOCKET", notify.to_str().expect("UTF-8"));
    fs::write(agent.dir().join(SLOW), "").expect("a writable directory");
    agent.launch();
    let mut extended = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let length = manager.recv(&mut bytes).expect("a message");
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if text.starts_with("READY=1") {
            break;
        }
        extended.push(text);
    }
    assert!(extended.len() >= 2, "{extended:?}");
    for text in &extended {
        assert!(
            text.starts_with("EXTEND_TIMEOUT_USEC=120000000\nSTATUS=checking history: "),
            "{text}"
        );
    }
    let distinct: std::collections::BTreeSet<&String> = extended.iter().collect();
    assert_eq!(distinct.len(), extended.len(), "each reports progress: {extended:?}");
}

#[test]
fn agent_that_may_not_bind_says_what_to_do() {
    if !as_root("an agent without the right to its socket's directory") {
        return;
    }
    let mut agent = Agent::prepare(&[]);
    let state = agent.dir().join("state");
    fs::create_dir(&state).expect("a writable directory");
    std::os::unix::fs::chown(&state, Some(65534), Some(65534)).expect("root may");
    agent.configure(&[&format!("history.dir = {:?}", state.join("history"))]);
    let copy =
        "cp \"$1\" $0/agent && shift && exec setpriv --reuid=65534 --clear-groups $0/agent \"$@\"";
    let dir = agent.dir().to_str().expect("UTF-8").to_owned();
    agent.launch_with(&["sh", "-c", copy, &dir]);
    agent.launch();
    assert_eq!(agent.wait().code(), Some(1));
    let output = agent.output();
    for words in
        ["may not create files in", "systemctl start pulsed.socket", "chown", "socket.path"]
    {
        assert!(output.contains(words), "{words}: {output}");
    }
}

//! Abuse through every door while well-behaved clients send and follow: they lose nothing, and the agent leaks
//! nothing.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bridge::BRIDGE;
use crate::bridge::tls::make_certificate;
use crate::harness::{
    Agent, Client, FIRST, Item, Running, Tool, as_root, assert_contiguous, hostile, parse, wait_for,
};

/// The uid of the hostile clients.
const HOSTILE: u32 = 4_242;

/// The uid of the followers with many patterns.
const GREEDY: u32 = 4_243;

/// The least duration of the abuse.
const DURATION: Duration = Duration::from_secs(8);

/// More connections than the agent accepts.
const CROWD: usize = 10_000;

fn hostile_php(mode: &str, address: &str, count: usize) -> Tool {
    hostile(HOSTILE, mode, address, count, "")
}

/// A shell script as the hostile user, with the addresses of the agent in its environment.
fn hostile_sh(agent: &Agent, port: u16, line: &str) -> Tool {
    sh_as(HOSTILE, agent, port, line)
}

fn sh_as(user: u32, agent: &Agent, port: u16, line: &str) -> Tool {
    let user = format!("--reuid={user}");
    Tool::new("setpriv")
        .args(&[&user, "--clear-groups", "sh", "-c", line])
        .env("SOCK", agent.socket_text())
        .env("PORT", &port.to_string())
}

/// Scripts of abuse, each repeated.
const SCRIPTS: [&str; 10] = [
    "head -c 3000000 /dev/urandom | timeout 5 nc -NU $SOCK",
    "head -c 300000 /dev/urandom | timeout 5 nc -N 127.0.0.1 $PORT",
    "{ printf '\\026\\003\\001'; head -c 300000 /dev/urandom; } | timeout 5 nc -N 127.0.0.1 $PORT",
    "tr '\\0\\n' 'xx' < /dev/zero | head -c 30000000 | timeout 5 nc -NU $SOCK",
    "{ printf '<13>'; tr '\\0' x < /dev/zero | head -c 30000000; } | timeout 5 nc -NU $SOCK",
    "{ printf '99999 <13>'; tr '\\0' x < /dev/zero | head -c 3000000; } | timeout 5 nc -NU $SOCK",
    "yes 'TAIL {\"lines\":99999999,\"match\":\"msg~x+x+x+y\"}' | head -n 200 | timeout 5 nc -NU $SOCK",
    "yes 'SEND {\"tag\":\"good\",\"msg\":\"forged\"}' | head -n 20000 | timeout 5 nc -NU $SOCK",
    "for n in 1 2 3 4 5 6 7 8; do openssl s_client -connect 127.0.0.1:$PORT < /dev/null 2>&1; done",
    "yes 'AUTH 00000000000000000000000000000000' | head -n 100000 | timeout 5 nc -N 127.0.0.1 $PORT",
];

#[test]
fn abuse_disturbs_no_other_client() {
    if !as_root("abuse by another user through every door") {
        return;
    }
    // Of the local users only root may send or tail the counted tag `good`.
    let access =
        "[[access]]\ntag = \"good\"\nsend = []\n[[access]]\nsend = [\"*\"]\ntail = [\"*\"]";
    let mut agent = Agent::prepare(&[]);
    let (cert, key) = (agent.dir().join("cert.pem"), agent.dir().join("key.pem"));
    make_certificate(&cert, &key);
    let (cert, key) = (format!("tcp.cert = {cert:?}"), format!("tcp.key = {key:?}"));
    agent.configure(&[BRIDGE, &cert, &key, access]);
    agent.restart();
    let token = agent.token("good", &["good"], &["good"]);
    let address = agent.tcp();
    let unix = format!("unix://{}", agent.socket_text());
    let tcp = format!("tcp://{address}");
    let before = sockets(&agent);

    let done = AtomicBool::new(false);
    let sent = AtomicU64::new(0);
    thread::scope(|scope| {
        let mut follower = agent.connect();
        follower.follow(",\"match\":\"tag=good\"");
        let mut bridged = agent.connect_with_token(&token);
        bridged.follow("");
        scope.spawn(|| {
            let mut sender = agent.connect();
            while !done.load(Ordering::Relaxed) {
                let from = sent.load(Ordering::Relaxed);
                let event = |n| format!("SEND {{\"tag\":\"good\",\"msg\":\"{n}\"}}\n");
                let text: String = (from..from + 20).map(event).collect();
                sender.write(text).sync();
                sent.store(from + 20, Ordering::Relaxed);
            }
            sender.write("SEND {\"tag\":\"good\",\"msg\":\"end\"}\n").sync();
        });
        scope.spawn(|| {
            // Short commands too: connections are reserved for root.
            while !done.load(Ordering::Relaxed) {
                let answer = agent.send(&["--timeout", "20s", "-t", "short", "x"]).run();
                assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""), "{answer:#?}");
            }
        });
        for script in SCRIPTS {
            let (agent, done) = (&agent, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    hostile_sh(agent, address.port(), script).run();
                }
            });
        }
        scope.spawn(|| {
            let begun = Instant::now();
            while begun.elapsed() < DURATION {
                crowds(&unix, &tcp);
            }
            done.store(true, Ordering::Relaxed);
        });
        let bridged = scope.spawn(move || count_to_the_end(&mut bridged));
        let count = count_to_the_end(&mut follower);
        assert!(count > 0 && count == sent.load(Ordering::Relaxed));
        assert_eq!(bridged.join().expect("no panic"), count);
    });
    let items: Vec<Item> = agent.history_text().lines().map(parse).collect();
    assert_contiguous(FIRST - 1, &items);
    // No connection of the hostile clients is left. The agent notices a closed TCP follower at the next write.
    agent.connect().write("SEND {\"tag\":\"good\",\"msg\":\"after the end\"}\n").sync();
    wait_for("no other connection", || (agent.stats()["connections"] == 1).then_some(()));
    let leaked = || sockets(&agent).difference(&before).count();
    wait_for("no leaked socket", || (leaked() == 0).then_some(()));
}

/// Counts the events before the one with the message `end`. The message of each must be its index.
fn count_to_the_end(follower: &mut Client) -> u64 {
    let mut count = 0;
    loop {
        let item = parse(&follower.line());
        match item.msg() {
            Some("end") => return count,
            Some(msg) => assert_eq!(msg, count.to_string()),
            // Events of the hostile clients that were refused.
            None => assert!(item.gap().is_some_and(|gap| gap.why == "rate"), "{item:?}"),
        }
        count += u64::from(item.gap().is_none());
    }
}

/// Opens crowds of hostile connections, one kind after the other.
fn crowds(unix: &str, tcp: &str) {
    for (mode, address, count) in [
        ("leave", unix, 2000),
        ("silent", unix, CROWD),
        ("half", unix, CROWD),
        ("deaf", unix, 500),
        ("silent", tcp, 1000),
        ("hello", tcp, 1000),
        ("half", tcp, 1000),
        ("leave", tcp, 1000),
    ] {
        let mut crowd = hostile_php(mode, address, count).start();
        let printed = crowd.line();
        assert!(printed.starts_with("ready"), "{printed}");
        crowd.wait();
    }
}

/// The open sockets of the agent.
fn sockets(agent: &Agent) -> BTreeSet<PathBuf> {
    let open = std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).expect("a running process");
    let names = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    names.filter(|name| name.to_string_lossy().starts_with("socket:")).collect()
}

/// A crowd that stays connected until it is dropped, and how many of its connections the agent holds.
fn crowd(agent: &Agent, mode: &str, address: &str, count: usize) -> (Running, u64) {
    let mut crowd = hostile_php(mode, address, count).start();
    assert!(crowd.line().starts_with("ready"));
    let mut last = u64::MAX;
    let connected = wait_for("a stable number of connections", || {
        let now = agent.stats()["connections"].as_u64().expect("a number") - 1;
        (std::mem::replace(&mut last, now) == now).then_some(now)
    });
    (crowd, connected)
}

#[test]
fn limits_one_user_to_1024_connections() {
    if !as_root("ten thousand connections of another user") {
        return;
    }
    let agent = Agent::start();
    let unix = format!("unix://{}", agent.socket_text());
    let (mut crowd, connected) = crowd(&agent, "silent", &unix, CROWD);
    assert_eq!(connected, 1024);
    let answer = hostile_sh(&agent, 0, "nc -NU $SOCK < /dev/null").run();
    assert_eq!(answer.out, "ERR 75 too many connections of your user: try again later\n");
    let other = Tool::new("setpriv").args(&["--reuid=4244", "--clear-groups", "nc", "-NU"]);
    let answer = other.args(&[agent.socket_text()]).input("PING\n").run();
    assert!(answer.out.starts_with("OK "), "another user may connect: {answer:#?}");
    crowd.wait();
    wait_for("a free connection", || (agent.stats()["connections"] == 1).then_some(()));
    assert!(hostile_sh(&agent, 0, "echo PING | nc -NU $SOCK").run().out.starts_with("OK "));
}

#[test]
fn reserves_64_connections_for_root() {
    if !as_root("connections of five other users") {
        return;
    }
    let agent = Agent::start();
    let unix = format!("unix://{}", agent.socket_text());
    let script = |user: u32| hostile(user, "silent", &unix, 1024, "").start();
    let mut crowds: Vec<Running> = (5000..5004).map(script).collect();
    for crowd in &mut crowds {
        assert!(crowd.line().starts_with("ready"));
    }
    wait_for("every connection in use", || {
        (agent.stats()["connections"] == 4096 - 64 + 1).then_some(())
    });
    let answer = hostile_sh(&agent, 0, "nc -NU $SOCK < /dev/null").run();
    assert_eq!(answer.out, "ERR 75 too many connections: try again later\n");
    let mut reserved: Vec<Client> = (0..63).map(|_| agent.connect()).collect();
    for client in &mut reserved {
        assert!(client.request("PING").starts_with("OK "));
    }
    let mut last = agent.connect();
    assert!(last.request("PING").starts_with("OK "));
    assert_eq!(agent.connect().line(), "ERR 75 too many connections: try again later");
}

#[test]
fn limits_unauthenticated_connections_per_address() {
    let agent = Agent::with(&[BRIDGE]);
    let address = agent.tcp();
    let connect = |count: usize| -> Vec<TcpStream> {
        (0..count).map(|_| TcpStream::connect(address).expect("a listening bridge")).collect()
    };
    let connections = || agent.stats()["connections"].as_u64().expect("a number") - 1;
    let crowd = connect(64);
    wait_for("64 connections", || (connections() == 64).then_some(()));
    let mut more = TcpStream::connect(address).expect("a listening bridge");
    let mut answer = String::new();
    more.read_to_string(&mut answer).expect("an answer and the end of the stream");
    assert_eq!(answer, "ERR 75 too many connections from your address: try again later\n");
    drop(crowd);
    wait_for("no connection", || (connections() == 0).then_some(()));
    assert_eq!(connect(64).len(), 64);
}

#[test]
fn bounds_regexes_of_followers() {
    if !as_root("followers of another user") {
        return;
    }
    let agent = Agent::with(&["[[access]]\ntail = [\"*\"]"]);
    let sh = |line: &str| sh_as(GREEDY, &agent, 0, line);
    let ask = |tail: &str| sh(&format!("echo 'TAIL {tail}' | nc -NU $SOCK")).run().out;
    // Followers with 8 patterns each, which outlive the end of their input.
    let matching = "a~1 a~2 a~3 a~4 a~5 a~6 a~7 a~8";
    let follow = format!("echo 'TAIL {{\"follow\":true,\"match\":\"{matching}\"}}' | nc -U $SOCK");
    let followers: Vec<Running> = (0..8).map(|_| sh(&follow).start()).collect();
    wait_for("8 followers", || (agent.stats()["followers"] == 8).then_some(()));
    let answer = ask("{\"match\":\"a~1\"}");
    assert!(answer.starts_with("ERR 75 too many followers with ~ at once"), "{answer}");
    let answer = ask("{\"match\":\"a=1\",\"lines\":0}");
    assert!(answer.starts_with("OK "), "without ~ it is accepted: {answer}");
    assert!(
        agent.connect().request("TAIL {\"match\":\"a~1\",\"lines\":0}").starts_with("OK "),
        "root has a quota of its own"
    );
    drop(followers);
    Tool::new("pkill").args(&["-u", &GREEDY.to_string()]).run();
    wait_for("free patterns", || {
        ask("{\"match\":\"a~1\",\"lines\":0}").starts_with("OK ").then_some(())
    });
}

#[test]
fn slow_handshake_times_out() {
    let agent = Agent::with(&[BRIDGE]);
    let address = agent.tcp();
    let mut silent = TcpStream::connect(address).expect("a listening bridge");
    let mut half = TcpStream::connect(address).expect("a listening bridge");
    half.write_all(b"AUTH 0123").expect("written");
    let mut hello = TcpStream::connect(address).expect("a listening bridge");
    hello.write_all(b"\x16\x03\x01\x02").expect("written");
    let connections = || agent.stats()["connections"].as_u64().expect("a number") - 1;
    wait_for("no connection", || (connections() == 0).then_some(()));
    for stream in [&mut silent, &mut half, &mut hello] {
        let mut rest = Vec::new();
        // The end of the stream, or a reset if the agent left bytes unread.
        let _ = stream.read_to_end(&mut rest);
    }
    agent.wait_for_output("127.0.0.1: not authenticated: ");
}

#[test]
fn reset_ends_half_closed_follow() {
    let agent = Agent::with(&[BRIDGE]);
    let token = agent.token("wall", &[], &["*"]);
    let mut stream = TcpStream::connect(agent.tcp()).expect("a listening bridge");
    writeln!(stream, "AUTH {token}\nTAIL").expect("written");
    stream.shutdown(std::net::Shutdown::Write).expect("connected");
    wait_for("a follower", || (agent.stats()["followers"] == 1).then_some(()));
    let reset = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &reset).expect("set");
    drop(stream);
    wait_for("no follower, although nothing is sent", || {
        (agent.stats()["followers"] == 0).then_some(())
    });
}

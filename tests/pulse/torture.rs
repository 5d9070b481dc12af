//! Everything rude, at every door, while somebody who behaves sends and somebody else follows: they lose
//! nothing, and the agent is as it was.

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
    Agent, Client, FIRST, Item, Running, Tool, as_root, assert_whole, parse, until,
};

/// A user who has nothing and is nobody's friend.
const RUDE: u32 = 4_242;

/// A user who follows more than others.
const GREEDY: u32 = 4_243;

/// How long the torture goes on at least.
const LASTS: Duration = Duration::from_secs(8);

/// More than the agent takes in at all.
const CROWD: &str = "10000";

fn rude_php(mode: &str, address: &str, count: &str) -> Tool {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pulse/rude.php");
    // As many descriptors as it takes, and a user of its own.
    let user = format!("--reuid={RUDE}");
    Tool::new("prlimit").args(&["--nofile=20000", "setpriv", &user, "--clear-groups"]).args(&[
        "php",
        "-d",
        "memory_limit=-1",
        "-r",
        // The script is read here: the checkout need not be readable for everybody.
        &std::fs::read_to_string(script).expect("the script").replace("<?php", ""),
        "--",
        mode,
        address,
        count,
    ])
}

/// A line of shell as the rude user, with the doors' addresses in its environment.
fn rude_sh(agent: &Agent, port: u16, line: &str) -> Tool {
    sh_as(RUDE, agent, port, line)
}

fn sh_as(user: u32, agent: &Agent, port: u16, line: &str) -> Tool {
    let user = format!("--reuid={user}");
    Tool::new("setpriv")
        .args(&[&user, "--clear-groups", "sh", "-c", line])
        .env("SOCK", agent.socket_text())
        .env("PORT", &port.to_string())
}

/// One-shot rudeness, again and again.
const LINES: [&str; 10] = [
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
fn whoever_behaves_loses_nothing_whatever_others_do_at_any_door() {
    if !as_root("a torture by another user at every door") {
        return;
    }
    // Nobody but root may send the tag that is counted, or follow.
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
        let mut bridged = agent.connect_with(&token);
        bridged.follow("");
        scope.spawn(|| {
            let mut sender = agent.connect();
            while !done.load(Ordering::Relaxed) {
                let from = sent.load(Ordering::Relaxed);
                let event = |n| format!("SEND {{\"tag\":\"good\",\"msg\":\"{n}\"}}\n");
                let text: String = (from..from + 20).map(event).collect();
                sender.say(text).sync();
                sent.store(from + 20, Ordering::Relaxed);
            }
            sender.say("SEND {\"tag\":\"good\",\"msg\":\"end\"}\n").sync();
        });
        scope.spawn(|| {
            // Short runs of the commands too: root's connections are kept.
            while !done.load(Ordering::Relaxed) {
                let told = agent.send(&["--timeout", "20s", "-t", "short", "x"]).run();
                assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{told:#?}");
            }
        });
        for line in LINES {
            let (agent, done) = (&agent, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    rude_sh(agent, address.port(), line).run();
                }
            });
        }
        scope.spawn(|| {
            let begun = Instant::now();
            while begun.elapsed() < LASTS {
                crowds(&unix, &tcp);
            }
            done.store(true, Ordering::Relaxed);
        });
        let bridged = scope.spawn(move || count_to_the_end(&mut bridged));
        let count = count_to_the_end(&mut follower);
        assert!(count > 0 && count == sent.load(Ordering::Relaxed));
        assert_eq!(bridged.join().expect("it has counted"), count);
    });
    let items: Vec<Item> = agent.history_text().lines().map(parse).collect();
    assert_whole(FIRST - 1, &items);
    // What others left half done is gone with them. That a follower by TCP is gone shows when there is
    // something to tell it.
    agent.connect().say("SEND {\"tag\":\"good\",\"msg\":\"behind the end\"}\n").sync();
    until("the agent is alone", || (agent.stats()["connections"] == 1).then_some(()));
    let left = || sockets(&agent).difference(&before).count();
    until("no socket is left behind", || (left() == 0).then_some(()));
}

/// How many events come, each with its number for a message, before the one that says that it is the end.
fn count_to_the_end(follower: &mut Client) -> u64 {
    let mut count = 0;
    loop {
        let item = parse(&follower.line());
        match item.msg() {
            Some("end") => return count,
            Some(msg) => assert_eq!(msg, count.to_string()),
            // What others were refused.
            None => assert!(item.gap().is_some_and(|gap| gap.why == "rate"), "{item:?}"),
        }
        count += u64::from(item.gap().is_none());
    }
}

/// Crowds of connections that do nothing good, as many as there can be, one kind after the other.
fn crowds(unix: &str, tcp: &str) {
    for (mode, address, count) in [
        ("leave", unix, "2000"),
        ("silent", unix, CROWD),
        ("half", unix, CROWD),
        ("deaf", unix, "500"),
        ("silent", tcp, "1000"),
        ("hello", tcp, "1000"),
        ("half", tcp, "1000"),
        ("leave", tcp, "1000"),
    ] {
        let mut crowd = rude_php(mode, address, count).start();
        let said = crowd.line();
        assert!(said.starts_with("ready"), "{said}");
        crowd.wait();
    }
}

/// The sockets that the agent has open.
fn sockets(agent: &Agent) -> BTreeSet<PathBuf> {
    let open = std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).expect("it runs");
    let names = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    names.filter(|name| name.to_string_lossy().starts_with("socket:")).collect()
}

/// A crowd that stays until it is dropped, and how many of it are connected at the agent.
fn crowd(agent: &Agent, mode: &str, address: &str, count: &str) -> (Running, u64) {
    let mut crowd = rude_php(mode, address, count).start();
    assert!(crowd.line().starts_with("ready"));
    let mut last = u64::MAX;
    let connected = until("a crowd that has settled", || {
        let now = agent.stats()["connections"].as_u64().expect("a number") - 1;
        (std::mem::replace(&mut last, now) == now).then_some(now)
    });
    (crowd, connected)
}

#[test]
fn of_ten_thousand_connections_of_one_user_1024_are_taken_in_and_the_others_told_why() {
    if !as_root("ten thousand connections of another user") {
        return;
    }
    let agent = Agent::start();
    let unix = format!("unix://{}", agent.socket_text());
    let (mut crowd, connected) = crowd(&agent, "silent", &unix, CROWD);
    assert_eq!(connected, 1024);
    let told = rude_sh(&agent, 0, "nc -NU $SOCK < /dev/null").run();
    assert_eq!(told.out, "ERR 75 too many connections of your user: try again later\n");
    let other = Tool::new("setpriv").args(&["--reuid=4244", "--clear-groups", "nc", "-NU"]);
    let told = other.args(&[agent.socket_text()]).input("PING\n").run();
    assert!(told.out.starts_with("OK "), "another user comes in: {told:#?}");
    crowd.wait();
    until("room again", || (agent.stats()["connections"] == 1).then_some(()));
    assert!(rude_sh(&agent, 0, "echo PING | nc -NU $SOCK").run().out.starts_with("OK "));
}

#[test]
fn of_all_connections_64_are_kept_for_root() {
    if !as_root("connections of five other users") {
        return;
    }
    let agent = Agent::start();
    let unix = format!("unix://{}", agent.socket_text());
    let script = |user: u32| {
        let tool = rude_php("silent", &unix, "1024");
        let (program, words) = tool.words();
        let words: Vec<String> =
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let words = words.iter().map(|word| word.replace(&RUDE.to_string(), &user.to_string()));
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Tool::new(&program.to_string_lossy()).args(&words).start()
    };
    let mut crowds: Vec<Running> = (5000..5004).map(script).collect();
    for crowd in &mut crowds {
        assert!(crowd.line().starts_with("ready"));
    }
    until("a full house", || (agent.stats()["connections"] == 4096 - 64 + 1).then_some(()));
    let told = rude_sh(&agent, 0, "nc -NU $SOCK < /dev/null").run();
    assert_eq!(told.out, "ERR 75 too many connections: try again later\n");
    let mut kept: Vec<Client> = (0..63).map(|_| agent.connect()).collect();
    for client in &mut kept {
        assert!(client.ask("PING").starts_with("OK "));
    }
    let mut last = agent.connect();
    assert!(last.ask("PING").starts_with("OK "));
    assert_eq!(agent.connect().line(), "ERR 75 too many connections: try again later");
}

#[test]
fn strangers_by_tcp_are_few_from_one_address_and_never_all_there_is() {
    let agent = Agent::with(&[BRIDGE]);
    let address = agent.tcp();
    let strangers = |count: usize| -> Vec<TcpStream> {
        (0..count).map(|_| TcpStream::connect(address).expect("it listens")).collect()
    };
    let connections = || agent.stats()["connections"].as_u64().expect("a number") - 1;
    let crowd = strangers(64);
    until("64 strangers", || (connections() == 64).then_some(()));
    let mut more = TcpStream::connect(address).expect("it listens");
    let mut told = String::new();
    more.read_to_string(&mut told).expect("an answer and the end");
    assert_eq!(told, "ERR 75 too many connections from your address: try again later\n");
    drop(crowd);
    until("none", || (connections() == 0).then_some(()));
    assert_eq!(strangers(64).len(), 64);
}

#[test]
fn regular_expressions_that_followers_hold_are_bounded() {
    if !as_root("followers of another user") {
        return;
    }
    let agent = Agent::with(&["[[access]]\ntail = [\"*\"]"]);
    let sh = |line: &str| sh_as(GREEDY, &agent, 0, line);
    let ask = |tail: &str| sh(&format!("echo 'TAIL {tail}' | nc -NU $SOCK")).run().out;
    // Followers with 8 patterns each. They go on though nothing more is said.
    let matching = "a~1 a~2 a~3 a~4 a~5 a~6 a~7 a~8";
    let follow = format!("echo 'TAIL {{\"follow\":true,\"match\":\"{matching}\"}}' | nc -U $SOCK");
    let followers: Vec<Running> = (0..8).map(|_| sh(&follow).start()).collect();
    until("8 followers", || (agent.stats()["followers"] == 8).then_some(()));
    let told = ask("{\"match\":\"a~1\"}");
    assert!(told.starts_with("ERR 75 too many followers with ~ at once"), "{told}");
    let told = ask("{\"match\":\"a=1\",\"lines\":0}");
    assert!(told.starts_with("OK "), "without ~ there is room: {told}");
    assert!(
        agent.connect().ask("TAIL {\"match\":\"a~1\",\"lines\":0}").starts_with("OK "),
        "root's are others"
    );
    drop(followers);
    Tool::new("pkill").args(&["-u", &GREEDY.to_string()]).run();
    until("room again", || ask("{\"match\":\"a~1\"}").starts_with("OK ").then_some(()));
}

#[test]
fn a_stranger_who_writes_slowly_or_not_at_all_is_gone_after_ten_seconds() {
    let agent = Agent::with(&[BRIDGE]);
    let address = agent.tcp();
    let mut silent = TcpStream::connect(address).expect("it listens");
    let mut half = TcpStream::connect(address).expect("it listens");
    half.write_all(b"AUTH 0123").expect("written");
    let mut hello = TcpStream::connect(address).expect("it listens");
    hello.write_all(b"\x16\x03\x01\x02").expect("written");
    let connections = || agent.stats()["connections"].as_u64().expect("a number") - 1;
    until("none", || (connections() == 0).then_some(()));
    for stream in [&mut silent, &mut half, &mut hello] {
        let mut rest = Vec::new();
        // The end, or a reset where something was not read.
        let _ = stream.read_to_end(&mut rest);
    }
    agent.until_said("127.0.0.1: not let in: ");
}

#[test]
fn a_half_closed_follower_by_tcp_whose_machine_resets_the_connection_is_gone() {
    let agent = Agent::with(&[BRIDGE]);
    let token = agent.token("wall", &[], &["*"]);
    let mut stream = TcpStream::connect(agent.tcp()).expect("it listens");
    writeln!(stream, "AUTH {token}\nTAIL").expect("written");
    stream.shutdown(std::net::Shutdown::Write).expect("connected");
    until("a follower", || (agent.stats()["followers"] == 1).then_some(()));
    let reset = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &reset).expect("set");
    drop(stream);
    until("no follower, though nothing is sent", || {
        (agent.stats()["followers"] == 0).then_some(())
    });
}

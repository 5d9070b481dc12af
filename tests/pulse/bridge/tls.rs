//! TLS, and that nothing goes without it but what stays on this machine.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{BRIDGE, REFUSAL, WRONG};
use crate::harness::{
    Agent, FIRST, Item, Tool, Via, as_root, assert_whole, begins_log, parse, until,
};

/// Makes a certificate and its key, in these files.
#[track_caller]
pub(crate) fn make_certificate(cert: &Path, key: &Path) {
    let done = Tool::new("openssl")
        .args(&["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(&["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(&["-keyout", key.to_str().expect("UTF-8"), "-out", cert.to_str().expect("UTF-8")])
        .run();
    assert_eq!(done.code, Some(0), "{done:#?}");
}

/// Where an agent's certificate and key are.
fn files(agent: &Agent) -> (PathBuf, PathBuf) {
    (agent.dir().join("cert.pem"), agent.dir().join("key.pem"))
}

/// Prepares an agent with a certificate.
fn prepare(listen: &str) -> Agent {
    let agent = Agent::prepare(&[]);
    configure(&agent, listen);
    let (cert, key) = files(&agent);
    make_certificate(&cert, &key);
    agent
}

fn configure(agent: &Agent, listen: &str) {
    let (cert, key) = files(agent);
    agent.configure(&[
        &format!("tcp.listen = {listen:?}"),
        &format!("tcp.cert = {cert:?}"),
        &format!("tcp.key = {key:?}"),
    ]);
}

fn with_certificate() -> Agent {
    let mut agent = prepare("127.0.0.1:0");
    agent.restart();
    agent
}

/// Speaks TLS with whoever has proved to have this certificate, and with nobody else.
#[track_caller]
fn connect(address: SocketAddr, trusted: &Path) -> Via {
    let (address, trusted) = (address.to_string(), trusted.to_str().expect("UTF-8"));
    Via::command(&[
        "openssl",
        "s_client",
        "-quiet",
        "-verify_return_error",
        "-CAfile",
        trusted,
        "-connect",
        &address,
    ])
}

#[test]
fn through_tls_everything_goes_as_without() {
    let agent = with_certificate();
    let token = agent.token("web2", &["*"], &["*"]);
    let (cert, _) = files(&agent);
    let mut follower = connect(agent.tcp(), &cert);
    follower.auth(&token);
    follower.follow("");
    // Far more than the buffers on the way take, and the follower reads nothing meanwhile.
    const COUNT: u64 = 40_000;
    let mut sender = connect(agent.tcp(), &cert);
    sender.auth(&token);
    let text: String = (0..COUNT).map(|n| format!("SEND {n:0100}\n")).collect();
    let mut writer = sender.writer();
    thread::scope(|scope| {
        scope.spawn(|| writer.say(text));
        // The answers to what is said come behind it.
        let cursor =
            until("everything", || (agent.stats()["events"] == COUNT).then(|| sender.sync()));
        assert!(cursor.ends_with(&format!("-{}", FIRST + COUNT - 1)), "{cursor}");
    });
    let items: Vec<Item> = (0..COUNT).map(|_| parse(&follower.line())).collect();
    assert_whole(FIRST - 1, &items);
    let mut reader = connect(agent.tcp(), &cert);
    reader.auth(&token);
    assert_eq!(reader.tail("{}").len() as u64, COUNT);
    // On this machine it is also reached without.
    let mut plain = agent.connect_with(&token);
    plain.say("SEND plain\n").sync();
    assert_eq!(parse(&follower.line()).msg(), Some("plain"));
    // A wrong token is answered here as there.
    assert_eq!(connect(agent.tcp(), &cert).ask(&format!("AUTH {WRONG}")), REFUSAL);
}

#[test]
fn the_end_of_a_conversation_is_told_so_that_nobody_can_cut_it_short_unseen() {
    let agent = with_certificate();
    let token = agent.token("web2", &["*"], &["*"]);
    let address = agent.tcp().to_string();
    let client = || Tool::new("openssl").args(&["s_client", "-quiet", "-connect", &address]);
    for last in ["QUIT", "TAIL {}\nQUIT", "TAIL {\"follow\":true}\nQUIT"] {
        let done = client().input(format!("AUTH {token}\nSEND x\nSYNC\n{last}\n")).run();
        assert!(done.out.starts_with("OK web2\nOK "), "{done:#?}");
        assert!(!done.err.contains("unexpected eof"), "{last}: {done:#?}");
    }
}

#[test]
fn a_tail_goes_on_however_much_was_asked_right_before() {
    let agent = with_certificate();
    let token = agent.token("web2", &["*"], &["*"]);
    // More than TLS holds back for the socket, many times.
    const COUNT: usize = 1000;
    let text = format!("SEND {}\n", "x".repeat(1000)).repeat(COUNT);
    agent.connect().say(text).sync();
    let mut client = connect(agent.tcp(), &files(&agent).0);
    client.auth(&token);
    // A task may do 128 things before it must let others go on; in some round the TAIL is in the middle of it.
    for questions in 112..=128 {
        client.say("PING\n".repeat(questions) + "TAIL {}\n");
        for _ in 0..questions {
            assert!(client.line().starts_with("OK "), "{questions}");
        }
        assert!(begins_log(&client.line()), "{questions}");
        for _ in 0..COUNT {
            assert!(client.line().starts_with("{\"seq\":"), "{questions}");
        }
        assert!(client.line().starts_with("OK "), "{questions}");
    }
}

#[test]
fn what_stands_unfinished_where_a_conversation_is_cut_becomes_no_event() {
    let agent = with_certificate();
    let token = agent.token("web2", &["*"], &["*"]);
    let mut cut = connect(agent.tcp(), &files(&agent).0);
    cut.auth(&token);
    cut.say("SEND whole\nSYNC\nSEND not drop the ta");
    assert!(cut.line().starts_with("OK "));
    // Its program is killed, and says no farewell.
    drop(cut);
    until("the end", || (agent.stats()["connections"] == 1).then_some(()));
    // With a farewell the last line needs no line end.
    let address = agent.tcp().to_string();
    let ends =
        Tool::new("openssl").args(&["s_client", "-quiet", "-no_ign_eof", "-connect", &address]);
    ends.input(format!("AUTH {token}\nSEND all of it")).run();
    until("the last line", || (agent.stats()["events"] == 2).then_some(()));
    let told: Vec<_> = agent.connect().tail("{}").iter().map(|line| parse(line)).collect();
    let told: Vec<_> = told.iter().map(|item| item.msg()).collect();
    assert_eq!(told, [Some("whole"), Some("all of it")]);
}

#[test]
fn what_is_no_tls_1_3_is_refused_and_told() {
    let agent = with_certificate();
    let mut garbage = agent.connect_by_tcp();
    garbage.say([&[22], &[b'x'; 600][..]].concat());
    while garbage.try_whole_line().is_some() {}
    agent.until_said("127.0.0.1: not let in: TLS: ");
    let address = agent.tcp().to_string();
    for (version, goes) in [("-tls1_3", true), ("-tls1_2", false)] {
        let client = Tool::new("openssl").args(&["s_client", "-connect", &address, version]);
        let done = client.run();
        assert_eq!(done.code == Some(0), goes, "{version}: {done:#?}");
    }
    // Where there is no certificate, TLS is refused and told too.
    let agent = Agent::with(&[BRIDGE]);
    let mut client = agent.connect_by_tcp();
    client.say([22, 3, 1]);
    while client.try_whole_line().is_some() {}
    agent.until_said("127.0.0.1: not let in: TLS, and there is no tcp.cert");
}

#[test]
fn half_a_greeting_is_waited_for_10_s() {
    let agent = with_certificate();
    let begun = Instant::now();
    let mut client = agent.connect_by_tcp();
    client.say(b"\x16\x03\x01\x02\x00\x01");
    while client.try_whole_line().is_some() {}
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
    agent.until_said("127.0.0.1: not let in: no good token within 10 s");
    // TLS that is made and says nothing more is waited for no longer.
    let mut silent = connect(agent.tcp(), &files(&agent).0);
    silent.wait_for_end();
}

/// Starts an agent in a network of its own, with an address that others could have.
const NETWORK: [&str; 5] = [
    "unshare",
    "--net",
    "sh",
    "-c",
    "ip link set lo up && ip addr add 192.0.2.1/32 dev lo && \
        ip addr add 2001:db8::1/128 dev lo nodad && exec \"$0\" \"$@\"",
];

#[test]
fn what_does_not_stay_on_this_machine_goes_by_tls_only() {
    if !as_root("the bridge at an address that is not loopback") {
        return;
    }
    let mut agent = prepare("[::]:0");
    agent.launch_by(&NETWORK);
    agent.restart();
    let token = agent.token("web2", &["*"], &["*"]);
    let (pid, port) = (agent.pid().to_string(), agent.tcp().port().to_string());
    let inside = ["nsenter", "-n", "-t", &pid];
    for (address, goes) in
        [("127.0.0.1", true), ("::1", true), ("192.0.2.1", false), ("2001:db8::1", false)]
    {
        let mut plain = Via::command(&[&inside[..], &["nc", address, &port]].concat());
        plain.try_say(format!("AUTH {token}\n"));
        let told = if goes { "OK web2" } else { "ERR 77 this agent is reached by TLS only" };
        assert_eq!(plain.line(), told, "{address}");
        let (there, cert) = (format!("[{address}]:{port}"), files(&agent).0);
        let there = if address.contains(':') { there } else { format!("{address}:{port}") };
        let tls = ["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile"];
        let rest = [cert.to_str().expect("UTF-8"), "-connect", &there];
        let mut tls = Via::command(&[&inside[..], &tls, &rest].concat());
        tls.auth(&token);
        tls.say("SEND hello\n").sync();
        let lines = agent.connect().tail("{\"lines\":1}");
        assert_eq!(parse(&lines[0]).event()["origin"]["addr"], address);
    }
    agent.until_said("192.0.2.1: not let in: no TLS");
    // Without a certificate there is no such place.
    agent.configure(&["tcp.listen = \"192.0.2.1:7465\""]);
    agent.pulsed(&["check"]).run().failed(78, &["192.0.2.1:7465", "tcp.cert"]);
}

#[test]
fn a_reload_takes_a_new_certificate_and_who_is_connected_stays() {
    let agent = with_certificate();
    let token = agent.token("web2", &["*"], &["*"]);
    let (cert, key) = files(&agent);
    let old = agent.dir().join("old.pem");
    fs::copy(&cert, &old).expect("ours");
    let mut before = connect(agent.tcp(), &old);
    before.auth(&token);
    make_certificate(&cert, &key);
    connect(agent.tcp(), &old).auth(&token);
    agent.signal(Signal::SIGHUP);
    agent.until_said("configuration read again");
    connect(agent.tcp(), &cert).auth(&token);
    let mut distrusts = connect(agent.tcp(), &old);
    distrusts.wait_for_end();
    before.say("SEND still here\n").sync();

    // One that does not go with its key, or is none, changes nothing.
    let good = fs::read(&key).expect("ours");
    let other = agent.dir().join("other.pem");
    make_certificate(&agent.dir().join("unused.pem"), &other);
    for (n, bad) in [fs::read(&other).expect("made"), b"rubbish".to_vec()].into_iter().enumerate() {
        fs::write(&key, bad).expect("ours");
        agent.signal(Signal::SIGHUP);
        until("a refusal", || {
            (agent.said().matches("configuration not taken: ").count() == n + 1).then_some(())
        });
        connect(agent.tcp(), &cert).auth(&token);
        agent.pulsed(&["check"]).run().failed(78, &["tcp.key", "key.pem"]);
    }
    before.say("SEND still here\n").sync();
    fs::write(&key, good).expect("ours");
    agent.pulsed(&["check"]).ok();
}

#[test]
fn with_a_key_that_does_not_fit_it_does_not_start() {
    let agent = prepare("127.0.0.1:0");
    let (cert, key) = files(&agent);
    make_certificate(&agent.dir().join("unused.pem"), &key);
    agent.pulsed(&[]).run().failed(78, &["tcp.cert", "tcp.key", "not that of the certificate"]);
    assert!(!agent.socket().exists());
    let whole = fs::read(&cert).expect("ours");
    fs::write(&cert, &whole[..whole.len() / 2]).expect("ours");
    agent.pulsed(&[]).run().failed(78, &["cert.pem", "breaks off"]);
    fs::remove_file(&cert).expect("ours");
    agent.pulsed(&[]).run().failed(78, &["cert.pem", "No such file"]);
}

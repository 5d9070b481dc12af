//! TLS on the bridge, which is optional on loopback and required elsewhere.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{BRIDGE, REFUSAL, WRONG};
use crate::harness::{
    Agent, FIRST, Item, Relay, Tool, as_root, assert_contiguous, begins_log, parse, wait_for,
};

/// Writes a new certificate and its key to these files.
#[track_caller]
pub(crate) fn make_certificate(cert: &Path, key: &Path) {
    make_certificate_with(&["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], cert, key);
}

/// The same with a key of another algorithm, as `openssl req -newkey` has it.
#[track_caller]
pub(crate) fn make_certificate_with(algorithm: &[&str], cert: &Path, key: &Path) {
    let output = Tool::new("openssl")
        .args(&["req", "-x509", "-nodes", "-newkey"])
        .args(algorithm)
        .args(&["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(&["-keyout", key.to_str().expect("UTF-8"), "-out", cert.to_str().expect("UTF-8")])
        .run();
    assert_eq!(output.code, Some(0), "{output:#?}");
}

/// The files of an agent's certificate and key.
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

/// Connects by TLS to an agent that proves to have the `trusted` certificate.
#[track_caller]
pub(crate) fn connect(address: SocketAddr, trusted: &Path) -> Relay {
    let (address, trusted) = (address.to_string(), trusted.to_str().expect("UTF-8"));
    Relay::command(&[
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
fn tls_carries_senders_and_followers() {
    let agent = with_certificate();
    let token = agent.token("web2", &["*"], &["*"]);
    let (cert, _) = files(&agent);
    let mut follower = connect(agent.tcp(), &cert);
    follower.auth(&token);
    follower.follow("");
    // Far more than the buffers between them hold: the follower does not read meanwhile.
    const COUNT: u64 = 40_000;
    let mut sender = connect(agent.tcp(), &cert);
    sender.auth(&token);
    let text: String = (0..COUNT).map(|n| format!("SEND {n:0100}\n")).collect();
    let mut writer = sender.writer();
    thread::scope(|scope| {
        scope.spawn(|| writer.write(text));
        // SYNC follows the events, which another handle writes to the same connection.
        let cursor =
            wait_for("everything", || (agent.stats()["events"] == COUNT).then(|| sender.sync()));
        assert!(cursor.ends_with(&format!("-{}", FIRST + COUNT - 1)), "{cursor}");
    });
    let items: Vec<Item> = (0..COUNT).map(|_| parse(&follower.line())).collect();
    assert_contiguous(FIRST - 1, &items);
    let mut reader = connect(agent.tcp(), &cert);
    reader.auth(&token);
    assert_eq!(reader.tail("{}").len() as u64, COUNT);
    // Loopback also works without TLS.
    let mut plain = agent.connect_with_token(&token);
    plain.write("SEND plain\n").sync();
    assert_eq!(parse(&follower.line()).msg(), Some("plain"));
    // A wrong token gets the same answer with TLS as without.
    assert_eq!(connect(agent.tcp(), &cert).request(&format!("AUTH {WRONG}")), REFUSAL);
}

#[test]
fn sends_close_notify() {
    let agent = with_certificate();
    let token = agent.token("web2", &["*"], &["*"]);
    let address = agent.tcp().to_string();
    let client = || Tool::new("openssl").args(&["s_client", "-quiet", "-connect", &address]);
    for last in ["QUIT", "TAIL {}\nQUIT", "TAIL {\"follow\":true}\nQUIT"] {
        let output = client().input(format!("AUTH {token}\nSEND x\nSYNC\n{last}\n")).run();
        assert!(output.out.starts_with("OK web2\nOK "), "{output:#?}");
        assert!(!output.err.contains("unexpected eof"), "{last}: {output:#?}");
    }
}

#[test]
fn tail_completes_after_pipelined_requests() {
    let agent = with_certificate();
    let token = agent.token("web2", &["*"], &["*"]);
    // Many times what TLS buffers for the socket.
    const COUNT: usize = 1000;
    let text = format!("SEND {}\n", "x".repeat(1000)).repeat(COUNT);
    agent.connect().write(text).sync();
    let mut client = connect(agent.tcp(), &files(&agent).0);
    client.auth(&token);
    // A task's coop budget is 128 operations: in one of these rounds it is exhausted during the TAIL.
    for requests in 112..=128 {
        client.write("PING\n".repeat(requests) + "TAIL {}\n");
        for _ in 0..requests {
            assert!(client.line().starts_with("OK "), "{requests}");
        }
        assert!(begins_log(&client.line()), "{requests}");
        for _ in 0..COUNT {
            assert!(client.line().starts_with("{\"seq\":"), "{requests}");
        }
        assert!(client.line().starts_with("OK "), "{requests}");
    }
}

#[test]
fn discards_partial_line_on_truncation() {
    let agent = with_certificate();
    let token = agent.token("web2", &["*"], &["*"]);
    let mut truncated = connect(agent.tcp(), &files(&agent).0);
    truncated.auth(&token);
    truncated.write("SEND whole\nSYNC\nSEND not drop the ta");
    assert!(truncated.line().starts_with("OK "));
    // Kills openssl, which then sends no close_notify.
    drop(truncated);
    wait_for("its disconnection", || (agent.stats()["connections"] == 1).then_some(()));
    // With a close_notify the last line needs no line end.
    let address = agent.tcp().to_string();
    let closes =
        Tool::new("openssl").args(&["s_client", "-quiet", "-no_ign_eof", "-connect", &address]);
    closes.input(format!("AUTH {token}\nSEND all of it")).run();
    wait_for("the last line", || (agent.stats()["events"] == 2).then_some(()));
    let items: Vec<_> = agent.connect().tail("{}").iter().map(|line| parse(line)).collect();
    let messages: Vec<_> = items.iter().map(|item| item.msg()).collect();
    assert_eq!(messages, [Some("whole"), Some("all of it")]);
}

#[test]
fn rejects_anything_but_tls_1_3() {
    let agent = with_certificate();
    let mut garbage = agent.connect_tcp();
    garbage.write([&[22], &[b'x'; 600][..]].concat());
    while garbage.try_whole_line().is_some() {}
    agent.wait_for_output("127.0.0.1: not authenticated: TLS: ");
    let address = agent.tcp().to_string();
    for (version, accepted) in [("-tls1_3", true), ("-tls1_2", false)] {
        let client = Tool::new("openssl").args(&["s_client", "-connect", &address, version]);
        let output = client.run();
        assert_eq!(output.code == Some(0), accepted, "{version}: {output:#?}");
    }
    // Without a certificate, TLS is rejected with a diagnostic too.
    let agent = Agent::with(&[BRIDGE]);
    let mut client = agent.connect_tcp();
    client.write([22, 3, 1]);
    while client.try_whole_line().is_some() {}
    agent.wait_for_output("127.0.0.1: not authenticated: TLS is not configured");
}

#[test]
fn tls_handshake_times_out() {
    let agent = with_certificate();
    let begin = Instant::now();
    let mut client = agent.connect_tcp();
    client.write(b"\x16\x03\x01\x02\x00\x01");
    while client.try_whole_line().is_some() {}
    assert!(begin.elapsed() >= Duration::from_secs(10), "{:?}", begin.elapsed());
    agent.wait_for_output("127.0.0.1: not authenticated: no good token within 10 s");
    // A client that is silent after the handshake is not waited for any longer.
    let mut silent = connect(agent.tcp(), &files(&agent).0);
    silent.wait_for_end();
}

/// Starts an agent in a network namespace of its own, with addresses that are not loopback.
const NETWORK: [&str; 5] = [
    "unshare",
    "--net",
    "sh",
    "-c",
    "ip link set lo up && ip addr add 192.0.2.1/32 dev lo && \
        ip addr add 2001:db8::1/128 dev lo nodad && exec \"$0\" \"$@\"",
];

#[test]
fn requires_tls_beyond_loopback() {
    if !as_root("the bridge at an address that is not loopback") {
        return;
    }
    let mut agent = prepare("[::]:0");
    agent.launch_with(&NETWORK);
    agent.restart();
    let token = agent.token("web2", &["*"], &["*"]);
    let (pid, port) = (agent.pid().to_string(), agent.tcp().port().to_string());
    let inside = ["nsenter", "-n", "-t", &pid];
    for (address, plain_works) in
        [("127.0.0.1", true), ("::1", true), ("192.0.2.1", false), ("2001:db8::1", false)]
    {
        let mut plain = Relay::command(&[&inside[..], &["nc", address, &port]].concat());
        plain.try_write(format!("AUTH {token}\n"));
        let answer = if plain_works { "OK web2" } else { "ERR 77 this agent accepts TLS only" };
        assert_eq!(plain.line(), answer, "{address}");
        let (server, cert) = (format!("[{address}]:{port}"), files(&agent).0);
        let server = if address.contains(':') { server } else { format!("{address}:{port}") };
        let tls = ["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile"];
        let rest = [cert.to_str().expect("UTF-8"), "-connect", &server];
        let mut tls = Relay::command(&[&inside[..], &tls, &rest].concat());
        tls.auth(&token);
        tls.write("SEND hello\n").sync();
        let lines = agent.connect().tail("{\"lines\":1}");
        assert_eq!(parse(&lines[0]).event()["origin"]["addr"], address);
    }
    agent.wait_for_output("192.0.2.1: not authenticated: no TLS");
    // Without a certificate the agent does not listen there.
    agent.configure(&["tcp.listen = \"192.0.2.1:7465\""]);
    agent.pulsed(&["check"]).run().failed(78, &["192.0.2.1:7465", "tcp.cert"]);
}

#[test]
fn reload_replaces_certificate_and_keeps_connections() {
    let agent = with_certificate();
    let token = agent.token("web2", &["*"], &["*"]);
    let (cert, key) = files(&agent);
    let old = agent.dir().join("old.pem");
    fs::copy(&cert, &old).expect("a writable file");
    let mut before = connect(agent.tcp(), &old);
    before.auth(&token);
    make_certificate(&cert, &key);
    connect(agent.tcp(), &old).auth(&token);
    agent.signal(Signal::SIGHUP);
    agent.wait_for_output("configuration reloaded");
    connect(agent.tcp(), &cert).auth(&token);
    let mut distrusts = connect(agent.tcp(), &old);
    distrusts.wait_for_end();
    before.write("SEND still here\n").sync();

    // A mismatched or unreadable key changes nothing.
    let good = fs::read(&key).expect("a readable file");
    let other = agent.dir().join("other.pem");
    make_certificate(&agent.dir().join("unused.pem"), &other);
    for (n, bad) in
        [fs::read(&other).expect("a written file"), b"rubbish".to_vec()].into_iter().enumerate()
    {
        fs::write(&key, bad).expect("a writable file");
        agent.signal(Signal::SIGHUP);
        wait_for("a refusal", || {
            (agent.output().matches("configuration rejected: ").count() == n + 1).then_some(())
        });
        connect(agent.tcp(), &cert).auth(&token);
        agent.pulsed(&["check"]).run().failed(78, &["tcp.key", "key.pem"]);
    }
    before.write("SEND still here\n").sync();
    fs::write(&key, good).expect("a writable file");
    agent.pulsed(&["check"]).ok();
}

#[test]
fn rejects_mismatched_key_at_start() {
    let agent = prepare("127.0.0.1:0");
    let (cert, key) = files(&agent);
    make_certificate(&agent.dir().join("unused.pem"), &key);
    agent
        .pulsed(&[])
        .run()
        .failed(78, &["tcp.cert", "tcp.key", "does not belong to the certificate"]);
    assert!(!agent.socket().exists());
    let whole = fs::read(&cert).expect("a readable file");
    fs::write(&cert, &whole[..whole.len() / 2]).expect("a writable file");
    agent.pulsed(&[]).run().failed(78, &["cert.pem", "truncated"]);
    fs::remove_file(&cert).expect("a writable file");
    agent.pulsed(&[]).run().failed(78, &["cert.pem", "No such file"]);
}

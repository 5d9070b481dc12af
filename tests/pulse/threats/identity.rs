//! Identity, and what happens while what proves it is late: names that outlive their owners, files and databases that
//! hang, questions that are asked too often, and handshakes that cost too much.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pulsed::agent::HANDSHAKES_PERCENT;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::access::{NONE, RULES, SENDER, SHOP, WATCHER, prepare_with_accounts, with_rules};
use crate::bridge::{BRIDGE, WRONG, tls};
use crate::harness::{Agent, Client, TIMEOUT, parse, wait_for};
use crate::web::{link_of, redeem};

/// What a request that depends on nothing that hangs may take, on a machine that is busy with other work.
const SOON: Duration = Duration::from_secs(2);

/// Rewrites the user database of [`Agent::set_accounts`]: the user `from` is gone, and `to` has its uid.
fn rename(agent: &Agent, from: &str, to: &str) {
    let path = agent.dir().join("passwd");
    let users = fs::read_to_string(&path).expect("a readable file");
    let renamed = users.replace(&format!("{from}:"), &format!("{to}:"));
    assert_ne!(users, renamed, "no user {from}");
    fs::write(path, renamed).expect("a writable directory");
}

/// The user in the origin of an event that a new connection sends.
fn vouched(agent: &Agent, uid: u32) -> Option<String> {
    let mut client = agent.connect_as(uid);
    client.write("SEND {\"tag\":\"shop.a\"}\n").sync();
    let lines = agent.connect().tail("{\"lines\":1}");
    parse(&lines[0]).event()["origin"]["user"].as_str().map(str::to_owned)
}

#[test]
fn a_uid_that_was_given_away_has_no_old_name() {
    let Some(mut agent) = prepare_with_accounts("a uid of another user", &[]) else { return };
    agent.restart();
    assert_eq!(vouched(&agent, SHOP).as_deref(), Some("shopkeeper"));
    rename(&agent, "shopkeeper", "successor");
    // Long before names have aged.
    let named = |name: &str| vouched(&agent, SHOP).as_deref() == Some(name);
    wait_for("the new name", || named("successor").then_some(()));
    // Not even for a moment.
    assert!(named("successor"));
}

#[test]
fn a_uid_that_was_given_away_has_no_old_rights() {
    let Some(agent) = with_rules("a right of another user", &[]) else { return };
    let sends = |uid| !agent.connect_as(uid).request("SEND x\nSYNC").starts_with("ERR 77 ");
    assert!(sends(SENDER) && sends(WATCHER));
    rename(&agent, "sender", "successor");
    wait_for("the end of the right", || (!sends(SENDER)).then_some(()));
    // A rule with a number holds for its present user.
    rename(&agent, "watcher", "other");
    assert!(sends(WATCHER));
}

#[test]
fn a_uid_that_was_given_away_has_no_old_session() {
    let Some(agent) = with_rules("a session of another user", &[]) else { return };
    let session = redeem(&link_of(&agent.connect_as(WATCHER).request("LINK")));
    let mut stream = session.stream("/events", &[]);
    let stats = session.get("/stats");
    assert_eq!((stats.status, &stats.json()["user"]), (200, &"watcher".into()));
    rename(&agent, "watcher", "successor");
    wait_for("the end of the session", || (session.get("/stats").status == 401).then_some(()));
    assert_eq!(stream.next().json()["why"], "you are signed out");
    // It does not come back with the name.
    rename(&agent, "successor", "watcher");
    let again = || redeem(&link_of(&agent.connect_as(WATCHER).request("LINK"))).get("/stats");
    wait_for("the name", || (again().json()["user"] == "watcher").then_some(()));
    assert_eq!(session.get("/stats").status, 401);
}

/// Calls of an agent that a library holds, and how many there were.
struct Holds {
    dir: PathBuf,
}

impl Holds {
    /// Puts the library between a prepared agent and the system.
    fn of(agent: &mut Agent) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pulse/threats/hold.c");
        let (library, dir) = (agent.dir().join("hold.so"), agent.dir().join("hold"));
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
        assert!(cc.arg("-ldl").status().expect("a C compiler").success());
        fs::create_dir(&dir).expect("a writable directory");
        agent.env("LD_PRELOAD", library.to_str().expect("UTF-8"));
        agent.env("HOLD", dir.to_str().expect("UTF-8"));
        Self { dir }
    }

    /// From now on, calls about this do not return.
    fn hold(&self, name: &str) {
        let _ = fs::remove_file(self.dir.join(format!("{name}.held")));
        File::create(self.dir.join(name)).expect("a writable directory");
    }

    /// Waits until a call is held.
    #[track_caller]
    fn until_held(&self, name: &str) {
        let held = self.dir.join(format!("{name}.held"));
        wait_for("a call that is held", || held.exists().then_some(()));
    }

    fn release(&self, name: &str) {
        fs::remove_file(self.dir.join(name)).expect("held");
    }

    /// How often a database was asked.
    fn asked(&self, name: &str) -> u64 {
        let asked = self.dir.join(format!("{name}.asked"));
        fs::metadata(asked).map_or(0, |asked| asked.len())
    }
}

/// Runs `step`, which must not wait for what hangs.
#[track_caller]
fn soon<T>(what: &str, step: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = step();
    assert!(begun.elapsed() < SOON, "{what}: {:?}", begun.elapsed());
    done
}

/// Everything that root does works at once.
#[track_caller]
fn assert_serves(agent: &Agent) {
    for _ in 0..10 {
        soon("PING", || agent.connect().newest());
        soon("SEND and SYNC", || agent.connect().write("SEND x\n").sync());
    }
}

#[test]
fn a_token_file_that_hangs_stops_no_client() {
    let mut agent = Agent::prepare(&[BRIDGE]);
    let holds = Holds::of(&mut agent);
    agent.restart();
    let token = agent.token("web2", &["*"], &["*"]);
    let mut clients: Vec<Client> = (0..8).map(|_| agent.connect_with_token(&token)).collect();
    let visitor = agent.bearer("page", &["*"], &[]);
    assert_eq!(visitor.post("x\n").status, 200);

    holds.hold("tokens");
    holds.until_held("tokens");
    assert_serves(&agent);
    for client in &mut clients {
        soon("a connected client", || client.write("SEND x\n").sync());
    }
    soon("POST", || assert_eq!(visitor.post("x\n").status, 200));
    // What was known a moment ago can still authenticate. What was not may be right or wrong.
    soon("AUTH", || agent.connect_with_token(&token));
    let later = soon("AUTH", || agent.connect_tcp().request(&format!("AUTH {WRONG}")));
    assert!(later.starts_with("ERR 75 the file with the tokens did not answer"), "{later}");
    let added = agent.token("web3", &["*"], &[]);
    let later = soon("AUTH", || agent.connect_tcp().request(&format!("AUTH {added}")));
    assert!(later.starts_with("ERR 75 "), "{later}");
    agent.pulsed(&["token", "revoke", "web2"]).ok();
    agent.wait_for_output("clients with a token stay connected");
    assert_serves(&agent);

    holds.release("tokens");
    wait_for("a look at the file", || {
        let answer = agent.connect_tcp().request(&format!("AUTH {added}"));
        answer.starts_with("OK ").then_some(())
    });
    for client in &mut clients {
        assert!(client.rest().is_empty(), "the token is revoked");
    }
    // A stop does not wait either.
    holds.hold("tokens");
    agent.connect_tcp().try_write(format!("AUTH {added}\n"));
    holds.until_held("tokens");
    assert!(agent.stop().success());
}

#[test]
fn without_a_look_at_the_tokens_none_is_wrong() {
    let mut agent = Agent::prepare(&[BRIDGE]);
    let holds = Holds::of(&mut agent);
    agent.restart();
    let token = agent.token("web2", &["*"], &["*"]);
    agent.kill();
    holds.hold("tokens");
    agent.restart();
    let mut client = agent.connect_tcp();
    for _ in 0..2 {
        let later = soon("AUTH", || client.request(&format!("AUTH {token}")));
        assert!(later.starts_with("ERR 75 "), "{later}");
    }
    holds.release("tokens");
    wait_for("a look at the file", || {
        let answer = agent.connect_tcp().request(&format!("AUTH {token}"));
        answer.starts_with("OK ").then_some(())
    });
    // A new token works at once.
    for n in 0..10 {
        let token = agent.token(&format!("new{n}"), &["*"], &[]);
        agent.connect_with_token(&token);
    }
}

#[test]
fn a_session_file_that_hangs_stops_no_client() {
    let mut agent = Agent::prepare(&[]);
    let holds = Holds::of(&mut agent);
    agent.restart();
    holds.hold("web-sessions");
    let sessions: Vec<_> = (0..8).map(|_| soon("sign-in", || agent.sign_in())).collect();
    holds.until_held("web-sessions");
    assert_serves(&agent);
    for session in &sessions {
        soon("a session", || assert_eq!(session.get("/stats").status, 200));
    }
    let out = soon("sign-out", || sessions[0].request("POST /logout", &["Content-Length: 0"]));
    assert_eq!(out.status, 204);
    holds.release("web-sessions");
    wait_for("all that are left", || {
        let stored = fs::read_to_string(agent.history().join("web-sessions")).ok()?;
        (stored.lines().count() == sessions.len() - 1).then_some(())
    });
    agent.kill();
    agent.restart();
    assert_eq!([0, 1].map(|n: usize| sessions[n].get("/stats").status), [401, 200]);
}

#[test]
fn a_denial_is_remembered_for_all_connections_of_its_user() {
    let Some(mut agent) = prepare_with_accounts("denials that ask", &RULES) else { return };
    let holds = Holds::of(&mut agent);
    agent.restart();
    let (begun, before) = (Instant::now(), holds.asked("groups"));
    let requests = "STATS\n".repeat(20) + &"SEND {\"tag\":\"shop.a\"}\n".repeat(20);
    for _ in 0..60 {
        let mut client = agent.connect_as(NONE);
        client.write(&requests);
        for _ in 0..40 {
            assert!(client.line().starts_with("ERR 77 "));
        }
    }
    // One question a second for sending and one for following.
    let most = 2 * (begun.elapsed().as_secs() + 2);
    let asked = holds.asked("groups") - before;
    assert!((2..=most).contains(&asked), "{asked} questions, at most {most} expected");
    // So is a grant.
    let (begun, before) = (Instant::now(), holds.asked("groups"));
    for _ in 0..60 {
        assert!(agent.connect_as(WATCHER).request("STATS").starts_with('{'));
    }
    let most = begun.elapsed().as_secs() + 2;
    let asked = holds.asked("groups") - before;
    assert!((1..=most).contains(&asked), "{asked} questions, at most {most} expected");
}

/// Has the agent read its configuration again, and waits for the end of that.
#[track_caller]
fn reload(agent: &Agent) {
    let reloads = || agent.output().matches("configuration reloaded").count();
    let before = reloads();
    agent.signal(Signal::SIGHUP);
    wait_for("a reload", || (reloads() > before).then_some(()));
}

#[test]
fn a_reload_without_group_database_revokes_nothing() {
    let Some(mut agent) = prepare_with_accounts("a reload without groups", &RULES) else { return };
    let holds = Holds::of(&mut agent);
    agent.restart();
    let mut follower = agent.connect_as(WATCHER);
    follower.follow("");
    wait_for("a follower", || (agent.stats()["followers"] == 1).then_some(()));
    holds.hold("groups");
    reload(&agent);
    holds.until_held("groups");
    agent.wait_for_output(&format!("uid {WATCHER} keeps its rights"));
    let later = agent.connect_as(WATCHER).request("STATS");
    assert!(later.starts_with("ERR 75 "), "{later}");
    agent.connect().write("SEND still\n").sync();
    assert_eq!(parse(&follower.line()).msg(), Some("still"));
    // The answer counts once it comes.
    agent.write_groups("root:x:0:\nwatch:x:4101:\n");
    holds.release("groups");
    for line in follower.rest() {
        parse(&line).event();
    }
    agent.wait_for_output(&format!("uid {WATCHER}: access revoked, disconnecting"));
}

#[test]
fn a_reload_that_hangs_stops_no_client() {
    let Some(mut agent) = prepare_with_accounts("a reload that hangs", &RULES) else { return };
    let holds = Holds::of(&mut agent);
    agent.restart();
    holds.hold("users");
    for _ in 0..3 {
        agent.signal(Signal::SIGHUP);
    }
    holds.until_held("users");
    assert_serves(&agent);
    holds.release("users");
    agent.wait_for_output("configuration reloaded");
    holds.hold("users");
    agent.signal(Signal::SIGHUP);
    holds.until_held("users");
    assert!(agent.stop().success());
}

/// The first message of a TLS client.
fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a known version")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("memory");
    hello
}

/// Has the agent sign, and leaves.
fn half_handshake(address: SocketAddr, hello: &[u8]) {
    let Ok(mut stream) = TcpStream::connect(address) else { return };
    stream.set_read_timeout(Some(TIMEOUT)).expect("not zero");
    if stream.write_all(hello).is_ok() {
        let _ = stream.read(&mut [0]);
    }
}

/// The processor time that a process has used, of all its threads.
fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let (_, rest) = stat.rsplit_once(')').expect("a command");
    let ticks = rest.split_ascii_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * ticks)
}

/// The median time of an acknowledged event of root, over this time.
fn median_send(agent: &Agent, time: Duration) -> Duration {
    let (begun, mut taken) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let sent = Instant::now();
        agent.connect().write("SEND x\n").sync();
        taken.push(sent.elapsed());
        // The sender itself needs little of the processor.
        thread::sleep(Duration::from_millis(10));
    }
    taken.sort();
    taken[taken.len() / 2]
}

/// Floods an agent that has an RSA key of 4,096 bits with handshakes, at its bridge and at its monitor.
#[test]
fn handshakes_with_a_large_key_slow_no_sender() {
    let mut agent = Agent::prepare(&[]);
    let file = |name: &str| agent.dir().join(name).to_str().expect("UTF-8").to_owned();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    tls::make_certificate_with(&["rsa:4096"], Path::new(&cert), Path::new(&key));
    let lines = ["tcp", "web"].map(|door| {
        format!("{door}.listen = \"127.0.0.1:0\"\n{door}.cert = {cert:?}\n{door}.key = {key:?}")
    });
    agent.configure(&[&lines[0], &lines[1]]);
    agent.restart();
    let (token, hello) = (agent.token("web2", &["*"], &["*"]), client_hello());
    let link = agent.connect().request("LINK");
    let web = link.strip_prefix("OK https://").and_then(|link| link.split('/').next());
    let doors = [agent.tcp(), web.and_then(|web| web.parse().ok()).expect("an address")];
    let (time, over) = (Duration::from_secs(3), AtomicBool::new(false));
    let quiet = median_send(&agent, time / 3);
    thread::scope(|scope| {
        for n in 0..32 {
            let (over, hello, door) = (&over, &hello, doors[n % 2]);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    half_handshake(door, hello);
                }
            });
        }
        let flooded = || {
            // The flood is on once a client must wait for its turn.
            half_handshake(doors[0], &hello);
            let (before, begun) = (cpu(agent.pid()), Instant::now());
            let median = median_send(&agent, time);
            let used = (cpu(agent.pid()) - before).as_secs_f64() / begun.elapsed().as_secs_f64();
            let mut client = tls::connect(doors[0], Path::new(&cert));
            client.auth(&token);
            (median, used)
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(flooded));
        over.store(true, Ordering::Relaxed);
        let (median, used) = result.expect("the agent serves its clients");
        // Accepting, reading and closing costs something too.
        let most = f64::from(HANDSHAKES_PERCENT) / 100.0 + 0.25;
        eprintln!("median {quiet:?}, flooded {median:?}, {used:.2} cores");
        assert!(used < most, "{used:.2} cores");
        assert!(median < 3 * quiet + Duration::from_millis(20), "{median:?}, {quiet:?} before");
    });
}

//! The socket for datagrams: credentials, rights, rates, and its file.

mod programs;

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::access::{NONE, SHOP, with_rules};
use crate::harness::{Agent, Item, TIMEOUT, Tool, as_root, parse, wait_for};

/// A user without a quota of root.
const OTHER: u32 = 65534;

/// Sends its arguments after the first one, which is the path of the socket, as one datagram each. It waits while the
/// kernel's queue is full.
const SEND: &str = r#"
    $socket = stream_socket_client("udg://" . $argv[1]);
    foreach (array_slice($argv, 2) as $message) { fwrite($socket, $message); }
"#;

impl Agent {
    /// The path of its default socket for datagrams.
    pub(crate) fn datagrams(&self) -> PathBuf {
        self.dir().join("syslog.sock")
    }

    fn datagrams_text(&self) -> String {
        self.datagrams().to_str().expect("UTF-8").to_owned()
    }

    /// Sends datagrams as this test's user.
    #[track_caller]
    fn send_datagrams(&self, messages: &[&[u8]]) {
        let socket = UnixDatagram::unbound().expect("a socket");
        // Not connected: each send finds the socket that is there now.
        for message in messages {
            socket.send_to(message, self.datagrams()).expect("sent");
        }
    }

    /// Sends datagrams as another user.
    #[track_caller]
    pub(crate) fn send_datagrams_as(&self, uid: u32, messages: &[&str]) {
        let reuid = format!("--reuid={uid}");
        let path = self.datagrams_text();
        let tool = Tool::new("setpriv").args(&[&reuid, "--clear-groups", "php", "-r", SEND, &path]);
        tool.args(messages).ok();
    }

    /// Waits for this many events that match. Returns them.
    #[track_caller]
    fn wait_for_events(&self, matching: &str, count: usize) -> Vec<Value> {
        let request = format!("{{\"match\":{}}}", Value::from(matching));
        wait_for(&format!("{count} events: {matching}"), || {
            let lines = self.connect().tail(&request);
            let events: Vec<Value> = lines
                .iter()
                .map(|line| parse(line))
                .filter(|item| item.msg().is_some())
                .map(|item| item.event().clone())
                .collect();
            assert!(events.len() <= count, "{events:?}");
            (events.len() == count).then_some(events)
        })
    }

    /// How many events all gaps `rate` count.
    #[track_caller]
    pub(crate) fn refused_by_rate(&self) -> u64 {
        // A gap is sent for every MATCH.
        let lines = self.connect().tail("{\"match\":\"tag=none-has-it\"}");
        let items: Vec<Item> = lines.iter().map(|line| parse(line)).collect();
        let gaps = items.iter().filter_map(Item::gap).filter(|gap| gap.why == "rate");
        gaps.map(|gap| gap.lost.expect("root may follow every tag")).sum()
    }
}

#[test]
fn a_datagram_is_one_event_in_any_form() {
    let agent = Agent::start();
    let long = [b"<11>long: ", &b"x".repeat(70_000)[..]].concat();
    agent.send_datagrams(&[
        b"<11>form: two\nlines\n",
        b"<11>form: nul\0inside\0",
        b"no priority at all",
        b"SEND no command",
        b"",
        b"\n\0",
        b"<11>form: not utf8 \xff",
        &long,
        b"<11>form: last",
    ]);
    agent.wait_for_events("msg=last", 1);
    let lines = agent.connect().tail("{}");
    let events: Vec<Value> = lines.iter().map(|line| parse(line).event().clone()).collect();
    let messages: Vec<_> =
        events.iter().map(|event| event["msg"].as_str().expect("text")).collect();
    assert_eq!(
        messages[..5],
        ["two\nlines", "nul\0inside", "no priority at all", "SEND no command", "not utf8 \u{fffd}"]
    );
    assert_eq!(messages.len(), 7, "empty datagrams are none: {messages:.300?}");
    assert_eq!((&events[0]["level"], &events[2]["level"]), (&"err".into(), &"info".into()));
    assert_eq!(events[4]["fields"]["repaired"], "utf8");
    assert_eq!(events[5]["fields"]["repaired"], "cut");
    assert!(messages[5].len() > 65_000, "{}", messages[5].len());
    assert_eq!(messages[6], "last");
}

#[test]
fn an_object_keeps_the_tag_of_its_header_and_begins_runs_without_a_connection() {
    let agent = Agent::start();
    agent.send_datagrams(&[
        br#"<13>web[7]: {"tag":"sudo","level":"err","msg":"begins","run":"r","user":"anna"}"#,
        br#"<13>web: @cee: {"msg":"ends","run":"r","took":"2s"}"#,
        br#"<13>web: {"msg": broken}"#,
    ]);
    let events = agent.wait_for_events("tag=web", 3);
    let begin = &events[0];
    assert_eq!((&begin["level"], &begin["run"]), (&"err".into(), &"r".into()), "{begin}");
    let fields = serde_json::json!({"pid": 7, "user": "anna", "tag": "sudo"});
    assert_eq!(begin["fields"], fields, "{begin}");
    assert!(begin["origin"]["conn"].is_null(), "{begin}");
    assert_eq!((&events[1]["run"], &events[1]["took"]), (&"r".into(), &2.into()));
    assert_eq!(events[2]["msg"], r#"{"msg": broken}"#);
    assert_eq!(agent.stats()["runs"]["open"], 0);
}

#[test]
fn each_message_has_the_credentials_of_its_sender() {
    if !as_root("datagrams of another user") {
        return;
    }
    let agent = Agent::start();
    agent.send_datagrams(&[b"<13>own: root's"]);
    agent.send_datagrams_as(OTHER, &["<13>claims[1]: another's", "without a tag"]);
    agent.send_datagrams_as(4711, &["no name"]);
    let root = &agent.wait_for_events("tag=own", 1)[0];
    assert_eq!((&root["origin"]["uid"], &root["origin"]["user"]), (&0.into(), &"root".into()));
    assert_eq!(root["origin"]["pid"], std::process::id());
    let others = agent.wait_for_events("_uid=65534 _user=nobody", 2);
    assert_eq!(others[0]["fields"]["pid"], 1, "{others:?}");
    assert_ne!(others[0]["origin"]["pid"], 1, "{others:?}");
    assert_eq!(others[1]["tag"], "nobody");
    assert_eq!(agent.wait_for_events("_uid=4711", 1)[0]["tag"], "uid4711");
}

#[test]
fn processes_of_one_user_are_told_apart() {
    let agent = Agent::start();
    let path = agent.datagrams_text();
    let script = "for n in 1 2 3 4 5 6; do logger -u \"$0\" -t told one & done; wait";
    Tool::new("sh").args(&["-c", script, &path]).ok();
    let events = agent.wait_for_events("tag=told", 6);
    let pids: Vec<_> = events.iter().map(|event| event["origin"]["pid"].as_u64()).collect();
    let mut distinct = pids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 6, "{pids:?}");
    assert!(!pids.contains(&None));
}

#[test]
fn rights_hold_and_what_is_forbidden_is_counted() {
    let Some(agent) = with_rules("datagrams of users with rights to some tags", &[]) else {
        return;
    };
    agent.send_datagrams_as(SHOP, &["<13>shop.a: yes", "<13>other: no", "<13>shop.b: yes"]);
    agent.send_datagrams_as(NONE, &["<13>shop.a: no", "no"]);
    let events = agent.wait_for_events("msg=yes", 2);
    let tags: Vec<_> = events.iter().map(|event| &event["tag"]).collect();
    assert_eq!(tags, ["shop.a", "shop.b"]);
    wait_for("a gap for each that was refused", || (agent.refused_by_rate() == 3).then_some(()));
    agent.wait_for_events("msg=no", 0);
    agent.wait_for_output(&format!("uid {SHOP} may not send the tag other: refused"));
}

#[test]
fn a_reload_changes_rights_at_once() {
    let Some(agent) = with_rules("datagrams of a user with other rights", &[]) else { return };
    agent.send_datagrams_as(SHOP, &["<13>shop.a: before"]);
    agent.wait_for_events("msg=before", 1);
    agent.configure(&["[[access]]", "tag = \"other\"", "send = [\"*\"]"]);
    agent.signal(nix::sys::signal::Signal::SIGHUP);
    agent.wait_for_output("reloaded");
    agent.send_datagrams_as(SHOP, &["<13>shop.a: after", "<13>other: after"]);
    assert_eq!(agent.wait_for_events("msg=after", 1)[0]["tag"], "other");
}

/// A flood of one user is dropped beyond the rate, and counted. It does not keep another user's program from sending.
#[test]
fn a_flood_blocks_no_other_sender() {
    if !as_root("a flood of another user's datagrams") {
        return;
    }
    let agent = Agent::start();
    let path = agent.datagrams_text();
    // Blocks while the kernel's queue is full, so that each one is received. The burst is 160 MiB.
    let flood = r#"
        $socket = stream_socket_client("udg://" . $argv[1]);
        $text = "<13>flood: " . str_repeat("x", 60000);
        for ($n = 0; $n < 4000; $n++) { fwrite($socket, $text); }
    "#;
    let reuid = format!("--reuid={OTHER}");
    let tool = Tool::new("setpriv").args(&[&reuid, "--clear-groups", "php", "-r", flood, &path]);
    let done = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        scope.spawn(|| {
            tool.ok();
            done.store(true, Ordering::Relaxed);
        });
        let socket = UnixDatagram::unbound().expect("a socket");
        socket.set_write_timeout(Some(TIMEOUT)).expect("not zero");
        let mut sent = 0;
        while !done.load(Ordering::Relaxed) {
            let begin = Instant::now();
            socket.send_to(b"<13>calm: one", &path).expect("never blocked for long");
            assert!(begin.elapsed() < TIMEOUT / 3, "{:?}", begin.elapsed());
            sent += 1;
            thread::yield_now();
        }
        sent
    });
    wait_for("every event of the calm sender, and a count of the others", || {
        let stats = agent.stats()["events"].as_u64().expect("a number");
        (stats + agent.refused_by_rate() == 4000 + sent).then_some(())
    });
    assert!(agent.refused_by_rate() > 0, "the flood is beyond the rate");
    let calm = agent.connect().tail("{\"match\":\"tag=calm\",\"lines\":1}");
    assert!(!calm.is_empty());
}

#[test]
fn many_users_are_served_in_turn() {
    if !as_root("datagrams of a hundred users") {
        return;
    }
    let agent = Agent::start();
    for uid in 5000..5100 {
        agent.send_datagrams_as(uid, &["<13>crowd: one"]);
    }
    let events = agent.wait_for_events("tag=crowd", 100);
    // Each user has an order of their own.
    let uids: BTreeSet<_> =
        events.iter().map(|event| event["origin"]["uid"].as_u64().expect("a uid")).collect();
    assert!(uids.into_iter().eq(5000..5100));
}

#[test]
fn a_stop_loses_nothing_that_was_sent() {
    let mut agent = Agent::start();
    let inode = |agent: &Agent| fs::symlink_metadata(agent.datagrams()).map(|meta| meta.ino());
    let mut sent = 0;
    for round in 0..3 {
        assert!(inode(&agent).is_ok(), "round {round}");
        let path = agent.datagrams();
        let writer = thread::spawn(move || {
            let socket = UnixDatagram::unbound().expect("a socket");
            socket.connect(&path).expect("the agent receives");
            let text = format!("<13>stop: round {round}");
            // Until the agent has stopped: what was accepted until then must be stored.
            let mut sent = 0;
            while socket.send(text.as_bytes()).is_ok() {
                sent += 1;
            }
            sent
        });
        wait_for("some events", || {
            let count = agent.stats()["events"].as_u64().expect("a number");
            (count > 100).then_some(())
        });
        assert!(agent.stop().success());
        assert_eq!(inode(&agent).map_err(|e| e.kind()), Err(ErrorKind::NotFound));
        sent += writer.join().expect("no panic");
        // On a busy machine some may have found no room, which a gap counts.
        let items: Vec<Item> = agent.history_text().lines().map(parse).collect();
        let stored = items.iter().filter(|item| item.msg().is_some()).count() as u64;
        let gaps = items.iter().filter_map(Item::gap).filter(|gap| gap.why == "rate");
        let counted: u64 = gaps.filter_map(|gap| gap.lost).sum();
        assert_eq!(stored + counted, sent, "round {round}: {counted} in gaps");
        agent.restart();
    }
}

#[test]
fn the_file_is_handled_as_the_agents_socket() {
    let mut agent = Agent::with(&["socket.mode = \"0600\""]);
    let mode = |agent: &Agent| fs::metadata(agent.datagrams()).expect("there").mode() & 0o7777;
    assert_eq!(mode(&agent), 0o600);
    // A dead agent's socket is replaced.
    agent.kill();
    assert!(agent.datagrams().exists());
    agent.restart();
    agent.send_datagrams(&[b"<13>file: again"]);
    agent.wait_for_events("tag=file", 1);
    assert!(agent.stop().success());
    // A live program's default socket is left to it, and the agent runs without.
    let foreign = UnixDatagram::bind(agent.datagrams()).expect("free");
    agent.restart();
    agent.wait_for_output("no socket for datagrams: cannot listen: ");
    agent.send_datagrams(&[b"for another program"]);
    foreign.recv(&mut [0; 64]).expect("received");
    assert!(agent.stop().success());
    assert!(agent.datagrams().exists());
    // A configured one is an error.
    let other = agent.dir().join("other.sock");
    let _foreign = UnixDatagram::bind(&other).expect("free");
    agent.configure(&[&format!("syslog.path = {other:?}")]);
    agent.launch();
    assert_eq!(agent.wait().code(), Some(1));
    agent.wait_for_output("or set another syslog.path");
}

#[test]
fn can_be_elsewhere_or_off() {
    let mut agent = Agent::prepare(&["syslog.path = false"]);
    agent.restart();
    assert!(!agent.datagrams().exists());
    assert!(agent.stop().success());
    let elsewhere = agent.dir().join("log");
    agent.configure(&[&format!("syslog.path = {elsewhere:?}")]);
    agent.restart();
    let path = elsewhere.to_str().expect("UTF-8");
    Tool::new("logger").args(&["-u", path, "-t", "there", "hello"]).ok();
    agent.wait_for_events("tag=there", 1);
}

/// Passes its own two sockets, as systemd does (sd_listen_fds(3)).
const PASS_BOTH: [&str; 4] = [
    "sh",
    "-c",
    "exec 3<&0 4<&1 </dev/null >&2; export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$@\"",
    "sh",
];

#[test]
fn an_inherited_socket_keeps_datagrams_between_agents() {
    let mut agent = Agent::prepare(&[]);
    let listener = UnixListener::bind(agent.socket()).expect("bound");
    let socket = UnixDatagram::bind(agent.datagrams()).expect("bound");
    pulsed::sys::datagram::pass_credentials(&socket).expect("as the unit does");
    for file in [agent.socket(), agent.datagrams()] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o666)).expect("ours");
    }
    for round in 1..=2 {
        agent.send_datagrams(&[format!("<13>early: {round}").as_bytes()]);
        let passed = (listener.try_clone(), socket.try_clone());
        let passed = (passed.0.expect("a descriptor"), passed.1.expect("a descriptor"));
        agent.launch_with_descriptors(&PASS_BOTH, passed.0.into(), passed.1.into());
        let event = &agent.wait_for_events("tag=early", round)[round - 1];
        assert_eq!(event["origin"]["pid"], std::process::id(), "{event}");
        assert!(agent.stop().success());
        assert!(agent.datagrams().exists(), "the service manager owns it");
    }
    // The configuration must agree.
    for line in ["syslog.path = false", "syslog.path = \"/nowhere/log\""] {
        agent.configure(&[line]);
        let passed = (listener.try_clone(), socket.try_clone());
        let passed = (passed.0.expect("a descriptor"), passed.1.expect("a descriptor"));
        agent.launch_with_descriptors(&PASS_BOTH, passed.0.into(), passed.1.into());
        assert_eq!(agent.wait().code(), Some(78), "{}", agent.output());
        agent.wait_for_output("change ListenDatagram= in pulsed.socket");
    }
}

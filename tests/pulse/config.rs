//! The configuration, and how the agent starts, reloads, reports its status and stops.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::harness::{Agent, Tool, as_root, parse, seq_of, wait_for};

/// Configurations with one error each, the line of the error, and what the message must contain.
const BAD: &[(&str, usize, &[&str])] = &[
    ("host = \"a b\"", 1, &["host: ", "\"a b\""]),
    ("\n[socket]\npth = \"/x\"", 3, &["socket.pth: unknown key", "did you mean socket.path?"]),
    ("[histroy]\nsize = \"1GiB\"", 1, &["histroy: unknown key", "history"]),
    ("[socket]\npath = \"rel\"", 2, &["socket.path: ", "absolute"]),
    ("[socket]\nmode = \"0999\"", 2, &["socket.mode: ", "octal"]),
    ("[socket]\nmode = 438", 2, &["socket.mode: "]),
    ("[socket]\nowner = \"no-such-user\"", 2, &["socket.owner: ", "\"no-such-user\""]),
    ("[socket]\n\ngroup = \"no-such-group\"", 3, &["socket.group: ", "\"no-such-group\""]),
    ("[history]\nsize = \"1KiB\"", 2, &["history.size: ", "1MiB"]),
    ("[history]\nsize = \"many\"", 2, &["history.size: "]),
    ("[history]\nage = 7", 2, &["history.age: "]),
    ("[history]\nsync = \"sometimes\"", 2, &["history.sync: ", "always", "never"]),
    ("[history]\nenabled = \"yes\"", 2, &["history.enabled: "]),
    ("[window]\nsize = \"1023KiB\"", 2, &["window.size: ", "1MiB"]),
    ("host = \"a\"\nhost = \"b\"", 2, &["duplicate key"]),
    ("host = ", 1, &["TOML"]),
    ("[socket", 1, &["TOML"]),
];

#[test]
fn errors_name_path_line_and_key() {
    for (text, line, words) in BAD {
        let agent = Agent::prepare(&[]);
        fs::write(agent.config(), format!("{text}\n")).expect("a writable file");
        let place = format!("{}:{line}: ", agent.config().display());
        let words: Vec<&str> = [place.as_str()].into_iter().chain(words.iter().copied()).collect();
        agent.pulsed(&["check"]).run().failed(78, &words);
        agent.pulsed(&[]).run().failed(78, &words);
        assert!(!agent.socket().exists() && !agent.history().exists(), "{text}");
    }
}

#[test]
fn names_unreadable_configuration() {
    let agent = Agent::prepare(&[]);
    fs::remove_file(agent.config()).expect("a writable file");
    let path = agent.config();
    agent.pulsed(&["check"]).run().failed(78, &[path.to_str().expect("UTF-8"), "No such file"]);
    fs::write(&path, b"host = \"\xff\"").expect("a writable file");
    agent.pulsed(&["check"]).run().failed(78, &[path.to_str().expect("UTF-8"), "UTF-8"]);
    fs::write(&path, "#".repeat((1 << 20) + 1)).expect("a writable file");
    agent
        .pulsed(&["check"])
        .run()
        .failed(78, &[path.to_str().expect("UTF-8"), "longer than 1 MiB"]);
    fs::write(&path, "#".repeat(1 << 20)).expect("a writable file");
    agent.pulsed(&["check"]).ok();
}

#[test]
fn check_starts_nothing() {
    let agent = Agent::prepare(&["history.sync = \"always\"", "socket.mode = \"0600\""]);
    let printed = agent.pulsed(&["check"]).ok();
    assert_eq!(printed, format!("{}: valid\n", agent.config().display()));
    assert!(!agent.socket().exists() && !agent.history().exists());
}

#[test]
fn warns_about_world_writable_configuration() {
    let agent = Agent::prepare(&[]);
    fs::set_permissions(agent.config(), fs::Permissions::from_mode(0o666))
        .expect("a writable file");
    let done = agent.pulsed(&["check"]).run();
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.err.contains("chmod o-w"), "{done:#?}");
}

#[test]
fn rejects_second_agent_on_socket() {
    let first = Agent::start();
    let line = format!("socket.path = {:?}", first.socket());
    let second = Agent::prepare(&[&line]);
    let pid = first.pid().to_string();
    second.pulsed(&[]).run().failed(1, &[first.socket_text(), &pid, "running agent"]);
    assert!(first.connect().request("PING").starts_with("OK "), "the first agent still answers");
}

#[test]
fn rejects_second_agent_on_history() {
    let first = Agent::start();
    let line = format!("history.dir = {:?}", first.history());
    let second = Agent::prepare(&[&line]);
    let history = first.history();
    let pid = first.pid().to_string();
    second.pulsed(&[]).run().failed(1, &[history.to_str().expect("UTF-8"), &pid, "another agent"]);
    assert!(!second.socket().exists(), "a socket without an agent");
    first.connect().write("SEND a\n").sync();
}

#[test]
fn replaces_only_stale_sockets() {
    let agent = Agent::prepare(&[]);
    fs::write(agent.socket(), "precious").expect("a writable file");
    agent.pulsed(&[]).run().failed(1, &[agent.socket_text(), "not an agent's socket"]);
    assert_eq!(fs::read(agent.socket()).expect("still there"), b"precious");
    fs::remove_file(agent.socket()).expect("a writable file");
    let other = UnixListener::bind(agent.socket()).expect("free");
    agent.pulsed(&[]).run().failed(1, &[agent.socket_text()]);
    // From here on the socket file is stale: no process listens.
    drop(other);
    let mut agent = agent;
    agent.restart();
}

#[test]
fn socket_has_configured_owner_and_mode() {
    for mode in ["0666", "0600", "0660", "0777"] {
        let agent = Agent::with(&[&format!("socket.mode = {mode:?}")]);
        let meta = fs::metadata(agent.socket()).expect("it listens");
        assert_eq!(format!("{:04o}", meta.mode() & 0o7777), mode);
    }
    if !as_root("a socket that another user owns") {
        return;
    }
    let agent = Agent::with(&[
        "socket.owner = \"nobody\"",
        "socket.group = 12345",
        "socket.mode = \"0600\"",
    ]);
    let meta = fs::metadata(agent.socket()).expect("it listens");
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (65534, 12345, 0o600));
    drop(agent);
    let agent = Agent::with(&["socket.mode = \"0600\""]);
    for tool in [agent.send(&["hello"]), agent.tail(&[])] {
        run_as_other(&agent, tool).failed(77, &[agent.socket_text(), "Permission denied"]);
    }
}

/// Runs a copy of a command as another user, in a directory that this user can read.
fn run_as_other(agent: &Agent, tool: Tool) -> crate::harness::Output {
    let (program, arguments) = tool.words();
    let copy = agent.dir().join(Path::new(&program).file_name().expect("a name"));
    fs::copy(&program, &copy).expect("a writable directory");
    let tool = Tool::new("setpriv").args(&["--reuid=65534", "--clear-groups"]).arg(copy);
    arguments.into_iter().fold(tool, Tool::arg).run()
}

#[test]
fn reload_keeps_connections() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    let mut sender = agent.connect();
    sender.write("SEND before\n").sync();
    agent.signal(Signal::SIGHUP);
    agent.wait_for_output("configuration reloaded");
    sender.write("SEND between\n").sync();
    fs::write(agent.config(), "hots = \"x\"\n").expect("a writable file");
    agent.signal(Signal::SIGHUP);
    agent.wait_for_output("hots: unknown key");
    sender.write("SEND after\n").sync();
    for msg in ["before", "between", "after"] {
        assert_eq!(parse(&follower.line()).msg(), Some(msg));
    }
    agent.configure(&["window.size = \"8MiB\""]);
    agent.signal(Signal::SIGHUP);
    agent.wait_for_output("take effect at the next start");
}

#[test]
fn stop_drains_senders_and_followers() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut agent = Agent::start();
        let mut follower = agent.connect();
        follower.follow("");
        let mut sender = agent.connect();
        // Without a SYNC: what was written before the signal is still accepted.
        sender.write("SEND x\n".repeat(5000));
        wait_for("all events", || (agent.stats()["events"] == 5000).then_some(()));
        agent.signal(signal);
        assert_eq!(follower.rest().len(), 5000, "{signal}");
        assert!(agent.wait().success(), "{signal}");
        assert_eq!(agent.history_text().lines().count(), 5000);
        assert!(!agent.socket().exists());
        agent.restart();
        assert_eq!(seq_of(&agent.connect().newest()), 5002, "the start is a gap");
    }
}

#[test]
fn start_prints_socket_and_example() {
    let agent = Agent::start();
    agent.wait_for_output(&format!("listening on {}", agent.socket().display()));
    agent.wait_for_output("pulse-tail");
    agent.wait_for_output("\"query took 40ms\"");
}

#[test]
fn status_shows_every_stats_key() {
    let mut agent = Agent::start();
    agent.connect().write("SEND a\nSEND b\n").sync();
    let json: serde_json::Value =
        serde_json::from_str(&agent.pulsed(&["status", "--json"]).ok()).expect("JSON");
    let readable = agent.pulsed(&["status"]).ok();
    assert_eq!((&json["events"], &json["pid"]), (&2.into(), &agent.pid().into()));
    for (name, value) in json.as_object().expect("an object") {
        let line = readable.lines().find(|line| line.split(' ').next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("{name}: {readable}"));
        if let Some(text) = value.as_str()
            && name != "time"
        {
            assert!(line.ends_with(&format!(" {text}")), "{line}");
        }
    }
    agent.stop();
    agent.pulsed(&["status"]).run().failed(69, &[agent.socket_text()]);
}

#[test]
fn status_honors_pulsed_socket() {
    let agent = Agent::start();
    // A user without a home or a runtime directory, as in a unit or with su(1).
    let run = |tool: Tool| {
        let tool = tool.env("HOME", "/nowhere").env("XDG_CONFIG_HOME", "/nowhere");
        tool.env("PULSED_SOCKET", agent.socket_text()).run()
    };
    let status = || Tool::pulsed().args(&["status"]);
    if as_root("status for a user without a runtime directory") {
        run(status().with_user(65534, &agent)).failed(77, &["may not follow any tag"]);
    } else {
        let found = run(status());
        assert!(found.out.contains(&format!(" {}\n", agent.pid())), "{found:#?}");
    }
}

#[test]
fn usage_errors_exit_64() {
    Tool::pulsed().args(&["--frobnicate"]).run().failed(64, &["--frobnicate", "--help"]);
    Tool::pulsed().args(&["frobnicate"]).run().failed(64, &["frobnicate", "--help"]);
    for option in ["--version", "--help"] {
        let out = Tool::pulsed().args(&[option]).ok();
        assert!(out.contains("pulsed"), "{out}");
    }
    let version = format!("pulsed {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Tool::pulsed().args(&["--version"]).ok(), version);
}

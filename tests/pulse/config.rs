//! The configuration, and how the agent starts, reloads, shows itself and ends.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::harness::{Agent, Tool, as_root, parse, seq_of, until};

/// A configuration that has one thing wrong in it, the line that this is in, and what must be said.
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
fn what_is_wrong_is_told_with_path_line_and_key_and_nothing_starts() {
    for (text, line, words) in BAD {
        let agent = Agent::prepare(&[]);
        fs::write(agent.config(), format!("{text}\n")).expect("ours");
        let place = format!("{}:{line}: ", agent.config().display());
        let words: Vec<&str> = [place.as_str()].into_iter().chain(words.iter().copied()).collect();
        agent.pulsed(&["check"]).run().failed(78, &words);
        agent.pulsed(&[]).run().failed(78, &words);
        assert!(!agent.socket().exists() && !agent.history().exists(), "{text}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let agent = Agent::prepare(&[]);
    fs::remove_file(agent.config()).expect("ours");
    let path = agent.config();
    agent.pulsed(&["check"]).run().failed(78, &[path.to_str().expect("UTF-8"), "No such file"]);
    fs::write(&path, b"host = \"\xff\"").expect("ours");
    agent.pulsed(&["check"]).run().failed(78, &[path.to_str().expect("UTF-8"), "UTF-8"]);
    fs::write(&path, "#".repeat((1 << 20) + 1)).expect("ours");
    agent
        .pulsed(&["check"])
        .run()
        .failed(78, &[path.to_str().expect("UTF-8"), "longer than 1 MiB"]);
    fs::write(&path, "#".repeat(1 << 20)).expect("ours");
    agent.pulsed(&["check"]).ok();
}

#[test]
fn check_says_that_all_is_well_and_starts_nothing() {
    let agent = Agent::prepare(&["history.sync = \"always\"", "socket.mode = \"0600\""]);
    let told = agent.pulsed(&["check"]).ok();
    assert_eq!(told, format!("{}: good\n", agent.config().display()));
    assert!(!agent.socket().exists() && !agent.history().exists());
}

#[test]
fn a_configuration_that_everybody_may_write_is_a_warning() {
    let agent = Agent::prepare(&[]);
    fs::set_permissions(agent.config(), fs::Permissions::from_mode(0o666)).expect("ours");
    let done = agent.pulsed(&["check"]).run();
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.err.contains("chmod o-w"), "{done:#?}");
}

#[test]
fn a_second_agent_on_the_same_socket_refuses_and_names_the_first() {
    let first = Agent::start();
    let line = format!("socket.path = {:?}", first.socket());
    let second = Agent::prepare(&[&line]);
    let pid = first.pid().to_string();
    second.pulsed(&[]).run().failed(1, &[first.socket_text(), &pid, "running agent"]);
    assert!(first.connect().ask("PING").starts_with("OK "), "the first one goes on");
}

#[test]
fn a_second_agent_on_the_same_history_refuses_and_names_the_first() {
    let first = Agent::start();
    let line = format!("history.dir = {:?}", first.history());
    let second = Agent::prepare(&[&line]);
    let history = first.history();
    let pid = first.pid().to_string();
    second.pulsed(&[]).run().failed(1, &[history.to_str().expect("UTF-8"), &pid, "another agent"]);
    assert!(!second.socket().exists(), "half an agent");
    first.connect().say("SEND a\n").sync();
}

#[test]
fn somebody_elses_socket_is_not_taken_and_a_dead_one_is() {
    let agent = Agent::prepare(&[]);
    fs::write(agent.socket(), "precious").expect("ours");
    agent.pulsed(&[]).run().failed(1, &[agent.socket_text(), "not an agent's socket"]);
    assert_eq!(fs::read(agent.socket()).expect("still there"), b"precious");
    fs::remove_file(agent.socket()).expect("ours");
    let other = UnixListener::bind(agent.socket()).expect("free");
    agent.pulsed(&[]).run().failed(1, &[agent.socket_text()]);
    // Dead from here on: nobody listens, and the file is still there.
    drop(other);
    let mut agent = agent;
    agent.restart();
}

#[test]
fn the_socket_has_its_owner_group_and_mode() {
    for mode in ["0666", "0600", "0660", "0777"] {
        let agent = Agent::with(&[&format!("socket.mode = {mode:?}")]);
        let meta = fs::metadata(agent.socket()).expect("it listens");
        assert_eq!(format!("{:04o}", meta.mode() & 0o7777), mode);
    }
    if !as_root("a socket that belongs to somebody else") {
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
    // Who may not write to it is told so.
    let agent = Agent::with(&["socket.mode = \"0600\""]);
    for tool in [agent.send(&["hello"]), agent.tail(&[])] {
        copied(&agent, tool).failed(77, &[agent.socket_text(), "Permission denied"]);
    }
}

/// Runs a command as nobody, from a place where nobody can run it.
fn copied(agent: &Agent, tool: Tool) -> crate::harness::Done {
    let (program, arguments) = tool.words();
    let copy = agent.dir().join(Path::new(&program).file_name().expect("a name"));
    fs::copy(&program, &copy).expect("room");
    let tool = Tool::new("setpriv").args(&["--reuid=65534", "--clear-groups"]).arg(copy);
    arguments.into_iter().fold(tool, Tool::arg).run()
}

#[test]
fn a_reload_disturbs_nobody_and_a_bad_one_changes_nothing() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    let mut sender = agent.connect();
    sender.say("SEND before\n").sync();
    agent.signal(Signal::SIGHUP);
    agent.until_said("configuration read again");
    sender.say("SEND between\n").sync();
    fs::write(agent.config(), "hots = \"x\"\n").expect("ours");
    agent.signal(Signal::SIGHUP);
    agent.until_said("hots: unknown key");
    sender.say("SEND after\n").sync();
    for msg in ["before", "between", "after"] {
        assert_eq!(parse(&follower.line()).msg(), Some(msg));
    }
    agent.configure(&["window.size = \"8MiB\""]);
    agent.signal(Signal::SIGHUP);
    agent.until_said("takes effect at the next start");
}

#[test]
fn at_its_end_everything_that_came_is_kept_and_followers_are_let_go() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut agent = Agent::start();
        let mut follower = agent.connect();
        follower.follow("");
        let mut sender = agent.connect();
        // Without a SYNC: what was said before the signal is taken in all the same.
        sender.say("SEND x\n".repeat(5000));
        until("all of it", || (agent.stats()["events"] == 5000).then_some(()));
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
fn a_started_agent_says_where_it_listens_and_what_to_type() {
    let agent = Agent::start();
    agent.until_said(&format!("listening on {}", agent.socket().display()));
    agent.until_said("pulse-tail");
    agent.until_said("\"query took 40ms\"");
}

#[test]
fn status_shows_what_the_agent_says_about_itself() {
    let mut agent = Agent::start();
    agent.connect().say("SEND a\nSEND b\n").sync();
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
fn status_without_a_configuration_finds_the_agent_that_the_others_find() {
    let agent = Agent::start();
    // Somebody without a home and without a directory for a socket of their own, as in a unit or with su(1).
    let ask = |tool: Tool| {
        let tool = tool.env("HOME", "/nowhere").env("XDG_CONFIG_HOME", "/nowhere");
        tool.env("PULSED_SOCKET", agent.socket_text()).run()
    };
    let status = || Tool::pulsed().args(&["status"]);
    if as_root("status, asked by a user without a directory for a socket") {
        ask(status().by(65534, &agent)).failed(77, &["may not follow any tag"]);
    } else {
        let found = ask(status());
        assert!(found.out.contains(&format!(" {}\n", agent.pid())), "{found:#?}");
    }
}

#[test]
fn usage_errors_are_one_line_and_64() {
    Tool::pulsed().args(&["--frobnicate"]).run().failed(64, &["--frobnicate", "--help"]);
    Tool::pulsed().args(&["frobnicate"]).run().failed(64, &["frobnicate", "--help"]);
    for option in ["--version", "--help"] {
        let out = Tool::pulsed().args(&[option]).ok();
        assert!(out.contains("pulsed"), "{out}");
    }
    let version = format!("pulsed {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Tool::pulsed().args(&["--version"]).ok(), version);
}

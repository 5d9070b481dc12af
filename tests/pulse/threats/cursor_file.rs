//! The cursor file of `pulse-tail`: damaged, shared, and as its owner made it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use nix::sys::signal::Signal;

use super::tools::after;
use crate::harness::{Agent, as_root};

/// An agent with an event, and the path of a cursor file.
fn with_cursor_file() -> (Agent, &'static str) {
    let agent = Agent::start();
    agent.connect().write("SEND x\n").sync();
    let path = agent.dir().join("cursor").to_str().expect("UTF-8").to_owned().leak();
    (agent, path)
}

#[test]
fn rejects_damaged_and_irregular_cursor_files() {
    let (agent, path) = with_cursor_file();
    let tail = |path: &str| agent.tail(&["--cursor-file", path]).run();
    for text in ["", "\n", "7f3a9c21-", "7f3a9c21-1042 7f3a9c21-1043", "\0\0\0\0"] {
        fs::write(path, text).expect("a writable file");
        tail(path).failed(64, &[path, "remove it"]);
        assert_eq!(fs::read_to_string(path).expect("still there"), text);
    }
    fs::remove_file(path).expect("a file");
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("a path");
    let directory = agent.dir().to_str().expect("UTF-8");
    for irregular in [path, directory, "/dev/null", "/dev/tty", agent.socket_text()] {
        tail(irregular).failed(64, &[irregular, "not a regular file"]);
    }
    assert!(!fs::metadata("/dev/null").expect("a device").is_file());
}

#[test]
fn cursor_file_keeps_link_mode_and_owner() {
    let (agent, path) = with_cursor_file();
    let tail = || agent.tail(&["--cursor-file", path]).ok();
    let target = agent.dir().join("there");
    symlink(&target, path).expect("a free path");
    after("umask 777", &agent.tail(&["--cursor-file", path])).ok();
    assert_eq!(fs::metadata(&target).expect("created").mode() & 0o7777, 0o600);
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).expect("its owner");
    let root = as_root("the owner of a cursor file");
    if root {
        std::os::unix::fs::chown(&target, Some(65534), Some(65534)).expect("root");
    }
    let before = fs::metadata(&target).expect("there");
    agent.connect().write("SEND y\n").sync();
    assert!(tail().contains('y'));
    let now = fs::metadata(&target).expect("there");
    assert_ne!(now.ino(), before.ino(), "it was replaced");
    assert_eq!((now.mode(), now.uid(), now.gid()), (before.mode(), before.uid(), before.gid()));
    assert!(fs::symlink_metadata(path).expect("there").is_symlink());
    let saved = fs::read_to_string(&target).expect("a cursor");
    assert_eq!(saved.trim_end(), agent.connect().newest());
}

#[test]
fn two_tails_share_a_cursor_file() {
    let (agent, path) = with_cursor_file();
    let mut tails: Vec<_> = (0..2)
        .map(|_| agent.tail(&["-f", "-q", "-o", "cat", "--cursor-file", path]).start())
        .collect();
    for n in 0..200 {
        agent.connect().write(format!("SEND event {n}\n")).sync();
        let text = fs::read_to_string(path).unwrap_or_else(|_| "7f3a9c21-1\n".into());
        assert!(text.ends_with('\n') && text.contains('-'), "{text:?}");
    }
    for tail in &mut tails {
        while tail.line() != "event 199" {}
        tail.signal(Signal::SIGTERM);
        let done = tail.wait();
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:#?}");
    }
    let saved = fs::read_to_string(path).expect("a cursor");
    assert_eq!(saved.trim_end(), agent.connect().newest());
    let temporary = fs::read_dir(agent.dir()).expect("a directory").filter(|entry| {
        entry.as_ref().expect("an entry").file_name().to_string_lossy().ends_with(".new")
    });
    assert_eq!(temporary.count(), 0);
}

//! Failed fsyncs and power cuts. A library between the agent and fsync(2) makes it fail, or records what was
//! synced.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{SMALL_WINDOW, everything, gaps, number_of, numbered};
use crate::harness::{Agent, FIRST, seq_of, wait_for};

/// The file that makes the library fail while it exists, and the directory for what is synced.
const FAILS: &str = "fails";
const KEPT: &str = "kept";

/// The files that make the library hang or slow down while they exist.
pub(crate) const HANGS: &str = "hangs";
pub(crate) const SLOW: &str = "slow";

/// Starts an agent with that library.
fn with_library(lines: &[&str]) -> Agent {
    let mut agent = prepare_with_library(lines);
    agent.restart();
    agent
}

/// Prepares an agent with that library, without starting it.
pub(crate) fn prepare_with_library(lines: &[&str]) -> Agent {
    let mut agent = Agent::prepare(lines);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pulse/faults/disk.c");
    let library = agent.dir().join("disk.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-Wall", "-Werror", "-pthread", "-o"]).arg(&library).arg(source);
    assert!(cc.arg("-ldl").status().expect("a C compiler").success());
    fs::create_dir(agent.dir().join(KEPT)).expect("a writable directory");
    for (name, path) in [
        ("LD_PRELOAD", library),
        ("DISK_FAILS", agent.dir().join(FAILS)),
        ("DISK_KEPT", agent.dir().join(KEPT)),
        ("DISK_HANGS", agent.dir().join(HANGS)),
        ("DISK_SLOW", agent.dir().join(SLOW)),
    ] {
        agent.env(name, path.to_str().expect("UTF-8"));
    }
    agent
}

/// Kills the agent and leaves in its history what a power cut would leave: the file names that were synced, each
/// with the synced bytes, or empty.
fn cut_power(agent: &mut Agent) {
    // A sync between this and the copy below was not acknowledged: it may be there or not.
    agent.kill();
    let kept = agent.dir().join(KEPT);
    let names = fs::read_to_string(kept.join("names")).expect("a directory was synced");
    fs::remove_dir_all(agent.history()).expect("a writable directory");
    fs::create_dir(agent.history()).expect("a writable directory");
    for line in names.lines() {
        let (inode, name) = line.split_once(' ').expect("an inode and a name");
        let bytes = fs::read(kept.join(inode)).unwrap_or_default();
        fs::write(agent.history().join(name), bytes).expect("a writable file");
    }
    // The inodes are of the removed files.
    let _ = fs::remove_dir_all(&kept);
    fs::create_dir(kept).expect("a writable directory");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("a readable entry").path())
        .collect()
}

#[test]
fn synced_events_survive_power_cut() {
    // Only requests sync. A small history has many files.
    let mut agent =
        with_library(&[SMALL_WINDOW, "history.sync = \"never\"", "history.size = \"32MiB\""]);
    let mut synced = 0;
    let mut newest = FIRST - 1;
    let mut sent = 0;
    for round in 1..=4 {
        let mut sender = agent.connect();
        for _ in 0..3 {
            let count = round * 400;
            let answer = sender.write(numbered(sent..sent + count)).request("SYNC synced");
            let cursor = answer.strip_prefix("OK ").unwrap_or_else(|| panic!("{answer}"));
            newest = seq_of(cursor);
            sent += count;
            synced += count;
        }
        // Stored but not synced: the events may be lost, but their numbers must not be reused.
        let unsynced = seq_of(&sender.write("SEND 999999\nSEND 999999\n").sync());
        cut_power(&mut agent);
        assert!(files(&agent.history()).len() > 3);
        agent.restart();
        let items = everything(&agent, FIRST - 1);
        let found: Vec<u64> =
            items.iter().filter_map(number_of).filter(|n| *n != 999_999).collect();
        assert!(found.iter().copied().eq(0..synced), "{} of {synced}", found.len());
        let is_there =
            |seq| items.iter().any(|item| item.gap().is_none() && item.seq_range().0 == seq);
        assert!(
            is_there(newest) && !is_there(unsynced),
            "the synced event survived, the stored one did not"
        );
        assert_eq!(gaps(&items).len() as u64, round);
        let gap = gaps(&items).pop().expect("a gap");
        assert_eq!((gap.why.as_str(), gap.lost), ("restart", None));
        let next = seq_of(&agent.connect().write("SEND 999999\n").sync());
        assert!(next > unsynced, "{next} after {unsynced}");
    }
}

#[test]
fn failed_fsync_answers_err() {
    let mut agent = with_library(&[]);
    let mut sender = agent.connect();
    assert!(sender.write("SEND 0\n").request("SYNC synced").starts_with("OK "));
    fs::write(agent.dir().join(FAILS), "").expect("a writable file");
    let answer = sender.write("SEND 1\n").request("SYNC synced");
    assert!(answer.starts_with("ERR 74 "), "{answer}");
    agent.wait_for_output("fsync failed");
    // A stored SYNC does not depend on fsync.
    assert!(sender.write("SEND 2\n").request("SYNC").starts_with("OK "));
    fs::remove_file(agent.dir().join(FAILS)).expect("a writable file");
    wait_for("a synced event", || {
        sender.write("SEND 3\n").request("SYNC synced").starts_with("OK ").then_some(())
    });
    // The kernel reports a lost page only once: a clean stop cannot vouch for it either.
    assert!(!agent.stop().success());
    agent.restart();
    let items = everything(&agent, FIRST - 1);
    assert_eq!(items.iter().filter_map(number_of).filter(|n| *n < 3).count(), 3);
    assert_eq!(gaps(&items).len(), 1);
}

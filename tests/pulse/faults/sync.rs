//! Disks that lie or lose their power: a library between the agent and its fsync(2) lets it fail, or keeps what
//! was synced and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{SMALL_WINDOW, everything, gaps, number_of, numbered};
use crate::harness::{Agent, FIRST, seq_of, wait_for};

/// Where the library looks whether it should fail, and where it keeps what is safe.
const FAILS: &str = "fails";
const KEPT: &str = "kept";

/// An agent on such a disk.
fn on_such_a_disk(lines: &[&str]) -> Agent {
    let mut agent = Agent::prepare(lines);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pulse/faults/disk.c");
    let library = agent.dir().join("disk.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-Wall", "-Werror", "-pthread", "-o"]).arg(&library).arg(source);
    assert!(cc.arg("-ldl").status().expect("a C compiler").success());
    fs::create_dir(agent.dir().join(KEPT)).expect("ours");
    for (name, path) in [
        ("LD_PRELOAD", library),
        ("DISK_FAILS", agent.dir().join(FAILS)),
        ("DISK_KEPT", agent.dir().join(KEPT)),
    ] {
        agent.env(name, path.to_str().expect("UTF-8"));
    }
    agent.restart();
    agent
}

/// What a power cut now leaves: the files under the names that were synced, each with the bytes that were, or
/// empty.
fn cut_power(agent: &mut Agent) {
    // What is synced after this was never acknowledged to us, and may be there or not.
    agent.kill();
    let kept = agent.dir().join(KEPT);
    let names = fs::read_to_string(kept.join("names")).expect("a directory was synced");
    fs::remove_dir_all(agent.history()).expect("ours");
    fs::create_dir(agent.history()).expect("ours");
    for line in names.lines() {
        let (inode, name) = line.split_once(' ').expect("an inode and a name");
        let bytes = fs::read(kept.join(inode)).unwrap_or_default();
        fs::write(agent.history().join(name), bytes).expect("ours");
    }
    // Those inodes are no more.
    let _ = fs::remove_dir_all(&kept);
    fs::create_dir(kept).expect("ours");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("read").path()).collect()
}

#[test]
fn synced_events_survive_power_cut() {
    // Nothing is synced but what somebody asks for; a small history, so that there are many files.
    let mut agent =
        on_such_a_disk(&[SMALL_WINDOW, "history.sync = \"never\"", "history.size = \"32MiB\""]);
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
        // Stored, and not synced: it may be lost, and its numbers may not come again.
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
        assert!(is_there(newest) && !is_there(unsynced), "the power was cut");
        assert_eq!(gaps(&items).len() as u64, round);
        let gap = gaps(&items).pop().expect("one");
        assert_eq!((gap.why.as_str(), gap.lost), ("restart", None));
        let next = seq_of(&agent.connect().write("SEND 999999\n").sync());
        assert!(next > unsynced, "{next} and {unsynced}");
    }
}

#[test]
fn failed_fsync_answers_err() {
    let mut agent = on_such_a_disk(&[]);
    let mut sender = agent.connect();
    assert!(sender.write("SEND 0\n").request("SYNC synced").starts_with("OK "));
    fs::write(agent.dir().join(FAILS), "").expect("ours");
    let answer = sender.write("SEND 1\n").request("SYNC synced");
    assert!(answer.starts_with("ERR 74 "), "{answer}");
    agent.wait_for_output("fsync failed");
    // Stored is another thing.
    assert!(sender.write("SEND 2\n").request("SYNC").starts_with("OK "));
    fs::remove_file(agent.dir().join(FAILS)).expect("ours");
    let said = "SEND 3\n";
    wait_for("what is sent now is synced", || {
        sender.write(said).request("SYNC synced").starts_with("OK ").then_some(())
    });
    // The kernel says so only once: what was in doubt is not taken for safe at the end either.
    assert!(!agent.stop().success());
    agent.restart();
    let items = everything(&agent, FIRST - 1);
    assert_eq!(items.iter().filter_map(number_of).filter(|n| *n < 3).count(), 3);
    assert_eq!(gaps(&items).len(), 1);
}

//! History files that are edited or removed, while the agent runs and while it is stopped.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use super::{SMALL_WINDOW, everything, gaps, number_of, numbered};
use crate::harness::{Agent, FIRST, Gap, Item, assert_contiguous, parse, wait_for};

/// The history files, in order.
pub(crate) fn files(agent: &Agent) -> Vec<PathBuf> {
    let entries = fs::read_dir(agent.history()).expect("a history");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    files.sort();
    files
}

#[test]
fn appended_garbage_loses_no_event() {
    const EACH: u64 = 1500;
    // More than the window holds, so that readers read the files.
    let mut agent = Agent::with(&[SMALL_WINDOW]);
    let mut sender = agent.connect();
    for round in 0..4 {
        sender.write(numbered(round * EACH..round * EACH + EACH)).sync();
        let newest = files(&agent).pop().expect("a segment");
        let mut file = fs::File::options().append(true).open(newest).expect("a writable file");
        file.write_all([&b"not a line\n"[..], b"{\"seq\":3", b"\n", b"\0\0"][round as usize])
            .expect("a writable file");
    }
    sender.write(numbered(4 * EACH..4 * EACH + 1)).sync();
    for starts in 0..2 {
        let mut items = everything(&agent, FIRST - 1);
        if starts == 1 {
            assert_eq!(items.pop(), Some(Item::Gap(Gap::of_clean_start(FIRST + 4 * EACH))));
        }
        assert!(items.iter().map(number_of).eq((0..=4 * EACH).map(Some)), "{:?}", gaps(&items));
        agent.stop();
        agent.restart();
    }
}

#[test]
fn recreates_removed_history() {
    let mut agent = Agent::start();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    follower.follow("");
    sender.write(numbered(0..10)).sync();
    fs::remove_dir_all(agent.history()).expect("a writable directory");
    sender.write(numbered(10..20)).sync();
    agent.wait_for_output("removed or replaced");
    super::assert_follows(&mut follower, 0..20);
    // The window still holds what the disk lost.
    assert_eq!(everything(&agent, FIRST - 1).len(), 20);
    assert!(agent.stop().success());
    let cursor = format!("{{\"after\":\"{}\"}}", "00000000-2");
    agent.restart();
    let tail = agent.connect().tail(&cursor);
    let mut items: Vec<Item> = tail.iter().map(|line| parse(line)).collect();
    assert_eq!(items.pop(), Some(Item::Gap(Gap::of_clean_start(FIRST + 19))));
    assert!(items[1..].iter().map(number_of).eq((10..20).map(Some)), "{items:?}");
}

#[test]
fn truncates_history_edited_while_stopped() {
    let mut agent = Agent::start();
    let first = agent.connect().write(numbered(0..30)).sync();
    assert!(agent.stop().success());
    let file = files(&agent).pop().expect("a segment");
    let text = fs::read_to_string(&file).expect("UTF-8");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(&file, lines[..21].concat() + "{\"seq\":22,\"ti").expect("a writable file");
    agent.restart();
    agent.wait_for_output(file.to_str().expect("UTF-8"));
    agent.connect().write(numbered(30..31)).sync();
    let items = everything(&agent, FIRST - 1);
    assert!(items.iter().filter_map(number_of).eq((0..20).chain([30])), "{items:?}");
    assert_eq!(gaps(&items).len(), 1);
    // Sequence numbers are not reused, although ten of the events are lost.
    let last = items.last().expect("an item").seq_range().0;
    let before = crate::harness::seq_of(&first);
    assert!(last > before, "{last} after {before}");
}

#[test]
fn missing_history_starts_new_log() {
    let mut agent = Agent::start();
    let cursor = agent.connect().write(numbered(0..5)).sync();
    assert!(agent.stop().success());
    fs::remove_dir_all(agent.history()).expect("a writable directory");
    agent.restart();
    agent.connect().write(numbered(5..6)).sync();
    wait_for("stored", || (!files(&agent).is_empty()).then_some(()));
    let tail = format!("{{\"after\":\"{cursor}\"}}");
    let items: Vec<Item> = agent.connect().tail(&tail).iter().map(|line| parse(line)).collect();
    assert_eq!(gaps(&items).iter().map(|gap| gap.why.as_str()).collect::<Vec<_>>(), ["restart"]);
    assert_eq!(number_of(&items[1]), Some(5));
    assert_contiguous(0, &items);
}

//! People with an editor in the history directory, while the agent runs and while it does not.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use super::{SMALL_WINDOW, everything, gaps, number_of, numbered};
use crate::harness::{Agent, FIRST, Gap, Item, assert_whole, parse, until};

/// The files of history, in order.
fn files(agent: &Agent) -> Vec<PathBuf> {
    let entries = fs::read_dir(agent.history()).expect("a history");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("read").path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    files.sort();
    files
}

#[test]
fn what_somebody_writes_behind_the_newest_line_costs_nobody_a_line() {
    const EACH: u64 = 1500;
    // More than the window holds: what is read is read from the files.
    let mut agent = Agent::with(&[SMALL_WINDOW]);
    let mut sender = agent.connect();
    for round in 0..4 {
        sender.say(numbered(round * EACH..round * EACH + EACH)).sync();
        let newest = files(&agent).pop().expect("a segment");
        let mut file = fs::File::options().append(true).open(newest).expect("ours");
        file.write_all([&b"not a line\n"[..], b"{\"seq\":3", b"\n", b"\0\0"][round as usize])
            .expect("ours");
    }
    sender.say(numbered(4 * EACH..4 * EACH + 1)).sync();
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
fn a_history_that_is_removed_while_it_is_written_begins_anew_and_followers_stay() {
    let mut agent = Agent::start();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    follower.follow("");
    sender.say(numbered(0..10)).sync();
    fs::remove_dir_all(agent.history()).expect("ours");
    sender.say(numbered(10..20)).sync();
    agent.until_said("took it away");
    super::follow_on(&mut follower, 0..20);
    // The window still has what the disk has not.
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
fn what_was_edited_between_runs_is_cut_where_it_is_bad_and_told() {
    let mut agent = Agent::start();
    let first = agent.connect().say(numbered(0..30)).sync();
    assert!(agent.stop().success());
    let file = files(&agent).pop().expect("a segment");
    let text = fs::read_to_string(&file).expect("UTF-8");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(&file, lines[..21].concat() + "{\"seq\":22,\"ti").expect("ours");
    agent.restart();
    agent.until_said(file.to_str().expect("UTF-8"));
    agent.connect().say(numbered(30..31)).sync();
    let items = everything(&agent, FIRST - 1);
    assert!(items.iter().filter_map(number_of).eq((0..20).chain([30])), "{items:?}");
    assert_eq!(gaps(&items).len(), 1);
    // Numbers do not come again, although ten of them are gone.
    let last = items.last().expect("some").numbers().0;
    let before = crate::harness::seq_of(&first);
    assert!(last > before, "{last}, {before}");
}

#[test]
fn a_history_that_is_gone_between_runs_is_a_new_log() {
    let mut agent = Agent::start();
    let cursor = agent.connect().say(numbered(0..5)).sync();
    assert!(agent.stop().success());
    fs::remove_dir_all(agent.history()).expect("ours");
    agent.restart();
    agent.connect().say(numbered(5..6)).sync();
    until("stored", || (!files(&agent).is_empty()).then_some(()));
    let tail = format!("{{\"after\":\"{cursor}\"}}");
    let items: Vec<Item> = agent.connect().tail(&tail).iter().map(|line| parse(line)).collect();
    assert_eq!(gaps(&items).iter().map(|gap| gap.why.as_str()).collect::<Vec<_>>(), ["restart"]);
    assert_eq!(number_of(&items[1]), Some(5));
    assert_whole(0, &items);
}

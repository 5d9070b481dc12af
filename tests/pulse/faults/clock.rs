//! Clock steps under a running agent, by the library of faketime(1). Monotonic time, which timers use, is not
//! faked: a step of a real clock does not change it either.

use std::fs;
use std::path::{Path, PathBuf};

use super::{everything, gaps, ticks_used};
use crate::harness::{Agent, Client, FIRST, Item, parse, wait_for};

pub(crate) const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

/// An agent whose clock a test can step.
pub(crate) struct Stepped {
    pub(crate) agent: Agent,
    offset: PathBuf,
}

impl Stepped {
    /// Ten years of history, so that no step forward trims it.
    fn start() -> Self {
        Self::start_with(&["history.age = \"3660d\""])
    }

    /// As [`Agent::with`].
    pub(crate) fn start_with(lines: &[&str]) -> Self {
        let mut agent = Agent::prepare(lines);
        let offset = agent.dir().join("offset");
        agent.env("LD_PRELOAD", library().to_str().expect("UTF-8"));
        agent.env("FAKETIME_TIMESTAMP_FILE", offset.to_str().expect("UTF-8"));
        agent.env("FAKETIME_NO_CACHE", "1");
        agent.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let mut stepped = Self { agent, offset };
        stepped.step_to(0);
        stepped.agent.restart();
        stepped
    }

    /// Sets the clock to this many seconds after the real time.
    pub(crate) fn step_to(&self, seconds: i64) {
        let fresh = self.offset.with_extension("new");
        fs::write(&fresh, format!("{seconds:+}\n")).expect("a writable file");
        fs::rename(fresh, &self.offset).expect("a writable file");
    }
}

/// The library that fakes a program's clock.
fn library() -> PathBuf {
    let dirs = fs::read_dir("/usr/lib")
        .expect("a directory")
        .map(|dir| dir.expect("a readable entry").path());
    let mut libraries = dirs.map(|dir| dir.join("faketime/libfaketimeMT.so.1"));
    libraries.find(|path| path.exists()).expect("faketime is installed")
}

/// Sends one event and returns its time. With `gap_before`, a gap `clock` must come first.
fn time_of_one(sender: &mut Client, follower: &mut Client, gap_before: bool) -> jiff::Timestamp {
    sender.write("SEND tick\n").sync();
    if gap_before {
        let item = parse(&follower.line());
        let gap = item.gap().unwrap_or_else(|| panic!("a gap before {item:?}"));
        assert_eq!((gap.why.as_str(), gap.lost), ("clock", Some(0)));
        assert_eq!(gap.before, gap.after + 2);
    }
    let item = parse(&follower.line());
    time(&item)
}

fn time(item: &Item) -> jiff::Timestamp {
    item.event()["time"].as_str().expect("a time").parse().expect("RFC 3339")
}

/// Asserts that times never decrease within a file of this history. Returns the number of files.
fn assert_ordered_files(dir: &Path) -> usize {
    let entries =
        fs::read_dir(dir).expect("a history").map(|entry| entry.expect("a readable entry").path());
    let files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
    for file in &files {
        let text = fs::read_to_string(file).expect("UTF-8");
        let times: Vec<jiff::Timestamp> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .map(|line| line["time"].as_str().expect("a time").parse().expect("RFC 3339"))
            .collect();
        assert!(times.is_sorted(), "{}", file.display());
    }
    files.len()
}

#[test]
fn clock_steps_are_held_or_reported() {
    let stepped = Stepped::start();
    let agent = &stepped.agent;
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    follower.follow("");
    let real = time_of_one(&mut sender, &mut follower, false);
    assert!(jiff::Timestamp::now().duration_since(real).as_secs().abs() < 30);
    // The offset of the clock, and whether a gap reports the step.
    let steps = [
        (60, false),
        (52, false),
        (60, false),
        (40, true),
        (0, true),
        (3 * DAY, false),
        (DAY, true),
        (2 * YEAR, false),
        (0, true),
        (-3 * YEAR, true),
        (0, false),
    ];
    let mut before = real;
    for (to, reported) in steps {
        stepped.step_to(to);
        let time = time_of_one(&mut sender, &mut follower, reported);
        let off = time.duration_since(real).as_secs();
        let held = time == before;
        assert!(held && to == 52 || (off - to).abs() < 8 && !held, "{to}: {off}");
        assert!(reported == (time < before), "{to}: {time} after {before}");
        before = time;
    }
    let items = everything(agent, FIRST - 1);
    assert_eq!(gaps(&items).len(), steps.iter().filter(|(_, reported)| *reported).count());
    assert!(gaps(&items).iter().all(|gap| gap.why == "clock"));
    assert_eq!(items.len() - gaps(&items).len(), steps.len() + 1);
    assert!(assert_ordered_files(&agent.history()) > gaps(&items).len());
    // A search by time returns everything from the first event of that time on.
    for item in items.iter().filter(|item| item.gap().is_none()) {
        let since = format!("--since={}", time(item));
        let found = agent.tail(&[&since, "-n", "all", "-o", "json", "-q"]).ok();
        let seq = format!("{{\"seq\":{},", item.seq_range().0);
        assert!(found.lines().any(|line| line.starts_with(&seq)), "{since}: {seq}: {found}");
    }
}

#[test]
fn timers_survive_clock_steps() {
    let mut stepped = Stepped::start();
    let mut sender = stepped.agent.connect();
    for to in [10 * YEAR, -10 * YEAR, 0] {
        stepped.step_to(to);
        let newest = sender.write("SEND tick\n").sync();
        // The agent fsyncs within a second without a request.
        let synced = || stepped.agent.stats()["history"]["synced"] == newest.as_str();
        wait_for("synced", || synced().then_some(()));
    }
    let begin = ticks_used(&stepped.agent);
    stepped.step_to(-20 * YEAR);
    sender.sync();
    assert!(ticks_used(&stepped.agent) - begin < 100, "it does not spin");
    assert!(stepped.agent.stop().success());
    // A start with a clock that is years behind its history is reported too.
    stepped.agent.restart();
    stepped.agent.connect().write("SEND behind\n").sync();
    let items = everything(&stepped.agent, FIRST - 1);
    assert_eq!(items.last().and_then(Item::msg), Some("behind"));
    // History holds it right after the gap of the start. Readers get both merged.
    assert_eq!(gaps(&items).last().and_then(|gap| gap.lost), Some(0));
    let text = stepped.agent.history_text();
    let stored: Vec<Item> = text.lines().map(parse).collect();
    let whys: Vec<&str> = gaps(&stored).iter().map(|gap| gap.why.as_str()).collect();
    assert!(whys.ends_with(&["restart", "clock"]), "{whys:?}");
    assert!(assert_ordered_files(&stepped.agent.history()) > 2);
}

//! Faults of the machine: full and hung disks, failed fsyncs, power cuts, clock steps, no free descriptors, edited
//! files.

pub(crate) mod clock;
mod disk;
pub(crate) mod edited;
mod place;
mod process;
pub(crate) mod sync;

use std::fs;

use crate::harness::{Agent, Client, Gap, Item, assert_contiguous, parse};

/// A window small enough to overflow in a test.
pub(crate) const SMALL_WINDOW: &str = "window.size = \"1MiB\"";

/// Events of about 1 KiB each, whose messages begin with these numbers.
pub(crate) fn numbered(numbers: std::ops::Range<u64>) -> String {
    let padding = "x".repeat(900);
    numbers.map(|n| format!("SEND {n} {padding}\n")).collect()
}

/// The number that begins the message. `None` if it is a gap.
pub(crate) fn number_of(item: &Item) -> Option<u64> {
    let msg = item.msg()?;
    Some(msg.split(' ').next()?.parse().expect("a number"))
}

/// All lines from the oldest on, which must be contiguous after `after`.
pub(crate) fn everything(agent: &Agent, after: u64) -> Vec<Item> {
    let items: Vec<Item> = agent.connect().tail("{}").iter().map(|line| parse(line)).collect();
    assert_contiguous(after, &items);
    items
}

/// Reads events, which must have these numbers, without a gap between them.
#[track_caller]
fn assert_follows(follower: &mut Client, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let item = parse(&follower.line());
        assert_eq!(number_of(&item), Some(n), "{item:?}");
    }
}

pub(crate) fn gaps(items: &[Item]) -> Vec<&Gap> {
    items.iter().filter_map(Item::gap).collect()
}

/// Asserts that the numbers below `count` occur once and in order, but for those that one gap `storage` counts as
/// lost. Returns how many are lost.
#[track_caller]
fn assert_one_storage_gap(items: &[Item], count: u64) -> u64 {
    let [gap] = gaps(items)[..] else { panic!("one gap: {:?}", gaps(items)) };
    assert_eq!(gap.why, "storage");
    let lost = gap.before - gap.after - 1;
    assert_eq!(gap.lost, Some(lost), "{gap:?}");
    let mut next = 0;
    for item in items {
        match number_of(item) {
            Some(n) => {
                assert_eq!(n, next);
                next += 1;
            }
            None => next += lost,
        }
    }
    assert_eq!(next, count);
    lost
}

/// The trouble with history that STATS reports, if any.
pub(crate) fn trouble(agent: &Agent) -> Option<String> {
    agent.stats()["history"]["trouble"].as_str().map(str::to_owned)
}

/// The processor time the agent has used, in clock ticks of 10 ms.
fn ticks_used(agent: &Agent) -> u64 {
    let stat =
        fs::read_to_string(format!("/proc/{}/stat", agent.pid())).expect("a running process");
    let (_, after_comm) = stat.rsplit_once(')').expect("proc(5)");
    let fields: Vec<&str> = after_comm.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

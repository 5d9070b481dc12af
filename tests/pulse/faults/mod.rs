//! What the machine does to the agent: disks that fill up, hang or lie, clocks that jump, descriptors that
//! run out, power that goes.

mod clock;
mod disk;
mod edited;
mod place;
mod process;
mod sync;

use std::fs;

use crate::harness::{Agent, Client, Gap, Item, assert_contiguous, parse};

/// A window that a test can overflow.
const SMALL_WINDOW: &str = "window.size = \"1MiB\"";

/// Events of about 1 KiB each, of which the message begins with its number.
fn numbered(numbers: std::ops::Range<u64>) -> String {
    let padding = "x".repeat(900);
    numbers.map(|n| format!("SEND {n} {padding}\n")).collect()
}

/// The number in a message that [`numbered`] made, or that is nothing but one.
fn number_of(item: &Item) -> Option<u64> {
    let msg = item.msg()?;
    Some(msg.split(' ').next()?.parse().expect("a number"))
}

/// Everything from the oldest line on, as a reader is told it; whole, from the number `after` on.
fn everything(agent: &Agent, after: u64) -> Vec<Item> {
    let items: Vec<Item> = agent.connect().tail("{}").iter().map(|line| parse(line)).collect();
    assert_contiguous(after, &items);
    items
}

/// Reads so many events, which must have the numbers from `from` on and nothing between them.
#[track_caller]
fn follow_on(follower: &mut Client, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let item = parse(&follower.line());
        assert_eq!(number_of(&item), Some(n), "{item:?}");
    }
}

fn gaps(items: &[Item]) -> Vec<&Gap> {
    items.iter().filter_map(Item::gap).collect()
}

/// Asserts that every number from 0 to `count` stands there once and in order, or is one of those that one
/// gap `storage` counts. Gives how many those are.
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

/// What is wrong with history, as STATS tells it.
fn trouble(agent: &Agent) -> Option<String> {
    agent.stats()["history"]["trouble"].as_str().map(str::to_owned)
}

/// How much processor time a process has used so far, in clock ticks of 10 ms.
fn ticks_used(agent: &Agent) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", agent.pid())).expect("it runs");
    let (_, behind_its_name) = stat.rsplit_once(')').expect("proc(5)");
    let fields: Vec<&str> = behind_its_name.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

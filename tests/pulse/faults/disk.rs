//! Disks that are full, hang or become read-only. Live events continue, no SYNC acknowledges an event that is not
//! stored, and a gap reports the loss at its place.

use std::thread;
use std::time::{Duration, Instant};

use super::place::Place;
use super::{
    SMALL_WINDOW, assert_follows, assert_one_storage_gap, everything, gaps, number_of, numbered,
    trouble,
};
use crate::harness::{Agent, Client, FIRST, Gap, Item, Tool, as_root, parse, wait_for};

/// The most that a hung disk may delay a sender in all: 1 s, with allowance for a busy machine.
const DELAY_MAX: Duration = Duration::from_secs(3);

/// Sends events from this number on until SYNC reports a storage error. Returns the next number.
fn send_until_refused(sender: &mut Client, follower: &mut Client, from: u64) -> u64 {
    let mut next = from;
    wait_for("a SYNC that fails", || {
        sender.write(numbered(next..next + 1));
        assert_follows(follower, next..next + 1);
        next += 1;
        let answer = sender.request("SYNC");
        assert!(answer.starts_with("OK ") || answer.starts_with("ERR 74 "), "{answer}");
        answer.starts_with("ERR 74 ").then_some(next)
    })
}

/// Sends several times what the window holds while the follower receives it live. Returns the next number.
fn overflow(sender: &mut Client, follower: &mut Client, from: u64) -> u64 {
    let to = from + 3000;
    for next in (from..to).step_by(50) {
        sender.write(numbered(next..next + 50));
        assert_follows(follower, next..next + 50);
    }
    to
}

#[test]
fn full_disk_goes_live_only_and_recovers() {
    if !as_root("a full disk") {
        return;
    }
    let mut agent = Agent::prepare(&[SMALL_WINDOW]);
    let place = Place::in_memory(&agent, 4);
    agent.restart();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    follower.follow("");
    sender.write(numbered(0..100)).sync();
    assert_follows(&mut follower, 0..100);
    place.fill();
    let next = send_until_refused(&mut sender, &mut follower, 100);
    let why = trouble(&agent).expect("trouble in STATS");
    assert!(why.contains("No space left"), "{why}");
    agent.wait_for_output("No space left");
    let status = agent.pulsed(&["status"]).run();
    assert!(status.out.contains("No space left"), "{status:#?}");
    agent.send(&[&next.to_string()]).run().failed(74, &["No space left"]);
    assert_follows(&mut follower, next..next + 1);
    let count = overflow(&mut sender, &mut follower, next + 1);

    place.make_room();
    wait_for("history is written again", || trouble(&agent).is_none().then_some(()));
    agent.wait_for_output("is written again");
    let newest = agent.connect().newest();
    wait_for("it catches up", || (agent.stats()["history"]["stored"] == newest).then_some(()));
    // The first SYNC still reports the lost events.
    sender.request("SYNC");
    sender.write(numbered(count..count + 1)).sync();
    let all = everything(&agent, FIRST - 1);
    assert!(assert_one_storage_gap(&all, count + 1) > 1000);
    assert!(agent.stop().success());
    agent.restart();
    let mut again = everything(&agent, FIRST - 1);
    let last = all.last().expect("an item").seq_range().1;
    assert_eq!(again.pop(), Some(Item::Gap(Gap::of_clean_start(last))));
    assert_eq!(again, all);
}

#[test]
fn hung_disk_delays_senders_once() {
    if !as_root("a disk that hangs") {
        return;
    }
    let mut agent = Agent::prepare(&[SMALL_WINDOW]);
    let Some(mut place) = Place::on_ext4(&agent) else { return };
    agent.restart();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    let mut idle = agent.connect();
    follower.follow("");
    sender.write(numbered(0..100)).sync();
    assert_follows(&mut follower, 0..100);
    place.freeze();
    let begin = Instant::now();
    let count = overflow(&mut sender, &mut follower, 100);
    let delay = begin.elapsed();
    assert!(delay < DELAY_MAX, "{delay:?}");
    let answer = sender.request("SYNC");
    assert!(answer.starts_with("ERR 74 "), "{answer}");
    assert!(trouble(&agent).is_some_and(|why| why.contains("1 s")));
    agent.wait_for_output("takes no writes");
    // The delay is not repeated for another connection.
    let begin = Instant::now();
    let answer = idle.write(numbered(count..count + 1)).request("SYNC");
    assert!(answer.starts_with("ERR 74 "), "{answer}");
    let delay = begin.elapsed();
    assert!(delay < Duration::from_secs(1), "{delay:?}");
    assert_follows(&mut follower, count..count + 1);

    place.thaw();
    wait_for("history is written again", || trouble(&agent).is_none().then_some(()));
    idle.write(numbered(count + 1..count + 2)).sync();
    assert_follows(&mut follower, count + 1..count + 2);
    assert!(assert_one_storage_gap(&everything(&agent, FIRST - 1), count + 2) > 1000);
}

#[test]
fn sync_times_out_on_hung_disk() {
    if !as_root("a disk that hangs under an idle agent") {
        return;
    }
    let mut agent = Agent::prepare(&[]);
    let Some(mut place) = Place::on_ext4(&agent) else { return };
    agent.restart();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    follower.follow("");
    sender.write(numbered(0..1)).sync();
    assert_follows(&mut follower, 0..1);
    place.freeze();
    // One of these senders may find the writer's lock free and write on its own thread.
    let begin = Instant::now();
    thread::scope(|scope| {
        let answers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| agent.connect().write("SEND 1\nSYNC\n").line()))
            .collect();
        for _ in 0..8 {
            assert_eq!(parse(&follower.line()).msg(), Some("1"));
        }
        for answer in answers {
            let answer = answer.join().expect("no panic");
            assert!(answer.starts_with("ERR 74 "), "{answer}");
        }
    });
    let delay = begin.elapsed();
    assert!(delay < DELAY_MAX, "{delay:?}");
    place.thaw();
    wait_for("history is written again", || trouble(&agent).is_none().then_some(()));
    sender.write("SEND 2\n").sync();
    assert!(gaps(&everything(&agent, FIRST - 1)).is_empty(), "the window held it all");
}

#[test]
fn read_only_history_goes_live_only() {
    if !as_root("a history that becomes read-only") {
        return;
    }
    let mut agent = Agent::prepare(&[SMALL_WINDOW]);
    let Some(place) = Place::on_ext4(&agent) else { return };
    agent.restart();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    follower.follow("");
    sender.write(numbered(0..100)).sync();
    assert_follows(&mut follower, 0..100);
    place.set_immutable("+i");
    let next = send_until_refused(&mut sender, &mut follower, 100);
    assert!(trouble(&agent).is_some_and(|why| why.contains("not permitted")));
    let count = overflow(&mut sender, &mut follower, next);
    assert!(!agent.stop().success(), "not everything could be stored");
    let config = agent.config();
    let refused = Tool::pulsed().args(&["--config", config.to_str().expect("UTF-8")]).run();
    refused.failed(1, &["not permitted", agent.history().to_str().expect("UTF-8")]);
    place.set_immutable("-i");
    agent.restart();
    agent.connect().write(numbered(count..count + 1)).sync();
    let items = everything(&agent, FIRST - 1);
    let [gap] = gaps(&items)[..] else { panic!("one gap: {:?}", gaps(&items)) };
    assert_eq!((gap.why.as_str(), gap.lost), ("restart", None));
    assert_eq!(
        items.iter().filter_map(number_of).collect::<Vec<_>>(),
        (0..next - 1).chain([count]).collect::<Vec<_>>()
    );
}

//! Disks that are full, hang, or take no writes: live goes on, nobody is told that something is stored which
//! is not, and what is missing is told at its place.

use std::thread;
use std::time::{Duration, Instant};

use super::place::Place;
use super::{
    SMALL_WINDOW, assert_one_storage_gap, everything, follow_on, gaps, number_of, numbered, trouble,
};
use crate::harness::{Agent, Client, FIRST, Gap, Item, Tool, as_root, parse, until};

/// How long a sender may be held up in all by a disk that hangs: 1 s, and what a machine that is busy with
/// something else adds.
const HELD_UP_MAX: Duration = Duration::from_secs(3);

/// Sends events, from this number on, until the disk refuses. Gives the next number.
fn until_refused(sender: &mut Client, follower: &mut Client, from: u64) -> u64 {
    let mut next = from;
    until("a SYNC that fails", || {
        sender.say(numbered(next..next + 1));
        follow_on(follower, next..next + 1);
        next += 1;
        let answer = sender.ask("SYNC");
        assert!(answer.starts_with("OK ") || answer.starts_with("ERR 74 "), "{answer}");
        answer.starts_with("ERR 74 ").then_some(next)
    })
}

/// Sends many times what the window holds, to somebody who follows live.
fn overflow(sender: &mut Client, follower: &mut Client, from: u64) -> u64 {
    let to = from + 3000;
    for next in (from..to).step_by(50) {
        sender.say(numbered(next..next + 50));
        follow_on(follower, next..next + 50);
    }
    to
}

#[test]
fn a_full_disk_stops_nobody_and_history_goes_on_when_there_is_room() {
    if !as_root("a full disk") {
        return;
    }
    let mut agent = Agent::prepare(&[SMALL_WINDOW]);
    let place = Place::in_memory(&agent, 4);
    agent.restart();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    follower.follow("");
    sender.say(numbered(0..100)).sync();
    follow_on(&mut follower, 0..100);
    place.fill();
    let next = until_refused(&mut sender, &mut follower, 100);
    let why = trouble(&agent).expect("STATS shows it");
    assert!(why.contains("No space left"), "{why}");
    agent.until_said("No space left");
    let status = agent.pulsed(&["status"]).run();
    assert!(status.out.contains("No space left"), "{status:#?}");
    agent.send(&[&next.to_string()]).run().failed(74, &["No space left"]);
    follow_on(&mut follower, next..next + 1);
    let count = overflow(&mut sender, &mut follower, next + 1);

    place.make_room();
    until("history is written again", || trouble(&agent).is_none().then_some(()));
    agent.until_said("is written again");
    let newest = agent.connect().newest();
    until("it catches up", || (agent.stats()["history"]["stored"] == newest).then_some(()));
    // The first SYNC is about what was lost too.
    sender.ask("SYNC");
    sender.say(numbered(count..count + 1)).sync();
    let all = everything(&agent, FIRST - 1);
    assert!(assert_one_storage_gap(&all, count + 1) > 1000);
    assert!(agent.stop().success());
    agent.restart();
    let mut again = everything(&agent, FIRST - 1);
    let last = all.last().expect("some").numbers().1;
    assert_eq!(again.pop(), Some(Item::Gap(Gap::of_clean_start(last))));
    assert_eq!(again, all);
}

#[test]
fn a_disk_that_hangs_holds_senders_up_for_a_second_in_all() {
    if !as_root("a disk that hangs") {
        return;
    }
    let mut agent = Agent::prepare(&[SMALL_WINDOW]);
    let Some(mut place) = Place::on_ext4(&agent) else { return };
    agent.restart();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    let mut idle = agent.connect();
    follower.follow("");
    sender.say(numbered(0..100)).sync();
    follow_on(&mut follower, 0..100);
    place.freeze();
    let begin = Instant::now();
    let count = overflow(&mut sender, &mut follower, 100);
    let held_up = begin.elapsed();
    assert!(held_up < HELD_UP_MAX, "{held_up:?}");
    let answer = sender.ask("SYNC");
    assert!(answer.starts_with("ERR 74 "), "{answer}");
    assert!(trouble(&agent).is_some_and(|why| why.contains("1 s")));
    agent.until_said("takes no writes");
    // Whoever comes now does not wait at all.
    let begin = Instant::now();
    let answer = idle.say(numbered(count..count + 1)).ask("SYNC");
    assert!(answer.starts_with("ERR 74 "), "{answer}");
    let held_up = begin.elapsed();
    assert!(held_up < Duration::from_secs(1), "{held_up:?}");
    follow_on(&mut follower, count..count + 1);

    place.thaw();
    until("history is written again", || trouble(&agent).is_none().then_some(()));
    idle.say(numbered(count + 1..count + 2)).sync();
    follow_on(&mut follower, count + 1..count + 2);
    assert!(assert_one_storage_gap(&everything(&agent, FIRST - 1), count + 2) > 1000);
}

#[test]
fn a_lonely_sender_whose_disk_hangs_has_its_answer_in_a_second() {
    if !as_root("a disk that hangs while nothing else goes on") {
        return;
    }
    let mut agent = Agent::prepare(&[]);
    let Some(mut place) = Place::on_ext4(&agent) else { return };
    agent.restart();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    follower.follow("");
    sender.say(numbered(0..1)).sync();
    follow_on(&mut follower, 0..1);
    place.freeze();
    // One of them may have found nobody who writes, and does it itself.
    let begin = Instant::now();
    thread::scope(|scope| {
        let answers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| agent.connect().say("SEND 1\nSYNC\n").line())).collect();
        for _ in 0..8 {
            assert_eq!(parse(&follower.line()).msg(), Some("1"));
        }
        for answer in answers {
            let answer = answer.join().expect("it cannot panic");
            assert!(answer.starts_with("ERR 74 "), "{answer}");
        }
    });
    let held_up = begin.elapsed();
    assert!(held_up < HELD_UP_MAX, "{held_up:?}");
    place.thaw();
    until("history is written again", || trouble(&agent).is_none().then_some(()));
    sender.say("SEND 2\n").sync();
    assert!(gaps(&everything(&agent, FIRST - 1)).is_empty(), "the window held it all");
}

#[test]
fn a_history_that_becomes_read_only_stops_nobody() {
    if !as_root("a history that becomes read-only") {
        return;
    }
    let mut agent = Agent::prepare(&[SMALL_WINDOW]);
    let Some(place) = Place::on_ext4(&agent) else { return };
    agent.restart();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    follower.follow("");
    sender.say(numbered(0..100)).sync();
    follow_on(&mut follower, 0..100);
    place.set_immutable("+i");
    let next = until_refused(&mut sender, &mut follower, 100);
    assert!(trouble(&agent).is_some_and(|why| why.contains("not permitted")));
    let count = overflow(&mut sender, &mut follower, next);
    assert!(!agent.stop().success(), "not everything could be stored");
    let config = agent.config();
    let refused = Tool::pulsed().args(&["--config", config.to_str().expect("UTF-8")]).run();
    refused.failed(1, &["not permitted", agent.history().to_str().expect("UTF-8")]);
    place.set_immutable("-i");
    agent.restart();
    agent.connect().say(numbered(count..count + 1)).sync();
    let items = everything(&agent, FIRST - 1);
    let [gap] = gaps(&items)[..] else { panic!("one gap: {:?}", gaps(&items)) };
    assert_eq!((gap.why.as_str(), gap.lost), ("restart", None));
    assert_eq!(
        items.iter().filter_map(number_of).collect::<Vec<_>>(),
        (0..next - 1).chain([count]).collect::<Vec<_>>()
    );
}

//! A sender that fills history, and the events of others.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::*;
use crate::log::history::segment_file::list_dir;
use crate::log::state::path_in;
use crate::log::{Repair, SHARE_TIME, Sender};

const FLOODER: u32 = 7;
const OTHER: u32 = 8;

/// How often files are replaced until each reader has read everything some times.
const ROUNDS_MAX: usize = 200;

/// Events of one user, with its origin.
fn batch_of(uid: u32, messages: &[String]) -> Batch {
    let mut batch = Batch::default();
    let origin = format!("{{\"pid\":1,\"uid\":{uid}}}");
    for msg in messages {
        let draft = Draft { msg: msg.into(), ..Draft::default() };
        batch.push(&draft, "t", origin.as_bytes());
    }
    batch
}

/// Appends one event of a user whose share is not counted, and waits until it is stored.
async fn important(log: &Log, msg: &str) -> Seq {
    let last = log.append_waiting(&batch_of(0, &[msg.into()])).await;
    log.sync(last, last, Durability::Stored).await.expect("stored");
    last
}

/// Appends about so many bytes of a user.
async fn flood(log: &Log, uid: u32, bytes: usize) {
    let log = log.clone().for_sender(Some(Sender::User(uid)));
    for part in numbered(bytes / 1150, 1000).chunks(40) {
        let last = log.append_waiting(&batch_of(uid, part)).await;
        log.wait_until_stored(last).await;
    }
}

fn small(size: u64) -> Site {
    Site { size, sync: SyncPolicy::Never, ..Site::in_memory() }
}

fn has(seen: &[Seen], msg: &str) -> bool {
    seen.iter().any(|seen| matches!(seen, Seen::Event(_, text) if text == msg))
}

/// Asserts that gaps count exactly what is missing of `total` numbers, of which the first is a gap of a start.
fn assert_exact(seen: &[Seen], total: u64) {
    let counted = seen.iter().map(|seen| match seen {
        Seen::Event(..) => 1,
        Seen::Gap(gap) => {
            assert_eq!(gap.why, Why::Retention, "{gap:?}");
            gap.lost.expect("known")
        }
    });
    assert_eq!(counted.sum::<u64>(), total);
}

/// The files of history, without the newest: their size, and that of events of a user in them.
fn size_of(site: &Site, uid: u32) -> (u64, u64) {
    let dir = site.dir();
    let firsts = list_dir(&dir).expect("listed");
    let text = |first: &Seq| fs::read_to_string(path_in(&dir, *first)).unwrap_or_default();
    let texts: Vec<String> = firsts.iter().map(text).collect();
    let own = format!("\"uid\":{uid}}}");
    let of_user = texts.iter().flat_map(|text| text.lines()).filter(|line| line.contains(&own));
    (texts.iter().map(|text| text.len() as u64).sum(), of_user.map(|line| line.len() as u64).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_pushes_out_no_events_of_others() {
    let site = small(4 << 20);
    let running = site.open().running;
    let log = running.log().clone();
    important(&log, "first").await;
    for round in 0..8 {
        flood(&log, FLOODER, 3 << 20).await;
        important(&log, &format!("round {round}")).await;
        assert!(log.counters().history_bytes.expect("history") <= site.size);
    }
    let newest = log.newest().seq;
    let check = async |running: &Running| {
        let seen = read_all(running.log(), 1).await;
        let before = seen.iter().position(|seen| seen.first() > newest.get());
        assert_exact(&seen[..before.unwrap_or(seen.len())], newest.get() - 1);
        assert!(has(&seen, "first"));
        for round in 0..8 {
            assert!(has(&seen, &format!("round {round}")), "{round}");
        }
        let mut back = read_back(running.log(), newest.next()).await;
        back.reverse();
        let events = |seen: &[Seen]| seen.iter().filter(|s| matches!(s, Seen::Event(..))).count();
        assert_eq!(events(&back), events(&seen[..before.unwrap_or(seen.len())]));
        seen.len()
    };
    let len = check(&running).await;
    assert!(len > 1500, "the sender keeps most of history: {len}");
    assert!(size_of(&site, FLOODER).1 > site.size / 2);
    running.close().expect("closed");
    let Opened { running, repairs } = site.open();
    assert_eq!(repairs, []);
    check(&running).await;
    // After an hour, these events are the first to go.
    site.step(SHARE_TIME.as_secs() as i64 + 1);
    flood(running.log(), FLOODER, 5 << 20).await;
    assert!(!has(&read_all(running.log(), 1).await, "first"));
    running.close().expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trusted_sender_may_fill_history() {
    let site = small(2 << 20);
    let running = site.open().running;
    important(running.log(), "first").await;
    let log = running.log().clone().for_sender(None);
    for part in numbered(5000, 1000).chunks(40) {
        log.wait_until_stored(log.append_waiting(&batch_of(0, part)).await).await;
    }
    assert!(!has(&read_all(&log, 1).await, "first"));
    running.close().expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_events_take_at_most_half_of_history() {
    let site = small(4 << 20);
    let running = site.open().running;
    let log = running.log().clone();
    important(&log, "first").await;
    // Each of the others sends too little to be counted as one that fills history.
    for round in 0..30 {
        flood(&log, FLOODER, 1 << 20).await;
        flood(&log, 1000 + round, 300 << 10).await;
        assert!(log.counters().history_bytes.expect("history") <= site.size);
    }
    let (all, own) = size_of(&site, FLOODER);
    assert!(all <= site.size && own > site.size / 4, "{own} of {all}");
    let seen = read_all(&log, 1).await;
    assert!(!has(&seen, "first"));
    assert_exact(&seen, log.newest().seq.get() - 1);
    running.close().expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_flood_pushes_out_nothing_either() {
    let site = small(4 << 20);
    let running = site.open().running;
    let log = running.log().clone();
    important(&log, "first").await;
    flood(&log, FLOODER, 6 << 20).await;
    flood(&log, OTHER, 12 << 20).await;
    flood(&log, FLOODER, 3 << 20).await;
    let seen = read_all(&log, 1).await;
    assert!(has(&seen, "first"));
    assert_exact(&seen, log.newest().seq.get() - 1);
    running.close().expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_during_a_flood_pushes_out_nothing() {
    let site = small(4 << 20);
    let mut running = site.open().running;
    important(running.log(), "first").await;
    for _ in 0..10 {
        flood(running.log(), FLOODER, 1 << 20).await;
        running.close().expect("closed");
        running = site.open().running;
        assert!(has(&read_all(running.log(), 1).await, "first"));
    }
    running.close().expect("closed");
}

/// Readers at every place, while files are replaced under them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_stay_right_while_segments_are_written_again() {
    let site = small(4 << 20);
    let running = site.open().running;
    let log = running.log().clone();
    let done = Arc::new(AtomicBool::new(false));
    let rounds: [Arc<AtomicUsize>; 3] = Default::default();
    important(&log, "first").await;
    let mut tasks = Vec::new();
    for (which, rounds) in rounds.iter().enumerate() {
        let (log, done, rounds) = (log.clone(), done.clone(), rounds.clone());
        tasks.push(tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let mut events = if which == 2 {
                    read_back(&log, log.newest().seq.next()).await.into_iter().rev().collect()
                } else {
                    read_all(&log, 1).await
                };
                events.retain(|seen| !matches!(seen, Seen::Event(_, msg) if msg.contains('x')));
                assert!(has(&events, "first"), "{events:?}");
                for gap in &events {
                    assert!(
                        matches!(
                            gap,
                            Seen::Event(..)
                                | Seen::Gap(Gap { why: Why::Retention, lost: Some(_), .. })
                        ) || *gap == clean_start(0),
                        "{gap:?}"
                    );
                }
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    // Until each reader has read everything while files were replaced, however slow it is.
    let have_read = || rounds.iter().all(|rounds| rounds.load(Ordering::Relaxed) > 2);
    let mut round = 0;
    while round < 6 || (!have_read() && round < ROUNDS_MAX) {
        flood(&log, FLOODER, 3 << 20).await;
        important(&log, &format!("round {round}")).await;
        round += 1;
    }
    assert!(have_read(), "{rounds:?}");
    done.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no panic");
    }
    running.close().expect("closed");
}

/// What kill -9 leaves at any moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_leaves_old_or_new_files() {
    let site = small(2 << 20);
    let running = site.open().running;
    let log = running.log().clone();
    important(&log, "first").await;
    let flooding = tokio::spawn({
        let log = log.clone();
        async move { flood(&log, FLOODER, 20 << 20).await }
    });
    let mut copies = Vec::new();
    while !flooding.is_finished() {
        let n = copies.len();
        important(&log, &format!("copy {n}")).await;
        copies.push(site.copy(&format!("copy{n}")));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    flooding.await.expect("no panic");
    running.close().expect("closed");
    assert!(copies.len() > 3);
    for (n, dir) in copies.iter().enumerate() {
        // A copy is not made in one moment: it can have the old file of a segment and the new one of another.
        fs::write(dir.join("0000000000000001.jsonl.new"), "unfinished").expect("written");
        let Opened { running, repairs } = site.open_at(dir);
        let aside = |repair: &Repair| matches!(repair, Repair::SetAside { .. });
        assert!(repairs.iter().filter(|repair| !aside(repair)).count() <= 1, "{repairs:?}");
        // By now the same segment may be written again.
        let left = fs::read(dir.join("0000000000000001.jsonl.new")).unwrap_or_default();
        assert!(!left.starts_with(b"unfinished"));
        let seen = read_all(running.log(), 1).await;
        assert!(has(&seen, &format!("copy {n}")), "{n}");
        drop(running);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_segments_are_written_again_without_damage() {
    let mut site = small(2 << 20);
    site.age = Duration::from_hours(100);
    let running = site.open().running;
    let log = running.log().clone();
    important(&log, "first").await;
    flood(&log, FLOODER, 3 << 19).await;
    let second = list_dir(&site.dir()).expect("listed")[1];
    let path = path_in(&site.dir(), second);
    let text = fs::read_to_string(&path).expect("read");
    let mut lines: Vec<&str> = text.lines().collect();
    (lines[3], lines[5]) = ("damaged", "{\"seq\":1,");
    lines.remove(9);
    fs::write(&path, lines.join("\n") + "\n").expect("written");
    flood(&log, FLOODER, 4 << 20).await;
    let seen = read_all(&log, 1).await;
    assert!(has(&seen, "first"));
    running.close().expect("closed");
    model::check_files(&site.dir(), site.size);
}

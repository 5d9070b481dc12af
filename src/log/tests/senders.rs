//! Concurrent senders and readers, and waiting for the disk.

use std::time::Instant;

use super::*;
use crate::log::{GATHER_LINES, GATHER_TIME, NotStored};

const SENDERS: usize = 4;
const BATCHES: usize = 150;

/// Sends batches, some of which are acknowledged before the next.
async fn send(log: Log, sender: usize) {
    for n in 0..BATCHES {
        let messages: Vec<String> =
            (0..n % 40 + 1).map(|part| format!("{sender} {n} {part} {}", "x".repeat(n))).collect();
        let (first, last) = append(&log, &messages).await;
        if n % 3 == 0 {
            let how = if n % 30 == 0 { Durability::Synced } else { Durability::Stored };
            log.sync(first, last, how).await.expect("stored");
        }
    }
}

/// Reads `count` lines, also those to come.
async fn follow(log: Log, count: usize) -> Vec<Seen> {
    let mut reader = log.reader(Seq::BEFORE_FIRST);
    let mut all = Vec::new();
    while all.len() < count {
        reader.wait().await;
        all.extend(read_to_end(&mut reader).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn every_follower_sees_every_sender_in_order() {
    let site = Site::new();
    let running = site.open().running;
    let count = SENDERS * (0..BATCHES).map(|n| n % 40 + 1).sum::<usize>();
    let followers: Vec<_> =
        (0..3).map(|_| tokio::spawn(follow(running.log().clone(), count))).collect();
    let senders: Vec<_> =
        (0..SENDERS).map(|sender| tokio::spawn(send(running.log().clone(), sender))).collect();
    for sender in senders {
        sender.await.expect("done");
    }
    let all = read_all(running.log(), 1).await;
    for follower in followers {
        let seen = tokio::time::timeout(Duration::from_secs(30), follower).await;
        assert!(seen.expect("no reader waits forever").expect("done") == all);
    }
    for sender in 0..SENDERS {
        let mut expected = (0..BATCHES)
            .flat_map(|n| (0..n % 40 + 1).map(move |part| format!("{sender} {n} {part} ")));
        for seen in &all {
            let Seen::Event(_, msg) = seen else { panic!("{seen:?}") };
            if msg.starts_with(&format!("{sender} ")) {
                assert!(msg.starts_with(&expected.next().expect("no more than that")));
            }
        }
        assert_eq!(expected.next(), None);
    }
    running.close().expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_gaps_between_appends_take_a_number_each() {
    let site = Site::new();
    let running = site.open().running;
    let log = running.log().clone();
    let refusing = std::thread::spawn(move || (0..500).for_each(|_| log.append_refused(3)));
    for n in 0..500 {
        append(running.log(), &[n.to_string()]).await;
    }
    refusing.join().expect("done");
    let seen = read_all(running.log(), 1).await;
    let lost: u64 = seen
        .iter()
        .map(|seen| if let Seen::Gap(gap) = seen { gap.lost.expect("told") } else { 0 })
        .sum();
    assert_eq!((lost, running.log().newest().seq), (1500, seq(1001)));
    assert!(
        seen.iter()
            .all(|seen| matches!(seen, Seen::Event(..) | Seen::Gap(Gap { why: Why::Rate, .. })))
    );
    running.close().expect("closed");
}

#[tokio::test]
async fn failed_fsync_leaves_doubt() {
    let site = Site { sync: SyncPolicy::Never, ..Site::new() };
    let running = site.open().running;
    let log = running.log().clone();
    let (first, _) = append(&log, &["a"]).await;
    log.sync(first, first, Durability::Synced).await.expect("synced");
    let (last, _) = append(&log, &["b"]).await;
    log.sync(last, last, Durability::Stored).await.expect("stored");
    log.shared.lock().history_mut().expect("history is on").note_synced(last, false);
    assert_eq!(log.sync(first, first, Durability::Synced).await, Ok(()));
    assert_eq!(log.sync(first, last, Durability::Stored).await, Ok(()));
    assert_eq!(log.sync(first, last, Durability::Synced).await, Err(NotStored::SyncFailed));
    let (first, last) = append(&log, &["c"]).await;
    assert_eq!(log.sync(first, last, Durability::Synced).await, Ok(()));
    assert!(running.close().is_err(), "the next start must check");
    let running = site.open().running;
    let seen = read_all(running.log(), 1).await;
    assert!(seen.len() == 4 && matches!(seen[3], Seen::Gap(Gap { why: Why::Restart, .. })));
}

#[tokio::test]
async fn sync_always_means_synced() {
    let site = Site { sync: SyncPolicy::Always, ..Site::new() };
    let running = site.open().running;
    let log = running.log().clone();
    let (first, last) = append(&log, &["a"]).await;
    log.sync(first, last, Durability::Stored).await.expect("stored");
    assert_eq!(log.counters().synced, Some(last));
    running.close().expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_gathered_until_a_sender_waits() {
    let site = Site::new();
    let running = site.open().running;
    let log = running.log();
    let last = append(log, &["first"]).await.1;
    log.sync(last, last, Durability::Stored).await.expect("stored");
    let (begin, mut stored) = (Instant::now(), Vec::new());
    for n in 0..GATHER_LINES / 2 {
        append(log, &[n.to_string()]).await;
        // Long enough for a write.
        tokio::task::yield_now().await;
        stored.extend(log.counters().stored);
    }
    stored.dedup();
    let writes_max = begin.elapsed().as_millis() / GATHER_TIME.as_millis() + 2;
    assert!(stored.len() as u128 <= writes_max, "{stored:?} in {:?}", begin.elapsed());
    let last = log.newest().seq;
    log.sync(last, last, Durability::Stored).await.expect("stored");
    assert_eq!(log.counters().stored, Some(last));
    // Also without a sender that waits, it is written.
    let last = append(log, &["last"]).await.1;
    while log.counters().stored != Some(last) {
        tokio::time::sleep(GATHER_TIME).await;
    }
    running.close().expect("closed");
}

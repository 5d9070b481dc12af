//! Recovery after clean and unclean stops.

use std::fs;

use proptest::prelude::{ProptestConfig, any, proptest};

use super::*;
use crate::event::LogId;
use crate::log::Repair;
use crate::log::history::segment_file::list_dir;
use crate::log::state::path_in;

/// What a stopped log left: two segments, both stored, of which the second is synced in part.
async fn stopped(site: &Site) -> (PathBuf, LogId, u64, Vec<Seen>) {
    let running = site.open().running;
    let log = running.log().clone();
    append(&log, &numbered(20, 30)).await;
    site.step(-20);
    let (first, last) = append(&log, &numbered(20, 30)).await;
    log.sync(first, last, Durability::Synced).await.expect("synced");
    let newest = path_in(&site.dir(), *list_dir(&site.dir()).expect("listed").last().expect("one"));
    let synced = fs::metadata(newest).expect("there").len();
    let (first, last) = append(&log, &numbered(20, 30)).await;
    log.sync(first, last, Durability::Stored).await.expect("stored");
    (site.copy("stopped"), log.newest().log, synced, read_all(&log, 1).await)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn truncates_damaged_tail_at_first_invalid_line(at in any::<u32>(), byte in any::<Option<u8>>()) {
        let site = Site { sync: SyncPolicy::Never, ..Site::in_memory() };
        runtime().block_on(async {
            let (dir, id, synced, all) = stopped(&site).await;
            let newest = path_in(&dir, *list_dir(&dir).expect("listed").last().expect("one"));
            let mut bytes = fs::read(&newest).expect("read");
            let damaged = synced as usize + at as usize % (bytes.len() - synced as usize);
            let good = all.len() - bytes[damaged..].iter().filter(|b| **b == b'\n').count();
            match byte {
                Some(byte) => bytes[damaged] ^= byte,
                None => bytes.truncate(damaged),
            }
            fs::write(&newest, bytes).expect("written");
            let Opened { running, repairs } = site.open_at(&dir);
            assert_eq!(running.log().newest().log, id);
            let seen = read_all(running.log(), 1).await;
            let (before, start) = seen.split_at(seen.len() - 1);
            assert!(before.len() >= good, "{repairs:?}");
            // A flipped bit in a message leaves a valid line.
            assert!(before[..good] == all[..good]);
            assert!(matches!(&start[0], Seen::Gap(gap) if gap.why == Why::Restart));
            let clean = byte == Some(0) || before.len() == all.len();
            let at_line_end = byte.is_none() && repairs.is_empty();
            assert!(clean || at_line_end || repairs.len() == 1, "{repairs:?}");
            running.close().expect("closed");
            let Opened { running, repairs } = site.open_at(&dir);
            assert!(repairs.is_empty());
            let again = read_all(running.log(), 1).await;
            // The gaps of two starts are joined.
            assert!(again.len() == seen.len() && again[..seen.len() - 1] == *before);
            let (Seen::Gap(gap), Seen::Gap(both)) = (&start[0], &again[before.len()]) else {
                panic!("no gap: {again:?}")
            };
            assert_eq!(*both, Gap { before: gap.before.next(), ..*gap });
        });
    }
}

#[tokio::test]
async fn ignores_synced_position_within_a_line() {
    let site = Site::new();
    let (dir, _, synced, all) = stopped(&site).await;
    for wrong in [0, synced - 1, synced + 1, synced + 100_000] {
        let newest = *list_dir(&dir).expect("listed").last().expect("one");
        fs::write(dir.join("synced"), format!("{:016} {wrong:016}\n", newest.get()))
            .expect("written");
        let Opened { running, repairs } = site.open_at(&dir);
        assert!(repairs.is_empty(), "{repairs:?}");
        let seen = read_all(running.log(), 1).await;
        assert!(seen[..all.len()] == all && seen.len() == all.len() + 1);
        drop(running);
    }
}

#[tokio::test]
async fn checks_a_truncated_file_that_grew_again() {
    let site = Site { sync: SyncPolicy::Never, ..Site::new() };
    let (dir, _, synced, _) = stopped(&site).await;
    let newest = path_in(&dir, *list_dir(&dir).expect("listed").last().expect("one"));
    let file = fs::OpenOptions::new().write(true).open(&newest).expect("opened");
    file.set_len(synced - 10).expect("cut");
    let Opened { running, repairs } = site.open_at(&dir);
    assert!(matches!(repairs[..], [Repair::Truncated { .. }]), "{repairs:?}");
    let log = running.log().clone();
    let (first, last) = append(&log, &numbered(50, 77)).await;
    log.sync(first, last, Durability::Stored).await.expect("stored");
    let all = read_all(&log, 1).await;
    let before = site.dir();
    fs::rename(&before, site.root.path().join("first")).expect("moved");
    fs::rename(&dir, &before).expect("moved");
    let again = site.copy("again");
    let Opened { running, repairs } = site.open_at(&again);
    assert!(repairs.is_empty(), "{repairs:?}");
    assert!(read_all(running.log(), 1).await[..all.len()] == all);
}

#[tokio::test]
async fn sets_aside_repeated_numbers() {
    let site = Site::new();
    let (dir, ..) = stopped(&site).await;
    let segments = list_dir(&dir).expect("listed");
    let text = fs::read_to_string(path_in(&dir, segments[0])).expect("read");
    let third: usize = text.split_inclusive('\n').take(3).map(str::len).sum();
    let fifth = seq(segments[0].get() + 3);
    fs::write(path_in(&dir, fifth), &text[third..]).expect("written");
    let Opened { running, repairs } = site.open_at(&dir);
    assert!(matches!(repairs[..], [Repair::SetAside { .. }]), "{repairs:?}");
    assert!(!list_dir(&dir).expect("listed").contains(&fifth));
    let seen = read_all(running.log(), 1).await;
    assert_eq!(seen[0].first(), 2);
}

#[tokio::test]
async fn truncates_lines_out_of_order_after_a_clean_stop() {
    let site = Site::new();
    let running = site.open().running;
    append(running.log(), &numbered(3, 0)).await;
    running.close().expect("closed");
    let path = path_in(&site.dir(), seq(1));
    let text = fs::read_to_string(&path).expect("read");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    fs::remove_file(path).expect("removed");
    fs::write(path_in(&site.dir(), seq(4)), [lines[3], lines[1]].concat()).expect("written");
    let Opened { running, repairs } = site.open();
    assert!(matches!(repairs[..], [Repair::Truncated { .. }]), "{repairs:?}");
    assert_eq!(running.log().newest().seq, seq(5));
    let left = [Seen::of(lines[3].trim_end()), clean_start(4)];
    assert_eq!(read_all(running.log(), 3).await, left);
}

#[tokio::test]
async fn refuses_used_up_numbers() {
    let site = Site::new();
    let most = Seq::MAX.get() - crate::log::history::ledger::RESERVED_AHEAD;
    for (reserved, good) in [(most - 1, true), (most, false), (Seq::MAX.get(), false)] {
        let dir = site.root.path().join(reserved.to_string());
        fs::create_dir(&dir).expect("a directory");
        let state = format!("{{\"log\":\"7f3a9c21\",\"reserved\":{reserved}}}");
        fs::write(dir.join("state"), &state).expect("written");
        match open(site.options(&dir)) {
            Ok(Opened { running, .. }) => {
                assert!(good, "{reserved}");
                append(running.log(), &["a"]).await;
                running.close().expect("closed");
            }
            Err(error) => {
                assert!(!good && error.to_string().contains("used up"), "{error}");
                assert_eq!(fs::read_to_string(dir.join("state")).expect("read"), state);
            }
        }
    }
}

#[tokio::test]
async fn missing_state_file_means_a_new_id() {
    let site = Site::new();
    let (dir, id, _, all) = stopped(&site).await;
    fs::remove_file(dir.join("state")).expect("removed");
    let Opened { running, repairs } = site.open_at(&dir);
    assert!(matches!(repairs[..], [Repair::NewId { .. }]), "{repairs:?}");
    assert_ne!(running.log().newest().log, id);
    let seen = read_all(running.log(), 1).await;
    assert!(seen[..all.len()] == all);
    assert!(matches!(seen[all.len()..], [Seen::Gap(Gap { why: Why::Restart, lost: None, .. })]));
}

#[tokio::test]
async fn restored_copy_needs_a_new_id() {
    let site = Site::new();
    let running = site.open().running;
    append(running.log(), &numbered(3, 0)).await;
    running.close().expect("closed");
    let copies = [site.copy("restored"), site.copy("without-state")];
    let running = site.open().running;
    let (first, _) = append(running.log(), &["after the copy"]).await;
    let id = running.log().newest().log;
    // Nothing in a copy tells that it is one: the manual says what to delete.
    let restored = site.open_at(&copies[0]).running;
    assert_eq!(append(restored.log(), &["another"]).await.0, first);
    assert_eq!(restored.log().newest().log, id);
    fs::remove_file(copies[1].join("state")).expect("removed");
    let fresh = site.open_at(&copies[1]).running;
    assert_ne!(fresh.log().newest().log, id);
}

#[tokio::test]
async fn numbers_continue_after_the_reservation() {
    let site = Site::new();
    for reserved in [10, 1000] {
        let running = open_reserving(site.options(&site.dir()), reserved).expect("opened").running;
        let log = running.log().clone();
        for n in 0..40 {
            let (first, last) = append(&log, &numbered(3, n)).await;
            log.sync(first, last, Durability::Stored).await.expect("stored");
        }
        let (id, last) = (log.newest().log, log.newest().seq);
        let other = site.open_at(&site.copy(&format!("copy{reserved}"))).running;
        assert_eq!(other.log().newest().log, id);
        let on = other.log().newest().seq;
        assert!(on >= last && on <= last.plus(2 * reserved), "{last} {on}");
        running.close().expect("closed");
    }
}

#[tokio::test]
async fn exhausted_reservation_changes_the_id() {
    let site = Site::new();
    let running = open_reserving(site.options(&site.dir()), 100).expect("opened").running;
    let log = running.log().clone();
    append(&log, &["a"]).await;
    log.sync(seq(2), seq(2), Durability::Stored).await.expect("stored");
    let id = log.newest().log;
    fs::rename(site.dir(), site.root.path().join("away")).expect("moved");
    fs::write(site.dir(), "").expect("written");
    append(&log, &["b"]).await;
    log.wait_until_stored(seq(3)).await;
    for _ in 0..94 {
        append(&log, &["b"]).await;
    }
    assert_eq!(log.newest().log, id);
    for _ in 0..20 {
        log.append_refused(1);
    }
    let other = log.newest().log;
    assert_ne!(other, id);
    append(&log, &["c"]).await;
    fs::remove_file(site.dir()).expect("removed");
    fs::rename(site.root.path().join("away"), site.dir()).expect("moved");
    while log.counters().trouble.is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    log.wait_until_stored(log.newest().seq).await;
    let mut all = read_all(&log, 1).await;
    all.push(clean_start(log.newest().seq.get()));
    running.close().expect("closed");
    let running = site.open().running;
    assert_eq!(running.log().newest().log, other);
    assert!(read_all(running.log(), 1).await == all);
}

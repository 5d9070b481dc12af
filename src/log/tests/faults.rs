//! Disks that fail, and people who change files, while the log runs.

use std::fs;

use super::*;
use crate::log::segments::{list_dir, path_in};
use crate::log::{NotStored, STALL_MAX};

/// A log with a history of several segments that the window does not hold any more.
async fn with_history(site: &mut Site) -> (Running, Vec<String>) {
    site.size = 16 << 20;
    let (running, _) = site.open();
    let messages = numbered(9000, 1000);
    for part in messages.chunks(100) {
        append(running.log(), part).await;
    }
    let last = running.log().newest().seq;
    running.log().sync(seq(2), last, Durability::Synced).await.expect("synced");
    (running, messages)
}

/// What is missing, and that everything else is there.
fn holes(seen: &[Seen], messages: &[String]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for line in seen {
        match line {
            Seen::Gap(gap) => gaps.push(*gap),
            Seen::Event(n, msg) => assert!(messages[*n as usize - 2] == *msg, "{n}"),
        }
    }
    gaps
}

#[tokio::test]
async fn a_segment_that_somebody_removed_is_a_gap() {
    let mut site = Site::new();
    let (running, messages) = with_history(&mut site).await;
    let log = running.log().clone();
    let segments = list_dir(&site.dir()).expect("listed");
    let mut reader = log.reader(seq(1));
    let Read::Lines(chunk) = reader.read().await else { panic!("no lines") };
    reader.advance(&chunk, chunk.len());
    fs::remove_file(path_in(&site.dir(), segments[3])).expect("removed");
    let seen = read_on(&mut reader).await;
    let numbers = segments[4].since(segments[3]);
    let missing = Gap {
        after: segments[3].previous(),
        before: segments[4],
        lost: Some(numbers),
        why: Why::Storage,
    };
    assert_eq!(holes(&seen, &messages), [missing]);
    let back = read_back(&log, log.newest().seq.next()).await;
    assert_eq!(holes(&back, &messages), [missing, gap_of_start(0)]);
    assert_eq!(back.len() as u64, 9000 - numbers + 2);
    running.close().expect("closed");
}

#[tokio::test]
async fn a_segment_that_somebody_edited_loses_what_they_spoiled_and_no_more() {
    let mut site = Site::new();
    let (running, messages) = with_history(&mut site).await;
    let log = running.log().clone();
    let segments = list_dir(&site.dir()).expect("listed");
    let (first, next) = (segments[2].get() as usize, segments[3].get() as usize);
    let path = path_in(&site.dir(), segments[2]);
    let whole = fs::read_to_string(&path).expect("read");
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let mut reader = log.reader(segments[2].plus(3));
    let Read::Lines(chunk) = reader.read().await else { panic!("no lines") };
    reader.advance(&chunk, chunk.pieces[0].iter().position(|b| *b == b'\n').expect("one") + 1);
    assert_eq!(reader.seen(), segments[2].plus(4));
    let text = [&lines[..2], &lines[7..9], &["garbage\n"], &lines[10..]].concat().concat();
    fs::write(&path, text).expect("written");
    let gap = |after: usize, before: usize| Gap {
        after: seq(after as u64),
        before: seq(before as u64),
        lost: None,
        why: Why::Storage,
    };
    let gaps = holes(&read_all(&log, 1).await, &messages);
    assert_eq!(gaps, [gap(first + 1, first + 7), gap(first + 8, first + 10)]);
    let gaps = holes(&read_on(&mut reader).await, &messages);
    assert_eq!(gaps, [gap(first + 4, first + 7), gap(first + 8, first + 10)]);
    fs::write(&path, [lines[0], lines[1], "{\"seq\":"].concat()).expect("written");
    assert_eq!(holes(&read_all(&log, 1).await, &messages), [gap(first + 1, next)]);
    fs::write(&path, "").expect("written");
    assert_eq!(holes(&read_all(&log, 1).await, &messages), [gap(first - 1, next)]);
    running.close().expect("closed");
}

#[tokio::test]
async fn the_newest_file_may_be_changed_and_history_goes_on() {
    let mut site = Site::new();
    let (running, messages) = with_history(&mut site).await;
    let log = running.log().clone();
    let newest = |site: &Site| {
        let first = *list_dir(&site.dir()).expect("listed").last().expect("one");
        path_in(&site.dir(), first)
    };
    for (n, change) in ["cut", "grow", "remove"].into_iter().enumerate() {
        let path = newest(&site);
        let size = fs::metadata(&path).expect("there").len();
        let file = fs::OpenOptions::new().append(true).open(&path).expect("opened");
        match change {
            "cut" => file.set_len(size / 2).expect("cut"),
            "grow" => fs::write(&path, fs::read(&path).expect("read").repeat(2)).expect("grown"),
            _ => fs::remove_file(&path).expect("removed"),
        }
        let (first, last) = append(&log, &[change]).await;
        log.sync(first, last, Durability::Synced).await.expect("synced");
        assert_ne!(newest(&site), path, "{change}");
        assert_eq!(first.get(), 9002 + n as u64);
    }
    let id = log.newest().log;
    running.close().expect("closed");
    let (running, _) = site.open();
    assert_eq!(running.log().newest().log, id);
    // "grow" was removed with its file.
    let messages = [messages, ["cut", "grow", "remove"].map(String::from).into()].concat();
    let gaps = holes(&read_all(running.log(), 1).await, &messages);
    assert!(matches!(gaps[..], [cut, removed, start]
        if cut.last() == seq(9001)
            && (removed.first(), removed.last()) == (seq(9003), seq(9003))
            && start == gap_of_start(9004)));
    running.close().expect("closed");
}

#[tokio::test]
async fn a_directory_that_was_taken_away_is_made_again() {
    let mut site = Site::new();
    let (running, mut messages) = with_history(&mut site).await;
    let log = running.log().clone();
    for away in ["removed", "moved"] {
        match away {
            "removed" => fs::remove_dir_all(site.dir()).expect("removed"),
            _ => fs::rename(site.dir(), site.root.path().join("away")).expect("moved"),
        }
        let (first, last) = append(&log, &[away]).await;
        messages.push(away.into());
        log.sync(first, last, Durability::Stored).await.expect("stored");
        // An fsync that was under way when the directory went has failed: that is no lie.
        let (first, last) = append(&log, &[away]).await;
        messages.push(away.into());
        log.sync(first, last, Durability::Synced).await.expect("synced");
        assert!(matches!(
            Log::open(site.options(&site.dir())),
            Err(crate::log::OpenError::Taken { .. })
        ));
        let copy = site.copy(&format!("copy-{away}"));
        let (other, _) = site.open_at(&copy);
        assert_eq!(other.log().newest().log, log.newest().log);
        assert!(other.log().newest().seq > log.newest().seq);
        let Seen::Gap(gap) = &read_all(other.log(), 1).await[0] else { panic!("no gap") };
        assert_eq!(gap.last(), first.plus(0).previous().previous());
    }
    let seen = read_all(&log, 1).await;
    assert_eq!(holes(&seen, &messages).len(), 1);
    assert!(seen.len() > 1000, "the window is still there");
}

#[tokio::test]
async fn a_disk_that_does_not_answer_is_given_up_and_comes_back() {
    let mut site = Site::new();
    let (running, _) = site.open();
    let log = running.log().clone();
    // The start's segment is old enough, so that the next write begins another. Opening a FIFO blocks
    // until there is a reader.
    site.step(300);
    let pipe = path_in(&site.dir(), seq(2));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("coreutils").success());
    let messages = numbered(4000, 1000);
    let began = std::time::Instant::now();
    for part in messages.chunks(100) {
        append(&log, part).await;
    }
    let took = began.elapsed();
    assert!(took >= STALL_MAX && took < STALL_MAX * 3, "{took:?}");
    let last = log.newest().seq;
    let refused = log.sync(seq(2), last, Durability::Stored).await;
    assert!(matches!(refused, Err(NotStored::Disk(_))), "{refused:?}");
    assert!(log.counters().trouble.is_some());
    let seen = read_all(&log, 1).await;
    let [gap] = holes(&seen, &messages)[..] else { panic!("one gap") };
    assert_eq!((gap.after, gap.why), (seq(1), Why::Storage));
    assert_eq!(gap.lost, Some(gap.last().get() - 1));
    let drain = fs::File::open(&pipe).expect("opened");
    fs::remove_file(&pipe).expect("removed");
    drop(drain);
    while log.counters().trouble.is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (first, last) = append(&log, &["back"]).await;
    log.sync(first, last, Durability::Synced).await.expect("synced");
    running.close().expect("closed");
    site.age = Duration::from_hours(2);
    let (running, _) = site.open();
    let messages = [&messages[..], &["back".into()]].concat();
    let [told, start] = holes(&read_all(running.log(), 1).await, &messages)[..] else {
        panic!("two gaps")
    };
    assert_eq!(start, gap_of_start(last.get()));
    assert_eq!((told.after, told.why), (seq(1), Why::Storage));
    assert!(told.last() <= gap.last() && told.lost == Some(told.last().get() - 1));
}

#[tokio::test]
async fn a_log_that_was_closed_says_so() {
    let site = Site::new();
    let (running, _) = site.open();
    let log = running.log().clone();
    running.close().expect("closed");
    let last = log.append_waiting(&batch(&["too late"])).await;
    let refused = log.sync(last, last, Durability::Stored).await;
    assert!(
        matches!(&refused, Err(NotStored::Disk(why)) if why.contains("stopped")),
        "{refused:?}"
    );
    for part in numbered(3000, 1000).chunks(100) {
        append(&log, part).await;
    }
}

#[tokio::test]
async fn a_read_that_was_given_up_loses_no_gap() {
    let mut site = Site::new();
    let (running, _) = with_history(&mut site).await;
    let segments = list_dir(&site.dir()).expect("listed");
    fs::remove_file(path_in(&site.dir(), segments[0])).expect("removed");
    let mut reader = running.log().reader(seq(1));
    for _ in 0..3 {
        let _ = tokio::time::timeout(Duration::ZERO, reader.read()).await;
    }
    assert_eq!(reader.seen(), seq(1));
    let seen = read_on(&mut reader).await;
    assert!(matches!(&seen[0], Seen::Gap(gap) if gap.before == segments[1]));
}

#[tokio::test]
async fn files_that_were_trimmed_are_not_held_open() {
    let mut site = Site::new();
    (site.size, site.sync) = (2 << 20, SyncPolicy::Never);
    let (running, _) = site.open();
    let log = running.log().clone();
    for part in numbered(8000, 1000).chunks(100) {
        append(&log, part).await;
    }
    log.stored_or_given_up(log.newest().seq).await;
    let state = log.shared.lock();
    let history = state.history.as_ref().expect("on");
    assert!(history.unsynced.len() <= history.segments.len());
}

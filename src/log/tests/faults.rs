//! Disks that fail, and other processes that change files, while the log runs.

use std::fs;

use super::*;
use crate::log::history::segment_file::list_dir;
use crate::log::state::{NextSync, path_in};
use crate::log::{NotStored, STALL_MAX};

/// A log with a history of several segments, of which the window has only the last events.
async fn with_history(site: &mut Site) -> (Running, Vec<String>) {
    site.size = 16 << 20;
    let running = site.open().running;
    let messages = numbered(9000, 1000);
    for part in messages.chunks(100) {
        append(running.log(), part).await;
    }
    let last = running.log().newest().seq;
    running.log().sync(seq(2), last, Durability::Synced).await.expect("synced");
    (running, messages)
}

/// The gaps. Checks the events.
fn gaps_in(seen: &[Seen], messages: &[String]) -> Vec<Gap> {
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
async fn removed_segment_is_a_gap() {
    let mut site = Site::new();
    let (running, messages) = with_history(&mut site).await;
    let log = running.log().clone();
    let segments = list_dir(&site.dir()).expect("listed");
    let mut reader = log.reader(seq(1));
    let Read::Lines(chunk) = reader.read().await else { panic!("no lines") };
    reader.advance(&chunk, chunk.len());
    fs::remove_file(path_in(&site.dir(), segments[3])).expect("removed");
    let seen = read_to_end(&mut reader).await;
    let numbers = segments[4].since(segments[3]);
    let missing = Gap {
        after: segments[3].previous(),
        before: segments[4],
        lost: Some(numbers),
        why: Why::Storage,
    };
    assert_eq!(gaps_in(&seen, &messages), [missing]);
    let back = read_back(&log, log.newest().seq.next()).await;
    assert_eq!(gaps_in(&back, &messages), [missing, gap_of_start(0)]);
    assert_eq!(back.len() as u64, 9000 - numbers + 2);
    running.close().expect("closed");
}

#[tokio::test]
async fn edited_segment_loses_only_damaged_lines() {
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
    let gaps = gaps_in(&read_all(&log, 1).await, &messages);
    assert_eq!(gaps, [gap(first + 1, first + 7), gap(first + 8, first + 10)]);
    let gaps = gaps_in(&read_to_end(&mut reader).await, &messages);
    assert_eq!(gaps, [gap(first + 4, first + 7), gap(first + 8, first + 10)]);
    fs::write(&path, [lines[0], lines[1], "{\"seq\":"].concat()).expect("written");
    assert_eq!(gaps_in(&read_all(&log, 1).await, &messages), [gap(first + 1, next)]);
    fs::write(&path, "").expect("written");
    assert_eq!(gaps_in(&read_all(&log, 1).await, &messages), [gap(first - 1, next)]);
    running.close().expect("closed");
}

#[tokio::test]
async fn changed_newest_file_starts_another() {
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
    let running = site.open().running;
    assert_eq!(running.log().newest().log, id);
    // "grow" was removed with its file.
    let messages = [messages, ["cut", "grow", "remove"].map(String::from).into()].concat();
    let gaps = gaps_in(&read_all(running.log(), 1).await, &messages);
    assert!(matches!(gaps[..], [cut, removed, start]
        if cut.last() == seq(9001)
            && (removed.first(), removed.last()) == (seq(9003), seq(9003))
            && start == gap_of_start(9004)));
    running.close().expect("closed");
}

#[tokio::test]
async fn removed_directory_is_created_again() {
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
        // An fsync that was running when the directory was removed may have failed.
        let (first, last) = append(&log, &[away]).await;
        messages.push(away.into());
        log.sync(first, last, Durability::Synced).await.expect("synced");
        assert!(matches!(
            open(site.options(&site.dir())),
            Err(crate::log::OpenError::Taken { .. })
        ));
        let copy = site.copy(&format!("copy-{away}"));
        let other = site.open_at(&copy).running;
        assert_eq!(other.log().newest().log, log.newest().log);
        assert!(other.log().newest().seq > log.newest().seq);
        let Seen::Gap(gap) = &read_all(other.log(), 1).await[0] else { panic!("no gap") };
        assert_eq!(gap.last(), first.previous().previous());
    }
    let seen = read_all(&log, 1).await;
    assert_eq!(gaps_in(&seen, &messages).len(), 1);
    assert!(seen.len() > 1000, "the window is complete");
}

#[tokio::test]
async fn stalled_disk_goes_live_only_and_recovers() {
    let site = Site::new();
    let running = site.open().running;
    let log = running.log().clone();
    log.wait_until_stored(seq(1)).await;
    running.set_disk_hangs(true);
    let messages = numbered(4000, 1000);
    let began = std::time::Instant::now();
    for part in messages.chunks(100) {
        append(&log, part).await;
    }
    let took = began.elapsed();
    assert!(took >= STALL_MAX && took < STALL_MAX * 3, "{took:?}");
    let last = log.newest().seq;
    let refused = log.sync(seq(2), last, Durability::Stored).await;
    assert!(matches!(refused, Err(NotStored::LiveOnly(_))), "{refused:?}");
    assert!(log.counters().trouble.is_some());
    let seen = read_all(&log, 1).await;
    let [gap] = gaps_in(&seen, &messages)[..] else { panic!("one gap") };
    assert_eq!((gap.after, gap.why), (seq(1), Why::Storage));
    assert_eq!(gap.lost, Some(gap.last().get() - 1));
    running.set_disk_hangs(false);
    while log.counters().trouble.is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (first, last) = append(&log, &["back"]).await;
    log.sync(first, last, Durability::Synced).await.expect("synced");
    running.close().expect("closed");
    let running = site.open().running;
    let messages = [&messages[..], &["back".into()]].concat();
    let [stored, start] = gaps_in(&read_all(running.log(), 1).await, &messages)[..] else {
        panic!("two gaps")
    };
    assert_eq!(start, gap_of_start(last.get()));
    // The write that hung was completed after all: it had the first lines.
    assert_eq!(stored.why, Why::Storage);
    assert!(stored.after > seq(1) && stored.last() <= gap.last());
    assert_eq!(stored.lost, Some(stored.last().get() - stored.after.get()));
}

#[tokio::test]
async fn a_write_that_was_only_delayed_is_no_failure() {
    let site = Site::new();
    let running = site.open().running;
    let log = running.log().clone();
    log.wait_until_stored(seq(1)).await;
    running.set_disk_hangs(true);
    let (first, last) = append(&log, &["delayed"]).await;
    // No sender waits for it meanwhile, as if the process was stopped.
    let is_late = || {
        let state = log.shared.lock();
        state.history().is_some_and(|history| history.stalls_at() <= std::time::Instant::now())
    };
    while !is_late() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let resume = async {
        // Longer than the resolution of timers.
        tokio::time::sleep(Duration::from_millis(10)).await;
        running.set_disk_hangs(false);
    };
    let (synced, ()) = tokio::join!(log.sync(first, last, Durability::Stored), resume);
    synced.expect("stored");
    running.close().expect("closed");
}

#[tokio::test]
async fn closed_log_rejects_sync() {
    let site = Site::new();
    let running = site.open().running;
    let log = running.log().clone();
    running.close().expect("closed");
    let last = log.append_waiting(&batch(&["too late"])).await;
    let refused = log.sync(last, last, Durability::Stored).await;
    assert_eq!(refused, Err(NotStored::Closed));
    for part in numbered(3000, 1000).chunks(100) {
        append(&log, part).await;
    }
}

#[tokio::test]
async fn dropped_read_loses_no_gap() {
    let mut site = Site::new();
    let (running, _) = with_history(&mut site).await;
    let segments = list_dir(&site.dir()).expect("listed");
    fs::remove_file(path_in(&site.dir(), segments[0])).expect("removed");
    let mut reader = running.log().reader(seq(1));
    for _ in 0..3 {
        let _ = tokio::time::timeout(Duration::ZERO, reader.read()).await;
    }
    assert_eq!(reader.seen(), seq(1));
    let seen = read_to_end(&mut reader).await;
    assert!(matches!(&seen[0], Seen::Gap(gap) if gap.before == segments[1]));
}

#[tokio::test]
async fn removed_segments_are_closed() {
    let mut site = Site::new();
    (site.size, site.sync) = (2 << 20, SyncPolicy::Never);
    let running = site.open().running;
    let log = running.log().clone();
    for part in numbered(8000, 1000).chunks(100) {
        append(&log, part).await;
    }
    log.wait_until_stored(log.newest().seq).await;
    let mut state = log.shared.lock();
    let history = state.history_mut().expect("history is on");
    let NextSync::Now(due) = history.next_sync(SyncPolicy::Within(Duration::ZERO)) else {
        panic!("nothing to sync")
    };
    assert!(due.files.len() <= history.segments().len());
}

/// The entries of the history, by name, and their size.
fn entries(site: &Site) -> Vec<(String, u64)> {
    let listed = fs::read_dir(site.dir()).expect("listed").map(|entry| entry.expect("listed"));
    let mut found: Vec<(String, u64)> = listed
        .map(|entry| {
            let size = fs::symlink_metadata(entry.path()).map_or(0, |found| found.len());
            (entry.file_name().to_string_lossy().into_owned(), size)
        })
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn directory_that_is_away_for_a_moment_loses_nothing() {
    let mut site = Site::new();
    let (running, mut messages) = with_history(&mut site).await;
    let log = running.log().clone();
    let away = site.root.path().join("away");
    let (segments, oldest) = (list_dir(&site.dir()).expect("listed"), log.oldest());
    fs::rename(site.dir(), &away).expect("moved");
    let seen = read_all(&log, 1).await;
    assert!(gaps_in(&seen, &messages).is_empty(), "read while it is away");
    let back = read_back(&log, log.newest().seq.next()).await;
    assert_eq!(back.len(), messages.len() + 1);
    // Another one in its place is not taken for it.
    fs::create_dir(site.dir()).expect("made");
    assert!(log.first_since(Timestamp::MIN, None).await.is_ok());
    append(&log, &["meanwhile"]).await;
    messages.push("meanwhile".into());
    fs::remove_dir(site.dir()).expect("removed");
    fs::rename(&away, site.dir()).expect("moved back");
    let last = log.newest().seq;
    log.sync(last, last, Durability::Synced).await.expect("synced");
    assert_eq!(log.oldest(), oldest);
    assert!(gaps_in(&read_all(&log, 1).await, &messages).is_empty());
    assert!(list_dir(&site.dir()).expect("listed").starts_with(&segments));
    running.close().expect("closed");
    let running = site.open().running;
    assert_eq!(gaps_in(&read_all(running.log(), 1).await, &messages).len(), 1);
}

#[tokio::test]
async fn removed_lock_file_keeps_a_second_agent_out() {
    let site = Site::new();
    let running = site.open().running;
    let log = running.log().clone();
    for n in 0..3 {
        fs::remove_file(site.dir().join("lock")).expect("removed");
        let second = open(site.options(&site.dir()));
        assert!(matches!(second, Err(crate::log::OpenError::Taken { .. })));
        let (first, last) = append(&log, &[n.to_string()]).await;
        log.sync(first, last, Durability::Synced).await.expect("synced");
        assert!(site.dir().join("lock").exists(), "created again");
    }
    running.close().expect("closed");
}

#[tokio::test]
async fn odd_files_in_place_of_segments_are_ignored() {
    let site = Site::new();
    let running = site.open().running;
    let messages = numbered(10, 30);
    append(running.log(), &messages).await;
    running.close().expect("closed");
    // The next segment of this start will have the name of the first.
    let odd = [seq(12), seq(500), seq(501), seq(502)].map(|first| path_in(&site.dir(), first));
    let precious = site.root.path().join("precious");
    fs::write(&precious, "precious").expect("written");
    let made = std::process::Command::new("mkfifo").arg(&odd[0]).arg(&odd[1]).status();
    assert!(made.expect("coreutils").success());
    fs::create_dir(&odd[2]).expect("made");
    std::os::unix::fs::symlink(&precious, &odd[3]).expect("linked");
    let Opened { running, repairs } = site.open();
    assert_eq!(repairs.len(), odd.len(), "{repairs:?}");
    assert!(repairs.iter().all(|it| it.to_string().contains("not a regular file")));
    // The time steps back, so that the next write begins a segment.
    site.step(-100);
    let (first, last) = append(running.log(), &["next"]).await;
    running.log().sync(first, last, Durability::Synced).await.expect("synced");
    let gaps = gaps_in(&read_all(running.log(), 1).await, &messages_around(&messages, first));
    assert!(gaps.iter().all(|gap| gap.why != Why::Storage), "{gaps:?}");
    assert_eq!(fs::read_to_string(&precious).expect("read"), "precious");
    running.close().expect("closed");
}

/// The messages, and "next" as the event `first`.
fn messages_around(messages: &[String], first: Seq) -> Vec<String> {
    let mut all = messages.to_vec();
    all.resize(first.get() as usize - 2, String::new());
    all.push("next".into());
    all
}

#[tokio::test]
async fn set_aside_files_count_and_go_first() {
    let mut site = Site::new();
    let (running, _) = with_history(&mut site).await;
    running.close().expect("closed");
    let oldest = list_dir(&site.dir()).expect("listed")[0];
    for name in ["", ".2"] {
        let aside = format!("{:016}.jsonl.aside{name}", oldest.get());
        fs::write(site.dir().join(aside), vec![b'x'; 3 << 20]).expect("written");
    }
    let running = site.open().running;
    let log = running.log().clone();
    let bytes = || log.counters().history_bytes.expect("history is on");
    let on_disk = || {
        entries(&site)
            .iter()
            .filter(|(name, _)| name.contains(".jsonl"))
            .map(|(_, size)| size)
            .sum::<u64>()
    };
    let asides = || entries(&site).iter().filter(|(name, _)| name.contains(".aside")).count();
    assert_eq!((asides(), bytes()), (2, on_disk()));
    for part in numbered(3000, 1000).chunks(100) {
        append(&log, part).await;
    }
    log.wait_until_stored(log.newest().seq).await;
    assert_eq!(asides(), 1, "one had to go");
    assert_eq!((log.oldest(), bytes()), (oldest, on_disk()));
    for part in numbered(6000, 1000).chunks(100) {
        append(&log, part).await;
    }
    log.wait_until_stored(log.newest().seq).await;
    assert_eq!(asides(), 0);
    assert!(on_disk() <= site.size && log.oldest() > oldest);
    running.close().expect("closed");
}

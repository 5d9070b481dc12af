use super::*;
use crate::event::Why;

#[tokio::test]
async fn without_history_the_window_is_all() {
    let site = Site::new();
    let options = Options { history: None, ..site.options(&site.dir()) };
    let (running, _) = Log::open(options).expect("opened");
    let log = running.log().clone();
    assert_eq!(log.newest().seq, Seq::BEFORE_FIRST);
    let messages = numbered(5000, 1000);
    for part in messages.chunks(50) {
        append(&log, part).await;
    }
    let seen = read_all(&log, 1).await;
    let Seen::Gap(gap) = seen[0] else { panic!("no gap") };
    assert_eq!((gap.after.get(), gap.why), (1, Why::Retention));
    assert_eq!(gap.lost, Some(gap.last().get() - 1));
    let kept = &messages[gap.last().get() as usize - 1..];
    assert!(seen[1..] == events(kept, gap.before.get()));
    assert!(log.sync(seq(2), seq(3), Durability::Stored).await.is_ok());
    assert!(log.sync(seq(2), seq(3), Durability::Synced).await.is_err());
    running.close().expect("closed");
}

#[tokio::test]
async fn window_and_disk_are_one() {
    let site = Site::new();
    let (running, notes) = site.open();
    assert!(notes.is_empty());
    let log = running.log().clone();
    let messages = numbered(9000, 700);
    for part in messages.chunks(90) {
        append(&log, part).await;
    }
    let all = events(&messages, 2);
    assert!(read_all(&log, 1).await == all);
    assert!(read_all(&log, 4000).await == all[3999..]);
    let mut back = read_back(&log, log.newest().seq.next()).await;
    back.reverse();
    assert!(back == all);
    let (id, last) = (log.newest().log, log.newest().seq);
    running.close().expect("closed");

    let (running, notes) = site.open();
    assert_eq!(notes, Vec::<String>::new());
    let log = running.log().clone();
    assert_eq!((log.newest().log, log.newest().seq), (id, last));
    append(&log, &["again"]).await;
    let seen = read_all(&log, 1).await;
    assert!(seen[..9000] == all);
    assert_eq!(seen[9000..], [Seen::Event(last.get() + 1, "again".into())]);
    running.close().expect("closed");
}

#[tokio::test]
async fn after_a_kill_what_was_acknowledged_is_there_behind_it_a_gap() {
    let site = Site::new();
    let (running, _) = site.open();
    let log = running.log().clone();
    let messages = numbered(3000, 100);
    let mut copies = Vec::new();
    for (n, part) in messages.chunks(100).enumerate() {
        let (first, last) = append(&log, part).await;
        if n % 7 == 3 {
            log.sync(first, last, Durability::Stored).await.expect("stored");
            copies.push((site.copy(&format!("copy{n}")), last));
        }
    }
    let end = log.newest();
    running.close().expect("closed");
    for (dir, acknowledged) in copies {
        let (running, _) = site.open_at(&dir);
        let log = running.log().clone();
        append(&log, &["behind"]).await;
        let seen = read_all(&log, 1).await;
        let events_before = seen.iter().position(|s| matches!(s, Seen::Gap(_))).expect("a gap");
        assert!(events_before as u64 + 1 >= acknowledged.get());
        assert!(seen[..events_before] == events(&messages[..events_before], 2));
        let Seen::Gap(gap) = seen[events_before] else { panic!("no gap") };
        assert_eq!((gap.why, gap.lost), (Why::Restart, None));
        assert!(gap.last() >= end.seq);
        assert_eq!(log.newest().log, end.log);
        assert_eq!(seen[events_before + 1..], [Seen::Event(gap.before.get(), "behind".into())]);
        assert!(read_all(&log, gap.after.get() + 5).await.len() == 2);
        running.close().expect("closed");
    }
}

#[tokio::test]
async fn the_clock_is_held_or_told() {
    let site = Site::new();
    let (running, _) = site.open();
    let log = running.log().clone();
    append(&log, &["a"]).await;
    let early = site.step(-9);
    append(&log, &["b"]).await;
    site.step(-1);
    append(&log, &["c"]).await;
    let Ok(last) = log.append(&batch(&["d"])) else { panic!("full") };
    log.sync(seq(2), last, Durability::Synced).await.expect("synced");
    let seen = read_all(&log, 1).await;
    let gap = Gap { after: seq(3), before: seq(5), lost: Some(0), why: Why::Clock };
    let event = |n, msg: &str| Seen::Event(n, msg.into());
    assert_eq!(seen, [event(2, "a"), event(3, "b"), Seen::Gap(gap), event(5, "c"), event(6, "d")]);
    assert_eq!(std::fs::read_dir(site.dir()).expect("listed").count(), 2 + 3);
    assert_eq!(log.first_since(early).await.expect("read").get(), 2);
    running.close().expect("closed");
}

#[tokio::test]
async fn history_is_trimmed_by_size_and_by_age() {
    let mut site = Site::new();
    site.size = 4 << 20;
    let (running, _) = site.open();
    let log = running.log().clone();
    let messages = numbered(12000, 1000);
    for part in messages.chunks(60) {
        let (first, last) = append(&log, part).await;
        log.sync(first, last, Durability::Stored).await.expect("stored");
        let size = log.counters().history_bytes.expect("history");
        assert!(size <= site.size, "{size}");
    }
    let seen = read_all(&log, 1).await;
    let Seen::Gap(gap) = seen[0] else { panic!("no gap") };
    assert_eq!((gap.after.get(), gap.why), (1, Why::Retention));
    assert_eq!(gap.lost, Some(gap.last().get() - 1));
    assert!(seen.len() > 3000);
    site.step(3601);
    let (first, last) = append(&log, &["young"]).await;
    log.sync(first, last, Durability::Synced).await.expect("synced");
    assert!(log.counters().history_bytes < Some(1000));
    running.close().expect("closed");
    site.step(3601);
    let (running, _) = site.open();
    assert_eq!(running.log().newest().seq, last);
    running.close().expect("closed");
    assert_eq!(site.open().0.log().newest().seq, last);
}

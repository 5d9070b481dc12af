use super::*;

#[tokio::test]
async fn window_is_all_without_history() {
    let site = Site::new();
    let options = Options { history: None, ..site.options(&site.dir()) };
    let running = open(options).expect("opened").running;
    let log = running.log().clone();
    assert_eq!(log.newest().seq, Seq::BEFORE_FIRST);
    assert_eq!(read_all(&log, 0).await, [clean_start(0)]);
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
async fn window_and_history_are_one_sequence() {
    let site = Site::new();
    let Opened { running, repairs } = site.open();
    assert!(repairs.is_empty());
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
    assert!(back[0] == clean_start(0) && back[1..] == all);
    let (id, last) = (log.newest().log, log.newest().seq);
    running.close().expect("closed");

    let Opened { running, repairs } = site.open();
    assert_eq!(repairs, []);
    let log = running.log().clone();
    assert_eq!((log.newest().log, log.newest().seq), (id, last.next()));
    append(&log, &["again"]).await;
    let seen = read_all(&log, 1).await;
    assert!(seen[..9000] == all);
    let again = Seen::Event(last.get() + 2, "again".into());
    assert_eq!(seen[9000..], [clean_start(last.get()), again]);
    running.close().expect("closed");
}

#[tokio::test]
async fn acknowledged_events_survive_a_kill() {
    let site = Site::new();
    let running = site.open().running;
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
        let running = site.open_at(&dir).running;
        let log = running.log().clone();
        append(&log, &["after"]).await;
        let seen = read_all(&log, 1).await;
        let events_before = seen.iter().position(|s| matches!(s, Seen::Gap(_))).expect("a gap");
        assert!(events_before as u64 + 1 >= acknowledged.get());
        assert!(seen[..events_before] == events(&messages[..events_before], 2));
        let Seen::Gap(gap) = seen[events_before] else { panic!("no gap") };
        assert_eq!((gap.why, gap.lost), (Why::Restart, None));
        assert!(gap.last() >= end.seq);
        assert_eq!(log.newest().log, end.log);
        assert_eq!(seen[events_before + 1..], [Seen::Event(gap.before.get(), "after".into())]);
        assert!(read_all(&log, gap.after.get() + 5).await.len() == 2);
        running.close().expect("closed");
    }
}

#[tokio::test]
async fn clock_steps_are_held_or_reported() {
    let site = Site::new();
    let running = site.open().running;
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
    assert_eq!(log.first_since(early, None).await.expect("read").get(), 1);
    running.close().expect("closed");
}

#[tokio::test]
async fn retention_by_size_and_age() {
    let mut site = Site::new();
    site.size = 4 << 20;
    let running = site.open().running;
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
    for starts in 1..3 {
        let running = site.open().running;
        assert_eq!(running.log().newest().seq, last.plus(starts));
        running.close().expect("closed");
    }
}

#[tokio::test]
async fn each_start_appends_a_gap_restart() {
    let site = Site::new();
    let running = site.open().running;
    assert_eq!(running.log().oldest(), seq(1));
    append(running.log(), &["a"]).await;
    running.close().expect("closed");
    let running = site.open().running;
    append(running.log(), &["b"]).await;
    running.close().expect("closed");
    let running = site.open().running;
    let log = running.log();
    let all = [
        clean_start(0),
        Seen::Event(2, "a".into()),
        clean_start(2),
        Seen::Event(4, "b".into()),
        clean_start(4),
    ];
    assert_eq!(read_all(log, 0).await, all);
    assert_eq!(read_all(log, 1).await, all[1..]);
    let mut back = read_back(log, log.newest().seq.next()).await;
    back.reverse();
    assert_eq!(back, all);
    running.close().expect("closed");
    let running = site.open().running;
    let twice = Gap { after: seq(4), before: seq(7), lost: Some(0), why: Why::Restart };
    assert_eq!(read_all(running.log(), 4).await, [Seen::Gap(twice)]);
    drop(running);
    let running = site.open().running;
    let [Seen::Gap(gap)] = read_all(running.log(), 4).await[..] else { panic!("one gap") };
    assert_eq!((gap.why, gap.lost), (Why::Restart, None), "the last stop was unclean");
}

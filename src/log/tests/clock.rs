//! Clocks that are wrong: what they may not do to history.

use super::*;
use crate::log::HOLD_MIN;
use crate::log::history::segment_file::list_dir;
use crate::log::state::path_in;

const DAY: i64 = 86_400;

/// Appends one event and waits until it is synced, so that retention was looked at.
async fn tick(log: &Log) {
    let (first, last) = append(log, &["tick"]).await;
    log.sync(first, last, Durability::Synced).await.expect("synced");
}

/// The number of events on disk: the window would still have what retention removed.
fn ticks(site: &Site) -> usize {
    let dir = site.dir();
    let text = |first| std::fs::read_to_string(path_in(&dir, first)).expect("read");
    let firsts = list_dir(&dir).expect("listed").into_iter();
    firsts.map(|first| text(first).matches("{\"seq\":").count()).sum()
}

fn a_week() -> Site {
    Site { age: Duration::from_hours(7 * 24), ..Site::new() }
}

/// Segments of one process, and of the one after it, which runs.
async fn two_processes(site: &Site) -> Running {
    let running = site.open().running;
    for _ in 0..3 {
        tick(running.log()).await;
        site.step(DAY / 2);
    }
    running.close().expect("closed");
    let running = site.open().running;
    tick(running.log()).await;
    running
}

#[tokio::test]
async fn step_ahead_removes_nothing_until_it_was_held() {
    let site = a_week();
    let running = two_processes(&site).await;
    let log = running.log().clone();
    site.set_clock(8 * DAY);
    tick(&log).await;
    site.set_clock(-8 * DAY);
    tick(&log).await;
    assert_eq!(ticks(&site), 6);
    site.set_clock(8 * DAY);
    let hold = HOLD_MIN.as_secs() as i64;
    site.step(hold - 1);
    tick(&log).await;
    assert_eq!(ticks(&site), 7);
    // The clock was right at the beginning of this time, so that it counts after a second one.
    site.step(1);
    tick(&log).await;
    assert_eq!(ticks(&site), 8);
    site.step(hold);
    tick(&log).await;
    // What the running process wrote ages by its own time.
    assert_eq!(ticks(&site), 6);
    running.close().expect("closed");
}

#[tokio::test]
async fn restart_with_a_clock_ahead_removes_nothing() {
    let site = a_week();
    let mut running = two_processes(&site).await;
    site.set_clock(8 * DAY);
    for count in 5..9 {
        tick(running.log()).await;
        assert_eq!(ticks(&site), count);
        running.close().expect("closed");
        running = site.open().running;
    }
    let copy = site.copy("killed");
    drop(running);
    let running = site.open_at(&copy).running;
    tick(running.log()).await;
    let seen = read_all(running.log(), 1).await;
    assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::Event(..))).count(), 9);
}

#[tokio::test]
async fn events_of_the_future_expire_in_due_time() {
    for restart in [false, true] {
        let site = Site { age: Duration::from_secs(10), ..Site::new() };
        let mut running = site.open().running;
        site.set_clock(DAY);
        tick(running.log()).await;
        site.set_clock(-DAY);
        tick(running.log()).await;
        if restart {
            running.close().expect("closed");
            running = site.open().running;
            // The age of a segment begins with its last write.
            running.log().wait_until_stored(running.log().newest().seq).await;
        }
        site.step(9);
        tick(running.log()).await;
        assert_eq!(ticks(&site), 3);
        site.step(5);
        tick(running.log()).await;
        assert_eq!(ticks(&site), 2, "restart: {restart}");
        running.close().expect("closed");
    }
}

#[tokio::test]
async fn clock_of_1970_removes_nothing() {
    let site = a_week();
    let running = two_processes(&site).await;
    running.close().expect("closed");
    let now = site.clock.swap(0, Ordering::Relaxed);
    let running = site.open().running;
    tick(running.log()).await;
    site.clock.store(now, Ordering::Relaxed);
    for count in 6..20 {
        site.step(3600);
        tick(running.log()).await;
        assert_eq!(ticks(&site), count);
    }
    running.close().expect("closed");
}

/// Times in the index of the window, in the catalog of segments and in the files agree however often the clock
/// steps.
#[tokio::test]
async fn many_steps_back_keep_searches_and_syncs_right() {
    const STEPS: u64 = 5000;
    let site = Site { sync: SyncPolicy::Never, ..Site::in_memory() };
    let running = site.open().running;
    let log = running.log().clone();
    let (batch_begin, _) = append(&log, &["first of a long batch"]).await;
    let begin = log.now();
    for _ in 0..STEPS {
        site.set_clock(-11);
        append(&log, &["x"]).await;
    }
    let (_, last) = append(&log, &["last"]).await;
    assert_eq!(log.sync(batch_begin, last, Durability::Stored).await, Ok(()));
    assert!(list_dir(&site.dir()).expect("listed").len() as u64 > STEPS);
    // Each step takes the numbers of a gap and of an event.
    for step in [0, 1, STEPS / 2, STEPS] {
        let time = begin.plus_micros(-11 * SECOND * step as i64);
        let until = log.end_until(time, None).await.expect("read");
        assert_eq!(until, last.next(), "all that follows is earlier");
        let since = log.first_since(time, None).await.expect("read");
        assert_eq!(since, seq(1), "all that is before is later");
    }
    let later = begin.plus_micros(1);
    assert_eq!(log.first_since(later, None).await.expect("read"), last.next());
    site.set_clock(11 * STEPS as i64 + 1);
    let (newest, _) = append(&log, &["newest"]).await;
    assert_eq!(log.first_since(later, None).await.expect("read"), newest);
    let earlier = begin.plus_micros(-11 * SECOND * STEPS as i64 - 1);
    assert_eq!(log.end_until(earlier, None).await.expect("read"), seq(1));
    running.close().expect("closed");
}

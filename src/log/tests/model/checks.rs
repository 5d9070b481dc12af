//! What must be true of a log after any sequence of steps.

use super::*;

impl World {
    /// Checks what a reader got from the number `expected` on.
    pub(super) fn check(&self, mut expected: u64, seen: &[Seen]) {
        for (at, line) in seen.iter().enumerate() {
            assert_eq!(line.first(), expected, "{line:.300?}");
            expected = line.last() + 1;
            match line {
                Seen::Event(n, msg) => {
                    let Some(Item::Event(sent)) = self.ever.get(n) else { panic!("{n} never was") };
                    assert!(msg == sent, "{n} is {msg:.100} not {sent:.100}");
                }
                // A reader within a gap that compaction has joined from several gets the rest of it.
                Seen::Gap(gap) => self.check_gap(gap, at == 0),
            }
        }
    }

    fn check_gap(&self, gap: &Gap, may_be_rest: bool) {
        let inside = gap.first().get()..gap.before.get();
        let lost = self.ever.range(inside.clone()).map(|(_, item)| match item {
            Item::Event(_) => 1,
            Item::Refused(lost) => *lost,
        });
        let lost: u64 = lost.sum();
        assert!(gap.lost.is_none_or(|reported| reported == lost), "{gap:?}, but {lost} were lost");
        let clock = gap.why == Why::Clock;
        assert!(!clock || gap.last() == gap.first() && gap.lost == Some(0), "{gap:?}");
        let is_one = inside.end - inside.start == 1;
        assert!(gap.why != Why::Rate || gap.lost.is_some() || !is_one || may_be_rest, "{gap:?}");
        // A broken disk cannot be read.
        if !self.broken {
            let oldest = self.log().oldest().get();
            let wrong = self.firm.range(inside).find(|n| **n >= oldest);
            assert!(wrong.is_none(), "{gap:?} has {wrong:?}, which is not lost (oldest {oldest})");
        }
    }

    /// Everything that can be read.
    pub(super) async fn everything(&self) -> Vec<Seen> {
        let log = self.log();
        read_to_end(&mut log.reader(log.oldest().previous())).await
    }

    /// Waits until everything is stored, so that the log does not change. `false` if the disk was broken.
    pub(super) async fn wait_until_stored(&mut self) -> bool {
        self.sync(Durability::Stored).await;
        let log = self.log();
        log.wait_until_stored(log.newest().seq).await;
        !self.was_broken
    }

    pub(super) async fn backward(&mut self) {
        if !self.wait_until_stored().await {
            return;
        }
        let log = self.log();
        let mut back = read_back(&log, log.newest().seq.next()).await;
        back.reverse();
        self.check(log.oldest().get(), &back);
        let mut all = self.everything().await;
        // Only forward reads join adjacent gaps.
        for seen in [&mut back, &mut all] {
            seen.retain(|seen| matches!(seen, Seen::Event(..)));
        }
        assert!(back == all);
    }

    pub(super) async fn search(&mut self, seconds: i64) {
        if !self.wait_until_stored().await {
            return;
        }
        let log = self.log();
        let time = log.now().plus_micros(seconds * SECOND);
        let (since, until) = (log.first_since(time, None).await, log.end_until(time, None).await);
        let lines = self.timed_lines().await;
        let first = lines.iter().find(|(_, at)| *at >= time).map(|(seen, _)| seen.first());
        let last = lines.iter().rfind(|(_, at)| *at <= time).map(|(seen, _)| seen.last() + 1);
        assert_eq!(since.expect("read").get(), first.unwrap_or(log.newest().seq.get() + 1));
        assert_eq!(until.expect("read").get(), last.unwrap_or(log.oldest().get()));
    }

    /// All lines and their times.
    async fn timed_lines(&self) -> Vec<(Seen, Timestamp)> {
        let log = self.log();
        let mut backward = log.backward(log.newest().seq.next());
        let mut all = Vec::new();
        while let Some(bytes) = backward.read().await.expect("read") {
            let text = std::str::from_utf8(&bytes).expect("utf-8");
            let timed = |line| (Seen::of(line), Line::parse(line).expect("a line").time());
            all.extend(text.lines().rev().map(timed));
        }
        all.reverse();
        all
    }
}

/// Checks that segment files have consecutive numbers, and times that never decrease.
pub(in crate::log) fn check_files(dir: &Path, size_max: u64) {
    let mut size = 0;
    for first in crate::log::history::segment_file::list_dir(dir).expect("listed") {
        let bytes = std::fs::read(crate::log::state::path_in(dir, first)).expect("read");
        size += bytes.len() as u64;
        let (mut expected, mut last_time) = (first, Timestamp::MIN);
        for line in std::str::from_utf8(&bytes).expect("utf-8").split_inclusive('\n') {
            assert!(line.ends_with('\n'));
            serde_json::from_str::<serde_json::Value>(line).expect("JSON");
            let line = Line::parse(line).expect("a line");
            assert_eq!(line.first_seq(), expected);
            assert!(line.time() >= last_time);
            (expected, last_time) = (line.last_seq().next(), line.time());
        }
    }
    assert!(size <= size_max, "{size}");
}

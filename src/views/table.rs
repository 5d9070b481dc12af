//! Rows by key, of which the ones with the lowest rank are dropped when there are too many.

use std::collections::HashMap;

use serde::Serialize;

use super::buckets::{Buckets, minute_of, window_start};
use super::text::ALLOCATION;
use super::{ENTRIES_MAX, Period};
use crate::event::Timestamp;

/// The most rows of a table. Beyond it the lowest are dropped down to [`ENTRIES_MAX`] at a time, so
/// that this costs little for each.
pub(super) const ROWS_MAX: usize = ENTRIES_MAX + ENTRIES_MAX / 4;

/// What a table keeps.
pub(super) trait Row {
    /// When it was last touched.
    fn seen(&self) -> Timestamp;

    /// The higher, the longer it is kept.
    fn rank(&self, now: Timestamp, period: Period) -> f64;

    /// Bytes on the heap.
    fn size(&self) -> usize;
}

/// Entries that a snapshot does not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// How many. One that was dropped and came back counts again.
    pub entries: u64,
    /// The events of all of them.
    pub events: u64,
}

/// Rows by key: at most [`ROWS_MAX`] and so many bytes.
#[derive(Debug)]
pub(super) struct Table<R> {
    rows: HashMap<Box<str>, Box<R>>,
    period: Period,
    /// Bytes of all rows, and the most that they may have.
    bytes: usize,
    bytes_max: usize,
    /// How many rows were dropped although they count.
    dropped: Buckets<u64>,
    /// The minute up to which rows that left the window were removed.
    swept: i64,
}

impl<R: Row> Table<R> {
    pub(super) fn new(period: Period, bytes_max: usize) -> Self {
        let (rows, dropped) = (HashMap::new(), Buckets::default());
        Self { rows, period, bytes: 0, bytes_max, dropped, swept: i64::MIN }
    }

    /// Changes the row of a key, which is made if it is missing.
    pub(super) fn update(
        &mut self,
        key: &str,
        now: Timestamp,
        new: impl FnOnce() -> R,
        change: impl FnOnce(&mut R),
    ) {
        self.sweep(now);
        if let Some(row) = self.rows.get_mut(key) {
            self.bytes -= row.size();
            change(row);
            self.bytes += row.size();
        } else {
            let mut row = Box::new(new());
            change(&mut row);
            self.bytes += row_size(key, &*row);
            self.rows.insert(key.into(), row);
        }
        if self.rows.len() > ROWS_MAX || self.bytes > self.bytes_max {
            self.drop_lowest(now);
        }
    }

    /// Once a minute, removes what left the window.
    fn sweep(&mut self, now: Timestamp) {
        if self.period == Period::Whole || self.swept == minute_of(now) {
            return;
        }
        self.swept = minute_of(now);
        let start = window_start(now);
        self.rows.retain(|key, row| {
            let stays = row.seen() >= start;
            self.bytes -= if stays { 0 } else { row_size(key, &**row) };
            stays
        });
    }

    fn drop_lowest(&mut self, now: Timestamp) {
        let bytes_kept = self.bytes_max / 5 * 4;
        let ranked = self.ranked(self.rows.iter(), now);
        let (mut rows, mut bytes) = (ranked.len(), self.bytes);
        let lowest = ranked.into_iter().rev().take_while(|(key, row)| {
            let over = rows > ENTRIES_MAX || bytes > bytes_kept;
            rows -= 1;
            bytes -= row_size(key, *row);
            over
        });
        let lowest: Vec<Box<str>> = lowest.map(|(key, _)| key.into()).collect();
        *self.dropped.at(now, self.period) += lowest.len() as u64;
        for key in lowest {
            if let Some(row) = self.rows.remove(&key) {
                self.bytes -= row_size(&key, &*row);
            }
        }
    }

    /// Rows, the highest first; by key where ranks are the same.
    fn ranked<'a>(
        &self,
        rows: impl Iterator<Item = (&'a Box<str>, &'a Box<R>)>,
        now: Timestamp,
    ) -> Vec<(&'a str, &'a R)>
    where
        R: 'a,
    {
        let mut ranked: Vec<_> =
            rows.map(|(key, row)| (row.rank(now, self.period), &**key, &**row)).collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        ranked.into_iter().map(|(_, key, row)| (key, row)).collect()
    }

    /// The rows that count at `now` and that `shows` picks: the first [`ENTRIES_MAX`], the highest
    /// first, and how many more there are or were.
    pub(super) fn top(&self, now: Timestamp, shows: impl Fn(&R) -> bool) -> (Vec<&R>, u64) {
        let start = window_start(now);
        let counts = |row: &R| self.period == Period::Whole || row.seen() >= start;
        let rows = self.rows.iter().filter(|(_, row)| counts(row) && shows(row));
        let ranked = self.ranked(rows, now);
        let more = ranked.len().saturating_sub(ENTRIES_MAX) as u64;
        let dropped = self.dropped.total(now, self.period);
        (ranked.into_iter().take(ENTRIES_MAX).map(|(_, row)| row).collect(), more + dropped)
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.bytes + map_size(&self.rows) + self.dropped.size()
    }
}

fn row_size<R: Row>(key: &str, row: &R) -> usize {
    key.len() + size_of::<R>() + row.size() + 2 * ALLOCATION
}

/// What a map itself takes: a byte beside each of its places, of which seven in eight are used.
pub(super) fn map_size<K, V>(map: &HashMap<K, V>) -> usize {
    map.capacity() / 7 * 8 * (size_of::<(K, V)>() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counted {
        seen: Timestamp,
        count: u64,
        text: String,
    }

    impl Row for Counted {
        fn seen(&self) -> Timestamp {
            self.seen
        }

        fn rank(&self, _: Timestamp, _: Period) -> f64 {
            self.count as f64
        }

        fn size(&self) -> usize {
            self.text.len()
        }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_micros(minute * 60_000_000)
    }

    fn count(table: &mut Table<Counted>, key: &str, minute: i64) {
        let seen = at(minute);
        table.update(
            key,
            seen,
            || Counted { seen, count: 0, text: key.into() },
            |row| (row.seen, row.count) = (seen, row.count + 1),
        );
    }

    fn held(table: &Table<Counted>) -> usize {
        let bytes = table.rows.iter().map(|(key, row)| row_size(key, &**row)).sum::<usize>();
        assert_eq!(table.bytes, bytes);
        table.rows.len()
    }

    #[test]
    fn rows_hold_their_bound_from_both_sides_and_the_lowest_go() {
        let mut table = Table::new(Period::Recent, usize::MAX);
        for n in 0..ROWS_MAX {
            count(&mut table, &format!("{n:04}"), 1);
        }
        assert_eq!(held(&table), ROWS_MAX);
        assert_eq!(table.top(at(1), |_| true).1, (ROWS_MAX - ENTRIES_MAX) as u64);
        count(&mut table, "0900", 1);
        count(&mut table, "zz", 1);
        assert_eq!(held(&table), ENTRIES_MAX);
        let (top, more) = table.top(at(1), |_| true);
        assert_eq!((top.len(), more), (ENTRIES_MAX, (ROWS_MAX + 1 - ENTRIES_MAX) as u64));
        assert_eq!((top[0].text.as_str(), top[1].text.as_str()), ("0900", "0000"));
        assert!(!table.rows.contains_key("zz"), "the last of the lowest");
    }

    #[test]
    fn bytes_hold_their_bound_from_both_sides() {
        let one = row_size("0000", &Counted { seen: at(1), count: 1, text: "0000".into() });
        let mut table = Table::new(Period::Recent, 10 * one);
        for n in 0..10 {
            count(&mut table, &format!("{n:04}"), 1);
        }
        assert_eq!(held(&table), 10);
        count(&mut table, "0010", 1);
        assert_eq!(held(&table), 8);
        assert_eq!(table.top(at(1), |_| true).1, 3);
    }

    #[test]
    fn what_left_the_window_is_removed_unless_all_counts() {
        for (period, left) in [(Period::Recent, 1), (Period::Whole, 2)] {
            let mut table = Table::new(period, usize::MAX);
            count(&mut table, "old", 1);
            assert_eq!(table.top(at(15), |_| true).0.len(), 1);
            assert_eq!(table.top(at(16), |_| true).0.len(), left - 1);
            count(&mut table, "new", 16);
            assert_eq!(held(&table), left);
            assert_eq!(table.top(at(16), |row| row.text == "old").0.len(), left - 1);
        }
    }
}

//! A table of rows by key that evicts the rows with the lowest rank.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde::Serialize;

use super::buckets::{Buckets, minute_of, window_start};
use super::text::ALLOCATION;
use super::{ENTRIES_MAX, Period};
use crate::event::Timestamp;

/// The most rows of a table. Beyond it the lowest fifth is evicted, down to [`ENTRIES_MAX`]: evicting in
/// batches costs little per row.
pub(super) const ROWS_MAX: usize = ENTRIES_MAX + ENTRIES_MAX / 4;

/// A row of a table.
pub(super) trait Row {
    /// The time of its newest event.
    fn seen(&self) -> Timestamp;

    /// Its rank. The lowest rows are evicted first.
    fn rank(&self, now: Timestamp, period: Period) -> f64;

    /// Bytes on the heap.
    fn size(&self) -> usize;
}

/// Entries that a snapshot does not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// The number of entries. An entry that was evicted and returned counts again.
    pub entries: u64,
    /// The number of their events.
    pub events: u64,
}

impl Rest {
    /// Truncates a list, and counts what it leaves out.
    pub(super) fn count<R>(
        rest: &mut Option<Self>,
        list: &mut Vec<R>,
        len: usize,
        events: impl Fn(&R) -> u64,
    ) {
        for row in list.drain(len.min(list.len())..) {
            if let Some(rest) = rest {
                rest.entries += 1;
                rest.events += events(&row);
            }
        }
    }
}

/// Rows by key, bounded by [`ROWS_MAX`] and by bytes.
#[derive(Debug)]
pub(super) struct Table<R> {
    rows: HashMap<Box<str>, Box<Entry<R>>>,
    period: Period,
    /// The bytes of all rows, and their bound.
    bytes: usize,
    bytes_max: usize,
    /// The number of evicted rows.
    evicted: Buckets<u64>,
    /// The minute of the last removal of rows that left the window.
    swept: i64,
}

#[derive(Debug)]
struct Entry<R> {
    row: R,
    /// Its bytes, with its key.
    size: usize,
}

/// A row with its rank.
struct Ranked<'a, R> {
    rank: f64,
    key: &'a str,
    row: R,
}

impl<R> Ranked<'_, R> {
    /// In descending order of rank, then by key.
    fn order(&self, other: &Self) -> Ordering {
        other.rank.total_cmp(&self.rank).then_with(|| self.key.cmp(other.key))
    }
}

impl<R: Row> Table<R> {
    pub(super) fn new(period: Period, bytes_max: usize) -> Self {
        let (rows, evicted) = (HashMap::new(), Buckets::default());
        Self { rows, period, bytes: 0, bytes_max, evicted, swept: i64::MIN }
    }

    /// Changes the row of a key, or creates it.
    pub(super) fn update(
        &mut self,
        key: &str,
        now: Timestamp,
        new: impl FnOnce() -> R,
        change: impl FnOnce(&mut R),
    ) {
        self.sweep(now);
        if let Some(entry) = self.rows.get_mut(key) {
            change(&mut entry.row);
            self.bytes -= entry.size;
            entry.size = row_size(key, &entry.row);
            self.bytes += entry.size;
        } else {
            let mut row = new();
            change(&mut row);
            let size = row_size(key, &row);
            self.bytes += size;
            self.rows.insert(key.into(), Box::new(Entry { row, size }));
        }
        while self.rows.len() > ROWS_MAX || self.bytes > self.bytes_max {
            self.evict_lowest(now);
        }
    }

    /// Removes the rows that left the window, once a minute.
    fn sweep(&mut self, now: Timestamp) {
        if self.period == Period::Whole || self.swept >= minute_of(now) {
            return;
        }
        self.swept = minute_of(now);
        let start = window_start(now);
        self.rows.retain(|_, entry| {
            let stays = entry.row.seen() >= start;
            self.bytes -= if stays { 0 } else { entry.size };
            stays
        });
    }

    /// Evicts the lowest fifth of the rows.
    fn evict_lowest(&mut self, now: Timestamp) {
        let mut ranked = self.ranked(self.rows.iter(), now);
        let evicted = ranked.len().div_ceil(5);
        let (_, last, _) = ranked.select_nth_unstable_by(evicted - 1, |a, b| b.order(a));
        let (rank, key) = (last.rank, Box::from(last.key));
        let last = Ranked { rank, key: &key, row: () };
        let (period, bytes) = (self.period, &mut self.bytes);
        self.rows.retain(|key, entry| {
            let rank = entry.row.rank(now, period);
            let stays = Ranked { rank, key, row: () }.order(&last).is_lt();
            *bytes -= if stays { 0 } else { entry.size };
            stays
        });
        *self.evicted.at(now, self.period) += evicted as u64;
    }

    fn ranked<'a>(
        &self,
        rows: impl Iterator<Item = (&'a Box<str>, &'a Box<Entry<R>>)>,
        now: Timestamp,
    ) -> Vec<Ranked<'a, &'a R>>
    where
        R: 'a,
    {
        let rank = |row: &R| row.rank(now, self.period);
        rows.map(|(key, entry)| Ranked { rank: rank(&entry.row), key, row: &entry.row }).collect()
    }

    /// The highest [`ENTRIES_MAX`] rows of the period that `shows` accepts, in descending order, and the
    /// number of further and evicted rows.
    pub(super) fn top(&self, now: Timestamp, shows: impl Fn(&R) -> bool) -> (Vec<&R>, u64) {
        let start = window_start(now);
        let counts = |row: &R| self.period == Period::Whole || row.seen() >= start;
        let rows = self.rows.iter().filter(|(_, entry)| counts(&entry.row) && shows(&entry.row));
        let mut ranked = self.ranked(rows, now);
        ranked.sort_unstable_by(Ranked::order);
        let more = ranked.len().saturating_sub(ENTRIES_MAX) as u64;
        let evicted = self.evicted.total(now, self.period);
        (ranked.into_iter().take(ENTRIES_MAX).map(|ranked| ranked.row).collect(), more + evicted)
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.bytes + map_size(&self.rows) + self.evicted.size()
    }
}

fn row_size<R: Row>(key: &str, row: &R) -> usize {
    key.len() + size_of::<Entry<R>>() + row.size() + 2 * ALLOCATION
}

/// The bytes of a map's own memory. A slot has one byte of metadata, and the load factor is 7/8.
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
        let bytes = table.rows.iter().map(|(key, entry)| row_size(key, &entry.row)).sum::<usize>();
        assert_eq!(table.bytes, bytes);
        table.rows.len()
    }

    #[test]
    fn bounds_rows_and_evicts_the_lowest() {
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
        assert!(!table.rows.contains_key("zz"), "the lowest");
    }

    #[test]
    fn bounds_bytes() {
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
    fn removes_rows_that_left_the_window() {
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

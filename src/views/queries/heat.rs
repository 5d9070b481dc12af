//! The heat map: how many durations of which length, over time.
//!
//! Columns are intervals of equal length, rows are ranges of durations on a logarithmic scale. A fold of a
//! past period doubles the length of its columns until the period fits.

use serde::Serialize;

use crate::event::Timestamp;
use crate::views::Period;
use crate::views::text::ALLOCATION;

/// The number of columns.
pub const HEAT_COLUMNS: usize = 60;

/// The length of a column, in seconds. That of a past period is this times a power of two.
pub const HEAT_STEP: u64 = 5;

/// The number of rows.
pub const HEAT_ROWS: usize = 33;

/// The lower bound of row 0, in seconds.
pub const HEAT_FLOOR: f64 = 1.0 / FLOORS_PER_SECOND;

/// The reciprocal of [`HEAT_FLOOR`], which is exact.
const FLOORS_PER_SECOND: f64 = 1e5;

/// The rows of a factor of ten. The last row begins at 1,000 s.
pub const HEAT_PER_DECADE: usize = 4;

/// The powers of ten with the exponents 0, 1/4, 2/4 and 3/4.
const ROOTS: [f64; HEAT_PER_DECADE] =
    [1.0, 1.778_279_410_038_922_8, 3.162_277_660_168_379_5, 5.623_413_251_903_491];

/// The lower bound of each row, in seconds.
const LOWER: [f64; HEAT_ROWS] = lower_bounds();

/// The most bytes on the heap.
pub(super) const BYTES_MAX: usize = HEAT_COLUMNS * size_of::<Column>() + ALLOCATION;

const SECOND: i64 = 1_000_000;

/// The number of durations in each row.
type Rows = [u32; HEAT_ROWS];

/// An interval that has durations.
#[derive(Clone, Debug)]
struct Column {
    /// The number of the interval: its start divided by its length.
    number: i64,
    rows: Rows,
}

/// The fold of the heat map.
#[derive(Clone, Debug)]
pub(super) struct Heat {
    period: Period,
    /// The length of a column, in microseconds.
    step: i64,
    /// In ascending order of the number, less than [`HEAT_COLUMNS`] apart.
    columns: Vec<Column>,
}

impl Heat {
    pub(super) fn new(period: Period) -> Self {
        Self { period, step: HEAT_STEP as i64 * SECOND, columns: Vec::new() }
    }

    /// Counts a duration in seconds. A time that is older than all columns is left out, for
    /// [`Period::Recent`].
    pub(super) fn add(&mut self, time: Timestamp, seconds: f64) {
        let mut number = time.micros().div_euclid(self.step);
        let newest = self.columns.last().map_or(number, |last| last.number.max(number));
        match self.period {
            Period::Recent => {
                let oldest = oldest_at(newest);
                if number < oldest {
                    return;
                }
                let left = self.columns.partition_point(|column| column.number < oldest);
                self.columns.drain(..left);
            }
            Period::Whole => {
                let first = self.columns.first().map_or(number, |first| first.number.min(number));
                let doublings = self.widen(first, newest);
                number >>= doublings;
            }
        }
        let at = match self.columns.binary_search_by_key(&number, |column| column.number) {
            Ok(at) => at,
            Err(at) => {
                self.columns.reserve_exact(HEAT_COLUMNS - self.columns.len());
                self.columns.insert(at, Column { number, rows: [0; HEAT_ROWS] });
                at
            }
        };
        let count = &mut self.columns[at].rows[row_of(seconds)];
        *count = count.saturating_add(1);
    }

    /// Doubles the length of the columns until these two numbers are less than [`HEAT_COLUMNS`] apart.
    /// Returns how often.
    fn widen(&mut self, mut first: i64, mut last: i64) -> u32 {
        let mut doublings = 0;
        while first < oldest_at(last) {
            (first, last) = (first >> 1, last >> 1);
            self.step *= 2;
            doublings += 1;
            self.columns.iter_mut().for_each(|column| column.number >>= 1);
            self.columns.dedup_by(|later, kept| {
                let same = later.number == kept.number;
                if same {
                    add_rows(&mut kept.rows, &later.rows);
                }
                same
            });
        }
        doublings
    }

    /// The columns up to `now`. Durations of the future belong to the current column.
    pub(super) fn shown(&self, now: Timestamp) -> HeatMap {
        let mut heat = self.clone();
        let mut newest = now.micros().div_euclid(heat.step);
        if let (Period::Whole, Some(first)) = (heat.period, heat.columns.first()) {
            newest >>= heat.widen(first.number.min(newest), newest);
        }
        let mut columns = [[0; HEAT_ROWS]; HEAT_COLUMNS];
        for column in &heat.columns {
            let age = usize::try_from((newest - column.number).max(0)).unwrap_or(usize::MAX);
            if age < HEAT_COLUMNS {
                add_rows(&mut columns[HEAT_COLUMNS - 1 - age], &column.rows);
            }
        }
        HeatMap {
            step: (heat.step / SECOND) as u64,
            floor: HEAT_FLOOR,
            per_decade: HEAT_PER_DECADE,
            columns: columns.iter().map(counts).collect(),
        }
    }

    /// Bytes on the heap, at most [`BYTES_MAX`].
    pub(super) fn size(&self) -> usize {
        self.columns.capacity() * size_of::<Column>() + ALLOCATION
    }
}

/// The oldest of the columns of which `newest` is the last.
const fn oldest_at(newest: i64) -> i64 {
    newest - (HEAT_COLUMNS as i64 - 1)
}

/// The row of a duration in seconds. A duration below the first row or above the last belongs to it.
fn row_of(seconds: f64) -> usize {
    LOWER[1..].partition_point(|lower| *lower <= seconds)
}

const fn lower_bounds() -> [f64; HEAT_ROWS] {
    let mut bounds = [0.0; HEAT_ROWS];
    let (mut row, mut decade) = (0, 1.0);
    while row < HEAT_ROWS {
        // A quotient of two exact powers of ten is rounded correctly.
        bounds[row] = ROOTS[row % HEAT_PER_DECADE] * decade / FLOORS_PER_SECOND;
        row += 1;
        if row % HEAT_PER_DECADE == 0 {
            decade *= 10.0;
        }
    }
    bounds
}

fn add_rows(rows: &mut Rows, more: &Rows) {
    for (count, more) in rows.iter_mut().zip(more) {
        *count = count.saturating_add(*more);
    }
}

fn counts(rows: &Rows) -> Vec<(usize, u32)> {
    rows.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
}

/// The number of durations by time and length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeatMap {
    /// The length of a column, in seconds. A column begins at a multiple of it since 1970.
    pub step: u64,
    /// The lower bound of row 0, in seconds: [`HEAT_FLOOR`].
    pub floor: f64,
    /// The rows of a factor of ten: [`HEAT_PER_DECADE`].
    pub per_decade: usize,
    /// [`HEAT_COLUMNS`] columns, the oldest first. The last is the current one. Each lists the rows that
    /// have durations, in ascending order, with the number of these. Row r begins at
    /// floor · 10^(r / per_decade), and is less than [`HEAT_ROWS`].
    pub columns: Vec<Vec<(usize, u32)>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::duration::SECONDS_MAX;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * SECOND)
    }

    fn filled(period: Period, seconds: impl IntoIterator<Item = i64>) -> Heat {
        let mut heat = Heat::new(period);
        seconds.into_iter().for_each(|second| heat.add(at(second), 0.1));
        heat
    }

    /// The number of durations in each column.
    fn series(heat: &HeatMap) -> Vec<u32> {
        let sum = |column: &Vec<(usize, u32)>| column.iter().map(|(_, count)| count).sum();
        heat.columns.iter().map(sum).collect()
    }

    #[test]
    fn rows_are_quarters_of_a_decade() {
        for (seconds, row) in [
            (0.0, 0),
            (1e-9, 0),
            (1e-5, 0),
            (1.77e-5, 0),
            (1.78e-5, 1),
            (9.99e-5, 3),
            (1e-4, 4),
            (1e-3, 8),
            (0.01, 12),
            (0.099_999, 15),
            (0.1, 16),
            (1.0, 20),
            (100.0, 28),
            (999.9, 31),
            (1000.0, 32),
            (SECONDS_MAX, 32),
        ] {
            assert_eq!(row_of(seconds), row, "{seconds}");
        }
        for (row, lower) in LOWER.into_iter().enumerate() {
            let exact = HEAT_FLOOR * 10f64.powf(row as f64 / HEAT_PER_DECADE as f64);
            assert!((lower / exact - 1.0).abs() < 1e-12, "{row}: {lower} {exact}");
            assert_eq!((row_of(lower), row_of(lower * 1.77)), (row, row));
        }
    }

    #[test]
    fn recent_columns_leave() {
        let (step, span) = (HEAT_STEP as i64, (HEAT_STEP * HEAT_COLUMNS as u64) as i64);
        let heat = filled(Period::Recent, [1000, 1001, 1007, 1000 + span - 1]);
        let shown = heat.shown(at(1000 + span - 1));
        assert_eq!((shown.step, shown.columns.len()), (HEAT_STEP, HEAT_COLUMNS));
        assert_eq!((shown.columns[0].as_slice(), shown.columns[1].len()), (&[(16, 2)][..], 1));
        assert_eq!((series(&shown)[59], series(&shown).iter().sum::<u32>()), (1, 4));
        assert_eq!(series(&heat.shown(at(1000 + span))).iter().sum::<u32>(), 2, "one column left");
        let heat = filled(Period::Recent, [1000, 1000 + span, 1000, 1000 + step]);
        assert_eq!(series(&heat.shown(at(1000 + span))).iter().sum::<u32>(), 2, "too old");
        assert_eq!(series(&heat.shown(at(1000)))[59], 2, "the future is the current column");
    }

    #[test]
    fn whole_period_fits() {
        let step = HEAT_STEP as i64;
        let last = (HEAT_COLUMNS as i64 - 1) * step;
        for (seconds, now, expected) in [
            (vec![0, last], last, 1),
            (vec![0, last + step], last + step, 2),
            (vec![last + step, 0], last + step, 2),
            (vec![0], last + step, 2),
            (vec![-step, 0, 7 * 86_400], 7 * 86_400, 4096),
            ((0..86_400).collect(), 86_399, 512),
        ] {
            let heat = filled(Period::Whole, seconds.clone());
            let shown = heat.shown(at(now));
            assert_eq!(shown.step, expected * HEAT_STEP, "{seconds:?}");
            assert_eq!(shown.columns.len(), HEAT_COLUMNS);
            assert_eq!(series(&shown).iter().sum::<u32>() as usize, seconds.len());
            assert!(heat.size() <= BYTES_MAX, "{}", heat.size());
        }
    }

    #[test]
    fn bounds_memory_and_counts() {
        let mut heat = filled(Period::Recent, (0..10_000).map(|n| n * 3));
        assert!(heat.columns.len() <= HEAT_COLUMNS && heat.size() <= BYTES_MAX);
        heat.columns.iter_mut().for_each(|column| column.rows = [u32::MAX; HEAT_ROWS]);
        heat.add(at(29_997), 0.1);
        assert_eq!(heat.shown(at(29_997)).columns[HEAT_COLUMNS - 1][16], (16, u32::MAX));
        let ends = filled(Period::Whole, [Timestamp::MIN.micros() / SECOND, 0, 250_000_000_000]);
        assert_eq!(series(&ends.shown(at(250_000_000_000))).iter().sum::<u32>(), 3);
    }
}

//! The table of results.

/// What a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// So much or less.
    AtMost(f64),
    /// So much or more.
    AtLeast(f64),
}

/// One measurement.
pub(crate) struct Row {
    what: String,
    ours: String,
    peer: String,
    ratio: String,
    target: String,
    met: &'static str,
}

const NONE: &str = "–";

impl Row {
    /// A ratio of ours to a peer's.
    pub(crate) fn compared(
        what: &str,
        ours: String,
        peer: String,
        ratio: f64,
        target: Target,
    ) -> Self {
        let mut row = Self::told(what, ours, peer);
        row.ratio = format!("{ratio:.2}");
        row.aim(ratio, target, "");
        row
    }

    /// A figure of ours that has a bound.
    pub(crate) fn bounded(what: &str, ours: f64, unit: &str, target: Target) -> Self {
        let mut row = Self::told(what, format!("{}{unit}", figure(ours)), NONE.into());
        row.aim(ours, target, unit);
        row
    }

    /// Figures that are good to know.
    pub(crate) fn told(what: &str, ours: String, peer: String) -> Self {
        let none = || NONE.to_owned();
        Self { what: what.into(), ours, peer, ratio: none(), target: none(), met: NONE }
    }

    /// What could not be measured, and why.
    pub(crate) fn without(what: &str, why: &str) -> Self {
        Self::told(what, NONE.into(), why.into())
    }

    /// What is judged is what the table shows.
    fn aim(&mut self, value: f64, target: Target, unit: &str) {
        let value = (value * 100.0).round() / 100.0;
        let (sign, aim, met) = match target {
            Target::AtMost(aim) => ('≤', aim, value <= aim),
            Target::AtLeast(aim) => ('≥', aim, value >= aim),
        };
        self.target = format!("{sign} {}{unit}", figure(aim));
        self.met = if met { "yes" } else { "no" };
    }
}

/// Up to two decimals.
fn figure(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Prints the rows as a table in Markdown.
pub(crate) fn print(rows: &[Row]) {
    println!("| what | Pulse | peer | ratio | target | met |");
    println!("|---|---:|---:|---:|---:|---|");
    for Row { what, ours, peer, ratio, target, met } in rows {
        println!("| {what} | {ours} | {peer} | {ratio} | {target} | {met} |");
    }
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The value that this part of all values does not exceed; 0 of none.
pub(crate) fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

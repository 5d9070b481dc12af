//! The table of results.

/// The bound that a figure should keep.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At most this.
    AtMost(f64),
    /// At least this.
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
    /// A figure of ours and a peer's, judged by their ratio.
    pub(crate) fn compared(
        what: &str,
        ours: String,
        peer: String,
        ratio: f64,
        target: Target,
    ) -> Self {
        let mut row = Self::reported(what, ours, peer);
        row.ratio = format!("{ratio:.2}");
        row.judge(ratio, target, "");
        row
    }

    /// A figure of ours that has a bound.
    pub(crate) fn bounded(what: &str, ours: f64, unit: &str, target: Target) -> Self {
        let mut row = Self::reported(what, format!("{}{unit}", figure(ours)), NONE.into());
        row.judge(ours, target, unit);
        row
    }

    /// Figures without a target.
    pub(crate) fn reported(what: &str, ours: String, peer: String) -> Self {
        let none = || NONE.to_owned();
        Self { what: what.into(), ours, peer, ratio: none(), target: none(), met: NONE }
    }

    /// A row that could not be measured, and why.
    pub(crate) fn unavailable(what: &str, why: &str) -> Self {
        Self::reported(what, NONE.into(), why.into())
    }

    /// Judges the value as the table shows it, rounded.
    fn judge(&mut self, value: f64, target: Target, unit: &str) {
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

/// The middle value; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The value that the fraction `part` of all values does not exceed; 0 of none.
pub(crate) fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

//! The table of results: medians, with the least and the greatest value of all runs.

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// A second, shown in millions or thousands.
    PerSecond,
    /// Bytes a second, shown in megabytes.
    BytesPerSecond,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    MiB,
    KiB,
    Count,
    /// A part of one, shown as a percentage.
    Share,
}

impl Unit {
    /// Whether less of it is better.
    fn is_cost(self) -> bool {
        matches!(self, Self::Micros | Self::Millis | Self::MiB | Self::KiB | Self::Count)
    }

    /// The divisor and the name with which values around this one are shown.
    fn scale(self, value: f64) -> (f64, &'static str) {
        match self {
            Self::PerSecond if value >= 1e6 => (1e6, " M/s"),
            Self::PerSecond => (1e3, " k/s"),
            Self::BytesPerSecond => (1e6, " MB/s"),
            Self::Micros => (1.0, " µs"),
            Self::Millis => (1.0, " ms"),
            Self::MiB => (1.0, " MiB"),
            Self::KiB => (1.0, " KiB"),
            Self::Count => (1.0, ""),
            Self::Share => (0.01, " %"),
        }
    }

    fn show(self, value: f64) -> String {
        let (divisor, name) = self.scale(value);
        format!("{}{name}", figure(value / divisor))
    }
}

/// The bound that a figure should keep: at least this, or at most this for a cost.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Of the figure itself.
    Value(f64),
    /// Of the ratio to the best peer.
    Peer(f64),
    /// Of the ratio to the limit.
    Limit(f64),
}

/// The runs of one system.
pub(crate) struct Runs {
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
}

impl Runs {
    pub(crate) fn new(name: &str, values: Vec<f64>) -> Self {
        Self { name: name.into(), values }
    }

    /// The median, and the range if there are several values.
    fn show(&self, unit: Unit) -> String {
        let middle = median(&self.values);
        let (divisor, name) = unit.scale(middle);
        let shown = |value: f64| figure(value / divisor);
        let (least, most) = (percentile(&self.values, 0.0), percentile(&self.values, 1.0));
        if self.values.len() < 2 {
            return format!("{}{name}", shown(middle));
        }
        format!("{}{name} ({}–{})", shown(middle), shown(least), shown(most))
    }
}

/// One measurement.
pub(crate) struct Row {
    what: String,
    unit: Unit,
    ours: Option<Runs>,
    /// What is compared with.
    peers: Vec<Runs>,
    limit: Option<Runs>,
    targets: Vec<Target>,
    /// Why there is no figure, or no peer.
    note: String,
}

const NONE: &str = "–";

impl Row {
    /// Our runs.
    pub(crate) fn new(what: impl Into<String>, unit: Unit, ours: Vec<f64>) -> Self {
        Self {
            what: what.into(),
            unit,
            ours: Some(Runs::new("Pulse", ours)),
            peers: Vec::new(),
            limit: None,
            targets: Vec::new(),
            note: String::new(),
        }
    }

    /// A row that could not be measured, and why.
    pub(crate) fn unavailable(what: impl Into<String>, why: &str) -> Self {
        let row = Self::new(what, Unit::Count, Vec::new());
        Self { ours: None, note: why.into(), ..row }
    }

    /// Adds what the best of is compared with. Without runs it is not installed.
    pub(crate) fn peer(mut self, name: &str, values: Vec<f64>) -> Self {
        if values.is_empty() {
            self.note = format!("{name} not installed");
        } else {
            self.peers.push(Runs::new(name, values));
        }
        self
    }

    /// Adds what no system can exceed.
    pub(crate) fn limit(mut self, values: Vec<f64>) -> Self {
        self.limit = Some(Runs::new("relay", values));
        self
    }

    pub(crate) fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// The peer with the best median.
    fn best(&self) -> Option<&Runs> {
        let by_median = |a: &&Runs, b: &&Runs| median(&a.values).total_cmp(&median(&b.values));
        let peers = self.peers.iter();
        if self.unit.is_cost() { peers.min_by(by_median) } else { peers.max_by(by_median) }
    }

    fn cells(&self) -> [String; 8] {
        let none = || NONE.to_owned();
        let Some(ours) = &self.ours else {
            return [
                self.what.clone(),
                none(),
                self.note.clone(),
                none(),
                none(),
                none(),
                none(),
                none(),
            ];
        };
        let (best, middle) = (self.best(), median(&ours.values));
        let ratio = |runs: Option<&Runs>| {
            runs.map(|runs| middle / median(&runs.values)).filter(|ratio| ratio.is_finite())
        };
        let (to_peer, to_limit) = (ratio(best), ratio(self.limit.as_ref()));
        let peer = match best {
            Some(runs) => format!("{}: {}", runs.name, runs.show(self.unit)),
            None if self.note.is_empty() => none(),
            None => self.note.clone(),
        };
        let (targets, met): (Vec<_>, Vec<_>) = self
            .targets
            .iter()
            .map(|target| {
                let (value, aim, of, unit) = match *target {
                    Target::Value(aim) => (Some(middle), aim, "", self.unit),
                    Target::Peer(aim) => (to_peer, aim, " × peer", Unit::Count),
                    Target::Limit(aim) => (to_limit, aim, " of the relay", Unit::Share),
                };
                let sign = if self.unit.is_cost() { '≤' } else { '≥' };
                (format!("{sign} {}{of}", unit.show(aim)), self.judge(value, aim))
            })
            .unzip();
        let joined = |cells: Vec<String>| if cells.is_empty() { none() } else { cells.join(", ") };
        [
            self.what.clone(),
            ours.show(self.unit),
            peer,
            self.limit.as_ref().map_or_else(none, |runs| runs.show(self.unit)),
            to_peer.map_or_else(none, figure),
            to_limit.map_or_else(none, figure),
            joined(targets),
            joined(met.into_iter().map(str::to_owned).collect()),
        ]
    }

    /// Judges the value as the table shows it, rounded.
    fn judge(&self, value: Option<f64>, aim: f64) -> &'static str {
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        match value.map(rounded) {
            None => NONE,
            Some(value) if self.unit.is_cost() && value <= aim => "yes",
            Some(value) if !self.unit.is_cost() && value >= aim => "yes",
            Some(_) => "no",
        }
    }
}

/// Three digits, at most two decimals.
fn figure(value: f64) -> String {
    let text = match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// Prints the rows as a table in Markdown.
pub(crate) fn print(rows: &[Row]) {
    println!("| what | Pulse | best peer | relay | to peer | to relay | target | met |");
    println!("|---|---:|---:|---:|---:|---:|---|---|");
    for row in rows {
        println!("| {} |", row.cells().join(" | "));
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

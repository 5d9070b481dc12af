//! Properties of any stream: views do not depend on chunks, and runs are paired as in a simple model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Lines as an agent writes them, a few seconds apart.
fn any_stream() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![9 => any_event().prop_map(Ok), 1 => any_gap().prop_map(Err)];
    prop::collection::vec((0u32..40_000, line), 0..60).prop_map(|said| {
        let mut ms = 0;
        let mut lines = Vec::new();
        for (step, line) in said {
            ms += step;
            let seconds = f64::from(ms) / 1e3;
            lines.push(match line {
                Ok(event) => Event { time: at(seconds), ..event }.line(),
                Err((why, lost)) => gap_line(seconds, why, lost),
            });
        }
        lines
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let level = (0u8..8).prop_map(Level::from_severity);
    let run = prop::option::of(("[ab]", 0u64..3));
    let took = prop::option::of(0u32..5000);
    let words = ("[ab]\\.[a-c]", "(select [a-c] where x = [0-9]{1,3}|done in [0-9]ms|\\PC{0,9})");
    let fields = ("[uv]{0,1}", "[pq]{0,1}", "[rs]{0,1}", prop::option::of(0u32..3));
    (level, run, took, any::<bool>(), words, fields, any::<bool>()).prop_map(
        |(level, run, took, abandoned, (tag, msg), (user, page, req, uid), near)| {
            let named = run.is_some();
            let mut said = event(0.0).level(level).tag(&tag).msg(&msg);
            (said.uid, said.host) = (uid, if near { "web1" } else { "web2" });
            if let Some((run, conn)) = run {
                said = said.run(&run, conn);
            }
            said.took = took.map(|ms| f64::from(ms) / 1e3);
            said.abandoned = abandoned && named && said.took.is_some();
            for (name, value) in [("user", user), ("page", page), ("req", req)] {
                said = if value.is_empty() { said } else { said.field(name, &value) };
            }
            said
        },
    )
}

fn any_gap() -> impl Strategy<Value = (Why, Option<u64>)> {
    (prop::sample::select(&Why::ALL[..]), prop::option::of(0u64..3))
}

/// The line of a newer agent.
fn with_unknown_keys(line: &str) -> String {
    line.trim_end().replacen(",\"fields\":", ",\"zone\":\"eu\",\"fields\":", 1)
}

/// Every view, as bytes.
fn shown(views: &Views, seconds: f64) -> Vec<String> {
    let text = |name| {
        let snapshot = views.snapshot(name, &Permits::All, at(seconds));
        serde_json::to_string(&snapshot).expect("JSON")
    };
    ViewName::ALL.map(text).to_vec()
}

/// A run of the model.
#[derive(Clone)]
struct ModelRun {
    host: String,
    conn: Option<u64>,
    uid: Option<u32>,
    name: String,
    begun: Timestamp,
    state: RunState,
    /// The time at which it got its state.
    since: Timestamp,
}

impl ModelRun {
    fn is_over(&self, now: Timestamp) -> bool {
        let seconds = match self.state {
            RunState::Running => return false,
            RunState::Unknown => UNKNOWN_SECONDS,
            RunState::Abandoned => ABANDONED_SECONDS,
        };
        now.micros() - self.since.micros() >= seconds * 1_000_000
    }
}

/// A simple model of the running view.
#[derive(Default)]
struct Model {
    runs: Vec<ModelRun>,
}

impl Model {
    fn line(&mut self, line: &str) {
        match Line::parse(line).expect("a line") {
            Line::Gap(told) => {
                let all = told.gap.lost != Some(0);
                for run in self.runs.iter_mut().filter(|run| run.state == RunState::Running) {
                    let here = told.gap.why == Why::Restart && run.host == told.host.text();
                    if all || here {
                        (run.state, run.since) = (RunState::Unknown, told.time);
                    }
                }
            }
            Line::Event(event) => {
                self.runs.retain(|run| !run.is_over(event.time));
                let Some(name) = event.run else { return };
                let number = |part| event.origin_part(part).and_then(|n| n.number());
                let conn = number("conn").map(|n| n as u64);
                let run = ModelRun {
                    host: event.host.text().into_owned(),
                    conn,
                    uid: number("uid").map(|n| n as u32),
                    name: name.text().into_owned(),
                    begun: event.time,
                    state: if conn.is_some() { RunState::Running } else { RunState::Unknown },
                    since: event.time,
                };
                match event.took {
                    None => self.begin(run),
                    Some(_) if !event.abandoned => {
                        let found = self.open(&run).or(self.detached(&run, RunState::Unknown));
                        let found = found.or(self.detached(&run, RunState::Abandoned));
                        found.map(|at| self.runs.remove(at));
                    }
                    Some(took) => self.abandon(run, took),
                }
            }
        }
    }

    fn begin(&mut self, run: ModelRun) {
        if self.open(&run).is_some() {
            return;
        }
        match self.detached(&run, RunState::Unknown) {
            Some(at) => {
                let known = &mut self.runs[at];
                known.conn = run.conn.or(known.conn);
                (known.state, known.since) = (run.state, run.since);
            }
            None => self.runs.push(run),
        }
    }

    fn abandon(&mut self, run: ModelRun, took: f64) {
        let again = self.detached(&run, RunState::Abandoned);
        let again = again.filter(|at| self.runs[*at].conn == run.conn);
        let found = self.open(&run).or(self.detached(&run, RunState::Unknown)).or(again);
        let before = run.begun.plus_micros(-((took * 1e6) as i64));
        let known = found.map(|at| self.runs.remove(at));
        let (begun, conn) = known.map_or((before, None), |known| (known.begun, known.conn));
        let conn = run.conn.or(conn);
        self.runs.push(ModelRun { begun, conn, state: RunState::Abandoned, ..run });
    }

    fn same(&self, run: &ModelRun, state: RunState) -> impl Iterator<Item = (usize, &ModelRun)> {
        let all = self.runs.iter().enumerate();
        all.filter(move |(_, known)| known.state == state)
            .filter(|(_, known)| (&known.host, &known.name) == (&run.host, &run.name))
    }

    fn open(&self, run: &ModelRun) -> Option<usize> {
        let mut same = self.same(run, RunState::Running);
        same.find(|(_, known)| run.conn.is_some() && known.conn == run.conn).map(|(at, _)| at)
    }

    /// The run of the same connection, else the oldest.
    fn detached(&self, run: &ModelRun, state: RunState) -> Option<usize> {
        let same = self.same(run, state).filter(|(_, known)| known.uid == run.uid);
        let first = same.min_by_key(|(_, known)| {
            (run.conn.is_none() || known.conn != run.conn, known.begun, known.conn)
        });
        first.map(|(at, _)| at)
    }
}

/// A simple model of the heat map: each duration is counted on its own.
fn model_heat(lines: &[String], period: Period, now: f64) -> HeatMap {
    let mut took = Vec::new();
    for line in lines {
        if let Line::Event(event) = Line::parse(line).expect("a line")
            && let Some(seconds) = event.took.filter(|_| !event.abandoned)
        {
            took.push((event.time.micros(), seconds));
        }
    }
    let age = |time: i64, step: i64| {
        let column = |time: i64| time.div_euclid(step * 1_000_000);
        usize::try_from(column(at(now).micros()) - column(time)).expect("not in the future")
    };
    let mut step = HEAT_STEP as i64;
    while period == Period::Whole && took.iter().any(|took| age(took.0, step) >= HEAT_COLUMNS) {
        step *= 2;
    }
    let mut columns = vec![BTreeMap::new(); HEAT_COLUMNS];
    for (time, seconds) in took {
        let lower = |row: i32| 10f64.powf(f64::from(row) / HEAT_PER_DECADE as f64 - 5.0);
        // Milliseconds are exact to fewer digits than this.
        let rows = (1..HEAT_ROWS as i32).take_while(|row| lower(*row) <= seconds * (1.0 + 1e-9));
        if let Some(at) = (HEAT_COLUMNS - 1).checked_sub(age(time, step)) {
            *columns[at].entry(rows.count()).or_default() += 1;
        }
    }
    let columns = columns.into_iter().map(|rows| rows.into_iter().collect()).collect();
    HeatMap { step: step as u64, floor: HEAT_FLOOR, per_decade: HEAT_PER_DECADE, columns }
}

/// The number of runs by host, name, begin and state.
type Counts = BTreeMap<(String, String, Timestamp, String), usize>;

fn count(runs: impl Iterator<Item = (String, String, Timestamp, RunState)>) -> Counts {
    let mut counts = Counts::new();
    for (host, name, begun, state) in runs {
        *counts.entry((host, name, begun, format!("{state:?}"))).or_default() += 1;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn chunks_and_snapshots_change_nothing(
        lines in any_stream(),
        piece in 1usize..3000,
        later in 0.0f64..4000.0,
    ) {
        for new in [Views::new, Views::of_all_lines] {
            let whole = fold(new(), &lines);
            let mut views = new();
            let bytes: String = lines.iter().map(|line| with_unknown_keys(line) + "\n").collect();
            let mut unfinished = Vec::new();
            for piece in bytes.as_bytes().chunks(piece) {
                unfinished.extend_from_slice(piece);
                while let Some(end) = unfinished.iter().position(|b| *b == b'\n') {
                    let line: Vec<u8> = unfinished.drain(..=end).collect();
                    add(&mut views, &[String::from_utf8(line).expect("UTF-8")]);
                    for name in ViewName::ALL {
                        drop(views.snapshot(name, &Permits::All, at(later)));
                    }
                }
            }
            prop_assert_eq!(shown(&views, 2400.0 + later), shown(&whole, 2400.0 + later));
        }
    }

}

proptest! {
    #[test]
    fn pairs_runs_as_the_model(lines in any_stream(), later in 0.0f64..4000.0) {
        let views = fold(Views::new(), &lines);
        let mut model = Model::default();
        lines.iter().for_each(|line| model.line(line));
        let now = 2400.0 + later;
        let shown = views.running(&Permits::All, at(now)).runs.into_iter();
        let found = count(shown.map(|run| (run.host, run.run, run.begun, run.state)));
        let model = model.runs.into_iter().filter(|run| !run.is_over(at(now)));
        let expected = count(model.map(|run| (run.host, run.name, run.begun, run.state)));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn counts_durations_as_the_model(lines in any_stream(), later in 0.0f64..4000.0, wide: bool) {
        let (period, new): (_, fn() -> Views) = if wide {
            (Period::Whole, Views::of_all_lines)
        } else {
            (Period::Recent, Views::new)
        };
        // Right after the last line, or later.
        let last = lines.last().map_or(at(0.0), |line| Line::parse(line).expect("a line").time());
        let last = (last.micros() - at(0.0).micros()) as f64 / 1e6;
        for now in [last, last + later] {
            let found = fold(new(), &lines).queries(&Permits::All, at(now)).heat;
            prop_assert_eq!(found, Some(model_heat(&lines, period, now)));
        }
    }

    #[test]
    fn seeded_fold_shows_the_same_runs(
        lines in any_stream(),
        cut in 0usize..60,
    ) {
        let (before, after) = lines.split_at(cut.min(lines.len()));
        let views = fold(Views::new(), before);
        let mut seeded = Views::new();
        for run in views.running(&Permits::All, at(2400.0)).in_state(RunState::Running) {
            seeded.seed(&OpenRun {
                host: &run.host,
                conn: run.conn,
                run: &run.run,
                subject: run.subject.clone(),
                tag: &run.tag,
                msg: run.msg.as_deref().unwrap_or_default(),
                user: run.user.as_deref(),
                page: run.page.as_deref(),
                req: run.req.as_deref(),
                begun: run.begun,
            });
        }
        let running = |views: &Views| {
            let snapshot = views.running(&Permits::All, at(2400.0));
            snapshot.in_state(RunState::Running).cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(running(&seeded), running(&views));
        let (mut views, mut seeded) = (views, seeded);
        add(&mut views, after);
        add(&mut seeded, after);
        // In the other fold, a begin may have replaced an older unknown run.
        for run in running(&seeded) {
            let known = running(&views).into_iter().find(|other| {
                (&other.host, other.conn, &other.run) == (&run.host, run.conn, &run.run)
            });
            prop_assert!(known.is_none_or(|known| known.begun <= run.begun));
        }
    }
}

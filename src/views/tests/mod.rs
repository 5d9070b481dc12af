//! Tests of the views.

mod bounds;
mod model;
mod queries;
mod rates;
mod running;
mod users;

use super::*;
use crate::event::{Gap, Level, Seq, Why, json};

/// A time, in seconds after the start of the test.
fn at(seconds: f64) -> Timestamp {
    let begin: Timestamp = "2026-11-22T17:32:00Z".parse().expect("a time");
    begin.plus_micros((seconds * 1e6).round() as i64)
}

/// An event.
#[derive(Clone, Debug)]
struct Event {
    time: Timestamp,
    host: &'static str,
    tag: String,
    level: Level,
    msg: String,
    run: Option<String>,
    took: Option<f64>,
    abandoned: bool,
    fields: Vec<(&'static str, String)>,
    uid: Option<u32>,
    conn: Option<u64>,
}

/// An event of uid 33.
fn event(seconds: f64) -> Event {
    Event {
        time: at(seconds),
        host: "web1",
        tag: "shop.query".into(),
        level: Level::Info,
        msg: String::new(),
        run: None,
        took: None,
        abandoned: false,
        fields: Vec::new(),
        uid: Some(33),
        conn: None,
    }
}

impl Event {
    fn tag(self, tag: &str) -> Self {
        Self { tag: tag.into(), ..self }
    }

    fn msg(self, msg: &str) -> Self {
        Self { msg: msg.into(), ..self }
    }

    fn level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// An event of a run over a connection. 0 is no connection.
    fn run(self, run: &str, conn: u64) -> Self {
        Self { run: Some(run.into()), conn: (conn > 0).then_some(conn), ..self }
    }

    fn took(self, seconds: f64) -> Self {
        Self { took: Some(seconds), ..self }
    }

    fn field(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    fn line(&self) -> String {
        let mut out = Vec::new();
        let mut open = b'{';
        let text = |out: &mut Vec<u8>, open: &mut u8, name: &str, text: &str| {
            json::member(out, open, name);
            json::string(out, text);
        };
        json::member(&mut out, &mut open, "seq");
        out.push(b'1');
        text(&mut out, &mut open, "time", &self.time.to_string());
        text(&mut out, &mut open, "host", self.host);
        text(&mut out, &mut open, "tag", &self.tag);
        text(&mut out, &mut open, "level", self.level.name());
        text(&mut out, &mut open, "msg", &self.msg);
        if let Some(run) = &self.run {
            text(&mut out, &mut open, "run", run);
        }
        if let Some(took) = self.took {
            json::member(&mut out, &mut open, "took");
            out.extend_from_slice(took.to_string().as_bytes());
        }
        if self.abandoned {
            out.extend_from_slice(b",\"abandoned\":true");
        }
        json::member(&mut out, &mut open, "fields");
        let mut inner = b'{';
        for (name, value) in &self.fields {
            text(&mut out, &mut inner, name, value);
        }
        out.extend_from_slice(if inner == b'{' { b"{}" } else { b"}" });
        json::member(&mut out, &mut open, "origin");
        let uid = self.uid.map(|uid| format!("\"uid\":{uid}"));
        let conn = self.conn.map(|conn| format!("\"conn\":{conn}"));
        let origin: Vec<String> = uid.into_iter().chain(conn).collect();
        out.extend_from_slice(format!("{{{}}}}}", origin.join(",")).as_bytes());
        String::from_utf8(out).expect("UTF-8")
    }
}

fn gap_line(seconds: f64, why: Why, lost: Option<u64>) -> String {
    let seq = |n| Seq::new(n).expect("small");
    let mut out = Vec::new();
    Gap { after: seq(1), before: seq(9), lost, why }.encode(at(seconds), "web1", &mut out);
    String::from_utf8(out).expect("UTF-8")
}

fn fold(mut views: Views, lines: &[String]) -> Views {
    add(&mut views, lines);
    views
}

fn add(views: &mut Views, lines: &[String]) {
    for line in lines {
        views.line(&Line::parse(line).unwrap_or_else(|| panic!("no line: {line}")));
    }
}

fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::line).collect()
}

#[test]
fn snapshot_is_one_json_object() {
    let views = fold(Views::new(), &lines(&[event(0.0).run("r", 7).msg("\u{1b}x")]));
    let json = |name| {
        let snapshot = views.snapshot(name, &Permits::All, at(2.0));
        serde_json::to_value(&snapshot).expect("JSON")
    };
    assert_eq!(
        json(ViewName::Running),
        serde_json::json!({
            "view": "running", "time": "2026-11-22T17:32:02.000000Z",
            "from": "2026-11-22T17:32:00.000000Z",
            "running": 1, "abandoned": 0, "unknown": 0, "rest": 0, "untracked": 0,
            "runs": [{
                "state": "running", "age": 2.0, "begun": "2026-11-22T17:32:00.000000Z",
                "tag": "shop.query", "run": "r", "host": "web1", "conn": 7, "msg": "\u{1b}x",
                "subject": {"uid": 33}
            }]
        })
    );
    let rates = json(ViewName::Rates);
    assert_eq!((&rates["view"], &rates["events"]), (&"rates".into(), &1.into()));
    for name in ViewName::ALL {
        assert_eq!(name.name().parse(), Ok(name));
    }
    let told = "user".parse::<ViewName>().expect_err("unknown").to_string();
    assert_eq!(told, "unknown view \"user\": use users, queries, running or rates");
    assert!(ViewName::ALL.iter().all(|name| told.contains(name.name())));
}

#[test]
fn clock_step_resets_the_window() {
    let day = 86_400.0;
    let mut views = fold(Views::new(), &lines(&[event(day).took(1.0), event(day).run("r", 7)]));
    // An event of another host whose clock is behind.
    add(&mut views, &lines(&[Event { host: "web2", ..event(day - 3000.0) }]));
    assert_eq!(views.rates(&Permits::All, at(day)).events, 3);
    add(&mut views, &[gap_line(0.0, Why::Clock, Some(0))]);
    add(&mut views, &lines(&[event(1.0).took(2.0)]));
    let rates = views.rates(&Permits::All, at(2.0));
    assert_eq!((rates.events, rates.first, rates.gaps.len()), (1, Some(at(1.0)), 1));
    assert_eq!(views.queries(&Permits::All, at(2.0)).shapes[0].took.max, 2.0);
    let users = views.users(&Permits::All, at(2.0)).users;
    assert_eq!((users.len(), users[0].events), (1, 1));
    let running = views.running(&Permits::All, at(2.0));
    assert_eq!((running.running, running.runs[0].age), (1, 0.0), "runs are kept");
    let whole = [event(day).line(), gap_line(0.0, Why::Clock, Some(0)), event(1.0).line()];
    let whole = fold(Views::of_all_lines(), &whole);
    assert_eq!(whole.rates(&Permits::All, at(day)).events, 2);
}

use super::*;
use crate::event::{EventLine, Line};
use crate::log::lines_of;

const ROOT: QuotaKey = QuotaKey::User(0);
const USER: QuotaKey = QuotaKey::User(33);

fn begin(runs: &mut ConnectionRuns, run: &str, msg: &str) -> Option<u64> {
    let draft = Draft { msg: msg.into(), ..Draft::default() };
    runs.begin(run, &draft, "job", &Origin::default(), Timestamp::default())
}

/// Begins runs on as many connections as that takes.
fn begin_many(
    runs: &Arc<Runs>,
    owner: &QuotaKey,
    prefix: &str,
    count: usize,
) -> Vec<ConnectionRuns> {
    let mut connections = Vec::new();
    for n in 0..count {
        if n % RUNS_OF_CONNECTION_MAX == 0 {
            connections.push(runs.of_connection(owner.clone()));
        }
        let connection = connections.last_mut().expect("pushed");
        assert!(begin(connection, &format!("{prefix}{n}"), "").is_some(), "{n}");
    }
    connections
}

fn counts(runs: &Runs) -> (usize, u64) {
    (runs.counts().open, runs.counts().untracked)
}

fn abandoned(runs: ConnectionRuns) -> Vec<String> {
    let batch = runs.abandon();
    let stamp = Stamp::new(Timestamp::default(), "h");
    let mut lines = Vec::new();
    for body in batch.bodies() {
        stamp.line(Seq::BEFORE_FIRST, body, |piece| lines.extend_from_slice(piece));
    }
    let run = |event: EventLine<'_>| {
        assert!(event.abandoned && event.took.is_some());
        event.run.expect("a run").text().into_owned()
    };
    lines_of(&lines)
        .map(|line| match line {
            Line::Event(event) => run(event),
            Line::Gap(_) => panic!("a gap"),
        })
        .collect()
}

#[test]
fn numbers_connections_that_begin_runs() {
    let runs = Arc::new(Runs::default());
    let (mut a, mut b) = (runs.of_connection(USER), runs.of_connection(USER));
    assert_eq!(b.end("r"), None, "began nothing");
    assert_eq!(
        [begin(&mut b, "r", ""), begin(&mut a, "r", ""), begin(&mut a, "s", "")],
        [1, 2, 2].map(Some)
    );
    assert_eq!(begin(&mut a, "r", "progress"), Some(2));
    assert_eq!(a.end("r"), Some(2));
    assert_eq!((a.end("r"), a.is_open("r")), (Some(2), false));
    assert_eq!(abandoned(a), ["s"]);
    assert_eq!(counts(&runs), (1, 0));
}

#[test]
fn detached_run_continues_on_another_connection_of_its_owner() {
    let runs = Arc::new(Runs::default());
    let mut first = runs.of_connection(USER);
    begin(&mut first, "r", "");
    drop(first);
    let (mut other, mut same) = (runs.of_connection(ROOT), runs.of_connection(USER));
    assert!(!other.is_open("r") && same.is_open("r"));
    assert_eq!(begin(&mut other, "r", ""), Some(2));
    assert_eq!(begin(&mut same, "r", ""), Some(1), "keeps the number of its begin");
    assert_eq!(abandoned(same), ["r"]);
    assert_eq!(abandoned(other), ["r"]);
    assert_eq!(counts(&runs), (0, 0));
}

#[test]
fn bounds_runs_of_a_user_but_not_of_root() {
    let runs = Arc::new(Runs::default());
    let mut user = begin_many(&runs, &USER, "u", RUNS_OF_USER_MAX);
    let mut more = runs.of_connection(USER);
    assert_eq!(begin(&mut more, "more", ""), None);
    assert_eq!(counts(&runs), (RUNS_OF_USER_MAX, 1));
    let root = begin_many(&runs, &ROOT, "r", RUNS_OF_USER_MAX + 1);
    // The oldest detached run makes room for a new one.
    drop(user.remove(0));
    assert!(begin(&mut more, "more", "").is_some());
    assert_eq!(counts(&runs), (2 * RUNS_OF_USER_MAX + 1, 2));
    assert!(!more.is_open("u0") && more.is_open("u1"));
    drop((user, more, root));
    assert_eq!(runs.counts().open, 2 * RUNS_OF_USER_MAX + 1, "all are detached");
}

#[test]
fn bounds_runs_in_all() {
    let runs = Arc::new(Runs::default());
    let root = begin_many(&runs, &ROOT, "r", RUNS_MAX);
    let mut user = runs.of_connection(USER);
    assert_eq!(begin(&mut user, "u", ""), None);
    drop(root);
    assert!(begin(&mut user, "u", "").is_some());
    assert_eq!(counts(&runs), (RUNS_MAX, 2));
}

#[test]
fn bounds_memory() {
    let runs = Arc::new(Runs::default());
    let mut root = Vec::new();
    let long = "x".repeat(10 * RUN_TEXT_MAX);
    while runs.counts().untracked == 0 {
        let mut connection = runs.of_connection(ROOT);
        for n in 0..RUNS_OF_CONNECTION_MAX {
            begin(&mut connection, &format!("{}{n}", "r".repeat(60)), &long);
        }
        root.push(connection);
    }
    let state = runs.state();
    assert!(state.bytes <= RUNS_BYTES_MAX && state.bytes > RUNS_BYTES_MAX - 2000);
    assert!(state.open.len() < RUNS_MAX);
    drop(state);
    root.into_iter().for_each(|connection| drop(connection.abandon()));
    let state = runs.state();
    assert_eq!((state.bytes, state.owners.len()), (0, 0));
}

#[test]
fn begin_lines_show_what_is_kept() {
    let runs = Arc::new(Runs::default());
    let mut connection = runs.of_connection(USER);
    let field = |name: &'static str| Field {
        name: name.into(),
        value: Value::Text("é".repeat(300).into()),
    };
    let draft = Draft {
        level: Level::Notice,
        msg: "é".repeat(300).into(),
        fields: vec![field("user"), field("other")],
        ..Draft::default()
    };
    let origin = Origin { uid: Some(33), ..Origin::default() };
    connection.begin("r", &draft, "job", &origin, Timestamp::from_micros(7));
    let lines = runs.begin_lines("h");
    let mut lines = lines_of(&lines);
    let Some(Line::Event(event)) = lines.next() else { panic!("an event") };
    assert_eq!((event.tag, event.level, event.time.micros()), ("job", Level::Notice, 7));
    assert_eq!(event.msg_text(), "é".repeat(RUN_TEXT_MAX / 2));
    assert_eq!(event.field("user").map(|user| user.text().len()), Some(RUN_TEXT_MAX));
    assert!(event.field("other").is_none() && lines.next().is_none());
    assert_eq!(event.origin_part("conn").map(|conn| conn.text().into_owned()), Some("1".into()));
}

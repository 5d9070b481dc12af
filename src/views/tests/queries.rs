//! The queries view.

use super::*;
use crate::views::table::ROWS_MAX;

fn queries(views: &Views, seconds: f64) -> QueriesSnapshot {
    views.queries(&Permits::All, at(seconds))
}

fn folded(events: &[Event]) -> Views {
    fold(Views::new(), &lines(events))
}

/// A query of one shape.
fn query(seconds: f64, id: u32, took: f64) -> Event {
    event(seconds).msg(&format!("SELECT a FROM t WHERE id = {id}")).took(took)
}

const SHAPE: &str = "SELECT a FROM t WHERE id = ?";

#[test]
fn groups_events_by_tag_and_shape() {
    let abandoned = Event { abandoned: true, ..query(5.0, 9, 99.0).run("r", 7) };
    let found = queries(
        &folded(&[
            query(0.0, 1, 2.0),
            query(1.0, 2, 3.0).level(Level::Err),
            query(2.0, 3, 1.0),
            event(3.0).msg("login took 2s").took(2.0).tag("shop.login"),
            event(4.0).msg("no duration"),
            abandoned,
        ]),
        10.0,
    );
    let shapes: Vec<_> = found
        .shapes
        .iter()
        .map(|row| (row.tag.as_str(), row.shape.as_str(), row.took.count, row.errors))
        .collect();
    assert_eq!(
        shapes,
        [("shop.query", SHAPE, 3, 1), ("shop.login", "login took ?", 1, 0)],
        "in descending order of total time"
    );
    let row = &found.shapes[0];
    assert_eq!((row.took.max, row.took.total, row.share, row.rate), (3.0, 6.0, 0.75, 0.3));
    assert_eq!(row.seen, at(2.0));
    let example = |example: &Option<Example>| {
        example.as_ref().map(|example| (example.time, example.took, example.msg.clone()))
    };
    let text = |id: u32| format!("SELECT a FROM t WHERE id = {id}");
    assert_eq!(example(&row.newest), Some((at(2.0), Some(1.0), text(3))));
    assert_eq!(example(&row.slowest), Some((at(1.0), Some(3.0), text(2))));
    assert_eq!(row.minutes[WINDOW_MINUTES - 1], 3);
    assert_eq!((row.repeated.as_ref(), row.slower), (None, None));
    let took = found.took.expect("some");
    assert_eq!((took.count, took.total, found.rate), (4, 8.0, 0.4));
    assert_eq!((found.rest, found.errors.len()), (Some(Rest::default()), 1));
}

#[test]
fn rows_without_new_events_stay_the_same() {
    let quiet = |n: u32| event(f64::from(n)).msg("quiet").took(0.01);
    let mut events: Vec<Event> = (0..30).map(quiet).collect();
    let row = |events: &[Event], seconds| {
        let found = queries(&folded(events), seconds);
        let row = found.shapes.into_iter().find(|row| row.shape == "quiet").expect("shown");
        assert!((row.rate / (30.0 / seconds) - 1.0).abs() < 0.02, "{}", row.rate);
        row
    };
    events.push(query(513.0, 1, 9.0));
    let before = row(&events, 513.0);
    events.push(query(519.0, 2, 0.001));
    assert_eq!(row(&events, 519.5), before);
    assert_eq!(before.share, 0.032, "of 9.3 s");
}

#[test]
fn flags_a_shape_that_repeats_in_one_request() {
    let in_request = |n: u32, req: &str| {
        query(f64::from(n) / 10.0, n, 0.001).field("req", req).field("page", &format!("/{req}"))
    };
    let mut events: Vec<Event> =
        (0..REPEATS_MIN - 1).flat_map(|n| [in_request(n, "a"), in_request(n, "b")]).collect();
    let other = Event { uid: Some(34), ..in_request(9, "a") };
    events.extend([other, query(1.0, 1, 0.001), event(1.0).took(1.0).field("req", "a")]);
    let mut views = folded(&events);
    let repeated = |views: &Views, seconds: f64| {
        let found = queries(views, seconds);
        let row = found.shapes.into_iter().find(|row| row.shape == SHAPE);
        row.expect("shown").repeated
    };
    assert_eq!(repeated(&views, 2.0), None);
    add(&mut views, &lines(&[in_request(9, "a"), in_request(10, "b"), in_request(11, "b")]));
    let worst = |time| Repeats {
        count: REPEATS_MIN + 1,
        req: "b".into(),
        page: Some("/b".into()),
        time,
        requests: 2,
    };
    assert_eq!(repeated(&views, 2.0), Some(worst(at(1.1))));
    add(&mut views, &lines(&[query(14.0 * 60.0, 1, 0.001)]));
    assert_eq!(repeated(&views, 14.9 * 60.0), Some(worst(at(1.1))));
    assert_eq!(repeated(&views, 15.0 * 60.0), None, "it left the window");
}

#[test]
fn bounds_requests() {
    for (others, flagged) in [(REQUESTS_MAX - 1, true), (REQUESTS_MAX, false)] {
        let of = |req: &str| query(0.0, 1, 0.001).field("req", req);
        let mut events = vec![of("a"); REPEATS_MIN as usize - 1];
        events.extend((0..others).map(|n| of(&format!("r{n}"))));
        events.push(of("a"));
        let found = queries(&folded(&events), 1.0);
        assert_eq!(found.shapes[0].repeated.is_some(), flagged, "{others}");
    }
}

#[test]
fn flags_a_shape_that_became_slower() {
    let minutes = |from: u32, to: u32, took: f64, count: u64| -> Vec<Event> {
        let at =
            (0..count).map(|n| f64::from(from) + n as f64 / count as f64 * f64::from(to - from));
        at.map(|minute| query(minute * 60.0, 1, took)).collect()
    };
    let now = 15.0 * 60.0 - 1.0;
    let slower = |before: (f64, u64), after: (f64, u64)| {
        let older = minutes(1, 10, before.0, before.1);
        let newer = minutes(10, 15, after.0, after.1);
        queries(&folded(&[older, newer].concat()), now).shapes[0].slower
    };
    let min = SLOWER_EVENTS_MIN;
    let found = slower((0.1, min), (0.2, min)).expect("slower");
    assert!((found.before / 0.1 - 1.0).abs() < 0.02 && (found.p95 / 0.2 - 1.0).abs() < 0.02);
    for (before, after) in [
        ((0.1, min - 1), (0.2, min)),
        ((0.1, min), (0.2, min - 1)),
        ((0.1, min), (0.14, min)),
        ((0.2, min), (0.1, min)),
        ((0.0005, min), (0.001, min)),
    ] {
        assert_eq!(slower(before, after), None, "{before:?} {after:?}");
    }
}

#[test]
fn groups_errors_by_tag_and_shape() {
    let failed = |seconds: f64, n: u32| {
        event(seconds).level(Level::Err).msg(&format!("no such order: {n}")).field("user", "u1")
    };
    let mut views = folded(&[
        failed(0.0, 1),
        failed(1.0, 2).field("user", "ignored"),
        failed(61.0, 3).level(Level::Crit).took(1.0),
        Event { uid: None, ..failed(62.0, 4) },
        failed(62.0, 5).tag("cron"),
        event(63.0).level(Level::Warning).msg("no such order: 5"),
    ]);
    let found = queries(&views, 70.0);
    let row = found.errors.iter().find(|row| row.tag == "shop.query").expect("shown");
    assert_eq!((row.shape.as_str(), row.level, row.events), ("no such order: ?", "crit", 4));
    assert_eq!((row.first, row.seen), (at(0.0), at(62.0)));
    assert_eq!((row.users, row.more_users), (2, false));
    assert_eq!(&row.minutes[WINDOW_MINUTES - 2..], [2, 2]);
    assert_eq!(row.newest.as_ref().map(|row| row.msg.as_str()), Some("no such order: 4"));
    assert_eq!((found.errors.len(), found.errors_rest), (2, Some(Rest::default())));
    let more: Vec<Event> = (0..ERROR_USERS_MAX)
        .map(|n| failed(64.0, 1).field("user", "u1").field("user.id", &format!("{n}")))
        .map(|event| Event { fields: event.fields[2..].to_vec(), ..event })
        .collect();
    add(&mut views, &lines(&more[2..]));
    let users = |views: &Views| {
        let found = queries(views, 70.0);
        let row = found.errors.iter().find(|row| row.tag == "shop.query").expect("shown");
        (row.users, row.more_users)
    };
    assert_eq!(users(&views), (ERROR_USERS_MAX, false));
    add(&mut views, &lines(&more));
    assert_eq!(users(&views), (ERROR_USERS_MAX, true));
}

#[test]
fn only_the_window_drops_old_events() {
    let events = lines(&[query(0.0, 1, 5.0), query(16.0 * 60.0, 2, 1.0)]);
    let found = queries(&fold(Views::new(), &events), 16.0 * 60.0);
    assert_eq!((found.shapes[0].took.count, found.shapes[0].took.max), (1, 1.0));
    assert_eq!(found.shapes[0].slowest.as_ref().and_then(|slowest| slowest.took), Some(1.0));
    let found = queries(&fold(Views::of_all_lines(), &events), 16.0 * 60.0);
    assert_eq!((found.shapes[0].took.count, found.shapes[0].took.max), (2, 5.0));
    assert_eq!(found.shapes[0].rate, 2.0 / 960.0);
}

#[test]
fn shows_permitted_tags_only() {
    let err = |event: Event| event.level(Level::Err);
    let views = folded(&[err(query(0.0, 1, 1.0)), err(query(0.0, 1, 3.0).tag("secret"))]);
    let found = views.queries(&Permits::Tags(&|tag| tag == "shop.query"), at(1.0));
    assert_eq!((found.shapes.len(), found.errors.len()), (1, 1));
    assert_eq!((found.shapes[0].share, found.took.map(|took| took.total)), (1.0, Some(1.0)));
    assert_eq!((found.rest, found.errors_rest, found.heat), (None, None, None));
}

#[test]
fn heat_map_counts_durations_over_time() {
    let abandoned = Event { abandoned: true, ..query(290.0, 9, 0.1).run("r", 7) };
    let views = folded(&[
        query(0.0, 1, 0.1),
        query(1.0, 2, 0.15),
        query(2.0, 3, 2e-6).tag("shop.login"),
        abandoned,
        event(299.0).took(5000.0),
        event(299.0).msg("no duration"),
    ]);
    let shown = |seconds| {
        let snapshot = views.snapshot(ViewName::Queries, &Permits::All, at(seconds));
        serde_json::to_value(&snapshot).expect("JSON")["heat"].clone()
    };
    let mut columns = vec![serde_json::json!([]); HEAT_COLUMNS];
    columns[0] = serde_json::json!([[0, 1], [16, 2]]);
    columns[HEAT_COLUMNS - 1] = serde_json::json!([[HEAT_ROWS - 1, 1]]);
    let expected = serde_json::json!({
        "step": HEAT_STEP, "floor": HEAT_FLOOR, "per_decade": HEAT_PER_DECADE, "columns": columns
    });
    assert_eq!(shown(299.0), expected);
    columns.rotate_left(1);
    columns[HEAT_COLUMNS - 1] = serde_json::json!([]);
    assert_eq!(shown(301.0)["columns"], serde_json::json!(columns));
}

#[test]
fn bounds_shapes() {
    let of = |n: usize| event(0.0).msg(&format!("q_{}", letters(n))).took(1.0).level(Level::Err);
    let mut views = folded(&(0..ROWS_MAX).map(of).collect::<Vec<_>>());
    let more = (ROWS_MAX - ENTRIES_MAX) as u64;
    let rest = |views: &Views| {
        let found = queries(views, 1.0);
        assert_eq!((found.shapes.len(), found.errors.len()), (ENTRIES_MAX, ENTRIES_MAX));
        (found.rest, found.errors_rest)
    };
    let both = |more| {
        (Some(Rest { entries: more, events: more }), Some(Rest { entries: more, events: more }))
    };
    assert_eq!(rest(&views), both(more));
    add(&mut views, &lines(&[of(ROWS_MAX).took(9.0)]));
    assert_eq!(rest(&views), both(more + 1));
    let found = queries(&views, 1.0);
    assert_eq!(found.shapes[0].took.max, 9.0);
}

/// A number in letters, which are not masked.
pub(super) fn letters(n: usize) -> String {
    n.to_string().bytes().map(|b| char::from(b - b'0' + b'g')).collect()
}

//! The running view.

use super::*;

/// Each run that is shown, with its state and its age.
fn shown(views: &Views, seconds: f64) -> Vec<String> {
    let snapshot = views.running(&Permits::All, at(seconds));
    let count = |state| snapshot.in_state(state).count() as u64;
    assert_eq!(
        (snapshot.running, snapshot.abandoned, snapshot.unknown),
        (count(RunState::Running), count(RunState::Abandoned), count(RunState::Unknown))
    );
    let text = |run: &RunRow| format!("{} {:?} {}", run.run, run.state, run.age);
    snapshot.runs.iter().map(text).collect()
}

fn begin(seconds: f64, run: &str, conn: u64) -> Event {
    event(seconds).run(run, conn).msg("begins")
}

fn end(seconds: f64, run: &str, conn: u64) -> Event {
    begin(seconds, run, conn).took(1.0)
}

fn abandoned(seconds: f64, run: &str, conn: u64) -> Event {
    Event { abandoned: true, ..end(seconds, run, conn) }
}

fn folded(events: &[Event]) -> Views {
    fold(Views::new(), &lines(events))
}

#[test]
fn shows_a_run_until_it_ends() {
    let mut views = folded(&[
        event(0.0).took(1.0),
        begin(1.0, "b", 7),
        begin(2.0, "a", 7),
        begin(3.0, "a", 8),
        end(4.0, "a", 8),
        end(4.0, "b", 9),
    ]);
    assert_eq!(shown(&views, 5.0), ["b Running 4", "a Running 3"], "oldest first");
    assert_eq!(shown(&views, 1.5), ["b Running 0.5", "a Running 0"], "never a negative age");
    add(&mut views, &lines(&[end(6.0, "a", 7), end(6.0, "b", 7)]));
    assert!(shown(&views, 7.0).is_empty());
}

#[test]
fn second_begin_is_progress() {
    let first = begin(1.0, "a", 7).field("user", "u1").field("page", "/p");
    let views = folded(&[first, begin(3.0, "a", 7).msg("half").field("user", "u2")]);
    assert_eq!(shown(&views, 5.0), ["a Running 4"]);
    let run = &views.running(&Permits::All, at(5.0)).runs[0];
    assert_eq!(
        (run.msg.as_deref(), run.user.as_deref(), run.page.as_deref()),
        (Some("half"), Some("u2"), Some("/p"))
    );
}

#[test]
fn abandoned_runs_expire() {
    let mut views = folded(&[
        begin(1.0, "a", 7),
        begin(1.5, "b", 7),
        abandoned(3.0, "a", 7),
        abandoned(3.0, "a", 7),
        abandoned(4.0, "late", 7),
    ]);
    let all = ["a Abandoned 1", "b Running 58.5", "late Abandoned 1"];
    assert_eq!(shown(&views, 60.0), all);
    assert_eq!(shown(&views, 62.9).len(), 3);
    assert_eq!(shown(&views, 63.0).len(), 2, "{ABANDONED_SECONDS} s after");
    let run = &views.running(&Permits::All, at(60.0)).runs[2];
    assert_eq!(run.begun, at(3.0), "its begin was not seen");
    add(&mut views, &lines(&[event(70.0)]));
    assert_eq!(shown(&views, 5.0), ["b Running 3.5"], "expired runs are removed");
}

#[test]
fn real_end_supersedes_an_abandonment() {
    for conn in [7, 9, 0] {
        let events = [begin(1.0, "a", 7), abandoned(3.0, "a", 7), end(4.0, "a", conn)];
        assert!(shown(&folded(&events), 5.0).is_empty(), "{conn}");
    }
    let other = Event { uid: Some(34), ..end(4.0, "a", 7) };
    let events = [begin(1.0, "a", 7), abandoned(3.0, "a", 7), other];
    assert_eq!(shown(&folded(&events), 5.0), ["a Abandoned 1"]);
}

#[test]
fn runs_without_connection_are_unknown() {
    let mut views = folded(&[begin(1.0, "a", 0), begin(2.0, "a", 0), begin(2.0, "b", 0)]);
    assert_eq!(shown(&views, 5.0), ["a Unknown 4", "b Unknown 3"]);
    add(&mut views, &lines(&[end(6.0, "b", 0)]));
    assert_eq!(shown(&views, 3601.9), ["a Unknown 3600.9"]);
    assert!(shown(&views, 3602.0).is_empty(), "{UNKNOWN_SECONDS} s after its last event");
}

#[test]
fn restart_makes_runs_of_its_host_unknown() {
    let elsewhere = Event { host: "web2", ..begin(1.0, "far", 7) };
    let mut views = folded(&[begin(1.0, "a", 7), elsewhere]);
    add(&mut views, &[gap_line(2.0, Why::Restart, Some(0))]);
    assert_eq!(shown(&views, 5.0), ["a Unknown 4", "far Running 4"]);
    assert_eq!(shown(&views, 3601.9).len(), 2);
    assert_eq!(shown(&views, 3602.0), ["far Running 3601"]);
    // The same number is another connection now.
    add(&mut views, &lines(&[begin(6.0, "b", 7), end(7.0, "b", 7)]));
    assert_eq!(shown(&views, 8.0), ["a Unknown 7", "far Running 7"]);
    add(&mut views, &lines(&[end(9.0, "a", 3)]));
    assert_eq!(shown(&views, 9.0), ["far Running 8"]);
}

#[test]
fn lost_events_make_older_runs_unknown() {
    for (why, lost, unknown) in [
        (Why::Rate, Some(3), 2),
        (Why::Storage, None, 2),
        (Why::Restart, None, 2),
        (Why::Restart, Some(0), 1),
        (Why::Clock, Some(0), 0),
        (Why::Retention, Some(0), 0),
    ] {
        let elsewhere = Event { host: "web2", ..begin(1.0, "far", 7) };
        let mut views = folded(&[begin(1.0, "a", 7), elsewhere]);
        add(&mut views, &[gap_line(2.0, why, lost)]);
        add(&mut views, &lines(&[begin(3.0, "new", 8)]));
        let snapshot = views.running(&Permits::All, at(5.0));
        assert_eq!((snapshot.unknown, snapshot.running), (unknown, 3 - unknown), "{why} {lost:?}");
    }
}

#[test]
fn begin_replaces_the_unknown_run() {
    let mut views = folded(&[begin(1.0, "a", 7), begin(2.0, "a", 8)]);
    add(&mut views, &[gap_line(3.0, Why::Restart, Some(0))]);
    add(&mut views, &lines(&[begin(4.0, "a", 1).msg("again")]));
    assert_eq!(shown(&views, 5.0), ["a Running 4", "a Unknown 3"], "the oldest");
    let run = &views.running(&Permits::All, at(5.0)).runs[0];
    assert_eq!((run.conn, run.msg.as_deref()), (Some(1), Some("again")));
    add(&mut views, &lines(&[end(6.0, "a", 1)]));
    assert_eq!(shown(&views, 7.0), ["a Unknown 5"]);
    // After lost events connections are still the same.
    let mut views = folded(&[begin(1.0, "a", 7), begin(2.0, "a", 8)]);
    add(&mut views, &[gap_line(3.0, Why::Rate, Some(1))]);
    add(&mut views, &lines(&[begin(4.0, "a", 8)]));
    assert_eq!(shown(&views, 5.0), ["a Unknown 4", "a Running 3"]);
    // An abandoned run is over: a begin is another run.
    let mut views = folded(&[begin(1.0, "a", 7), abandoned(2.0, "a", 7)]);
    add(&mut views, &lines(&[begin(4.0, "a", 8)]));
    assert_eq!(shown(&views, 5.0), ["a Abandoned 1", "a Running 1"]);
}

#[test]
fn seeds_open_runs() {
    let seed = |run, conn, seconds| OpenRun {
        host: "web1",
        conn,
        run,
        subject: Subject::Uid(33),
        tag: "shop.query",
        msg: "seeded",
        user: Some("u"),
        page: None,
        req: None,
        begun: at(seconds),
    };
    let mut views = Views::new();
    views.seed(&seed("a", Some(7), -10.0));
    views.seed(&seed("b", Some(7), -5.0));
    views.seed(&seed("post", None, -4.0));
    assert_eq!(shown(&views, 0.0), ["a Running 10", "b Running 5", "post Unknown 4"]);
    add(&mut views, &lines(&[begin(-10.0, "a", 7).msg("seen"), end(1.0, "b", 7)]));
    views.seed(&seed("a", Some(7), -3.0));
    views.seed(&seed("post", None, -3.0));
    assert_eq!(shown(&views, 2.0), ["a Running 12", "post Unknown 6"]);
    let run = &views.running(&Permits::All, at(2.0)).runs[0];
    assert_eq!((run.msg.as_deref(), run.user.as_deref()), (Some("seen"), Some("u")));
    // After lost events, the agent still knows which runs are open.
    add(&mut views, &[gap_line(3.0, Why::Rate, Some(1))]);
    assert_eq!(shown(&views, 4.0), ["a Unknown 14", "post Unknown 8"]);
    views.seed(&seed("a", Some(7), -3.0));
    assert_eq!(shown(&views, 4.0), ["a Running 14", "post Unknown 8"]);
    let line = begin(-9.0, "c", 7).line();
    match Line::parse(&line) {
        Some(Line::Event(event)) => views.seed_event(&event),
        other => panic!("{other:?}"),
    }
    assert_eq!(shown(&views, 4.0), ["a Running 14", "c Running 13", "post Unknown 8"]);
    assert_eq!(views.rates(&Permits::All, at(4.0)).events, 2, "seeds are not counted");
}

#[test]
fn shows_permitted_tags_only() {
    let views = folded(&[begin(1.0, "a", 7), begin(1.0, "b", 7).tag("secret")]);
    let snapshot = views.running(&Permits::Tags(&|tag| tag == "shop.query"), at(2.0));
    assert_eq!((snapshot.running, snapshot.runs.len()), (1, 1));
    assert_eq!((snapshot.runs[0].run.as_str(), snapshot.untracked), ("a", None));
}

#[test]
fn bounds_runs() {
    let run = |n: usize, conn| begin(1.0 + n as f64 / 1e6, &format!("{n}"), conn).line();
    let tracked: Vec<String> = (0..RUNS_MAX).map(|n| run(n, 7)).collect();
    let mut views = fold(Views::new(), &tracked);
    let snapshot = views.running(&Permits::All, at(2.0));
    assert_eq!((snapshot.running, snapshot.untracked), (RUNS_MAX as u64, Some(0)));
    assert_eq!(snapshot.runs.len(), ENTRIES_MAX);
    assert_eq!(snapshot.rest, (RUNS_MAX - ENTRIES_MAX) as u64);
    add(&mut views, &[run(RUNS_MAX, 7)]);
    let snapshot = views.running(&Permits::All, at(2.0));
    assert_eq!((snapshot.running, snapshot.untracked), (RUNS_MAX as u64, Some(1)));
    add(&mut views, &[end(2.0, "0", 7).line(), run(RUNS_MAX, 7)]);
    let snapshot = views.running(&Permits::All, at(2.0));
    assert_eq!((snapshot.running, snapshot.untracked), (RUNS_MAX as u64, Some(1)));

    let unknown: Vec<String> = (0..RUNS_MAX + 1).map(|n| run(n, 0)).collect();
    let mut views = fold(Views::new(), &unknown);
    let snapshot = views.running(&Permits::All, at(2.0));
    assert_eq!((snapshot.unknown, snapshot.untracked), (RUNS_MAX as u64, Some(1)));
    add(&mut views, &[run(0, 7)]);
    let snapshot = views.running(&Permits::All, at(2.0));
    assert_eq!(snapshot.running, 1, "the unknown run");
    add(&mut views, &[run(RUNS_MAX + 2, 7)]);
    let snapshot = views.running(&Permits::All, at(2.0));
    assert_eq!((snapshot.running, snapshot.untracked), (2, Some(1)), "unknown runs were evicted");
    assert!(snapshot.unknown < RUNS_MAX as u64 - 900);
}

#[test]
fn bounds_bytes_of_progress() {
    let long = "x".repeat(4000);
    let mut views = Views::new();
    for n in 0..RUNS_MAX {
        let run = begin(1.0, &format!("{n}"), 7).msg("short");
        add(&mut views, &lines(&[run]));
    }
    let mut short = views.running(&Permits::All, at(2.0));
    assert_eq!(short.running, RUNS_MAX as u64);
    for n in 0..RUNS_MAX {
        let run = begin(1.0, &format!("{n}"), 7).msg(&long).field("page", &long);
        add(&mut views, &lines(&[run]));
    }
    let long = views.running(&Permits::All, at(2.0));
    assert_eq!(long.running, RUNS_MAX as u64, "progress loses no run");
    let kept = |run: &RunRow| run.msg.as_ref().map_or(0, String::len);
    let longest = long.runs.iter().map(kept).max();
    assert_eq!(longest, Some(MSG_MAX));
    short.runs.truncate(1);
    assert!(views.size() < 8 << 20, "{}", views.size());
}

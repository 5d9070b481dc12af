//! The users view.

use super::*;
use crate::views::table::ROWS_MAX;

fn users(views: &Views, seconds: f64) -> UsersSnapshot {
    views.users(&Permits::All, at(seconds))
}

fn folded(events: &[Event]) -> Views {
    fold(Views::new(), &lines(events))
}

#[test]
fn groups_by_claimed_user_and_subject() {
    let other = Event { uid: Some(34), ..event(2.0) };
    let found = users(
        &folded(&[
            event(0.0).field("user", "u1").field("page", "/a").field("req", "r1").msg("first"),
            event(1.0).field("user", "u1").field("req", "r2").msg("last").tag("shop.login"),
            other.field("user", "u1"),
            event(3.0).msg("no claim"),
        ]),
        4.0,
    );
    let rows: Vec<_> = found
        .users
        .iter()
        .map(|row| (row.user.as_deref(), row.subject.clone(), row.events, row.seen))
        .collect();
    assert_eq!(
        rows,
        [
            (None, Subject::Uid(33), 1, at(3.0)),
            (Some("u1"), Subject::Uid(34), 1, at(2.0)),
            (Some("u1"), Subject::Uid(33), 2, at(1.0)),
        ],
        "the most recent first"
    );
    let row = &found.users[2];
    assert_eq!((row.tag.as_str(), row.msg.as_deref()), ("shop.login", Some("last")));
    assert_eq!((row.page.as_deref(), row.req.as_deref()), (Some("/a"), Some("r2")));
    assert_eq!(found.rest, Some(Rest::default()));
}

#[test]
fn counts_events_queries_and_errors() {
    let by = |seconds: f64| event(seconds).field("user", "u");
    let abandoned = Event { abandoned: true, ..by(20.0).run("r", 7).took(99.0) };
    let views = folded(&[
        by(0.0).took(2.0).msg("slow"),
        by(10.0).took(1.0).msg("fast"),
        abandoned.level(Level::Warning),
        by(70.0).level(Level::Crit),
        by(71.0).level(Level::Err),
    ]);
    let row = &users(&views, 75.0).users[0];
    assert_eq!((row.events, row.queries, row.errors, row.last_minute), (5, 2, 2, 3));
    let slowest = row.slowest.as_ref().map(|slowest| (slowest.took, slowest.msg.as_str()));
    assert_eq!(slowest, Some((Some(2.0), "slow")));
    assert_eq!((row.minutes.len(), &row.minutes[WINDOW_MINUTES - 3..]), (15, &[0, 3, 2][..]));
    let row = &users(&views, 15.0 * 60.0).users[0];
    assert_eq!((row.events, row.slowest.as_ref(), row.last_minute), (2, None, 0));
    assert!(users(&views, 16.0 * 60.0).users.is_empty());
}

#[test]
fn shows_users_of_permitted_tags_only() {
    let mut views = folded(&[event(0.0).field("user", "a"), event(1.0).field("user", "b")]);
    let shown = |views: &Views| {
        let found = views.users(&Permits::Tags(&|tag| tag == "shop.query"), at(2.0));
        assert_eq!(found.rest, None);
        found.users.len()
    };
    assert_eq!(shown(&views), 2);
    add(&mut views, &lines(&[event(1.5).field("user", "b").tag("secret")]));
    add(&mut views, &lines(&[event(1.6).field("user", "b")]));
    assert_eq!(shown(&views), 1);
}

#[test]
fn bounds_users() {
    let by = |n: usize| event(n as f64 / 1e3).field("user", &format!("u{n}")).line();
    let mut views = fold(Views::new(), &(0..ROWS_MAX).map(by).collect::<Vec<_>>());
    let more = (ROWS_MAX - ENTRIES_MAX) as u64;
    for over in 0..2 {
        let found = users(&views, 2.0);
        assert_eq!(found.users.len(), ENTRIES_MAX);
        assert_eq!(found.rest, Some(Rest { entries: more + over, events: more + over }));
        add(&mut views, &[by(ROWS_MAX + over as usize)]);
    }
}

//! The rates view.

use super::*;
use crate::views::table::ROWS_MAX;

fn rates(views: &Views, seconds: f64) -> RatesSnapshot {
    views.rates(&Permits::All, at(seconds))
}

#[test]
fn counts_by_tag_level_and_second() {
    let mut events = vec![event(0.0).level(Level::Err).tag("cron")];
    for n in 1..=100 {
        events.push(event(f64::from(n) / 10.0).took(f64::from(n) / 1e3));
    }
    let found = rates(&fold(Views::new(), &lines(&events)), 10.0);
    assert_eq!((found.events, found.first, found.last), (101, Some(at(0.0)), Some(at(10.0))));
    let level = |index: usize| (found.levels[index].level, found.levels[index].events);
    assert_eq!((level(0), level(1), found.levels.len()), (("err", 1), ("info", 100), 2));
    let seconds = &found.levels[1].seconds;
    assert_eq!((seconds.len(), &seconds[RATE_SECONDS - 3..]), (RATE_SECONDS, &[10, 10, 1][..]));
    assert_eq!(seconds.iter().sum::<u32>(), 100);
    let tags: Vec<_> = found.tags.iter().map(|tag| (tag.tag.as_str(), tag.events)).collect();
    assert_eq!(tags, [("shop.query", 100), ("cron", 1)]);
    assert_eq!((found.tags[1].took, found.tags[0].took), (None, found.took));
    let took = found.took.expect("some");
    assert_eq!((took.count, took.max), (100, 0.1));
    assert!((took.total - 5.05).abs() < 1e-9, "{took:?}");
    for (found, exact) in [(took.p50, 0.05), (took.p95, 0.095), (took.p99, 0.099)] {
        assert!((found / exact - 1.0).abs() < 0.025, "{took:?}");
    }
}

#[test]
fn now_covers_the_last_seconds() {
    let mut views = Views::new();
    let now = |views: &Views, seconds| rates(views, seconds).now.expect("all");
    assert_eq!(now(&views, 0.0), 0.0);
    add(&mut views, &lines(&[event(0.0)]));
    assert_eq!(now(&views, 1.0), 0.5);
    for n in 0..60 {
        add(&mut views, &lines(&[event(f64::from(n) / 2.0)]));
    }
    assert_eq!([29.0, 34.0, 39.0].map(|seconds| now(&views, seconds)), [2.0, 1.0, 0.0]);
}

#[test]
fn abandoned_events_have_no_duration() {
    let abandoned = Event { abandoned: true, ..event(0.0).run("a", 7).took(9.0) };
    let found = rates(&fold(Views::new(), &lines(&[abandoned])), 1.0);
    assert_eq!((found.events, found.took, found.tags[0].took), (1, None, None));
}

#[test]
fn counts_gaps_by_reason() {
    let mut views = Views::new();
    let gaps = [(Why::Rate, Some(7)), (Why::Rate, None), (Why::Clock, Some(0))];
    add(&mut views, &gaps.map(|(why, lost)| gap_line(0.0, why, lost)));
    let found = rates(&views, 1.0);
    let lost = |why, gaps, lost, unknown| Lost { why, gaps, lost, unknown };
    assert_eq!(found.gaps, [lost("rate", 2, 7, true), lost("clock", 1, 0, false)]);
    assert_eq!((found.events, found.first), (0, None));
}

#[test]
fn only_the_window_drops_old_events() {
    let events = lines(&[event(0.0).took(1.0), event(16.0 * 60.0)]);
    let found = rates(&fold(Views::new(), &events), 16.0 * 60.0);
    assert_eq!((found.events, found.took, found.tags[0].events), (1, None, 1));
    let found = rates(&fold(Views::of_all_lines(), &events), 1e6);
    assert_eq!((found.events, found.tags[0].events), (2, 2));
    assert_eq!(found.took.map(|took| took.count), Some(1));
}

#[test]
fn shows_permitted_tags_only() {
    let views =
        fold(Views::new(), &lines(&[event(0.0).took(1.0), event(0.0).tag("secret").took(5.0)]));
    let found = views.rates(&Permits::Tags(&|tag| tag == "shop.query"), at(1.0));
    assert_eq!((found.events, found.took.map(|took| took.max)), (1, Some(1.0)));
    assert_eq!(found.tags.len(), 1);
    assert!(found.levels.is_empty() && found.now.is_none() && found.rest.is_none());
    assert_eq!((found.first, found.last), (None, None));
}

#[test]
fn bounds_tags() {
    let mut views = Views::new();
    for n in 0..ROWS_MAX {
        add(&mut views, &lines(&[event(0.0).tag(&format!("t{n}"))]));
    }
    let found = rates(&views, 1.0);
    let more = (ROWS_MAX - ENTRIES_MAX) as u64;
    assert_eq!((found.events, found.tags.len()), (ROWS_MAX as u64, ENTRIES_MAX));
    assert_eq!(found.rest, Some(Rest { entries: more, events: more }));
    add(&mut views, &lines(&[event(0.0).tag("t"), event(0.0).tag("t"), event(0.0).tag("t")]));
    let found = rates(&views, 1.0);
    assert_eq!((found.tags.len(), found.tags[0].events), (ENTRIES_MAX, 3));
    assert_eq!(found.rest, Some(Rest { entries: more + 1, events: more + 1 }));
}

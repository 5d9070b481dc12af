//! Memory under hostile input.

use super::queries::letters;
use super::*;

/// An event whose texts are of maximum length and differ from those of other events.
fn hostile(n: usize) -> Event {
    let long = |prefix: &str| format!("{}{}{}", prefix, letters(n), "x".repeat(600));
    let seconds = n as f64 / 10.0;
    let tag: String = long("t").chars().take(crate::event::TAG_MAX).collect();
    let run: String = long("r").chars().take(60).collect();
    Event { uid: Some(n as u32), ..event(seconds) }
        .tag(&tag)
        .msg(&long("m"))
        .level(Level::Err)
        .run(&run, 1 + n as u64)
        .field("user", &long("u"))
        .field("page", &long("p"))
        .field("req", &long("q"))
}

#[test]
fn bounds_a_fold_of_hostile_events() {
    let mut views = Views::new();
    let mut most = 0;
    for n in 0..5_000 {
        let begin = hostile(n);
        let ends = hostile(n).run(&format!("{n}"), 0).took(n as f64);
        add(&mut views, &lines(&[begin, ends]));
        if n % 50 == 0 {
            most = most.max(views.size());
        }
        if n == 4_500 {
            add(&mut views, &[gap_line(n as f64 / 10.0, Why::Rate, Some(1))]);
        }
    }
    assert!(most > SIZE_MAX / 2, "{most}: not hostile enough");
    assert!(most <= SIZE_MAX, "{most}");
}

#[test]
fn bounds_a_fold_of_many_durations() {
    let mut views = Views::of_all_lines();
    let mut most = 0;
    for n in 0..20_000usize {
        let took = 1e-6 * 1.03f64.powi((n % 800) as i32);
        let shape = letters(n / 7 % 900);
        let event = event(n as f64 / 30.0).msg(&format!("q_{shape}")).tag(&shape).took(took);
        add(&mut views, &lines(&[event.field("req", &letters(n / 900))]));
        if n % 1000 == 0 {
            most = most.max(views.size());
        }
    }
    assert!(most <= SIZE_MAX, "{most}");
    let found = views.queries(&Permits::All, at(1000.0));
    let rest = found.rest.expect("all");
    let shown: u64 = found.shapes.iter().map(|row| row.took.count).sum();
    assert_eq!(shown + rest.events, 20_000);
}

//! The language as a whole: what matches, what is rejected, and that the text round-trips.

use super::*;
use crate::event::Line;
use proptest::prelude::*;

const EVENT: &str = concat!(
    r#"{"seq":1042,"time":"2026-11-22T17:32:05.123456Z","host":"web1","tag":"shop.query","#,
    r#""level":"warning","msg":"say \"hi\"\tto 40","run":"job 1","took":0.04,"#,
    r#""fields":{"user":"123","rows":40,"cost":-1.50,"text":"40","status":"503","#,
    r#""share":"95%","version":"1.2.3","empty":"","hex":"0x41","low":"-0.5","far":"inf","#,
    r#""ok":true,"none":null,"tag":"x"},"#,
    r#""origin":{"pid":812,"uid":33,"user":"www-data","comm":"php","unit":"nginx.service"}}"#
);
const ABANDONED: &str = concat!(
    r#"{"seq":9,"time":"2026-11-22T17:32:05.123456Z","host":"web1","tag":"job","#,
    r#""level":"warning","run":"r","took":12.5,"abandoned":true,"#,
    r#""fields":{"abandoned":"no"},"origin":{"uid":33,"conn":7}}"#
);
const BARE: &str =
    r#"{"seq":1,"time":"2026-11-22T17:32:05.123456Z","host":"web1","tag":"a","level":"info"}"#;

fn is_matched(found: &Match, line: &str) -> bool {
    let Some(Line::Event(event)) = Line::parse(line) else { panic!("an event") };
    found.matches(&event)
}

#[track_caller]
fn matched(text: &str) -> bool {
    is_matched(&Match::parse(text).expect("valid"), EVENT)
}

#[test]
fn compares_present_keys() {
    for (text, expected) in [
        ("user=123", true),
        ("user=12", false),
        ("user!=123", false),
        ("user!=12", true),
        ("user~2", true),
        ("user~^2", false),
        ("user!~2", false),
        ("user!~^2", true),
        ("rows=40", true),
        ("rows=40.0", false),
        ("rows!=40", false),
        ("rows~^4", true),
        ("rows>39.5", true),
        ("rows>40", false),
        ("rows>=40", true),
        ("rows>=41", false),
        ("rows<41", true),
        ("rows<40", false),
        ("rows<=40", true),
        ("rows<=39", false),
        ("cost<-1", true),
        ("cost=-1.50", true),
        ("_pid>=812", true),
        ("_pid=812", true),
        ("_pid!=812", false),
        ("took=40ms", true),
        ("took!=40ms", false),
        ("took=0.04", true),
        ("took>39ms", true),
        ("took>40ms", false),
        ("took>=40000us", true),
        ("took<1", true),
        ("took<=39ms", false),
        ("took~^0.04$", true),
    ] {
        assert_eq!(matched(text), expected, "{text}");
    }
}

#[test]
fn only_negative_operators_match_absent_keys() {
    let keys = ["msg", "run", "took", "user", "fields.tag", "_pid", "_unit", "_conn"];
    for key in keys {
        for op in Op::ALL {
            let term = format!("{key}{}1", op.symbol());
            let Ok(found) = Match::parse(&term) else {
                assert!(op.is_order() && ["msg", "run", "_unit"].contains(&key), "{term}");
                continue;
            };
            let negative = matches!(op, Op::IsNot | Op::Unlike);
            assert_eq!(is_matched(&found, BARE), negative, "{term}");
        }
    }
    for (term, expected) in [
        ("abandoned=true", false),
        ("abandoned~true", false),
        ("abandoned!=true", true),
        ("abandoned!~true", true),
    ] {
        assert_eq!(is_matched(&Match::parse(term).expect("valid"), BARE), expected, "{term}");
    }
    assert!(is_matched(&Match::parse("user!~").expect("valid"), BARE));
    assert!(matched("user~") && !matched("user!~"), "tests presence");
}

#[test]
fn orders_only_numbers() {
    for key in ["ok", "none", "fields.tag", "share", "version", "empty", "hex"] {
        for op in [">", ">=", "<", "<="] {
            assert!(!matched(&format!("{key}{op}40")), "{key}{op}40");
        }
    }
    for term in [
        "rows>many",
        "rows>",
        "rows<nan",
        "rows<inf",
        "rows>1e999",
        "_pid>0x1",
        "rows>5%",
        "rows>+5",
    ] {
        assert!(matches!(Match::parse(term), Err(MatchError::Number(_))), "{term}");
    }
    for term in ["tag>1", "host<1", "msg>=1", "run<=1", "abandoned>1", "_user>1", "_unit>1"] {
        assert!(matches!(Match::parse(term), Err(MatchError::Order { .. })), "{term}");
    }
}

#[test]
fn orders_numbers_that_are_given_as_text() {
    for (text, expected) in [
        ("status>=500", true),
        ("status>502.9", true),
        ("status>503", false),
        ("status<600", true),
        ("status<=503", true),
        ("status<503", false),
        ("status>=500 status<600", true),
        ("text>9", true),
        ("text<100", true),
        ("user>100", true),
        ("fields.user<124", true),
        ("low<0", true),
        ("low>-1", true),
        ("far>1", false),
        ("text=40.0", false),
        ("status=503", true),
        ("took>39ms took<1s", true),
        ("took<1m30s", true),
        ("took>=0.04", true),
        ("took>1h", false),
    ] {
        assert_eq!(matched(text), expected, "{text}");
    }
}

#[test]
fn finds_the_value_of_every_key() {
    for text in [
        "tag=shop.*",
        "tag!=other.*",
        "tag~query$",
        "host=web1",
        r#"run="job 1""#,
        "msg~h[ij]|ho",
        r#"msg~"say \"hi\"""#,
        "_uid=33",
        "_user=www-data",
        "_comm=php",
        "_unit=nginx.service",
        "_addr!=x",
        "_token!~x",
        "ok=true",
        "none=null",
        "fields.tag=x",
        "fields.user=123",
        "level~warn",
    ] {
        assert!(matched(text), "{text}");
    }
    assert!(!matched("msg~Hi"), "a capital letter counts");
    assert!(!matched("_unit=nginx"), "the whole name");
    assert!(!matched("tag=x"), "a field never hides a key");
    assert!(matched("msg=\"say \\\"hi\\\"\tto 40\""), "compares decoded text");
}

#[test]
fn finds_abandoned_runs_and_their_connection() {
    for (text, expected) in [
        ("abandoned=true", true),
        ("abandoned!=true", false),
        ("abandoned~^true$", true),
        ("abandoned!~", false),
        ("fields.abandoned=no", true),
        ("fields.abandoned=true", false),
        ("_conn=7", true),
        ("_conn=07", false),
        ("_conn!=7", false),
        ("_conn>6", true),
        ("_conn>=7.0", true),
        ("_conn<7", false),
        ("_conn>7", false),
        ("_conn~^7", true),
    ] {
        let found = Match::parse(text).expect("valid");
        assert_eq!(is_matched(&found, ABANDONED), expected, "{text}");
    }
    for text in ["abandoned=false", "abandoned!=false", "abandoned=1", "abandoned="] {
        assert!(matches!(Match::parse(text), Err(MatchError::Abandoned(_))), "{text}");
    }
}

#[test]
fn a_greater_level_is_worse() {
    for (text, expected) in [
        ("level>=warning", true),
        ("level>=WARN", true),
        ("level>=notice", true),
        ("level>=err", false),
        ("level>warning", false),
        ("level>info", true),
        ("level<=info", false),
        ("level<=warning", true),
        ("level<err", true),
        ("level=4", true),
        ("level!=warning", false),
        ("level<=err level>=notice", true),
    ] {
        assert_eq!(matched(text), expected, "{text}");
    }
    let error = Match::parse("level>=loud").expect_err("unknown").to_string();
    assert!(error.contains("\"loud\"") && error.contains("warning"), "{error}");
}

#[test]
fn combines_terms_and_groups() {
    for (text, expected) in [
        ("", true),
        (" \t", true),
        ("user=1 user=123", true),
        ("user=1 fields.user=123", true),
        ("user=1 user=2", false),
        ("user!=1 user!=123", false),
        ("user!=1 user!=2", true),
        ("user~1 user~9", false),
        ("user~1 user~2", true),
        ("user=123 rows=1", false),
        ("user=123 rows=40", true),
        ("rows>1 rows<50", true),
        ("tag=a tag=shop.* rows=40", true),
        ("user=1 + rows=40", true),
        ("user=1 + rows=1", false),
        ("user=1 rows=40 + user=123 rows=1", false),
        ("user=123 user!=123", false),
    ] {
        assert_eq!(matched(text), expected, "{text}");
    }
    assert!(Match::parse("  ").expect("valid").is_everything());
    assert!(!Match::parse("a=b").expect("valid").is_everything());
}

#[test]
fn parses_text_and_words_alike() {
    for (text, args) in [
        ("", &[][..]),
        ("tag=a  msg=\"a b\"", &["tag=a", "msg=a b"]),
        ("\"msg=a b\" + x=\"\"", &["msg=a b", "+", "x="]),
        (r#"msg="a \"b\" \\ \d""#, &[r#"msg=a "b" \ \d"#]),
        (r"msg~\d+ x=+", &[r"msg~\d+", "x=+"]),
        (r#"x=a" "b"#, &["x=a b"]),
        ("x==1 y=~a", &["x==1", "y=~a"]),
    ] {
        assert_eq!(Match::parse(text), Match::from_args(args), "{text}");
    }
    assert!(matches!(Match::from_args(&["msg=a tag=b", ""]), Err(MatchError::NoOperator { .. })));
}

#[test]
fn reports_what_is_not_a_match() {
    for (text, expected) in [
        (
            "shop",
            "\"shop\" has no operator (= != ~ !~ > >= < <=): did you mean tag=shop or msg~shop?",
        ),
        ("err", "did you mean level>=err or tag=err or msg~err?"),
        ("\"a (b\"", "did you mean msg~\"a \\\\(b\"?"),
        ("a!b", "did you mean msg~a!b?"),
        ("\"a\nb\u{1b}\"", "\"a\\nb\\u{1b}\" has no operator"),
        ("\"+\"", "did you mean msg~\\+?"),
        ("=x", "no key"),
        ("_EXE=1", "unknown key \"_EXE\""),
        ("_PID=1", "_PID is a name of the journal: the key is _pid"),
        ("a/b=1", "field name \"a/b\""),
        ("tag=a[b]", "'['"),
        ("tag=", "the tag is empty"),
        ("took>soon", "\"took>soon\": took is compared with a duration"),
        ("abandoned=no", "\"abandoned=no\": write abandoned=true or abandoned!=true"),
        ("msg~(", "\"msg~(\": the regular expression does not work: unclosed group"),
        ("msg=\"a", "begins at \"\\\"a\""),
        ("+", "empty"),
        ("a=1 +", "empty"),
        ("+ a=1", "empty"),
        ("a=1 + + b=2", "empty"),
    ] {
        let error = Match::parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains(char::is_control), "{error:?}");
    }
}

#[test]
fn errors_are_short() {
    let long = "x".repeat(8000);
    for text in [
        "",
        "_",
        "fields._",
        "tag=",
        "took>",
        "abandoned=",
        "rows>",
        "msg>",
        "level=",
        "msg~(",
        "\"",
        "=",
    ] {
        let error = Match::parse(&format!("{text}{long}")).expect_err(text).to_string();
        assert!(error.len() < 400, "{error}");
    }
}

#[test]
fn checks_every_bound() {
    let with_len = |len: usize| format!("msg={}", "x".repeat(len - 4));
    assert!(Match::parse(&with_len(TEXT_MAX)).is_ok());
    assert_eq!(Match::parse(&with_len(TEXT_MAX + 1)), Err(MatchError::Long));
    assert!(Match::from_args(&[with_len(TEXT_MAX)]).is_ok());
    assert_eq!(Match::from_args(&[with_len(TEXT_MAX + 1)]), Err(MatchError::Long));
    // Its displayed text has two quotes more.
    let spaced = |len: usize| [with_len(len).replacen("xx", "x ", 1)];
    assert!(Match::from_args(&spaced(TEXT_MAX - 2)).is_ok());
    assert_eq!(Match::from_args(&spaced(TEXT_MAX - 1)), Err(MatchError::Long));

    let terms = vec!["a=1"; TERMS_MAX];
    assert!(Match::from_args(&terms).is_ok());
    assert!(Match::parse(&terms.join(" + ")).is_ok());
    assert_eq!(Match::parse(&(terms.join(" ") + " b=1")), Err(MatchError::Terms));

    let patterns: Vec<_> = (0..PATTERNS_MAX).map(|n| format!("a~{n}")).collect();
    assert!(Match::parse(&(patterns.join(" ") + " b~1")).is_ok(), "equal ones count once");
    assert_eq!(Match::parse(&(patterns.join(" ") + " b~x")), Err(MatchError::Patterns));

    let places = |each: usize| format!("a~[01]{{{each}}} b~[01]{{{each}}}");
    assert!(Match::parse(&places(PLACES_MAX / 2)).is_ok());
    assert_eq!(Match::parse(&places(PLACES_MAX / 2 + 1)), Err(MatchError::Places));
}

#[test]
fn added_terms_hold_in_every_group() {
    let parsed = |text: &str| Match::parse(text).expect("valid");
    for (own, added, both) in [
        ("", "", ""),
        ("a=1", "", "a=1"),
        ("", "a=1", "a=1"),
        ("tag=a + tag=b", "level>=err", "tag=a level>=err + tag=b level>=err"),
        ("tag=a x=1", "tag=b", "tag=a tag=b x=1"),
        ("a=1 + b=1", "c=1 + d=1", "a=1 c=1 + a=1 d=1 + b=1 c=1 + b=1 d=1"),
    ] {
        assert_eq!(parsed(own).with(&parsed(added)).expect("small").to_string(), both);
    }
    let groups = |n: usize| parsed(&vec!["a=1"; n].join(" + "));
    assert!(groups(TERMS_MAX / 2).with(&parsed("msg~x")).is_ok());
    assert_eq!(groups(TERMS_MAX / 2 + 1).with(&parsed("msg~x")), Err(MatchError::Terms));
    let patterns = |n: usize, key: &str| {
        parsed(&(0..n).map(|n| format!("{key}~{key}{n}")).collect::<Vec<_>>().join(" "))
    };
    assert!(patterns(PATTERNS_MAX - 1, "a").with(&patterns(1, "b")).is_ok());
    assert_eq!(patterns(PATTERNS_MAX, "a").with(&patterns(1, "b")), Err(MatchError::Patterns));
    let half = |key: &str| parsed(&format!("{key}={}", "x".repeat(TEXT_MAX / 2)));
    assert_eq!(half("a").with(&half("b")), Err(MatchError::Long));
}

/// Terms of every kind. Most are valid.
fn term() -> impl Strategy<Value = String> {
    let key = prop::sample::select(
        KEYS.iter()
            .map(|known| known.name)
            .chain(["user", "fields.tag", "a.b"])
            .collect::<Vec<_>>(),
    );
    let op = prop::sample::select(Op::ALL.map(Op::symbol).to_vec());
    let value = prop_oneof![
        "[a-z.*?]{1,6}",
        "-?[0-9]{1,9}(\\.[0-9]{1,20})?(ms|ns)?",
        "[ \"\\\\+=~!aB\t]{0,8}",
        "\\PC{0,8}",
        Just("warn".to_owned()),
    ];
    (key, op, value).prop_map(|(key, op, value)| format!("{key}{op}{value}"))
}

proptest! {
    #[test]
    fn round_trips_through_text(
        words in prop::collection::vec(prop_oneof![4 => term(), 1 => Just("+".to_owned())], 0..8)
    ) {
        // Drops invalid words, so that the rest is parsed.
        let mut valid: Vec<String> = Vec::new();
        for word in words {
            let plus = word == "+" && valid.last().is_some_and(|last| last != "+");
            if plus || Match::from_args(&[&word]).is_ok() {
                valid.push(word);
            }
        }
        if valid.last().is_some_and(|last| last == "+") {
            valid.pop();
        }
        let found = Match::from_args(&valid).expect("each word is valid");
        let text = found.to_string();
        let again = Match::parse(&text).expect("valid");
        prop_assert_eq!(&again, &found, "{}", text);
        prop_assert_eq!(again.to_string(), text);
        prop_assert_eq!(is_matched(&again, EVENT), is_matched(&found, EVENT));
    }

    #[test]
    fn garbage_never_panics(text in "[a-z_=!~<>+\"\\\\ .*?0-9(\\[]{0,30}|\\PC{0,30}|.{0,20}") {
        if let Ok(found) = Match::parse(&text) {
            is_matched(&found, EVENT);
            prop_assert_eq!(Match::parse(&found.to_string()), Ok(found));
        }
        if let Err(error) = Match::from_args(&[&text]) {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }
}

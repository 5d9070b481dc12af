//! Objects: ours, those of other loggers, and those that need repair.

mod loggers;

use proptest::prelude::*;

use super::json::members;
use super::{Repairs, draft, draft_cut, reader, usual};
use crate::event::{Batch, DRAFT_MAX, Draft, FIELDS_MAX, Field, LINE_MAX, Value, check_field_name};

/// An object's event in one line: `level tag took {fields} | message`.
fn show(draft: &Draft<'_>) -> String {
    let tag = draft.tag.as_ref().map_or("-", |tag| tag.as_str());
    let run = draft.run.as_ref().map(|run| format!("run:{run} ")).unwrap_or_default();
    let took = draft.took.map(|seconds| format!("took:{seconds} ")).unwrap_or_default();
    let value = |value: &Value<'_>| match value {
        Value::Text(text) => text.to_string(),
        Value::Number(digits) => format!("#{digits}"),
        Value::Bool(yes) => format!("#{yes}"),
        Value::Null => "#null".into(),
    };
    let field = |f: &Field<'_>| format!("{}={} ", f.name, value(&f.value));
    let fields: String = draft.fields.iter().map(field).collect();
    format!("{} {tag} {run}{took}{fields}| {}", draft.level, draft.msg)
}

#[track_caller]
fn of(object: &str) -> String {
    show(&draft(object, Repairs::default()).unwrap_or_else(|| panic!("no object: {object}")))
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (object, event) in cases {
        assert_eq!(of(object), *event, "{object}");
    }
}

#[test]
fn repairs_and_lists_what_it_repaired() {
    check(&[
        (r#"{"msg":"x","tag":"my script"}"#, "info my_script repaired=tag | x"),
        (r#"{"msg":"x","tag":""}"#, "info - repaired=tag | x"),
        (r#"{"msg":"x","tag":7}"#, "info 7 repaired=tag | x"),
        (r#"{"msg":"x","level":"loud"}"#, "info - level=loud repaired=level | x"),
        (r#"{"msg":7}"#, "info - repaired=msg | 7"),
        (r#"{"msg":{"a":1}}"#, r#"info - repaired=msg | {"a":1}"#),
        (r#"{"msg":"a","msg":"b"}"#, "info - repaired=fields | b"),
        (r#"{"msg":"x","a":1,"a":2}"#, "info - a=#2 repaired=fields | x"),
        (r#"{"msg":"x","a.b":1,"a":{"b":2}}"#, "info - a.b=#1 a.b.2=#2 repaired=nested fields | x"),
        (r#"{"msg":"x","a b":1,"a-b":2}"#, "info - a-b=#1 a-b.2=#2 repaired=fields | x"),
        (r#"{"msg":"x","_pid":7,"é":1}"#, "info - pid=#7 -=#1 repaired=fields | x"),
        (r#"{"msg":"x","run":""}"#, "info - repaired=run | x"),
        (r#"{"msg":"x","run":7}"#, "info - run:7 repaired=run | x"),
        (r#"{"msg":"x","run":true}"#, "info - run=#true repaired=run | x"),
        (r#"{"msg":"x","took":"long"}"#, "info - took=long repaired=took | x"),
        (r#"{"msg":"x","took":true}"#, "info - took=#true repaired=took | x"),
        (r#"{"msg":"x","fields":{"took":"long"}}"#, "info - took=long repaired=took | x"),
        (r#"{"msg":"x","took":1,"fields":{"took":2}}"#, "info - took:1 took=#2 repaired=took | x"),
        (r#"{"msg":"x","fields":7}"#, "info - fields=#7 repaired=fields | x"),
        (r#"{"msg":"x","fields":[7]}"#, "info - fields.0=#7 repaired=nested fields | x"),
        (r#"{"msg":"x","a":{},"b":[]}"#, "info - repaired=nested | x"),
        (
            r#"{"msg":"x","req":{"id":7,"tags":["a","b"]}}"#,
            "info - req.id=#7 req.tags.0=a req.tags.1=b repaired=nested | x",
        ),
        (r#"{"msg":"\ud800x","a":"\udc00"}"#, "info - a=\u{fffd} repaired=utf8 | \u{fffd}x"),
        (r#"{"msg":"\ud83d\ude00\ud800\n"}"#, "info - repaired=utf8 | \u{1f600}\u{fffd}\n"),
        (r#"{"a\ud800":1}"#, "info - a-=#1 repaired=utf8 fields | "),
        (r#"{"msg":"x","time":{"a":1}}"#, "info - time.a=#1 repaired=nested | x"),
        // No repairs: what is absent, and what is moved.
        (r#"{"msg":"x","run":null,"tag":null,"level":null,"a":null,"fields":null}"#, "info - | x"),
        (r#"{"msg":"x","fields":[]}"#, "info - | x"),
        (r#"{"msg":"x","fields":{}}"#, "info - | x"),
        (r#"{"msg":"x","fields":{"a":null}}"#, "info - a=#null | x"),
        (r#"{"message":"x","ts":7,"logger":"a","level":"WARN"}"#, "warning a sent=#7 | x"),
        (r#"{"fields":{"a":1},"msg":"x","fields":{"b":2}}"#, "info - a=#1 b=#2 | x"),
        ("{}", "info - | "),
        (" { } ", "info - | "),
    ]);
    let long = "r".repeat(65);
    assert_eq!(of(&format!(r#"{{"run":"{long}"}}"#)), format!("info - run={long} repaired=run | "));
    let digits = |count: usize| format!(r#"{{"n":1{}}}"#, "0".repeat(count - 1));
    assert!(of(&digits(64)).starts_with("info - n=#1"));
    assert!(of(&digits(65)).starts_with("info - n=1") && of(&digits(65)).contains("fields"));
}

#[test]
fn what_the_agent_says_cannot_be_claimed() {
    check(&[
        (r#"{"msg":"x","seq":1}"#, "info - seq=#1 repaired=claim | x"),
        (r#"{"msg":"x","host":"other"}"#, "info - host=other repaired=claim | x"),
        (r#"{"msg":"x","origin":{"uid":0}}"#, "info - origin.uid=#0 repaired=claim nested | x"),
        (r#"{"msg":"x","gap":{"lost":1}}"#, "info - gap.lost=#1 repaired=claim nested | x"),
        (r#"{"msg":"x","conn":1}"#, "info - conn=#1 repaired=claim | x"),
        (r#"{"msg":"x","abandoned":true}"#, "info - abandoned=#true repaired=claim | x"),
        (r#"{"msg":"x","repaired":"utf8"}"#, "info - repaired.2=utf8 repaired=claim | x"),
        (
            r#"{"msg":"x","fields":{"repaired":"utf8"}}"#,
            "info - repaired.2=utf8 repaired=claim | x",
        ),
        (r#"{"msg":"x","_repaired":"utf8"}"#, "info - repaired.2=utf8 repaired=claim fields | x"),
        (r#"{"msg":"x","sent":1}"#, "info - sent=#1 repaired=claim | x"),
        (r#"{"msg":"x","sent":1,"time":2}"#, "info - sent=#2 sent.2=#1 repaired=claim fields | x"),
        (r#"{"time":2,"fields":{"sent":1}}"#, "info - sent=#2 sent.2=#1 repaired=fields | "),
        (r#"{"msg":"x","fields":{"_uid":0}}"#, "info - uid=#0 repaired=fields | x"),
    ]);
}

#[test]
fn bounds_depth() {
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let name = |parts: usize| vec!["a"; parts].join(".");
    assert_eq!(of(&nested(8)), format!("info - {}=#1 repaired=nested | ", name(8)));
    assert_eq!(of(&nested(9)), format!("info - {}={{\"a\":1}} repaired=nested | ", name(8)));
    let deep = of(&nested(10_000));
    assert!(deep.starts_with(&format!("info - {}={{\"a\":", name(8))), "{deep:.100}");
    let lists = format!("{{\"a\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    assert!(of(&lists).contains("a.0.0.0.0.0.0.0=[["));
}

#[test]
fn keeps_what_exceeds_the_fields_in_one() {
    let wide = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("\"f{n}\":{n}")).collect();
        members.join(",")
    };
    let most = of(&format!("{{{}}}", wide(FIELDS_MAX)));
    assert!(most.ends_with("f63=#63 | "), "{most}");
    for object in [format!("{{{}}}", wide(65)), format!("{{\"fields\":{{{}}}}}", wide(65))] {
        let made = of(&object);
        let more = r#"f61=#61 more={"f62":62,"f63":63,"f64":64} repaired=fields | "#;
        assert!(made.ends_with(more), "{made}");
    }
    // The message may come last, and nested values stay together.
    let object = format!(r#"{{{},"a":{{"b":[1,2]}},"msg":"x","level":"err"}}"#, wide(64));
    let made = of(&object);
    let more = r#"more={"f62":62,"f63":63,"a":{"b":[1,2]}} repaired=nested fields | x"#;
    assert!(made.starts_with("err - f0=") && made.ends_with(more), "{made}");
    let object = format!(r#"{{"n":{{{}}}}}"#, wide(66));
    let made = of(&object);
    let more = r#"more={"n.f62":62,"n.f63":63,"n":{"f64":64,"f65":65}} repaired=nested fields | "#;
    assert!(made.ends_with(more), "{made}");
    // Some ten thousand, and as many duplicates.
    assert_eq!(
        of(&format!("{{{}}}", vec!["\"\":0"; 13_000].join(","))),
        "info - field=#0 repaired=fields | "
    );
    let made =
        draft(&format!("{{{}}}", wide(5000)), Repairs::default()).expect("an object").into_owned();
    assert_eq!(made.fields.len(), FIELDS_MAX);
    let list = format!("{{\"a\":[{}0]}}", "0,".repeat(30_000));
    assert!(of(&list).contains("a.61=#0 more="));
}

#[test]
fn long_names_stay_within_time_and_bounds() {
    let key = "k".repeat(30_000);
    let inner: Vec<String> = (0..4000).map(|n| format!("\"{n}\":0")).collect();
    let object = format!("{{\"{key}\":{{{}}}}}", inner.join(","));
    let made = draft(&object, Repairs::default()).expect("an object");
    assert!(made.fields.iter().all(|field| check_field_name(&field.name).is_ok()));
}

#[test]
fn completes_objects_that_were_cut() {
    let cut = |text: &str| draft_cut(text, Repairs::default()).map(|draft| show(&draft));
    for (text, event) in [
        (r#"{"tag":"a","msg":"hel"#, "info a | hel"),
        (r#"{"tag":"a","msg":"hel\"#, "info a | hel"),
        (r#"{"tag":"a","msg":"hel\\"#, r"info a | hel\"),
        (r#"{"tag":"a","msg":"hel\u00"#, "info a | hel"),
        (r#"{"tag":"a","msg":"hel\u00e9"#, "info a | helé"),
        (r#"{"tag":"a","msg":"x","n":12"#, "info a | x"),
        (r#"{"tag":"a","msg":"x","n"#, "info a | x"),
        (r#"{"tag":"a","msg":"x","n":"#, "info a | x"),
        (r#"{"tag":"a","msg":"x","fields":{"a":1,"b":"hel"#, "info a a=#1 b=hel | x"),
        (r#"{"tag":"a","msg":"x","l":["p","hel"#, "info a l.0=p l.1=hel repaired=nested | x"),
        (r#"{"tag":"a","msg":"x","o":{"p":1,"q"#, "info a | x"),
    ] {
        assert_eq!(cut(text).as_deref(), Some(event), "{text}");
    }
    for text in ["{", r#"{"msg"#, r#"{"a":1"#, "{user} logged in", r#"{"a":{{"b":"x"#] {
        assert_eq!(cut(text), None, "{text}");
    }
    assert_eq!(cut(&format!("{{\"a\":{}", "[".repeat(60_000))), None);
    assert!(cut(&format!("{{\"b\":1,\"a\":{}\"x", "[".repeat(60_000))).is_some());
}

#[test]
fn text_is_no_object() {
    for text in [
        "",
        "{",
        "{user} logged in",
        "[1]",
        "{}}",
        "{'a':1}",
        "{\"a\":1} x",
        "{\"a\":1}{\"b\":2}",
        "{\"msg\":",
        "{\"a\":01}",
        "{\"a\":nul}",
    ] {
        assert!(draft(text, Repairs::default()).is_none(), "{text}");
    }
}

/// Text that is likely to be an object.
fn any_object() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "msg",
        "message",
        "level",
        "tag",
        "run",
        "took",
        "fields",
        "time",
        "ts",
        "host",
        "repaired",
        "sent",
        "a",
        "a.b",
        "_x",
        "é",
        "",
        "more",
        "name",
        "channel",
        "log",
        "body",
        "duration_ms",
        "elapsed",
        "MESSAGE",
        "pid",
        "hostname",
        "v",
        "level_name",
        "a\\ud800",
        "repaired.2",
        "key",
        "value",
    ]);
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-1.5e3",
        "30",
        "200",
        "1e400",
        "\"\"",
        "\"x\"",
        "\"40ms\"",
        "\"err\"",
        "\"\\ud800\"",
        "\"a b\"",
        "{}",
        "[]",
        "\"\\u0001\\n\"",
    ]);
    let value = leaf.prop_map(str::to_owned).prop_recursive(10, 200, 12, move |inner| {
        let member = (key.clone(), inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            3 => prop::collection::vec(member, 0..12).prop_map(|members| format!("{{{}}}", members.join(","))),
            1 => prop::collection::vec(inner, 0..12).prop_map(|all| format!("[{}]", all.join(","))),
        ]
    });
    value.prop_filter("an object", |value| value.starts_with('{'))
}

proptest! {
    #[test]
    fn drafts_are_within_all_bounds(object in any_object()) {
        let made = draft(&object, Repairs::default()).expect("an object");
        prop_assert!(made.fields.len() <= FIELDS_MAX);
        for (at, field) in made.fields.iter().enumerate() {
            prop_assert!(check_field_name(&field.name).is_ok(), "{}", field.name);
            prop_assert!(made.fields[..at].iter().all(|other| other.name != field.name), "{}", show(&made));
        }
        // Only the agent's list has the name, and it comes last.
        if let Some(at) = made.fields.iter().position(|field| field.name == "repaired") {
            prop_assert_eq!(at, made.fields.len() - 1);
        }
    }

    #[test]
    fn usual_objects_are_read_in_the_same_way(object in any_object()) {
        if let Some(usual) = usual::draft(&object) {
            let read = members(&object, Some("fields")).expect("an object");
            prop_assert_eq!(usual, reader::read(read, Repairs::default()).draft);
        }
    }

    #[test]
    fn cut_objects_lose_only_their_end(object in any_object(), at: prop::sample::Index) {
        let end = at.index(object.len() + 1);
        if let Some(text) = object.get(..end) {
            let _ = draft_cut(text, Repairs::default());
        }
    }
}

#[test]
fn the_longest_line_is_within_its_bound() {
    let escapes = r"\u0001".repeat(3000);
    let params: String =
        (0..100).map(|n| format!("\"{n}\":\"{}\",", r"\u0001".repeat(70))).collect();
    let quotes: String = (0..100).map(|n| format!("\"{n}\":\"{}\",", "\\\"".repeat(200))).collect();
    for object in [
        format!("{{{params}\"msg\":\"{escapes}\"}}"),
        format!("{{{quotes}\"msg\":\"{}\"}}", "\\\"".repeat(10_000)),
        format!("{{\"a\":{}\"{escapes}\"{}}}", "[".repeat(20_000), "]".repeat(20_000)),
    ] {
        assert!(object.len() < DRAFT_MAX);
        let made = draft(&object, Repairs::default()).expect("an object");
        let mut batch = Batch::default();
        batch.push(&made, "a", b"");
        assert!(batch.size() < LINE_MAX, "{}", batch.size());
    }
}

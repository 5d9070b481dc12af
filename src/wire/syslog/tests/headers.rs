//! Headers as senders write them, not as the RFCs do.

use super::{drafts, drafts_in, show, shown};
use crate::event::{DRAFT_MAX, FIELDS_MAX, Value};

/// The event of one message, without its level.
fn of(message: &str) -> String {
    let events = shown(format!("<14>{message}\n").as_bytes());
    assert_eq!(events.len(), 1, "{events:?}");
    events[0].strip_prefix("info ").expect("the level").to_owned()
}

#[test]
fn any_host_may_stand_before_a_tag() {
    for (names, event) in [
        ("alpha cron:", r#"cron host="alpha""#),
        ("alpha cron[77]:", r#"cron host="alpha" pid=77"#),
        ("db-master postgres[4711]:", r#"postgres host="db-master" pid=4711"#),
        ("UPPER app:", r#"app host="UPPER""#),
        ("under_score app:", r#"app host="under_score""#),
        ("a.b.example app:", r#"app host="a.b.example""#),
        ("192.0.2.7 app:", r#"app host="192.0.2.7""#),
        ("2001:db8::7 app:", r#"app host="2001:db8::7""#),
        ("fe80::1%eth0 app:", r#"app host="fe80::1%eth0""#),
        ("alpha systemd-resolved[9]:", r#"systemd-resolved host="alpha" pid=9"#),
        ("alpha postfix/smtpd[9]:", r#"postfix/smtpd host="alpha" pid=9"#),
        ("alpha CRON[12]:", r#"CRON host="alpha" pid=12"#),
        ("web1 we ird:", r#"we_ird host="web1""#),
        ("vm app:", "app"),
        ("app:", "app"),
        ("app[5]", "app pid=5"),
        ("alpha app[5]", r#"app host="alpha" pid=5"#),
        ("2 rows:", "2_rows"),
        ("a,1 app:", "a_1_app"),
    ] {
        let made = of(&format!("Mar  4 05:06:07 {names} x: y"));
        let repaired =
            if event.contains("_") && made.contains("repaired") { " repaired=\"tag\"" } else { "" };
        assert_eq!(made, format!("{event} sent=\"Mar  4 05:06:07\"{repaired} | x: y"), "{names}");
    }
    // With a process id, the time may be missing.
    assert_eq!(of("alpha app[5]: x"), r#"app host="alpha" pid=5 | x"#);
}

#[test]
fn free_text_with_a_colon_stays_message() {
    for text in [
        "could not open the file: gone",
        "no such user: anna",
        "GET /a?b=c: 404",
        "http://x.example/ is away",
        "the result was: 5",
        "[warn] disk: 99%",
        "{\"level\": info}",
        "\"quoted\": x",
        "<html>: x",
        "retry in 5 s: timeout",
    ] {
        assert_eq!(of(text), format!("- | {text}"), "{text}");
        let after_time = of(&format!("Mar  4 05:06:07 {text}"));
        assert_eq!(after_time, format!("- sent=\"Mar  4 05:06:07\" | {text}"), "{text}");
    }
}

#[test]
fn senders_time_is_kept() {
    for time in [
        "Mar  4 05:06:07",
        "Mar 4 05:06:07",
        "Mar 14 05:06:07.25",
        "Mar 14 2026 05:06:07",
        "2026 Mar 14 05:06:07",
        "Sat Mar 14 05:06:07 2026",
        "Mar 14 05:06:07.123 UTC",
        "2026-03-14T05:06:07Z",
        "2026-03-14T05:06:07.123456+01:00",
        "2026-03-14T05:06:07.123",
        "2026-03-14 05:06:07",
        "2026-03-14 05:06:07,123",
        "2026-03-14T05:06:07+0100",
    ] {
        for (before, after) in [("", " "), (" ", " "), ("", ": ")] {
            let message = format!("{before}{time}{after}alpha app[3]: x");
            let event = format!(r#"app host="alpha" pid=3 sent="{time}" | x"#);
            assert_eq!(of(&message), event, "{message:?}");
        }
        assert_eq!(of(&format!("{time} x")), format!("- sent=\"{time}\" | x"));
    }
}

#[test]
fn blanks_after_the_priority_belong_to_no_text() {
    for (message, event) in [
        (" hello", "- | hello"),
        (" app: hello", "app | hello"),
        ("  app[5]: hello", "app pid=5 | hello"),
        ("\u{feff}app: hello", "app | hello"),
        (" 1 - - app - - - hello", "app | hello"),
    ] {
        assert_eq!(of(message), event, "{message:?}");
    }
}

#[test]
fn mistakes_in_rfc_5424_cost_only_themselves() {
    let time = "2026-03-14T05:06:07Z";
    for (message, event) in [
        // No structured data, no message id, no process id.
        (
            "T alpha app 12 id hello world",
            r#"app host="alpha" pid=12 msgid="id" sent=T ! | hello world"#,
        ),
        ("T alpha app - - hello world", r#"app host="alpha" sent=T ! | hello world"#),
        ("T alpha app hello big world", r#"app host="alpha" sent=T ! | hello big world"#),
        ("T alpha app hello", r#"app host="alpha" sent=T ! | hello"#),
        ("T alpha app", r#"app host="alpha" sent=T ! | "#),
        ("T alpha app - -", r#"app host="alpha" sent=T ! | "#),
        // The tag of RFC 3164.
        ("T alpha app: hello", r#"app host="alpha" sent=T ! | hello"#),
        ("T alpha app[12]: hello", r#"app host="alpha" pid=12 sent=T ! | hello"#),
        ("T app: hello", "app sent=T ! | hello"),
        // Spaces.
        ("T  alpha  app - - - hello", r#"app host="alpha" sent=T ! | hello"#),
        ("T alpha app - -  - hello", r#"app host="alpha" sent=T ! | hello"#),
        ("T alpha app - - -hello", r#"app host="alpha" sent=T ! | hello"#),
        // Structured data.
        ("T alpha app - - [x@1 a=\"b\"]hello", r#"app host="alpha" sent=T a="b" ! | hello"#),
        ("T alpha app - - [] hello", r#"app host="alpha" sent=T | hello"#),
        ("T alpha app - - [x@1 ] hello", r#"app host="alpha" sent=T | hello"#),
        (
            "T alpha app - - [x@1 a=b c=204] hello",
            r#"app host="alpha" sent=T a="b" c="204" | hello"#,
        ),
        ("T alpha app - - [x@1 a=b\"] hello", "app host=\"alpha\" sent=T ! | [x@1 a=b\"] hello"),
        ("T alpha app - - [x@1 a=] hello", "app host=\"alpha\" sent=T ! | [x@1 a=] hello"),
        ("T alpha app - - [x@1 a=\"b] hello", "app host=\"alpha\" sent=T ! | [x@1 a=\"b] hello"),
        ("T alpha app 7 - [x", r#"app host="alpha" pid=7 sent=T ! | [x"#),
    ] {
        let message = format!("1 {}", message.replace('T', time));
        let event = event.replace('T', &format!("{time:?}")).replace('!', "repaired=\"header\"");
        assert_eq!(of(&message), event, "{message}");
    }
    // Times that RFC 3339 does not know.
    for time in ["2026-03-14T05:06:07", "2026-03-14T05:06:07,5", "2026-03-14T05:06:07+0100"] {
        let event = format!(r#"app host="alpha" sent="{time}" repaired="header" | hello"#);
        assert_eq!(of(&format!("1 {time} alpha app - - - hello")), event);
    }
    // Text that begins with a number is no header.
    for text in ["1 today - - - - - m", "1 - 2 files are gone", "1 -", "1 ", "1 file of 5 is done"]
    {
        assert_eq!(of(text), format!("- | {text}"), "{text}");
    }
}

#[test]
fn repeated_parameters_are_numbered_by_themselves() {
    for (data, fields) in [
        (r#"[a@1 x="1" x="2" x="3"]"#, r#"x="1" x.2="2" x.3="3""#),
        (r#"[a@1 x="1" y="1"][b@1 y="2" x="2"]"#, r#"x="1" y="1" y.2="2" x.2="2""#),
        (r#"[a@1 k="0" l="0" m="0" x="1"][b@1 x="2"]"#, r#"k="0" l="0" m="0" x="1" x.2="2""#),
    ] {
        let event = format!("app {fields} repaired=\"fields\" | m");
        assert_eq!(of(&format!("1 - - app - - {data} m")), event, "{data}");
    }
}

#[test]
fn lines_of_a_message_keep_its_header() {
    let lines =
        "<139>Mar  4 05:06:07 alpha shop[12]: boom\n  at f()\n  at g()\n<14>other: x\nmore\n";
    let header = r#"facility="local1" host="alpha" pid=12"#;
    assert_eq!(
        shown(lines.as_bytes()),
        [
            format!("err shop {header} sent=\"Mar  4 05:06:07\" | boom"),
            format!("err shop {header} |   at f()"),
            format!("err shop {header} |   at g()"),
            "info other | x".into(),
            "info other | more".into(),
        ]
    );
    let structured = "<139>1 2026-03-14T05:06:07Z alpha shop 12 - - boom\nat f()\n";
    assert_eq!(shown(structured.as_bytes())[1], format!("err shop {header} | at f()"));
}

#[test]
fn a_message_framed_by_nul_or_count_is_one_event() {
    for (bytes, messages) in [
        ("<14>a: 1\n2\n3\0", &["1\n2\n3"][..]),
        ("<14>a: 1\n2\0<14>b: 3\n4\0", &["1\n2", "3\n4"]),
        ("<14>a: 1\0<14>b: 3\n4\0", &["1", "3\n4"]),
        ("<14>a: 1\0<14>b: 3\n\n4\n\0", &["1", "3\n\n4"]),
        ("<14>a: 1\r\n2\r\n\0", &["1\r\n2"]),
        // A sender that turns to lines, or ends.
        ("<14>a: 1\0<14>b: 2\n<14>c: 3\n", &["1", "2", "3"]),
        ("<14>a: 1\0<14>b: 2\n3", &["1", "2\n3"]),
        // Lines, and a NUL after one of them.
        ("<14>a: 1\n<14>b: 2\0", &["1", "2"]),
        ("<14>a: 1\n<14>b: 2\0<14>c: 3\n4\0", &["1", "2", "3\n4"]),
        ("15 <14>a: 1\n2\n3\n4x<14>b: 5\n", &["1\n2\n3\n4x", "5"]),
    ] {
        let made: Vec<String> =
            drafts(bytes.as_bytes()).iter().map(|d| d.msg.to_string()).collect();
        assert_eq!(made, messages, "{bytes:?}");
    }
    // If the NUL comes later, the lines keep the header.
    let split = drafts_in(&[b"<139>a[7]: 1\n", b"2\0"]);
    let shown: Vec<String> = split.iter().map(show).collect();
    assert_eq!(
        shown,
        [r#"err a facility="local1" pid=7 | 1"#, r#"err a facility="local1" pid=7 | 2"#]
    );
}

#[test]
fn a_message_that_never_ends_is_bounded() {
    for break_every in [usize::MAX, 7] {
        let mut bytes = b"<14>a: 1\0<14>b: ".to_vec();
        for at in 0..3 * DRAFT_MAX {
            bytes.push(if at % break_every == 6 { b'\n' } else { b'x' });
        }
        let made = drafts(&bytes);
        let text = &made[1];
        assert!(text.msg.len() < DRAFT_MAX && text.msg.len() > DRAFT_MAX - 8, "{}", text.msg.len());
        assert_eq!(text.fields[0].value, Value::Text("cut".into()));
    }
}

#[test]
fn reads_a_message_that_is_an_object() {
    for (bytes, event) in [
        (
            r#"<190>Nov  2 17:48:17 vm nginx: {"msg":"GET /","status":200,"took":0.004,"user":"anna"}"#,
            r#"info nginx took:0.004 sent="Nov  2 17:48:17" facility="local7" status=200 user="anna" | GET /"#,
        ),
        // The mark of CEE.
        (r#"<13>shop[7]: @cee: {"msg":"x","a":"b: c"}"#, r#"notice shop pid=7 a="b: c" | x"#),
        (r#"<13>shop: @cee:{"msg":"x"}"#, "notice shop | x"),
        (r#"<14>{"msg":"x"}"#, "info - | x"),
        // The object's level and time take precedence, and the header's tag.
        (
            r#"<14>Nov  2 17:48:17 vm shop[7]: {"level":"warn","tag":"sudo","logger":"a","time":5,"msg":"x"}"#,
            r#"warning shop sent=5 pid=7 logger="a" tag="sudo" | x"#,
        ),
        (r#"<14>{"tag":"shop.login","msg":"x"}"#, "info shop.login | x"),
        (r#"<11>shop: {"level":"odd","msg":"x"}"#, r#"err shop level="odd" repaired="level" | x"#),
        // Repairs of both.
        (
            r#"<14>Nov  2 17:48:17 vm we ird: {"pid":1,"facility":"x","seq":2,"repaired":3,"msg":"x"}"#,
            r#"info we_ird sent="Nov  2 17:48:17" pid=1 facility="x" seq=2 repaired.2=3 repaired="tag claim" | x"#,
        ),
        (
            r#"<14>1 - - a 7 - [x@1 took="40ms" k="v"] {"pid":1,"k":"w","msg":"x"}"#,
            r#"info a took:0.04 pid=7 k="v" pid.2=1 k.2="w" repaired="fields" | x"#,
        ),
        // No objects.
        (r#"<14>shop: {"msg":"x"} y"#, r#"info shop | {"msg":"x"} y"#),
        (r#"<14>shop: {user} logged in"#, "info shop | {user} logged in"),
        (r#"<14>shop: @cee: none"#, "info shop | @cee: none"),
        (r#"<14>shop: [1]"#, "info shop | [1]"),
    ] {
        assert_eq!(shown(bytes.as_bytes()), [event], "{bytes}");
    }
}

#[test]
fn the_fields_of_a_header_and_an_object_are_bounded() {
    let parameters: String = (0..FIELDS_MAX).map(|n| format!(" h{n}=\"v\"")).collect();
    let members: String = (0..FIELDS_MAX).map(|n| format!(",\"o{n}\":{n}")).collect();
    let bytes = format!("<14>1 - - a - - [x@1{parameters}] {{\"msg\":\"x\"{members}}}");
    let draft = &drafts(bytes.as_bytes())[0];
    assert_eq!((&*draft.msg, draft.fields.len()), ("x", FIELDS_MAX));
    let value = |at: usize| match &draft.fields[at].value {
        Value::Text(text) => text.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!((value(0).as_str(), value(FIELDS_MAX - 1).as_str()), ("v", "fields"));
    let more: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&value(FIELDS_MAX - 2)).expect("JSON");
    assert!(more.contains_key("o0") && more.contains_key(&format!("o{}", FIELDS_MAX - 1)));
    // A header whose own fields are too many keeps the object as text.
    let parameters = format!("{parameters} h{FIELDS_MAX}=\"{}\"", "\\a".repeat(DRAFT_MAX / 3));
    let bytes = format!("<14>1 - - a - - [x@1{parameters}] {{\"msg\":\"x\"{members}}}");
    assert!(bytes.len() < DRAFT_MAX);
    let draft = &drafts(bytes.as_bytes())[0];
    assert!(draft.msg.starts_with("{\"msg\""), "{:.100}", draft.msg);
}

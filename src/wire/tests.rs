//! The protocol, byte by byte.

use proptest::prelude::*;

use super::*;
use crate::event::{DRAFT_MAX, Field, Level, Tag, Value, took};

/// The requests of a whole connection, each as text.
fn decoded(bytes: &[u8], pieces: usize) -> Vec<String> {
    let mut decoder = Decoder::new();
    let mut all = Vec::new();
    for piece in bytes.chunks(pieces.max(1)) {
        decoder.push(piece);
        drain(&mut decoder, &mut all);
        assert!(decoder.buffered() <= REQUEST_MAX + 64, "held: {}", decoder.buffered());
    }
    decoder.finish();
    drain(&mut decoder, &mut all);
    assert_eq!(decoder.buffered(), 0);
    all
}

fn drain(decoder: &mut Decoder, all: &mut Vec<String>) {
    while let Some(request) = decoder.next() {
        all.push(match request {
            Ok(request) => format!("{request:?}"),
            Err(refused) => format!("ERR {} {}", refused.code, refused.why),
        });
    }
}

fn one(line: &str) -> Result<String, Refused> {
    let mut decoder = Decoder::new();
    decoder.push(line.as_bytes());
    decoder.push(b"\n");
    decoder.next().expect("a request").map(|request| format!("{request:?}"))
}

fn sent(line: &str) -> Draft<'static> {
    let mut decoder = Decoder::new();
    decoder.push(format!("{line}\n").as_bytes());
    match decoder.next() {
        Some(Ok(Request::Send(draft))) => Draft {
            tag: draft.tag.map(Tag::into_owned),
            msg: draft.msg.into_owned().into(),
            run: draft.run.map(|run| run.into_owned().into()),
            fields: draft.fields.iter().map(owned).collect(),
            ..Draft { level: draft.level, took: draft.took, ..Draft::default() }
        },
        other => panic!("{line:?} is {other:?}"),
    }
}

fn owned(field: &Field<'_>) -> Field<'static> {
    let value = match &field.value {
        Value::Text(text) => Value::Text(text.to_string().into()),
        Value::Number(digits) => Value::Number(digits.to_string().into()),
        Value::Bool(yes) => Value::Bool(*yes),
        Value::Null => Value::Null,
    };
    Field { name: field.name.to_string().into(), value }
}

fn refused(line: &str) -> (u8, String) {
    let refused = one(line).expect_err("refused");
    (refused.code.number(), refused.why)
}

#[test]
fn accepts_any_case_and_line_end() {
    let session =
        b"send  two spaces\r\nSend\nSEND \nsync\nSYNC Synced\r\n\n\r\nping\nStats\nhelp\nlink\n\
        auth abc\nTAIL\ntail level>=warning tag=a\nquit";
    let send = |msg: &'static str| {
        format!("{:?}", Request::Send(Draft { msg: msg.into(), ..Draft::default() }))
    };
    let mut expected = vec![send(" two spaces"), send(""), send("")];
    let plain = [
        "Sync(Stored)",
        "Sync(Synced)",
        "Ping",
        "Stats",
        "Help",
        "Link",
        "Auth(\"abc\")",
        "TailText(\"\")",
        "TailText(\"level>=warning tag=a\")",
        "Quit",
    ];
    expected.extend(plain.map(str::to_owned));
    assert_eq!(decoded(session, usize::MAX), expected);
}

#[test]
fn unknown_verbs_are_answered_with_the_known_ones() {
    let (code, why) = refused("FOO \u{1b}[31m bar");
    assert_eq!(code, 64);
    assert_eq!(
        why,
        "unknown verb \"FOO\": use SEND, SYNC, TAIL, VIEW, AUTH, PING, LINK, STATS, HELP or QUIT"
    );
    assert!(refused(&"x".repeat(5000)).1.len() < 200);
    for (line, code) in [("SYNC now", 64), ("PING x", 64), ("AUTH", 64), ("SENDx", 64), ("{}", 64)]
    {
        assert_eq!(refused(line).0, code, "{line:?}");
    }
}

#[test]
fn parses_every_key_of_a_draft() {
    let draft = sent(concat!(
        r#"SEND {"tag":"shop.query","level":"err","msg":"a\nb","run":"r 1","time":"yesterday","#,
        r#""fields":{"user":"1\u00e9","n":-1.50e3,"ok":true,"none":null,"took":"40ms"}}"#
    ));
    assert_eq!(draft.tag, Tag::new("shop.query").ok());
    assert_eq!(
        (draft.level, draft.msg.as_ref(), draft.run.as_deref()),
        (Level::Err, "a\nb", Some("r 1"))
    );
    assert_eq!(draft.took, Some(0.04));
    let field = |name: &'static str, value| Field { name: name.into(), value };
    assert_eq!(
        draft.fields,
        [
            field("sent", Value::Text("yesterday".into())),
            field("user", Value::Text("1é".into())),
            field("n", Value::Number("-1.50e3".into())),
            field("ok", Value::Bool(true)),
            field("none", Value::Null),
        ]
    );
    assert_eq!(sent(r#"send { "msg" : "x" } "#).msg, "x");
    assert_eq!(sent(r#"SEND {"fields":{"took":2}}"#).took, Some(2.0));
}

#[test]
fn rejects_bad_objects_by_name() {
    for (object, why) in [
        (r#"{"origin":{"uid":0},"msg":"x"}"#, "unknown key \"origin\""),
        (r#"{"seq":1}"#, "unknown key \"seq\""),
        (r#"{"msg":1}"#, "msg must be a string"),
        (r#"{"msg":"a","msg":"b"}"#, "key \"msg\" is given twice"),
        (r#"{"fields":[]}"#, "fields must be an object"),
        (r#"{"fields":{"a":{}}}"#, "field \"a\" is nested"),
        (r#"{"fields":{"a":1,"a":2}}"#, "field \"a\" is given twice"),
        (r#"{"time":"x","fields":{"sent":2}}"#, "field \"sent\" is given twice"),
        (r#"{"fields":{"_pid":1}}"#, "belong to the agent"),
        (r#"{"fields":{"took":"long"}}"#, "took is neither"),
        (r#"{"level":"loud"}"#, "unknown level \"loud\""),
        (r#"{"tag":"a b"}"#, "the tag has the character ' '"),
        (r#"{"run":""}"#, "run: use 1 to 64"),
        (r#"{"msg":"\ud800"}"#, "msg must be a string"),
        (r#"{"msg":"x"} y"#, "not a JSON object"),
        (r#"{"msg":"#, "not a JSON object"),
        ("{", "not a JSON object"),
    ] {
        let (code, told) = refused(&format!("SEND {object}"));
        assert_eq!(code, 65);
        assert!(told.contains(why), "{object}: {told}");
    }
    let number = format!(r#"SEND {{"fields":{{"n":1{}}}}}"#, "0".repeat(64));
    assert!(refused(&number).1.contains("a number of more than 64"));
    assert!(one(&number.replacen('0', "", 1)).is_ok());
}

#[test]
fn bounds_deep_and_wide_json() {
    let deep = format!("SEND {{\"fields\":{{\"a\":{}", "[".repeat(60_000));
    assert_eq!(refused(&deep).0, 65);
    let nested =
        format!("SEND {{\"fields\":{{\"a\":{}{}}}}}", "[".repeat(30_000), "]".repeat(30_000));
    assert!(refused(&nested).1.contains("nested"));
    let many = |n: usize| {
        let fields: Vec<String> = (0..n).map(|n| format!("\"f{n}\":{n}")).collect();
        format!("SEND {{\"fields\":{{{}}}}}", fields.join(","))
    };
    assert!(one(&many(64)).is_ok());
    assert!(refused(&many(65)).1.contains("more than 64 fields"));
    assert!(refused(&many(5000)).1.contains("more than 64 fields"));
}

#[test]
fn bounds_lines_and_skips_the_rest_of_a_long_one() {
    for (len, good) in [(DRAFT_MAX, true), (DRAFT_MAX + 1, false), (20 * DRAFT_MAX, false)] {
        let session = format!("SEND {}\r\nPING\n", "x".repeat(len));
        for pieces in [usize::MAX, 1 << 16, 1000] {
            let all = decoded(session.as_bytes(), pieces);
            assert_eq!(all.len(), 2, "{len} in pieces of {pieces}");
            assert_eq!(all[0].starts_with("Send"), good);
            assert_eq!(all[1], "Ping");
        }
    }
}

#[test]
fn continues_after_invalid_utf8() {
    let all = decoded(b"SEND a\xc3(b\nSEND \0nul\nPING\n", usize::MAX);
    assert_eq!(all[0], "ERR 65 the line is not valid UTF-8");
    assert!(all[1].contains("\\0nul"));
    assert_eq!(all[2], "Ping");
}

#[test]
fn skips_telnet_commands() {
    let session =
        b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0SEND a\xff\xfd\x03b\r\n\xff\xf1PING\r\n";
    for pieces in 1..session.len() {
        let all = decoded(session, pieces);
        assert_eq!(all.len(), 2);
        assert!(all[0].contains("\"ab\""), "{all:?}");
        assert_eq!(all[1], "Ping");
    }
}

#[test]
fn decodes_an_unfinished_line_at_the_end_but_not_after_an_abort() {
    for said in ["SEND half of i", "<13>app: half of i", "5 <1", "\u{1b}", ""] {
        let decoder = || {
            let mut decoder = Decoder::new();
            decoder.push(said.as_bytes());
            assert_eq!(decoder.next(), None, "{said}");
            decoder
        };
        let (mut ended, mut cut) = (decoder(), decoder());
        ended.finish();
        assert_eq!(ended.next().is_some(), !said.is_empty(), "{said}");
        cut.abort();
        assert!(cut.next().is_none() && cut.buffered() == 0, "{said}");
    }
}

#[test]
fn skips_all_but_events_where_no_reply_is_read() {
    let mut decoder = Decoder::new();
    decoder.push(b"PING\nSEND a\nHELP\nx\nSEND {\nsend b\nQUIT\n");
    assert_eq!(decoder.next(), Some(Ok(Request::Ping)));
    decoder.skip_requests();
    let mut all = Vec::new();
    drain(&mut decoder, &mut all);
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all.iter().all(|one| one.starts_with("Send") || one.starts_with("ERR 65")), "{all:?}");
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn bounds_telnet_commands_in_any_chunks() {
    // With IAC SB before and IAC SE after it, the decoder waits for at most 65 bytes.
    for (len, dialect) in [(61, "Send"), (62, "ERR 64 unknown verb")] {
        let session = [&b"\xff\xfa"[..], &vec![b'x'; len], b"\xff\xf0<13>t: m\n"].concat();
        for pieces in [1, 7, 65, 66, usize::MAX] {
            let all = decoded(&session, pieces);
            assert!(all.len() == 1 && all[0].starts_with(dialect), "{len} {pieces}: {all:?}");
        }
    }
}

#[test]
fn tails_round_trip() {
    let tail = Tail {
        after: "7f3a9c21-1042".parse().ok(),
        lines: Some(10),
        since: "2026-11-22T17:32:05Z".parse().ok(),
        until: None,
        matching: Some("msg=\"a b\"".into()),
        reverse: false,
        follow: true,
        rate: Some(200.try_into().expect("valid")),
        before: None,
    };
    for tail in [tail, Tail::default(), Tail { reverse: true, ..Tail::default() }] {
        let mut line = Vec::new();
        encode_tail(&tail, &mut line);
        let mut decoder = Decoder::new();
        decoder.push(&line);
        assert_eq!(decoder.next(), Some(Ok(Request::Tail(tail))));
    }
    for (object, why) in [
        (r#"{"aftr":"x"}"#, "unknown field `aftr`, expected one of `after`"),
        (r#"{"after":"x"}"#, "after: not a cursor"),
        (r#"{"since":"noon"}"#, "since: not an RFC 3339 time"),
        (r#"{"lines":-1}"#, "TAIL: "),
        (r#"{"follow":true,"reverse":true}"#, "cannot be combined with reverse"),
        (r#"{"follow":true,"until":"2026-11-22T17:32:05Z"}"#, "cannot be combined with until"),
    ] {
        let (code, told) = refused(&format!("TAIL {object}"));
        assert_eq!(code, 64);
        assert!(told.contains(why), "{object}: {told}");
    }
}

#[test]
fn views_round_trip() {
    let seconds = |seconds| std::time::Duration::from_secs_f64(seconds);
    for (name, matching, every) in [
        (RequestedView::Users, None, EVERY_DEFAULT),
        (RequestedView::Queries, Some("msg=\"a b\"".to_owned()), EVERY_MIN),
        (RequestedView::Running, None, EVERY_MAX),
        (RequestedView::Rates, None, seconds(2.5)),
    ] {
        let view = View { name, matching, every };
        let mut line = Vec::new();
        encode_view(&view, &mut line);
        let mut decoder = Decoder::new();
        decoder.push(&line);
        assert_eq!(decoder.next(), Some(Ok(Request::View(view))));
    }
    let view = View { name: RequestedView::Rates, matching: None, every: EVERY_DEFAULT };
    assert_eq!(one("view {\"name\":\"rates\"}"), Ok(format!("{:?}", Request::View(view))));
    assert!(one("VIEW {\"name\":\"rates\",\"every\":0.2}").is_ok());
    assert!(one("VIEW {\"name\":\"rates\",\"every\":60}").is_ok());
}

#[test]
fn rejects_bad_views() {
    let interval = "VIEW: every: use a number of seconds from 0.2 to 60";
    for (object, why) in [
        ("", "VIEW needs an object: VIEW {\"name\":\"users|queries|running|rates\"}"),
        ("users", "VIEW: expected"),
        ("{}", "VIEW: missing field `name`"),
        (
            r#"{"name":"user"}"#,
            "VIEW: name: unknown view \"user\": use users, queries, running, rates",
        ),
        (r#"{"name":"users","mtch":"x"}"#, "VIEW: unknown field `mtch`, expected one of `name`"),
        (r#"{"name":"users","every":"1s"}"#, "VIEW: invalid type"),
        (r#"{"name":"users","every":0.199}"#, interval),
        (r#"{"name":"users","every":60.001}"#, interval),
        (r#"{"name":"users","every":-1}"#, interval),
        (r#"{"name":"users","every":1e300}"#, interval),
        (r#"{"name":"users"} x"#, "VIEW: trailing characters"),
    ] {
        let (code, said) = refused(&format!("VIEW {object}"));
        assert!(code == 64 && said.starts_with(why), "{object}: {said}");
    }
}

#[test]
fn answers_round_trip_and_are_safe_for_a_terminal() {
    let mut bytes = Vec::new();
    let cursor: Cursor = "7f3a9c21-1042".parse().expect("valid");
    encode_ok(&cursor, &mut bytes);
    encode_err(Code::Data, "a\x1b[2J\nb\u{202e}é…", &mut bytes);
    encode_refused(Code::Denied, 3, &cursor, &mut bytes);
    encode_at(&cursor, &mut bytes);
    bytes.extend_from_slice(b"{\"seq\":1}\nhello\nERR 99 x\n");
    let mut answers = Answers::new();
    answers.push(&bytes);
    for expected in [
        Answer::Ok("7f3a9c21-1042"),
        Answer::Err { code: Code::Data, why: "a\\u{1b}[2J\\u{a}b\\u{202e}é…" },
        Answer::Err { code: Code::Denied, why: "3 refused, rest stored at 7f3a9c21-1042" },
        Answer::At(cursor),
        Answer::Line("{\"seq\":1}"),
        Answer::Text("hello"),
        Answer::Text("ERR 99 x"),
    ] {
        assert_eq!(answers.next(), Some(Ok(expected)));
    }
    assert_eq!(answers.next(), None);
    answers.push(&vec![b'x'; crate::event::LINE_MAX + 2 * WHY_MAX]);
    assert_eq!(answers.next(), Some(Err(BadAnswer::TooLong)));
    for (more, good) in [(0, true), (1, false)] {
        let line = "x".repeat(crate::event::LINE_MAX + WHY_MAX + more) + "\n";
        for pieces in [usize::MAX, 1 << 16] {
            let mut answers = Answers::new();
            line.as_bytes().chunks(pieces).for_each(|piece| answers.push(piece));
            assert_eq!(answers.next().map(|answer| answer.is_ok()), Some(good));
        }
    }
    let mut long = Vec::new();
    encode_err(Code::Data, &"x".repeat(10 * WHY_MAX), &mut long);
    assert!(long.len() < WHY_MAX + 20);
}

#[test]
fn help_lists_every_verb() {
    for verb in VERBS {
        assert!(help().contains(verb.name) && help().contains(verb.about));
    }
}

#[test]
fn durations_round_trip() {
    for seconds in [0.0, 5e-324, 1e-70, 0.04, 2.0, 1.0 / 3.0, took::SECONDS_MAX] {
        let draft = Draft { took: Some(seconds), ..Draft::default() };
        let mut line = Vec::new();
        encode_send(&draft, &mut line);
        let mut decoder = Decoder::new();
        decoder.push(&line);
        assert_eq!(decoder.next(), Some(Ok(Request::Send(draft))));
    }
}

fn any_draft() -> impl Strategy<Value = Draft<'static>> {
    let value = prop_oneof![
        "\\PC{0,8}".prop_map(|t| Value::Text(t.into())),
        any::<i64>().prop_map(|n| Value::Number(n.to_string().into())),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    let fields = prop::collection::btree_map("[a-s][a-z_.-]{0,8}", value, 0..4);
    let text = "\\PC{0,30}|[{\\r\\n\"\\\\ a\\x00-\\x1f]{0,12}";
    (
        prop::option::of("[a-z]{1,5}(\\.[a-z]{1,5})?"),
        0u8..8,
        text,
        prop::option::of("\\PC{1,9}"),
        prop::option::of(0u32..9000),
        fields,
    )
        .prop_map(|(tag, level, msg, run, took, fields)| Draft {
            tag: tag.map(|tag| Tag::new(tag).expect("a tag")),
            level: Level::from_severity(level),
            msg: msg.into(),
            run: run.map(Into::into),
            took: took.map(|ms| f64::from(ms) / 1000.0),
            fields: fields
                .into_iter()
                .map(|(name, value)| Field { name: name.into(), value })
                .collect(),
        })
}

proptest! {
    #[test]
    fn drafts_round_trip(draft in any_draft()) {
        let mut line = Vec::new();
        encode_send(&draft, &mut line);
        let mut decoder = Decoder::new();
        decoder.push(&line);
        prop_assert_eq!(decoder.next(), Some(Ok(Request::Send(draft))));
    }

    #[test]
    fn chunk_boundaries_do_not_matter(
        bytes in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            Just(b"SEND hello\n".to_vec()),
            Just(b"SEND {\"msg\":\"x\"}\r\n".to_vec()),
            Just(b"PING\n".to_vec()),
            Just(vec![0xff, 0xfb, 0x01]),
        ], 0..12),
        pieces in 1usize..40,
    ) {
        let bytes = bytes.concat();
        // The syslog dialect has its own tests.
        prop_assume!(!bytes.first().is_some_and(|b| *b == b'<' || b.is_ascii_digit() || *b == 0xff));
        prop_assert_eq!(decoded(&bytes, pieces), decoded(&bytes, usize::MAX));
    }
}

//! The protocol, byte by byte.

use proptest::prelude::*;

use super::*;
use crate::event::{DRAFT_MAX, Field, Level, Tag, Value, duration};

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

pub(super) fn sent(line: &str) -> Draft<'static> {
    let mut decoder = Decoder::new();
    decoder.push(format!("{line}\n").as_bytes());
    match decoder.next() {
        Some(Ok(Request::Send(draft))) => draft.into_owned(),
        other => panic!("{line:?} is {other:?}"),
    }
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
    for (line, code) in [("SYNC now", 64), ("PING x", 64), ("AUTH", 64), ("SENDx", 64)] {
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

/// The length of the message, if the debug text is that of a SEND.
fn length(request: &str) -> Option<usize> {
    let msg = request.strip_prefix("Send(")?.split_once("msg: \"")?.1.split_once('"')?.0;
    Some(msg.len())
}

#[test]
fn cuts_long_lines_and_skips_their_rest() {
    for (len, cut) in [(DRAFT_MAX, false), (DRAFT_MAX + 1, true), (20 * DRAFT_MAX, true)] {
        for end in ["\n", "\r\n"] {
            let session = format!("SEND {}{end}PING\n", "x".repeat(len));
            for pieces in [usize::MAX, 1 << 16, 1000] {
                let all = decoded(session.as_bytes(), pieces);
                assert_eq!(all.len(), 2, "{len} in pieces of {pieces}");
                assert_eq!(length(&all[0]), Some(len.min(DRAFT_MAX)));
                assert_eq!(all[0].contains("repaired"), cut, "{len} in pieces of {pieces}");
                assert_eq!(all[1], "Ping");
            }
        }
    }
    // At the end of the input, and between characters.
    let text = format!("SEND {}", "\u{1f600}".repeat(DRAFT_MAX / 4 + 1));
    let all = decoded(text.as_bytes(), 1000);
    assert_eq!((all.len(), length(&all[0])), (1, Some(DRAFT_MAX)));
    // Requests other than events are refused.
    let all = decoded(format!("TAIL {}\nPING\n", "x".repeat(DRAFT_MAX + 1)).as_bytes(), 1000);
    assert_eq!(all, ["ERR 65 the request is longer than 65541 bytes", "Ping"]);
}

#[test]
fn repairs_invalid_utf8_of_events_only() {
    let all = decoded(
        b"SEND a\xc3(b\nS\xc3(ND\nSEND \0nul\nsend {\"msg\":\"\xfe\xfdx\"}\nPING\n",
        usize::MAX,
    );
    assert!(all[0].contains("a\u{fffd}(b") && all[0].contains("\"utf8\""), "{all:?}");
    assert_eq!(all[1], "ERR 65 the line is not valid UTF-8");
    assert!(all[2].contains("\\0nul") && !all[2].contains("repaired"));
    assert!(all[3].contains("x\"") && all[3].contains("\"utf8\""), "{all:?}");
    assert_eq!(all[4], "Ping");
}

#[test]
fn skips_what_stands_before_the_first_byte() {
    let blanks: [&[u8]; 8] = [
        b"\n",
        b"\r\n",
        b"\0",
        b" ",
        b"\t \n",
        b"\xef\xbb\xbf",
        b"\n\0\xef\xbb\xbf \r\n",
        b"\xff\xf1\n",
    ];
    for blank in blanks {
        for (first, shown) in [
            (&b"PING\n"[..], "Ping"),
            (b"<13>app: x\n", "tag: Some(Tag(\"app\"))"),
            (b"10 <13>app: x", "tag: Some(Tag(\"app\"))"),
            (b"{\"tag\":\"app\"}\n", "tag: Some(Tag(\"app\"))"),
        ] {
            let session = [blank, first].concat();
            for pieces in 1..=session.len() {
                let all = decoded(&session, pieces);
                assert!(all.len() == 1 && all[0].contains(shown), "{session:?} {pieces}: {all:?}");
                assert!(!all[0].contains("repaired"), "{all:?}");
            }
        }
    }
    // Nothing else, or the beginning of a mark that is none.
    assert_eq!(decoded(b"\n\r\n\0  \n", 1), [""; 0]);
    assert_eq!(decoded(b"\xef\xbb\n", 1), ["ERR 65 the line is not valid UTF-8"]);
}

#[test]
fn a_brace_begins_json_lines() {
    let session = concat!(
        "{\"msg\":\"a\"}\r\n\n{\"msg\":\"b\"}\0  \r\n\u{feff}{\"msg\":\"c\"}\n \t{\"msg\":\"d\"}\n",
        "QUIT\nSEND x\n<13>y\n{\"msg\":\"e\"}\n{user} logged in\n{\"msg\":\"f\"}"
    );
    let expected = ["a", "b", "c", "d", "QUIT", "SEND x", "<13>y", "e", "{user} logged in", "f"];
    for pieces in 1..=session.len() {
        let mut decoder = Decoder::new();
        let mut all = Vec::new();
        for piece in session.as_bytes().chunks(pieces) {
            decoder.push(piece);
            while let Some(Ok(Request::Send(draft))) = decoder.next() {
                all.push(draft.into_owned());
            }
        }
        assert!(!decoder.is_answered() && !decoder.is_syslog());
        decoder.finish();
        while let Some(Ok(Request::Send(draft))) = decoder.next() {
            all.push(draft.into_owned());
        }
        let messages: Vec<&str> = all.iter().map(|draft| &*draft.msg).collect();
        assert_eq!(messages, expected, "{pieces}");
        let repaired: Vec<bool> = all.iter().map(|draft| !draft.fields.is_empty()).collect();
        assert_eq!(repaired, [0, 0, 0, 0, 1, 1, 1, 0, 1, 0].map(|repaired| repaired == 1));
    }
    let long = format!("{{\"msg\":\"{}\"}}\n{{\"msg\":\"next\"}}\n", "x".repeat(2 * DRAFT_MAX));
    for pieces in [usize::MAX, 1000] {
        let all = decoded(long.as_bytes(), pieces);
        assert_eq!((all.len(), length(&all[1])), (2, Some(4)));
        assert!(length(&all[0]) > Some(DRAFT_MAX - 100) && all[0].contains("\"cut\""));
    }
    let invalid = decoded(b"{\"msg\":\"\xff\"}\n", 3);
    assert!(invalid[0].contains("\u{fffd}") && invalid[0].contains("utf8"), "{invalid:?}");
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
    assert!(all.iter().all(|one| one.starts_with("Send")), "{all:?}");
    assert_eq!(decoder.buffered(), 0);
    // The rest of a long request is none of its own.
    for piece in [&*vec![b'x'; REQUEST_MAX + 1], b"SEND c\nSEND d\n"] {
        decoder.push(piece);
        drain(&mut decoder, &mut all);
    }
    assert_eq!(all.len(), 4, "{all:?}");
    decoder.push(b"SEND {\"tag\":\"a\"");
    decoder.finish();
    drain(&mut decoder, &mut all);
    assert_eq!(all.len(), 5, "{all:?}");
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
        host: Some("web*".into()),
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
        (r#"{"aftr":"x"}"#, "unknown field `aftr`, expected one of `host`, `after`"),
        (r#"{"after":"x"}"#, "after: not a cursor"),
        (r#"{"host":"*","reverse":true}"#, "all hosts cannot be read in reverse"),
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
    for seconds in [0.0, 5e-324, 1e-70, 0.04, 2.0, 1.0 / 3.0, duration::SECONDS_MAX] {
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
            Just(b"{\"msg\":\"x\"}\r\n".to_vec()),
            Just(b"\xef\xbb\xbf".to_vec()),
            Just(b"PING\n".to_vec()),
            Just(vec![0xff, 0xfb, 0x01]),
        ], 0..12),
        pieces in 1usize..40,
    ) {
        let bytes = bytes.concat();
        // The syslog dialect has its own tests.
        let first = bytes.iter().find(|b| !b" \t\r\n\0\xef\xbb\xbf\xff".contains(b));
        prop_assume!(!first.is_some_and(|b| *b == b'<' || b.is_ascii_digit()));
        prop_assert_eq!(decoded(&bytes, pieces), decoded(&bytes, usize::MAX));
    }
}

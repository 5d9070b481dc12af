//! Messages of logger, of other programs, and malformed ones.

mod headers;

use proptest::prelude::*;

use super::Syslog;
use crate::event::{
    Batch, DRAFT_MAX, Draft, FIELDS_MAX, LINE_MAX, Level, TAG_MAX, Value, check_field_name,
};

/// The drafts of a connection whose bytes arrive in these pieces.
fn drafts_in(pieces: &[&[u8]]) -> Vec<Draft<'static>> {
    let mut syslog = Syslog::with_host("vm".into());
    let (mut held, mut drafts) = (Vec::new(), Vec::new());
    for (number, piece) in pieces.iter().enumerate() {
        held.extend_from_slice(piece);
        let at_end = number + 1 == pieces.len();
        loop {
            let taken = syslog.next(&held, at_end);
            let consumed = taken.consumed;
            assert!(consumed <= held.len());
            if let Some(draft) = taken.draft {
                assert!(consumed > 0, "a message consumes bytes");
                drafts.push(draft.into_owned());
            }
            if consumed == 0 {
                break;
            }
            held.drain(..consumed);
        }
        assert!(held.len() < DRAFT_MAX + 64, "{} bytes wait for more", held.len());
    }
    assert!(held.is_empty(), "{} bytes are left at the end", held.len());
    drafts
}

fn drafts(bytes: &[u8]) -> Vec<Draft<'static>> {
    drafts_in(&[bytes])
}

/// A draft in one line: `level tag {fields} message`.
fn show(draft: &Draft<'_>) -> String {
    let tag = draft.tag.as_ref().map_or("-", |tag| tag.as_str());
    let took = draft.took.map(|seconds| format!("took:{seconds} ")).unwrap_or_default();
    let value = |value: &Value<'_>| match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Number(digits) => digits.to_string(),
        other => panic!("{other:?}"),
    };
    let field = |f: &crate::event::Field<'_>| format!("{}={} ", f.name, value(&f.value));
    let fields: String = draft.fields.iter().map(field).collect();
    format!("{} {tag} {took}{fields}| {}", draft.level, draft.msg)
}

fn shown(bytes: &[u8]) -> Vec<String> {
    drafts(bytes).iter().map(show).collect()
}

/// Bytes that logger of util-linux 2.38.1 sent to a stream socket, on a machine named vm.
#[test]
fn decodes_logger() {
    for (bytes, event) in [
        ("<13>Nov 23 21:29:43 root: hello\n", "notice root sent=\"Nov 23 21:29:43\" | hello"),
        (
            "<13>Nov 23 21:29:43 a,b c: hello\n",
            r#"notice a_b_c sent="Nov 23 21:29:43" repaired="tag" | hello"#,
        ),
        (
            "<13>Nov 23 21:29:43 a b[5]: hello\n",
            r#"notice b host="a" pid=5 sent="Nov 23 21:29:43" | hello"#,
        ),
        (
            "<13>Nov 23 21:29:43 root[26168]: hello\n",
            "notice root pid=26168 sent=\"Nov 23 21:29:43\" | hello",
        ),
        (
            "<131>Nov 23 21:29:43 x[5]: a: b\n",
            r#"err x facility="local0" pid=5 sent="Nov 23 21:29:43" | a: b"#,
        ),
        ("<11>Nov 23 21:29:43 root: k\n", "err root sent=\"Nov 23 21:29:43\" | k"),
        (
            "<85>Nov 23 21:29:43 root: k\n",
            r#"notice root facility="authpriv" sent="Nov 23 21:29:43" | k"#,
        ),
        ("<13>Nov 23 21:29:43 a:b: hello\n", "notice a:b sent=\"Nov 23 21:29:43\" | hello"),
        (
            "<13>Nov 23 21:29:43 a[b: hello\n",
            r#"notice a_b sent="Nov 23 21:29:43" repaired="tag" | hello"#,
        ),
        ("<13>Nov 23 21:29:43 root: \n", "notice root sent=\"Nov 23 21:29:43\" | "),
        // --rfc3164
        ("<13>Nov 23 21:29:43 vm root: hello\n", "notice root sent=\"Nov 23 21:29:43\" | hello"),
        (
            "<13>Nov 23 21:29:43 vm app[5]: q 40ms\n",
            "notice app pid=5 sent=\"Nov 23 21:29:43\" | q 40ms",
        ),
        // --rfc5424, then without time, without timeQuality, without host
        (
            "<13>1 2026-11-23T21:29:43.186451+00:00 vm root - - [timeQuality tzKnown=\"1\" \
             isSynced=\"0\"] hello\n",
            r#"notice root sent="2026-11-23T21:29:43.186451+00:00" | hello"#,
        ),
        ("<13>1 - vm root - - - hello\n", "notice root | hello"),
        (
            "<13>1 2026-11-23T21:29:43.189495+00:00 vm root - - - hello\n",
            r#"notice root sent="2026-11-23T21:29:43.189495+00:00" | hello"#,
        ),
        (
            "<13>1 - vm root 7 MID [timeQuality tzKnown=\"1\" isSynced=\"0\"]\
             [a@1 x=\"y \\\"q\\\" \\] z\"] hello\n",
            r#"notice root pid=7 msgid="MID" x="y \"q\" ] z" | hello"#,
        ),
        // --octet-count
        ("31 <13>Nov 23 21:29:43 root: hello", "notice root sent=\"Nov 23 21:29:43\" | hello"),
        (
            "36 <13>Nov 23 21:29:43 root: multi\nline",
            "notice root sent=\"Nov 23 21:29:43\" | multi\nline",
        ),
    ] {
        assert_eq!(shown(bytes.as_bytes()), [event], "{bytes:?}");
    }
}

#[test]
fn decodes_consecutive_messages_of_logger() {
    let counted = "29 <13>Nov 23 21:29:43 root: one29 <13>Nov 23 21:29:43 root: two\
                   26 <13>Nov 23 21:29:43 root: 31 <13>Nov 23 21:29:43 root: three";
    let ended = "<13>Nov 23 21:29:43 root: one\n<13>Nov 23 21:29:43 root: two\n\
                 <13>Nov 23 21:29:43 root: \n<13>Nov 23 21:29:43 root: three\n";
    let all = ["one", "two", "", "three"]
        .map(|msg| format!("notice root sent=\"Nov 23 21:29:43\" | {msg}"));
    assert_eq!(shown(counted.as_bytes()), all);
    assert_eq!(shown(ended.as_bytes()), all);
}

#[test]
fn decodes_other_programs() {
    for (bytes, event) in [
        (
            "<134>Nov 22 17:48:17 myapp[123]: query took 40ms",
            r#"info myapp facility="local0" pid=123 sent="Nov 22 17:48:17" | query took 40ms"#,
        ),
        (
            "<14>Nov  2 17:48:17 web1 myapp: x",
            r#"info myapp host="web1" sent="Nov  2 17:48:17" | x"#,
        ),
        (
            "<14>Nov  2 17:48:17 10.0.0.9 myapp: x",
            r#"info myapp host="10.0.0.9" sent="Nov  2 17:48:17" | x"#,
        ),
        (
            "<14>Nov  2 17:48:17 a.example.com myapp[7]: x",
            r#"info myapp host="a.example.com" pid=7 sent="Nov  2 17:48:17" | x"#,
        ),
        (
            "<14>Nov  2 17:48:17 mailhost sshd[7]: x",
            r#"info sshd host="mailhost" pid=7 sent="Nov  2 17:48:17" | x"#,
        ),
        (
            "<14>Nov  2 17:48:17 web1 we ird: x",
            r#"info we_ird host="web1" sent="Nov  2 17:48:17" repaired="tag" | x"#,
        ),
        (
            "<14>2026-11-22T17:48:17.1+01:00 web1 myapp: x",
            r#"info myapp host="web1" sent="2026-11-22T17:48:17.1+01:00" | x"#,
        ),
        ("<14>myapp: x", "info myapp | x"),
        ("<14>myapp[12a]: x", r#"info myapp pid="12a" | x"#),
        ("<14>myapp[]: x", "info myapp | x"),
        ("<14>myapp[007]: x", r#"info myapp pid="007" | x"#),
        ("<14>myapp:", "info myapp | "),
        ("<14>my\u{e9}app:  x ", "info my_app repaired=\"tag\" |  x "),
        ("<14>..: x", "info _ repaired=\"tag\" | x"),
        ("<14>", "info - | "),
        // Without a tag.
        ("<14>hello world", "info - | hello world"),
        ("<14>hello", "info - | hello"),
        ("<14>could not open: gone", "info - | could not open: gone"),
        ("<14>http://x/ is away", "info - | http://x/ is away"),
        ("<14>: x", "info - | : x"),
        ("<14> x: y", "info x | y"),
        ("<14>[x]: y", "info - | [x]: y"),
        ("<14>{\"msg\": x}", "info - | {\"msg\": x}"),
        ("<14>SEND {\"msg\":1}", "info - | SEND {\"msg\":1}"),
        (
            "<14>Nov  2 17:48:17 it could not be opened: x",
            "info - sent=\"Nov  2 17:48:17\" | it could not be opened: x",
        ),
        ("<14>Nox  2 17:48:17 x: y", "info - | Nox  2 17:48:17 x: y"),
    ] {
        assert_eq!(shown(bytes.as_bytes()), [event], "{bytes:?}");
    }
}

#[test]
fn decodes_rfc5424_or_falls_back_to_text() {
    for (bytes, event) in [
        (
            "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 9 ID47 \
             [exampleSDID@32473 iut=\"3\" eventSource=\"Application\"][x@1][y@1 iut=\"4\"] \u{feff}An event",
            "notice evntslog facility=\"local4\" host=\"mymachine.example.com\" pid=9 msgid=\"ID47\" \
             sent=\"2003-10-11T22:14:15.003Z\" iut=\"3\" eventSource=\"Application\" iut.2=\"4\" \
             repaired=\"fields\" | An event",
        ),
        ("<14>1 - - - - - -", "info - | "),
        ("<14>1 - - - - - - ", "info - | "),
        (
            "<14>1 - - a - - [x@1 took=\"40ms\" _k=\"\\n\\\\\"] m",
            "info a took:0.04 k=\"\\\\n\\\\\" repaired=\"fields\" | m",
        ),
        ("<14>1 - - a - - [x@1 took=\"long\"] m", "info a took=\"long\" | m"),
        ("<14>1 - - a@b - - - m", "info a_b repaired=\"tag\" | m"),
        ("<14>1 today - - - - - m", "info - | 1 today - - - - - m"),
        ("<14>1 - 2 files - are gone", "info - | 1 - 2 files - are gone"),
        ("<14>2 - - - - - - m", "info - | 2 - - - - - - m"),
        ("<14>1 -", "info - | 1 -"),
    ] {
        assert_eq!(shown(bytes.as_bytes()), [event], "{bytes:?}");
    }
}

#[test]
fn splits_lines_and_inherits_the_priority() {
    let bytes = b"<11>a: 0\n<11>a: 1\r\nSYNC\n\n\r\n\0<192>x\0<14>2\nQUIT\r\0{\"tag\":\"b\"}";
    let events = [
        "err a | 0",
        "err a | 1",
        "err a | SYNC",
        "err a | <192>x",
        "info - | 2",
        "info - | QUIT\r",
        "info - | {\"tag\":\"b\"}",
    ];
    assert_eq!(shown(bytes), events);
    assert_eq!(shown(b"5 apples\n"), ["info - | 5 apples"]);
    assert_eq!(shown(b""), [""; 0]);
    assert_eq!(shown(b"\r\n\r"), [""; 0]);
}

#[test]
fn wrong_octet_counts_are_text() {
    for text in [
        "5 apples",
        "12",
        "12 ",
        "12 <",
        "12 <1",
        "12 <x>",
        "12 <192>x",
        "3 <13>x",
        "012 <13>x",
        "12  <13>x",
        "12345678 <13>x",
        "1048577 <13>x",
        "99999999999999999999999 <13>x",
    ] {
        assert_eq!(shown(text.as_bytes()), [format!("info - | {text}")]);
    }
    assert_eq!(shown(b"4 <13>5 <14>x\n"), ["notice - | ", "info - | x"]);
    assert_eq!(shown(b"6 <13>x\n6 <14>y\n"), ["notice - | x", "info - | y"], "the LF is counted");
    assert_eq!(shown(b"5 <13>x\n5 <14>y\n"), ["notice - | x", "info - | y"], "it is not");
    assert_eq!(shown(b"9 <13>x"), ["notice - repaired=\"cut\" | x"], "the end is missing");
}

#[test]
fn replaces_invalid_utf8() {
    let event = "notice root sent=\"Nov 23 21:29:43\" repaired=\"utf8\" | h\u{fffd}i";
    assert_eq!(shown(b"<13>Nov 23 21:29:43 root: h\xffi\n"), [event]);
    assert_eq!(shown(b"<13>a\xff: \xfe"), ["notice a_ repaired=\"utf8 tag\" | \u{fffd}"]);
    assert_eq!(shown(b"\xff"), ["info - repaired=\"utf8\" | \u{fffd}"]);
}

#[test]
fn truncates_at_the_bound() {
    let line = |len: usize| format!("<13>{}", "x".repeat(len - 4)).into_bytes();
    for end in ["\n", "\r\n", "\0", ""] {
        for (len, cut) in [(DRAFT_MAX, false), (DRAFT_MAX + 1, true), (3 * DRAFT_MAX, true)] {
            let mut bytes = line(len);
            bytes.extend_from_slice(end.as_bytes());
            let ended = !end.is_empty();
            if ended {
                bytes.extend_from_slice(b"<14>next");
            }
            let drafts = drafts(&bytes);
            assert_eq!(drafts[0].msg.len(), DRAFT_MAX - 4, "{len} {end:?}");
            assert_eq!(!drafts[0].fields.is_empty(), cut, "{len} {end:?}");
            assert_eq!(drafts.len(), 1 + usize::from(ended), "{len} {end:?}");
        }
    }
    for (len, cut) in [(DRAFT_MAX, false), (DRAFT_MAX + 1, true), (1024 * 1024, true)] {
        let mut bytes = format!("{len} ").into_bytes();
        bytes.extend(line(len));
        bytes.extend_from_slice(b"8 <14>next");
        let drafts = drafts(&bytes);
        assert_eq!((drafts[0].msg.len(), drafts.len()), (DRAFT_MAX - 4, 2));
        assert_eq!(!drafts[0].fields.is_empty(), cut, "{len}");
        assert_eq!(drafts[1].msg, "next");
    }
}

#[test]
fn truncates_between_characters() {
    for before in 0..4 {
        let text = format!("<13>{}{}", "x".repeat(before), "\u{1f600}".repeat(DRAFT_MAX));
        let draft = &drafts(text.as_bytes())[0];
        assert!(!draft.msg.contains('\u{fffd}'));
        assert!(draft.msg.len() > DRAFT_MAX - 8);
        assert_eq!(draft.fields.len(), 1, "only cut");
    }
}

#[test]
fn borrows_from_the_buffer() {
    let mut syslog = Syslog::default();
    let line = b"<13>1 - - app 5 m [x@1 a=\"b\"] hello\n";
    let draft = syslog.next(line, false).draft.expect("a draft");
    let borrowed = |text: &str| line.as_ptr_range().contains(&text.as_ptr());
    assert!(borrowed(&draft.msg) && borrowed(draft.tag.as_ref().expect("a tag").as_str()));
    for field in &draft.fields {
        let (Value::Text(text) | Value::Number(text)) = &field.value else { panic!("{field:?}") };
        assert!(borrowed(text), "{field:?}");
    }
}

#[test]
fn drops_the_name_of_this_machine() {
    for (own, host) in
        [("vm", "vm"), ("vm.example.com", "VM"), ("vm.example.com", "vm.example.com")]
    {
        let mut syslog = Syslog::with_host(own.into());
        let line = format!("<13>Nov 23 21:29:43 {host} app: x\n");
        let draft = syslog.next(line.as_bytes(), false).draft.expect("a draft");
        assert_eq!(show(&draft), "notice app sent=\"Nov 23 21:29:43\" | x");
    }
}

/// Pieces of syslog messages, so that random input reaches the interesting cases.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "<13>",
        "<192>",
        "<",
        ">",
        "\n",
        "\r\n",
        "\r",
        "\0",
        " ",
        ":",
        ": ",
        "[",
        "]",
        "\"",
        "\\",
        "=\"",
        "1 ",
        "-",
        "- - - - - ",
        "5 ",
        "12 <13>",
        "31 ",
        "900 <14>",
        "Nov 22 17:48:17 ",
        "2026-11-22T17:48:17Z ",
        "app",
        "app[12]: ",
        "web1 ",
        "[x@1 a=\"b\"]",
        " a=\"b\"",
        "took=\"4ms\"",
        "[timeQuality a=\"b\"]",
        "\u{feff}",
        "é",
        "\u{1f600}",
        "SEND ",
        "{",
        "vm ",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (DRAFT_MAX - 70..DRAFT_MAX + 70).prop_map(|len| vec![b'x'; len]),
    ]
}

/// A stream whose first message has one line: what ends its messages does not depend on the chunks then.
fn stream(pieces: usize) -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec!["<13>x\n<13>y\n", "<13>x\0", "5 <13>x"]);
    (first, prop::collection::vec(piece(), 0..pieces)).prop_map(|(first, pieces)| {
        // A count alone tells nothing about the next message.
        let end = if first.starts_with('5') { "<13>x\0" } else { "" };
        [first.as_bytes().to_vec(), end.as_bytes().to_vec(), pieces.concat()].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn chunks_do_not_change_the_result(bytes in stream(40), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|at| &bytes[at[0]..at[1]]).collect();
        prop_assert_eq!(drafts_in(&pieces), drafts(&bytes));
    }

    #[test]
    fn single_bytes_do_not_change_the_result(bytes in prop::collection::vec(piece(), 0..30), nul: bool) {
        let bytes = bytes.into_iter().filter(|piece| piece.len() < 100).flatten();
        let bytes: Vec<u8> = if nul { &b"<13>x\0"[..] } else { b"<13>x\n<13>y\n" }
            .iter().copied().chain(bytes).collect();
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(drafts_in(&pieces), drafts(&bytes));
    }

    #[test]
    fn drafts_are_within_all_bounds(bytes in stream(60)) {
        for draft in drafts(&bytes) {
            prop_assert!(draft.fields.len() <= FIELDS_MAX);
            for (at, field) in draft.fields.iter().enumerate() {
                prop_assert!(check_field_name(&field.name).is_ok());
                prop_assert!(draft.fields[..at].iter().all(|other| other.name != field.name));
            }
            prop_assert!(draft.tag.is_none_or(|tag| tag.as_str().len() <= TAG_MAX));
        }
    }
}

#[test]
fn the_longest_line_is_within_its_bound() {
    let header = "<13>1 - - a - - [x@1";
    let params: String = (0..FIELDS_MAX).map(|n| format!(" {n}=\"\x01\"")).collect();
    for filler in ["\x01", "\u{fffd}", "\\"] {
        let mut bytes = format!("{header}{params}] ").into_bytes();
        bytes.resize_with(2 * DRAFT_MAX, || filler.as_bytes()[0]);
        let draft = &drafts(&bytes)[0];
        let mut batch = Batch::default();
        batch.push(draft, "a", b"");
        assert!(batch.size() < LINE_MAX, "{}", batch.size());
        assert_eq!(draft.level, Level::Notice);
    }
}

use super::*;

const EVENT: &str = concat!(
    r#"{"seq":1042,"time":"2026-11-22T17:32:05.123456Z","host":"web1","tag":"shop.query","#,
    r#""level":"info","msg":"query took 40ms","took":0.04,"fields":{"user":"123"},"#,
    r#""origin":{"pid":812,"uid":33,"user":"www-data","unit":"php8.2-fpm.service"}}"#,
);
const GAP: &str = concat!(
    r#"{"gap":{"after":1042,"before":2050,"lost":1007,"why":"retention"},"#,
    r#""time":"2026-11-22T17:32:05.123456Z","host":"web1"}"#
);
const SHORT: &str = "Nov 22 17:32:05.123 web1 shop.query[812]";

fn shown(style: &Style, line: &str) -> String {
    let mut out = String::from("before ");
    style.line(&Line::parse(line).expect("a line"), &mut out);
    out.strip_prefix("before ").expect("appends").strip_suffix('\n').expect("a line end").into()
}

fn in_format(format: Format, line: &str) -> String {
    shown(&Style::new(format), line)
}

/// The event with another message.
fn with_message(msg: &str) -> String {
    let mut encoded = Vec::new();
    crate::event::json::string(&mut encoded, msg);
    let encoded = String::from_utf8(encoded).expect("utf-8");
    EVENT.replace("\"query took 40ms\"", &encoded)
}

#[test]
fn formats_an_event() {
    for (format, text) in [
        (Format::Short, format!("{SHORT}: query took 40ms user=123")),
        (
            Format::ShortIso,
            "2026-11-22T17:32:05.123+00:00 web1 shop.query[812]: query took 40ms user=123".into(),
        ),
        (
            Format::ShortPrecise,
            "Nov 22 17:32:05.123456 web1 shop.query[812]: query took 40ms user=123".into(),
        ),
        (
            Format::ShortFull,
            "Sun 2026-11-22 17:32:05 UTC web1 shop.query[812]: query took 40ms user=123".into(),
        ),
        (
            Format::WithUnit,
            "Sun 2026-11-22 17:32:05 UTC web1 php8.2-fpm.service[812]: query took 40ms user=123"
                .into(),
        ),
        (Format::Json, EVENT.into()),
        (Format::Cat, "query took 40ms".into()),
        (
            Format::Logfmt,
            "seq=1042 time=2026-11-22T17:32:05.123456+00:00 host=web1 tag=shop.query level=info \
             msg=\"query took 40ms\" took=0.04 user=123 _pid=812 _uid=33 _user=www-data \
             _unit=php8.2-fpm.service"
                .into(),
        ),
        (
            Format::Verbose,
            "2026-11-22T17:32:05.123456+00:00 [1042]\n    host=web1\n    tag=shop.query\n    \
             level=info\n    msg=query took 40ms\n    took=40ms\n    user=123\n    _pid=812\n    \
             _uid=33\n    _user=www-data\n    _unit=php8.2-fpm.service"
                .into(),
        ),
    ] {
        assert_eq!(in_format(format, EVENT), text);
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert_eq!("loud".parse::<Format>(), Err(UnknownFormat("loud".into())));
}

#[test]
fn formats_a_gap() {
    let words = "-- 1007 events missing: history was trimmed (retention) --";
    for format in Format::ALL {
        let text = match format {
            Format::Json => GAP,
            Format::JsonPretty => continue,
            Format::Logfmt => {
                "gap=retention after=1042 before=2050 lost=1007 \
                 time=2026-11-22T17:32:05.123456+00:00 host=web1"
            }
            _ => words,
        };
        assert_eq!(in_format(format, GAP), text, "{format}");
    }
}

#[test]
fn formats_an_abandoned_run() {
    let line = EVENT
        .replace("\"info\"", "\"warning\"")
        .replace(r#""took":0.04"#, r#""run":"r1","took":12.3,"abandoned":true"#);
    for (format, text) in [
        (
            Format::Short,
            format!("{SHORT} warning: query took 40ms (abandoned after 12.3s) user=123 run=r1"),
        ),
        (
            Format::ShortIso,
            "2026-11-22T17:32:05.123+00:00 web1 shop.query[812] warning: query took 40ms \
             (abandoned after 12.3s) user=123 run=r1"
                .into(),
        ),
        (Format::Json, line.clone()),
        (Format::Cat, "query took 40ms (abandoned after 12.3s)".into()),
        (
            Format::Logfmt,
            "seq=1042 time=2026-11-22T17:32:05.123456+00:00 host=web1 tag=shop.query \
             level=warning msg=\"query took 40ms\" run=r1 took=12.3 abandoned=true user=123 \
             _pid=812 _uid=33 _user=www-data _unit=php8.2-fpm.service"
                .into(),
        ),
        (
            Format::Verbose,
            "2026-11-22T17:32:05.123456+00:00 [1042]\n    host=web1\n    tag=shop.query\n    \
             level=warning\n    msg=query took 40ms\n    run=r1\n    took=12.3s\n    \
             abandoned=true\n    user=123\n    _pid=812\n    _uid=33\n    _user=www-data\n    \
             _unit=php8.2-fpm.service"
                .into(),
        ),
    ] {
        assert_eq!(in_format(format, &line), text);
    }
    let silent = line.replace("\"msg\":\"query took 40ms\",", "").replace("\"took\":12.3,", "");
    assert_eq!(in_format(Format::Cat, &silent), "(abandoned)");
    assert_eq!(
        in_format(Format::Short, &silent),
        format!("{SHORT} warning: (abandoned) user=123 run=r1")
    );
    let colored = Style { color: true, ..Style::new(Format::Short) };
    let yellow = "\x1b[1m\x1b[93m";
    let marked = format!("{yellow}(abandoned after 12.3s)\x1b[0m");
    assert!(shown(&colored, &line).contains(&marked), "{:?}", shown(&colored, &line));
}

#[test]
fn short_shows_what_the_message_lacks() {
    let line = EVENT
        .replace("\"info\"", "\"warning\"")
        .replace("query took 40ms", "slow")
        .replace(",\"took\"", ",\"run\":\"job 7\",\"took\"");
    assert_eq!(
        in_format(Format::Short, &line),
        format!("{SHORT} warning: slow user=123 run=\"job 7\" took=40ms")
    );
    let bare = EVENT.replace(",\"msg\":\"query took 40ms\",\"took\":0.04", "");
    assert_eq!(in_format(Format::Short, &bare), format!("{SHORT}: user=123"));
    let style = Style { hostname: false, ..Style::new(Format::Short) };
    assert!(shown(&style, EVENT).starts_with("Nov 22 17:32:05.123 shop.query[812]: "));
}

#[test]
fn indents_further_lines() {
    let forged =
        with_message("first\r\nNov 22 17:32:05.124 web1 sshd[1]: root\n\n-- 9 events --\n");
    for (format, indent) in
        [(Format::Short, "    "), (Format::Cat, "    "), (Format::Verbose, "        ")]
    {
        let text = in_format(format, &forged);
        assert!(text.contains(&format!("\n{indent}Nov 22 17:32:05.124 web1 sshd")), "{text}");
        assert!(text.contains(&format!("\n{indent}-- 9 events")), "{text}");
        assert!(!text.contains('\r'));
    }
    assert_eq!(in_format(Format::Logfmt, &forged).lines().count(), 1);
    assert_eq!(in_format(Format::Json, &forged).lines().count(), 1);
    // A final line end is not shown.
    assert_eq!(in_format(Format::Cat, &with_message("one\n")), "one");
}

#[test]
fn cat_is_exact_where_no_terminal_is() {
    let style = Style { exact: true, ..Style::new(Format::Cat) };
    for msg in ["a\tb", "\u{1b}[2J", "one\n  two\r\n", "naïve \u{202e}", "\0", ""] {
        assert_eq!(shown(&style, &with_message(msg)), msg);
    }
    // Only cat.
    let style = Style { exact: true, ..Style::new(Format::Short) };
    assert!(shown(&style, &with_message("\u{1b}[2J")).contains("\\x1b[2J"));
    let style = Style { this_year: Some(2027), ..Style::new(Format::Short) };
    assert!(shown(&style, EVENT).starts_with("Nov 22 2026 17:32:05.123 web1 "));
}

#[test]
fn pretty_json_is_the_same_object() {
    for line in [EVENT, GAP] {
        let pretty = in_format(Format::JsonPretty, line);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&pretty), value(line));
        assert!(pretty.lines().count() > 5 && pretty.starts_with("{\n  \""), "{pretty}");
    }
}

#[test]
fn escapes_every_part_of_a_line() {
    let attack = "\\u001b]52;c;eA==\\u0007\\r\u{9b}2J\u{7f}\u{202e}\u{2028}x\\ty";
    let line = format!(
        concat!(
            r#"{{"seq":1,"time":"2026-11-22T17:32:05.123456Z","host":"{0}","tag":"{0}","#,
            r#""level":"info","msg":"{0}","run":"{0}","fields":{{"{0}":"{0}"}},"#,
            r#""origin":{{"pid":"{0}","comm":"{0}"}}}}"#
        ),
        attack
    );
    let gap = GAP.replace("web1", "\u{9b}2J");
    for format in Format::ALL {
        for text in [in_format(format, &line), in_format(format, &gap)] {
            let harmless = |c: char| matches!(c, '\n' | '\t' | ' '..='~');
            assert!(text.chars().all(harmless), "{format}: {text:?}");
        }
    }
    assert!(in_format(Format::Json, &line).contains("\\u009b2J\\u007f\\u202e\\u2028x"));
    let tagged = line.replace(&format!("\"tag\":\"{attack}\""), "\"tag\":\"a\"");
    let text = in_format(Format::Short, &tagged);
    assert!(
        text.contains(": \\x1b]52;c;eA==\\x07\\r\\u{9b}2J\\x7f\\u{202e}\\u{2028}x\ty"),
        "{text}"
    );
}

#[test]
fn truncates_long_texts_unless_all_is_set() {
    let style = Style::new(Format::Short);
    let all = Style { all: true, ..style.clone() };
    let full = "é".repeat(MESSAGE_SHOWN_MAX);
    assert!(shown(&style, &with_message(&full)).contains(&format!(": {full} user")));
    let over = with_message(&format!("{full}xy"));
    let text = shown(&style, &over);
    assert!(text.contains(&format!("{full}… (2 more characters: -a shows them) user")), "{text}");
    assert!(shown(&all, &over).contains(&format!("{full}xy user")));

    let field = |n: usize| EVENT.replace("\"123\"", &format!("\"{}\"", "v".repeat(n)));
    assert!(shown(&style, &field(FIELD_SHOWN_MAX)).ends_with("vv"));
    assert!(shown(&style, &field(FIELD_SHOWN_MAX + 1)).contains("v… (1 more characters"));
    assert!(shown(&all, &field(FIELD_SHOWN_MAX + 1)).ends_with("vv"));
}

#[test]
fn colours_each_line_by_level() {
    let style = Style { color: true, ..Style::new(Format::Short) };
    let plain = shown(&style, EVENT);
    assert_eq!(plain, format!("{SHORT}: query took 40ms\x1b[2m user=123\x1b[0m"));
    let bad = with_message("a\nb").replace("\"info\"", "\"crit\"").replace(",\"took\":0.04", "");
    let red = "\x1b[1m\x1b[91m";
    assert_eq!(
        shown(&style, &bad),
        format!(
            "{SHORT} {red}crit\x1b[0m: {red}a\x1b[0m\n    {red}b\x1b[0m\x1b[2m user=123\x1b[0m"
        )
    );
    assert!(shown(&style, GAP).ends_with("--\x1b[0m"));
}

#[test]
fn names_fields_as_in_match() {
    let line = EVENT
        .replace("\"user\":\"123\"", "\"tag\":\"x\",\"seq\":1,\"fields.a\":2,\"abandoned\":true");
    let text = in_format(Format::Logfmt, &line);
    let fields = " fields.tag=x fields.seq=1 fields.fields.a=2 fields.abandoned=true ";
    assert!(text.contains(fields), "{text}");
}

#[test]
fn durations_have_a_fitting_unit() {
    for (seconds, text) in [
        (0.0, "0s"),
        (0.04, "40ms"),
        (1.2346, "1.235s"),
        (0.000_012, "12us"),
        (7e-9, "7ns"),
        (0.999_9, "999.9ms"),
        (0.999_999_9, "1s"),
        (3600.0, "3600s"),
    ] {
        assert_eq!(Took(seconds).to_string(), text);
    }
}

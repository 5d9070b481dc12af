//! What `pulse-send` takes: it loses no event for its form.

use serde_json::{Value, json};

use crate::harness::Agent;
use crate::pulse_send::{events, events_from};

#[test]
fn long_messages_are_cut() {
    let agent = Agent::start();
    let long = "é".repeat(40_000);
    agent.send(&[&long]).ok();
    agent.send(&["-t", "a", "-p", "err", "-F", "n:=1", &long]).ok();
    let done = agent.send(&["-S", "5", "ééééé"]).run();
    assert_eq!(done.code, Some(0));
    assert!(done.err.contains("5 bytes"), "{done:#?}");
    let object = format!("{{\"tag\":\"a\",\"msg\":\"{long}\"}}");
    let input = format!("a\n{long}\nb\n");
    agent.send(&[]).input(input).ok();
    agent.send(&["--json", "-p", "err"]).input(format!("{object}\n{{\"msg\":\"c\"}}\n")).ok();
    let made = events(&agent);
    let lengths: Vec<usize> =
        made.iter().map(|event| event["msg"].as_str().expect("text").chars().count()).collect();
    assert_eq!(
        (lengths[0], &lengths[2..4], lengths[4], lengths[5]),
        (32_768, &[2, 1][..], 32_768, 1)
    );
    for at in [1, 6] {
        assert!((32_700..32_768).contains(&lengths[at]), "{lengths:?}");
        assert_eq!((&made[at]["tag"], &made[at]["level"]), (&"a".into(), &"err".into()));
    }
    let repaired: Vec<&Value> = made.iter().map(|event| &event["fields"]["repaired"]).collect();
    let (cut, none) = (&Value::from("cut"), &Value::Null);
    assert_eq!(repaired, [cut, cut, none, none, cut, none, cut, none]);
    assert_eq!(made[1]["fields"]["n"], 1);
}

#[test]
fn no_event_is_lost_for_its_tag_or_level() {
    for (arguments, made) in [
        (&["-t", "my script", "x"][..], json!({"tag": "my_script", "repaired": "tag"})),
        (&["-t", "./run.sh", "x"], json!({"tag": "/run.sh", "repaired": "tag"})),
        (&["-t", "httpd[7]", "x"], json!({"tag": "httpd_7_", "repaired": "tag"})),
        (&["-t", "a@b", "x"], json!({"tag": "a_b", "repaired": "tag"})),
        (&["-t", "größe", "x"], json!({"tag": "gr__e", "repaired": "tag"})),
        (&["-t", "a..b", "x"], json!({"tag": "a.b", "repaired": "tag"})),
        (&["-t", "a", "-p", "loud", "x"], json!({"level": "info", "repaired": "level"})),
        (
            &["-t", "a", "-p", "local0.loud", "x"],
            json!({"facility": "local0", "repaired": "level"}),
        ),
        (
            &["-t", "a", "-p", "shop.err", "x"],
            json!({"level": "err", "facility": "shop", "repaired": null}),
        ),
        (
            &["-t", "a b", "-p", "ERR", "--json", "{\"msg\":\"x\"}"],
            json!({"tag": "a_b", "level": "err", "repaired": "tag"}),
        ),
        (
            &["-t", "a b", "--json", "{\"msg\":\"x\",\"tag\":\"c\"}"],
            json!({"tag": "c", "repaired": null}),
        ),
    ] {
        let events = events_from(arguments, "not read");
        let [event] = events.as_slice() else { panic!("{arguments:?}: {events:?}") };
        assert_eq!(event["msg"], "x", "{arguments:?}");
        for (key, value) in made.as_object().expect("an object") {
            let found = if ["tag", "level"].contains(&key.as_str()) {
                &event[key]
            } else {
                &event["fields"][key]
            };
            assert_eq!(found, value, "{arguments:?}: {key}");
        }
    }
}

#[test]
fn bytes_that_are_not_utf8_are_listed() {
    let agent = Agent::start();
    agent.send(&["-t", "a"]).input(b"caf\xe9 \xff\xfe\nwhole \xef\xbf\xbd\n".to_vec()).ok();
    agent.send(&["--json"]).input(b"{\"msg\":\"\xe9\"}\n\xe9\n".to_vec()).ok();
    let made = events(&agent);
    let messages: Vec<&Value> = made.iter().map(|event| &event["msg"]).collect();
    assert_eq!(
        messages,
        ["caf\u{fffd} \u{fffd}\u{fffd}", "whole \u{fffd}", "\u{fffd}", "\u{fffd}"]
    );
    let repaired: Vec<&Value> = made.iter().map(|event| &event["fields"]["repaired"]).collect();
    let (utf8, none) = (&Value::from("utf8"), &Value::Null);
    assert_eq!(repaired, [utf8, none, utf8, utf8]);
}

/// What a pipe from a logger may contain.
#[test]
fn no_line_of_a_json_logger_is_refused() {
    let input = concat!(
        "\u{feff}{\"level\":30,\"time\":1700000000123,\"pid\":42,\"hostname\":\"alpha\",\"msg\":\"a\"}\r\n",
        "\r\n",
        "{\"time\":\"2026-03-14T05:06:07.1Z\",\"level\":\"WARN\",\"msg\":\"b\",\"elapsed\":1500000}\n",
        "\n",
        "{user} logged in\n",
        "plain text\n",
        "{\"msg\":\n",
        "[1,2]\n",
        "{\"event\":\"c\",\"req\":{\"id\":7},\"seq\":1,\"level\":\"error\"}\n",
        "{}\n",
    );
    let made = events_from(&["--json"], input);
    let messages: Vec<&str> =
        made.iter().map(|event| event["msg"].as_str().unwrap_or("")).collect();
    assert_eq!(
        messages,
        ["a", "b", "{user} logged in", "plain text", "{\"msg\":", "[1,2]", "c", ""]
    );
    let levels: Vec<&Value> = made.iter().map(|event| &event["level"]).collect();
    assert_eq!(levels, ["info", "warning", "info", "info", "info", "info", "err", "info"]);
    let repaired: Vec<&str> =
        made.iter().map(|event| event["fields"]["repaired"].as_str().unwrap_or("")).collect();
    assert_eq!(repaired, ["", "", "object", "", "object", "", "claim nested", ""]);
    assert_eq!(
        (&made[0]["fields"]["sent"], &made[1]["took"]),
        (&1_700_000_000_123_u64.into(), &0.0015.into())
    );
    // With options, the keys of the object win, and what is missing is added.
    let made = events_from(
        &["--json", "-t", "shop", "-F", "user=anna", "--run", "r", "-p", "notice"],
        "{\"msg\":\"d\",\"duration_ms\":45}\n{\"level\":\"err\",\"message\":\"e\",\"fields\":{\"user\":\"bert\",\"took\":2}}\n{broken\n",
    );
    assert_eq!(
        made[0],
        json!({"tag": "shop", "level": "notice", "msg": "d", "run": "r",
        "fields": {"user": "anna", "duration_ms": 45}})
    );
    assert_eq!(
        made[1],
        json!({"tag": "shop", "level": "err", "msg": "e", "run": "r", "took": 2,
        "fields": {"user": "bert"}})
    );
    assert_eq!(made[2]["msg"], "{broken");
}

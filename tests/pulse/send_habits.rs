//! What fingers know from logger(1), time(1) and nice(1) works in pulse-send.

use std::fs;

use serde_json::Value;

use crate::harness::{Agent, Tool, parse};

/// The newest event.
fn newest(agent: &Agent) -> Value {
    parse(&agent.tail(&["-n1", "-o", "json"]).ok()).event().clone()
}

#[test]
fn timed_command_keeps_its_options() {
    let agent = Agent::start();
    let file = agent.dir().join("lines");
    fs::write(&file, "Root\nuser\nroot\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    for (line, out) in [
        (&["sed", "-n", "2p", file][..], "user\n"),
        (&["wc", "-l", file], &format!("3 {file}\n")),
        (&["grep", "-c", "-i", "ROOT", file], "2\n"),
        (&["head", "-c", "4", file], "Root"),
        (&["tail", "-n", "1", file], "root\n"),
        (&["sort", "-u", "-f", file], "Root\nuser\n"),
        (&["printf", "%s\n", "--help"], "--help\n"),
        (&["printf", "%s", "-t", "x"], "-tx"),
        (&["printf", "%s", "--time"], "--time"),
        (&["printf", "%s", "--version", "-V"], "--version-V"),
        (&["env", "--", "printf", "a"], "a"),
        (&["sh", "-ec", "printf %s \"$@\"", "-", "-s", "-e"], "-s-e"),
        // As before.
        (&["--", "printf", "%s", "-d"], "-d"),
    ] {
        let run = agent.send(&["--time", "-t", "habit", "-F", "a=b"]).args(line).run();
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(0), out, ""), "{line:?}");
        let event = newest(&agent);
        let words: Vec<&str> =
            line.iter().copied().filter(|word| *word != "--" || line[0] == "env").collect();
        assert_eq!(event["msg"], words.join(" "), "{line:?}");
        assert_eq!((&event["tag"], &event["fields"]["a"]), (&"habit".into(), &"b".into()));
    }
    // Options before the command are ours, also with values, and the status is the command's.
    let run = agent.send(&["-p", "err", "--time", "--run", "r", "sh", "-c", "exit 3"]).run();
    assert_eq!(run.code, Some(3), "{run:?}");
    assert_eq!(newest(&agent)["run"], "r");
    // Without --time, options may follow the message, as in logger.
    agent.send(&["hello", "-t", "after"]).ok();
    assert_eq!(newest(&agent)["tag"], "after");
}

#[test]
fn options_of_logger_become_fields_or_nothing() {
    let agent = Agent::start();
    for (line, fields) in [
        (&["--rfc5424"][..], "{}"),
        (&["--rfc5424=nohost"], "{}"),
        (&["--rfc5424=notq,notime", "--octet-count"], "{}"),
        (&["--rfc3164", "-T"], "{}"),
        (&["--udp"], "{}"),
        (&["-d", "--port", "5140"], "{}"),
        (&["-dP601"], "{}"),
        (&["--msgid", "TCPIN"], r#"{"msgid":"TCPIN"}"#),
        (&["--msgid=-"], "{}"),
        (&["--sd-id", "zoo@9"], "{}"),
        (&["--sd-id=zoo@9", "--sd-param=tiger=\"hungry\""], r#"{"tiger":"hungry"}"#),
        (
            &["--sd-id", "a@1", "--sd-param", "x=\"1\"", "--sd-id", "b@1", "--sd-param", "x=\"2\""],
            r#"{"x":"1","x.2":"2"}"#,
        ),
        (&["--sd-param", r#"q="say \"hi\" \]""#], r#"{"q":"say \"hi\" ]"}"#),
        (&["-F", "k=1", "--sd-param", "k=2"], r#"{"k":"1","k.2":"2"}"#),
        (&["--sd-param", "_uid=0"], r#"{"uid":"0"}"#),
        (&["-e", "-i", "-p", "mail.warn", "--msgid", "M"], r#"{"facility":"mail","msgid":"M"}"#),
    ] {
        agent.send(line).args(&["-t", "logger", "hello"]).ok();
        let event = newest(&agent);
        assert_eq!((&event["tag"], &event["msg"]), (&"logger".into(), &"hello".into()), "{line:?}");
        let expected: Value = serde_json::from_str(fields).expect("JSON");
        let found = event.get("fields").cloned().unwrap_or_else(|| serde_json::json!({}));
        let object = |value: &Value| {
            value.as_object().expect("an object").clone().into_iter().collect::<Vec<_>>()
        };
        let sorted = |mut pairs: Vec<(String, Value)>| {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            pairs
        };
        assert_eq!(sorted(object(&found)), sorted(object(&expected)), "{line:?}");
    }
    agent.send(&["--sd-param", "took=\"40ms\"", "hello"]).ok();
    assert_eq!(newest(&agent)["took"], 0.04);
    let port = ["-n", "127.0.0.1", "-P", "9", "x"];
    Tool::send().env("PULSED_TOKEN", "t").args(&port).run().failed(69, &["127.0.0.1:9"]);
    agent.send(&["--sd-param", "nothing", "x"]).run().failed(64, &["name=\"value\""]);
    for port in ["0", "65536", "syslog"] {
        let line = ["-n", "127.0.0.1", "-P", port, "x"];
        Tool::send().env("PULSED_TOKEN", "t").args(&line).run().failed(64, &["--port", "65535"]);
        agent.send(&["-P", port, "no effect"]).ok();
    }
}

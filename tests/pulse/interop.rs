//! Interoperability with nc, logger and PHP. `tests/run` installs what is missing.

use crate::harness::{Agent, Output, Tool, parse, wait_for};

/// Runs a shell command with the agent's socket in `$SOCK`.
#[track_caller]
fn shell(agent: &Agent, line: &str) -> Output {
    let done = Tool::new("sh").env("SOCK", agent.socket_text()).args(&["-c", line]).run();
    assert_ne!(done.code, Some(127), "tests/run installs what is missing: {done:#?}");
    done
}

#[test]
fn tail_shows_nc_and_logger_events() {
    let agent = Agent::start();
    let mut tail = agent.tail(&["-f"]).start();
    assert!(tail.line().contains("(restart)"), "a new log begins with a gap");
    for (line, shown) in [
        ("echo 'SEND hello from nc' | nc -NU $SOCK", ": hello from nc"),
        ("logger -u $SOCK hello from logger", ": hello from logger"),
        ("logger -u $SOCK -t shop -p local0.err took 40ms", " err: took 40ms facility=local0"),
    ] {
        let done = shell(&agent, line);
        assert_eq!(done.code, Some(0), "{done:#?}");
        let printed = tail.line();
        assert!(printed.contains(shown), "{line}: {printed}");
    }
}

#[test]
fn nc_receives_answers() {
    let agent = Agent::start();
    let done = shell(&agent, "printf 'SEND a\\nSYNC\\nping\\nSYNC' | nc -NU $SOCK");
    let newest = agent.connect().newest();
    assert_eq!(done.out, format!("OK {newest}\n").repeat(3), "{done:#?}");
}

#[test]
fn parses_every_logger_format() {
    let agent = Agent::start();
    for (form, number) in
        [("", 0), ("--rfc3164", 1), ("--rfc5424", 2), ("--rfc5424=notime", 3), ("-i", 4), ("-T", 5)]
    {
        let line = format!("logger -u $SOCK {form} -t my.app -p local0.warning 'PING {number}'");
        let done = shell(&agent, &line);
        assert_eq!(done.code, Some(0), "{done:#?}");
        let lines = wait_for("the event", || {
            let lines = agent.connect().tail("{}");
            (lines.len() > number).then_some(lines)
        });
        let item = parse(&lines[number]);
        let event = item.event();
        assert_eq!(item.msg(), Some(format!("PING {number}").as_str()), "{form}: {event}");
        assert_eq!(
            (&event["tag"], &event["level"]),
            (&"my.app".into(), &"warning".into()),
            "{form}"
        );
        assert_eq!(event["fields"]["facility"], "local0", "{form}: {event}");
        // logger may have exited before its command name is read. The kernel keeps its uid.
        let uid = nix::unistd::geteuid().as_raw();
        assert_eq!(event["origin"]["uid"], uid, "{form}: {event}");
    }
}

#[test]
fn logger_pipe_is_one_event_per_line() {
    let agent = Agent::start();
    let done = shell(&agent, "seq 1 500 | logger -u $SOCK -t many");
    assert_eq!(done.code, Some(0), "{done:#?}");
    let messages: Vec<String> = (1..=500).map(|n| n.to_string()).collect();
    wait_for("500 events", || {
        let lines = agent.connect().tail("{}");
        (lines.len() == 500).then(|| {
            let items: Vec<_> = lines.iter().map(|line| parse(line)).collect();
            assert!(items.iter().filter_map(|item| item.msg()).eq(messages.iter()));
        })
    });
}

#[test]
fn php_sends_with_fwrite_alone() {
    let agent = Agent::start();
    let program = r#"
        $agent = stream_socket_client("unix://" . getenv("SOCK"));
        fwrite($agent, "SEND query took 40ms\n");
        fwrite($agent, "SEND " . json_encode(["tag" => "shop.query", "msg" => "zwei\nZeilen é",
            "fields" => ["rows" => 3, "slow" => false, "user" => null]]) . "\n");
        fwrite($agent, "SYNC\n");
        echo fgets($agent);
    "#;
    let done = Tool::new("php").env("SOCK", agent.socket_text()).args(&["-r", program]).run();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:#?}");
    assert_eq!(done.out, format!("OK {}\n", agent.connect().newest()));
    let lines = agent.connect().tail("{}");
    assert_eq!(parse(&lines[0]).event()["took"], 0.04);
    let item = parse(&lines[1]);
    assert_eq!((item.msg(), &item.event()["tag"]), (Some("zwei\nZeilen é"), &"shop.query".into()));
    let fields = serde_json::json!({"rows": 3, "slow": false, "user": null});
    assert_eq!(item.event()["fields"], fields);
    let comm = item.event()["origin"]["comm"].as_str().map(str::to_owned);
    assert!(comm.is_some_and(|comm| comm.starts_with("php")), "{lines:?}");
}

//! `pulse-tail`: its options, its formats and its exit codes.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Agent, Item, Tool, assert_contiguous, parse, seq_of, wait_for};

/// An agent with 30 events: `event 0` to `event 29`.
fn with_30() -> Agent {
    let agent = Agent::start();
    let tags = ["shop.query", "shop.login", "cron"];
    let levels = ["info", "warning", "err", "debug", "notice"];
    let mut text = String::new();
    for n in 0..30 {
        let (tag, level) = (tags[n % 3], levels[n % 5]);
        text += &format!(
            r#"SEND {{"tag":"{tag}","level":"{level}","msg":"event {n}","fields":{{"n":{n},"took":"{n}ms"}}}}"#
        );
        text += "\n";
    }
    agent.connect().write(text).sync();
    agent
}

/// The numbers of the events that these arguments select.
#[track_caller]
fn shown(agent: &Agent, arguments: &[&str]) -> Vec<usize> {
    let out = agent.tail(arguments).args(&["-o", "cat"]).ok();
    let number = |line: &str| line.strip_prefix("event ").and_then(|n| n.parse().ok());
    // Each start is a gap, of which no event is missing.
    let events = out.lines().filter(|line| !line.contains("(restart)"));
    events.map(|line| number(line).unwrap_or_else(|| panic!("{line:?}"))).collect()
}

fn numbers(wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..30).filter(|n| wanted(*n)).collect()
}

#[test]
fn selects_start_and_end() {
    let agent = with_30();
    let all: Vec<usize> = (0..30).collect();
    let lines = agent.connect().tail("{}");
    let event = |n: usize| parse(&lines[n]).event().clone();
    let newest = agent.connect().newest();
    let (id, _) = newest.split_once('-').expect("a cursor");
    let cursor = format!("{id}-{}", event(20)["seq"]);
    let time = event(7)["time"].as_str().expect("a time").to_owned();
    assert_eq!(shown(&agent, &[]), all[20..]);
    assert_eq!(shown(&agent, &["-n", "3"]), all[27..]);
    assert_eq!(shown(&agent, &["-n0"]), [0; 0]);
    assert_eq!(shown(&agent, &["-n", "all"]), all);
    let backwards: Vec<usize> = all.iter().rev().copied().collect();
    assert_eq!(shown(&agent, &["-r"]), backwards[..10]);
    assert_eq!(shown(&agent, &["-r", "-n", "all"]), backwards);
    assert_eq!(shown(&agent, &["-c", &cursor]), all[20..]);
    assert_eq!(shown(&agent, &["--after-cursor", &cursor]), all[21..]);
    assert_eq!(shown(&agent, &["--after-cursor", &newest]), [0; 0]);
    // All were sent in one write, so they share one time.
    assert_eq!(shown(&agent, &["-S", &time]), all);
    assert_eq!(shown(&agent, &["-U", &time, "-n", "all"]), all);
    assert_eq!(shown(&agent, &["-S", "10 minutes ago"]), all);
    assert_eq!(shown(&agent, &["-S", "-5min", "-U", "now"]), all);
    assert_eq!(shown(&agent, &["-U", "yesterday"]), [0; 0]);
    assert_eq!(shown(&agent, &["-S", "2999-01-01 17:00"]), [0; 0]);
}

#[test]
fn selects_events() {
    let agent = with_30();
    let all = |arguments: &[&str]| shown(&agent, &[arguments, &["-n", "all"]].concat());
    assert_eq!(all(&["-t", "shop.*"]), numbers(|n| n % 3 < 2));
    assert_eq!(all(&["-t", "cron", "-t", "shop.q*"]), numbers(|n| n % 3 != 1));
    assert_eq!(all(&["-p", "warning"]), numbers(|n| n % 5 == 1 || n % 5 == 2));
    assert_eq!(all(&["-p", "warning..notice"]), numbers(|n| n % 5 == 1 || n % 5 == 4));
    assert_eq!(all(&["-g", "EVENT"]), [0; 0], "a capital makes it case-sensitive");
    assert_eq!(all(&["-g", "event .5$"]), [15, 25]);
    assert_eq!(all(&["--slower", "27ms"]), [28, 29]);
    assert_eq!(all(&["took>=28ms"]), [28, 29]);
    assert_eq!(all(&["n=3", "n=4", "tag=cron"]), [0; 0]);
    assert_eq!(all(&["n=3", "n=5", "tag=cron"]), [5]);
    assert_eq!(all(&["n<2", "+", "n>=28", "level!=debug"]), [0, 1, 29]);
    assert_eq!(all(&["-u", "no-such-unit"]), [0; 0]);
    assert_eq!(all(&["_pid!=1", "-t", "cron", "n>20"]), [23, 26, 29]);
    assert_eq!(shown(&agent, &["-n", "2", "-t", "cron"]), [26, 29], "the last two that match");
}

#[test]
fn formats_show_every_part() {
    let agent = Agent::start();
    let object = r#"{"tag":"shop.query","level":"warning","msg":"slow\nquery took 40ms","run":"r1","fields":{"user":"a b","rows":3,"took":"40ms"}}"#;
    agent.connect().write(format!("SEND {object}\n")).sync();
    let line = agent.connect().tail("{}").remove(0);
    let pid = parse(&line).event()["origin"]["pid"].to_string();
    let run = |arguments: &[&str]| agent.tail(arguments).args(&["-n1"]).ok();
    assert_eq!(run(&["-o", "json"]), format!("{line}\n"));
    assert_eq!(run(&["-o", "cat"]), "slow\nquery took 40ms\n");
    let rest = format!("shop.query[{pid}] warning: slow\n");
    let short = run(&[]);
    assert!(matches(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\.\d{3} testhost ", &short), "{short}");
    assert!(short.contains(&rest), "{short}");
    assert!(short.ends_with("query took 40ms user=\"a b\" rows=3 run=r1\n"), "{short}");
    let iso = run(&["-o", "short-iso", "--no-hostname"]);
    assert!(matches(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 shop\.query\[", &iso), "{iso}");
    let logfmt = run(&["-o", "logfmt"]);
    assert_eq!(logfmt.lines().count(), 1);
    for pair in ["tag=shop.query", "level=warning", "took=0.04", "user=\"a b\"", "rows=3", "run=r1"]
    {
        assert!(logfmt.contains(&format!(" {pair}")), "{pair}: {logfmt}");
    }
    let verbose = run(&["-o", "verbose"]);
    for pair in
        ["host=testhost", "tag=shop.query", "user=a b", "rows=3", "run=r1", &format!("_pid={pid}")]
    {
        assert!(verbose.lines().any(|line| line.trim() == pair), "{pair}: {verbose}");
    }
}

fn matches(regex: &str, text: &str) -> bool {
    regex::Regex::new(regex).expect("a valid pattern").is_match(text)
}

#[test]
fn times_are_local_by_default() {
    let agent = with_30();
    let hour = |tool: Tool| {
        let out = tool.args(&["-n1", "-o", "short-iso"]).ok();
        out.split(' ').next().expect("a time").to_owned()
    };
    let utc = hour(agent.tail(&["--utc"]).env("TZ", "Asia/Kolkata"));
    assert!(utc.ends_with("+00:00"), "{utc}");
    let local = hour(agent.tail(&[]).env("TZ", "IST-5:30"));
    assert!(local.ends_with("+05:30"), "{local}");
}

#[test]
fn escapes_terminal_controls() {
    let agent = Agent::start();
    let controls = "\\u001b[2J\\u009b1m\\u202e\\u0007\\r\\u0000text";
    let object =
        format!(r#"{{"msg":"{controls}","run":"{controls}","fields":{{"f":"{controls}"}}}}"#);
    agent.connect().write(format!("SEND {object}\n")).sync();
    let colors = regex::Regex::new("\u{1b}\\[[0-9;]*m").expect("a valid pattern");
    // The format cat is exact in a pipe.
    for format in ["short", "short-iso", "with-unit", "json", "json-pretty", "logfmt", "verbose"] {
        for color in ["--color=never", "--color=always"] {
            let out = agent.tail(&["-o", format, color]).ok();
            assert!(out.contains("text"), "{format}: {out:?}");
            let plain = colors.replace_all(&out, "");
            let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}' || c == '\u{9b}';
            assert!(!plain.contains(bad), "{format} {color}: {plain:?}");
        }
    }
    let stats = agent.tail(&["--stats"]).ok();
    assert!(!stats.contains(|c: char| c.is_control() && c != '\n'), "{stats:?}");
}

#[test]
fn colors_need_terminal_or_option() {
    let agent = with_30();
    let colored = |tool: Tool| tool.args(&["-n1", "-p", "err"]).ok().contains('\u{1b}');
    assert!(!colored(agent.tail(&[])), "a pipe is not a terminal");
    assert!(colored(agent.tail(&["--color", "always"])));
    assert!(!colored(agent.tail(&["--color", "never"])));
}

#[test]
fn follow_survives_restarts() {
    let mut agent = Agent::start();
    let begin = seq_of(&agent.connect().newest());
    let mut tail = agent.tail(&["-f", "-n", "all", "-o", "json"]).start();
    let mut items = Vec::new();
    for (round, kill) in [false, true, false, true].into_iter().enumerate() {
        let text: String = (0..500).map(|n| format!("SEND {round}:{n}\n")).collect();
        agent.connect().write(text).sync();
        let last = format!("{round}:499");
        while items.last().and_then(Item::msg) != Some(&last) {
            items.push(parse(&tail.line()));
        }
        if kill {
            agent.kill()
        } else {
            assert!(agent.stop().success())
        }
        agent.restart();
    }
    agent.connect().write("SEND the end\n").sync();
    while items.last().and_then(Item::msg) != Some("the end") {
        items.push(parse(&tail.line()));
    }
    assert_eq!(begin, assert_contiguous(0, &items[..1]), "the first start");
    assert_contiguous(0, &items);
    let events = items.iter().filter(|item| item.msg().is_some()).count();
    let gaps: Vec<_> = items.iter().filter_map(Item::gap).collect();
    assert_eq!((events, gaps.len()), (2001, 5), "a gap for each start: {gaps:?}");
    assert_eq!(gaps.iter().filter(|gap| gap.lost.is_none()).count(), 2, "{gaps:?}");
    tail.signal(Signal::SIGTERM);
    let done = tail.wait();
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(done.err.matches("reconnecting").count(), 4, "{done:#?}");
}

#[test]
fn filtered_follow_resumes_after_restart() {
    let mut agent = Agent::start();
    let mut tail = agent.tail(&["-f", "-q", "-o", "cat", "-t", "wanted"]).start();
    for n in 0..4 {
        let text = format!("SEND {{\"tag\":\"wanted\",\"msg\":\"{n}\"}}\nSEND other\n");
        agent.connect().write(text).sync();
        assert!(tail.line().contains("(restart)"), "each start is a gap");
        assert_eq!(tail.line(), n.to_string());
        agent.stop();
        agent.restart();
    }
    tail.signal(Signal::SIGINT);
    let done = tail.wait();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:#?}");
}

#[test]
fn cursor_file_yields_events_once() {
    let agent = with_30();
    let file = agent.dir().join("cursor");
    let path = file.to_str().expect("UTF-8");
    assert_eq!(shown(&agent, &["--cursor-file", path, "-n", "all"]).len(), 30);
    assert_eq!(fs::read_to_string(&file).expect("a cursor file").trim(), agent.connect().newest());
    assert_eq!(shown(&agent, &["--cursor-file", path]), [0; 0]);
    agent.connect().write("SEND event 30\nSEND event 31\n").sync();
    assert_eq!(shown(&agent, &["--cursor-file", path, "--count", "1"]), [30]);
    assert_eq!(shown(&agent, &["--cursor-file", path]), [31]);
    // A follow updates the file.
    let mut tail = agent.tail(&["--cursor-file", path, "-f", "-o", "cat"]).start();
    agent.connect().write("SEND event 32\n").sync();
    assert_eq!(tail.line(), "event 32");
    tail.signal(Signal::SIGTERM);
    assert_eq!(tail.wait().code, Some(0));
    assert_eq!(fs::read_to_string(&file).expect("a cursor file").trim(), agent.connect().newest());
    fs::write(&file, "nonsense").expect("a writable file");
    agent.tail(&["--cursor-file", path]).run().failed(64, &[path, "not a cursor"]);
}

#[test]
fn show_cursor_prints_resume_position() {
    let agent = with_30();
    let out = agent.tail(&["-n1", "-o", "cat", "--show-cursor"]).ok();
    assert_eq!(out, format!("event 29\n-- cursor: {}\n", agent.connect().newest()));
    let out = agent.tail(&["-n", "all", "--count", "1", "-o", "cat", "--show-cursor"]).ok();
    let cursor = out.lines().last().and_then(|line| line.strip_prefix("-- cursor: "));
    let next = shown(&agent, &["--after-cursor", cursor.expect("a cursor"), "--count", "1"]);
    assert_eq!(next, [1]);
}

#[test]
fn count_match_and_timeout_end_follow() {
    let agent = with_30();
    assert_eq!(shown(&agent, &["-f", "-n", "all", "--count", "3"]), [0, 1, 2]);
    assert_eq!(shown(&agent, &["-f", "-n", "all", "--until-match", "n=4"]), [0, 1, 2, 3, 4]);
    let code = |arguments: &[&str]| agent.tail(arguments).run().code;
    assert_eq!(code(&["--until-match", "n=99"]), Some(1));
    assert_eq!(code(&["-f", "--timeout", "50ms"]), Some(124));
    assert_eq!(code(&["-f", "--timeout", "50ms", "--until-match", "n=99"]), Some(124));
    let mut tail = agent.tail(&["-f", "--until-match", "msg=now", "-o", "cat"]).start();
    wait_for("a follower", || (agent.stats()["followers"] == 1).then_some(()));
    agent.connect().write("SEND then\nSEND now\nSEND later\n").sync();
    let done = tail.wait();
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.out.ends_with("\nevent 29\nthen\nnow\n"), "{done:#?}");
}

#[test]
fn until_match_exits_3_across_gap() {
    let mut agent = Agent::start();
    agent.connect().write("SEND a\n").sync();
    agent.kill();
    agent.restart();
    agent.connect().write("SEND b\n").sync();
    let done = agent.tail(&["-n", "all", "--until-match", "msg=c"]).run();
    assert_eq!((done.code, done.err.as_str()), (Some(3), ""), "{done:#?}");
    let shown = done.lines();
    assert_eq!(shown.len(), 4, "{done:#?}");
    assert!(shown[0].contains("restart"), "a new log begins with a gap: {done:#?}");
    assert!(shown[2].contains("restart"), "the gap is shown: {done:#?}");
    assert_eq!(agent.tail(&["-n", "all", "--until-match", "msg=b"]).run().code, Some(0));
}

#[test]
fn broken_pipe_ends_quietly() {
    let agent = with_30();
    let line = format!("{} --socket {} -n all | head -1", Tool::tail_path(), agent.socket_text());
    let done = Tool::new("bash").args(&["-c", &format!("set -o pipefail; {line}")]).run();
    assert_eq!((done.code, done.err.as_str(), done.lines().len()), (Some(0), "", 1), "{done:#?}");
    let line = format!("{} --socket {} -f | head -1", Tool::tail_path(), agent.socket_text());
    let mut tail = Tool::new("bash").args(&["-c", &format!("set -o pipefail; {line}")]).start();
    tail.line();
    // Its next write fails, because head has exited.
    wait_for("its exit", || {
        agent.connect().write("SEND x\n").sync();
        (agent.stats()["followers"] == 0).then_some(())
    });
    let done = tail.wait();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:#?}");
}

#[test]
fn stats_summarizes_events() {
    let agent = with_30();
    let out = agent.tail(&["--stats"]).ok();
    assert!(out.contains("30 events"), "{out}");
    let row = |name: &str| {
        let line = out.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{name}: {out}"))
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for tag in ["shop.query", "shop.login", "cron"] {
        assert_eq!(row(tag)[1], "10", "{out}");
    }
    assert!(row("all")[1] == "30" && out.contains("29ms"), "{out}");
    let levels = row("levels:").join(" ");
    for level in ["err 6", "warning 6", "notice 6", "info 6", "debug 6"] {
        assert!(levels.contains(level), "{levels}");
    }
    let some = agent.tail(&["--stats", "-t", "cron"]).ok();
    assert!(some.contains("10 events"), "{some}");
}

#[test]
fn errors_are_one_line_with_code() {
    let agent = Agent::prepare(&[]);
    for arguments in [&["-n1"][..], &["-f"]] {
        agent.tail(arguments).run().failed(69, &[agent.socket_text(), "does not exist"]);
    }
    for wrong in [
        &["--frobnicate"][..],
        &["-n", "some"],
        &["-f", "-r"],
        &["-S", "soonish"],
        &["-o", "xml"],
        &["-p", "loud"],
        &["-g", "("],
        &["nonsense"],
        &["took>soon"],
        &["-c", "x"],
        &["--count", "0"],
    ] {
        agent.tail(wrong).run().failed(64, &[wrong[wrong.len() - 1]]);
    }
    assert_eq!(
        Tool::tail().args(&["--version"]).ok(),
        format!("pulse-tail {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn jq_reads_json_output() {
    let agent = with_30();
    let line = format!(
        "{} --socket {} -n 30 -o json | jq -c .fields.n",
        Tool::tail_path(),
        agent.socket_text()
    );
    let out = Tool::new("sh").args(&["-c", &line]).ok();
    let expected: String = (0..30).map(|n| format!("{n}\n")).collect();
    assert_eq!(out, expected);
    // The history is JSON too.
    let line = format!("cat {}/*.jsonl | jq -c .seq", agent.history().display());
    assert_eq!(Tool::new("sh").args(&["-c", &line]).ok().lines().count(), 31, "and the start");
    assert!(
        serde_json::from_str::<Value>(agent.history_text().lines().next().expect("one")).is_ok()
    );
}

//! `pulse-tail`: its options, its formats and its ends.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Agent, Item, Tool, assert_whole, parse, until};

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
    agent.connect().say(text).sync();
    agent
}

/// The numbers of the events that these arguments show.
#[track_caller]
fn shown(agent: &Agent, arguments: &[&str]) -> Vec<usize> {
    let out = agent.tail(arguments).args(&["-o", "cat"]).ok();
    let number = |line: &str| line.strip_prefix("event ").and_then(|n| n.parse().ok());
    // Each start is a gap, of which no event is missing.
    let events = out.lines().filter(|line| !line.contains("(restart)"));
    events.map(|line| number(line).unwrap_or_else(|| panic!("{line:?}"))).collect()
}

fn those(wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..30).filter(|n| wanted(*n)).collect()
}

#[test]
fn where_to_begin_and_where_to_end() {
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
    // They were sent at one moment, so that one time has them all or none.
    assert_eq!(shown(&agent, &["-S", &time]), all);
    assert_eq!(shown(&agent, &["-U", &time, "-n", "all"]), all);
    assert_eq!(shown(&agent, &["-S", "10 minutes ago"]), all);
    assert_eq!(shown(&agent, &["-S", "-5min", "-U", "now"]), all);
    assert_eq!(shown(&agent, &["-U", "yesterday"]), [0; 0]);
    assert_eq!(shown(&agent, &["-S", "2999-01-01 17:00"]), [0; 0]);
}

#[test]
fn which_events() {
    let agent = with_30();
    let all = |arguments: &[&str]| shown(&agent, &[arguments, &["-n", "all"]].concat());
    assert_eq!(all(&["-t", "shop.*"]), those(|n| n % 3 < 2));
    assert_eq!(all(&["-t", "cron", "-t", "shop.q*"]), those(|n| n % 3 != 1));
    assert_eq!(all(&["-p", "warning"]), those(|n| n % 5 == 1 || n % 5 == 2));
    assert_eq!(all(&["-p", "warning..notice"]), those(|n| n % 5 == 1 || n % 5 == 4));
    assert_eq!(all(&["-g", "EVENT"]), [0; 0], "with a capital it means just that");
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
fn every_format_shows_everything_that_it_should() {
    let agent = Agent::start();
    let object = r#"{"tag":"shop.query","level":"warning","msg":"slow\nquery took 40ms","run":"r1","fields":{"user":"a b","rows":3}}"#;
    agent.connect().say(format!("SEND {object}\n")).sync();
    let line = agent.connect().tail("{}").remove(0);
    let pid = parse(&line).event()["origin"]["pid"].to_string();
    let run = |arguments: &[&str]| agent.tail(arguments).args(&["-n1"]).ok();
    assert_eq!(run(&["-o", "json"]), format!("{line}\n"));
    assert_eq!(
        run(&["-o", "cat"]),
        "slow\n    query took 40ms\n".replace("    ", cat_indent(&run))
    );
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

/// How further lines of a message are indented by `-o cat`: by something.
fn cat_indent(run: &dyn Fn(&[&str]) -> String) -> &'static str {
    let out = run(&["-o", "cat"]);
    let second = out.lines().nth(1).unwrap_or_default().to_owned().leak();
    &second[..second.len() - second.trim_start().len()]
}

fn matches(regex: &str, text: &str) -> bool {
    regex::Regex::new(regex).expect("good").is_match(text)
}

#[test]
fn times_are_local_unless_utc_is_asked_for() {
    let agent = with_30();
    let hour = |tool: Tool| {
        let out = tool.args(&["-n1", "-o", "short-iso"]).ok();
        out.split(' ').next().expect("a time").to_owned()
    };
    let utc = hour(agent.tail(&["--utc"]).env("TZ", "Asia/Kolkata"));
    assert!(utc.ends_with("+00:00"), "{utc}");
    let there = hour(agent.tail(&[]).env("TZ", "IST-5:30"));
    assert!(there.ends_with("+05:30"), "{there}");
}

#[test]
fn text_from_events_never_drives_the_terminal() {
    let agent = Agent::start();
    let evil = "\\u001b[2J\\u009b1m\\u202e\\u0007\\r\\u0000evil";
    let object = format!(r#"{{"msg":"{evil}","run":"{evil}","fields":{{"f":"{evil}"}}}}"#);
    agent.connect().say(format!("SEND {object}\n")).sync();
    let colors = regex::Regex::new("\u{1b}\\[[0-9;]*m").expect("good");
    for format in ["short", "short-iso", "json", "cat", "logfmt", "verbose"] {
        for color in ["--color=never", "--color=always"] {
            let out = agent.tail(&["-o", format, color]).ok();
            assert!(out.contains("evil"), "{format}: {out:?}");
            let plain = colors.replace_all(&out, "");
            let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}' || c == '\u{9b}';
            assert!(!plain.contains(bad), "{format} {color}: {plain:?}");
        }
    }
    let summed = agent.tail(&["--stats"]).ok();
    assert!(!summed.contains(|c: char| c.is_control() && c != '\n'), "{summed:?}");
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let agent = with_30();
    let colored = |tool: Tool| tool.args(&["-n1", "-p", "err"]).ok().contains('\u{1b}');
    assert!(!colored(agent.tail(&[])), "a pipe is no terminal");
    assert!(colored(agent.tail(&["--color", "always"])));
    assert!(!colored(agent.tail(&["--color", "never"])));
}

#[test]
fn a_follow_survives_restarts_without_a_hole_or_a_repeat() {
    let mut agent = Agent::start();
    let begin = crate::harness::seq_of(&agent.connect().newest());
    let mut tail = agent.tail(&["-f", "-n", "all", "-o", "json"]).start();
    let mut items = Vec::new();
    for (round, kill) in [false, true, false, true].into_iter().enumerate() {
        let text: String = (0..500).map(|n| format!("SEND {round}:{n}\n")).collect();
        agent.connect().say(text).sync();
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
    agent.connect().say("SEND the end\n").sync();
    while items.last().and_then(Item::msg) != Some("the end") {
        items.push(parse(&tail.line()));
    }
    assert_eq!(begin, assert_whole(0, &items[..1]), "the start");
    assert_whole(0, &items);
    let told = items.iter().filter(|item| item.msg().is_some()).count();
    let gaps: Vec<_> = items.iter().filter_map(Item::gap).collect();
    assert_eq!((told, gaps.len()), (2001, 5), "a gap for each start: {gaps:?}");
    assert_eq!(gaps.iter().filter(|gap| gap.lost.is_none()).count(), 2, "{gaps:?}");
    tail.signal(Signal::SIGTERM);
    let done = tail.wait();
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(done.err.matches("waiting for it to come back").count(), 4, "{done:#?}");
}

#[test]
fn a_follow_with_a_match_goes_on_after_a_restart_where_it_was() {
    let mut agent = Agent::start();
    let mut tail = agent.tail(&["-f", "-q", "-o", "cat", "-t", "wanted"]).start();
    for n in 0..4 {
        let text = format!("SEND {{\"tag\":\"wanted\",\"msg\":\"{n}\"}}\nSEND other\n");
        agent.connect().say(text).sync();
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
fn a_cursor_file_gives_every_event_once() {
    let agent = with_30();
    let file = agent.dir().join("place");
    let place = file.to_str().expect("UTF-8");
    assert_eq!(shown(&agent, &["--cursor-file", place, "-n", "all"]).len(), 30);
    assert_eq!(fs::read_to_string(&file).expect("kept").trim(), agent.connect().newest());
    assert_eq!(shown(&agent, &["--cursor-file", place]), [0; 0]);
    agent.connect().say("SEND event 30\nSEND event 31\n").sync();
    assert_eq!(shown(&agent, &["--cursor-file", place, "--count", "1"]), [30]);
    assert_eq!(shown(&agent, &["--cursor-file", place]), [31]);
    // While it follows, the place moves along.
    let mut tail = agent.tail(&["--cursor-file", place, "-f", "-o", "cat"]).start();
    agent.connect().say("SEND event 32\n").sync();
    assert_eq!(tail.line(), "event 32");
    tail.signal(Signal::SIGTERM);
    assert_eq!(tail.wait().code, Some(0));
    assert_eq!(fs::read_to_string(&file).expect("kept").trim(), agent.connect().newest());
    fs::write(&file, "nonsense").expect("ours");
    agent.tail(&["--cursor-file", place]).run().failed(64, &[place, "not a cursor"]);
}

#[test]
fn show_cursor_says_where_to_go_on() {
    let agent = with_30();
    let out = agent.tail(&["-n1", "-o", "cat", "--show-cursor"]).ok();
    assert_eq!(out, format!("event 29\n-- cursor: {}\n", agent.connect().newest()));
    let out = agent.tail(&["-n", "all", "--count", "1", "-o", "cat", "--show-cursor"]).ok();
    let cursor = out.lines().last().and_then(|line| line.strip_prefix("-- cursor: "));
    let next = shown(&agent, &["--after-cursor", cursor.expect("a cursor"), "--count", "1"]);
    assert_eq!(next, [1]);
}

#[test]
fn ends_that_can_be_waited_for() {
    let agent = with_30();
    assert_eq!(shown(&agent, &["-f", "-n", "all", "--count", "3"]), [0, 1, 2]);
    assert_eq!(shown(&agent, &["-f", "-n", "all", "--until-match", "n=4"]), [0, 1, 2, 3, 4]);
    let code = |arguments: &[&str]| agent.tail(arguments).run().code;
    assert_eq!(code(&["--until-match", "n=99"]), Some(1));
    assert_eq!(code(&["-f", "--timeout", "50ms"]), Some(124));
    assert_eq!(code(&["-f", "--timeout", "50ms", "--until-match", "n=99"]), Some(124));
    let mut waits = agent.tail(&["-f", "--until-match", "msg=now", "-o", "cat"]).start();
    until("who waits", || (agent.stats()["followers"] == 1).then_some(()));
    agent.connect().say("SEND then\nSEND now\nSEND later\n").sync();
    let done = waits.wait();
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.out.ends_with("\nevent 29\nthen\nnow\n"), "{done:#?}");
}

#[test]
fn where_events_are_missing_nobody_knows_whether_it_came() {
    let mut agent = Agent::start();
    agent.connect().say("SEND a\n").sync();
    agent.kill();
    agent.restart();
    agent.connect().say("SEND b\n").sync();
    let done = agent.tail(&["-n", "all", "--until-match", "msg=c"]).run();
    assert_eq!((done.code, done.err.as_str()), (Some(3), ""), "{done:#?}");
    let shown = done.lines();
    assert_eq!(shown.len(), 4, "{done:#?}");
    assert!(shown[0].contains("restart"), "a new log begins with a gap: {done:#?}");
    assert!(shown[2].contains("restart"), "the gap is shown: {done:#?}");
    assert_eq!(agent.tail(&["-n", "all", "--until-match", "msg=b"]).run().code, Some(0));
}

#[test]
fn a_broken_pipe_ends_it_quietly() {
    let agent = with_30();
    let line = format!("{} --socket {} -n all | head -1", Tool::tail_path(), agent.socket_text());
    let done = Tool::new("bash").args(&["-c", &format!("set -o pipefail; {line}")]).run();
    assert_eq!((done.code, done.err.as_str(), done.lines().len()), (Some(0), "", 1), "{done:#?}");
    let line = format!("{} --socket {} -f | head -1", Tool::tail_path(), agent.socket_text());
    let mut tail = Tool::new("bash").args(&["-c", &format!("set -o pipefail; {line}")]).start();
    tail.line();
    // It sees that nobody reads any more when it next writes.
    until("its end", || {
        agent.connect().say("SEND x\n").sync();
        (agent.stats()["followers"] == 0).then_some(())
    });
    let done = tail.wait();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:#?}");
}

#[test]
fn stats_sum_up_what_there_is() {
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
fn what_is_wrong_is_one_line_with_its_code() {
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
fn what_jq_reads_is_json() {
    let agent = with_30();
    let line = format!(
        "{} --socket {} -n 30 -o json | jq -c .fields.n",
        Tool::tail_path(),
        agent.socket_text()
    );
    let out = Tool::new("sh").args(&["-c", &line]).ok();
    let expected: String = (0..30).map(|n| format!("{n}\n")).collect();
    assert_eq!(out, expected);
    // And so is the history itself.
    let line = format!("cat {}/*.jsonl | jq -c .seq", agent.history().display());
    assert_eq!(Tool::new("sh").args(&["-c", &line]).ok().lines().count(), 31, "and the start");
    assert!(
        serde_json::from_str::<Value>(agent.history_text().lines().next().expect("one")).is_ok()
    );
}

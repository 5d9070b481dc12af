//! What fingers know from tail(1) and journalctl(1) works in pulse-tail, or the error states what does.

use std::fs;

use crate::harness::{Agent, Output, Tool, wait_for};
use nix::sys::signal::Signal;

/// An agent with the events `event 1` to `event 20`.
fn with_20() -> Agent {
    let agent = Agent::start();
    let level = |n: u32| if n.is_multiple_of(5) { "err" } else { "info" };
    let event = |n: u32| {
        let (tag, level) = (["shop", "cron"][n as usize % 2], level(n));
        let user = ["anna", "bert", "carl"][n as usize % 3];
        format!(
            "SEND {{\"tag\":\"{tag}\",\"level\":\"{level}\",\"msg\":\"event {n}\",\"fields\":{{\"user\":\"{user}\",\"n\":{n}}}}}\n"
        )
    };
    agent.connect().write((1..=20).map(event).collect::<String>()).sync();
    agent
}

/// The numbers of the events that these arguments select.
#[track_caller]
fn shown(agent: &Agent, arguments: &[&str]) -> Vec<u32> {
    let out = agent.tail(arguments).args(&["-o", "cat"]).ok();
    let events = out.lines().filter_map(|line| line.strip_prefix("event "));
    events.map(|n| n.parse().expect("a number")).collect()
}

/// Runs a command on a terminal. Its stderr is part of the output.
fn on_terminal(tool: &Tool) -> Output {
    let (program, arguments) = tool.words();
    let quoted = |word: &std::ffi::OsString| format!("'{}'", word.to_str().expect("UTF-8"));
    let line = std::iter::once(&program).chain(&arguments).map(quoted).collect::<Vec<_>>();
    Tool::new("script").args(&["-qec", &line.join(" "), "/dev/null"]).env("TERM", "dumb").run()
}

#[test]
fn options_of_tail_and_journalctl_are_accepted() {
    let agent = with_20();
    let last = |n: u32| (21 - n..=20).collect::<Vec<_>>();
    for (line, numbers) in [
        (&["-3"][..], last(3)),
        (&["-q", "-12"], last(12)),
        (&["-0"], last(0)),
        (&["-n", "-4"], last(4)),
        (&["-n-4"], last(4)),
        (&["--lines=-4"], last(4)),
        (&["-n", "+1"], last(20)),
        (&["-n", "+0"], last(20)),
        (&["-n+15"], last(6)),
        (&["--lines", "+20"], last(1)),
        (&["--lines", "+21"], last(0)),
        (&["-n", "+3", "-p", "err"], vec![15, 20]),
        (&["-n", "+9", "-t", "shop", "user~"], vec![18, 20]),
        (&["-n", "+19", "--count", "1"], vec![19]),
        (&["--no-pager", "-n", "2"], last(2)),
        (&["-e"], last(10)),
        (&["-qe2"], vec![]),
        (&["--pager-end", "--no-pager", "-2"], last(2)),
        (&["-b"], last(20)),
        (&["--boot", "-n", "5"], last(5)),
        (&["-b", "-p", "err"], vec![5, 10, 15, 20]),
    ] {
        if line == ["-qe2"] {
            agent.tail(line).run().failed(64, &["-2"]);
            continue;
        }
        assert_eq!(shown(&agent, line), numbers, "{line:?}");
    }
    for line in ["-F", "-F -n0", "-Fn +5", "--follow=name", "--follow=descriptor", "-3f"] {
        let words: Vec<&str> = line.split(' ').collect();
        let run = agent.tail(&words).args(&["--timeout", "100ms"]).run();
        assert_eq!((run.code, run.err.as_str()), (Some(124), ""), "{line}");
    }
    agent.tail(&["-r", "-n", "+3"]).run().failed(64, &["-n +N", "-r"]);
    agent.tail(&["-F", "user"]).run().failed(64, &["--field user"]);
}

#[test]
fn other_options_of_the_peers_are_answered_with_ours() {
    let agent = with_20();
    for (line, ours) in [
        (&["--no-tail", "-f"][..], "-n all"),
        (&["-k"], "kernel"),
        (&["--dmesg"], "kernel"),
        (&["-W"], "--no-hostname"),
        (&["-T", "cron"], "tag!="),
        (&["--exclude-identifier=cron"], "tag!="),
        (&["--identifier", "cron"], "--tag"),
        (&["--facility=mail"], "facility="),
        (&["--machine", "web1"], "-M HOST"),
        (&["-N"], "-o json"),
        (&["--output-fields=MESSAGE"], "-o json"),
        (&["--retry", "-f"], "-f"),
        (&["-s", "5"], "-f"),
        (&["-v"], "-o verbose"),
        (&["-x"], "catalog"),
        (&["-xe"], "catalog"),
        (&["-fx"], "catalog"),
        (&["--list-boots"], "(restart)"),
        (&["--disk-usage"], "pulsed status"),
        (&["--vacuum-time=2d"], "pulsed.toml"),
    ] {
        let run = agent.tail(line).run();
        run.failed(64, &[ours]);
        assert!(!run.err.contains("unexpected"), "{run:?}");
    }
    // What is unknown anywhere, and values that look like one of these.
    agent.tail(&["--frobnicate"]).run().failed(64, &["unexpected argument '--frobnicate'"]);
    assert_eq!(agent.tail(&["-q", "-g", "-k"]).run().code, Some(0));
}

#[test]
fn follow_from_the_nth_counts_across_restarts() {
    let mut agent = Agent::start();
    let mut tail = agent.tail(&["-F", "-q", "-n", "+3", "-o", "cat", "user~"]).start();
    agent.send(&["-F", "user=a", "first"]).ok();
    agent.stop();
    agent.restart();
    for text in ["second", "third", "fourth"] {
        agent.send(&["-F", "user=a", text]).ok();
    }
    assert_eq!((tail.line(), tail.line()), ("third".into(), "fourth".into()));
    tail.signal(Signal::SIGTERM);
    assert_eq!(tail.wait().code, Some(0));
}

#[test]
fn field_lists_the_values_that_were_seen() {
    let agent = with_20();
    agent
        .connect()
        .write("SEND {\"msg\":\"x\",\"fields\":{\"user\":\"a\\nb\\u001b[2J\"}}\n")
        .sync();
    for (line, values) in [
        (&["--field", "user"][..], "bert\ncarl\nanna\na\\nb\\x1b[2J\n"),
        (&["--field=user", "-t", "cron", "-n", "3"], "anna\ncarl\nbert\n"),
        (&["--field", "fields.user", "-n", "1"], "a\\nb\\x1b[2J\n"),
        (&["--field", "tag", "user=anna"], "cron\nshop\n"),
        (&["--field", "level", "-n", "+19", "-t", "shop"], ""),
        (&["--field", "level", "tag!=root"], "info\nerr\n"),
        (&["--field", "n", "n<4"], "1\n2\n3\n"),
        (&["--field", "msg", "-2", "-t", "shop"], "event 18\nevent 20\n"),
        (&["--field", "host"], "testhost\n"),
        (&["--field", "run"], ""),
        (&["--field", "none", "-b"], ""),
        (&["--field", "_nope"], "64"),
        (&["--field", "SYSLOG_IDENTIFIER"], "64"),
    ] {
        let run = agent.tail(line).run();
        match values {
            "64" => run.failed(64, &["--field"]),
            values => {
                assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{line:?}");
                assert_eq!(run.out, values, "{line:?}");
            }
        }
    }
    let mut tail = agent.tail(&["--field", "user", "-f", "-n0"]).start();
    for user in ["new", "new", "newer"] {
        agent.send(&["-F", &format!("user={user}"), "x"]).ok();
    }
    // The agent answers a follow after what existed: which of these came before is unknown.
    let line = tail.line();
    assert!(["new", "newer"].contains(&line.as_str()), "{line}");
    tail.signal(Signal::SIGTERM);
    assert_eq!(tail.wait().code, Some(0));
}

#[test]
fn boot_is_the_last_start_of_the_agent() {
    let mut agent = with_20();
    for n in 21..24 {
        assert!(agent.stop().success());
        agent.restart();
        agent.connect().write(format!("SEND event {n}\n")).sync();
        assert_eq!(shown(&agent, &["-b"]), [n]);
    }
    agent.kill();
    agent.restart();
    assert_eq!(shown(&agent, &["-b"]), [0; 0]);
    agent.connect().write("SEND event 24\nSEND event 25\n").sync();
    assert_eq!(shown(&agent, &["--boot"]), [24, 25]);
    assert_eq!(shown(&agent, &["-b", "-r"]), [25, 24]);
    assert_eq!(shown(&agent, &["-b", "-n", "+2"]), [25]);
    assert_eq!(shown(&agent, &["-b", "msg~24"]), [24]);
    let run = agent.tail(&["-bF", "-o", "cat", "--timeout", "100ms"]).run();
    assert_eq!((run.code, run.out.as_str()), (Some(124), "event 24\nevent 25\n"));
}

#[test]
fn since_takes_what_is_on_the_screen() {
    let agent = with_20();
    for zone in ["UTC", "CET-1CEST,M3.5.0,M10.5.0/3", "<-0330>3:30"] {
        let since = |time: &str| {
            let found = agent.tail(&["-n", "all", "-o", "cat", "--since", time]).env("TZ", zone);
            let out = found.ok();
            out.lines().filter(|line| line.starts_with("event ")).count()
        };
        for format in ["short", "short-iso", "short-precise", "short-full", "with-unit"] {
            let first = ["--no-hostname", "-n", "+1", "--count", "1", "-t", "cron", "-o", format];
            let line = agent.tail(&first).env("TZ", zone).ok();
            let line =
                line.lines().find(|line| line.contains("cron")).expect("an event").to_owned();
            let (time, _) =
                line.split_once(" cron[").or(line.split_once(" cron:")).unwrap_or_else(|| {
                    // The tests run in a unit.
                    line.split_at(line.find("event").expect("the message"))
                });
            let time = if format == "with-unit" { words(time, 4) } else { time.to_owned() };
            assert_eq!(since(&time), 20, "{format} {zone}: {time}");
        }
        for format in [
            "+%c",
            "-R",
            "-Ins",
            "-Is",
            "-Iminutes",
            "-Ihours",
            "-Id",
            "--rfc-3339=ns",
            "--rfc-3339=s",
            "+%FT%T%z",
            "+%F %T %z",
            "+%F %T%:z",
            "+%a %F %T %Z",
            "+%b %e %T",
            "+%b %e %H:%M",
            "+%d %B %Y",
            "+%A, %B %d, %Y %r",
            "+%a %b %e %T %Z %Y",
            "+%s",
        ] {
            let format = if format == "+%s" { "+@%s" } else { format };
            let date = Tool::new("date").args(&["-d", "1 hour ago", format]);
            let time = date.env("TZ", zone).env("LC_ALL", "C").ok();
            if zone != "<-0330>3:30" || !format.contains("%Z") {
                assert_eq!(since(time.trim()), 20, "{format} {zone}: {time}");
            }
            let date = Tool::new("date").args(&["-d", "2 days", format]);
            let time = date.env("TZ", zone).env("LC_ALL", "C").ok();
            // Without a year, it may be that of the last year.
            if !format.contains("%b %e %T") && !format.contains("%H:%M") {
                let none =
                    if zone == "<-0330>3:30" && format.contains("%Z") { continue } else { 0 };
                assert_eq!(since(time.trim()), none, "{format} {zone}: {time}");
            }
        }
        let until = agent.tail(&["-n", "all", "-o", "cat", "--until", "Fri Jan 02 2026 10:00"]);
        assert_eq!(until.env("TZ", zone).ok().matches("event").count(), 0);
    }
    for time in ["Nov 31 10:00", "Mon 2026-11-22", "2026-11-22 10:00 XYZ", "22/11/2026", "Nov"] {
        agent.tail(&["--since", time]).run().failed(64, &["--since: not a time", time]);
    }
}

/// The first words of a text.
fn words(text: &str, count: usize) -> String {
    text.split(' ').take(count).collect::<Vec<_>>().join(" ")
}

#[test]
fn keys_of_the_journal_are_answered_with_ours() {
    let agent = with_20();
    for (term, key) in [
        ("SYSLOG_IDENTIFIER=shop", "tag"),
        ("PRIORITY=3", "level"),
        ("PRIORITY<=4", "level"),
        ("MESSAGE~timeout", "msg"),
        ("MESSAGE_ID=8d45620c1a4348dbb17410da57c60c66", "msgid"),
        ("SYSLOG_FACILITY=10", "facility"),
        ("SYSLOG_PID=1", "pid"),
        ("UNIT=nginx.service", "_unit"),
        ("_SYSTEMD_UNIT=nginx.service", "_unit"),
        ("_PID=1", "_pid"),
        ("_UID=0", "_uid"),
        ("_COMM=sshd", "_comm"),
        ("_HOSTNAME=web1", "host"),
    ] {
        let (name, _) = term.split_at(term.find(['=', '~', '<']).expect("an operator"));
        agent.tail(&[term]).run().failed(64, &[name, &format!("the key is {key}")]);
        agent.tail(&["--until-match", term]).run().failed(64, &[&format!("the key is {key}")]);
        agent.tail(&["--field", name]).run().failed(64, &[&format!("the key is {key}")]);
        let mut client = agent.connect();
        client.write(format!("TAIL {term}\n"));
        let answer = client.line();
        assert!(answer.contains(&format!("the key is {key}")), "{answer}");
        if !name.starts_with('_') {
            let field = format!("fields.{term}");
            assert_eq!(agent.tail(&[&field]).ok(), "-- agent started (restart) --\n");
        }
    }
    // What there is no key for is refused with those that there are.
    for term in ["_EXE=/bin/sh", "_TRANSPORT=stdout", "_BOOT_ID=1", "_GID=0", "__CURSOR=x"] {
        agent.tail(&[term]).run().failed(64, &["_pid", "_unit"]);
    }
    // A field of such a name is shown with the name that finds it.
    agent.send(&["-F", "PRIORITY=3", "x"]).ok();
    assert!(agent.tail(&["-n1", "-o", "logfmt"]).ok().contains(" fields.PRIORITY=3"));
    assert!(agent.tail(&["-o", "json", "fields.PRIORITY=3"]).ok().contains("\"PRIORITY\":\"3\""));
}

#[test]
fn limits_for_the_eye_hold_on_terminals_only() {
    let agent = Agent::start();
    let (message, value) = ("m".repeat(5000), "v".repeat(400));
    agent.send(&["-F", &format!("key={value}"), &message]).ok();
    for format in ["short", "short-iso", "short-precise", "short-full", "with-unit", "verbose"] {
        let tail = || agent.tail(&["-n1", "-o", format]);
        let piped = tail().ok();
        assert!(piped.contains(&message) && piped.contains(&value), "{format}: {piped}");
        assert!(!piped.contains("more characters"), "{format}");
        let seen = on_terminal(&tail());
        assert!(seen.out.contains("(904 more characters: -a shows them)"), "{format}: {seen:?}");
        let all = on_terminal(&tail().args(&["-a"]));
        assert!(all.out.contains(&message) && all.out.contains(&value), "{format}: {all:?}");
    }
}

#[test]
fn cat_is_exact_in_a_pipe_and_safe_on_a_terminal() {
    let agent = Agent::start();
    for (sent, exact, seen) in [
        ("a\\tb", "a\tb", "a\tb"),
        ("\\u001b[31mred", "\u{1b}[31mred", "\\x1b[31mred"),
        ("one\\n  two", "one\n  two", "one\r\n      two"),
        ("cr\\rlf", "cr\rlf", "cr\\rlf"),
        ("bell\\u0007", "bell\u{7}", "bell\\x07"),
        ("\\u202eback", "\u{202e}back", "\\u{202e}back"),
        ("c1\\u009b2J", "c1\u{9b}2J", "c1\\u{9b}2J"),
        ("-- 9 events missing --\\nx", "-- 9 events missing --\nx", "--\r\n    x"),
        ("{\\\"a\\\":[1]}", "{\"a\":[1]}", "{\"a\":[1]}"),
        ("naïve 日本語", "naïve 日本語", "naïve 日本語"),
        ("back\\\\slash", "back\\slash", "back\\slash"),
        ("zero\\u200bwidth", "zero\u{200b}width", "zero\\u{200b}width"),
    ] {
        agent.connect().write(format!("SEND {{\"msg\":\"{sent}\"}}\n")).sync();
        let tail = agent.tail(&["-n1", "-o", "cat"]);
        let terminal = on_terminal(&tail).out;
        assert!(terminal.contains(seen), "{sent}: {terminal:?}");
        assert!(!terminal.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{terminal:?}");
        assert_eq!(tail.ok(), format!("{exact}\n"), "{sent}");
    }
}

#[test]
fn a_field_that_no_event_has_gets_a_hint_on_a_terminal() {
    let agent = with_20();
    for (line, hint) in [
        (&["usr=anna"][..], Some("events has usr; their fields: n user")),
        (&["-f", "--timeout", "100ms", "usr=anna"], Some("has usr; their")),
        (&["-n", "0", "users~x"], Some("has users; their")),
        (&["n>5", "rows>1"], Some("has rows; their")),
        (&["fields.level=x"], Some("has fields.level; their")),
        (&["user=dora", "a=1"], Some("has a; their")),
        (&["run=r1"], Some("has run; their")),
        (&["took>1s"], Some("has took; their")),
        (&["abandoned=true"], None),
        (&["user=dora"], None),
        (&["usr!=anna"], None),
        (&["usr!~x", "user=anna"], None),
        (&["usr=anna", "+", "user=anna"], None),
        (&["tag=nope"], None),
        (&["-q", "usr=anna"], None),
    ] {
        let seen = on_terminal(&agent.tail(line)).out;
        let hinted = seen.contains("pulse-tail: none of the last 1000 events");
        assert_eq!(hinted, hint.is_some(), "{line:?}: {seen}");
        assert!(seen.contains(hint.unwrap_or_default()), "{line:?}: {seen}");
        let piped = agent.tail(line).run();
        assert_eq!(piped.err, "", "not for programs: {line:?}");
    }
}

#[test]
fn each_way_to_end_saves_the_cursor() {
    let agent = with_20();
    let end = agent.connect().newest();
    let file = agent.dir().join("cursor");
    let path = file.to_str().expect("UTF-8");
    let saved = || fs::read_to_string(&file).unwrap_or_default().trim().to_owned();
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        fs::remove_file(&file).ok();
        let mut tail = agent.tail(&["-f", "-n", "5", "-o", "cat", "--cursor-file", path]).start();
        while tail.line() != "event 20" {}
        tail.signal(signal);
        let done = tail.wait();
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{signal}: {done:#?}");
        assert_eq!(saved(), end, "{signal}");
    }
    for (line, code) in [
        (&["--timeout", "1s", "-f"][..], 124),
        (&["--count", "20"], 0),
        (&["--until-match", "n=20"], 0),
        (&["--until-match", "n=21"], 1),
        (&[], 0),
        (&["-n", "+3"], 0),
        (&["--field", "user"], 0),
        (&["--stats"], 0),
        (&["-q", "no=event"], 0),
    ] {
        fs::remove_file(&file).ok();
        let run = agent.tail(&["--cursor-file", path, "-n", "all"]);
        let run = if line.contains(&"-n") { agent.tail(&["--cursor-file", path]) } else { run };
        let run = run.args(line).run();
        assert_eq!(run.code, Some(code), "{run:#?}");
        assert_eq!(saved(), end, "{line:?}");
    }
}

#[test]
fn nohup_keeps_following() {
    let agent = Agent::start();
    let (program, arguments) = agent.tail(&["-f", "-n0", "-q", "-o", "cat"]).words();
    let arguments: Vec<&str> = arguments.iter().map(|word| word.to_str().expect("UTF-8")).collect();
    let nohup = Tool::new("nohup").arg(program).args(&arguments);
    let mut tail = nohup.start();
    let follows = || (agent.stats()["followers"].as_u64() == Some(1)).then_some(());
    wait_for("a follower", follows);
    tail.signal(Signal::SIGHUP);
    agent.send(&["still here"]).ok();
    assert_eq!(tail.line(), "still here");
    tail.signal(Signal::SIGTERM);
    assert_eq!(tail.wait().code, Some(0));
}

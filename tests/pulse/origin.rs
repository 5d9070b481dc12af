//! The origin of an event: what the kernel verified, never what the sender claims.

use std::fs;
use std::process::id;

use nix::unistd::{User, geteuid};
use serde_json::json;

use pulsed::agent::BURST_OF_HISTORY;

use crate::harness::{Agent, FIRST, Item, Tool, as_root, parse, wait_for};

/// The uid of the account `nobody`.
const OTHER: &str = "65534";

#[test]
fn origin_names_process_and_user() {
    let agent = Agent::start();
    agent.connect().write("SEND a\n").sync();
    let item = parse(&agent.connect().tail("{}")[0]);
    let mut origin = item.event()["origin"].clone();
    let keys = origin.as_object_mut().expect("an object");
    // Present if systemd started the tests.
    if let Some(unit) = keys.remove("unit") {
        let cgroup = fs::read_to_string("/proc/self/cgroup").expect("proc");
        assert!(cgroup.contains(unit.as_str().expect("text")), "{unit}: {cgroup}");
    }
    let comm = fs::read_to_string("/proc/self/comm").expect("proc");
    let user = User::from_uid(geteuid()).expect("a user database").map(|user| user.name);
    let mut expected = json!({"pid": id(), "uid": geteuid().as_raw(), "comm": comm.trim_end()});
    if let Some(user) = user {
        expected["user"] = user.into();
    }
    assert_eq!(origin, expected);
}

#[test]
fn origin_names_short_lived_command() {
    let agent = Agent::start();
    agent.send(&["hello"]).ok();
    let item = parse(&agent.connect().tail("{}")[0]);
    assert_eq!(item.event()["origin"]["uid"], geteuid().as_raw());
    assert_eq!(
        item.event()["origin"]["comm"],
        "pulse-send",
        "pulse-send waits for its acknowledgement"
    );
}

#[test]
fn claims_never_pass_for_the_agents_word() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let forged = [
        r#"SEND {"origin":{"uid":7},"msg":"x"}"#,
        r#"SEND {"msg":"x","seq":1}"#,
        r#"SEND {"msg":"x","host":"other"}"#,
        r#"SEND {"msg":"x","conn":7,"run":"r"}"#,
        r#"SEND {"msg":"x","abandoned":true}"#,
        r#"SEND {"gap":{"after":1,"before":9,"lost":7,"why":"storage"}}"#,
        r#"SEND {"_uid":7,"_user":"other","fields":{"_uid":7,"_pid":7}}"#,
        r#"SEND {"repaired":"utf8","fields":{"repaired":"cut"}}"#,
        r#"SEND {"sent":"a","time":"b","fields":{"sent":"c"}}"#,
        r#"SEND {"fields":{"uid":0,"origin":"root"}}"#,
        r#"SEND x","origin":{"uid":7}}"#,
        r#"SEND {"msg":"x","origin":{"uid":7}"#,
    ];
    client.write(forged.join("\n")).write("\n").sync();
    // The other dialects.
    agent.connect().write(r#"{"msg":"x","origin":{"uid":7},"seq":1}"#).shutdown_write().rest();
    let mut syslog = agent.connect();
    syslog.write("<13>1 - - a - - [a@1 _uid=\"7\" origin=\"7\" repaired=\"cut\" sent=\"x\"] x\n");
    syslog.shutdown_write().rest();
    let count = forged.len() + 2;
    let lines = wait_for("all events", || {
        let lines = client.tail("{}");
        (lines.len() == count).then_some(lines)
    });
    for (next, line) in (FIRST..).zip(&lines) {
        let item = parse(line);
        let event = item.event();
        assert_eq!(event["origin"]["uid"], geteuid().as_raw(), "{line}");
        assert_eq!((&event["seq"], &event["host"]), (&next.into(), &"testhost".into()), "{line}");
        assert_eq!(event.get("abandoned"), None, "{line}");
        let names = event["fields"].as_object().map(|fields| fields.keys().cloned());
        assert!(names.into_iter().flatten().all(|name| !name.starts_with('_')), "{line}");
    }
    for matching in ["_uid=7", "_user=other", "abandoned=true", "_conn=7", "host=other"] {
        let found = client.tail(&format!("{{\"match\":\"{matching}\"}}"));
        let events = found.iter().filter(|line| line.contains("\"seq\""));
        // `host` of the event is the agent's, the field of that name is the sender's.
        let expected = usize::from(matching == "host=other");
        assert!(events.count() <= expected, "{matching}: {found:?}");
    }
    let fields = |at: usize| parse(&lines[at]).event()["fields"].clone();
    assert_eq!(fields(0), json!({"origin.uid": 7, "repaired": "claim nested"}));
    assert_eq!(fields(7), json!({"repaired.2": "utf8", "repaired.3": "cut", "repaired": "claim"}));
    assert_eq!(fields(8)["sent"], "b");
    let syslog = fields(count - 1);
    assert_eq!(
        (&syslog["repaired"], &syslog["repaired.2"]),
        (&"claim fields".into(), &"cut".into())
    );
}

#[test]
fn origin_names_another_user() {
    if !as_root("events of another user") {
        return;
    }
    let agent = Agent::start();
    let line = format!("printf 'SEND hello\\nSYNC\\n' | nc -NU {}", agent.socket_text());
    let as_other = [&format!("--reuid={OTHER}"), "--clear-groups", "sh", "-c", line.as_str()];
    let answer = Tool::new("setpriv").args(&as_other).ok();
    assert!(answer.starts_with("OK "), "{answer}");
    let item = parse(&agent.connect().tail("{\"match\":\"_uid=65534 _user=nobody\"}")[0]);
    let event = item.event();
    assert_eq!((&event["tag"], &event["origin"]["user"]), (&"nobody".into(), &"nobody".into()));
}

#[test]
fn limits_connections_of_another_user() {
    if !as_root("the bound on the connections of another user") {
        return;
    }
    let agent = Agent::start();
    let program = r#"
        for ($n = 0; $n < 1025; $n++) {
            $open[] = $agent = stream_socket_client("unix://" . getenv("SOCK"));
            // The agent may close the last one before anything is written.
            @fwrite($agent, "PING\n");
            $answer = fgets($agent);
            if (substr($answer, 0, 3) !== "OK ") { echo $n, " ", $answer; }
        }
    "#;
    let limited = ["-n4096", "setpriv", &format!("--reuid={OTHER}"), "--clear-groups"];
    let tool = Tool::new("prlimit").args(&limited).args(&["php", "-r", program]);
    let answer = tool.env("SOCK", agent.socket_text()).ok();
    assert_eq!(answer, "1024 ERR 75 too many connections of your user: try again later\n");
    // The slots are free again.
    wait_for("no other connection", || (agent.stats()["connections"] == 1).then_some(()));
}

#[test]
fn rate_gap_counts_refused_events() {
    if !as_root("the rate limits of another user") {
        return;
    }
    let agent = Agent::start();
    // Sends at full speed until an event is refused: the burst is 1/16 of history.size, the rate 16 MiB/s.
    let program = r#"
        $agent = stream_socket_client("unix://" . getenv("SOCK"));
        $text = str_repeat("SEND " . str_repeat("x", 65000) . "\n", 100) . "SYNC\n";
        for ($sent = 100; ; $sent += 100) {
            fwrite($agent, $text);
            while (!preg_match("/^OK|rest stored at/", $answer = fgets($agent)));
            if ($answer[0] === "E") { echo $sent, " ", $answer; break; }
        }
    "#;
    let as_other = [&format!("--reuid={OTHER}"), "--clear-groups", "php", "-r", program];
    let answer = Tool::new("setpriv").args(&as_other).env("SOCK", agent.socket_text()).ok();
    let words: Vec<&str> = answer.split(' ').collect();
    assert_eq!((words[1], words[2], words[4]), ("ERR", "75", "refused,"), "{answer}");
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    let (sent, refused) = (number(0), number(3));
    wait_for("gaps that count what was refused", || {
        // A gap is sent for every MATCH.
        let lines = agent.connect().tail("{\"match\":\"tag=none\"}");
        let items: Vec<Item> = lines.iter().map(|line| parse(line)).collect();
        let gaps = items.iter().map(|item| item.gap().expect("no event has that tag"));
        let lost = gaps.inspect(|gap| assert_eq!(gap.why, "rate")).map(|gap| gap.lost);
        (lost.sum::<Option<u64>>() == Some(refused)).then_some(())
    });
    let accepted = agent.stats()["events"].as_u64().expect("a number");
    assert_eq!(accepted, sent - refused);
    assert!(accepted * 65_000 >= (1 << 30) / BURST_OF_HISTORY, "the burst is granted: {accepted}");
}

//! The origin of an event: what the kernel verified, never what the sender claims.

use std::fs;
use std::process::id;

use nix::unistd::{User, geteuid};
use serde_json::json;

use pulsed::agent::BURST_OF_HISTORY;

use crate::harness::{Agent, Item, Tool, as_root, parse, wait_for};

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
fn rejects_claimed_origin() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for forged in [
        r#"{"origin":{"uid":0},"msg":"x"}"#,
        r#"{"msg":"x","seq":1}"#,
        r#"{"msg":"x","host":"other"}"#,
        r#"{"fields":{"_uid":0}}"#,
        r#"{"took":1}"#,
    ] {
        let answer = client.request(&format!("SEND {forged}"));
        assert!(answer.starts_with("ERR 65 "), "{forged}: {answer}");
    }
    // A field or a text of the same name is accepted as such.
    client.write("SEND {\"fields\":{\"uid\":0,\"origin\":\"root\"}}\n");
    client.write("SEND x\",\"origin\":{\"uid\":7}}\n");
    assert!(client.request("SYNC").starts_with("ERR 65 5 refused, "));
    for line in client.tail("{}") {
        assert_eq!(parse(&line).event()["origin"]["uid"], geteuid().as_raw());
    }
    let lines = client.tail("{\"match\":\"_uid=7\"}");
    assert_eq!(lines, [""; 0]);
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

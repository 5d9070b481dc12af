//! Who sent it: what the kernel vouches for, and never what the sender says.

use std::fs;
use std::process::id;

use nix::unistd::{User, geteuid};
use serde_json::json;

use crate::harness::{Agent, Item, Tool, as_root, parse, wait_for};

/// Everybody's uid for nobody.
const NOBODY: &str = "65534";

#[test]
fn an_event_says_which_process_of_which_user_sent_it() {
    let agent = Agent::start();
    agent.connect().write("SEND a\n").sync();
    let item = parse(&agent.connect().tail("{}")[0]);
    let mut origin = item.event()["origin"].clone();
    let keys = origin.as_object_mut().expect("an object");
    // Where systemd has started the tests.
    if let Some(unit) = keys.remove("unit") {
        let cgroup = fs::read_to_string("/proc/self/cgroup").expect("proc");
        assert!(cgroup.contains(unit.as_str().expect("text")), "{unit}: {cgroup}");
    }
    let comm = fs::read_to_string("/proc/self/comm").expect("proc");
    let user = User::from_uid(geteuid()).expect("a database").map(|user| user.name);
    let mut expected = json!({"pid": id(), "uid": geteuid().as_raw(), "comm": comm.trim_end()});
    if let Some(user) = user {
        expected["user"] = user.into();
    }
    assert_eq!(origin, expected);
}

#[test]
fn an_event_of_a_short_lived_sender_says_its_command() {
    let agent = Agent::start();
    agent.send(&["hello"]).ok();
    let item = parse(&agent.connect().tail("{}")[0]);
    assert_eq!(item.event()["origin"]["uid"], geteuid().as_raw());
    assert_eq!(item.event()["origin"]["comm"], "pulse-send", "it waits for its acknowledgement");
}

#[test]
fn what_a_sender_claims_about_itself_is_refused() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for forged in [
        r#"{"origin":{"uid":0},"msg":"x"}"#,
        r#"{"msg":"x","seq":1}"#,
        r#"{"msg":"x","host":"other"}"#,
        r#"{"fields":{"_uid":0}}"#,
        r#"{"took":1}"#,
    ] {
        let told = client.request(&format!("SEND {forged}"));
        assert!(told.starts_with("ERR 65 "), "{forged}: {told}");
    }
    // As a field of its own, or as text, it is only what it says.
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
fn another_user_is_told_apart() {
    if !as_root("events of another user") {
        return;
    }
    let agent = Agent::start();
    let line = format!("printf 'SEND hello\\nSYNC\\n' | nc -NU {}", agent.socket_text());
    let as_nobody = [&format!("--reuid={NOBODY}"), "--clear-groups", "sh", "-c", line.as_str()];
    let told = Tool::new("setpriv").args(&as_nobody).ok();
    assert!(told.starts_with("OK "), "{told}");
    let item = parse(&agent.connect().tail("{\"match\":\"_uid=65534 _user=nobody\"}")[0]);
    let event = item.event();
    assert_eq!((&event["tag"], &event["origin"]["user"]), (&"nobody".into(), &"nobody".into()));
}

#[test]
fn one_other_user_may_have_1024_connections_and_no_more() {
    if !as_root("the bound on the connections of another user") {
        return;
    }
    let agent = Agent::start();
    let program = r#"
        for ($n = 0; $n < 1025; $n++) {
            $open[] = $agent = stream_socket_client("unix://" . getenv("SOCK"));
            // The last one may be closed before it says a word.
            @fwrite($agent, "PING\n");
            $told = fgets($agent);
            if (substr($told, 0, 3) !== "OK ") { echo $n, " ", $told; }
        }
    "#;
    let limited = ["-n4096", "setpriv", &format!("--reuid={NOBODY}"), "--clear-groups"];
    let tool = Tool::new("prlimit").args(&limited).args(&["php", "-r", program]);
    let told = tool.env("SOCK", agent.socket_text()).ok();
    assert_eq!(told, "1024 ERR 75 too many connections of your user: try again later\n");
    // They are given back.
    wait_for("nobody but who asks", || (agent.stats()["connections"] == 1).then_some(()));
}

#[test]
fn another_user_who_floods_is_refused_and_the_gap_counts_what_was() {
    if !as_root("the limits on how fast another user may send") {
        return;
    }
    let agent = Agent::start();
    // As fast as it goes, until something is refused: 160 MiB are a burst, and 16 MiB a second more.
    let program = r#"
        $agent = stream_socket_client("unix://" . getenv("SOCK"));
        $text = str_repeat("SEND " . str_repeat("x", 65000) . "\n", 100) . "SYNC\n";
        for ($sent = 100; ; $sent += 100) {
            fwrite($agent, $text);
            while (!preg_match("/^OK|rest stored at/", $told = fgets($agent)));
            if ($told[0] === "E") { echo $sent, " ", $told; break; }
        }
    "#;
    let as_nobody = [&format!("--reuid={NOBODY}"), "--clear-groups", "php", "-r", program];
    let told = Tool::new("setpriv").args(&as_nobody).env("SOCK", agent.socket_text()).ok();
    let words: Vec<&str> = told.split(' ').collect();
    assert_eq!((words[1], words[2], words[4]), ("ERR", "75", "refused,"), "{told}");
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    let (sent, refused) = (number(0), number(3));
    wait_for("gaps that count what was refused", || {
        // Gaps are shown whatever is asked for.
        let lines = agent.connect().tail("{\"match\":\"tag=none\"}");
        let items: Vec<Item> = lines.iter().map(|line| parse(line)).collect();
        let gaps = items.iter().map(|item| item.gap().expect("no event has that tag"));
        let lost = gaps.inspect(|gap| assert_eq!(gap.why, "rate")).map(|gap| gap.lost);
        (lost.sum::<Option<u64>>() == Some(refused)).then_some(())
    });
    let taken = agent.stats()["events"].as_u64().expect("a number");
    assert_eq!(taken, sent - refused);
    assert!(taken * 65_000 >= 160 << 20, "the burst is granted: {taken}");
}

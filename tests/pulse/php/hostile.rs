//! Values that a page should not pass: the page goes on as without the library, in bounded time, and what arrives is valid.

use serde_json::{Value, json};

use super::{code_for, events, php, script};
use crate::harness::Agent;

fn hostile(socket: &str) -> crate::harness::Output {
    php()
        .env("PULSED_SOCKET", socket)
        .args(&["-d", "log_errors=0"])
        .arg(script("hostile.php"))
        .run()
}

#[test]
fn the_page_notices_nothing() {
    let agent = Agent::start();
    for socket in [agent.socket_text(), "/nonexistent"] {
        let done = hostile(socket);
        assert_eq!(
            (done.code, done.out.as_str(), done.err.as_str()),
            (Some(0), "clean\n", ""),
            "{socket}"
        );
    }
}

#[test]
fn what_arrives_is_valid_and_marked() {
    let agent = Agent::start();
    hostile(agent.socket_text());
    let all = events(&agent);
    // Every line was an object of the library: the agent had to take none as text.
    for event in &all {
        let repaired = event["fields"]["repaired"].as_str().unwrap_or_default();
        assert!(
            !repaired.split(' ').any(|word| ["object", "cut", "nested"].contains(&word)),
            "{event}"
        );
        assert!(
            event["fields"]["page"] == "hostile.php" || event["msg"] == "the last one",
            "{event}"
        );
    }
    let find = |msg: &str| -> &Value {
        all.iter().find(|event| event["msg"] == msg).unwrap_or_else(|| panic!("{msg}: {all:#?}"))
    };
    let fields = &find("hostile")["fields"];
    for (name, value) in [
        ("invalid", json!("a\u{fffd}\u{fffd}b\u{fffd}")),
        ("controls", json!("\0\u{1}\u{1b}[31m\r\n\t\u{7f}")),
        ("closure", json!("[Closure]")),
        ("object", json!("[stdClass]")),
        ("throws", json!("[Throws]")),
        ("reference", json!("by reference")),
        ("resource", json!("[resource (stream)]")),
        ("closed", json!("[resource (closed)]")),
        ("nan", json!("NAN")),
        ("inf", json!("-INF")),
        ("big", json!(i64::MIN)),
        ("suit", json!("H")),
        ("plain", json!("One")),
        ("date", json!("2026-11-22T17:32:05.000000+00:00")),
        ("anonymous", json!("[class@anonymous]")),
        ("error.class", json!("ErrorException")),
        ("null", json!(null)),
        ("cycle.name", json!("cycle")),
        ("cycle.self.self.name", json!("cycle")),
    ] {
        assert_eq!(fields[name], value, "{name}: {fields}");
    }
    assert!(
        fields["repaired"].as_str().is_some_and(|repaired| repaired.contains("utf8")),
        "{fields}"
    );
    assert!(fields["cut"].as_str().is_some_and(|cut| cut.contains("long=4000000")), "{fields}");
    assert_eq!(fields["long"].as_str().map(str::len), Some(4096));
    assert!(fields["more"].as_u64().is_some_and(|more| more > 99_000), "{fields}");
    let forged =
        all.iter().any(|event| event["msg"].as_str().is_some_and(|msg| msg.starts_with("forged")));
    assert!(!forged);
}

#[test]
fn long_texts_are_cut_at_a_character_and_marked() {
    let agent = Agent::start();
    code_for(
        &agent,
        "Pulse::send(str_repeat('é', 1000000), ['field' => 'x' . str_repeat('é', 5000)]);
         Pulse::send(str_repeat(\"\\x01\", 8000));
         Pulse::send(str_repeat('a', 8192));
         Pulse::send('x', array_fill(0, 1000, 1));",
    )
    .ok();
    let all = events(&agent);
    let msg = |n: usize| all[n]["msg"].as_str().expect("a message");
    assert_eq!((msg(0).len(), msg(0).replace('é', "")), (8192, String::new()));
    assert_eq!(all[0]["fields"]["cut"], "msg=2000000 field=10001");
    assert_eq!(all[0]["fields"]["field"].as_str().map(str::len), Some(4095));
    assert!(all[1]["fields"]["cut"] == "msg=8000" && msg(1).len() > 2000, "{}", all[1]);
    assert_eq!((msg(2).len(), &all[2]["fields"]["cut"]), (8192, &json!(null)));
    assert_eq!((&all[3]["fields"]["47"], &all[3]["fields"]["48"]), (&json!(1), &json!(null)));
    assert_eq!(all[3]["fields"]["more"], 952);
    assert!(all.iter().all(|event| event["fields"]["repaired"].is_null()), "{all:#?}");
}

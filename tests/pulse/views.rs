//! VIEW: snapshots of users, queries, running now and rates, while the client is connected.

use serde_json::Value;

use pulsed::agent::FOLDS_MAX;

use crate::harness::{Agent, Client, as_root, wait_for};

/// A client that watches a view, five times a second.
fn watch(agent: &Agent, name: &str, matching: &str) -> Client {
    let mut client = agent.connect();
    client.write(format!("VIEW {{\"name\":\"{name}\",\"match\":\"{matching}\",\"every\":0.2}}\n"));
    client
}

/// The next snapshot for which `condition` holds.
fn snapshot(client: &mut Client, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || {
        let snapshot: Value = serde_json::from_str(&client.line()).expect("a JSON object");
        condition(&snapshot).then_some(snapshot)
    })
}

fn count(value: &Value) -> u64 {
    value.as_u64().expect("a count")
}

#[test]
fn running_shows_begun_ended_and_abandoned_runs() {
    let agent = Agent::start();
    let mut before = agent.connect();
    before
        .write("SEND {\"tag\":\"job\",\"run\":\"early\",\"msg\":\"begun before the view\"}\n")
        .sync();
    let mut view = watch(&agent, "running", "");
    let first = snapshot(&mut view, "the early run", |shown| count(&shown["running"]) == 1);
    assert_eq!(first["view"], "running");
    let row = &first["runs"][0];
    assert_eq!(
        (&row["run"], &row["state"], &row["conn"]),
        (&"early".into(), &"running".into(), &1.into())
    );
    assert_eq!(row["msg"], "begun before the view");

    let mut other = agent.connect();
    other.write("SEND {\"tag\":\"job\",\"run\":\"late\"}\n").sync();
    snapshot(&mut view, "two runs", |shown| count(&shown["running"]) == 2);
    other.write("SEND {\"tag\":\"job\",\"run\":\"late\",\"fields\":{\"took\":1}}\n").sync();
    snapshot(&mut view, "one run", |shown| count(&shown["running"]) == 1);
    drop(before);
    let last = snapshot(&mut view, "an abandoned run", |shown| count(&shown["abandoned"]) == 1);
    assert_eq!((&last["running"], &last["runs"][0]["run"]), (&0.into(), &"early".into()));
}

#[test]
fn running_survives_a_gap_that_makes_readers_unsure() {
    let mut agent = Agent::start();
    let mut job = agent.connect();
    job.write("SEND {\"run\":\"old\"}\n").sync();
    job.write("QUIT\n");
    assert_eq!(job.try_line(), None);
    assert!(agent.stop().success());
    agent.restart();
    let mut new = agent.connect();
    new.write("SEND {\"run\":\"new\"}\n").sync();
    let mut view = watch(&agent, "running", "");
    let shown = snapshot(&mut view, "both runs", |shown| {
        count(&shown["running"]) == 1 && count(&shown["unknown"]) == 1
    });
    let states =
        [0, 1].map(|n| (shown["runs"][n]["run"].clone(), shown["runs"][n]["state"].clone()));
    assert_eq!(states, [("old".into(), "unknown".into()), ("new".into(), "running".into())]);
}

#[test]
fn counts_are_exact_and_honour_the_match() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for n in 0..30 {
        let level = if n % 10 == 0 { "err" } else { "info" };
        client.write(format!(
            "SEND {{\"tag\":\"shop.query\",\"level\":\"{level}\",\"msg\":\"select {n} took {n}ms\",\"fields\":{{\"user\":\"u{}\"}}}}\n",
            n % 3
        ));
    }
    client.write("SEND {\"tag\":\"cron\",\"msg\":\"done\"}\n").sync();
    let all = |shown: &Value| count(&shown["events"]) == 31;
    let rates = snapshot(&mut watch(&agent, "rates", ""), "31 events", all);
    let tags: Vec<(String, u64)> = rates["tags"]
        .as_array()
        .expect("tags")
        .iter()
        .map(|tag| (tag["tag"].as_str().expect("a tag").to_owned(), count(&tag["events"])))
        .collect();
    assert_eq!(tags, [("shop.query".to_owned(), 30), ("cron".to_owned(), 1)]);
    let matched = |shown: &Value| count(&shown["events"]) == 3;
    snapshot(&mut watch(&agent, "rates", "level=err"), "3 events", matched);

    let users = snapshot(&mut watch(&agent, "users", "tag=shop.*"), "three users", |shown| {
        shown["users"].as_array().is_some_and(|users| users.len() == 3)
    });
    assert!(users["users"].as_array().expect("users").iter().all(|user| user["events"] == 10));
    // All 30 are one shape.
    let queries = snapshot(&mut watch(&agent, "queries", "tag=shop.*"), "a shape", |shown| {
        shown["shapes"].as_array().is_some_and(|shapes| !shapes.is_empty())
    });
    assert_eq!(queries["shapes"].as_array().expect("shapes").len(), 1, "{queries}");
}

#[test]
fn rejects_bad_requests_and_goes_on() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for request in [
        "VIEW",
        "VIEW running",
        "VIEW {}",
        "VIEW {\"name\":\"walking\"}",
        "VIEW {\"name\":\"running\",\"color\":1}",
        "VIEW {\"name\":\"running\",\"every\":0.1}",
        "VIEW {\"name\":\"running\",\"every\":61}",
        "VIEW {\"name\":\"running\",\"match\":\"level>\"}",
    ] {
        let answer = client.request(request);
        assert!(answer.starts_with("ERR 64 "), "{request}: {answer}");
    }
    client.write("VIEW {\"name\":\"running\"}\n");
    assert!(client.line().starts_with("{\"view\":\"running\""));
    client.write("QUIT\n");
    wait_for("the end of the stream", || client.try_line().is_none().then_some(()));
}

#[test]
fn bounds_the_number_of_folds() {
    let agent = Agent::start();
    let mut watching: Vec<Client> = (0..FOLDS_MAX)
        .map(|n| {
            let mut client = watch(&agent, "rates", &format!("tag=t{n}"));
            assert!(client.line().starts_with('{'));
            client
        })
        .collect();
    let one_more = || watch(&agent, "rates", "tag=more").line();
    let answer = one_more();
    assert!(answer.starts_with("ERR 75 "), "{answer}");
    // A fold that is watched already is shared.
    assert!(watch(&agent, "users", "tag=t0").line().starts_with('{'));
    // One without a watcher makes room at once.
    drop(watching.pop());
    wait_for("room for a fold", || one_more().starts_with('{').then_some(()));
}

#[test]
fn shows_only_permitted_tags() {
    if !as_root("that a view shows only what its reader may follow") {
        return;
    }
    let rules = "[[access]]\ntag = \"shop.*\"\nsend = [\"*\"]\ntail = [\"4242\"]\n[[access]]\ntag = \"*\"\nsend = [\"*\"]\ntail = []";
    let agent = Agent::with(&[rules]);
    let mut client = agent.connect();
    for tag in ["shop.a", "secret"] {
        client.write(format!(
            "SEND {{\"tag\":\"{tag}\",\"run\":\"{tag}\",\"fields\":{{\"user\":\"{tag}\"}}}}\n"
        ));
    }
    client.sync();
    for name in ["running", "rates", "users", "queries"] {
        let mut view = agent.connect_as(4242);
        view.write(format!("VIEW {{\"name\":\"{name}\",\"every\":0.2}}\n"));
        let shown = snapshot(&mut view, name, |shown| {
            name == "queries" || shown.to_string().contains("shop.a")
        });
        assert!(!shown.to_string().contains("secret"), "{shown}");
        let mut denied = agent.connect_as(4243);
        let answer = denied.request(&format!("VIEW {{\"name\":\"{name}\"}}"));
        assert!(answer.starts_with("ERR 77 "), "{answer}");
    }
}

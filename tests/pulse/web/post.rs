//! `POST /events`.

use serde_json::json;

use pulsed::agent::BODY_MAX;
use pulsed::event::DRAFT_MAX;

use super::{Http, Visitor};
use crate::harness::{Agent, begins_log, parse, wait_for};

/// The messages of all events, in order.
fn messages(agent: &Agent) -> Vec<String> {
    let lines = agent.connect().tail("{}");
    lines.iter().filter_map(|line| parse(line).msg().map(str::to_owned)).collect()
}

fn tag_of_newest(agent: &Agent) -> String {
    let line = agent.connect().tail(r#"{"lines":1}"#).pop().expect("a line");
    parse(&line).event()["tag"].as_str().expect("a tag").to_owned()
}

#[test]
fn takes_what_send_takes_and_answers_with_the_cursor() {
    let agent = Agent::start();
    let shop = agent.bearer("shop", &["*"], &[]);
    let body = concat!(
        "plain text took 40ms\n",
        "{\"tag\":\"shop.query\",\"level\":\"err\",\"msg\":\"an object\",\"fields\":{\"user\":\"ana\"}}\r\n",
        "\r\n\n",
        "SYNC\n",
        "TAIL {}\n",
        "QUIT\n",
        "SEND twice\n",
        "<13>Oct 1 00:00:00 host tag: syslog\n",
        "without a line end"
    );
    let reply = shop.post(body);
    assert_eq!(reply.status, 200, "{reply:?}");
    let newest = agent.connect().newest();
    assert_eq!(reply.json(), json!({ "cursor": newest, "accepted": 8, "refused": 0 }));
    let expected = [
        "plain text took 40ms",
        "an object",
        "SYNC",
        "TAIL {}",
        "QUIT",
        "SEND twice",
        "<13>Oct 1 00:00:00 host tag: syslog",
        "without a line end",
    ];
    assert_eq!(messages(&agent), expected);
    let line = agent.connect().tail(r#"{"lines":1}"#).pop().expect("a line");
    let event = parse(&line);
    assert_eq!(&event.event()["origin"], &json!({ "addr": "127.0.0.1", "token": "shop" }));
    assert_eq!(tag_of_newest(&agent), "shop");
}

#[test]
fn an_acknowledged_cursor_survives_a_kill() {
    let mut agent = Agent::start();
    let shop = agent.bearer("shop", &["*"], &[]);
    let cursor = shop.post("kept").json()["cursor"].as_str().expect("a cursor").to_owned();
    agent.kill();
    agent.restart();
    assert!(agent.history_text().contains("\"msg\":\"kept\""), "{cursor}");
}

#[test]
fn needs_a_token_and_takes_no_cookie() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let wrong = Visitor { secret: "Authorization: Bearer wrong".into(), ..session.clone() };
    for visitor in [&session, &wrong, &agent.visitor()] {
        let refused = visitor.post("forged");
        assert_eq!(refused.status, 401, "{refused:?}");
        assert!(refused.header("www-authenticate").is_some());
    }
    assert!(messages(&agent).is_empty());
}

#[test]
fn counts_what_is_refused_and_names_the_lines() {
    let agent = Agent::start();
    let shop = agent.bearer("shop", &["shop.*"], &[]);
    let event = |tag: &str| format!("{{\"tag\":\"{tag}\",\"msg\":\"m\"}}\n");
    let body =
        [event("shop.a"), "\n".into(), event("other"), event("shop.b"), event("secret")].concat();
    let reply = shop.post(&body);
    assert_eq!(reply.status, 403, "{reply:?}");
    let reply = reply.json();
    assert_eq!((&reply["accepted"], &reply["refused"]), (&json!(2), &json!(2)));
    let lines: Vec<_> =
        reply["errors"].as_array().expect("errors").iter().map(|e| &e["line"]).collect();
    assert_eq!(lines, [&json!(3), &json!(5)]);
    assert_eq!(reply["errors"][0]["code"], 77);
    assert_eq!(messages(&agent).len(), 2);
    // Beyond ten, the others are only counted.
    let many = shop.post(event("other").repeat(100)).json();
    assert_eq!(
        (many["errors"].as_array().map(Vec::len), &many["refused"]),
        (Some(10), &json!(100))
    );
}

#[test]
fn lines_have_a_bound() {
    let agent = Agent::start();
    let shop = agent.bearer("shop", &["*"], &[]);
    let most = "x".repeat(DRAFT_MAX);
    assert_eq!(shop.post(&most).status, 200);
    assert_eq!(messages(&agent), [most.as_str()]);
    // A longer one is cut.
    let reply = shop.post(format!("{most}x\nafter it\n"));
    assert_eq!((reply.status, &reply.json()["accepted"]), (200, &json!(2)), "{reply:?}");
    assert_eq!(messages(&agent), [most.as_str(), most.as_str(), "after it"]);
    let line = agent.connect().tail(r#"{"lines":2}"#).remove(0);
    assert_eq!(parse(&line).event()["fields"], json!({ "repaired": "cut" }));
}

#[test]
fn refuses_no_line_for_its_form() {
    let agent = Agent::start();
    let shop = agent.bearer("shop", &["*"], &[]);
    let body: &[u8] =
        b"\xef\xbb\xbf{\"msg\":\"a\",\"level\":\"WARN\"}\r\n\r\n{\"msg\":\"b\",\"fields\":[]}\n\
        {\"seq\":1,\"msg\":\"c\"}\n{\"msg\":\n  {\"message\":\"e\",\"req\":{\"id\":7}}\nf\xe9g\n";
    let reply = shop.post(body);
    assert_eq!((reply.status, &reply.json()["refused"]), (200, &json!(0)), "{reply:?}");
    let made: Vec<_> = agent.connect().tail("{}").iter().map(|line| parse(line)).collect();
    let repaired: Vec<_> =
        made.iter().map(|item| item.event()["fields"]["repaired"].as_str().unwrap_or("")).collect();
    assert_eq!(repaired, ["", "", "claim", "object", "nested", "utf8"]);
    let messages = messages(&agent);
    assert_eq!(messages[..5], ["a", "b", "c", "{\"msg\":", "e"]);
    assert_eq!(made[0].event()["level"], "warning");
}

#[test]
fn chunks_may_end_anywhere() {
    let agent = Agent::start();
    let shop = agent.bearer("shop", &["*"], &[]);
    let body = "eins\r\n\r\n\n{\"msg\":\"zwei\"}\r\ndrei Größe\n\r\nvier";
    let expected = ["eins", "zwei", "drei Größe", "vier"];
    let bytes = body.as_bytes();
    for size in [1, 2, 3, 5, 7, bytes.len()] {
        let mut http = Http::connect(shop.address);
        http.send(shop.head("POST /events", &["Transfer-Encoding: chunked"]));
        for chunk in bytes.chunks(size) {
            http.send(format!("{:x}\r\n", chunk.len())).send(chunk).send("\r\n");
        }
        http.send("0\r\n\r\n");
        let reply = http.response();
        assert_eq!(reply.status, 200, "{size}: {reply:?}");
        assert_eq!(
            (&reply.json()["accepted"], &reply.json()["refused"]),
            (&json!(4), &json!(0)),
            "{size}"
        );
        let all = messages(&agent);
        assert_eq!(all[all.len() - 4..], expected, "{size}");
    }
}

#[test]
fn stores_what_was_whole_of_an_aborted_body() {
    let agent = Agent::start();
    let shop = agent.bearer("shop", &["*"], &[]);
    let mut http = Http::connect(shop.address);
    http.send(shop.head("POST /events", &["Content-Length: 100"])).send("whole\nalso whole\nhal");
    wait_for("its whole lines", || (messages(&agent).len() == 2).then_some(()));
    drop(http);
    wait_for("its end", || (agent.stats()["connections"] == 1).then_some(()));
    assert_eq!(messages(&agent), ["whole", "also whole"]);
}

#[test]
fn a_body_has_a_bound() {
    let agent = Agent::start();
    let shop = agent.bearer("shop", &["*"], &[]);
    let line = "x".repeat(60_000) + "\n";
    let most = line.repeat(BODY_MAX / line.len());
    assert_eq!(shop.post(&most).status, 200);
    let mut http = Http::connect(shop.address);
    http.send(shop.head("POST /events", &["Transfer-Encoding: chunked"]));
    for _ in 0..=BODY_MAX / line.len() {
        if !http.try_send(format!("{:x}\r\n{line}\r\n", line.len())) {
            break;
        }
    }
    // The agent may have closed the connection while it was written to.
    let refused = http.try_response();
    assert!(refused.is_none_or(|refused| refused.status == 413));
    assert!(!messages(&agent).iter().any(|msg| begins_log(msg)));
}

#[test]
fn slow_bodies_disturb_no_other_client() {
    let agent = Agent::start();
    let shop = agent.bearer("shop", &["*"], &[]);
    let slow: Vec<Http> = (0..100)
        .map(|n| {
            let mut http = Http::connect(shop.address);
            http.send(shop.head("POST /events", &["Content-Length: 100000"]))
                .send(format!("{n}\n"));
            http
        })
        .collect();
    wait_for("their first lines", || (messages(&agent).len() == 100).then_some(()));
    assert_eq!(shop.post("quick").status, 200);
    drop(slow);
}

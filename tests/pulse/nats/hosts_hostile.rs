//! Messages that are not what they claim: nothing of them is shown, and everything else is.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::engine::{Engine, Nats};
use super::hosts::{agents, messages};
use super::view::View;
use super::{send, wait_until_forwarded};
use crate::harness::{Agent, wait_for};

fn line(seq: u64, host: &str) -> String {
    format!(
        "{{\"seq\":{seq},\"time\":\"2026-11-22T17:32:05.123456Z\",\"host\":{host:?},\"tag\":\"evil\",\
         \"level\":\"info\",\"msg\":\"evil\"}}\n"
    )
}

/// Headers that replace the usual ones.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// Publishes lines with the headers of an agent's message, with some of them replaced.
fn publish(nats: &mut Nats, subject: &str, replace: Headers<'_>, lines: &[u8]) {
    let usual = [
        ("Pulse-Host", "evil"),
        ("Pulse-Log", "0000000e"),
        ("Pulse-Agent", "0000000000000001"),
        ("Pulse-After", "0"),
        ("Pulse-Last", "1"),
    ];
    let of = |name: &str| replace.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let mut headers: Vec<(&str, &str)> =
        usual.iter().map(|(name, value)| (*name, of(name).unwrap_or(value))).collect();
    headers.extend(replace.iter().filter(|(name, _)| usual.iter().all(|it| it.0 != *name)));
    nats.publish_with(subject, &headers, lines);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn rejected(agent: &Agent) -> u64 {
    agent.stats()["nats"]["rejected"].as_u64().expect("a number")
}

#[test]
fn messages_that_lie_are_rejected_and_counted() {
    let engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    wait_until_forwarded(&web1);
    wait_until_forwarded(&web2);
    let mut view = View::now(&web1);
    let mut nats = engine.connect();
    let good = line(1, "evil");
    let long = line(1, "evil")
        .replace("\"msg\":\"evil\"", &format!("\"msg\":\"{}\"", "x".repeat(500_000)));
    let bomb = gzip(&vec![b'\n'; 300 << 20]);
    let gz = ("Content-Encoding", "gzip");
    let many: String = (1..=5000).map(|n| line(n, "evil")).collect();
    let cases: [(Headers<'_>, Vec<u8>); 23] = [
        // Of another host, by its headers or its lines.
        (&[("Pulse-Host", "web2")], line(1, "web2").into_bytes()),
        (&[], line(1, "web2").into_bytes()),
        (&[("Pulse-Host", "e\u{1b}vil")], good.clone().into_bytes()),
        (&[("Pulse-Host", "")], good.clone().into_bytes()),
        // Not of an agent.
        (&[("Pulse-Log", "x")], good.clone().into_bytes()),
        (&[("Pulse-Last", "0")], good.clone().into_bytes()),
        (&[], b"evil\n".to_vec()),
        (&[], b"{\"seq\":1}\n".to_vec()),
        (&[], Vec::new()),
        (&[], b"\xff\xfe\n".to_vec()),
        (&[], good.trim_end().as_bytes().to_vec()),
        (&[], good.replace("\"evil\"}", "\"e\\qvil\"}").into_bytes()),
        (&[], good.replace(",\"host\"", ",\"hseq\":7,\"host\"").into_bytes()),
        (&[], good.replace("\"evil\"}", "\"evil\",\"host\":\"evil\"}").into_bytes()),
        (&[], good.replace("\"evil\"}", "\"evil\",\"h\\u006fst\":\"web1\"}").into_bytes()),
        // Too much.
        (&[], long.into_bytes()),
        (&[gz], bomb),
        (&[("Pulse-Last", "5000"), gz], gzip(many.as_bytes())),
        (&[gz], b"no gzip".to_vec()),
        // Out of order.
        (&[("Pulse-Last", "2")], good.clone().into_bytes()),
        (&[("Pulse-Last", "2")], [line(2, "evil"), line(1, "evil")].concat().into_bytes()),
        (&[("Pulse-Last", "3")], [line(1, "evil"), line(3, "evil")].concat().into_bytes()),
        (&[("Pulse-After", "1"), ("Pulse-Last", "2")], good.clone().into_bytes()),
    ];
    for (at, (headers, lines)) in cases.iter().enumerate() {
        publish(&mut nats, "pulse.evil", headers, lines);
        wait_for(&format!("case {at} rejected"), || {
            (rejected(&web1) == at as u64 + 1).then_some(())
        });
    }
    nats.publish("pulse.evil", "without headers");
    send(&mut web2.connect(), 0..10);
    view.read_events(10);
    assert_eq!((view.events.len(), &view.events["web2"]), (1, &messages(0..10)));
    assert_eq!(rejected(&web1), cases.len() as u64 + 1);
    let output = web1.output();
    assert_eq!(output.matches("is not shown").count(), 1, "{output}");
    assert!(
        output
            .contains("on pulse.evil is not shown: it claims to be of a host with another subject")
    );
    assert!(!output.contains('\u{1b}'));
    // What it says of itself is shown, as the word of that host.
    publish(&mut nats, "pulse.evil", &[], good.as_bytes());
    view.read_events(11);
    assert_eq!(view.events["evil"], ["evil"]);
}

#[test]
fn messages_out_of_the_chain_are_not_shown() {
    let engine = Engine::start();
    let [web1] = agents(&engine, ["web1"]);
    wait_until_forwarded(&web1);
    let mut view = View::now(&web1);
    let mut nats = engine.connect();
    let lines = |numbers: std::ops::RangeInclusive<u64>| -> String {
        numbers
            .map(|n| line(n, "evil").replace("\"msg\":\"evil\"", &format!("\"msg\":\"{n}\"")))
            .collect()
    };
    let mut message = |after: &str, last: &str, known: Option<&str>, lines: String| {
        let mut headers = vec![("Pulse-After", after), ("Pulse-Last", last)];
        headers.extend(known.map(|known| ("Pulse-Known", known)));
        publish(&mut nats, "pulse.evil", &headers, lines.as_bytes());
    };
    message("0", "2", None, lines(1..=2));
    // The third of those in flight without the second, and then all again.
    message("4", "6", Some("2"), lines(5..=6));
    message("2", "4", None, lines(3..=4));
    message("4", "6", Some("4"), lines(5..=6));
    // What a broken connection still held.
    message("2", "4", Some("2"), lines(3..=4));
    // Lines are missing.
    message("9", "10", None, lines(10..=10));
    view.read_events(7);
    assert_eq!(view.events["evil"], ["1", "2", "3", "4", "5", "6", "10"]);
    let [(host, gap)] = &view.gaps[..] else { panic!("one gap: {:?}", view.gaps) };
    assert_eq!((host.as_str(), gap.why.as_str(), gap.lost), ("evil", "upstream", None));
    assert_eq!(rejected(&web1), 0);
    // One that begins in the middle sees the same.
    let late = View::with(&web1, "\"since\":\"1980-01-01T00:00:00Z\"").read_all();
    assert_eq!(late.events["evil"], view.events["evil"]);
}

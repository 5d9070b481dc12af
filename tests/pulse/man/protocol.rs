//! pulse-protocol(7) against the protocol's tables and a running agent.

use std::collections::BTreeSet;

use pulsed::event::{
    Abandoned, Batch, Field, Gap, Line, Origin, Seq, Stamp, Timestamp, Value, Why, json::Members,
};
use pulsed::wire::{Code, Decoder, KEYS, REPAIRS, VERBS};
use serde_json::Value as Json;

use super::page::{Item, Page, words};
use super::set;
use crate::harness::Agent;

fn page() -> Page {
    Page::read("pulse-protocol.7")
}

/// The words of the list inside the item that begins so.
pub(super) fn inner_words(items: &[Item], begins: &str) -> BTreeSet<String> {
    let outer = items.iter().position(|item| item.head.starts_with(begins)).expect("an item");
    let inner = items[outer + 1..].iter().take_while(|item| item.depth > items[outer].depth);
    inner.map(Item::word).collect()
}

#[test]
fn verbs_match_wire() {
    let items = page().items("Verbs");
    let outer = items.iter().filter(|item| item.depth == 1);
    let mut documented: Vec<String> = outer.map(Item::word).collect();
    let mut known: Vec<String> = VERBS.iter().map(|verb| verb.name.into()).collect();
    documented.sort();
    known.sort();
    assert_eq!(documented, known);
}

#[test]
fn repairs_match_wire() {
    assert_eq!(words(&page().items("Repairs")), set(REPAIRS));
}

#[test]
fn codes_match_wire() {
    assert_eq!(words(&page().items("Codes")), set(Code::ALL.map(|code| code.number().to_string())));
}

/// The error of a line that the decoder rejects.
fn refusal(line: &str) -> String {
    let mut decoder = Decoder::new();
    decoder.push(line.as_bytes());
    match decoder.next() {
        Some(Err(refused)) => refused.why,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn object_keys_match_decoder() {
    let items = page().items("Verbs");
    assert_eq!(inner_words(&items, "Ic SEND Brq"), set(KEYS));
    let why = refusal("TAIL {\"x\":1}\n");
    let known = set(why.split('`').skip(1).step_by(2).filter(|name| *name != "x"));
    assert_eq!(inner_words(&items, "Ic TAIL Brq"), known);
    let why = refusal("VIEW {\"x\":1}\n");
    let known = set(why.split('`').skip(1).step_by(2).filter(|name| *name != "x"));
    assert_eq!(inner_words(&items, "Ic VIEW Brq"), known);
}

/// An event line with every key, and every part of an origin.
fn full_line() -> String {
    let text = || Some("x".to_owned());
    let origin = Origin {
        pid: Some(1),
        uid: Some(1),
        user: text(),
        comm: text(),
        unit: text(),
        addr: text(),
        token: text(),
        conn: Some(1),
    };
    let field = Field { name: "a".into(), value: Value::Null };
    let end = Abandoned { tag: "x", run: "x", msg: "x", took: 1.0, fields: &[field] };
    let mut encoded = Vec::new();
    origin.encode(&mut encoded);
    let mut batch = Batch::default();
    batch.push_abandoned(&end, &encoded);
    let mut line = Vec::new();
    let body = batch.bodies().next().expect("one");
    Stamp::new(Timestamp::MIN, "x").line(Seq::MAX, body, |piece| line.extend_from_slice(piece));
    String::from_utf8(line).expect("UTF-8")
}

fn keys_of(object: &str) -> Vec<String> {
    Members::new(object.trim_end()).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn event_line_keys_match_encoder() {
    let items = page().items("The event line");
    let at = |depth| items.iter().filter(move |item| item.depth == depth).map(Item::word);
    let line = full_line();
    assert_eq!(at(1).collect::<Vec<_>>(), keys_of(&line));
    let origin = Members::new(line.trim_end()).find(|(name, _)| *name == "origin").expect("one");
    assert_eq!(at(2).collect::<Vec<_>>(), keys_of(&origin.1.text()));
}

#[test]
fn gap_reasons_match_program() {
    let items = page().items("Gap lines");
    assert_eq!(words(&items), set(Why::ALL.map(Why::name)));
}

#[test]
fn documented_lines_parse() {
    let shown: Vec<String> = page().displays().iter().map(|text| text.replace('\n', "")).collect();
    let lines: Vec<Line<'_>> = shown.iter().filter_map(|text| Line::parse(text)).collect();
    assert!(matches!(lines[..], [Line::Event(_), Line::Gap(_), Line::Event(_)]), "{shown:#?}");
    let mut again = Vec::new();
    if let Line::Gap(told) = &lines[1] {
        let Gap { after, before, .. } = told.gap;
        assert_eq!(told.gap.lost, Some(before.since(after) - 1));
        told.gap.encode(told.time, "web1", &mut again);
    }
    assert_eq!(String::from_utf8_lossy(&again).trim_end(), shown[2]);
}

#[test]
fn stats_figures_match_agent() {
    let Json::Object(figures) = Agent::start().stats() else { panic!("an object") };
    let items = page().items("Statistics");
    let outer = items.iter().filter(|item| item.depth == 1).map(Item::word);
    assert_eq!(set(outer), set(figures.keys().cloned()));
    let history = figures["history"].as_object().expect("an object");
    assert_eq!(inner_words(&items, "Va history"), set(history.keys().cloned()));
    let forwarding = Agent::with(&["nats.url = \"nats://127.0.0.1:9\""]).stats();
    let nats = forwarding["nats"].as_object().expect("an object");
    assert_eq!(inner_words(&items, "Va nats"), set(nats.keys().cloned()));
}

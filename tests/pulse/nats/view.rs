//! What a follower of all hosts sees.

use std::collections::HashMap;

use serde_json::Value;

use crate::harness::{Agent, Client, Gap, parse};

/// A follower of all hosts, which checks each line: numbers ascend, and each host's own numbers have no hole and no repeat
/// unless a gap is there.
pub(super) struct View {
    client: Client,
    /// The cursor after the last line.
    pub(super) cursor: String,
    last: u64,
    /// The last number of each host.
    hosts: HashMap<String, u64>,
    /// The messages of each host's events, in order.
    pub(super) events: HashMap<String, Vec<String>>,
    /// The host of each gap, and the gap.
    pub(super) gaps: Vec<(String, Gap)>,
    pub(super) lines: Vec<String>,
}

/// The stream's number and the line of a number.
pub(super) fn place(seq: u64) -> (u64, u64) {
    (seq >> 12, seq & 4095)
}

impl View {
    /// Follows from now on.
    #[track_caller]
    pub(super) fn now(agent: &Agent) -> Self {
        Self::with(agent, "\"follow\":true")
    }

    /// Sends a TAIL of all hosts with further keys.
    #[track_caller]
    pub(super) fn with(agent: &Agent, keys: &str) -> Self {
        Self::of(agent, &format!("{{\"host\":\"*\",{keys}}}"))
    }

    #[track_caller]
    pub(super) fn of(agent: &Agent, object: &str) -> Self {
        let mut client = agent.connect();
        let at = client.request(&format!("TAIL {object}"));
        let at: Value = serde_json::from_str(&at).unwrap_or_else(|_| panic!("{at}"));
        Self {
            client,
            cursor: at["at"].as_str().expect("a cursor").to_owned(),
            last: 0,
            hosts: HashMap::new(),
            events: HashMap::new(),
            gaps: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Continues after its cursor, at another agent.
    #[track_caller]
    pub(super) fn resume(&mut self, agent: &Agent) {
        let follow = format!("\"follow\":true,\"after\":\"{}\"", self.cursor);
        let next = Self::with(agent, &follow);
        assert_eq!(next.cursor, self.cursor);
        self.client = next.client;
    }

    /// Reads a line. `false` at the end of the answer.
    #[track_caller]
    pub(super) fn read(&mut self) -> bool {
        let line = self.client.line();
        if let Some(cursor) = line.strip_prefix("OK ") {
            self.cursor = cursor.to_owned();
            return false;
        }
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        if let Some(cursor) = value["at"].as_str() {
            self.cursor = cursor.to_owned();
            return true;
        }
        let item = parse(&line);
        let (first, last) = item.seq_range();
        assert!(first > self.last, "{} {line}", self.last);
        self.last = last;
        let id = self.cursor.split_once('-').expect("a cursor").0;
        let (message, at) = place(last);
        self.cursor = format!("{id}-{message}.{at}");
        let host = value["host"].as_str().expect("a host").to_owned();
        match item.gap() {
            Some(gap) => self.gaps.push((host.clone(), gap.clone())),
            None => {
                let msg = value["msg"].as_str().unwrap_or_default().to_owned();
                self.events.entry(host.clone()).or_default().push(msg);
            }
        }
        if let Some(hseq) = value["hseq"].as_u64() {
            let before = self.hosts.insert(host.clone(), hseq);
            let follows = before.is_none_or(|before| hseq == before + 1 || item.gap().is_some());
            assert!(follows, "{before:?} before {line}");
            if item.gap().is_some_and(|gap| gap.why == "upstream") && before == Some(hseq) {
                // The reader of the stream says after which number lines are missing.
                self.hosts.remove(&host);
            }
        }
        self.lines.push(line);
        true
    }

    /// Reads until there are so many events.
    #[track_caller]
    pub(super) fn read_events(&mut self, count: usize) {
        while self.count() < count {
            assert!(self.read(), "{} events", self.count());
        }
    }

    /// Reads to the end of the answer.
    #[track_caller]
    pub(super) fn read_all(mut self) -> Self {
        while self.read() {}
        self
    }

    pub(super) fn count(&self) -> usize {
        self.events.values().map(Vec::len).sum()
    }
}

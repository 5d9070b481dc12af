//! Reads docs/languages.md. The line that opens a block of code names its language, the example, and words for the
//! test, which Markdown does not show:
//!
//! - for code: `safe` (without an agent it ends as usual, and writes nothing to stderr) or `noisy` (as `safe`, but it
//!   may write to stderr);
//! - for the events, which are `json`: the keys whose values differ from run to run.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// The keys that the document leaves out, because they differ in each event.
const LEFT_OUT: [&str; 3] = ["seq", "time", "host"];

/// The fields that differ in each event.
const VARYING: [&str; 2] = ["pid", "sent"];

/// Code, and the events that it makes.
#[derive(Clone, Debug, Default)]
pub(super) struct Example {
    pub(super) name: String,
    pub(super) language: String,
    pub(super) code: String,
    pub(super) is_safe: bool,
    pub(super) is_noisy: bool,
    events: Vec<Value>,
    /// The keys whose values differ from run to run.
    varying: Vec<String>,
}

/// Where a sender runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sender {
    /// As the user of the test.
    Own,
    /// As the user that the document names.
    Documented,
}

/// All examples, in the order of the document.
pub(super) fn examples() -> Vec<Example> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/languages.md");
    let text = fs::read_to_string(path).expect("the document");
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let words: Vec<&str> = info.split(' ').collect();
        let [language, name, flags @ ..] = &words[..] else {
            panic!("a block of code without a language and a name: {line:?}")
        };
        let code: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if *language == "json" {
            let example = examples.last_mut().filter(|example| example.name == *name);
            let example = example.unwrap_or_else(|| panic!("{name}: events without code"));
            example.varying = flags.iter().map(ToString::to_string).collect();
            example.events = code.iter().map(|line| parse(name, line)).collect();
        } else {
            examples.push(Example {
                name: name.to_string(),
                language: language.to_string(),
                code: code.join("\n") + "\n",
                is_safe: flags.contains(&"safe") || flags.contains(&"noisy"),
                is_noisy: flags.contains(&"noisy"),
                ..Example::default()
            });
        }
    }
    examples
}

/// The example of this name.
#[track_caller]
pub(super) fn example(name: &str) -> Example {
    let found = examples().into_iter().find(|example| example.name == name);
    found.unwrap_or_else(|| panic!("docs/languages.md has no example {name}"))
}

fn parse(name: &str, line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}"))
}

impl Example {
    /// How many events it makes.
    pub(super) fn count(&self) -> usize {
        self.events.len()
    }

    /// Asserts that these are its events. Events of one tag are in the order of the document.
    #[track_caller]
    pub(super) fn assert_events(&self, events: &[Value], sender: Sender) {
        assert_eq!(events.len(), self.count(), "{}: {events:#?}", self.name);
        let mut rest = events.to_vec();
        for documented in &self.events {
            let tag = expected_tag(documented, &rest[0]);
            let at = rest.iter().position(|event| event["tag"] == tag);
            let at = at.unwrap_or_else(|| panic!("{}: no tag {tag}: {rest:#?}", self.name));
            let event = rest.remove(at);
            let difference = self.difference(&event, documented, sender);
            assert!(
                difference.is_empty(),
                "{}: {difference:?} differ:\n{event}\n{documented}\n(documented)",
                self.name
            );
        }
    }

    /// The keys that differ.
    fn difference(&self, event: &Value, documented: &Value, sender: Sender) -> Vec<String> {
        let mut event = event.as_object().expect("an object").clone();
        for key in LEFT_OUT {
            assert!(event.remove(key).is_some(), "{event:?}");
        }
        let mut documented = documented.as_object().expect("an object").clone();
        documented["tag"] = expected_tag(&documented.clone().into(), &event.clone().into());
        let origins = (take(&mut event, "origin"), take(&mut documented, "origin"));
        let fields = (take(&mut event, "fields"), take(&mut documented, "fields"));
        let mut found = differing(&event, &documented, |key| self.varies(key));
        found.extend(differing(&fields.0, &fields.1, |key| {
            self.varies(key) || VARYING.contains(&key)
        }));
        found.extend(self.differing_origin(origins.0, origins.1, sender));
        found
    }

    fn differing_origin(
        &self,
        mut event: Map<String, Value>,
        mut documented: Map<String, Value>,
        sender: Sender,
    ) -> Vec<String> {
        // A process that has exited before it was looked up has none.
        if !event.contains_key("comm") {
            documented.remove("comm");
        }
        let is_own = sender == Sender::Own;
        if is_own {
            // The test itself may run in a unit.
            event.remove("unit");
            documented["uid"] = nix::unistd::geteuid().as_raw().into();
        }
        differing(&event, &documented, |key| {
            matches!(key, "pid" | "conn") || is_own && key == "user" || self.varies(key)
        })
    }

    fn varies(&self, key: &str) -> bool {
        self.varying.iter().any(|varying| varying == key)
    }
}

/// The tag that an event should have: the documented one, or the login name, which differs.
fn expected_tag(documented: &Value, event: &Value) -> Value {
    let is_login = documented["tag"] == documented["origin"]["user"];
    if is_login { event["origin"]["user"].clone() } else { documented["tag"].clone() }
}

fn take(object: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    let found = object.remove(key).unwrap_or_else(|| Map::new().into());
    found.as_object().expect("an object").clone()
}

/// The keys that only one of them has, or with different values; of what varies, with values of different types.
fn differing(
    event: &Map<String, Value>,
    documented: &Map<String, Value>,
    varies: impl Fn(&str) -> bool,
) -> Vec<String> {
    let kind = |value: &Value| (value.is_string(), value.is_number());
    let is_same = |key: &String| match (event.get(key), documented.get(key)) {
        (Some(one), Some(other)) if varies(key) => kind(one) == kind(other),
        (one, other) => one == other,
    };
    let mut keys: Vec<&String> = event.keys().chain(documented.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().filter(|key| !is_same(key)).cloned().collect()
}

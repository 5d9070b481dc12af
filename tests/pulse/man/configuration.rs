//! pulsed.toml(5), the example configuration and the program: the same keys, defaults and bounds.

use std::collections::BTreeMap;
use std::fs;

use pulsed::access::{RULES_MAX, SUBJECTS_MAX};
use pulsed::config::{
    AGE_MAX, AGE_MIN, Config, ConfigError, DEFAULT_MODE, FILE_MAX, HISTORY_MAX, HISTORY_MIN,
    HOST_MAX, KEYS, Machine, NATS_NAME_MAX, NATS_URLS_MAX, PATH_MAX, REPLICAS_MAX, SOCKET_PATH_MAX,
    STREAM_AGE_MAX, STREAM_AGE_MIN, STREAM_MAX, STREAM_MIN, SYNC_MAX, SYNC_MIN, SyncSetting,
    WINDOW_MAX, WINDOW_MIN,
};
use regex::Regex;

use super::page::{Item, Page};
use super::set;

/// The page's item about each key, by `section.key`.
fn documented() -> BTreeMap<String, Item> {
    let page = Page::read("pulsed.toml.5");
    let mut found = BTreeMap::new();
    for title in page.lines().filter_map(|line| line.strip_prefix(".Ss ")) {
        let section = title.strip_prefix('[').and_then(|title| title.strip_suffix(']'));
        let section = section.map(|section| section.trim_matches(['[', ']']));
        for item in page.items(title) {
            let key = item.word();
            let key = section.map_or(key.clone(), |section| format!("{section}.{key}"));
            assert!(found.insert(key.clone(), item).is_none(), "{key} is documented twice");
        }
    }
    found
}

const EXAMPLE: &str = include_str!("../../../contrib/pulsed.toml");

/// The example's keys, each with its value and the comment above it.
fn example() -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    let (mut section, mut comment) = (String::new(), String::new());
    for line in EXAMPLE.lines() {
        let key = line.strip_prefix('#').and_then(|rest| rest.split_once(" = "));
        let key = key.filter(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase()));
        let title = line.trim_start_matches('#').strip_prefix('[');
        if let Some(name) = title.and_then(|line| line.strip_suffix(']')) {
            section = format!("{}.", name.trim_matches(['[', ']']));
        } else if let Some((key, value)) = key {
            found.insert(format!("{section}{key}"), (value.into(), comment.clone()));
        } else if line.is_empty() {
            comment.clear();
        } else {
            comment += line.trim_start_matches("# ");
            comment.push(' ');
        }
    }
    found
}

#[test]
fn keys_match_program() {
    assert_eq!(set(documented().into_keys()), set(KEYS));
}

/// A machine where every default exists.
fn machine() -> Machine {
    Machine {
        host: "web1".into(),
        file: None,
        socket_mode: DEFAULT_MODE,
        syslog: None,
        socket: Some("/run/pulsed/pulsed.sock".into()),
        state: Some("/var/lib/pulsed".into()),
        user: |_| Ok(Some(1000)),
        // Any group exists but `nobody`.
        group: |name| Ok((name != "nobody").then_some(4)),
    }
}

/// The configuration in these lines, which must be valid.
fn load(lines: &str) -> Config {
    try_load(lines).unwrap_or_else(|e| panic!("{e}: {lines}"))
}

fn try_load(lines: &str) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(&file, lines).expect("a writable file");
    Ok(Config { file: None, ..Config::load(Some(file.path()), &machine())? })
}

/// A monitor on a Unix socket, whose mode, owner and group can be set.
const ON_UNIX: &str = "web.listen = \"unix:/w\"\nweb.url = \"http://w\"\n";

/// Forwarding, whose limits can be set.
const ON_NATS: &str = "nats.url = \"nats://localhost\"\n";

#[test]
fn defaults_match_program() {
    let mut lines = String::new();
    for (key, item) in documented() {
        let (example, _) = &example()[&key];
        if let Some(default) = item.after("Default:") {
            assert_eq!(*example, default, "{key}: the example and the page");
            if let Some(key) = key.strip_prefix("access.") {
                let rest = "send = [\"*\"]\n";
                let written = load(&format!("[[access]]\n{key} = {default}\n{rest}"));
                assert_eq!(written, load(&format!("[[access]]\n{rest}")), "access.{key}");
            } else if key == "web.mode" {
                assert_eq!(load(&format!("{ON_UNIX}web.mode = {default}\n")), load(ON_UNIX));
            } else {
                lines += &format!("{key} = {default}\n");
            }
        } else {
            assert!(item.body.iter().any(|line| line.starts_with("Default:")), "{key}");
        }
    }
    assert_eq!(lines.lines().count(), 12, "defaults that do not depend on the machine: {lines}");
    assert_eq!(load(&lines), load(""));
    let paths = ["socket.path", "syslog.path", "history.dir", "tcp.tokens"];
    let paths = paths.map(|key| format!("{key} = {}\n", example()[key].0));
    assert_eq!(load(&paths.concat()), load(""));
    // The monitor's address depends on what started the agent.
    assert_eq!(load("web.listen = true\n"), load(""));
    // TCP has no default, and a rule without a list permits no user.
    assert_eq!(load("").tcp, None);
    assert_eq!(load("[[access]]\n"), load("[[access]]\nsend = []\ntail = []\n"));
}

#[test]
fn default_rule_is_documented() {
    let keys = ["tag", "send", "tail"];
    let lines = keys.map(|key| format!("{key} = {}\n", example()[&format!("access.{key}")].0));
    let rule = format!("[[access]]\n{}", lines.concat());
    assert_eq!(load(&rule), load(""), "the rule of the example");
    let shown = Page::read("pulsed.8").displays();
    assert!(shown.contains(&rule.trim_end().to_owned()), "pulsed(8) shows {rule}: {shown:#?}");
    let page = Page::read("pulsed.toml.5").rendered();
    let [_, send, tail] = lines.map(|line| line.trim_end().to_owned());
    assert!(page.contains(&format!("which is {send} and {tail}.")), "{send} {tail}");
    assert_eq!(load("access = []\n").access.iter().count(), 0);
}

/// The two values in `From MIN to MAX.`
fn bounds(item: &Item) -> Option<(String, String)> {
    let sentence = item.body.iter().find_map(|line| line.strip_prefix("From "))?;
    let (min, max) = sentence.strip_suffix('.')?.split_once(" to ")?;
    Some((min.into(), max.into()))
}

#[test]
fn bounds_match_program() {
    let mut seen = 0;
    for (key, item) in documented() {
        let Some((min, max)) = bounds(&item) else { continue };
        let [least, most] =
            [&min, &max].map(|value| load(&format!("{ON_NATS}{key} = \"{value}\"\n")));
        let numbers = |config: &Config| {
            let nats = config.nats.clone().expect("forwarding is enabled");
            let history = config.history.clone().expect("history is enabled");
            match key.as_str() {
                "socket.mode" => u128::from(config.socket.mode),
                "history.size" => history.size.into(),
                "history.age" => history.age.as_nanos(),
                "history.sync" => match history.sync {
                    SyncSetting::Within(time) => time.as_nanos(),
                    other => panic!("{other:?}"),
                },
                "window.size" => config.window.size.into(),
                "nats.size" => nats.size.into(),
                "nats.age" => nats.age.as_nanos(),
                other => panic!("{other}"),
            }
        };
        let known = match key.as_str() {
            "socket.mode" => (0, 0o777),
            "history.size" => (HISTORY_MIN.into(), HISTORY_MAX.into()),
            "history.age" => (AGE_MIN.as_nanos(), AGE_MAX.as_nanos()),
            "history.sync" => (SYNC_MIN.as_nanos(), SYNC_MAX.as_nanos()),
            "nats.size" => (STREAM_MIN.into(), STREAM_MAX.into()),
            "nats.age" => (STREAM_AGE_MIN.as_nanos(), STREAM_AGE_MAX.as_nanos()),
            _ => (WINDOW_MIN.into(), WINDOW_MAX.into()),
        };
        assert_eq!((numbers(&least), numbers(&most)), known, "{key}");
        let (_, comment) = &example()[&key];
        let same = comment.contains(&format!("{min} to {max}")) || key == "socket.mode";
        assert!(same, "{key}: {min} to {max} in the example's {comment:?}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

#[test]
fn lengths_match_constants() {
    let text = Page::read("pulsed.toml.5").rendered();
    for sentence in [
        format!("at most {} MiB", FILE_MAX >> 20),
        format!("in events: 1 to {HOST_MAX} of A-Z a-z 0-9 _ . -."),
        format!("An absolute path of at most {SOCKET_PATH_MAX} bytes."),
        format!("An absolute path of at most {PATH_MAX} bytes."),
        format!("several of these, at most {RULES_MAX}, and"),
        format!("as a list of at most {SUBJECTS_MAX} of"),
        format!("a list of at most {NATS_URLS_MAX} of them"),
        format!("The name of the stream: 1 to {NATS_NAME_MAX} of A-Z a-z 0-9 _ -."),
        format!("together at most {NATS_NAME_MAX} bytes"),
        format!("if the agent creates it: 1 to {REPLICAS_MAX}."),
    ] {
        assert!(text.contains(&sentence), "{sentence:?}");
    }
    assert!(example()["access.tag"].1.contains(&format!("at most {RULES_MAX}.")));
    assert!(example()["access.send"].1.contains(&format!("At most {SUBJECTS_MAX}.")));
}

#[test]
fn documented_errors_match_program() {
    let items = Page::read("pulsed.toml.5").items("DIAGNOSTICS");
    let capitals = Regex::new(r"[A-Z]{2,}").expect("a valid pattern");
    let documented: Vec<Regex> = items
        .iter()
        .map(|item| {
            // Capitals are placeholders, and an ellipsis is any text.
            let text = regex::escape(&item.title()).replace(r"\.\.\.", ".+");
            Regex::new(&format!("^{}$", capitals.replace_all(&text, ".+")))
                .expect("a valid pattern")
        })
        .collect();
    let many = |what: &str, n: usize| vec![what; n].join(", ");
    for lines in [
        "histroy.size = \"1GiB\"".to_owned(),
        "window.size = \"1B\"".to_owned(),
        "[[access]]\nsend = [\"@nobody\"]".to_owned(),
        "[[access]]\nsend = [\"@\"]".to_owned(),
        "[access]\nsend = [\"*\"]".to_owned(),
        format!("access = [{}]", many("{}", RULES_MAX + 1)),
        format!("[[access]]\nsend = [{}]", many("\"*\"", SUBJECTS_MAX + 1)),
        "tcp.listen = \"0.0.0.0:7465\"".to_owned(),
        "tcp.cert = \"/cert.pem\"".to_owned(),
        "web.listen = \"0.0.0.0:7464\"".to_owned(),
        "web.listen = \"7464\"".to_owned(),
        "web.listen = \"unix:/w\"".to_owned(),
        format!("{ON_UNIX}web.cert = \"/c\"\nweb.key = \"/k\""),
        "web.url = \"web1\"".to_owned(),
        "web.owner = 0".to_owned(),
        "web.key = \"/k\"".to_owned(),
        "nats.url = \"nats://nats.example\"".to_owned(),
        "nats.url = \"nats.example\"".to_owned(),
        "nats.stream = \"a b\"".to_owned(),
        "nats.user = \"web1\"".to_owned(),
        "nats.token = \"/t\"\nnats.credentials = \"/c\"".to_owned(),
    ] {
        let error = try_load(&lines).expect_err("an invalid configuration").to_string();
        let found = documented.iter().filter(|text| text.is_match(&error)).count();
        assert_eq!(found, 1, "{error}: {documented:#?}");
    }
    load(&format!("access = [{}]", many("{}", RULES_MAX)));
    load(&format!("[[access]]\nsend = [{}]", many("\"*\"", SUBJECTS_MAX)));
}

#[test]
fn documented_configurations_load() {
    let shown = Page::read("pulsed.toml.5").displays();
    assert_eq!(shown.len(), 10);
    let agents = Page::read("pulsed.8").displays();
    let agents: Vec<String> = agents.into_iter().filter(|text| text.starts_with('[')).collect();
    assert_eq!(agents.len(), 3);
    shown.iter().chain(&agents).for_each(|text| drop(load(text)));
}

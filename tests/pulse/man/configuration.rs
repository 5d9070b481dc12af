//! pulsed.toml(5), the example configuration and the program: the same keys, defaults and bounds.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use pulsed::config::{
    AGE_MAX, AGE_MIN, Config, DEFAULT_MODE, FILE_MAX, HISTORY_MAX, HISTORY_MIN, HOST_MAX, KEYS,
    Machine, PATH_MAX, SOCKET_PATH_MAX, SYNC_MAX, SYNC_MIN, Sync, WINDOW_MAX, WINDOW_MIN,
};

use super::page::{Item, Page};
use super::set;

/// What the page says of each key, the section in front.
fn told() -> BTreeMap<String, Item> {
    let page = Page::read("pulsed.toml.5");
    let mut found = BTreeMap::new();
    for title in page.lines().filter_map(|line| line.strip_prefix(".Ss ")) {
        let section = title.strip_prefix('[').and_then(|title| title.strip_suffix(']'));
        for item in page.items(title) {
            let key = item.word();
            let key = section.map_or(key.clone(), |section| format!("{section}.{key}"));
            assert!(found.insert(key.clone(), item).is_none(), "{key} is told twice");
        }
    }
    found
}

const EXAMPLE: &str = include_str!("../../../contrib/pulsed.toml");

/// The example's keys with their values, and the comment above each.
fn example() -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    let (mut section, mut comment) = (String::new(), String::new());
    for line in EXAMPLE.lines() {
        let key = line.strip_prefix('#').and_then(|rest| rest.split_once(" = "));
        let key = key.filter(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase()));
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = format!("{name}.");
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
fn keys_are_those_of_the_program() {
    assert_eq!(set(told().into_keys()), set(KEYS));
}

/// A machine on which every default is known.
fn machine() -> Machine {
    Machine {
        host: "web1".into(),
        file: None,
        socket_mode: DEFAULT_MODE,
        socket: Some("/run/pulsed/pulsed.sock".into()),
        state: Some("/var/lib/pulsed".into()),
        user: |_| Ok(None),
        group: |_| Ok(None),
    }
}

/// What these lines mean.
fn load(lines: &str) -> Config {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&file, lines).expect("it is ours");
    let config = Config::load(Some(file.path()), &machine());
    Config { file: None, ..config.unwrap_or_else(|e| panic!("{e}: {lines}")) }
}

#[test]
fn defaults_are_those_of_the_program_in_page_and_example() {
    let mut lines = String::new();
    for (key, item) in told() {
        let (example, _) = &example()[&key];
        if let Some(default) = item.after("Default:") {
            assert_eq!(*example, default, "{key}: the example, and the page");
            lines += &format!("{key} = {default}\n");
        } else {
            assert!(item.body.iter().any(|line| line.starts_with("Default:")), "{key}");
        }
    }
    assert_eq!(lines.lines().count(), 6, "those that do not depend on the machine: {lines}");
    assert_eq!(load(&lines), load(""));
    let paths = ["socket.path", "history.dir"].map(|key| format!("{key} = {}\n", example()[key].0));
    assert_eq!(load(&paths.concat()), load(""));
}

/// The two values in `From MIN to MAX.`
fn bounds(item: &Item) -> Option<(String, String)> {
    let sentence = item.body.iter().find_map(|line| line.strip_prefix("From "))?;
    let (min, max) = sentence.strip_suffix('.')?.split_once(" to ")?;
    Some((min.into(), max.into()))
}

#[test]
fn bounds_are_those_of_the_program_in_page_and_example() {
    let mut seen = 0;
    for (key, item) in told() {
        let Some((min, max)) = bounds(&item) else { continue };
        let [least, most] = [&min, &max].map(|value| load(&format!("{key} = \"{value}\"\n")));
        let numbers = |config: &Config| {
            let history = config.history.clone().expect("on");
            match key.as_str() {
                "socket.mode" => u128::from(config.socket.mode),
                "history.size" => history.size.into(),
                "history.age" => history.age.as_nanos(),
                "history.sync" => match history.sync {
                    Sync::Within(time) => time.as_nanos(),
                    other => panic!("{other:?}"),
                },
                "window.size" => config.window.size.into(),
                other => panic!("{other}"),
            }
        };
        let known = match key.as_str() {
            "socket.mode" => (0, 0o777),
            "history.size" => (HISTORY_MIN.into(), HISTORY_MAX.into()),
            "history.age" => (AGE_MIN.as_nanos(), AGE_MAX.as_nanos()),
            "history.sync" => (SYNC_MIN.as_nanos(), SYNC_MAX.as_nanos()),
            _ => (WINDOW_MIN.into(), WINDOW_MAX.into()),
        };
        assert_eq!((numbers(&least), numbers(&most)), known, "{key}");
        let (_, comment) = &example()[&key];
        let same = comment.contains(&format!("{min} to {max}")) || key == "socket.mode";
        assert!(same, "{key}: {min} to {max} in the example's {comment:?}");
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn lengths_are_those_of_the_program() {
    let text = Page::read("pulsed.toml.5").rendered();
    for sentence in [
        format!("at most {} MiB", FILE_MAX >> 20),
        format!("machine: 1 to {HOST_MAX} of A-Z a-z 0-9 _ . -."),
        format!("An absolute path of at most {SOCKET_PATH_MAX} bytes."),
        format!("An absolute path of at most {PATH_MAX} bytes."),
    ] {
        assert!(text.contains(&sentence), "{sentence:?}");
    }
}

#[test]
fn what_the_page_shows_is_good() {
    let shown = Page::read("pulsed.toml.5").displays();
    assert_eq!(shown.len(), 4);
    for text in shown {
        // Groups are not the page's to know.
        let known = Machine { group: |_| Ok(Some(4)), ..machine() };
        let dir = tempfile::tempdir().expect("a directory");
        let file: PathBuf = dir.path().join("pulsed.toml");
        fs::write(&file, &text).expect("it is ours");
        if let Err(error) = Config::load(Some(&file), &known) {
            panic!("{error}: {text}");
        }
    }
}

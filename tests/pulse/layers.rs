//! The layers: a module names only modules in rows above it, the first rows are pure, the stages of the agent
//! do not know each other, and the files of a folder import each other without a cycle.

use std::collections::BTreeSet;

use regex::Regex;

use crate::source::{Module, Source};

/// The rows, from the top.
const ROWS: [&[&str]; 8] = [
    &["event"],
    &["filter"],
    &["wire", "render", "access", "views"],
    &["config", "sys", "diag"],
    &["log", "auth"],
    &["client"],
    &["agent"],
    &["cli"],
];

/// How many rows are pure: they use nothing but memory.
const PURE_ROWS: usize = 3;

/// What pure modules do not name.
const IMPURE: &str = r"\b(tokio|nix|signal_hook|directories)::|\bstd::(fs|net|os|env|process|thread)\b|\b(SystemTime|Instant|UnixStream|TcpStream)\b|\be?print(ln)?!";

/// Crates that only one module uses.
const RESERVED: [(&str, &str); 5] = [
    ("nix", "sys"),
    ("rustix", "sys"),
    ("directories", "sys"),
    ("signal_hook", "sys"),
    ("signal_hook_tokio", "sys"),
];

/// Stages of the agent, each with those that it must not name. Only what drives a connection, the session and http,
/// knows both ingest and follow, and neither knows the other.
const STAGES: [(&str, &[&str]); 9] = [
    ("ingest", &["follow", "session", "http", "nats"]),
    ("follow", &["ingest", "session", "http", "nats"]),
    ("views", &["session", "http", "nats"]),
    ("transport", &["ingest", "follow", "views", "session", "http", "nats"]),
    ("limits", &["ingest", "follow", "views", "session", "http", "nats"]),
    ("access", &["ingest", "follow", "views", "session", "http", "nats"]),
    ("session", &["http", "nats"]),
    ("nats", &["ingest", "session", "http", "clients", "manager", "reload"]),
    ("http", &["session", "nats", "clients", "manager", "reload"]),
];

/// What http uses of a stage that is for the line protocol otherwise.
const USED_BY_HTTP: [(&str, &str); 1] = [("transport", "tls")];

/// The row of a module, by the first part of its path. `None` for `lib.rs` and the programs.
fn row_of(path: &[String]) -> Option<usize> {
    let module = path.first()?;
    ROWS.iter().position(|row| row.contains(&module.as_str()))
}

#[test]
fn modules_name_only_rows_above() {
    let source = Source::read();
    let mut wrong = Vec::new();
    for (module, _) in source.files() {
        let Some(row) = row_of(module) else { continue };
        for path in source.named(module) {
            if row_of(&path).is_some_and(|its_row| its_row >= row) && path[0] != module[0] {
                wrong.push(format!("{}: names {}", module.join("::"), path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_a_row() {
    for (module, _) in Source::read().files() {
        let known = module.first().is_none_or(|first| first == "bin");
        assert!(known || row_of(module).is_some(), "{}: no row", module.join("::"));
    }
}

#[test]
fn first_rows_are_pure() {
    let impure = Regex::new(IMPURE).expect("a valid pattern");
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (module, text) in Source::read().files() {
        if row_of(module).is_some_and(|row| row < PURE_ROWS) {
            seen += 1;
            let found = impure.find_iter(text);
            wrong.extend(found.map(|found| format!("{}: {}", module.join("::"), found.as_str())));
        }
    }
    assert!(wrong.is_empty() && seen > 10, "{wrong:#?}");
}

#[test]
fn reserved_crates_stay_in_their_module() {
    for (module, text) in Source::read().files() {
        for (name, owner) in RESERVED {
            let name = Regex::new(&format!(r"\b{name}::")).expect("a valid pattern");
            let allowed = module.first().is_some_and(|first| first == owner);
            assert!(allowed || !name.is_match(text), "{}: {name}", module.join("::"));
        }
    }
}

#[test]
fn agent_stages_do_not_name_each_other() {
    let source = Source::read();
    let arrows = source.arrows();
    let stage =
        |module: &Module| (module.len() > 1 && module[0] == "agent").then(|| module[1].clone());
    for (name, forbidden) in STAGES {
        let exists = source.files().any(|(module, _)| stage(module).as_deref() == Some(name));
        assert!(exists, "no stage {name}");
        for (from, to) in &arrows {
            let named = stage(to).filter(|_| stage(from).as_deref() == Some(name));
            let wrong = named.is_some_and(|named| forbidden.contains(&named.as_str()));
            assert!(!wrong, "{}: names {}", from.join("::"), to.join("::"));
        }
    }
}

#[test]
fn http_uses_only_tls_of_transport() {
    for (from, to) in Source::read().arrows() {
        let is_http = from.len() > 1 && from[..2] == ["agent", "http"];
        for (stage, part) in USED_BY_HTTP {
            let other = to.len() > 1
                && to[0] == "agent"
                && to[1] == stage
                && to.get(2).is_none_or(|it| it != part);
            assert!(!(is_http && other), "{}: names {}", from.join("::"), to.join("::"));
        }
    }
}

/// An arrow between two entries of one folder: files, or folders as a whole. `None` if one of the files is the
/// `mod.rs` of a folder around the other: it declares its files and defines what they share, so these arrows are
/// not counted.
fn between_entries((from, to): &(Module, Module)) -> Option<(Module, Module)> {
    let folder = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let both_below = from.len() > folder && to.len() > folder;
    both_below.then(|| (from[..=folder].to_vec(), to[..=folder].to_vec()))
}

/// The arrows that lie on a cycle, or on a way from one cycle to another.
fn cyclic(mut arrows: BTreeSet<(Module, Module)>) -> BTreeSet<(Module, Module)> {
    loop {
        let count = arrows.len();
        let (from, to): (BTreeSet<_>, BTreeSet<_>) = arrows.iter().cloned().unzip();
        arrows.retain(|arrow| to.contains(&arrow.0) && from.contains(&arrow.1));
        if arrows.len() == count {
            return arrows;
        }
    }
}

/// The arrows between files that make the entries of a folder name each other in a cycle.
fn wrong_arrows(arrows: &BTreeSet<(Module, Module)>) -> Vec<String> {
    let cyclic = cyclic(arrows.iter().filter_map(between_entries).collect());
    let wrong =
        arrows.iter().filter(|arrow| between_entries(arrow).is_some_and(|it| cyclic.contains(&it)));
    wrong.map(|(from, to)| format!("{} -> {}", from.join("::"), to.join("::"))).collect()
}

/// In every folder, its files and its folders can be put into an order in which each names only earlier ones.
/// Unit tests are not counted.
#[test]
fn folders_have_no_import_cycle() {
    let wrong = wrong_arrows(&Source::read().without_tests().arrows());
    assert!(wrong.is_empty(), "arrows on cycles: {wrong:#?}");
}

#[test]
fn finds_import_cycles() {
    let arrows = |text: &str| -> BTreeSet<(Module, Module)> {
        let module = |path: &str| path.split("::").map(str::to_owned).collect();
        let arrows = text.split(", ").map(|arrow| arrow.split_once(" -> ").expect("an arrow"));
        arrows.map(|(from, to)| (module(from), module(to))).collect()
    };
    for text in [
        "a::b -> a::c, a::c -> a::d, a::b -> a::d",
        "a -> a::b, a::b -> a, a::c -> a::b",
        "a::b -> a::b::c, a::b::c -> a::b",
    ] {
        assert_eq!(wrong_arrows(&arrows(text)), [""; 0], "{text}");
    }
    for (text, wrong) in [
        ("a::b -> a::c, a::c -> a::b, a::b -> a::d", &["a::b -> a::c", "a::c -> a::b"][..]),
        ("a::b::x -> a::c, a::c -> a::b::y, a::d -> a::c", &["a::b::x -> a::c", "a::c -> a::b::y"]),
        ("a::b -> a::c::d, a::c -> a::b", &["a::b -> a::c::d", "a::c -> a::b"]),
    ] {
        assert_eq!(wrong_arrows(&arrows(text)), wrong, "{text}");
    }
}

#[test]
fn finds_named_modules() {
    let module = vec!["event".to_owned(), "line".to_owned()];
    for (text, names) in [
        ("use crate::log::Log;", &["log"][..]),
        ("use crate::{cli, log::{self, agent}, wire};", &["cli", "log", "wire"]),
        ("use super::super::agent;", &["agent"]),
        ("use super::line; // crate::agent", &["event"]),
        ("/// [`crate::agent`]\nlet x = crate::sys::clock::now();", &["sys"]),
        ("pulsed::cli::main()", &["cli"]),
    ] {
        let source = Source::new([(module.clone(), text.to_owned())].into());
        let found: BTreeSet<String> =
            source.named(&module).into_iter().map(|path| path[0].clone()).collect();
        assert!(found.iter().eq(names), "{text}: {found:?}");
    }
    let impure = Regex::new(IMPURE).expect("a valid pattern");
    for text in ["tokio::spawn", "std::fs::read", "Instant::now", "println!(", "eprint!("] {
        assert!(impure.is_match(text), "{text}");
    }
}

//! The layers: a module names only modules of the rows above it, and the first rows are pure. Reads the
//! source as text, without its comments.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The rows, from the top.
const ROWS: [&[&str]; 8] = [
    &["event"],
    &["filter"],
    &["wire", "render", "access"],
    &["config", "sys", "diag"],
    &["log", "auth"],
    &["client"],
    &["agent"],
    &["cli"],
];

/// So many rows touch nothing but memory.
const PURE_ROWS: usize = 3;

/// What only a module that touches the world names.
const IMPURE: &str = r"\b(tokio|nix|signal_hook|directories)::|\bstd::(fs|net|os|env|process|thread)\b|\b(SystemTime|Instant|UnixStream|TcpStream)\b|\be?print(ln)?!";

/// Crates that are for one module alone.
const RESERVED: [(&str, &str); 4] =
    [("nix", "sys"), ("directories", "sys"), ("signal_hook", "sys"), ("signal_hook_tokio", "sys")];

/// One file of the source.
struct Source {
    path: PathBuf,
    /// The module below the crate that it belongs to.
    module: String,
    /// How many modules it is below the crate.
    depth: usize,
    text: String,
}

fn row_of(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// Every file of every module.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut dirs = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("the source") {
            let path = entry.expect("read").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let below = path.strip_prefix(&root).expect("below").with_extension("");
                let mut parts: Vec<String> =
                    below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                if parts.last().is_some_and(|last| last == "mod") {
                    parts.pop();
                }
                let text = without_comments(&fs::read_to_string(&path).expect("UTF-8"));
                let (module, depth) = (parts[0].clone(), parts.len());
                found.push(Source { path, module, depth, text });
            }
        }
    }
    found
}

fn without_comments(text: &str) -> String {
    let comment = Regex::new(r"(^|\s)//.*").expect("good");
    text.lines().map(|line| comment.replace(line, "").into_owned() + "\n").collect()
}

/// The modules of this crate that a text names: `crate::x`, `crate::{x, y::z}`, `super::super::x`.
fn named(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let direct = Regex::new(r"\b(?:crate|pulsed)::(\w+)").expect("good");
    found.extend(direct.captures_iter(&source.text).map(|found| found[1].to_owned()));
    let group = Regex::new(r"\bcrate::\{").expect("good");
    for group in group.find_iter(&source.text) {
        found.extend(members(&source.text[group.end()..]));
    }
    let upwards = Regex::new(r"\b((?:super::)+)(\w+)").expect("good");
    for way in upwards.captures_iter(&source.text) {
        // A module in the middle of the file may need one more to get as far.
        if way[1].matches("super").count() >= source.depth {
            found.push(way[2].to_owned());
        }
    }
    found
}

/// The first names in a group that has been opened.
fn members(text: &str) -> Vec<String> {
    let (mut depth, mut at_name, mut names) = (0, true, Vec::new());
    let words = Regex::new(r"\w+|[{},]|::").expect("good");
    for word in words.find_iter(text) {
        match word.as_str() {
            "{" => depth += 1,
            "}" if depth == 0 => break,
            "}" => depth -= 1,
            "," => at_name = depth == 0,
            "::" => {}
            name if at_name && depth == 0 => {
                names.push(name.to_owned());
                at_name = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn a_module_names_only_modules_of_the_rows_above_it() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| row_of(&source.module).is_some()) {
        let row = row_of(&source.module).expect("filtered");
        for name in named(source) {
            let Some(its_row) = row_of(&name) else { continue };
            if name != source.module && its_row >= row {
                wrong.push(format!("{}: names {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_its_row() {
    for source in sources() {
        let known = ["lib", "bin"].contains(&source.module.as_str());
        assert!(known || row_of(&source.module).is_some(), "{}: no row", source.path.display());
    }
}

#[test]
fn the_first_rows_are_pure() {
    let impure = Regex::new(IMPURE).expect("good");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for source in sources() {
        if row_of(&source.module).is_some_and(|row| row < PURE_ROWS) {
            seen += 1;
            wrong.extend(
                impure
                    .find_iter(&source.text)
                    .map(|found| format!("{}: names {}", source.path.display(), found.as_str())),
            );
        }
    }
    assert!(wrong.is_empty() && seen > 10, "{wrong:#?}");
}

#[test]
fn some_crates_are_for_one_module_alone() {
    for source in sources() {
        for (name, module) in RESERVED {
            let used = Regex::new(&format!(r"\b{name}::")).expect("good").is_match(&source.text);
            assert!(!used || source.module == module, "{}: {name}", source.path.display());
        }
    }
}

/// The stages of the agent: what a connection passes through. Only `agent/mod.rs` knows them all.
const STAGES: [&str; 2] = ["ingest", "follow"];

#[test]
fn a_stage_of_the_agent_names_no_other_stage() {
    let mut seen = 0;
    for source in sources().iter().filter(|source| source.module == "agent" && source.depth > 1) {
        let below = source.path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("below");
        let stage = below.iter().nth(2).map(|part| part.to_string_lossy().replace(".rs", ""));
        let stage = stage.expect("a file of the agent");
        for other in STAGES.iter().filter(|other| **other != stage) {
            let named = Regex::new(&format!(r"\b(super|agent)::{other}\b")).expect("good");
            let named = STAGES.contains(&stage.as_str()) && named.is_match(&source.text);
            assert!(!named, "{}: names {other}", below.display());
        }
        seen += usize::from(STAGES.contains(&stage.as_str()));
    }
    assert!(seen >= STAGES.len(), "{seen}");
}

#[test]
fn what_is_named_is_found() {
    let source = |text: &str| Source {
        path: PathBuf::new(),
        module: "event".into(),
        depth: 2,
        text: without_comments(text),
    };
    for (text, names) in [
        ("use crate::log::Log;", &["log"][..]),
        ("use crate::{cli, log::{self, agent}, wire};", &["cli", "log", "wire"]),
        ("use super::super::agent;", &["agent"]),
        ("use super::line; // crate::agent", &[]),
        ("/// [`crate::agent`]\nlet x = crate::sys::clock::now();", &["sys"]),
    ] {
        let found: Vec<String> =
            named(&source(text)).into_iter().filter(|name| row_of(name).is_some()).collect();
        assert_eq!(found, names, "{text}");
    }
    let impure = Regex::new(IMPURE).expect("good");
    for text in ["tokio::spawn", "std::fs::read", "Instant::now", "println!(", "eprint!("] {
        assert!(impure.is_match(text), "{text}");
    }
}

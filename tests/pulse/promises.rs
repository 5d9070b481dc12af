//! The pages of promises and of threats: each claim names a test, and that test exists.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The file of a module's tests. `None` if there is no such file.
fn file_of(module: &[&str]) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (base, module) = match module {
        ["pulse", rest @ ..] => (root.join("tests/pulse"), rest),
        rest => (root.join("src"), rest),
    };
    let path = |module: &[&str]| base.join(module.join("/"));
    let files = |path: PathBuf| [path.with_extension("rs"), path.join("mod.rs")];
    // Unit tests are in a file of their own, or at the end of their module's file.
    let own = files(path(module)).into_iter();
    let beside = module.strip_suffix(&["tests"]).into_iter().flat_map(|of| files(path(of)));
    own.chain(beside).find(|file| file.exists())
}

/// `true` if a test of this name exists and is not ignored.
fn exists(name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let Some((function, module)) = parts.split_last() else { return false };
    let Some(file) = file_of(module) else { return false };
    let text = fs::read_to_string(file).expect("UTF-8");
    // Property tests are indented in a macro. Others are async.
    let test = Regex::new(&format!(
        r"#\[(?:tokio::)?test(?:\([^\n]*\))?\]\s*(?:async )?fn {}\(",
        regex::escape(function)
    ));
    test.expect("a valid pattern").is_match(&text)
}

/// The tests that the tables of a page name.
fn named_on(page: &str, head: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let page = fs::read_to_string(page).expect("the page");
    let row = Regex::new(r"^\| .*\. \| `([a-z0-9_:]+)` \|$").expect("a valid pattern");
    let mut named = Vec::new();
    let mut lines = page.lines();
    while lines.any(|line| line == head) {
        let rows = lines.by_ref().skip(1).take_while(|line| line.starts_with('|'));
        named.extend(rows.map(|line| {
            let found = row.captures(line).unwrap_or_else(|| panic!("a claim and a test: {line}"));
            found[1].to_owned()
        }));
    }
    named
}

#[test]
fn every_claim_names_an_existing_test() {
    for (page, head) in
        [("docs/promises.md", "| promise | test |"), ("docs/threats.md", "| claim | test |")]
    {
        let named = named_on(page, head);
        assert!(named.len() > 20, "{page}: {}", named.len());
        for name in named {
            assert!(exists(&name), "{page}: no test {name}");
        }
    }
    assert!(!exists("pulse::promises::no_such_test"));
    assert!(!exists("pulse::no_such_module::every_claim_names_an_existing_test"));
}

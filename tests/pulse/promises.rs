//! The page of promises: every one has a test beside it, and that test exists.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Where a module's tests are, by the path that the page names it by.
fn file_of(module: &[&str]) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (base, module) = match module {
        ["pulse", rest @ ..] => (root.join("tests/pulse"), rest),
        rest => (root.join("src"), rest),
    };
    let path = base.join(module.join("/"));
    [path.with_extension("rs"), path.join("mod.rs")].into_iter().find(|file| file.exists())
}

/// Whether there is a test of this name, and it is not left out.
fn exists(name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let Some((function, module)) = parts.split_last() else { return false };
    let Some(file) = file_of(module) else { return false };
    let text = fs::read_to_string(file).expect("UTF-8");
    // A property's test stands in a macro, and others are async.
    let test = Regex::new(&format!(
        r"#\[(?:tokio::)?test(?:\([^\n]*\))?\]\s*(?:async )?fn {}\(",
        regex::escape(function)
    ));
    test.expect("a pattern").is_match(&text)
}

#[test]
fn every_promise_has_a_test_that_exists() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/promises.md");
    let page = fs::read_to_string(page).expect("the page");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let row = Regex::new(r"^\| .*\. \| `([a-z0-9_:]+)` \|$").expect("a pattern");
    let mut promises = 0;
    for line in rows {
        if line == "| promise | test |" {
            continue;
        }
        let found = row.captures(line).unwrap_or_else(|| panic!("a promise and a test: {line}"));
        assert!(exists(&found[1]), "there is no test {}", &found[1]);
        promises += 1;
    }
    assert!(promises > 20, "{promises}");
    assert!(!exists("pulse::promises::no_such_test"));
    assert!(!exists("pulse::no_such_module::every_promise_has_a_test_that_exists"));
}

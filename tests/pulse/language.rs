//! The language of the project: words that its source, its documentation and its tests do not use, because the
//! field has a name for the subject (the client, the operator) or a plainer word.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The banned words and phrases, in lower case.
const BANNED: [&str; 17] = [
    "somebody",
    "someone",
    "nobody",
    "anybody",
    "whoever",
    "whosoever",
    "whence",
    "whereupon",
    "thereof",
    "for ever",
    "by heart",
    "kin",
    "farewell",
    "stranger",
    "strangers",
    "porch",
    "told so",
];

/// The files and directories that are searched.
const SEARCHED: [&str; 9] = [
    "src",
    "man",
    "docs",
    "contrib",
    "tests",
    "benches",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
];

/// Not searched: the list above, and the fuzzers' inputs and builds.
const EXCLUDED: [&str; 5] = [
    "tests/pulse/language.rs",
    "tests/fuzz/corpus",
    "tests/fuzz/target",
    "tests/page/node_modules",
    "tests/pulse/php/versions/node_modules",
];

/// The Unix account or group `nobody`, in quotes, in code quotes or after `=`.
const ACCOUNT: &str = r#""@?nobody\\?"|'nobody'|`nobody`|=nobody\b"#;

/// A pattern for the banned words: in any case, within identifiers, and across line breaks in comments.
fn banned() -> Regex {
    let words = BANNED.map(|word| word.replace(' ', r"[\s/!#*_]+")).join("|");
    Regex::new(&format!("(?i)(?:^|[^a-z0-9])({words})(?:[^a-z0-9]|$)")).expect("a valid pattern")
}

/// The banned words in a text, each with its line number.
fn find(banned: &Regex, text: &str) -> Vec<(usize, String)> {
    let account = Regex::new(ACCOUNT).expect("a valid pattern");
    let text = account.replace_all(text, "");
    let words = banned.captures_iter(&text).map(|found| found.get(1).expect("the word"));
    words
        .map(|word| (1 + text[..word.start()].matches('\n').count(), word.as_str().into()))
        .collect()
}

/// All files at or below `path`, in order.
fn files(path: &Path) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if EXCLUDED.iter().any(|excluded| path == root.join(excluded)) {
        return Vec::new();
    }
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).expect("a readable directory");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| files(path)).collect()
}

#[test]
fn tree_has_no_banned_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (banned, mut found) = (banned(), Vec::new());
    for path in SEARCHED.iter().flat_map(|path| files(&root.join(path))) {
        let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        if path.extension().is_some_and(|extension| extension == "png") {
            continue;
        }
        let path = path.strip_prefix(root).expect("below the root").display();
        for (line, word) in find(&banned, &String::from_utf8_lossy(&bytes)) {
            found.push(format!("{path}:{line}: {word}"));
        }
    }
    assert!(found.is_empty(), "{} banned words:\n{}", found.len(), found.join("\n"));
}

#[test]
fn finds_banned_words() {
    let banned = banned();
    for (text, line, word) in [
        ("Somebody", 1, "Somebody"),
        ("one\ntwo whoever", 2, "whoever"),
        ("fn no_stranger_stays()", 1, "stranger"),
        ("/// waits for\n    /// ever.", 1, "for\n    /// ever"),
        ("expect(\"nobody is there\")", 1, "nobody"),
    ] {
        assert_eq!(find(&banned, text), [(line, word.to_owned())], "{text}");
    }
    for text in ["kinetic", "for every", "chown \"nobody\"", "user `nobody`", "_user=nobody"] {
        assert_eq!(find(&banned, text), [], "{text}");
    }
}

//! A parser for man pages in mdoc(7), as far as the tests need it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The macros that precede words.
const MACROS: [&str; 8] = ["Ar", "Cm", "Dv", "Fl", "Ic", "Li", "Op", "Va"];

/// A man page.
pub(crate) struct Page {
    path: PathBuf,
    text: String,
}

/// An `.It` of a list.
#[derive(Debug)]
pub(crate) struct Item {
    /// How many lists it is nested in.
    pub(crate) depth: usize,
    /// The text after `.It`.
    pub(crate) head: String,
    /// The lines below it, with those of inner lists.
    pub(crate) body: Vec<String>,
}

impl Page {
    /// The page `name`, such as `pulsed.8`.
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        Self { path, text }
    }

    /// Its lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// The items of all lists of one section or subsection.
    pub(crate) fn items(&self, title: &str) -> Vec<Item> {
        let is_title = |line: &&str| {
            line.strip_prefix(".Sh ").or(line.strip_prefix(".Ss ")).is_some_and(|t| t == title)
        };
        let mut lines = self.lines().skip_while(|line| !is_title(line));
        assert!(lines.next().is_some(), "{}: no section {title:?}", self.path.display());
        items(lines.take_while(|line| !line.starts_with(".Sh ") && !line.starts_with(".Ss ")))
    }

    /// The items of all lists of the page.
    pub(crate) fn all_items(&self) -> Vec<Item> {
        items(self.lines())
    }

    /// The text that a reader sees, as one line.
    pub(crate) fn rendered(&self) -> String {
        let shown = self.mandoc(&["-Tutf8", "-Owidth=1000"]);
        // A bold letter is printed twice, and an underlined one over its line.
        let mut plain = String::new();
        for c in shown.chars() {
            if c == '\u{8}' {
                plain.pop();
            } else {
                plain.push(c);
            }
        }
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The warnings of mandoc.
    pub(crate) fn lint(&self) -> String {
        self.mandoc(&["-Tlint", "-Wwarning"])
    }

    fn mandoc(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("mandoc");
        let output = command.args(arguments).arg(&self.path).output();
        let output = output.expect("tests/run installs mandoc");
        [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat()
    }

    /// The displays of literal text, without roff's escapes.
    pub(crate) fn displays(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = self.lines();
        while lines.by_ref().any(|line| line.starts_with(".Bd -literal")) {
            let inside: Vec<String> = lines
                .by_ref()
                .take_while(|line| *line != ".Ed")
                .map(|line| line.replace("\\e", "\\").replace("\\&", ""))
                .collect();
            found.push(inside.join("\n"));
        }
        found
    }
}

fn items<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Item> {
    let mut depth = 0;
    let mut found: Vec<Item> = Vec::new();
    // For each open list, its current item.
    let mut open: Vec<Option<usize>> = Vec::new();
    for line in lines {
        if line.starts_with(".Bl ") {
            depth += 1;
            open.push(None);
        } else if line == ".El" {
            depth -= 1;
            open.pop();
        } else if let Some(head) = line.strip_prefix(".It ") {
            *open.last_mut().expect("an .It is within a list") = Some(found.len());
            found.push(Item { depth, head: head.into(), body: Vec::new() });
        }
        for at in open.iter().flatten() {
            found[*at].body.push(line.into());
        }
    }
    found
}

impl Item {
    /// The flags in its head: `-f`, `--follow`.
    pub(crate) fn flags(&self) -> Vec<String> {
        flags(&self.head)
    }

    /// Its head without markup: `SEND text`, `KEY=VALUE`.
    pub(crate) fn title(&self) -> String {
        let mut title = String::new();
        let mut glued = true;
        for word in self.head.split(' ') {
            match word {
                "Ns" => glued = true,
                "." => {
                    title.push('.');
                    glued = true;
                }
                word if MACROS.contains(&word) => {}
                word => {
                    if !glued {
                        title.push(' ');
                    }
                    title.push_str(word);
                    glued = false;
                }
            }
        }
        title
    }

    /// The first word of its title.
    pub(crate) fn word(&self) -> String {
        self.title().split(' ').next().unwrap_or_default().into()
    }

    /// The first word of the line after this one: `Default:`. `None` if there is no quoted value.
    pub(crate) fn after(&self, line: &str) -> Option<String> {
        let at = self.body.iter().position(|found| found == line)?;
        let value = self.body.get(at + 1)?.replace("\\(dq", "\"");
        let value = value.strip_prefix(".Ql ").or(value.strip_prefix(".Li "))?;
        Some(value.split(' ').next().unwrap_or_default().into())
    }

    /// `true` if its body contains the word.
    pub(crate) fn mentions(&self, word: &str) -> bool {
        let words = self.body.iter().flat_map(|line| line.split([' ', '.', ',']));
        words.into_iter().any(|found| found == word)
    }
}

/// The flags in a line of macros: `Fl f`, `Fl Fl follow`.
pub(crate) fn flags(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.trim_start_matches('.').split(' ').collect();
    let is_name = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    let mut found = Vec::new();
    let mut dashes = String::new();
    for word in words {
        if word == "Fl" {
            dashes.push('-');
            continue;
        }
        let dashes = std::mem::take(&mut dashes);
        if !dashes.is_empty() && is_name(word) {
            found.push(dashes + word);
        }
    }
    found
}

/// The titles' first words, as a set.
pub(crate) fn words(items: &[Item]) -> BTreeSet<String> {
    items.iter().map(Item::word).collect()
}

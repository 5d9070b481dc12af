//! The program, its help, its manual and its example say the same, in both directions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

use crate::harness::{Agent, Tool};

type Names = BTreeSet<String>;

/// What a page must name: all of it, and nothing else of its kind.
enum Must {
    /// The options of a program.
    #[expect(dead_code, reason = "there is no manual page yet")]
    Options(fn() -> Tool, &'static [&'static str]),
    /// The keys of the configuration.
    #[expect(dead_code, reason = "there is no manual page yet")]
    Keys,
    /// The words of the protocol.
    #[expect(dead_code, reason = "there is no manual page yet")]
    Verbs,
}

/// The manual: each page below `man/`, and what it must name.
const MANUAL: &[(&str, Must)] = &[];

/// What pulse-send has been promised to understand.
const SEND: &[&str] = &[
    "-t",
    "--tag",
    "-p",
    "--priority",
    "-F",
    "--field",
    "--run",
    "-f",
    "--file",
    "--json",
    "-e",
    "--skip-empty",
    "-S",
    "--size",
    "--prio-prefix",
    "-s",
    "--stderr",
    "--no-act",
    "-u",
    "--socket",
    "--ack",
    "--timeout",
    "--cursor",
    "--time",
    "-i",
    "--id",
    "-T",
    "--tcp",
    "--socket-errors",
    "-h",
    "--help",
    "-V",
    "--version",
];

/// What pulse-tail has been promised to understand.
const TAIL: &[&str] = &[
    "-f",
    "--follow",
    "-n",
    "--lines",
    "-r",
    "--reverse",
    "-S",
    "--since",
    "-U",
    "--until",
    "-c",
    "--cursor",
    "--after-cursor",
    "--cursor-file",
    "--show-cursor",
    "-t",
    "--tag",
    "-p",
    "--priority",
    "-u",
    "--unit",
    "-g",
    "--grep",
    "--slower",
    "-o",
    "--output",
    "--utc",
    "--no-hostname",
    "-a",
    "--all",
    "-q",
    "--quiet",
    "--color",
    "--count",
    "--until-match",
    "--timeout",
    "--stats",
    "--socket",
    "-h",
    "--help",
    "-V",
    "--version",
];

/// What pulsed has been promised to understand, with its subcommands.
const PULSED: &[&str] =
    &["--config", "--json", "-h", "--help", "-V", "--version", "check", "status"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(words: impl IntoIterator<Item = impl Into<String>>) -> Names {
    words.into_iter().map(Into::into).collect()
}

/// What the entries of a page's lists describe: `.It Ic SEND`.
fn entries(page: &str, name: &str) -> Names {
    let entry = Regex::new(&format!(r"(?m)^\.It Ic ({name})")).expect("good");
    entry.captures_iter(page).map(|entry| entry[1].to_owned()).collect()
}

/// Asserts that both are the same, and says only what is not.
#[track_caller]
fn assert_same(found: &Names, expected: &Names, what: &str) {
    let missing: Vec<_> = expected.difference(found).collect();
    let more: Vec<_> = found.difference(expected).collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "{what}: without {missing:?}, and with {more:?}"
    );
}

/// The options at the beginning of a line of a help, and the subcommands.
fn in_help(help: &str) -> Names {
    let option = Regex::new(r"^ +(-\w)?(?:, )?(--[a-z][a-z-]*)?").expect("good");
    let command = Regex::new(r"^  ([a-z]+)  ").expect("good");
    let (mut found, mut commands) = (Names::new(), false);
    for line in help.lines() {
        if !line.starts_with(' ') && !line.is_empty() {
            commands = line == "Commands:";
        }
        let pattern = if commands { &command } else { &option };
        for parts in pattern.captures_iter(line) {
            found.extend(parts.iter().skip(1).flatten().map(|part| part.as_str().to_owned()));
        }
    }
    found.remove("help");
    found
}

/// The options that a page in mdoc names: `.Fl t`, `.Op Fl -tag Ar TAG`.
fn in_page(page: &str) -> Names {
    let flag = Regex::new(r"\bFl +(-?[A-Za-z][A-Za-z-]*)").expect("good");
    flag.captures_iter(page).map(|flag| format!("-{}", &flag[1])).collect()
}

#[test]
fn the_options_are_those_that_were_promised() {
    let help = |tool: Tool| in_help(&tool.args(&["--help"]).ok());
    assert_same(&help(Tool::send()), &names(SEND.iter().copied()), "pulse-send");
    assert_same(&help(Tool::tail()), &names(TAIL.iter().copied()), "pulse-tail");
    let mut pulsed = help(Tool::pulsed());
    for command in ["check", "status"] {
        pulsed.extend(help(Tool::pulsed().args(&[command])));
    }
    assert_same(&pulsed, &names(PULSED.iter().copied()), "pulsed");
}

#[test]
fn the_short_help_names_the_same_options() {
    for tool in [Tool::send, Tool::tail, Tool::pulsed] {
        let (long, short) = (tool().args(&["--help"]).ok(), tool().args(&["-h"]).ok());
        assert_same(&in_help(&short), &in_help(&long), "the short help");
    }
}

/// The keys in a configuration, the commented-out ones too.
fn keys_in(text: &str) -> Names {
    let (mut section, mut found) = (String::new(), Names::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, _)) = line.trim_start_matches('#').split_once(" = ")
            && !key.contains(' ')
        {
            found.insert(format!("{section}{key}"));
        }
    }
    found
}

#[test]
fn the_example_has_every_key_and_no_other() {
    let text = fs::read_to_string(root().join("contrib/pulsed.toml")).expect("the example");
    assert_same(&keys_in(&text), &names(pulsed::config::KEYS), "contrib/pulsed.toml");
}

#[test]
fn the_example_is_good_as_it_is_and_with_every_default_written_out() {
    let agent = Agent::prepare(&[]);
    let text = fs::read_to_string(root().join("contrib/pulsed.toml")).expect("the example");
    let written_out = Regex::new(r"(?m)^#([a-z]+ = )").expect("good").replace_all(&text, "$1");
    assert_ne!(text, written_out);
    for text in [text.as_str(), written_out.as_ref()] {
        fs::write(agent.config(), text).expect("ours");
        agent.pulsed(&["check"]).ok();
    }
}

#[test]
fn every_page_of_the_manual_names_what_there_is_and_nothing_else() {
    let files = fs::read_dir(root().join("man")).into_iter().flatten();
    let files =
        names(files.map(|file| file.expect("read").file_name().to_string_lossy().into_owned()));
    assert_same(&files, &names(MANUAL.iter().map(|(page, _)| *page)), "the pages held here");
    for (page, what) in MANUAL {
        let text = fs::read_to_string(root().join("man").join(page)).expect("a page");
        match what {
            Must::Options(tool, commands) => {
                let mut there = in_help(&tool().args(&["--help"]).ok());
                for command in *commands {
                    there.extend(in_help(&tool().args(&[command, "--help"]).ok()));
                    assert!(there.remove(*command) && text.contains(command), "{page}: {command}");
                }
                assert_same(&in_page(&text), &there, page);
            }
            Must::Keys => {
                assert_same(
                    &entries(&text, "[a-z]+(?:\\.[a-z]+)?"),
                    &names(pulsed::config::KEYS),
                    page,
                );
            }
            Must::Verbs => {
                let there = names(pulsed::wire::VERBS.iter().map(|verb| verb.name));
                assert_same(&entries(&text, "[A-Z]+"), &there, page);
            }
        }
    }
}

#[test]
fn the_readme_names_only_options_that_there_are() {
    let text = fs::read_to_string(root().join("README.md")).expect("the README");
    let option = Regex::new(r"(?:^|[\s`(])(--?[A-Za-z][a-z-]*)").expect("good");
    let mut checked = 0;
    for line in text.lines() {
        for (program, options) in [("pulse-send", SEND), ("pulse-tail", TAIL), ("pulsed", PULSED)] {
            let Some((_, rest)) = line.split_once(&format!("{program} ")) else { continue };
            // Up to the end of the command: what it runs or is piped to has options of its own.
            let end = rest.find(" -- ").or(rest.find(['|', '`', '#', '"'])).unwrap_or(rest.len());
            for named in option.captures_iter(&rest[..end]) {
                checked += 1;
                assert!(options.contains(&&named[1]), "{program} {}: {line}", &named[1]);
            }
        }
    }
    assert!(checked > 0, "it names none");
}

//! The program, its help, its README and its example say the same, in both directions. The manual:
//! `man`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pulsed::config::TlsFiles;
use regex::Regex;

use crate::harness::{Agent, Tool};
use crate::man::certificate;

type Names = BTreeSet<String>;

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
    "-n",
    "--server",
    "--ca",
    "--token-file",
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
    "--server",
    "--ca",
    "--token-file",
    "-h",
    "--help",
    "-V",
    "--version",
];

/// What pulsed has been promised to understand, with its subcommands.
const PULSED: &[&str] = &[
    "--config",
    "--json",
    "--send",
    "--tail",
    "-h",
    "--help",
    "-V",
    "--version",
    "check",
    "status",
    "token",
    "add",
    "list",
    "revoke",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(words: impl IntoIterator<Item = impl Into<String>>) -> Names {
    words.into_iter().map(Into::into).collect()
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

#[test]
fn the_options_are_those_that_were_promised() {
    let help = |tool: Tool| in_help(&tool.args(&["--help"]).ok());
    assert_same(&help(Tool::send()), &names(SEND.iter().copied()), "pulse-send");
    assert_same(&help(Tool::tail()), &names(TAIL.iter().copied()), "pulse-tail");
    let mut pulsed = help(Tool::pulsed());
    for command in [
        &["check"][..],
        &["status"],
        &["token"],
        &["token", "add"],
        &["token", "list"],
        &["token", "revoke"],
    ] {
        pulsed.extend(help(Tool::pulsed().args(command)));
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
        let title = line.trim_start_matches('#').strip_prefix('[');
        if let Some(name) = title.and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{}.", name.trim_matches(['[', ']']));
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
    let keys = Regex::new(r"(?m)^#([a-z]+ = |\[\[)").expect("good");
    let written_out = keys.replace_all(&text, "$1");
    assert_ne!(text, written_out);
    // Not every machine has what is named there.
    let TlsFiles { cert, key } = certificate::make(agent.dir());
    let written_out = written_out
        .replace("@pulsed", "@root")
        .replace("/etc/pulsed/cert.pem", &cert.display().to_string())
        .replace("/etc/pulsed/key.pem", &key.display().to_string());
    for text in [text.as_str(), written_out.as_str()] {
        fs::write(agent.config(), text).expect("ours");
        agent.pulsed(&["check"]).ok();
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

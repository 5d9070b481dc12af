//! The programs, their help, the README and the example configuration agree, in both directions. For the man
//! pages see `man`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pulsed::config::TlsFiles;
use regex::Regex;

use crate::harness::{Agent, Tool};
use crate::man::certificate;

type Names = BTreeSet<String>;

/// The promised options of pulse-send.
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
    "-d",
    "--udp",
    "-P",
    "--port",
    "--rfc3164",
    "--rfc5424",
    "--octet-count",
    "--msgid",
    "--sd-id",
    "--sd-param",
    "-h",
    "--help",
    "-V",
    "--version",
];

/// The promised options of pulse-tail.
const TAIL: &[&str] = &[
    "-f",
    "--follow",
    "-F",
    "-n",
    "--lines",
    "-r",
    "--reverse",
    "-S",
    "--since",
    "-U",
    "--until",
    "-c",
    "-b",
    "--boot",
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
    "-m",
    "--merge",
    "-M",
    "--host",
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
    "--field",
    "--no-pager",
    "-e",
    "--pager-end",
    "--web",
    "--socket",
    "--server",
    "--ca",
    "--token-file",
    "-h",
    "--help",
    "-V",
    "--version",
];

/// The promised options and subcommands of pulsed.
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

/// Asserts that both are equal. Reports only the difference.
#[track_caller]
fn assert_same(found: &Names, expected: &Names, what: &str) {
    let missing: Vec<_> = expected.difference(found).collect();
    let unexpected: Vec<_> = found.difference(expected).collect();
    assert!(
        missing.is_empty() && unexpected.is_empty(),
        "{what}: missing {missing:?}, unexpected {unexpected:?}"
    );
}

/// The options at the start of the lines of a help text, and the subcommands.
fn in_help(help: &str) -> Names {
    let option = Regex::new(r"^ +(-\w)?(?:, )?(--[a-z][a-z0-9-]*)?").expect("a valid pattern");
    let command = Regex::new(r"^  ([a-z]+)  ").expect("a valid pattern");
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
fn help_lists_exactly_the_promised_options() {
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
fn short_help_lists_the_same_options() {
    for tool in [Tool::send, Tool::tail, Tool::pulsed] {
        let (long, short) = (tool().args(&["--help"]).ok(), tool().args(&["-h"]).ok());
        assert_same(&in_help(&short), &in_help(&long), "the short help");
    }
}

/// The keys of a configuration, including commented-out ones.
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
fn example_has_exactly_the_known_keys() {
    let text = fs::read_to_string(root().join("contrib/pulsed.toml")).expect("the example");
    assert_same(&keys_in(&text), &names(pulsed::config::KEYS), "contrib/pulsed.toml");
}

/// The keys of `[web]` that need `unix:`, which has no certificate.
const OF_UNIX: &str = "mode = \"0660\"\nowner = \"root\"\ngroup = \"www-data\"\n";

/// The keys of `[nats]` that cannot be set beside `credentials`.
const OTHER_LOGINS: &str = "token = \"/etc/pulsed/nats.token\"\nuser = \"web1\"\n\
    password = \"/etc/pulsed/nats.password\"\n";

#[test]
fn example_is_valid_with_all_defaults() {
    let agent = Agent::prepare(&[]);
    let text = fs::read_to_string(root().join("contrib/pulsed.toml")).expect("the example");
    let keys = Regex::new(r"(?m)^#([a-z]+ = |\[\[)").expect("a valid pattern");
    let with_defaults = keys.replace_all(&text, "$1");
    assert_ne!(text, with_defaults);
    // Replaces a group and files that may not exist on this machine.
    let TlsFiles { cert, key, .. } = certificate::make(agent.dir());
    let with_defaults = with_defaults
        .replace("@pulsed", "@root")
        .replace("/etc/pulsed/cert.pem", &cert.display().to_string())
        .replace("/etc/pulsed/key.pem", &key.display().to_string())
        // The last keys of [web] are for a Unix socket.
        .replace(OF_UNIX, "")
        .replace(OTHER_LOGINS, "");
    for text in [text.as_str(), with_defaults.as_str()] {
        fs::write(agent.config(), text).expect("a writable file");
        agent.pulsed(&["check"]).ok();
    }
}

#[test]
fn readme_names_only_existing_options() {
    let text = fs::read_to_string(root().join("README.md")).expect("the README");
    let option = Regex::new(r"(?:^|[\s`(])(--?[A-Za-z][a-z0-9-]*)").expect("a valid pattern");
    let mut checked = 0;
    for line in text.lines() {
        for (program, options) in [("pulse-send", SEND), ("pulse-tail", TAIL), ("pulsed", PULSED)] {
            let Some((_, rest)) = line.split_once(&format!("{program} ")) else { continue };
            // Up to the end of the command, because a child or a pipe has options of its own.
            let end = rest.find(" -- ").or(rest.find(['|', '`', '#', '"'])).unwrap_or(rest.len());
            for named in option.captures_iter(&rest[..end]) {
                checked += 1;
                assert!(options.contains(&&named[1]), "{program} {}: {line}", &named[1]);
            }
        }
    }
    assert!(checked > 0, "the README names no option");
}

//! The man pages against the program: each list in a page equals the table in the program that it documents, in
//! both directions.

mod bounds;
pub(crate) mod certificate;
mod completions;
mod configuration;
mod examples;
mod page;
mod protocol;
mod proxy;
mod views;

use std::collections::BTreeSet;

use clap::{Arg, Command};
use page::{Item, Page, flags, words};
use pulsed::cli::{self, Exit};
use pulsed::client::{SOCKET_VARIABLE, TOKEN_VARIABLE};
use pulsed::event::{Level, Why};
use pulsed::filter::{KEYS, Op};
use pulsed::render::Format;
use pulsed::sys::paths;

/// All pages.
const PAGES: [&str; 5] =
    ["pulse-protocol.7", "pulse-send.1", "pulse-tail.1", "pulsed.8", "pulsed.toml.5"];

/// The commands and their pages.
fn commands() -> [(Command, Page); 3] {
    let all = [
        (cli::pulsed::command(), "pulsed.8"),
        (cli::send::command(), "pulse-send.1"),
        (cli::tail::command(), "pulse-tail.1"),
    ];
    all.map(|(mut command, page)| {
        command.build();
        (command, Page::read(page))
    })
}

fn set<T: Into<String>>(names: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    names.into_iter().map(Into::into).collect()
}

#[test]
fn mandoc_lint_is_clean() {
    let dir = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/man")).expect("pages");
    let there = dir.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    assert_eq!(set(there), set(PAGES));
    for name in PAGES {
        assert_eq!(Page::read(name).lint(), "", "{name}");
    }
}

#[test]
fn cross_references_exist() {
    for name in PAGES {
        for line in Page::read(name).lines().filter(|line| line.starts_with(".Xr pulse")) {
            let words: Vec<&str> = line.split(' ').collect();
            let other = format!("{}.{}", words[1], words[2]);
            assert!(PAGES.contains(&other.as_str()), "{name}: {line}");
        }
    }
}

/// The arguments of a command and its subcommands except `help`.
fn arguments(command: &Command) -> Vec<&Arg> {
    let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
    command.get_arguments().chain(inner.flat_map(arguments)).collect()
}

fn flags_of(arg: &Arg) -> BTreeSet<String> {
    let short = arg.get_short().map(|c| format!("-{c}"));
    let long = arg.get_long().map(|name| format!("--{name}"));
    short.into_iter().chain(long).collect()
}

#[test]
fn flags_match_program() {
    for (command, page) in commands() {
        let known: BTreeSet<String> = arguments(&command).into_iter().flat_map(flags_of).collect();
        let items = page.all_items();
        let flags_found: Vec<String> = items.iter().flat_map(Item::flags).collect();
        assert_eq!(set(flags_found.clone()), known, "{}", command.get_name());
        assert_eq!(flags_found.len(), known.len(), "{}: each once", command.get_name());
        for flag in page.lines().filter(|line| line.starts_with('.')).flat_map(flags) {
            assert!(known.contains(&flag), "{}: {flag}", command.get_name());
        }
    }
}

#[test]
fn documents_option_values_and_defaults() {
    for (command, page) in commands() {
        let items = page.all_items();
        for arg in arguments(&command) {
            let flags = flags_of(arg);
            let about = |item: &&Item| item.flags().iter().any(|flag| flags.contains(flag));
            let Some(item) = items.iter().find(about) else { continue };
            let what = format!("{} {flags:?}", command.get_name());
            if !arg.get_action().takes_values() {
                continue;
            }
            // A short and a long flag share an item.
            assert_eq!(set(item.flags()), flags, "{what}");
            let title = item.title();
            for name in arg.get_value_names().into_iter().flatten() {
                assert!(title.contains(name.as_str()), "{what}: {name} in {title:?}");
            }
            for value in arg.get_possible_values() {
                let name = value.get_name();
                let found = item.mentions(name) || words(&page.items("Formats")).contains(name);
                assert!(found, "{what}: {name}");
            }
            for default in arg.get_default_values() {
                let documented = item.after("Default:");
                assert_eq!(documented.as_deref(), default.to_str(), "{what}");
            }
        }
    }
}

#[test]
fn subcommands_match_program() {
    let [(pulsed, page), ..] = commands();
    let mut known = set(["help"]);
    for command in pulsed.get_subcommands().filter(|command| command.get_name() != "help") {
        let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
        let inner: Vec<_> =
            inner.map(|inner| format!("{} {}", command.get_name(), inner.get_name())).collect();
        // A command with subcommands is documented by them.
        let alone = inner.is_empty().then(|| command.get_name().to_owned());
        known.extend(inner.into_iter().chain(alone));
    }
    let items = page.items("DESCRIPTION");
    let found = items.iter().filter(|item| item.head.starts_with("Cm "));
    let found = found.map(|item| item.title().split(" NAME").next().unwrap_or_default().to_owned());
    assert_eq!(set(found), known);
}

/// The exit codes that occur in a text.
fn exits_in(text: &str) -> BTreeSet<u8> {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    numbers.filter(|n| Exit::ALL.iter().any(|exit| exit.number() == *n)).collect()
}

#[test]
fn exit_codes_match_help() {
    let mut all = BTreeSet::new();
    for (command, page) in commands() {
        let help = command.get_after_long_help().or(command.get_after_help()).expect("one");
        let help = help.to_string();
        let (_, help) = help.split_once("Exit status:").expect("a section of --help");
        let items = page.items("EXIT STATUS");
        let codes: Option<BTreeSet<u8>> = items.iter().map(|item| item.head.parse().ok()).collect();
        let codes = codes.expect("numbers");
        assert_eq!(exits_in(help), codes, "{}: {help}", command.get_name());
        all.extend(codes);
    }
    assert_eq!(all, Exit::ALL.into_iter().map(Exit::number).collect());
}

#[test]
fn environment_and_files_match_program() {
    for (command, page) in commands() {
        let name = command.get_name();
        let variables = page.items("ENVIRONMENT");
        let variables = set(variables.iter().filter_map(|item| item.head.strip_prefix("Ev ")));
        let help = command.clone().render_long_help().to_string();
        for variable in help.split("[env: ").skip(1).filter_map(|rest| rest.split(']').next()) {
            assert!(variables.contains(variable), "{name}: {variable}");
        }
        assert!(variables.contains(SOCKET_VARIABLE), "{name}");
        assert!(variables.contains("XDG_RUNTIME_DIR"), "{name}");
        assert_eq!(variables.contains(cli::send::TAG_VARIABLE), name == "pulse-send");
        assert_eq!(variables.contains(TOKEN_VARIABLE), name != "pulsed", "{name}");
        assert_eq!(variables.contains("NO_COLOR"), name == "pulse-tail");
        let files = page.items("FILES");
        let files = set(files.iter().filter_map(|item| item.head.strip_prefix("Pa ")));
        assert!(files.contains(paths::SYSTEM_SOCKET), "{name}: {files:?}");
        if name == "pulsed" {
            assert!(files.contains(paths::SYSTEM_CONFIG) && files.contains(paths::SYSTEM_STATE));
        }
    }
}

#[test]
fn documents_match_keys_and_operators() {
    let page = Page::read("pulse-tail.1");
    let items = page.items("MATCH");
    let under = |markup: &str| {
        let some = items.iter().filter(|item| item.head.starts_with(markup));
        some.map(Item::title).collect::<Vec<_>>()
    };
    let mut keys = set(KEYS.iter().map(|known| known.name));
    keys.insert("fields.NAME".into());
    assert_eq!(set(under("Va ")), keys);
    assert_eq!(set(under("Ic ")), set(Op::ALL.map(Op::symbol)));
    let level = items.iter().find(|item| item.head == "Va level").expect("an item");
    let names = Level::ALL.map(Level::name).join(" ");
    assert!(level.body.iter().any(|line| line.contains(&names)), "{:?}", level.body);
}

#[test]
fn formats_reasons_and_levels_match_program() {
    let page = Page::read("pulse-tail.1");
    assert_eq!(words(&page.items("Formats")), set(Format::ALL.map(Format::name)));
    assert_eq!(words(&page.items("Gaps")), set(Why::ALL.map(Why::name)));
    let send = Page::read("pulse-send.1");
    let items = send.all_items();
    let priority = items.iter().find(|item| item.flags().contains(&"-p".into())).expect("an item");
    for level in Level::ALL {
        assert!(priority.mentions(level.name()), "{level}");
    }
}

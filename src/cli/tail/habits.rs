//! The options of tail(1) that clap cannot express, written as ours, and what to use instead of others.

use std::ffi::OsString;

use clap::{Command, CommandFactory as _};

use super::args::Args;
use crate::cli::words::{self, Kind};

/// Writes `-5` as `-n 5`, `-5f` as `-n 5 -f`, and `--follow=name` as `--follow`. The first word is the name of
/// the command.
pub(super) fn translate(words: Vec<OsString>) -> Vec<OsString> {
    if !words.iter().skip(1).any(|word| translation(word).is_some()) {
        return words;
    }
    let kinds = words::kinds(&Args::command(), &words);
    let translated = words.into_iter().zip(kinds).flat_map(|(word, kind)| match kind {
        Kind::Option => translation(&word).unwrap_or_else(|| vec![word]),
        Kind::Value | Kind::Argument => vec![word],
    });
    translated.collect()
}

fn translation(word: &OsString) -> Option<Vec<OsString>> {
    let word = word.to_str()?;
    if matches!(word, "--follow=name" | "--follow=descriptor") {
        return Some(vec!["--follow".into()]);
    }
    let digits = word.strip_prefix('-')?;
    let (digits, follow) = match digits.strip_suffix('f') {
        Some(digits) => (digits, Some("-f".into())),
        None => (digits, None),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| ["-n".into(), digits.into()].into_iter().chain(follow).collect())
}

/// Options of journalctl(1) and tail(1) that are not ours, each with what to use instead.
const INSTEAD: [(&[&str], &str); 17] = [
    (&["-k", "--dmesg"], "messages of the kernel are not here; use journalctl -k"),
    (&["-l", "--full", "--no-full"], "leave it out, or use -a"),
    (&["--machine"], "use -M HOST, or --server"),
    (&["-N", "--fields"], "use -o json"),
    (&["-s", "--sleep-interval", "--retry", "--pid"], "use -f, which never polls and reconnects"),
    (&["-T", "--exclude-identifier"], "use the MATCH tag!=NAME"),
    (&["-v", "--verbose"], "use -o verbose"),
    (&["-W"], "use --no-hostname"),
    (&["-x", "--catalog"], "there is no catalog; leave it out"),
    (&["-z", "--zero-terminated"], "use -o json, which has one event a line"),
    (&["--disk-usage"], "use pulsed status"),
    (&["--facility"], "use the MATCH facility=NAME"),
    (&["--identifier"], "use --tag"),
    (&["--list-boots"], "use pulse-tail -n all, which shows each start as a gap (restart)"),
    (&["--no-tail"], "use -n all"),
    (&["--output-fields"], "use -o json and jq"),
    (&["--vacuum-size", "--vacuum-time", "--vacuum-files"], "see [history] in pulsed.toml"),
];

/// The first option that is one of a peer and not ours, with what to use instead.
pub(super) fn instead(words: &[OsString]) -> Option<String> {
    let grammar = Args::command();
    let kinds = words::kinds(&grammar, words);
    let options = words.iter().zip(kinds).skip(1).filter(|(_, kind)| *kind == Kind::Option);
    options.filter_map(|(word, _)| word.to_str()).find_map(|word| {
        let option = unknown(&grammar, word)?;
        let (_, use_this) = INSTEAD.iter().find(|(names, _)| names.contains(&&*option))?;
        Some(format!("unknown option {option}: {use_this}"))
    })
}

/// The first option of a word that is not ours: `-x` of `-fx`, `--name` of `--name=value`.
fn unknown(grammar: &Command, word: &str) -> Option<String> {
    if let Some(name) = word.strip_prefix("--") {
        let name = name.split('=').next().unwrap_or(name);
        let known = grammar.get_arguments().any(|arg| arg.get_long() == Some(name));
        return (!known).then(|| format!("--{name}"));
    }
    for letter in word.trim_start_matches('-').chars() {
        match grammar.get_arguments().find(|arg| arg.get_short() == Some(letter)) {
            // The rest is its value.
            Some(arg) if arg.get_action().takes_values() => return None,
            Some(_) => {}
            None => return Some(format!("-{letter}")),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_forms_of_tail_as_ours() {
        for (line, written) in [
            ("x -5", "x -n 5"),
            ("x -100f user=1", "x -n 100 -f user=1"),
            ("x -q -5 -f", "x -q -n 5 -f"),
            ("x --follow=name", "x --follow"),
            ("x --follow=descriptor -3", "x --follow -n 3"),
            ("x -n -5", "x -n -5"),
            ("x -S -5min", "x -S -5min"),
            ("x -g -5", "x -g -5"),
            ("x -qg -5", "x -qg -5"),
            ("x --since -5", "x --since -5"),
            ("x -- -5", "x -- -5"),
            ("x user=1 -5", "x user=1 -n 5"),
            ("x -f", "x -f"),
            ("x -5x", "x -5x"),
            ("x -", "x -"),
            ("-5", "-5"),
        ] {
            let words = line.split(' ').map(Into::into).collect();
            let translated = translate(words).join(std::ffi::OsStr::new(" "));
            assert_eq!(translated, written, "{line}");
        }
    }

    #[test]
    fn only_unknown_options_have_something_instead() {
        let grammar = Args::command();
        for name in INSTEAD.iter().flat_map(|(names, _)| *names) {
            assert_eq!(unknown(&grammar, name).as_deref(), Some(*name), "{name} is ours");
        }
        for line in
            ["x -f", "x -g -k", "x -gk", "x -- -k", "x --frobnicate", "x -h", "x --help", "x"]
        {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            assert_eq!(instead(&words), None, "{line}");
        }
    }
}

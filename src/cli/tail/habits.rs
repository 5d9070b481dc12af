//! The options of tail(1) that clap cannot express, written as ours.

use std::ffi::OsString;

use clap::CommandFactory as _;

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
}

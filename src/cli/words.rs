//! The words of a command line, told apart as clap does, for what its grammar cannot express.

use std::ffi::OsString;

use clap::{Arg, Command};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One or more options, perhaps with a value joined to the last one.
    Option,
    /// The value of the option before it.
    Value,
    /// An argument, or `--`, or what follows that.
    Argument,
}

/// The kind of each word. The first word is the name of the command. An unknown option has no value.
pub(super) fn kinds(grammar: &Command, words: &[OsString]) -> Vec<Kind> {
    let mut ended = false;
    let mut has_value = false;
    let kind = |(at, word): (usize, &OsString)| {
        if std::mem::take(&mut has_value) {
            return Kind::Value;
        }
        let text = word.to_string_lossy();
        ended |= text == "--";
        if at > 0 && (ended || text == "-" || !text.starts_with('-')) {
            return Kind::Argument;
        }
        has_value = at > 0 && takes_next(grammar, &text);
        Kind::Option
    };
    words.iter().enumerate().map(kind).collect()
}

/// `true` if the value of this option is the next word.
fn takes_next(grammar: &Command, word: &str) -> bool {
    if let Some(name) = word.strip_prefix("--") {
        return grammar.get_arguments().any(|arg| arg.get_long() == Some(name) && has_value(arg));
    }
    let letters = word.trim_start_matches('-');
    // What follows the first option with a value is that value.
    let valued = letters.char_indices().find_map(|(at, letter)| {
        let arg = grammar.get_arguments().find(|arg| arg.get_short() == Some(letter))?;
        arg.get_action().takes_values().then_some((at + letter.len_utf8(), arg))
    });
    valued.is_some_and(|(end, arg)| end == letters.len() && has_value(arg))
}

fn has_value(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ArgAction;

    #[test]
    fn tells_options_values_and_arguments_apart() {
        let flag = |name, letter| Arg::new(name).short(letter).action(ArgAction::SetTrue);
        let grammar = Command::new("x")
            .args([flag("a", 'a'), flag("b", 'b')])
            .arg(Arg::new("value").short('v').long("value"))
            .arg(Arg::new("id").long("id").num_args(0..=1).require_equals(true))
            .arg(Arg::new("words").num_args(0..));
        for (line, kinds_of) in [
            ("x -a w -b", "oao"),
            ("x -v w w", "ova"),
            ("x -vw w", "oa"),
            ("x -abv w w", "ova"),
            ("x --value w w", "ova"),
            ("x --value=w w", "oa"),
            ("x --id w", "oa"),
            ("x --id=7 w", "oa"),
            ("x -v -a w", "ova"),
            ("x - -a", "ao"),
            ("x -a -- -b -v w", "oaaaa"),
            ("x --unknown w", "oa"),
        ] {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            let found = kinds(&grammar, &words).into_iter().skip(1);
            let found: String = found
                .map(|kind| match kind {
                    Kind::Option => 'o',
                    Kind::Value => 'v',
                    Kind::Argument => 'a',
                })
                .collect();
            assert_eq!(found, kinds_of, "{line}");
        }
    }
}

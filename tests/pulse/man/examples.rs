//! The command lines of our commands in the pages parse.

use pulsed::cli;
use pulsed::filter::Match;

use super::PAGES;
use super::page::Page;

/// The value of every variable.
const CURSOR: &str = "7f3a9c21-1042";

/// The simple commands of a piece of shell, as words without their quotes. It understands only the syntax that the
/// pages use.
fn simple_commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut in_word, mut quote) = (String::new(), false, None);
    let text = text.replace("\\\n", " ").replace("$(", "\n") + "\n";
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => (quote, in_word) = (Some(c), true),
            (None, ' ' | '\n' | '|' | '&' | ';' | '>' | ')') => {
                if std::mem::take(&mut in_word) {
                    let last = commands.last_mut().expect("at least one command");
                    last.push(std::mem::take(&mut word));
                }
                if c != ' ' {
                    commands.push(Vec::new());
                }
            }
            (_, c) => {
                in_word = true;
                word.push(c);
            }
        }
    }
    assert_eq!(quote, None, "an open quote: {text}");
    commands
}

/// The shell in a page: displays with a prompt or of a script or crontab, and commands quoted within
/// sentences.
fn shell_of(page: &Page) -> Vec<String> {
    let is_shell = |text: &String| {
        text.starts_with(['$', '#', '*']) || text.starts_with(|c: char| c.is_ascii_digit())
    };
    let quoted = page.lines().filter_map(|line| line.strip_prefix(".Ql "));
    let quoted = quoted.filter(|text| text.starts_with("pulse")).map(str::to_owned);
    page.displays().into_iter().filter(is_shell).chain(quoted).collect()
}

/// Parses the command if it is one of ours. `true` if it is.
fn check(page: &str, words: &[String]) -> bool {
    let ours = ["pulsed", "pulse-send", "pulse-tail"];
    let Some(at) = words.iter().position(|word| ours.contains(&word.as_str())) else {
        return false;
    };
    // A full stop after a quotation belongs to mdoc. Variables hold cursors or paths.
    let words = words[at..].iter().filter(|word| *word != ".");
    let words: Vec<&str> = words
        .map(|word| if word.starts_with('$') || word == "CURSOR" { CURSOR } else { word })
        .collect();
    let command = match words[0] {
        "pulsed" => cli::pulsed::command(),
        "pulse-send" => cli::send::command(),
        _ => cli::tail::command(),
    };
    let parsed = command.try_get_matches_from(&words);
    let parsed = parsed.unwrap_or_else(|e| panic!("{page}: {words:?}: {e}"));
    if words[0] == "pulse-tail"
        && let Some(terms) = parsed.get_many::<String>("matching")
    {
        let terms: Vec<&String> = terms.collect();
        Match::from_args(&terms).unwrap_or_else(|e| panic!("{page}: {words:?}: {e}"));
    }
    true
}

#[test]
fn documented_commands_parse() {
    for (name, least) in PAGES.into_iter().zip([0, 14, 16, 12, 2]) {
        let page = Page::read(name);
        let shell = shell_of(&page);
        let commands = shell.iter().flat_map(|text| simple_commands(text));
        let ours = commands.filter(|words| check(name, words)).count();
        assert!(ours >= least, "{name}: {ours} commands, at least {least} expected");
    }
}

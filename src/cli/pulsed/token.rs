//! `pulsed token`: the tokens of the TCP bridge.

use std::path::Path;

use crate::auth::tokens::{self, TokenError, TokenName};
use crate::filter::{BadGlob, Glob};
use crate::sys::clock;

/// The subcommands of `pulsed token`.
#[derive(clap::Subcommand)]
pub(super) enum TokenTask {
    /// Create a token and print it: it is never shown again
    #[command(group = clap::ArgGroup::new("actions").required(true).multiple(true))]
    Add {
        /// The name of the token, part of each event sent with it
        #[arg(value_parser = parse_name)]
        name: TokenName,
        /// Allow sending these tags, such as 'shop.*' (repeatable)
        #[arg(long, value_name = "GLOB", value_parser = parse_glob, group = "actions")]
        send: Vec<Glob>,
        /// Allow following these tags (repeatable)
        #[arg(long, value_name = "GLOB", value_parser = parse_glob, group = "actions")]
        tail: Vec<Glob>,
    },
    /// List the tokens
    List,
    /// Revoke a token and disconnect its clients
    Revoke {
        /// The name of the token
        #[arg(value_parser = parse_name)]
        name: TokenName,
    },
}

fn parse_name(text: &str) -> Result<TokenName, TokenError> {
    TokenName::new(text)
}

fn parse_glob(text: &str) -> Result<Glob, BadGlob> {
    Glob::new(text)
}

/// Runs a subcommand on the tokens in `file`. Returns the text to print.
pub(super) fn run(task: TokenTask, file: &Path) -> Result<String, TokenError> {
    match task {
        TokenTask::Add { name, send, tail } => tokens::add(file, name, send, tail, clock::now()),
        TokenTask::List => Ok(list(&tokens::list(file)?, file)),
        TokenTask::Revoke { name } => {
            tokens::revoke(file, &name)?;
            Ok(format!("{name}: revoked"))
        }
    }
}

/// Formats the tokens as a table with a header.
fn list(tokens: &[tokens::Token], file: &Path) -> String {
    if tokens.is_empty() {
        return format!("no tokens in {}", file.display());
    }
    let globs = |globs: &[Glob]| {
        let texts: Vec<String> = globs.iter().map(Glob::to_string).collect();
        if texts.is_empty() { "-".to_owned() } else { texts.join(",") }
    };
    let head = ["NAME", "SEND", "TAIL", "ADDED"].map(str::to_owned);
    let rows = tokens.iter().map(|token| {
        [token.name.to_string(), globs(&token.send), globs(&token.tail), token.added.to_string()]
    });
    let rows: Vec<[String; 4]> = [head].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (name, send, tail) = (width(0), width(1), width(2));
    let line = |row: &[String; 4]| {
        let [a, b, c, d] = row;
        format!("{a:<name$}  {b:<send$}  {c:<tail$}  {d}")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_tokens_as_a_table() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("tokens");
        let glob = |text| Glob::new(text).expect("a glob");
        let name = |text| TokenName::new(text).expect("a name");
        let none = format!("no tokens in {}", file.display());
        assert_eq!(run(TokenTask::List, &file).expect("none"), none);
        let (send, tail) = (vec![glob("shop.*"), glob("cron")], vec![]);
        run(TokenTask::Add { name: name("web2"), send, tail }, &file).expect("added");
        let (send, tail) = (vec![], vec![glob("*")]);
        run(TokenTask::Add { name: name("wall-screen"), send, tail }, &file).expect("added");
        let text = run(TokenTask::List, &file).expect("two");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "NAME         SEND         TAIL  ADDED");
        assert!(lines[1].starts_with("web2         shop.*,cron  -     20"), "{text}");
        assert!(lines[2].starts_with("wall-screen  -            *     20"), "{text}");
        let name = name("web2");
        assert_eq!(run(TokenTask::Revoke { name }, &file).expect("there"), "web2: revoked");
    }
}

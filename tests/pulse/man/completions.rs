//! Shell completions, generated from the definitions of the commands. `SNAPSHOTS=overwrite` updates the files.

use std::path::Path;
use std::process::Command;

use clap_complete::{Shell, generate};
use pulsed::cli;

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/completions");

/// Each command and shell, with the name of its file.
fn files() -> Vec<(clap::Command, Shell, String)> {
    let commands = [cli::pulsed::command(), cli::send::command(), cli::tail::command()];
    let shells = |command: clap::Command| {
        let name = command.get_name().to_owned();
        [
            (command.clone(), Shell::Bash, format!("{name}.bash")),
            (command.clone(), Shell::Zsh, format!("_{name}")),
            (command, Shell::Fish, format!("{name}.fish")),
        ]
    };
    commands.into_iter().flat_map(shells).collect()
}

#[test]
fn completions_match_commands() {
    let mut names = Vec::new();
    for (mut command, shell, name) in files() {
        let mut made = Vec::new();
        let bin = command.get_name().to_owned();
        generate(shell, &mut command, bin, &mut made);
        let made = String::from_utf8(made).expect("UTF-8");
        let file = snapbox::Data::read_from(&Path::new(DIR).join(&name), None);
        snapbox::Assert::new().action_env("SNAPSHOTS").eq(made, file.raw());
        names.push(name);
    }
    let there = std::fs::read_dir(DIR).expect("completions");
    let there = there.map(|entry| entry.expect("an entry").file_name().into_string());
    assert_eq!(super::set(there.map(|name| name.expect("UTF-8"))), super::set(names));
}

/// The completions that bash offers for the last of these words.
fn bash_offers(words: &[&str]) -> Vec<String> {
    let command = words[0];
    // Calls the function that `complete -F` names as bash does.
    let script = format!(
        r#"source {DIR}/{command}.bash
COMP_WORDS=({}); COMP_CWORD={}
function=$(complete -p {command}); function=${{function#*-F }}
${{function%% *}} {command} "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
printf '%s\n' "${{COMPREPLY[@]}}""#,
        words.iter().map(|word| format!("'{word}' ")).collect::<String>(),
        words.len() - 1
    );
    let output = Command::new("bash").args(["--norc", "-c", &script]).output().expect("bash");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_options_values_and_commands() {
    assert_eq!(bash_offers(&["pulse-tail", "--until-"]), ["--until-match"]);
    assert_eq!(bash_offers(&["pulse-tail", "-o", "short-i"]), ["short-iso"]);
    assert_eq!(
        bash_offers(&["pulse-send", "--ack", ""]),
        ["none", "stored", "synced", "replicated"]
    );
    assert_eq!(bash_offers(&["pulsed", "st"]), ["status"]);
    assert_eq!(bash_offers(&["pulsed", "status", "--j"]), ["--json"]);
    assert_eq!(bash_offers(&["pulsed", "token", "re"]), ["revoke"]);
    assert_eq!(bash_offers(&["pulsed", "token", "add", "--s"]), ["--send"]);
}

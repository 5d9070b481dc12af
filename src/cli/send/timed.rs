//! `--time`: runs a command and tells its begin and its end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::courier::Courier;
use super::{Common, say};
use crate::event::{Draft, Field, Level, RUN_MAX, Value, took};
use crate::sys::child;

/// What a shell says when there is no such command, and when it cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;

/// Runs the command and gives its status: its exit code, 128+n if signal n ended it, 127 or 126 if it
/// could not be run. Whatever goes wrong with the agent is one warning.
pub(super) fn run(common: &Common, program: &OsStr, arguments: &[OsString]) -> u8 {
    let text =
        super::joined(std::iter::once(program).chain(arguments.iter().map(OsString::as_os_str)));
    let run = run_name(common, program);
    let (mut draft, cut) = common.template.plain(text.as_str().into());
    draft.run = Some(run.into());
    if cut {
        common.tell_cut();
    }
    let mut courier = Courier::patient(common);
    let begin = Draft { msg: without_duration(&draft.msg).into(), ..draft.clone() };
    tell(&mut courier, common, begin, None);
    // The command waits for nobody: whether its begin was taken is asked at its end.
    courier.write();

    let began = Instant::now();
    let end = match Command::new(program).args(arguments).spawn() {
        Ok(mut child) => End::of(&mut child),
        Err(error) => End::not_run(program, &error),
    };
    let took = began.elapsed().as_micros() as f64 / 1e6;
    tell(&mut courier, common, draft, Some((&end, took)));
    match courier.finish(Duration::ZERO) {
        Ok(cursor) => common.print(cursor.as_deref()),
        Err(warning) => say(warning),
    }
    end.status
}

/// A name that no other run of this connection has: what the user chose, else program and process.
fn run_name(common: &Common, program: &OsStr) -> String {
    common.template.run.clone().unwrap_or_else(|| {
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
        let id = format!(".{}", std::process::id());
        name.chars().take(RUN_MAX - id.len()).chain(id.chars()).collect()
    })
}

/// The words of a text up to the first that would be taken for the duration of the event: what has
/// only begun has none, but a command line may, as in `sleep 5s`.
fn without_duration(text: &str) -> String {
    if took::find(text).is_none() {
        return text.to_owned();
    }
    let ends = text.match_indices(' ').map(|(at, _)| at);
    let kept = ends.take_while(|end| took::find(&text[..*end]).is_none()).last().unwrap_or(0);
    format!("{} …", &text[..kept])
}

/// How the command ended.
struct End {
    status: u8,
    signal: Option<i32>,
}

impl End {
    fn of(child: &mut Child) -> Self {
        match child::wait(child) {
            Ok(status) => Self::from(status),
            Err(error) => {
                say(format_args!("cannot wait: process {}: {error}", child.id()));
                Self { status: NOT_RUNNABLE, signal: None }
            }
        }
    }

    fn not_run(program: &OsStr, error: &io::Error) -> Self {
        say(format_args!("cannot run: {}: {error}", program.display()));
        let found = error.kind() != io::ErrorKind::NotFound;
        Self { status: if found { NOT_RUNNABLE } else { NOT_FOUND }, signal: None }
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        let signal = status.signal();
        let code = status.code().or(signal.map(|signal| 128 + signal));
        let status = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
        Self { status, signal }
    }
}

/// What is said of the begin, and of the end.
fn tell(
    courier: &mut Courier<'_>,
    common: &Common,
    mut draft: Draft<'_>,
    end: Option<(&End, f64)>,
) {
    if let Some((end, took)) = end {
        draft.took = Some(took);
        if end.status != 0 && common.template.priority.is_none() {
            draft.level = Level::Warning;
        }
        set(&mut draft, "status", i32::from(end.status));
        if let Some(signal) = end.signal {
            set(&mut draft, "signal", signal);
        }
    }
    common.copy(&draft);
    if let Err(long) = courier.push(&draft) {
        courier.refuse(format!("the command line: {long}"));
    }
}

fn set(draft: &mut Draft<'_>, name: &'static str, number: i32) {
    draft.fields.retain(|field| field.name != name);
    let value = Value::Number(number.to_string().into());
    draft.fields.push(Field { name: name.into(), value });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_begin_of_a_command_has_no_duration() {
        for (text, kept) in [
            ("make -j2 all", "make -j2 all"),
            ("sleep 5s", "sleep …"),
            ("a b 40 ms c", "a b 40 …"),
            ("5s", " …"),
        ] {
            assert_eq!(without_duration(text), kept);
            assert_eq!(took::find(kept), None);
        }
    }

    #[test]
    fn a_command_ends_with_its_status_or_its_signal() {
        let end = |raw| End::from(ExitStatus::from_raw(raw));
        assert_eq!((end(3 << 8).status, end(3 << 8).signal), (3, None));
        assert_eq!((end(9).status, end(9).signal), (137, Some(9)));
    }
}

//! The options that concern all events, checked together.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use super::args::{Ack, Args, TAG_VARIABLE};
use super::error::{SendError, Trouble};
use super::report::{NAME, report};
use super::template::{Claim, Template};
use crate::cli;
use crate::client::{Address, Connection};
use crate::event::{Cursor, Draft, Field, Value};
use crate::sys::poll::Patient;

/// The timeout of each wait for the agent, unless `--timeout` sets another.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);

/// The options that concern all events.
pub(super) struct Options {
    pub(super) template: Template,
    pub(super) agent: Address,
    pub(super) timeout: Duration,
    pub(super) ack: Ack,
    pub(super) skip_empty: bool,
    pub(super) stderr: bool,
    pub(super) no_act: bool,
    pub(super) cursor: bool,
}

impl Options {
    /// Reads the environment, and the token of a server.
    ///
    /// # Errors
    /// [`SendError`] if options contradict each other.
    pub(super) fn new(args: &Args) -> Result<Self, SendError> {
        if args.cursor && args.ack == Some(Ack::None) {
            return Err(SendError::NoCursor);
        }
        let variable = std::env::var_os(TAG_VARIABLE).filter(|text| !text.is_empty());
        let variable = variable.map(|text| text.to_string_lossy().into_owned());
        let mut template = Template {
            tag: args.tag.clone().or(variable),
            priority: args.priority.clone(),
            run: args.run.clone(),
            size: args.size,
            json: args.json,
            prio_prefix: args.prio_prefix,
            ..Template::default()
        };
        for claim in args.fields.iter().cloned() {
            template.add(claim)?;
        }
        if let Some(id) = args.id.as_ref().filter(|id| !id.is_empty()) {
            let value = Value::from_pid(id.clone());
            template.add(Claim::Field(Field { name: "pid".into(), value }))?;
        }
        let msgid = args.msgid.as_deref().filter(|id| !matches!(*id, "" | "-"));
        if let Some(id) = msgid {
            let value = Value::Text(id.to_owned().into());
            template.add(Claim::Field(Field { name: "msgid".into(), value }))?;
        }
        for param in args.sd_params.iter().cloned() {
            let claim = param.claim(|name| match name {
                "took" => template.took.is_some(),
                name => template.fields.iter().any(|field| field.name == name),
            });
            template.add(claim)?;
        }
        if args.time && template.took.is_some() {
            return Err(SendError::TookTwice);
        }
        let port = args.port.as_deref().filter(|_| args.connect.has_server());
        let port = port.map(|text| text.parse().ok().filter(|port| *port > 0));
        let port = port.map(|port| port.ok_or(SendError::Port)).transpose()?;
        Ok(Self {
            template,
            agent: args.connect.address(port)?,
            timeout: args.timeout.unwrap_or(TIMEOUT_DEFAULT),
            ack: args.ack.unwrap_or(Ack::Stored),
            skip_empty: args.skip_empty,
            stderr: args.stderr,
            no_act: args.no_act,
            cursor: args.cursor,
        })
    }

    /// Connects to the agent.
    ///
    /// # Errors
    /// [`Trouble::Open`]
    pub(super) fn connect(&self) -> Result<Connection, Trouble> {
        Ok(Connection::open(&self.agent, self.timeout)?)
    }

    /// `-s`: copies the message to stderr, as logger does.
    pub(super) fn echo(&self, draft: &Draft<'_>) {
        if self.stderr {
            let tag = draft.tag.as_ref().map_or(NAME, |tag| tag.as_str());
            cli::report(tag, &draft.msg);
        }
    }

    /// Reports that messages are cut.
    pub(super) fn warn_cut(&self) {
        report(format_args!(
            "cut: messages of more than {} bytes",
            self.template.size.unwrap_or(0)
        ));
    }

    /// `--cursor`: prints the cursor of the last event. A closed stdout is no error.
    ///
    /// # Errors
    /// [`SendError::Output`]
    pub(super) fn print(&self, cursor: Option<Cursor>) -> Result<(), SendError> {
        let (true, Some(cursor)) = (self.cursor, cursor) else { return Ok(()) };
        // Without std's buffer, whose flush is not repeatable after an error.
        let out = io::stdout().as_fd().try_clone_to_owned().map(File::from);
        let printed = out.and_then(|out| Patient(out).write_all(format!("{cursor}\n").as_bytes()));
        match printed {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(SendError::Output(error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_help_names_the_default_timeout() {
        let help = Args::command().render_help().to_string();
        assert!(help.contains(&format!("[default: {TIMEOUT_DEFAULT:?}]")), "{help}");
    }
}

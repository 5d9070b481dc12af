//! `host`: the name of this machine in events.

use toml::Spanned;

use super::checks::checked;
use super::error::{Problem, Wrong};
use super::machine::Machine;

/// The longest name of a machine, in bytes: that of a domain name.
pub const HOST_MAX: usize = 253;

/// Checks the name. The machine's own name, which the operator did not choose for us, is adapted instead.
pub(super) fn check(typed: Option<Spanned<String>>, machine: &Machine) -> Result<String, Wrong> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    let Some(typed) = typed else {
        let adapted = machine.host.bytes().map(|b| if allowed(b) { char::from(b) } else { '_' });
        let name: String = adapted.take(HOST_MAX).collect();
        return Ok(if name.is_empty() { "localhost".into() } else { name });
    };
    checked(typed, |name| {
        let good = (1..=HOST_MAX).contains(&name.len()) && name.bytes().all(allowed);
        if good { Ok(name) } else { Err(Problem::Host { name, max: HOST_MAX }) }
    })
}

//! `--output FORMAT` on the command line.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};

use crate::render::Format;

/// Parses the name of a format. In contrast to clap's own parser of possible values, the error for a format of
/// journalctl names what to use instead.
#[derive(Clone)]
pub(super) struct Formats;

impl TypedValueParser for Formats {
    type Value = Format;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Format, clap::Error> {
        let parser = StringValueParser::new().try_map(|name| name.parse::<Format>());
        parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |format: Format| PossibleValue::new(format.name()).help(format.doc());
        Some(Box::new(Format::ALL.into_iter().map(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use super::super::report::NAME;
    use clap::Parser as _;

    #[test]
    fn a_format_of_the_journal_is_refused_with_ours() {
        for (name, ours) in [
            ("export", "use json"),
            ("json-sse", "use json"),
            ("json-seq", "use json"),
            ("short-unix", "use short-precise"),
            ("short-monotonic", "use short-precise"),
            ("short-delta", "use short-precise"),
            ("short-iso-precise", "use logfmt"),
            ("xml", "use short, short-iso, "),
        ] {
            let error = Args::try_parse_from([NAME, "-o", name]).expect_err("unknown").to_string();
            assert!(error.contains(ours), "{name}: {error}");
        }
    }
}

//! `--sd-param`, as logger has it, becomes a field that is named as the agent names a parameter of RFC 5424.

use super::template::Claim;
use crate::event::{Field, Value, duration, numbered_field_name, repaired_field_name};

/// The name of a parameter of whose name nothing is left.
const NAMELESS: &str = "param";

/// A parameter of structured data.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Param {
    /// The name of the field.
    pub(super) name: String,
    value: String,
}

/// The text is not a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use name=\"value\"")]
pub(super) struct BadParam;

impl Param {
    /// Parses `name="value"`. The quotes may be missing, because shells remove them.
    pub(super) fn parse(text: &str) -> Result<Self, BadParam> {
        let (name, value) = text.split_once('=').ok_or(BadParam)?;
        if name.is_empty() {
            return Err(BadParam);
        }
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let value = quoted.map_or_else(|| value.to_owned(), unescape);
        let name = repaired_field_name(name).unwrap_or_else(|| NAMELESS.into());
        Ok(Self { name, value })
    }

    /// The field, or the duration. `taken` returns whether a field has this name already: it is numbered then.
    pub(super) fn claim(self, taken: impl Fn(&str) -> bool) -> Claim {
        if self.name == "took"
            && !taken("took")
            && let Some(seconds) = duration::parse(&self.value)
        {
            return Claim::Took(seconds);
        }
        let mut name = self.name.clone();
        let mut number = 2;
        while name == "took" || taken(&name) {
            name = numbered_field_name(&self.name, number);
            number += 1;
        }
        Claim::Field(Field { name: name.into(), value: Value::Text(self.value.into()) })
    }
}

/// Removes the backslash before `"`, `\` and `]` (RFC 5424, section 6.3.3).
fn unescape(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = chars.next_if(|next| c == '\\' && matches!(next, '"' | '\\' | ']'));
        plain.push(escaped.unwrap_or(c));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FIELD_NAME_MAX;

    fn field(text: &str, taken: &[&str]) -> Option<(String, String)> {
        match Param::parse(text).ok()?.claim(|name| taken.contains(&name)) {
            Claim::Field(Field { name, value: Value::Text(value) }) => {
                Some((name.into_owned(), value.into_owned()))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn becomes_a_field_with_a_valid_and_free_name() {
        for (text, name, value) in [
            ("user=\"anna\"", "user", "anna"),
            ("user=anna", "user", "anna"),
            ("a=\"\"", "a", ""),
            ("a=", "a", ""),
            ("a=\"b=c\"", "a", "b=c"),
            (r#"a="x \"y\" \\ \] \n""#, "a", r#"x "y" \ ] \n"#),
            ("a=\"open", "a", "\"open"),
            ("_pid=1", "pid", "1"),
            ("a b=1", "a-b", "1"),
            ("é=1", "-", "1"),
            ("__=1", "param", "1"),
            ("took=soon", "took.2", "soon"),
        ] {
            assert_eq!(field(text, &[]), Some((name.into(), value.into())), "{text}");
        }
        for text in ["", "user", "=x"] {
            assert_eq!(Param::parse(text), Err(BadParam), "{text:?}");
        }
        assert_eq!(field("a=1", &["a", "a.2"]), Some(("a.3".into(), "1".into())));
        let long = "n".repeat(FIELD_NAME_MAX);
        let (name, _) = field(&format!("{long}x=1"), &[&long]).expect("a field");
        assert_eq!(name, format!("{}.2", &long[2..]));
        let took = Param::parse("took=\"40ms\"").expect("a parameter").claim(|_| false);
        assert_eq!(took, Claim::Took(0.04));
    }
}

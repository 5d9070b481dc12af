//! The scanner against serde_json.

use super::*;
use proptest::prelude::*;
use serde_json::value::RawValue;
use std::fmt;

/// The members by serde_json, as JSON text.
fn by_serde(text: &str) -> Option<Vec<(&str, &str)>> {
    struct All;
    impl<'de> serde::de::Visitor<'de> for All {
        type Value = Vec<(&'de str, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                all.push((key.get(), value.get()));
            }
            Ok(all)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let all = serde::Deserializer::deserialize_map(&mut reader, All).ok()?;
    reader.end().ok()?;
    Some(all)
}

/// The kind of a value, by its JSON text.
fn kind(raw: &str) -> Kind {
    match raw.as_bytes()[0] {
        b'"' if raw.contains('\\') => Kind::Escaped,
        b'"' => Kind::Text,
        b't' => Kind::True,
        b'f' => Kind::False,
        b'n' => Kind::Null,
        b'{' | b'[' => Kind::Nested,
        _ => Kind::Number,
    }
}

/// The members by the scanner, also as JSON text.
fn by_scanner(text: &str) -> Result<Vec<(String, &str)>, NotJson> {
    let mut all = Vec::new();
    let mut scanner = Scanner::new(text)?;
    while let Some(key) = scanner.key()? {
        let value = scanner.value()?;
        let (inside, raw) = (key.inside(), value.raw());
        assert_eq!(key.has_escape, inside.contains('\\'));
        let packed = if key.has_escape { None } else { Packed::new(inside) };
        assert_eq!(key.packed, packed.unwrap_or_default());
        assert_eq!(value.kind, kind(raw));
        if let Kind::Text | Kind::Escaped = value.kind {
            assert_eq!(format!("\"{}\"", value.inside()), raw);
        }
        all.push((format!("\"{inside}\""), raw));
    }
    scanner.finish()?;
    Ok(all)
}

/// `true` if the members of all objects can be read by entering them.
fn can_enter_all(text: &str) -> Result<(), NotJson> {
    let mut scanner = Scanner::new(text)?;
    let mut depth = 1;
    while depth > 0 {
        if scanner.key()?.is_none() {
            depth -= 1;
        } else if scanner.enter() {
            depth += 1;
        } else {
            scanner.value()?;
        }
    }
    scanner.finish()
}

fn check(text: &str) {
    let expected = by_serde(text);
    let scanned = by_scanner(text);
    assert_eq!(can_enter_all(text).is_ok(), expected.is_some(), "{text:?}");
    let scanned =
        scanned.as_ref().map(|all| all.iter().map(|(key, value)| (&**key, *value)).collect());
    assert_eq!(scanned.ok(), expected, "{text:?}");
}

/// Pieces of JSON, which most often are none together.
const PIECES: &str = r#"([\[\]{},:]|"a"|"\\|\\"|\\n|\\u12|\\ud800|\\u00e9|"|-|0|12|\.5|1e|e\+3|true|false|null|nul|é| |\t|\n|\x01|x{1,20}){0,14}"#;

proptest! {
    #[test]
    fn accepts_what_serde_json_accepts(inside in PIECES, value in PIECES) {
        check(&inside);
        check(&format!("{{{inside}}}"));
        check(&format!(r#"{{"a":{value}}}"#));
        check(&format!(r#" {{ "{inside}" : [{value}] , "b":{{"c":{value}}} }} "#));
    }

    #[test]
    fn finds_the_end_of_every_string(text in "\\PC{0,40}|[ -~]{0,40}|[\\x00-\\x7f]{0,40}", at in 0usize..40) {
        let encoded = serde_json::to_string(&text).expect("a string");
        check(&format!(r#"{{{encoded}:{encoded},"a":[{encoded}]}}"#));
        // What JSON may not have in a string.
        check(&format!(r#"{{"{text}":"{text}"}}"#));
        let cut = (0..=at.min(encoded.len())).rev().find(|at| encoded.is_char_boundary(*at));
        check(&format!(r#"{{"a":{}"#, &encoded[..cut.unwrap_or_default()]));
    }
}

#[test]
fn checks_numbers_and_nesting() {
    for value in [
        "0",
        "-0",
        "00",
        "01",
        "-",
        "1.",
        ".5",
        "1.5",
        "-1.5e3",
        "1e5",
        "1E+5",
        "1e-",
        "1e",
        "1.e5",
        "+1",
        "1x",
        "0x1",
        "Infinity",
        "[]",
        "[[]]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1 , 2]",
        "{}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "[}",
        "{]",
        "[1}",
        "{\"a\":[{}]}",
        "{\"a\" : { } }",
        "[{\"a\":1}{\"b\":2}]",
        "{1:2}",
        "tru",
        "truex",
    ] {
        check(&format!(r#"{{"v":{value}}}"#));
        check(&format!(r#"{{"v":{value},"w":1}}"#));
        check(&format!(r#"{{"v":[{value}]}}"#));
        check(value);
    }
    let deep = format!(r#"{{"v":{}{}}}"#, "[".repeat(60_000), "]".repeat(60_000));
    check(&deep);
    check(&deep[..deep.len() - 1]);
}

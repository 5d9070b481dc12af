//! What a line must contain to match: tested before it is parsed, because parsing takes most of the time of a search.

use std::cmp::Reverse;

use memchr::memmem::Finder;
use regex_syntax::hir::{Hir, HirKind};

use super::Match;
use super::clause::{Clause, Group, Op, Operand};
use super::key::Key;
use crate::event::{Level, json};

/// The most needles of one clause, of which a line must contain one. A search for more takes as long as parsing.
const ALTERNATIVES_MAX: usize = 8;

/// The most needles of one group that a line must contain all of.
const NEEDLES_MAX: usize = 4;

/// The most groups. Beyond it, every line is parsed.
const GROUPS_MAX: usize = 4;

/// The length of what begins every line: `{"seq":1,"time":"2026-11-22T17:32:05.123456Z",`.
const PREFIX_LEN: usize = 46;

/// Letters and digits, the frequent ones first, in texts of programs. The search begins with the rarest byte.
const FREQUENT: &[u8] = b"etaoinrs0lcdu1mphg2fyb3w4k5v6789xjqz";

/// A necessary condition for a MATCH, on a line as the agent writes it.
#[derive(Clone, Debug, Default)]
pub struct Needles {
    /// A disjunction of groups, none of which is empty. Without groups, any line may match.
    groups: Vec<Vec<AnyOf>>,
}

impl Needles {
    /// The needles of a MATCH.
    pub fn new(matching: &Match) -> Self {
        let groups: Vec<_> = matching.groups.iter().take(GROUPS_MAX + 1).map(of_group).collect();
        let is_useless = groups.len() > GROUPS_MAX || groups.iter().any(Vec::is_empty);
        Self { groups: if is_useless { Vec::new() } else { groups } }
    }

    /// `false` if the event of this line does not match. The line must be one that an agent wrote: the same event
    /// could also be written with more escapes, which are not found.
    pub fn may_match(&self, line: &[u8]) -> bool {
        let line = line.get(PREFIX_LEN..).unwrap_or(line);
        let holds = |group: &Vec<AnyOf>| group.iter().all(|any| any.is_in(line));
        self.groups.is_empty() || self.groups.iter().any(holds)
    }
}

/// The line must contain one of these.
#[derive(Clone, Debug)]
struct AnyOf(Vec<Needle>);

impl AnyOf {
    fn is_in(&self, line: &[u8]) -> bool {
        self.0.iter().any(|needle| needle.is_in(line))
    }
}

#[derive(Clone, Debug)]
enum Needle {
    /// Boxed, because it has tables.
    Exact(Box<Finder<'static>>),
    /// ASCII without regard to case, in lower case.
    Folded {
        text: Box<[u8]>,
        /// The position of its rarest byte.
        rarest: usize,
    },
}

impl Needle {
    fn exact(text: &str) -> Self {
        Self::Exact(Box::new(Finder::new(text).into_owned()))
    }

    fn folded(text: &str) -> Self {
        let text = text.to_ascii_lowercase().into_bytes();
        let frequency = |b: &u8| FREQUENT.iter().position(|f| f == b).unwrap_or(FREQUENT.len());
        let rarest = (0..text.len()).max_by_key(|at| frequency(&text[*at])).unwrap_or_default();
        Self::Folded { text: text.into(), rarest }
    }

    fn len(&self) -> usize {
        match self {
            Self::Exact(finder) => finder.needle().len(),
            Self::Folded { text, .. } => text.len(),
        }
    }

    fn is_in(&self, line: &[u8]) -> bool {
        match self {
            Self::Exact(finder) => finder.find(line).is_some(),
            Self::Folded { text, rarest } => {
                let b = text[*rarest];
                let mut places = memchr::memchr2_iter(b, b.to_ascii_uppercase(), line);
                places.any(|at| {
                    let begin = at.checked_sub(*rarest);
                    let found = begin.and_then(|begin| line.get(begin..begin + text.len()));
                    found.is_some_and(|found| found.eq_ignore_ascii_case(text))
                })
            }
        }
    }
}

fn of_group(group: &Group) -> Vec<AnyOf> {
    let mut all: Vec<AnyOf> = group.clauses().iter().flat_map(of_clause).collect();
    // The long ones rule out most.
    all.sort_by_key(|any| Reverse(any.0.iter().map(Needle::len).min()));
    all.truncate(NEEDLES_MAX);
    all
}

/// What a line must contain for a clause to hold: its key, and one of its values. Nothing for the negative operators,
/// which hold where the key is absent.
fn of_clause(clause: &Clause) -> Vec<AnyOf> {
    if matches!(clause.op, Op::IsNot | Op::Unlike) {
        return Vec::new();
    }
    let mut all = match &clause.operands[..] {
        // The levels in question are more than the given one.
        [Operand::Level(level)] => vec![AnyOf(levels(clause.op, *level).collect())],
        [operand] => {
            parts(&clause.key, operand).into_iter().map(|part| AnyOf(vec![part])).collect()
        }
        operands if operands.len() > ALTERNATIVES_MAX => Vec::new(),
        operands => {
            let longest = |operand| parts(&clause.key, operand).into_iter().max_by_key(Needle::len);
            let each: Option<Vec<_>> = operands.iter().map(longest).collect();
            each.into_iter().map(AnyOf).collect()
        }
    };
    let key = match &clause.key {
        Key::Took => Some("\"took\":".to_owned()),
        Key::Abandoned => Some("\"abandoned\":true".to_owned()),
        Key::Field(name) => Some(format!("\"{name}\":")),
        Key::Origin(part) => Some(format!("\"{part}\":")),
        // Every event has the others, or their value says enough.
        Key::Tag | Key::Level | Key::Host | Key::Msg | Key::Run => None,
    };
    all.extend(key.map(|key| AnyOf(vec![Needle::exact(&key)])));
    all
}

fn levels(op: Op, operand: Level) -> impl Iterator<Item = Needle> {
    let accepted = Level::ALL.into_iter().filter(move |level| op.accepts(operand.cmp(level)));
    accepted.map(|level| Needle::exact(&format!("\"level\":\"{}\"", level.name())))
}

/// What a line must contain for an operand of a key to accept its value: all of these.
fn parts(key: &Key, operand: &Operand) -> Vec<Needle> {
    let exact = |parts: &mut dyn Iterator<Item = &str>| {
        parts.filter(|part| !part.is_empty()).map(Needle::exact).collect()
    };
    match operand {
        // Its value is printed as a number.
        Operand::Number(..) => Vec::new(),
        _ if *key == Key::Took => Vec::new(),
        Operand::Level(level) => levels(Op::Is, *level).collect(),
        Operand::Glob(glob) => {
            let text = glob.to_string();
            if text.contains(['*', '?']) {
                exact(&mut text.split(['*', '?']))
            } else {
                vec![Needle::exact(&format!("\"tag\":\"{text}\""))]
            }
        }
        Operand::Text(text) => exact(&mut plain_parts(text)),
        Operand::Pattern(pattern) => {
            // Without smart case, by which each letter is a class.
            let literals = regex_syntax::parse(pattern.source())
                .map_or_else(|_| Vec::new(), |hir| literals(&hir));
            let mut parts = literals.iter().flat_map(|literal| plain_parts(literal));
            if !pattern.ignores_case() {
                return exact(&mut parts);
            }
            // The Kelvin sign and the long s are equal to k and s, and letters that are not ASCII have other forms.
            let is_other = |c: char| !c.is_ascii() || matches!(c, 'k' | 'K' | 's' | 'S');
            let parts = parts.flat_map(|part| part.split(is_other));
            parts.filter(|part| !part.is_empty()).map(Needle::folded).collect()
        }
    }
}

/// The parts of a text that a JSON string has as they are.
fn plain_parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| json::plain_len(c.encode_utf8(&mut [0; 4]).as_bytes()) == 0)
}

/// Texts that each match of a regular expression contains.
fn literals(hir: &Hir) -> Vec<String> {
    match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).into_iter().collect(),
        HirKind::Concat(parts) => parts.iter().flat_map(literals).collect(),
        HirKind::Capture(capture) => literals(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => literals(&repetition.sub),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Batch, Draft, Field, Line, Origin, Seq, Stamp, Tag, Timestamp, Value};
    use proptest::prelude::*;

    /// The line of an event, as an agent writes it.
    fn line(draft: &Draft<'_>, uid: u32) -> String {
        let (mut origin, mut batch) = (Vec::new(), Batch::default());
        Origin { uid: Some(uid), user: Some("www".into()), ..Origin::default() }
            .encode(&mut origin);
        batch.push(draft, "t", &origin);
        let body = batch.bodies().next().expect("one");
        let (stamp, mut line) = (Stamp::new(Timestamp::default(), "web1"), Vec::new());
        stamp.line(Seq::BEFORE_FIRST, body, |part| line.extend_from_slice(part));
        String::from_utf8(line).expect("UTF-8")
    }

    #[track_caller]
    fn check(matching: &Match, line: &str) {
        let Some(Line::Event(event)) = Line::parse(line) else { panic!("not an event: {line}") };
        let may = Needles::new(matching).may_match(line.as_bytes());
        assert!(may || !matching.matches(&event), "{matching} {line}");
    }

    const TEXT: &str =
        r#"[kKsSeE0-9 ]{0,6}|[ -~]{0,8}|(query|QUERY|took|Kelvin|é|É|ſ|K|"|\\|\n|\t|40ms| ){0,5}"#;
    const REGEX: &str = r#"(query|QUERY|took|\\\(a\\\)|\[a-z\]|\.|x\*|y\+|\(e0\)\{2\}|k|s|é|"|\\\\|\\n|\\t| |\\\$|40ms|\(took\|e\)|\^|\$|\\b|\(\?i\)q){1,4}"#;

    proptest! {
        #[test]
        fn rules_out_only_what_does_not_match(
            msg in TEXT, value in TEXT, operand in TEXT, regex in REGEX, number in 0u32..50,
            key in "msg|user|tag|host|run|_uid|_user|level|took|abandoned|rows",
            op in "=|!=|~|!~|>=|<",
            more in "( level>=warning| tag=t.q| user~e| \\+ tag=t\\*| rows>10| took>0){0,2}",
        ) {
            let operand = if op.contains('~') { regex } else { operand };
            let operand = operand.replace('\\', "\\\\").replace('"', "\\\"");
            let rows = number.to_string();
            let draft = Draft {
                tag: Tag::new("t.q").ok(),
                level: if number % 2 == 0 { Level::Err } else { Level::Info },
                took: (number > 20).then_some(f64::from(number) / 100.0),
                fields: vec![
                    Field { name: "user".into(), value: Value::Text(value.as_str().into()) },
                    Field { name: "rows".into(), value: Value::Number(rows.as_str().into()) },
                ],
                msg: msg.as_str().into(),
                ..Draft::default()
            };
            let line = line(&draft, number);
            for operand in [&operand, &msg, &value, &rows, "err", "*.q", "www"] {
                let quoted = operand.replace('\n', " ");
                if let Ok(matching) = Match::parse(&format!("{key}{op}\"{quoted}\"{more}")) {
                    check(&matching, &line);
                }
            }
        }
    }

    #[test]
    fn rules_out_most_lines() {
        let fields = vec![Field { name: "user".into(), value: Value::Text("anna".into()) }];
        let draft = Draft { msg: "query took 40ms".into(), fields, ..Draft::default() };
        let line = line(&draft, 33);
        for (matching, may) in [
            ("msg~TIMEOUT", false),
            ("msg~timeout", false),
            ("msg~took", true),
            ("msg~QUERY", false),
            ("msg~(query|x)", true),
            (r"msg~time\s+out", false),
            ("tag=shop.*", false),
            ("tag=t", true),
            ("tag=tt", false),
            ("level>=warning", false),
            ("level<=notice", true),
            ("took>1", true),
            ("user=bob", false),
            ("user=bob user=anna", true),
            ("page~x", false),
            ("user!=anna", true),
            ("user=bob + tag=t", true),
            ("user=bob + tag=x", false),
            ("abandoned=true", false),
        ] {
            let needles = Needles::new(&Match::parse(matching).expect("valid"));
            assert_eq!(needles.may_match(line.as_bytes()), may, "{matching}");
        }
    }

    #[test]
    fn escaped_letters_have_other_forms_too() {
        for (matching, msg) in [(r"msg~\x53", "\u{17f}"), (r"msg~o\u{73}", "o\u{17f}")] {
            let matching = Match::parse(matching).expect("valid");
            let line = line(&Draft { msg: msg.into(), ..Draft::default() }, 1);
            let Some(Line::Event(event)) = Line::parse(&line) else {
                panic!("not an event: {line}")
            };
            assert!(matching.matches(&event), "{matching}");
            check(&matching, &line);
        }
    }

    #[test]
    fn gives_up_beyond_its_bounds() {
        let users = |count| (0..count).map(|n| format!("page=p{n}x ")).collect::<String>();
        let line = line(&Draft { msg: "page".into(), ..Draft::default() }, 1)
            .replace("page", "\\\"page\\\":");
        for (matching, may) in [
            (users(ALTERNATIVES_MAX), false),
            (["run=abc"; GROUPS_MAX].join(" + "), false),
            (["run=abc"; GROUPS_MAX + 1].join(" + "), true),
        ] {
            let needles = Needles::new(&Match::parse(&matching).expect("valid"));
            assert_eq!(needles.may_match(line.as_bytes()), may, "{matching}");
        }
        assert_eq!(
            of_clause(
                &Match::parse(&users(ALTERNATIVES_MAX + 1)).expect("valid").groups[0].clauses()[0]
            )
            .len(),
            1
        );
    }
}

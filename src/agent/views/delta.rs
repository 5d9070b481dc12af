//! Deltas between two snapshots of a view: rows that have not changed are named, not repeated.
//!
//! A delta is a snapshot in which each list of rows holds new rows as objects, and `[from,count]` for `count` rows
//! that are those of the base from index `from` on. All other members are whole. A base is only remembered by
//! the hashes of its rows, so that many bases can be kept.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use bytes::{BufMut as _, Bytes};
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members that are lists of rows.
const LISTS: [&str; 4] = ["users", "shapes", "errors", "runs"];

/// Hashes rows with a random key, so that a sender cannot find two rows with the same hash.
#[derive(Clone, Default)]
pub(super) struct Hasher(RandomState);

/// The members of a snapshot.
pub(super) struct Parts {
    members: Vec<(Box<str>, Member)>,
}

enum Member {
    Whole(Bytes),
    Rows(Vec<Row>),
}

struct Row {
    hash: u64,
    json: Bytes,
}

/// What a delta needs of the snapshot that it changes: the hashes of the rows of each list.
pub(super) struct Base {
    lists: Vec<(Box<str>, Vec<u64>)>,
}

impl Parts {
    /// Finds the members of a snapshot in JSON, which must be an object.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn parse(json: &Bytes, hasher: &Hasher) -> serde_json::Result<Self> {
        let mut members = Vec::new();
        for (name, value) in serde_json::Deserializer::from_slice(json).deserialize_map(Members)? {
            let slice = |raw: &RawValue| json.slice_ref(raw.get().as_bytes());
            let member = if LISTS.contains(&name) {
                let rows: Vec<&RawValue> = serde_json::from_str(value.get())?;
                let row =
                    |raw| Row { hash: hasher.0.hash_one(RawValue::get(raw)), json: slice(raw) };
                Member::Rows(rows.into_iter().map(row).collect())
            } else {
                Member::Whole(slice(value))
            };
            members.push((name.into(), member));
        }
        Ok(Self { members })
    }

    /// What a later delta needs of this snapshot.
    pub(super) fn base(&self) -> Base {
        let lists = self.members.iter().filter_map(|(name, member)| match member {
            Member::Rows(rows) => Some((name.clone(), rows.iter().map(|row| row.hash).collect())),
            Member::Whole(_) => None,
        });
        Base { lists: lists.collect() }
    }

    /// This snapshot as a delta to `base`. `head` is the beginning of the object.
    pub(super) fn encode_delta(&self, head: &str, base: &Base) -> Bytes {
        let mut out = head.as_bytes().to_vec();
        for (name, member) in &self.members {
            out.put_slice(format!(",\"{name}\":").as_bytes());
            match member {
                Member::Whole(json) => out.put_slice(json),
                Member::Rows(rows) => encode_rows(rows, base.list(name), &mut out),
            }
        }
        out.push(b'}');
        out.into()
    }
}

impl Base {
    fn list(&self, name: &str) -> &[u64] {
        let list = self.lists.iter().find(|(list, _)| **list == *name);
        list.map_or(&[], |(_, hashes)| hashes)
    }
}

/// Encodes a list of rows. Those that `base` has too, next to each other, become one pair.
fn encode_rows(rows: &[Row], base: &[u64], out: &mut Vec<u8>) {
    let mut first = HashMap::with_capacity(base.len());
    for (at, hash) in base.iter().enumerate() {
        first.entry(*hash).or_insert(at);
    }
    let mut between = b'[';
    let mut separate = |out: &mut Vec<u8>| {
        out.push(between);
        between = b',';
    };
    let mut rest = rows;
    while let Some(row) = rest.first() {
        separate(out);
        if let Some(from) = first.get(&row.hash) {
            let same = rest.iter().zip(&base[*from..]).take_while(|(row, hash)| row.hash == **hash);
            let count = same.count();
            out.put_slice(format!("[{from},{count}]").as_bytes());
            rest = &rest[count..];
        } else {
            out.put_slice(&row.json);
            rest = &rest[1..];
        }
    }
    if rows.is_empty() {
        separate(out);
    }
    out.push(b']');
}

/// The members of an object, in order.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(&'de str, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// The whole snapshot that a delta makes of its base, as a client computes it.
#[cfg(test)]
pub(super) fn apply(base: &serde_json::Value, delta: &serde_json::Value) -> serde_json::Value {
    let mut whole = delta.clone();
    whole.as_object_mut().expect("an object").remove("base").expect("a delta");
    for name in LISTS {
        let Some(list) = whole.get_mut(name) else { continue };
        let rows = list.as_array().expect("a list").iter().flat_map(|row| match row.as_array() {
            Some(pair) => {
                let [from, count] = [0, 1].map(|at| pair[at].as_u64().expect("a number") as usize);
                base[name].as_array().expect("a list")[from..from + count].to_vec()
            }
            None => vec![row.clone()],
        });
        *list = rows.collect();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};
    use serde_json::{Value, json};

    fn delta(base: &Value, whole: &Value) -> String {
        let hasher = Hasher::default();
        let parts =
            |json: &Value| Parts::parse(&json.to_string().into(), &hasher).expect("an object");
        let delta = parts(whole).encode_delta("{\"base\":1", &parts(base).base());
        String::from_utf8(delta.to_vec()).expect("UTF-8")
    }

    #[test]
    fn names_unchanged_rows() {
        let (a, b, c, d) =
            (json!({"n": 1}), json!({"n": "],["}), json!({"n": [3]}), json!({"n": {}}));
        for (base, whole, expected) in [
            (json!([]), json!([]), json!([])),
            (json!([]), json!([a]), json!([a])),
            (json!([a]), json!([]), json!([])),
            (json!([a, b, c]), json!([a, b, c]), json!([[0, 3]])),
            (json!([a, b, c]), json!([d, a, b]), json!([d, [0, 2]])),
            (json!([a, b, c]), json!([c, a, d, b, c]), json!([[2, 1], [0, 1], d, [1, 2]])),
            (json!([a, a, b]), json!([a, a, a]), json!([[0, 2], [0, 1]])),
        ] {
            let (base, whole) = (json!({"users": base}), json!({"users": whole, "rest": base}));
            let found: Value = serde_json::from_str(&delta(&base, &whole)).expect("JSON");
            assert_eq!(found, json!({"base": 1, "users": expected, "rest": base["users"]}));
            assert_eq!(apply(&base, &found), whole);
        }
    }

    #[test]
    fn only_objects_have_parts() {
        for json in ["[]", "1", "{", "{\"users\":1}"] {
            assert!(Parts::parse(&Bytes::from(json), &Hasher::default()).is_err(), "{json}");
        }
    }

    fn any_snapshot() -> impl Strategy<Value = Value> {
        let row =
            (0u8..6, "[a-c\\[\\],\"{}]{0,2}").prop_map(|(n, text)| json!({"n": n, "t": text}));
        let list = || prop::collection::vec(row.clone(), 0..12);
        (list(), list(), 0u8..3).prop_map(|(shapes, errors, rate)| {
            json!({"view": "queries", "rate": rate, "shapes": shapes, "errors": errors})
        })
    }

    proptest! {
        #[test]
        fn delta_makes_the_whole_of_its_base(base in any_snapshot(), whole in any_snapshot()) {
            let text = delta(&base, &whole);
            let found: Value = serde_json::from_str(&text).expect("JSON");
            prop_assert_eq!(apply(&base, &found), whole.clone());
            // A pair is never longer than the rows that it stands for.
            prop_assert!(text.len() <= whole.to_string().len() + "\"base\":1,".len());
        }
    }
}

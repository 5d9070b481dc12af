//! Syslog, as the agent's decoder takes it: never refused, the same in whatever pieces it comes, and
//! every draft becomes a line that says the same.
//!
//! The input is what a program sends. A byte 0x0e repeats the byte behind it 1024 times.

#![no_main]

mod pieces;
mod taken_in;
mod understood;

use libfuzzer_sys::{Corpus, fuzz_target};
use pulsed::event::{DRAFT_MAX, Draft, FIELDS_MAX, Tag, check_field_name};
use pulsed::wire::{Refused, Request};

/// U+FFFD has three bytes, and may stand for one.
const GROWTH_MAX: usize = 3;

fuzz_target!(|data: &[u8]| -> Corpus {
    let bytes = pieces::stretched(data, 140_000);
    if !bytes.first().is_some_and(|b| *b == b'<' || b.is_ascii_digit()) {
        return Corpus::Reject;
    }
    assert!(understood::understood(&bytes, check), "the first byte fixes the dialect");
    Corpus::Keep
});

fn check(found: &Result<Request<'_>, Refused>) {
    let Ok(Request::Send(draft)) = found else { panic!("syslog became {found:.300?}") };
    check_bounds(draft);
    taken_in::taken_in(draft);
}

fn check_bounds(draft: &Draft<'_>) {
    assert!(draft.msg.len() <= GROWTH_MAX * DRAFT_MAX);
    assert!(draft.fields.len() <= FIELDS_MAX);
    for (at, field) in draft.fields.iter().enumerate() {
        check_field_name(&field.name).expect("a field's name");
        let twice = draft.fields[..at].iter().any(|other| other.name == field.name);
        assert!(!twice, "{} is there twice", field.name);
    }
    if let Some(tag) = &draft.tag {
        assert_eq!(Tag::new(tag.as_str()).as_ref(), Ok(tag));
    }
}

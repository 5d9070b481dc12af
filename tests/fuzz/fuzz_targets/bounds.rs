//! The bounds that every draft keeps.

use pulsed::event::{Draft, FIELDS_MAX, RUN_MAX, Tag, check_field_name};

/// Checks a draft: its tag, its run, and its fields, of which only the last may be the list of repairs.
pub(crate) fn check(draft: &Draft<'_>) {
    assert!(draft.fields.len() <= FIELDS_MAX);
    for (at, field) in draft.fields.iter().enumerate() {
        check_field_name(&field.name).expect("a field's name");
        let duplicate = draft.fields[..at].iter().any(|other| other.name == field.name);
        assert!(!duplicate, "duplicate field {}", field.name);
        assert!(field.name != "repaired" || at + 1 == draft.fields.len(), "a claimed repair");
    }
    if let Some(tag) = &draft.tag {
        assert_eq!(Tag::new(tag.as_str()).as_ref(), Ok(tag));
    }
    assert!(draft.run.as_ref().is_none_or(|run| (1..=RUN_MAX).contains(&run.chars().count())));
}

//! The tags of a row that has several.

use super::Permits;
use super::text::ALLOCATION;

/// The most tags that a row remembers. A row of more is shown only where all tags may be seen.
const TAGS_MAX: usize = 8;

/// The tags that a row was folded from.
#[derive(Clone, Debug, Default)]
pub(super) struct Tags {
    tags: Vec<Box<str>>,
    /// There are more.
    more: bool,
}

impl Tags {
    pub(super) fn insert(&mut self, tag: &str) {
        if self.more || self.tags.iter().any(|known| **known == *tag) {
            return;
        }
        self.more = self.tags.len() == TAGS_MAX;
        if !self.more {
            self.tags.push(tag.into());
        }
    }

    /// `true` if all of them may be seen.
    pub(super) fn permitted(&self, permits: &Permits<'_>) -> bool {
        permits.all() || !self.more && self.tags.iter().all(|tag| permits.tag(tag))
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        let texts: usize = self.tags.iter().map(|tag| tag.len() + ALLOCATION).sum();
        texts + self.tags.capacity() * size_of::<Box<str>>() + ALLOCATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_hold_their_bound_from_both_sides() {
        let some = Permits::Tags(&|tag| tag.starts_with('a'));
        let mut tags = Tags::default();
        for n in 0..2 * TAGS_MAX {
            tags.insert(&format!("a{}", n / 2));
        }
        assert!(tags.permitted(&some));
        tags.insert("a9");
        assert!(!tags.permitted(&some) && tags.permitted(&Permits::All));
        assert_eq!(tags.tags.len(), TAGS_MAX);
        let mut tags = Tags::default();
        ["a", "b"].iter().for_each(|tag| tags.insert(tag));
        assert!(!tags.permitted(&some));
    }
}

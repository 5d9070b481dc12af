//! The tags of a row with events of several tags.

use super::Permits;
use super::text::ALLOCATION;

/// The most tags that a row stores. A row with more is shown only if all tags are permitted.
const TAGS_MAX: usize = 8;

/// The tags of the events of a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Tags {
    tags: Vec<Box<str>>,
    /// `true` if there are more tags.
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

    /// `true` if all tags of the row are permitted.
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
    fn bounds_tags() {
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

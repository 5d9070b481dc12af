//! Files that were set aside: segments that repeat the numbers of an earlier one, and what had the name of a segment
//! without being a file. The operator may want to look at them, so that they are neither overwritten nor removed at
//! once. Retention removes them with the segments of their numbers, or before all segments if the total exceeds the
//! maximum size.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};

use crate::diag;
use crate::event::Seq;
use crate::log::retry;
use crate::log::state::name_of;
use crate::sys::directory::Directory;

/// What is appended to the name of a segment. A further one with the same numbers gets `.2` after it.
const SUFFIX: &str = ".aside";

/// The files in one directory that were set aside, the oldest numbers first.
#[derive(Debug, Default)]
pub(crate) struct Asides {
    list: VecDeque<Aside>,
    size: u64,
}

#[derive(Debug)]
struct Aside {
    first: Seq,
    name: String,
    size: u64,
}

impl Asides {
    /// Finds them in a directory.
    pub(crate) fn find(dir: &Directory) -> io::Result<Self> {
        let mut found = Self::default();
        for name in dir.names()? {
            if let Some(name) = name.to_str()
                && let Some(first) = first_of(name)
            {
                found.note(dir, first, name.to_owned())?;
            }
        }
        found.list.make_contiguous().sort_by(|a, b| (a.first, &a.name).cmp(&(b.first, &b.name)));
        Ok(found)
    }

    /// Their size, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Renames what has the name of a segment. Returns the new name, which was free.
    pub(crate) fn set_aside(&mut self, dir: &Directory, first: Seq) -> io::Result<String> {
        let base = name_of(first) + SUFFIX;
        let mut name = base.clone();
        for number in 2.. {
            match dir.entry(&name) {
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(error),
                Ok(_) => name = format!("{base}.{number}"),
            }
        }
        dir.rename(&name_of(first), &name)?;
        self.note(dir, first, name.clone())?;
        Ok(name)
    }

    fn note(&mut self, dir: &Directory, first: Seq, name: String) -> io::Result<()> {
        let entry = dir.entry(&name)?;
        // What is no file has no size, and is left to the operator.
        if entry.is_file {
            self.size += entry.size;
            self.list.push_back(Aside { first, name, size: entry.size });
        }
        Ok(())
    }

    /// Removes the oldest ones while `due` says so for their first number and the size of all. A file that cannot be
    /// removed is reported and counts no longer: its size is then what history exceeds its bounds by.
    pub(crate) fn trim(
        &mut self,
        dir: &Directory,
        due: impl Fn(Seq, u64) -> bool,
    ) -> io::Result<()> {
        while let Some(oldest) = self.list.front()
            && due(oldest.first, self.size)
        {
            match dir.remove(&oldest.name) {
                Err(cause) if retry::is_passing(&cause) => return Err(cause),
                Err(cause) if cause.kind() != ErrorKind::NotFound => {
                    let path = dir.path_of(&oldest.name);
                    diag::warning(format_args!("cannot remove {}: {cause}", path.display()));
                }
                _ => {}
            }
            self.size -= oldest.size;
            self.list.pop_front();
        }
        Ok(())
    }
}

/// The first number of a file that was set aside, by its name.
fn first_of(name: &str) -> Option<Seq> {
    let (digits, rest) = name.split_once(".jsonl")?;
    let number = rest.strip_prefix(SUFFIX)?;
    let numbered = number.strip_prefix('.').is_some_and(|number| number.parse::<u64>().is_ok());
    let first = digits.parse().ok().filter(|_| digits.len() == 16).and_then(Seq::new)?;
    (number.is_empty() || numbered).then_some(first)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    fn names(dir: &Directory) -> Vec<String> {
        let names = dir.names().expect("listed").into_iter();
        let mut names: Vec<String> = names.map(|name| name.into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    #[test]
    fn overwrites_nothing_and_finds_all_again() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = Directory::open(root.path()).expect("opened");
        let mut asides = Asides::default();
        for (size, name) in [(1, ".aside"), (2, ".aside.2"), (3, ".aside.3")] {
            fs::write(root.path().join(name_of(seq(7))), "x".repeat(size)).expect("written");
            assert_eq!(asides.set_aside(&dir, seq(7)).expect("renamed"), name_of(seq(7)) + name);
        }
        fs::create_dir(root.path().join(name_of(seq(9)))).expect("a directory");
        asides.set_aside(&dir, seq(9)).expect("renamed");
        for other in ["state", "0000000000000009.jsonl.aside.x", "9.jsonl.aside", "a.aside"] {
            fs::write(root.path().join(other), "other").expect("written");
        }
        let found = Asides::find(&dir).expect("listed");
        assert_eq!((asides.size(), found.size(), found.list.len()), (6, 6, 3));
    }

    #[test]
    fn trims_the_oldest_first() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = Directory::open(root.path()).expect("opened");
        for (n, size) in [(30, 10), (4, 20), (5, 30)] {
            fs::write(root.path().join(name_of(seq(n)) + SUFFIX), "x".repeat(size))
                .expect("written");
        }
        let mut asides = Asides::find(&dir).expect("listed");
        asides.trim(&dir, |_, size| size > 60).expect("trimmed");
        assert_eq!(asides.size(), 60);
        asides.trim(&dir, |_, size| size > 59).expect("trimmed");
        assert_eq!(asides.size(), 40);
        asides.trim(&dir, |first, _| first < seq(30)).expect("trimmed");
        assert_eq!((asides.size(), names(&dir)), (10, vec![name_of(seq(30)) + SUFFIX]));
    }
}

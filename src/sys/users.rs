//! Users and groups: names and ids (getpwnam(3), getgrnam(3)).
//!
//! Each lookup may ask a directory service and block for long. Never call them on a thread that serves
//! live traffic.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};

/// The most names that [`Names`] caches.
pub const NAMES_MAX: usize = 1024;

/// How long a name is valid after it was looked up: the most that the agent names a user of a directory service who is
/// gone.
pub const NAME_VALID_FOR: Duration = Duration::from_secs(60);

/// Minimum interval between two looks at the local user database: the most that the agent names a local user who is
/// gone.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The local user database (passwd(5)).
const PASSWD: &str = "/etc/passwd";

/// The effective uid of this process.
pub fn current() -> u32 {
    geteuid().as_raw()
}

/// The uid of a user. `None` if there is no such user.
///
/// # Errors
/// Those of getpwnam(3).
pub fn user(name: &str) -> io::Result<Option<u32>> {
    Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
}

/// The gid of a group. `None` if there is no such group.
///
/// # Errors
/// Those of getgrnam(3).
pub fn group(name: &str) -> io::Result<Option<u32>> {
    Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
}

/// The name of a user. `None` if the uid has no name.
///
/// # Errors
/// Those of getpwuid(3).
pub fn user_name(uid: u32) -> io::Result<Option<String>> {
    Ok(User::from_uid(Uid::from_raw(uid))?.map(|user| user.name))
}

/// The name of a group. `None` if the gid has no name.
///
/// # Errors
/// Those of getgrgid(3).
pub fn group_name(gid: u32) -> io::Result<Option<String>> {
    Ok(Group::from_gid(Gid::from_raw(gid))?.map(|group| group.name))
}

/// The gids of all groups of a user, as the databases have them now (getgrouplist(3)). Empty for a uid
/// without a name.
///
/// # Errors
/// Those of getpwuid(3) and getgrouplist(3).
pub fn groups_of(uid: u32) -> io::Result<Vec<u32>> {
    let Some(user) = User::from_uid(Uid::from_raw(uid))? else { return Ok(Vec::new()) };
    let name = CString::new(user.name).map_err(io::Error::other)?;
    Ok(getgrouplist(&name, user.gid)?.into_iter().map(Gid::as_raw).collect())
}

/// A cache of user names, at most [`NAMES_MAX`]; a full cache is cleared. It also holds that a uid has no
/// name, but not that a lookup failed.
///
/// A uid can be given to another user. So a name is valid for [`NAME_VALID_FOR`], and all names are dropped when the
/// local database changes, which [`Names::get`] looks at once in [`LOOK_EVERY`].
#[derive(Debug)]
pub struct Names {
    /// The local user database.
    database: PathBuf,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    by_uid: HashMap<u32, Name>,
    /// The version of the local database that the names are from.
    version: Option<Version>,
    /// The last look at the database.
    looked: Option<Instant>,
    /// Counts how often the names were dropped. A lookup that began before is not cached.
    dropped: u64,
}

#[derive(Debug)]
struct Name {
    name: Option<String>,
    since: Instant,
}

/// Identifies one version of a file: device, inode, size, and the times of its last changes.
type Version = (u64, u64, u64, (i64, i64), (i64, i64));

fn version(path: &Path) -> Option<Version> {
    let meta = fs::metadata(path).ok()?;
    let (modified, changed) =
        ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    Some((meta.dev(), meta.ino(), meta.size(), modified, changed))
}

impl Default for Names {
    fn default() -> Self {
        Self { database: PASSWD.into(), cache: Mutex::default() }
    }
}

impl Names {
    /// The name of a user. Both the look at the local database and the lookup may block. They run without the lock,
    /// so that they do not block cached names.
    ///
    /// # Errors
    /// Those of getpwuid(3).
    pub fn get(&self, uid: u32) -> io::Result<Option<String>> {
        self.get_at(uid, Instant::now(), user_name)
    }

    fn get_at(
        &self,
        uid: u32,
        now: Instant,
        look_up: impl FnOnce(u32) -> io::Result<Option<String>>,
    ) -> io::Result<Option<String>> {
        self.look(now);
        let dropped = {
            let cache = self.lock();
            if let Some(known) = cache.known(uid, now) {
                return Ok(known);
            }
            cache.dropped
        };
        let name = look_up(uid)?;
        let mut cache = self.lock();
        if cache.dropped == dropped {
            if cache.by_uid.len() >= NAMES_MAX {
                cache.by_uid.clear();
            }
            cache.by_uid.insert(uid, Name { name: name.clone(), since: now });
        }
        Ok(name)
    }

    /// Drops all names if the local database has changed since the last look.
    fn look(&self, now: Instant) {
        {
            let mut cache = self.lock();
            if cache.has_looked(now) {
                return;
            }
            // Others use the cache meanwhile.
            cache.looked = Some(now);
        }
        let version = version(&self.database);
        let mut cache = self.lock();
        if cache.version != version {
            cache.version = version;
            cache.drop_all();
        }
    }

    /// What [`Names::get`] returns without a lookup and without a look at the database. `None` if it needs one.
    pub fn known(&self, uid: u32) -> Option<Option<String>> {
        let now = Instant::now();
        let cache = self.lock();
        cache.known(uid, now).filter(|_| cache.has_looked(now))
    }

    /// Clears the cache, at a reload.
    pub fn clear(&self) {
        self.lock().drop_all();
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn known(&self, uid: u32, now: Instant) -> Option<Option<String>> {
        let known = self.by_uid.get(&uid)?;
        let valid = now.saturating_duration_since(known.since) < NAME_VALID_FOR;
        valid.then(|| known.name.clone())
    }

    fn has_looked(&self, now: Instant) -> bool {
        self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK_EVERY)
    }

    fn drop_all(&mut self) {
        self.by_uid.clear();
        self.dropped += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_0_in_both_directions() {
        assert_eq!(user("root").expect("passwd"), Some(0));
        assert_eq!(group("root").expect("group"), Some(0));
        assert_eq!(user_name(0).expect("passwd").as_deref(), Some("root"));
        assert_eq!(group_name(0).expect("group").as_deref(), Some("root"));
        assert_eq!(user("no such user").expect("passwd"), None);
        assert_eq!(group("no such group").expect("group"), None);
    }

    #[test]
    fn lists_the_groups_of_a_user() {
        assert!(groups_of(0).expect("databases").contains(&0));
        assert_eq!(groups_of(4_000_000_000).expect("databases"), [0; 0]);
    }

    #[test]
    fn the_cache_is_bounded() {
        let names = Names::default();
        let name = |uid| names.get(uid).expect("passwd");
        assert_eq!(name(0).as_deref(), Some("root"));
        // Numbers without a name, from a range that Debian does not assign.
        for uid in 0..NAMES_MAX as u32 - 1 {
            name(4_000_000_000 + uid);
        }
        assert_eq!(names.lock().by_uid.len(), NAMES_MAX);
        name(4_100_000_000);
        assert_eq!(names.lock().by_uid.len(), 1);
        assert_eq!(name(0).as_deref(), Some("root"));
        names.clear();
        assert_eq!(names.lock().by_uid.len(), 0);
    }

    /// Names of a database in a file of their own.
    fn of_file() -> (tempfile::NamedTempFile, Names) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let names = Names { database: file.path().into(), cache: Mutex::default() };
        (file, names)
    }

    fn named(name: &str) -> impl FnOnce(u32) -> io::Result<Option<String>> {
        let name = name.to_owned();
        move |_| Ok(Some(name))
    }

    #[test]
    fn a_name_ages() {
        let (_file, names) = of_file();
        let begun = Instant::now();
        let at = |seconds, now| {
            let name = names.get_at(7, begun + Duration::from_secs(seconds), named(now));
            name.expect("no error").expect("a name")
        };
        let valid = NAME_VALID_FOR.as_secs();
        assert_eq!(at(0, "alice"), "alice");
        assert_eq!(at(valid - 1, "bob"), "alice");
        assert_eq!(at(valid, "bob"), "bob");
        // A lookup that fails is not cached, and does not extend the old name.
        let later = begun + 2 * NAME_VALID_FOR;
        assert!(names.get_at(7, later, |_| Err(io::ErrorKind::TimedOut.into())).is_err());
        assert_eq!(at(2 * valid, "carol"), "carol");
    }

    #[test]
    fn a_change_of_the_local_database_drops_names() {
        let (file, names) = of_file();
        let begun = Instant::now();
        let at = |after: Duration, now| {
            names.get_at(7, begun + after, named(now)).expect("no error").expect("a name")
        };
        let moment = Duration::from_millis(1);
        assert_eq!(at(Duration::ZERO, "alice"), "alice");
        fs::write(file.path(), "bob:x:7:7::/:/bin/sh\n").expect("ours");
        assert_eq!(at(LOOK_EVERY - moment, "bob"), "alice");
        assert_eq!(at(LOOK_EVERY, "bob"), "bob");
        // Without a change they stay.
        assert_eq!(at(2 * LOOK_EVERY, "carol"), "bob");
    }

    #[test]
    fn a_lookup_that_began_before_a_change_is_not_cached() {
        let (_file, names) = of_file();
        let now = Instant::now();
        let slow = |_| {
            names.clear();
            Ok(Some("alice".to_owned()))
        };
        assert_eq!(names.get_at(7, now, slow).expect("no error").as_deref(), Some("alice"));
        assert_eq!(names.get_at(7, now, named("bob")).expect("no error").as_deref(), Some("bob"));
    }

    #[test]
    fn known_needs_a_recent_look() {
        let (_file, names) = of_file();
        assert_eq!(names.known(7), None);
        names.get_at(7, Instant::now(), named("alice")).expect("no error");
        assert_eq!(names.known(7), Some(Some("alice".into())));
        names.lock().looked = None;
        assert_eq!(names.known(7), None);
    }
}

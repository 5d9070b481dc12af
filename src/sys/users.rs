//! Users and groups: names and ids (getpwnam(3), getgrnam(3)).
//!
//! Each lookup may ask a directory service and block for long. Never call them on a thread that serves
//! live traffic.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::sync::{Mutex, PoisonError};

use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};

/// The most names that [`Names`] caches.
pub const NAMES_MAX: usize = 1024;

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
#[derive(Debug, Default)]
pub struct Names {
    by_uid: Mutex<HashMap<u32, Option<String>>>,
}

impl Names {
    /// The name of a user. The lookup runs without the lock, so a slow one does not block cached names.
    pub fn get(&self, uid: u32) -> Option<String> {
        if let Some(known) = self.lock().get(&uid) {
            return known.clone();
        }
        let name = user_name(uid).ok()?;
        let mut by_uid = self.lock();
        if by_uid.len() >= NAMES_MAX {
            by_uid.clear();
        }
        by_uid.insert(uid, name.clone());
        name
    }

    /// `true` if [`Names::get`] needs no lookup.
    pub fn knows(&self, uid: u32) -> bool {
        self.lock().contains_key(&uid)
    }

    /// Clears the cache, at a reload.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Option<String>>> {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert_eq!(names.get(0).as_deref(), Some("root"));
        // Numbers without a name, from a range that Debian does not assign.
        for uid in 0..NAMES_MAX as u32 - 1 {
            names.get(4_000_000_000 + uid);
        }
        assert_eq!(names.lock().len(), NAMES_MAX);
        names.get(4_100_000_000);
        assert_eq!(names.lock().len(), 1);
        assert_eq!(names.get(0).as_deref(), Some("root"));
        names.clear();
        assert_eq!(names.lock().len(), 0);
    }
}

//! Users and groups: names to numbers and back (getpwnam(3), getgrnam(3)).
//!
//! All of it may ask a directory service, and so may take long: never on a thread that serves live
//! traffic.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::sync::{Mutex, PoisonError};

use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};

/// How many names [`Names`] keeps.
pub const NAMES_MAX: usize = 1024;

/// The effective user of this process.
pub fn current() -> u32 {
    geteuid().as_raw()
}

/// The number of the user of this name, or none if there is no such user.
pub fn user(name: &str) -> io::Result<Option<u32>> {
    Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
}

/// The number of the group of this name, or none if there is no such group.
pub fn group(name: &str) -> io::Result<Option<u32>> {
    Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
}

/// The name of this user, or none if the number has no name.
pub fn user_name(uid: u32) -> io::Result<Option<String>> {
    Ok(User::from_uid(Uid::from_raw(uid))?.map(|user| user.name))
}

/// The name of this group, or none if the number has no name.
pub fn group_name(gid: u32) -> io::Result<Option<String>> {
    Ok(Group::from_gid(Gid::from_raw(gid))?.map(|group| group.name))
}

/// The numbers of all groups that this user is in, as the databases have it now (getgrouplist(3)); none
/// for a number without a name.
pub fn groups_of(uid: u32) -> io::Result<Vec<u32>> {
    let Some(user) = User::from_uid(Uid::from_raw(uid))? else { return Ok(Vec::new()) };
    let name = CString::new(user.name).map_err(io::Error::other)?;
    Ok(getgrouplist(&name, user.gid)?.into_iter().map(Gid::as_raw).collect())
}

/// The names of users that were asked for, at most [`NAMES_MAX`]; when it is full it starts anew.
/// A number without a name is remembered too, a failed look-up is not.
#[derive(Debug, Default)]
pub struct Names {
    by_uid: Mutex<HashMap<u32, Option<String>>>,
}

impl Names {
    /// The name of this user. The look-up is done without the lock, so that a slow one holds up
    /// nobody whose name is known.
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

    /// Whether [`Names::get`] knows without a look-up.
    pub fn knows(&self, uid: u32) -> bool {
        self.lock().contains_key(&uid)
    }

    /// Forgets all of them: a reload looks them up again.
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
    fn root_is_nought_both_ways() {
        assert_eq!(user("root").expect("passwd"), Some(0));
        assert_eq!(group("root").expect("group"), Some(0));
        assert_eq!(user_name(0).expect("passwd").as_deref(), Some("root"));
        assert_eq!(group_name(0).expect("group").as_deref(), Some("root"));
        assert_eq!(user("no such user").expect("passwd"), None);
        assert_eq!(group("no such group").expect("group"), None);
    }

    #[test]
    fn roots_group_is_among_roots_groups() {
        assert!(groups_of(0).expect("databases").contains(&0));
        assert_eq!(groups_of(4_000_000_000).expect("databases"), [0; 0]);
    }

    #[test]
    fn the_cache_is_bounded() {
        let names = Names::default();
        assert_eq!(names.get(0).as_deref(), Some("root"));
        // Numbers without a name, from a range that Debian gives to nobody.
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

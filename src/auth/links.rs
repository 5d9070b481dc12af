//! One-time links that sign a user in to the monitor. They exist in memory only: a restart ends them.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::secret::{Hash, Secret};

/// How long a link that a client asked for is valid.
pub const LINK_VALID_FOR: Duration = Duration::from_secs(60);

/// How long the link that a starting agent prints to a terminal is valid.
pub const FIRST_LINK_VALID_FOR: Duration = Duration::from_secs(600);

/// Open links of one user. A further one ends the oldest.
pub const LINKS_OF_USER_MAX: usize = 16;

/// Open links in all. A further one ends the oldest.
pub const LINKS_MAX: usize = 1024;

/// The open links.
#[derive(Default)]
pub(crate) struct Links {
    open: Mutex<Vec<Link>>,
}

struct Link {
    hash: Hash,
    uid: u32,
    valid_until: Instant,
}

impl Links {
    fn open(&self) -> MutexGuard<'_, Vec<Link>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a link that signs in `uid` once.
    ///
    /// # Errors
    /// What the kernel says if it has no random numbers.
    pub(crate) fn create(&self, uid: u32, valid_for: Duration) -> io::Result<Secret> {
        let secret = Secret::random()?;
        let now = Instant::now();
        let mut open = self.open();
        open.retain(|link| link.valid_until > now);
        let of_user = open.iter().filter(|link| link.uid == uid).count();
        if of_user >= LINKS_OF_USER_MAX {
            let oldest = open.iter().position(|link| link.uid == uid);
            oldest.map(|at| open.remove(at));
        } else if open.len() >= LINKS_MAX {
            open.remove(0);
        }
        let hash = Hash::from_text(secret.text());
        open.push(Link { hash, uid, valid_until: now + valid_for });
        Ok(secret)
    }

    /// Ends the link with this secret, and returns its user. `None` if there is none: it was used, or has expired.
    /// The time this takes does not depend on the text.
    pub(crate) fn redeem(&self, text: &str) -> Option<u32> {
        let hash = Hash::from_text(text);
        let now = Instant::now();
        let mut open = self.open();
        open.retain(|link| link.valid_until > now);
        let found = open
            .iter()
            .enumerate()
            .fold(None, |found, (at, link)| if link.hash == hash { Some(at) } else { found });
        found.map(|at| open.remove(at).uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once() {
        let links = Links::default();
        let secret = links.create(1000, LINK_VALID_FOR).expect("random numbers");
        assert_eq!(links.redeem("guessed"), None);
        assert_eq!(links.redeem(secret.text()), Some(1000));
        assert_eq!(links.redeem(secret.text()), None);
    }

    #[test]
    fn an_expired_link_does_not_work() {
        let links = Links::default();
        let secret = links.create(1000, Duration::ZERO).expect("random numbers");
        assert_eq!(links.redeem(secret.text()), None);
    }

    #[test]
    fn one_link_too_many_ends_the_oldest_of_its_user() {
        let links = Links::default();
        let create = |uid| links.create(uid, LINK_VALID_FOR).expect("random numbers");
        let other = create(1);
        let own: Vec<Secret> = (0..=LINKS_OF_USER_MAX).map(|_| create(1000)).collect();
        let valid: Vec<bool> = own.iter().map(|s| links.redeem(s.text()).is_some()).collect();
        assert!(!valid[0] && valid[1..].iter().all(|valid| *valid));
        assert_eq!(links.redeem(other.text()), Some(1));
    }
}

//! Sign-in links: the session creates them, the monitor redeems them.

use std::io;
use std::time::Duration;

use crate::auth::links::Links;

/// The open sign-in links of the monitor, as URLs.
pub(crate) struct SignInLinks {
    links: Links,
    /// The URL of the monitor: ends with `/`.
    url: String,
}

impl SignInLinks {
    pub(crate) fn new(url: String) -> Self {
        Self { links: Links::default(), url }
    }

    /// A one-time URL that signs in `uid`.
    ///
    /// # Errors
    /// What the kernel says if it has no random numbers.
    pub(crate) fn create(&self, uid: u32, valid_for: Duration) -> io::Result<String> {
        let secret = self.links.create(uid, valid_for)?;
        Ok(format!("{}login?link={}", self.url, secret.text()))
    }

    /// Ends the link with this secret, and returns its user. `None` if there is none: it was used, or has expired.
    pub(crate) fn redeem(&self, secret: &str) -> Option<u32> {
        self.links.redeem(secret)
    }
}

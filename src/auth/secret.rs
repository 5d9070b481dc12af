//! Secrets and their hashes.

use std::io;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::sys::random;

/// The size of a secret, in bytes of randomness.
const SECRET_LEN: usize = 32;

/// A random secret as text: 64 hexadecimal digits.
pub struct Secret(String);

impl Secret {
    /// A new secret.
    ///
    /// # Errors
    /// What the kernel says if it has no random numbers.
    pub fn random() -> io::Result<Self> {
        Ok(Self(hex(&random::bytes::<SECRET_LEN>()?)))
    }

    /// The text, to be shown once and never stored.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// The SHA-256 of a secret's text. Secrets are 256 random bits, so plain SHA-256 suffices: there is no
/// low-entropy secret to stretch. Compared in constant time.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Hash([u8; SHA256_OUTPUT_LEN]);

impl Hash {
    /// The hash of a secret's text.
    pub fn from_text(text: &str) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }

    /// The hash with these 64 hexadecimal digits. `None` if they are something else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        let digits = text.len() == 2 * hash.len() && text.bytes().all(|b| b.is_ascii_hexdigit());
        for (at, byte) in hash.iter_mut().enumerate().filter(|_| digits) {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        digits.then_some(Self(hash))
    }

    /// 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }
}

impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Secrets that authenticate clients: their hashes, and the files that hold them.
//!
//! A [`Secret`](secret::Secret) is 256 random bits, shown once. The agent keeps its
//! [`Hash`](secret::Hash) only, in a [file](mod@file) of JSON lines that is replaced as a whole. [`tokens`] are the
//! secrets of the TCP bridge, [`sessions`] those of the monitor's cookies, and [`links`] sign in to it once.
//!
//! ```
//! use pulsed::auth::secret::{Hash, Secret};
//!
//! let secret = Secret::random()?;
//! let hash = Hash::from_text(secret.text());
//! assert_eq!(Hash::from_hex(&hash.to_hex()), Some(hash));
//! assert_ne!(hash, Hash::from_text("guessed"));
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod file;
pub mod links;
pub mod secret;
pub mod sessions;
pub mod tokens;

//! The operating system: paths, files, sockets, peers, users, signals. The only user of nix, directories,
//! rustix, signal-hook, listenfd and sd-notify.
//!
//! ```
//! use pulsed::sys::paths;
//!
//! // Only root has no agent of its own, and users without a runtime directory.
//! let own = paths::user_socket();
//! assert!(own.is_none_or(|path| path.ends_with("pulsed/pulsed.sock")));
//! ```

#[cfg(feature = "agent")]
pub mod background;
#[cfg(feature = "agent")]
mod cgroup;
pub mod child;
#[cfg(any(feature = "agent", feature = "tail"))]
pub mod clock;
pub mod connect;
#[cfg(feature = "agent")]
pub mod datagram;
#[cfg(feature = "agent")]
pub mod directory;
#[cfg(any(feature = "agent", feature = "tail"))]
pub mod files;
#[cfg(feature = "agent")]
pub mod host;
#[cfg(feature = "tail")]
pub mod interrupt;
#[cfg(feature = "agent")]
pub mod limits;
#[cfg(feature = "agent")]
pub mod lock;
pub mod paths;
#[cfg(feature = "agent")]
pub mod peer;
pub mod poll;
#[cfg(feature = "agent")]
pub mod random;
#[cfg(feature = "agent")]
pub mod signals;
#[cfg(feature = "agent")]
pub(crate) mod single_flight;
#[cfg(feature = "agent")]
pub mod socket;
#[cfg(feature = "agent")]
pub mod systemd;
pub mod tcp;
#[cfg(feature = "agent")]
pub mod tcp_peer;
#[cfg(feature = "agent")]
pub mod users;
#[cfg(any(feature = "agent", feature = "tail"))]
pub mod zone;

//! Files in places where others may write.

use nix::fcntl::OFlag;

/// Flags for opening: a symbolic link is an error and is not followed, so that nobody who may write to a
/// directory makes us read or write another file than the one that was meant; and a pipe with nobody at its
/// other end is not waited for (open(2)).
pub const NO_FOLLOW: i32 = OFlag::O_NOFOLLOW.bits() | OFlag::O_NONBLOCK.bits();

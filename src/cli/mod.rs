//! The three commands.

#[cfg(feature = "agent")]
pub mod agent;
pub mod send;
#[cfg(feature = "tail")]
pub mod tail;

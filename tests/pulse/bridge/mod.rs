//! The way in by TCP: tokens, TLS, and strangers.

pub(crate) mod tls;
mod tokens;
mod unauthenticated;

/// A bridge on this machine, on whichever port is free.
pub(crate) const BRIDGE: &str = "tcp.listen = \"127.0.0.1:0\"";

/// What is answered to whatever a stranger says that is no good token.
pub(crate) const REFUSAL: &str = "ERR 77 not permitted: say AUTH and a token that this agent knows";

/// A token that is well-formed, and that nobody has.
pub(crate) const WRONG: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

//! The TCP bridge: authentication, tokens and TLS.

pub(crate) mod tls;
mod tokens;
mod unauthenticated;

/// A bridge on loopback, on a free port.
pub(crate) const BRIDGE: &str = "tcp.listen = \"127.0.0.1:0\"";

/// The answer to every line of an unauthenticated client that is not a good token.
pub(crate) const REFUSAL: &str = "ERR 77 not permitted: say AUTH and a token that this agent knows";

/// A well-formed token that the agent does not know.
pub(crate) const WRONG: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

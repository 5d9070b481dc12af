//! `[tcp]`: the bridge.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Spanned;

use super::check::{Fault, PATH_MAX, checked, path};
use super::error::{Problem, Wrong};
use super::raw::RawTcp;
use super::{Tcp, TlsFiles};

/// The name of the file with the tokens, beside the history if nobody says where.
const TOKENS: &str = "tokens";

/// Where the tokens are kept; none where no place is known.
pub(super) fn tokens(
    typed: Option<Spanned<String>>,
    history: Option<PathBuf>,
) -> Result<Option<PathBuf>, Fault> {
    match typed {
        None => Ok(history.map(|dir| dir.join(TOKENS))),
        typed => path("tcp.tokens", typed, Err(Problem::NoHome), PATH_MAX).map(Some),
    }
}

/// The bridge, which is off unless it is said where it listens.
pub(super) fn tcp(raw: RawTcp, has_tokens: bool) -> Result<Option<Tcp>, Fault> {
    let file = |key, typed: Option<Spanned<String>>| match typed {
        None => Ok(None),
        typed => path(key, typed, Err(Problem::NoHome), PATH_MAX).map(Some),
    };
    let half = |given: &Option<Spanned<String>>, missing| {
        let span = given.as_ref().map(Spanned::span).unwrap_or_default();
        Fault::from(Wrong { span, problem: Problem::Half(missing) })
    };
    let tls = match (&raw.cert, &raw.key) {
        (Some(_), None) => return Err(half(&raw.cert, "tcp.key")),
        (None, Some(_)) => return Err(half(&raw.key, "tcp.cert")),
        _ => {
            let both = (file("tcp.cert", raw.cert)?, file("tcp.key", raw.key)?);
            if let (Some(cert), Some(key)) = both { Some(TlsFiles { cert, key }) } else { None }
        }
    };
    let Some(listen) = raw.listen else { return Ok(None) };
    if !has_tokens {
        return Err(Fault::Default("tcp.tokens", Problem::NoHome));
    }
    let listen = checked(listen, |text| {
        let address: SocketAddr = text.parse().map_err(|_| Problem::Listen(text))?;
        if tls.is_none() && !address.ip().is_loopback() {
            return Err(Problem::NoTls(address));
        }
        Ok(address)
    })?;
    Ok(Some(Tcp { listen, tls }))
}

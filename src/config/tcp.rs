//! `[tcp]`: the bridge.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::checks::{PATH_MAX, checked, path};
use super::error::{Fault, Problem, Wrong};
use super::tls::{TlsFiles, TlsKeys};

/// The name of the default file for tokens, in the directory of the history.
const TOKENS: &str = "tokens";

/// The section, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Where it listens. A loopback address unless [`Tcp::tls`] is set.
    pub listen: SocketAddr,
    /// Its certificate. `None` means no TLS.
    pub tls: Option<TlsFiles>,
}

/// The section as typed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [tcp]")]
pub(super) struct RawTcp {
    listen: Option<Spanned<String>>,
    cert: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    tokens: Option<Spanned<String>>,
}

impl RawTcp {
    /// `true` if a certificate is set without an address to listen on.
    pub(super) const fn is_certificate_unused(&self) -> bool {
        self.cert.is_some() && self.listen.is_none()
    }

    /// Returns the file for tokens, by default in `history`. `None` if there is no default.
    pub(super) fn tokens(&mut self, history: Option<PathBuf>) -> Result<Option<PathBuf>, Fault> {
        match self.tokens.take() {
            None => Ok(history.map(|dir| dir.join(TOKENS))),
            typed => path("tcp.tokens", typed, Err(Problem::NoHome), PATH_MAX).map(Some),
        }
    }

    /// Checks the section. `None` if there is no address to listen on.
    pub(super) fn check(self, has_tokens: bool) -> Result<Option<Tcp>, Fault> {
        let tls = tls_files(TlsKeys::TCP, self.cert, self.key)?;
        let Some(listen) = self.listen else { return Ok(None) };
        if !has_tokens {
            return Err(Fault::Default("tcp.tokens", Problem::NoHome));
        }
        let listen = checked(listen, |text| {
            let address: SocketAddr = text.parse().map_err(|_| Problem::Listen(text))?;
            if tls.is_none() && !address.ip().is_loopback() {
                return Err(Problem::NoTls { address, keys: TlsKeys::TCP });
            }
            Ok(address)
        })?;
        Ok(Some(Tcp { listen, tls }))
    }
}

/// Checks a certificate and its key: both or none.
pub(super) fn tls_files(
    keys: TlsKeys,
    cert: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
) -> Result<Option<TlsFiles>, Fault> {
    let file = |key, typed| path(key, Some(typed), Err(Problem::NoHome), PATH_MAX);
    let half = |given: &Spanned<String>, missing| {
        Err(Wrong { span: given.span(), problem: Problem::Half { keys, missing } }.into())
    };
    match (cert, key) {
        (None, None) => Ok(None),
        (Some(cert), None) => half(&cert, keys.key),
        (None, Some(key)) => half(&key, keys.cert),
        (Some(cert), Some(key)) => {
            let (cert, key) = (file(keys.cert, cert)?, file(keys.key, key)?);
            Ok(Some(TlsFiles { keys, cert, key }))
        }
    }
}

//! TLS over TCP, and whom it trusts.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore,
};

use super::left_until;
use crate::wire::Code;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The other side is silent.
    #[error("no TLS: no answer for {0:?}")]
    TimedOut(Duration),
    /// The other side is gone.
    #[error("no TLS: it closed the connection: is it a pulsed with a certificate?")]
    Closed,
    /// What the kernel says.
    #[error("no TLS: {0}")]
    Io(io::Error),
    /// The other side speaks an older TLS.
    #[error("no TLS: {0}: only TLS 1.3 will do")]
    Older(Error),
    /// The other side speaks something else.
    #[error(
        "no TLS: what answers speaks something else: is it the port of a pulsed with a certificate?"
    )]
    Strange,
    /// Its certificate is not that of the host.
    #[error("its certificate is not trusted: {0}")]
    Certificate(BadCertificate),
    /// The host's name is none that a certificate can have.
    #[error("no TLS: no certificate can be for such a name")]
    Name,
    /// The file of certificates cannot be used.
    #[error("cannot read: --ca: {}: {source}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BadCa,
    },
    /// This machine trusts nobody.
    #[error("this machine has no certificates of its own to trust: name the CA's with --ca FILE")]
    NoRoots,
    /// rustls does not do it.
    #[error("no TLS: {0}")]
    Other(Error),
}

/// What is wrong with the certificate of the other side.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    /// Nobody whom we trust made it.
    #[error("{}", match ca {
        Some(path) => format!("it is not of the CA in {}", path.display()),
        None => "nobody whom this machine trusts issued it: name its CA's with --ca FILE".into(),
    })]
    Issuer {
        /// Whom we trust instead of the system's.
        ca: Option<PathBuf>,
    },
    /// It is for another host.
    #[error("it is not for {host}{}", match for_these.as_slice() {
        [] => String::new(),
        names => format!(", but for {}", names.join(" and ")),
    })]
    Host {
        /// What was asked for.
        host: String,
        /// Whom it is for, as far as that is known.
        for_these: Vec<String>,
    },
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come, or the clock is wrong.
    #[error("it is not valid yet: is this machine's clock right?")]
    Early,
    /// A CA's own in the place of a server's, as `openssl req -x509` makes them unless told otherwise.
    #[error("it is a CA's own, not a server's: make one with CA:FALSE, as pulsed(8) tells")]
    Authority,
    /// Anything else.
    #[error("{0}")]
    Other(CertificateError),
}

/// What is wrong with a file of certificates.
#[derive(Debug, thiserror::Error)]
pub enum BadCa {
    /// It cannot be read, or is no PEM.
    #[error("{}", match .0 {
        pem::Error::Io(cause) => cause.to_string(),
        pem::Error::MissingSectionEnd { .. } => "it breaks off: the line -----END is missing".into(),
        other => other.to_string(),
    })]
    Pem(pem::Error),
    /// There is none in it.
    #[error("there is no certificate in it")]
    Empty,
    /// One in it is none.
    #[error("{0}")]
    Certificate(Error),
}

impl TlsError {
    /// The exit code that it becomes.
    pub(super) const fn code(&self) -> Code {
        match self {
            Self::TimedOut(_) => Code::Later,
            Self::Ca { .. } => Code::Usage,
            _ => Code::Unavailable,
        }
    }

    fn of(error: Error, host: &str, ca: Option<&Path>) -> Self {
        use CertificateError as Bad;
        let bad = match error {
            Error::InvalidCertificate(bad) => bad,
            Error::InvalidMessage(_) => return Self::Strange,
            error @ (Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerIncompatible(_)
            | Error::AlertReceived(AlertDescription::ProtocolVersion)) => {
                return Self::Older(error);
            }
            error => return Self::Other(error),
        };
        let host = host.to_owned();
        Self::Certificate(match bad {
            Bad::UnknownIssuer => BadCertificate::Issuer { ca: ca.map(Path::to_owned) },
            Bad::NotValidForNameContext { presented, .. } => {
                let for_these = presented.iter().map(|name| plain(name).to_owned()).collect();
                BadCertificate::Host { host, for_these }
            }
            Bad::NotValidForName => BadCertificate::Host { host, for_these: Vec::new() },
            Bad::Expired | Bad::ExpiredContext { .. } => BadCertificate::Expired,
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => BadCertificate::Early,
            // rustls has no word of its own for it.
            Bad::Other(ref other) if other.to_string() == "CaUsedAsEndEntity" => {
                BadCertificate::Authority
            }
            bad => BadCertificate::Other(bad),
        })
    }
}

/// A name in a certificate, which rustls tells as `DnsName("web1")` or `IpAddress(192.0.2.7)`.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.map_or(name, |inner| inner.trim_matches('"'))
}

/// A TCP connection under TLS.
#[derive(Debug)]
pub(super) struct Tls {
    session: ClientConnection,
    tcp: TcpStream,
}

impl Tls {
    /// Agrees with the other side on TLS, after it has shown a certificate for `host` that `ca` issued;
    /// without that, somebody whom the system trusts. All of it within `timeout`, which is each write's
    /// bound afterwards.
    ///
    /// # Errors
    /// [`TlsError`]
    pub(super) fn agree(
        tcp: TcpStream,
        host: &str,
        ca: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, TlsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name)?;
        // Read anew for each connection: one that lasts for months outlives a CA.
        let config = trusting(ca)?;
        let session = ClientConnection::new(Arc::new(config), name).map_err(TlsError::Other)?;
        let mut own = Self { session, tcp };
        own.shake_hands(host, ca, timeout)?;
        own.bound(Some(timeout), None)?;
        Ok(own)
    }

    fn shake_hands(
        &mut self,
        host: &str,
        ca: Option<&Path>,
        timeout: Duration,
    ) -> Result<(), TlsError> {
        let end = Instant::now() + timeout;
        while self.session.is_handshaking() {
            let left = left_until(end).ok_or(TlsError::TimedOut(timeout))?;
            self.bound(Some(left), Some(left))?;
            let moved = if self.session.wants_write() {
                self.session.write_tls(&mut self.tcp)
            } else {
                self.session.read_tls(&mut self.tcp)
            };
            match moved {
                Ok(0) => return Err(TlsError::Closed),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Err(TlsError::TimedOut(timeout)),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                        return Err(TlsError::Closed);
                    }
                    _ => return Err(TlsError::Io(error)),
                },
            }
            if let Err(error) = self.session.process_new_packets() {
                self.say_last();
                return Err(TlsError::of(error, host, ca));
            }
        }
        // What is left to be written of it goes with the first bytes of ours.
        Ok(())
    }

    fn bound(&self, write: Option<Duration>, read: Option<Duration>) -> Result<(), TlsError> {
        let set = self.tcp.set_write_timeout(write);
        set.and_then(|()| self.tcp.set_read_timeout(read)).map_err(TlsError::Io)
    }

    /// What it goes over.
    pub(super) const fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// See [`super::stream::Stream::read`]. What was decrypted already comes first: poll(2) knows
    /// nothing of it. A read that times out within a record is gone on with by the next one.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.session.reader().read(buffer) {
            Ok(length) => return Ok(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // An end without a word of farewell: the protocol's own answers tell what was taken.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            Err(error) => return Err(error),
        }
        if self.session.wants_write() {
            // An answer that TLS itself owes. Should it not get away now, the next write takes it along.
            let _ = self.session.write_tls(&mut self.tcp);
        }
        self.session.read_tls(&mut self.tcp)?;
        if let Err(error) = self.session.process_new_packets() {
            self.say_last();
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        match self.session.reader().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::ErrorKind::Interrupted.into())
            }
            read => read,
        }
    }

    /// See [`super::stream::Stream::write`].
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = if self.holds() { 0 } else { self.session.writer().write(bytes)? };
        match self.session.write_tls(&mut self.tcp)? {
            0 if self.holds() => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(taken),
        }
    }

    /// See [`super::stream::Stream::holds`].
    pub(super) fn holds(&self) -> bool {
        self.session.wants_write()
    }

    /// Says what TLS has to say at the end, if it can be said without waiting.
    fn say_last(&mut self) {
        if self.tcp.set_nonblocking(true).is_ok() {
            while self.session.wants_write() {
                if !matches!(self.session.write_tls(&mut self.tcp), Ok(1..)) {
                    break;
                }
            }
        }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        // Behind a part of what was to be sent, a farewell would make it look whole.
        if !self.holds() {
            self.session.send_close_notify();
            self.say_last();
        }
    }
}

/// TLS 1.3 with whom `ca` vouches for; without that, the system's.
fn trusting(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let roots = match ca {
        Some(path) => {
            in_file(path).map_err(|source| TlsError::Ca { path: path.to_owned(), source })?
        }
        None => {
            let mut roots = RootCertStore::empty();
            // One that rustls does not understand is as one that is not there.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TlsError::NoRoots);
            }
            roots
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13]);
    let mut config =
        config.map_err(TlsError::Other)?.with_root_certificates(roots).with_no_client_auth();
    // Each connection has a configuration of its own: nothing could be resumed.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn in_file(path: &Path) -> Result<RootCertStore, BadCa> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(BadCa::Pem)? {
        roots.add(certificate.map_err(BadCa::Pem)?).map_err(BadCa::Certificate)?;
    }
    if roots.is_empty() { Err(BadCa::Empty) } else { Ok(roots) }
}

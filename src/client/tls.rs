//! TLS over TCP, and the certificates it trusts.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore,
};

use super::deadline::Deadline;
use crate::wire::{Answer, Answers, Code, WHY_MAX};

/// Why the TLS handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The peer did not answer in time.
    #[error("no TLS: no answer within {0:?}")]
    TimedOut(Duration),
    /// The peer closed the connection.
    #[error("no TLS: the peer closed the connection: is it a pulsed with a certificate?")]
    Closed,
    /// A system call failed.
    #[error("no TLS: {0}")]
    Io(io::Error),
    /// The peer only speaks an older version.
    #[error("no TLS: {0}: TLS 1.3 is required")]
    OldVersion(Error),
    /// The peer refused the connection before TLS, for now. Nothing proves who said so.
    #[error("refused before TLS: {0}")]
    Busy(String),
    /// The peer does not speak TLS.
    #[error("no TLS: the peer does not speak TLS: is it the port of a pulsed with a certificate?")]
    NotTls,
    /// The certificate is not valid for the host.
    #[error("the server's certificate is not trusted: {0}")]
    Certificate(BadCertificate),
    /// The host name cannot be in a certificate.
    #[error("no TLS: no certificate can be for this host name")]
    Name,
    /// The file of certificates cannot be used.
    #[error("cannot read: --ca: {}: {source}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BadCa,
    },
    /// The system has no trusted certificates.
    #[error("no TLS: the system has no trusted certificates: name the CA's with --ca FILE")]
    NoRoots,
    /// Another error of rustls.
    #[error("no TLS: {0}")]
    Other(Error),
}

/// What is wrong with the server's certificate.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    /// No trusted CA issued it.
    #[error("{}", match ca {
        Some(path) => format!("not issued by the CA in {}", path.display()),
        None => "not issued by a CA that this machine trusts: name the CA's with --ca FILE".into(),
    })]
    Issuer {
        /// The file of the trusted CA. `None` means the system's.
        ca: Option<PathBuf>,
    },
    /// It is for another host.
    #[error("it is not for {host}{}", match names.as_slice() {
        [] => String::new(),
        names => format!(", but for {}", names.join(" and ")),
    })]
    Host {
        /// The requested host.
        host: String,
        /// The names in the certificate, if known.
        names: Vec<String>,
    },
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It is not valid yet, or the local clock is wrong.
    #[error("it is not valid yet: is this machine's clock right?")]
    NotYetValid,
    /// It is a CA certificate, as `openssl req -x509` creates by default.
    #[error("it is a CA certificate, not a server's: create one with CA:FALSE, see pulsed(8)")]
    IsCa,
    /// Another error.
    #[error("{0}")]
    Other(CertificateError),
}

/// What is wrong with a file of certificates.
#[derive(Debug, thiserror::Error)]
pub enum BadCa {
    /// It cannot be read, or is not PEM.
    #[error("{}", match .0 {
        pem::Error::Io(cause) => cause.to_string(),
        pem::Error::MissingSectionEnd { .. } => "the line -----END is missing".into(),
        other => other.to_string(),
    })]
    Pem(pem::Error),
    /// It holds no certificate.
    #[error("no certificate in this file")]
    Empty,
    /// One of the certificates is malformed.
    #[error("{0}")]
    Certificate(Error),
}

impl TlsError {
    /// The code of the exit status.
    pub(super) const fn code(&self) -> Code {
        match self {
            Self::TimedOut(_) | Self::Busy(_) => Code::Later,
            Self::Ca { .. } => Code::Usage,
            _ => Code::Unavailable,
        }
    }

    fn from_rustls(error: Error, host: &str, ca: Option<&Path>) -> Self {
        use CertificateError as Bad;
        let bad = match error {
            Error::InvalidCertificate(bad) => bad,
            Error::InvalidMessage(_) => return Self::NotTls,
            error @ (Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerIncompatible(_)
            | Error::AlertReceived(AlertDescription::ProtocolVersion)) => {
                return Self::OldVersion(error);
            }
            error => return Self::Other(error),
        };
        let host = host.to_owned();
        Self::Certificate(match bad {
            Bad::UnknownIssuer => BadCertificate::Issuer { ca: ca.map(Path::to_owned) },
            Bad::NotValidForNameContext { presented, .. } => {
                let names = presented.iter().map(|name| plain(name).to_owned()).collect();
                BadCertificate::Host { host, names }
            }
            Bad::NotValidForName => BadCertificate::Host { host, names: Vec::new() },
            Bad::Expired | Bad::ExpiredContext { .. } => BadCertificate::Expired,
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => BadCertificate::NotYetValid,
            // rustls has no variant for it.
            Bad::Other(ref other) if other.to_string() == "CaUsedAsEndEntity" => {
                BadCertificate::IsCa
            }
            bad => BadCertificate::Other(bad),
        })
    }
}

/// Extracts the name from rustls' `DnsName("web1")` or `IpAddress(192.0.2.7)`.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.map_or(name, |inner| inner.trim_matches('"'))
}

/// A TLS session over TCP.
#[derive(Debug)]
pub(super) struct Tls {
    session: ClientConnection,
    tcp: TcpStream,
}

impl Tls {
    /// Completes the handshake. The peer must have a certificate for `host` from a CA in the file `ca`, or
    /// without that from one that the system trusts. `timeout` bounds the handshake and remains the timeout
    /// of each write.
    ///
    /// # Errors
    /// [`TlsError`]
    pub(super) fn handshake(
        tcp: TcpStream,
        host: &str,
        ca: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, TlsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name)?;
        // Read for each connection: a process that reconnects for months may outlive a CA.
        let config = client_config(ca)?;
        let session = ClientConnection::new(Arc::new(config), name).map_err(TlsError::Other)?;
        let mut own = Self { session, tcp };
        own.complete_handshake(host, ca, timeout)?;
        own.set_timeouts(Some(timeout), None)?;
        Ok(own)
    }

    fn complete_handshake(
        &mut self,
        host: &str,
        ca: Option<&Path>,
        timeout: Duration,
    ) -> Result<(), TlsError> {
        let deadline = Deadline::after(timeout);
        let mut answered = false;
        while self.session.is_handshaking() {
            let left = deadline.left().ok_or(TlsError::TimedOut(timeout))?;
            self.set_timeouts(Some(left), Some(left))?;
            let moved = if self.session.wants_write() {
                self.session.write_tls(&mut self.tcp)
            } else if answered {
                self.session.read_tls(&mut self.tcp)
            } else {
                answered = true;
                match self.peek_refusal() {
                    Ok(Some(why)) => return Err(TlsError::Busy(why)),
                    Ok(None) => self.session.read_tls(&mut self.tcp),
                    Err(error) => Err(error),
                }
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
                self.flush_without_blocking();
                return Err(TlsError::from_rustls(error, host, ca));
            }
        }
        // The rest of its last flight is sent with our first bytes.
        Ok(())
    }

    /// Returns why a bridge with too many connections refuses this one: it does so before the handshake.
    fn peek_refusal(&self) -> io::Result<Option<String>> {
        let mut begin = [0; 4 * WHY_MAX];
        let length = self.tcp.peek(&mut begin)?;
        let mut answers = Answers::new();
        answers.push(&begin[..length]);
        Ok(match answers.next() {
            Some(Ok(Answer::Err { code: Code::Later, why })) => Some(why.to_owned()),
            _ => None,
        })
    }

    fn set_timeouts(
        &self,
        write: Option<Duration>,
        read: Option<Duration>,
    ) -> Result<(), TlsError> {
        let set = self.tcp.set_write_timeout(write);
        set.and_then(|()| self.tcp.set_read_timeout(read)).map_err(TlsError::Io)
    }

    /// The TCP connection.
    pub(super) const fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// See [`super::stream::Stream::read`]. Decrypted bytes come first: poll(2) does not see them. After a
    /// timeout within a record, the next read continues with it.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.session.reader().read(buffer) {
            Ok(length) => return Ok(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A missing close_notify is harmless: the protocol's answers acknowledge what was received.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            Err(error) => return Err(error),
        }
        if self.session.wants_write() {
            // A message of TLS itself. If it cannot be sent now, the next write sends it.
            let _ = self.session.write_tls(&mut self.tcp);
        }
        self.session.read_tls(&mut self.tcp)?;
        if let Err(error) = self.session.process_new_packets() {
            self.flush_without_blocking();
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
        let accepted = if self.has_unsent() { 0 } else { self.session.writer().write(bytes)? };
        match self.session.write_tls(&mut self.tcp)? {
            0 if self.has_unsent() => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(accepted),
        }
    }

    /// See [`super::stream::Stream::has_unsent`].
    pub(super) fn has_unsent(&self) -> bool {
        self.session.wants_write()
    }

    /// Sends pending TLS messages, an alert or close_notify, as far as possible without blocking.
    fn flush_without_blocking(&mut self) {
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
        // After a partial write, close_notify would make the data look complete.
        if !self.has_unsent() {
            self.session.send_close_notify();
            self.flush_without_blocking();
        }
    }
}

/// TLS 1.3 with the certificates in `ca`, or without that with the system's.
fn client_config(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let roots = match ca {
        Some(path) => {
            read_ca(path).map_err(|source| TlsError::Ca { path: path.to_owned(), source })?
        }
        None => {
            let mut roots = RootCertStore::empty();
            // Certificates that rustls cannot parse are skipped.
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
    // Each connection has its own configuration, so no session can be resumed.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn read_ca(path: &Path) -> Result<RootCertStore, BadCa> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(BadCa::Pem)? {
        roots.add(certificate.map_err(BadCa::Pem)?).map_err(BadCa::Certificate)?;
    }
    if roots.is_empty() { Err(BadCa::Empty) } else { Ok(roots) }
}

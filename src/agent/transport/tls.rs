//! TLS of the bridge and the monitor: loading certificate and key, and the server's side of the handshake.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, CertificateError, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::handshakes::Handshakes;
use crate::config::TlsFiles;

/// The first byte of every TLS connection: a handshake record (RFC 8446, section 5.1).
pub(crate) const HANDSHAKE_RECORD: u8 = 22;

/// Accepts TLS connections, with a certificate that a reload can replace.
pub(crate) struct Acceptor {
    /// `None` without a certificate.
    config: Mutex<Option<Arc<ServerConfig>>>,
    handshakes: Arc<Handshakes>,
}

/// Why a TLS connection is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    #[error("TLS is not configured: no certificate is set")]
    NotConfigured,
    #[error("TLS: {0}")]
    Handshake(#[from] io::Error),
}

impl Acceptor {
    pub(crate) fn new(config: Option<Arc<ServerConfig>>, handshakes: Arc<Handshakes>) -> Self {
        Self { config: Mutex::new(config), handshakes }
    }

    /// Uses this certificate from the next handshake on. Established connections are not affected.
    pub(crate) fn replace(&self, config: Arc<ServerConfig>) {
        *self.config() = Some(config);
    }

    /// Runs the handshake, on the thread that all of them share.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, AcceptError> {
        let config = self.config().clone().ok_or(AcceptError::NotConfigured)?;
        Ok(self.handshakes.run(TlsAcceptor::from(config).accept(stream)).await??)
    }

    fn config(&self) -> MutexGuard<'_, Option<Arc<ServerConfig>>> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or is not PEM.
    #[error("cannot read {what} {}: {cause}", path.display())]
    Read {
        /// The key that names it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The error.
        cause: io::Error,
    },
    /// The file holds no item of the kind that is needed.
    #[error("{what} {}: no PEM {wanted} found", path.display())]
    Empty {
        /// The key that names it.
        what: &'static str,
        /// The kind of item.
        wanted: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not match, or use an algorithm that is no longer supported.
    #[error("{} {} and {} {}: {}", files.keys.cert, files.cert.display(), files.keys.key,
        files.key.display(), explain_pair(cause))]
    Pair {
        /// The files.
        files: TlsFiles,
        /// The error of the TLS library.
        cause: rustls::Error,
    },
}

/// The application protocols of the monitor, the preferred one first (RFC 7301).
pub const HTTP_PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// Reads certificate and key. The server speaks TLS 1.3 (RFC 8446) only: there are no older clients. It offers these
/// application protocols.
///
/// # Errors
/// [`TlsError`] if a file is missing, not readable or not PEM, or if the two do not match.
pub fn load(files: &TlsFiles, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let (what, path) = (files.keys.cert, &files.cert);
    let read = CertificateDer::pem_file_iter(path).map_err(read_error(what, path));
    let chain: Result<Vec<_>, _> = read?.collect();
    let chain = chain.map_err(read_error(what, path))?;
    if chain.is_empty() {
        return Err(TlsError::Empty { what, wanted: "certificate", path: path.clone() });
    }
    let (what, path) = (files.keys.key, &files.key);
    let key = match PrivateKeyDer::from_pem_file(path) {
        Err(pem::Error::NoItemsFound) => {
            return Err(TlsError::Empty {
                what,
                wanted: "private key without a passphrase",
                path: path.clone(),
            });
        }
        key => key.map_err(read_error(what, path))?,
    };
    let pair = |cause| TlsError::Pair { files: files.clone(), cause };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The cause in the operator's terms.
fn explain_pair(cause: &rustls::Error) -> String {
    match cause {
        rustls::Error::InconsistentKeys(_) => "the key does not belong to the certificate".into(),
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string() == "UnsupportedCertVersion" =>
        {
            "the certificate names no host: create it with a subjectAltName".into()
        }
        other => other.to_string(),
    }
}

fn read_error(what: &'static str, path: &Path) -> impl Fn(pem::Error) -> TlsError {
    let path = path.to_owned();
    move |error| {
        let cause = match error {
            pem::Error::Io(cause) => cause,
            pem::Error::MissingSectionEnd { .. } => {
                io::Error::other("truncated: the line -----END is missing")
            }
            other => io::Error::other(other.to_string()),
        };
        TlsError::Read { what, path: path.clone(), cause }
    }
}

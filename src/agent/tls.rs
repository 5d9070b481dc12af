//! With what the bridge proves who it is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, CertificateError, ServerConfig};

use crate::config::TlsFiles;

/// Why the certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or is not PEM.
    #[error("cannot read {what} {}: {cause}", path.display())]
    Read {
        /// `tcp.cert` or `tcp.key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: io::Error,
    },
    /// There is nothing in it that is wanted.
    #[error("{what} {}: there is no PEM {wanted} in it", path.display())]
    Empty {
        /// `tcp.cert` or `tcp.key`.
        what: &'static str,
        /// What is wanted.
        wanted: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// They do not go together, or are of a kind that is not used any more.
    #[error("tcp.cert {} and tcp.key {}: {}", cert.display(), key.display(), pair_told(cause))]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong with them.
        cause: rustls::Error,
    },
}

/// Reads certificate and key, and makes of them what a TLS server needs: version 1.3 (RFC 8446) only, since
/// every client is as young as this.
///
/// # Errors
/// [`TlsError`]: a file that is missing, not readable or not PEM, or two that do not go together.
pub fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let (what, path) = ("tcp.cert", &files.cert);
    let read = CertificateDer::pem_file_iter(path).map_err(read_error(what, path));
    let chain: Result<Vec<_>, _> = read?.collect();
    let chain = chain.map_err(read_error(what, path))?;
    if chain.is_empty() {
        return Err(TlsError::Empty { what, wanted: "certificate", path: path.clone() });
    }
    let (what, path) = ("tcp.key", &files.key);
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
    let pair = |cause| TlsError::Pair { cert: files.cert.clone(), key: files.key.clone(), cause };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    Ok(Arc::new(config))
}

/// What is wrong, in words for whoever made them.
fn pair_told(cause: &rustls::Error) -> String {
    match cause {
        rustls::Error::InconsistentKeys(_) => "the key is not that of the certificate".into(),
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string() == "UnsupportedCertVersion" =>
        {
            "the certificate names no machine: have it made with a subjectAltName".into()
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
                io::Error::other("it breaks off: the line -----END is missing")
            }
            other => io::Error::other(other.to_string()),
        };
        TlsError::Read { what, path: path.clone(), cause }
    }
}

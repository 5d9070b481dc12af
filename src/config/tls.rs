//! The files of TLS, for `[tcp]`, `[web]` and `[nats]`.

use std::path::PathBuf;

/// `cert` and `key` of `[tcp]`, `[web]` or `[nats]`: PEM files, absolute paths. Whether they exist and belong together is
/// only known when they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The keys that set them, for errors.
    pub keys: TlsKeys,
    /// The certificate, followed by its chain.
    pub cert: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
}

/// The names of the two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsKeys {
    /// Of the certificate.
    pub cert: &'static str,
    /// Of its private key.
    pub key: &'static str,
}

impl TlsKeys {
    /// Of the bridge.
    pub const TCP: Self = Self { cert: "tcp.cert", key: "tcp.key" };
    /// Of the monitor.
    pub const WEB: Self = Self { cert: "web.cert", key: "web.key" };
    /// Of the forwarder.
    pub const NATS: Self = Self { cert: "nats.cert", key: "nats.key" };
}

//! The certificate that pulsed(8) shows how to make: the bridge loads it and clients trust it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use pulsed::agent::tls;
use pulsed::config::{TlsFiles, TlsKeys};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::page::Page;

/// Makes `cert.pem` and `key.pem` in this directory with the command on the page.
pub(crate) fn make(dir: &Path) -> TlsFiles {
    let shown = Page::read("pulsed.8").displays();
    let script =
        shown.iter().find(|text| text.contains("openssl req")).expect("a command on the page");
    // The rest of the script is for the paths and users of an installed agent.
    let script: Vec<&str> = script.lines().map(|line| line.trim_start_matches("# ")).collect();
    let from = script.iter().position(|line| line.starts_with("openssl")).expect("the command");
    let to = from + script[from..].iter().position(|line| !line.ends_with('\\')).expect("its end");
    let command = script[from..=to].join("\n");
    let output = Command::new("sh").arg("-c").arg(&command).current_dir(dir).output().expect("sh");
    assert!(output.status.success(), "{command}: {output:?}");
    TlsFiles { keys: TlsKeys::TCP, cert: dir.join("cert.pem"), key: dir.join("key.pem") }
}

#[test]
fn documented_certificate_is_accepted() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = make(dir.path());
    tls::load(&files, &[]).unwrap_or_else(|e| panic!("{e}"));
    let cert = CertificateDer::from_pem_file(&files.cert).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(cert.clone()).expect("a certificate that clients can trust");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.expect("one root");
    let verify = |name: &'static str| {
        let name = ServerName::try_from(name).expect("a name");
        verifier.verify_server_cert(&cert, &[], &name, &[], UnixTime::now())
    };
    verify("web1").expect("the host name on the page");
    verify("web2").expect_err("another machine's name");
}

//! `--server` with TLS: the commands against `openssl s_server`, with certificates that openssl(1) issued.

use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::harness::{report, wait_for};
use crate::server::{Bridge, TOKEN, argument, both, both_fail, event, file_with};

/// The answers to one AUTH and one SYNC.
const ANSWERS: &str = "OK bridge\nOK 7f3a9c21-1042\n";

/// The name of the trusted CA.
const CA: &str = "ca";

/// CAs and certificates, in a directory of their own.
struct Certs(TempDir);

impl Certs {
    /// Creates two CAs, [`CA`] and `other`.
    fn new() -> Self {
        let own = Self(tempfile::tempdir().expect("a temporary directory"));
        let config = "[req]\ndistinguished_name=n\nx509_extensions=ca\n[n]\n[ca]\n\
            basicConstraints=critical,CA:TRUE\n";
        fs::write(own.path("config"), config).expect("a writable file");
        for name in [CA, "other"] {
            own.openssl(&format!(
                "req -config config -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                 -keyout {name}.key -out {name}.pem -subj /CN={name} -days 9"
            ));
        }
        own
    }

    /// Issues a certificate of [`CA`] and its key, for names like `DNS:web1.example`.
    fn issue(&self, name: &str, names: &str) {
        self.issue_with(&["openssl"], name, names);
    }

    fn issue_with(&self, launcher: &[&str], name: &str, names: &str) {
        self.openssl(&format!(
            "req -config config -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
             -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        fs::write(self.path("names"), format!("subjectAltName={names}")).expect("a writable file");
        self.run(
            launcher,
            &format!(
                "x509 -req -in {name}.csr -CA {CA}.pem -CAkey {CA}.key -CAcreateserial -days 9 \
                 -extfile names -out {name}.pem"
            ),
        );
    }

    fn openssl(&self, words: &str) {
        self.run(&["openssl"], words);
    }

    fn run(&self, launcher: &[&str], words: &str) {
        let mut command = Command::new(launcher[0]);
        command.args(&launcher[1..]).args(words.split_whitespace()).current_dir(self.0.path());
        let done = command.output().expect("tests/run installs openssl");
        assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path of a certificate, as an argument.
    fn cert(&self, name: &str) -> String {
        self.path(&format!("{name}.pem")).display().to_string()
    }
}

/// `openssl s_server`. Sends its stdin to the client, and prints what it receives.
struct TlsServer {
    child: Child,
    port: u16,
    stdin: ChildStdin,
    output: Arc<Mutex<String>>,
}

impl TlsServer {
    fn start(certs: &Certs, cert: &str, ip: &str, more: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", &format!("{ip}:0"), "-cert"]);
        command.arg(certs.cert(cert)).arg("-key").arg(certs.path(&format!("{cert}.key")));
        command.args(more).current_dir(certs.0.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("tests/run installs openssl");
        let (stdin, mut stdout) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        let output = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&output);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]);
                shared.lock().expect("no panic").push_str(&text);
            }
        });
        let port = wait_for("a TLS server that listens", || {
            let output = output.lock().expect("no panic");
            let (_, rest) = output.split_once("ACCEPT ")?;
            let address: SocketAddr = rest.split_once('\n')?.0.parse().ok()?;
            Some(address.port())
        });
        Self { child, port, stdin: stdin.expect("a pipe"), output }
    }

    /// Queues bytes for the next client.
    fn queue(&mut self, text: &str) {
        self.stdin.write_all(text.as_bytes()).expect("a running process");
    }

    fn output(&self) -> String {
        self.output.lock().expect("no panic").clone()
    }

    /// Waits until it has received this text.
    #[track_caller]
    fn wait_for_input(&self, text: &str) {
        wait_for(&format!("the server receives {text:?}"), || {
            self.output().contains(text).then_some(())
        });
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of this machine on the default route. `None`, with a report, if there is only loopback. Sends
/// nothing.
fn outer_address(what: &str) -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok();
    let routed = socket.filter(|socket| socket.connect("192.0.2.1:9").is_ok());
    let ip = routed.and_then(|socket| socket.local_addr().ok()).map(|address| address.ip());
    let ip = ip.filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    if ip.is_none() {
        report(&format!("\n*** NOT TESTED, because it needs a network: {what} ***\n"));
    }
    ip.map(|ip| ip.to_string())
}

#[test]
fn tls_carries_the_same_protocol() {
    let certs = Certs::new();
    certs.issue("server", "DNS:localhost,IP:127.0.0.1");
    let mut server = TlsServer::start(&certs, "server", "127.0.0.1", &["-tls1_3"]);
    let ca = certs.cert(CA);
    for host in ["127.0.0.1", "localhost"] {
        server.queue(ANSWERS);
        let at = format!("{host}:{}", server.port);
        let [send, _] = both(&at);
        assert_eq!(send.args(&["--ca", &ca, "--cursor", "-t", host]).ok(), "7f3a9c21-1042\n");
        server.wait_for_input(&format!("\"tag\":\"{host}\""));
    }
    assert_eq!(server.output().matches(&format!("AUTH {TOKEN}\n")).count(), 2);

    // More than a record and a read hold, so that some of it is buffered within TLS.
    let events = 3000;
    server.queue("OK bridge\nOK 7f3a9c21-1\n");
    let [_, tail] = both(&format!("localhost:{}", server.port));
    let mut tail = tail.args(&["--ca", &ca, "-f", "-o", "cat"]).start();
    for n in 0..events {
        server.queue(&event(n + 2, &format!("event {n}")));
    }
    for n in 0..events {
        assert_eq!(tail.line(), format!("event {n}"));
    }
    let cmdline = fs::read(format!("/proc/{}/cmdline", tail.pid())).expect("a running process");
    assert!(!String::from_utf8_lossy(&cmdline).contains(TOKEN));
    tail.signal(Signal::SIGINT);
    let done = tail.wait();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:#?}");
}

#[test]
fn silent_tls_server_times_out() {
    // The kernel completes the connections, and no process accepts them.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    let certs = Certs::new();
    let options = ["--timeout", "100ms", "--ca", &certs.cert(CA)];
    both_fail(&address, &options, 75, &["no TLS", "no answer"]);
}

#[test]
fn wrong_certificate_gets_no_token() {
    let certs = Certs::new();
    certs.issue("server", "IP:127.0.0.1");
    certs.issue("elsewhere", "DNS:web1.example,DNS:web2.example");
    // Issued under faketime(1).
    for (name, time) in [("expired", "2020-01-01"), ("early", "2060-01-01")] {
        certs.issue_with(&["faketime", time, "openssl"], name, "IP:127.0.0.1");
    }
    let (ca, other) = (certs.cert(CA), certs.cert("other"));
    for (cert, ca, words) in [
        ("server", &other, &["not issued by the CA in", other.as_str()][..]),
        ("elsewhere", &ca, &["not for 127.0.0.1, but for web1.example and web2.example"]),
        ("expired", &ca, &["expired"]),
        ("early", &ca, &["not valid yet"]),
        // A common mistake: a self-signed CA certificate as the server's.
        ("other", &other, &["a CA certificate", "CA:FALSE"]),
    ] {
        let server = TlsServer::start(&certs, cert, "127.0.0.1", &[]);
        let at = format!("127.0.0.1:{}", server.port);
        both_fail(&at, &["--ca", ca], 69, &[words, &["certificate", &at]].concat());
        assert!(!server.output().contains("AUTH"), "{}", server.output());
    }
}

#[test]
fn rejects_old_tls_and_other_protocols() {
    let certs = Certs::new();
    certs.issue("server", "IP:127.0.0.1");
    let ca = certs.cert(CA);
    let server = TlsServer::start(&certs, "server", "127.0.0.1", &["-tls1_2"]);
    let at = format!("127.0.0.1:{}", server.port);
    both_fail(&at, &["--ca", &ca], 69, &["no TLS", &at, "TLS 1.3 is required"]);
    for (answer, word) in [("220 smtp.example ready\r\n", "does not speak TLS"), ("", "closed")] {
        let bridge = Bridge::start(2, move |_, peer| {
            peer.stream.fill_buf().expect("a ClientHello");
            peer.write(answer);
        });
        both_fail(&bridge.address, &["--ca", &ca], 69, &["no TLS", word, &bridge.address]);
    }
}

#[test]
fn names_invalid_ca_file() {
    let bridge = Bridge::start(8, |_, peer| {
        peer.read_line();
    });
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (empty, bad, cut) = (file_with("nothing"), file_with(pem), file_with(&pem[..40]));
    for (path, why) in [
        ("/nowhere", ": No such file"),
        (argument(empty.path()), "no certificate"),
        (argument(bad.path()), ""),
        (argument(cut.path()), "-----END is missing"),
    ] {
        both_fail(&bridge.address, &["--ca", path], 64, &["--ca", path, why, &bridge.address]);
    }
}

#[test]
fn remote_token_requires_tls() {
    let Some(ip) = outer_address("a token for another machine requires TLS") else {
        return;
    };
    let bridge = Bridge::listen_on(&ip, 2, |_, peer| {
        let hello = peer.stream.fill_buf().expect("a ClientHello").to_vec();
        // The type of a TLS handshake record.
        assert_eq!(hello[0], 0x16, "{hello:?}");
        peer.received.push(String::from_utf8_lossy(&hello).into_owned());
    });
    let certs = Certs::new();
    for tool in both(&bridge.address) {
        // SSL_CERT_FILE sets the CAs that this machine trusts.
        tool.env("SSL_CERT_FILE", &certs.cert(CA)).run().failed(69, &["no TLS", &bridge.address]);
        assert!(!bridge.received()[0].contains(TOKEN));
    }

    certs.issue("server", &format!("IP:{ip}"));
    let mut server = TlsServer::start(&certs, "server", &ip, &[]);
    let at = format!("{ip}:{}", server.port);
    for tool in both(&at) {
        let done = tool.env("SSL_CERT_FILE", &certs.cert("other")).run();
        done.failed(69, &["this machine trusts", "--ca FILE", &at]);
    }
    assert!(!server.output().contains("AUTH"));
    server.queue(ANSWERS);
    let [send, _] = both(&at);
    send.env("SSL_CERT_FILE", &certs.cert(CA)).ok();
    // Separate lines, because s_server prints status lines between them.
    server.wait_for_input(&format!("AUTH {TOKEN}\n"));
    server.wait_for_input("SEND x\nSYNC\n");
}

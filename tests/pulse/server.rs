//! `--server`: the commands against bridges that are not ours. Without TLS that is a script in a thread;
//! with TLS it is `openssl s_server`, with certificates that openssl(1) made.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::harness::{TIMEOUT, Tool, wait_for};

/// What no output may have in it.
const TOKEN: &str = "s3cret-0123456789";

const ALL_IS_WELL: &str = "OK bridge\nOK 7f3a9c21-1042\n";

/// The name of the file of the one CA that matters.
const CA: &str = "ca";

/// `pulse-send` and `pulse-tail` with a token, for a server; they fail the same way.
fn both(server: &str) -> [Tool; 2] {
    let tool = |tool: Tool| tool.env("PULSED_TOKEN", TOKEN).args(&["--server", server]);
    [tool(Tool::send().args(&["x"])), tool(Tool::tail())]
}

/// Both fail with this code, and with one line that has these words and not the token.
#[track_caller]
fn both_fail(server: &str, more: &[&str], code: i32, words: &[&str]) {
    for tool in both(server) {
        let done = tool.args(more).run();
        done.failed(code, words);
        assert!(!done.out.contains(TOKEN) && !done.err.contains(TOKEN), "{done:#?}");
    }
}

/// The other end of a connection of a bridge that is a script.
struct Peer {
    stream: BufReader<TcpStream>,
    heard: Vec<String>,
}

impl Peer {
    /// The next line that comes; empty at the end.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        // An end by a reset is an end.
        let _ = self.stream.read_line(&mut line);
        self.heard.push(line.trim_end().to_owned());
        line.trim_end().to_owned()
    }

    fn write(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).expect("the client reads");
    }

    /// Lets it in, if it shows the token.
    fn let_in(&mut self) {
        assert_eq!(self.hear(), format!("AUTH {TOKEN}"));
        self.write("OK bridge\n");
    }
}

/// A bridge that is a script.
struct Bridge {
    listener: TcpListener,
    at: String,
    heard: Receiver<Vec<String>>,
}

impl Bridge {
    /// Runs the script once for each of so many connections, which have numbers from 0.
    fn start(connections: usize, each: impl Fn(usize, &mut Peer) + Send + 'static) -> Self {
        Self::at("127.0.0.1", connections, each)
    }

    fn at(ip: &str, connections: usize, each: impl Fn(usize, &mut Peer) + Send + 'static) -> Self {
        let listener = TcpListener::bind((ip, 0)).expect("a port");
        let at = listener.local_addr().expect("bound").to_string();
        let (told, heard) = channel();
        let accepting = listener.try_clone().expect("a descriptor");
        thread::spawn(move || {
            for n in 0..connections {
                let (stream, _) = accepting.accept().expect("ours");
                stream.set_read_timeout(Some(TIMEOUT)).expect("a time");
                let mut peer = Peer { stream: BufReader::new(stream), heard: Vec::new() };
                each(n, &mut peer);
                // The test may be over.
                let _ = told.send(peer.heard);
            }
        });
        Self { listener, at, heard }
    }

    /// What the next connection has said, once it is over.
    #[track_caller]
    fn heard(&self) -> Vec<String> {
        self.heard.recv_timeout(TIMEOUT).expect("a connection that went by the script")
    }

    /// Asserts that nobody else wants to come in.
    #[track_caller]
    fn assert_no_more(&self) {
        self.listener.set_nonblocking(true).expect("ours");
        let more = self.listener.accept().map(|_| ()).map_err(|error| error.kind());
        assert_eq!(more, Err(ErrorKind::WouldBlock));
    }
}

/// CAs and certificates, in a directory of their own.
struct Certs(TempDir);

impl Certs {
    /// With two CAs: `ca`, and `other`.
    fn new() -> Self {
        let own = Self(tempfile::tempdir().expect("a directory"));
        let config = "[req]\ndistinguished_name=n\nx509_extensions=ca\n[n]\n[ca]\n\
            basicConstraints=critical,CA:TRUE\n";
        fs::write(own.path("config"), config).expect("ours");
        for name in [CA, "other"] {
            own.openssl(&format!(
                "req -config config -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                 -keyout {name}.key -out {name}.pem -subj /CN={name} -days 9"
            ));
        }
        own
    }

    /// A certificate of `ca` for these names, such as `DNS:web1.example`, and its key.
    fn issue(&self, name: &str, names: &str) {
        self.issue_by(&["openssl"], name, names);
    }

    fn issue_by(&self, launcher: &[&str], name: &str, names: &str) {
        self.openssl(&format!(
            "req -config config -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
             -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        fs::write(self.path("names"), format!("subjectAltName={names}")).expect("ours");
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
        let done = command.output().expect("openssl is installed: tests/run does it");
        assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path of a CA's certificate, as an argument.
    fn ca(&self, name: &str) -> String {
        self.path(&format!("{name}.pem")).display().to_string()
    }
}

/// `openssl s_server`: it sends what it was given as soon as there is TLS, and says what it hears.
struct TlsServer {
    child: Child,
    port: u16,
    stdin: ChildStdin,
    said: Arc<Mutex<String>>,
}

impl TlsServer {
    fn start(certs: &Certs, cert: &str, ip: &str, more: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", &format!("{ip}:0"), "-cert"]);
        command.arg(certs.ca(cert)).arg("-key").arg(certs.path(&format!("{cert}.key")));
        command.args(more).current_dir(certs.0.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("openssl is installed: tests/run does it");
        let (stdin, mut stdout) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        let said = Arc::new(Mutex::new(String::new()));
        let saying = Arc::clone(&said);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..length]);
                saying.lock().expect("no panic").push_str(&text);
            }
        });
        let port = wait_for("a TLS server that listens", || {
            let said = said.lock().expect("no panic");
            let (_, rest) = said.split_once("ACCEPT ")?;
            let at: SocketAddr = rest.split_once('\n')?.0.parse().ok()?;
            Some(at.port())
        });
        Self { child, port, stdin: stdin.expect("a pipe"), said }
    }

    /// What it is to send to the next client.
    fn will_say(&mut self, text: &str) {
        self.stdin.write_all(text.as_bytes()).expect("it runs");
    }

    fn output(&self) -> String {
        self.said.lock().expect("no panic").clone()
    }

    /// Waits until it has heard this.
    #[track_caller]
    fn until_heard(&self, text: &str) {
        wait_for(&format!("the server hears {text:?}"), || {
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

/// An address of this machine that is not its loopback: that of its way out, though nothing is sent.
fn outer_address(what: &str) -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok();
    let way = socket.filter(|socket| socket.connect("192.0.2.1:9").is_ok());
    let ip = way.and_then(|socket| socket.local_addr().ok()).map(|at| at.ip());
    let ip = ip.filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    if ip.is_none() {
        let told = format!("\n*** NOT TESTED, because it takes a network: {what} ***\n");
        let _ = std::io::stderr().write_all(told.as_bytes());
    }
    ip.map(|ip| ip.to_string())
}

fn file_of(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), text).expect("ours");
    file
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn the_token_is_shown_first_and_then_all_is_as_over_the_socket() {
    let bridge = Bridge::start(2, |n, peer| {
        peer.let_in();
        if n == 0 {
            while peer.hear() != "SYNC" {}
            peer.write("OK 7f3a9c21-1042\n");
        } else {
            assert_eq!(peer.hear(), "PING");
            peer.write("OK 7f3a9c21-1042\n");
            assert!(peer.hear().starts_with("TAIL {"));
            peer.write(&event(1042, "hello"));
            peer.write("OK 7f3a9c21-1042\n");
        }
        peer.hear();
    });
    let token = file_of(&format!("{TOKEN}\n"));
    let options = ["--server", &bridge.at, "--token-file", text_of(token.path())];
    // The file is stronger than the variable, and the socket of the environment is not looked at.
    let with = |tool: Tool| {
        let tool = tool.env("PULSED_TOKEN", "another").env("PULSED_SOCKET", "/nowhere");
        tool.args(&options)
    };
    assert_eq!(with(Tool::send()).args(&["--cursor", "hello"]).ok(), "7f3a9c21-1042\n");
    assert_eq!(bridge.heard()[1..], ["SEND hello", "SYNC", ""]);
    assert_eq!(with(Tool::tail()).args(&["-o", "cat"]).ok(), "hello\n");
}

fn event(seq: u64, msg: &str) -> String {
    format!(
        "{{\"seq\":{seq},\"time\":\"2026-11-22T17:32:05.123456Z\",\"host\":\"web1\",\"tag\":\"a\",\
         \"level\":\"info\",\"msg\":\"{msg}\",\"origin\":{{}}}}\n"
    )
}

#[test]
fn without_a_good_token_nothing_is_tried() {
    let bridge = Bridge::start(0, |_, _| {});
    for tool in [Tool::send().args(&["x"]), Tool::tail()] {
        let done = tool.args(&["--server", &bridge.at]).run();
        done.failed(64, &["no token", "--token-file", "$PULSED_TOKEN"]);
    }
    for (text, word) in [
        (String::new(), "empty"),
        (format!("{TOKEN}\n{TOKEN}\n"), "more than one line"),
        (format!("{TOKEN} x"), "white space"),
        (format!("{TOKEN}\u{7}"), "control"),
        (TOKEN.repeat(1000), "4 KiB"),
    ] {
        let file = file_of(&text);
        let more = ["--token-file", text_of(file.path())];
        both_fail(&bridge.at, &more, 64, &["no token", word, more[1]]);
        for tool in both(&bridge.at) {
            let done = tool.env("PULSED_TOKEN", &text).run();
            done.failed(64, &["no token: $PULSED_TOKEN", word]);
            assert!(!done.err.contains(&TOKEN[..8]), "{done:#?}");
        }
    }
    both_fail(&bridge.at, &["--token-file", "/nowhere"], 64, &["cannot read", "/nowhere"]);
    bridge.assert_no_more();
}

#[test]
fn a_bridge_that_does_not_let_us_in_is_told_as_it_is() {
    for (answer, code, words) in [
        ("ERR 77 wrong token\n", 77, &["refused", "wrong token"][..]),
        ("ERR 75 too many connections\n", 75, &["refused", "too many"]),
        // Not even what it sends back to us is shown.
        (&format!("ERR 77 {TOKEN}\n"), 77, &["refused"]),
        (&format!("what is AUTH {TOKEN}?\n"), 69, &["no agent", "--ca FILE"]),
        ("\x15\x03\x01\x00\x02\x02\x46\n\u{ff}\n", 69, &["no agent", "--ca FILE"]),
        ("", 69, &["closed the connection", "--ca FILE"]),
    ] {
        let answer = answer.to_owned();
        let bridge = Bridge::start(2, move |_, peer| {
            peer.hear();
            peer.write(&answer);
        });
        let at = bridge.at.clone();
        both_fail(&at, &[], code, &[words, &[&at]].concat());
    }
}

#[test]
fn nobody_there_is_unavailable() {
    let at = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("bound").to_string()
    };
    both_fail(&at, &[], 69, &["cannot connect", &at, "refused"]);
    let by_name = at.replace("127.0.0.1", "localhost");
    both_fail(&by_name, &[], 69, &["cannot connect", &by_name, "refused"]);
}

#[test]
fn silence_is_bounded_with_tls_and_without() {
    // The kernel takes them in; nobody else does.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("bound").to_string();
    let short = ["--timeout", "100ms"];
    both_fail(&at, &short, 75, &["no answer", &at, "timed out"]);
    let certs = Certs::new();
    both_fail(&at, &[&short[..], &["--ca", &certs.ca(CA)]].concat(), 75, &["no TLS", "no answer"]);
}

#[test]
fn under_tls_it_is_the_same() {
    let certs = Certs::new();
    certs.issue("server", "DNS:localhost,IP:127.0.0.1");
    let mut server = TlsServer::start(&certs, "server", "127.0.0.1", &["-tls1_3"]);
    let ca = certs.ca(CA);
    for host in ["127.0.0.1", "localhost"] {
        server.will_say(ALL_IS_WELL);
        let at = format!("{host}:{}", server.port);
        let [send, _] = both(&at);
        assert_eq!(send.args(&["--ca", &ca, "--cursor", "-t", host]).ok(), "7f3a9c21-1042\n");
        server.until_heard(&format!("\"tag\":\"{host}\""));
    }
    assert_eq!(server.output().matches(&format!("AUTH {TOKEN}\n")).count(), 2);

    // Far more than one record and one read hold, so that a part of it waits within TLS.
    let events = 3000;
    server.will_say("OK bridge\nOK 7f3a9c21-1\n");
    let [_, tail] = both(&format!("localhost:{}", server.port));
    let mut tail = tail.args(&["--ca", &ca, "-f", "-o", "cat"]).start();
    for n in 0..events {
        server.will_say(&event(n + 2, &format!("event {n}")));
    }
    for n in 0..events {
        assert_eq!(tail.line(), format!("event {n}"));
    }
    let cmdline = fs::read(format!("/proc/{}/cmdline", tail.pid())).expect("it runs");
    assert!(!String::from_utf8_lossy(&cmdline).contains(TOKEN));
    tail.signal(Signal::SIGINT);
    let done = tail.wait();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:#?}");
}

#[test]
fn a_certificate_that_is_not_right_is_told_and_the_token_is_kept() {
    let certs = Certs::new();
    certs.issue("server", "IP:127.0.0.1");
    certs.issue("elsewhere", "DNS:web1.example,DNS:web2.example");
    // faketime(1) makes it at another time.
    for (name, time) in [("expired", "2020-01-01"), ("early", "2060-01-01")] {
        certs.issue_by(&["faketime", time, "openssl"], name, "IP:127.0.0.1");
    }
    let (ca, other) = (certs.ca(CA), certs.ca("other"));
    for (cert, ca, words) in [
        ("server", &other, &["not of the CA in", other.as_str()][..]),
        ("elsewhere", &ca, &["not for 127.0.0.1, but for web1.example and web2.example"]),
        ("expired", &ca, &["expired"]),
        ("early", &ca, &["not valid yet"]),
        // As people make it by hand: it signs for itself, and for everybody else.
        ("other", &other, &["a CA's own", "CA:FALSE"]),
    ] {
        let server = TlsServer::start(&certs, cert, "127.0.0.1", &[]);
        let at = format!("127.0.0.1:{}", server.port);
        both_fail(&at, &["--ca", ca], 69, &[words, &["certificate", &at]].concat());
        assert!(!server.output().contains("AUTH"), "{}", server.output());
    }
}

#[test]
fn an_older_tls_or_something_else_is_told() {
    let certs = Certs::new();
    certs.issue("server", "IP:127.0.0.1");
    let ca = certs.ca(CA);
    let old = TlsServer::start(&certs, "server", "127.0.0.1", &["-tls1_2"]);
    let at = format!("127.0.0.1:{}", old.port);
    both_fail(&at, &["--ca", &ca], 69, &["no TLS", &at, "only TLS 1.3"]);
    for (answer, word) in [("220 smtp.example ready\r\n", "something else"), ("", "closed")] {
        let bridge = Bridge::start(2, move |_, peer| {
            peer.stream.fill_buf().expect("a hello");
            peer.write(answer);
        });
        both_fail(&bridge.at, &["--ca", &ca], 69, &["no TLS", word, &bridge.at]);
    }
}

#[test]
fn a_file_of_certificates_that_is_none_is_named() {
    let bridge = Bridge::start(8, |_, peer| {
        peer.hear();
    });
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (empty, bad, cut) = (file_of("nothing"), file_of(pem), file_of(&pem[..40]));
    for (path, why) in [
        ("/nowhere", ": No such file"),
        (text_of(empty.path()), "no certificate"),
        (text_of(bad.path()), ""),
        (text_of(cut.path()), "breaks off"),
    ] {
        both_fail(&bridge.at, &["--ca", path], 64, &["--ca", path, why, &bridge.at]);
    }
}

#[test]
fn another_machine_is_never_shown_the_token_without_tls() {
    let Some(ip) = outer_address("that a token never goes to another machine without TLS") else {
        return;
    };
    let bridge = Bridge::at(&ip, 2, |_, peer| {
        let hello = peer.stream.fill_buf().expect("a hello").to_vec();
        // A handshake record.
        assert_eq!(hello[0], 0x16, "{hello:?}");
        peer.heard.push(String::from_utf8_lossy(&hello).into_owned());
    });
    let certs = Certs::new();
    for tool in both(&bridge.at) {
        // What this machine trusts.
        tool.env("SSL_CERT_FILE", &certs.ca(CA)).run().failed(69, &["no TLS", &bridge.at]);
        assert!(!bridge.heard()[0].contains(TOKEN));
    }

    certs.issue("server", &format!("IP:{ip}"));
    let mut server = TlsServer::start(&certs, "server", &ip, &[]);
    let at = format!("{ip}:{}", server.port);
    for tool in both(&at) {
        let done = tool.env("SSL_CERT_FILE", &certs.ca("other")).run();
        done.failed(69, &["this machine trusts", "--ca FILE", &at]);
    }
    assert!(!server.output().contains("AUTH"));
    server.will_say(ALL_IS_WELL);
    let [send, _] = both(&at);
    send.env("SSL_CERT_FILE", &certs.ca(CA)).ok();
    // It says other things too, in between.
    server.until_heard(&format!("AUTH {TOKEN}\n"));
    server.until_heard("SEND x\nSYNC\n");
}

#[test]
fn a_stream_whose_token_is_revoked_does_not_try_for_ever() {
    let (asked, refused) = channel();
    let bridge = Bridge::start(2, move |n, peer| {
        if n == 0 {
            peer.let_in();
            while peer.hear() != "SYNC" {}
            peer.write("OK 7f3a9c21-1042\n");
        } else {
            peer.hear();
            peer.write("ERR 77 revoked\n");
            asked.send(()).expect("the test waits");
        }
    });
    let mut send = Tool::send().env("PULSED_TOKEN", TOKEN).args(&["-n", &bridge.at]).start();
    send.write_stdin("one\n");
    assert_eq!(bridge.heard()[1..], ["SEND one", "SYNC"]);
    // It finds the connection closed, comes again, and is refused.
    send.write_stdin("two\n");
    refused.recv_timeout(TIMEOUT).expect("a second connection");
    send.write_stdin("three\n");
    let done = send.wait();
    assert_eq!(done.code, Some(77), "{done:#?}");
    let said: Vec<&str> = done.err.lines().collect();
    let why = format!("refused: {}: revoked (the token was that in $PULSED_TOKEN)", bridge.at);
    assert_eq!(
        said,
        [
            format!("pulse-send: dropping events: {why}"),
            format!("pulse-send: 2 events lost: {why}")
        ]
    );
    bridge.assert_no_more();
}

#[test]
fn a_follow_goes_on_over_connections_until_its_token_is_revoked() {
    let bridge = Bridge::start(4, |n, peer| match n {
        0 | 1 => {
            peer.let_in();
            assert_eq!(peer.hear(), "PING");
            peer.write(&format!("OK 7f3a9c21-{}\n", 2 + n));
            let asked = peer.hear();
            let on = format!("\"after\":\"7f3a9c21-{}\"", 1 + n);
            assert_eq!(asked.contains(&on), n > 0, "{asked}");
            peer.write(&event(2 + n as u64, &format!("event {n}")));
        }
        2 => {
            peer.hear();
            peer.write("ERR 75 too many connections\n");
        }
        _ => {
            peer.hear();
            peer.write("ERR 77 revoked\n");
        }
    });
    let [_, tail] = both(&bridge.at);
    let mut tail = tail.args(&["-f", "-q", "-o", "cat"]).start();
    assert_eq!(tail.line(), "event 0");
    assert_eq!(tail.line(), "event 1");
    // Nothing but the refusal ends it.
    let done = tail.wait();
    done.failed(77, &["refused", "revoked", &bridge.at]);
    bridge.assert_no_more();
}

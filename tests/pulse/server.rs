//! `--server`: the commands against a scripted bridge without TLS. With TLS: `server_tls`.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::harness::{TIMEOUT, Tool};

/// The token, which no output may contain.
pub(crate) const TOKEN: &str = "s3cret-0123456789";

/// `pulse-send` and `pulse-tail` with the token, for this server.
pub(crate) fn both(server: &str) -> [Tool; 2] {
    let tool = |tool: Tool| tool.env("PULSED_TOKEN", TOKEN).args(&["--server", server]);
    [tool(Tool::send().args(&["x"])), tool(Tool::tail())]
}

/// Asserts that both fail with this code and one line that contains these words, and never print the token.
#[track_caller]
pub(crate) fn both_fail(server: &str, more: &[&str], code: i32, words: &[&str]) {
    for tool in both(server) {
        let done = tool.args(more).run();
        done.failed(code, words);
        assert!(!done.out.contains(TOKEN) && !done.err.contains(TOKEN), "{done:#?}");
    }
}

/// The bridge's end of a connection.
pub(crate) struct Peer {
    pub(crate) stream: BufReader<TcpStream>,
    /// The lines that were read.
    pub(crate) received: Vec<String>,
}

impl Peer {
    /// The next line. Empty at the end of the stream.
    pub(crate) fn read_line(&mut self) -> String {
        let mut line = String::new();
        // A reset is an end of the stream too.
        let _ = self.stream.read_line(&mut line);
        self.received.push(line.trim_end().to_owned());
        line.trim_end().to_owned()
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).expect("the client reads");
    }

    /// Reads AUTH, which must have the token, and accepts it.
    fn authenticate(&mut self) {
        assert_eq!(self.read_line(), format!("AUTH {TOKEN}"));
        self.write("OK bridge\n");
    }
}

/// A scripted bridge.
pub(crate) struct Bridge {
    listener: TcpListener,
    pub(crate) address: String,
    received: Receiver<Vec<String>>,
}

impl Bridge {
    /// Runs the script for each of `connections` connections, with its number from 0.
    pub(crate) fn start(
        connections: usize,
        script: impl Fn(usize, &mut Peer) + Send + 'static,
    ) -> Self {
        Self::listen_on("127.0.0.1", connections, script)
    }

    /// As [`Bridge::start`], on another address of this machine.
    pub(crate) fn listen_on(
        ip: &str,
        connections: usize,
        script: impl Fn(usize, &mut Peer) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let (sender, received) = channel();
        let accepting = listener.try_clone().expect("a free descriptor");
        thread::spawn(move || {
            for n in 0..connections {
                let (stream, _) = accepting.accept().expect("a connection");
                stream.set_read_timeout(Some(TIMEOUT)).expect("the timeout is not zero");
                let mut peer = Peer { stream: BufReader::new(stream), received: Vec::new() };
                script(n, &mut peer);
                // Fails if the test is over.
                let _ = sender.send(peer.received);
            }
        });
        Self { listener, address, received }
    }

    /// The lines received from the next connection, once its script has ended.
    #[track_caller]
    pub(crate) fn received(&self) -> Vec<String> {
        self.received.recv_timeout(TIMEOUT).expect("a connection whose script ended")
    }

    /// Asserts that no further connection is waiting.
    #[track_caller]
    fn assert_no_more(&self) {
        self.listener.set_nonblocking(true).expect("a socket");
        let more = self.listener.accept().map(|_| ()).map_err(|error| error.kind());
        assert_eq!(more, Err(ErrorKind::WouldBlock));
    }
}

/// A temporary file with this content.
pub(crate) fn file_with(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), text).expect("a writable file");
    file
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// An event line.
pub(crate) fn event(seq: u64, msg: &str) -> String {
    format!(
        "{{\"seq\":{seq},\"time\":\"2026-11-22T17:32:05.123456Z\",\"host\":\"web1\",\"tag\":\"a\",\
         \"level\":\"info\",\"msg\":\"{msg}\",\"origin\":{{}}}}\n"
    )
}

#[test]
fn sends_token_before_requests() {
    let bridge = Bridge::start(2, |n, peer| {
        peer.authenticate();
        if n == 0 {
            while peer.read_line() != "SYNC" {}
            peer.write("OK 7f3a9c21-1042\n");
        } else {
            assert_eq!(peer.read_line(), "PING");
            peer.write("OK 7f3a9c21-1042\n");
            assert!(peer.read_line().starts_with("TAIL {"));
            peer.write(&event(1042, "hello"));
            peer.write("OK 7f3a9c21-1042\n");
        }
        peer.read_line();
    });
    let token = file_with(&format!("{TOKEN}\n"));
    let options = ["--server", &bridge.address, "--token-file", argument(token.path())];
    // The option precedes $PULSED_TOKEN, and --server precedes $PULSED_SOCKET.
    let with = |tool: Tool| {
        let tool = tool.env("PULSED_TOKEN", "another").env("PULSED_SOCKET", "/nowhere");
        tool.args(&options)
    };
    assert_eq!(with(Tool::send()).args(&["--cursor", "hello"]).ok(), "7f3a9c21-1042\n");
    assert_eq!(bridge.received()[1..], ["SEND hello", "SYNC", ""]);
    assert_eq!(with(Tool::tail()).args(&["-o", "cat"]).ok(), "hello\n");
}

#[test]
fn connects_only_with_valid_token() {
    let bridge = Bridge::start(0, |_, _| {});
    for tool in [Tool::send().args(&["x"]), Tool::tail()] {
        let done = tool.args(&["--server", &bridge.address]).run();
        done.failed(64, &["no token", "--token-file", "$PULSED_TOKEN"]);
    }
    for (text, word) in [
        (String::new(), "empty"),
        (format!("{TOKEN}\n{TOKEN}\n"), "more than one line"),
        (format!("{TOKEN} x"), "white space"),
        (format!("{TOKEN}\u{7}"), "control"),
        (TOKEN.repeat(1000), "4 KiB"),
    ] {
        let file = file_with(&text);
        let more = ["--token-file", argument(file.path())];
        both_fail(&bridge.address, &more, 64, &["no token", word, more[1]]);
        for tool in both(&bridge.address) {
            let done = tool.env("PULSED_TOKEN", &text).run();
            done.failed(64, &["no token: $PULSED_TOKEN", word]);
            assert!(!done.err.contains(&TOKEN[..8]), "{done:#?}");
        }
    }
    both_fail(&bridge.address, &["--token-file", "/nowhere"], 64, &["cannot read", "/nowhere"]);
    bridge.assert_no_more();
}

#[test]
fn refusal_never_shows_token() {
    for (answer, code, words) in [
        ("ERR 77 wrong token\n", 77, &["refused", "wrong token"][..]),
        ("ERR 75 too many connections\n", 75, &["refused", "too many"]),
        // A bridge that returns the token.
        (&format!("ERR 77 {TOKEN}\n"), 77, &["refused"]),
        (&format!("what is AUTH {TOKEN}?\n"), 69, &["not an agent", "--ca FILE"]),
        ("\x15\x03\x01\x00\x02\x02\x46\n\u{ff}\n", 69, &["not an agent", "--ca FILE"]),
        ("", 69, &["closed the connection", "--ca FILE"]),
    ] {
        let answer = answer.to_owned();
        let bridge = Bridge::start(2, move |_, peer| {
            peer.read_line();
            peer.write(&answer);
        });
        both_fail(&bridge.address, &[], code, &[words, &[&bridge.address]].concat());
    }
}

#[test]
fn connection_refused_exits_69() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("a bound socket").to_string()
    };
    both_fail(&address, &[], 69, &["cannot connect", &address, "refused"]);
    let by_name = address.replace("127.0.0.1", "localhost");
    both_fail(&by_name, &[], 69, &["cannot connect", &by_name, "refused"]);
}

#[test]
fn silent_server_times_out() {
    // The kernel completes the connections, and no process accepts them.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    both_fail(&address, &["--timeout", "100ms"], 75, &["no answer", &address, "timed out"]);
}

#[test]
fn stream_stops_when_token_revoked() {
    let (sender, refused) = channel();
    let bridge = Bridge::start(2, move |n, peer| {
        if n == 0 {
            peer.authenticate();
            while peer.read_line() != "SYNC" {}
            peer.write("OK 7f3a9c21-1042\n");
        } else {
            peer.read_line();
            peer.write("ERR 77 revoked\n");
            sender.send(()).expect("the test waits");
        }
    });
    let mut send = Tool::send().env("PULSED_TOKEN", TOKEN).args(&["-n", &bridge.address]).start();
    send.write_stdin("one\n");
    assert_eq!(bridge.received()[1..], ["SEND one", "SYNC"]);
    // It finds the connection closed, reconnects, and is refused.
    send.write_stdin("two\n");
    refused.recv_timeout(TIMEOUT).expect("a second connection");
    send.write_stdin("three\n");
    let done = send.wait();
    assert_eq!(done.code, Some(77), "{done:#?}");
    let errors: Vec<&str> = done.err.lines().collect();
    let why = format!("refused: {}: revoked (the token was that in $PULSED_TOKEN)", bridge.address);
    assert_eq!(
        errors,
        [
            format!("pulse-send: dropping events: {why}"),
            format!("pulse-send: 2 events lost: {why}")
        ]
    );
    bridge.assert_no_more();
}

#[test]
fn follow_reconnects_until_token_revoked() {
    let bridge = Bridge::start(4, |n, peer| match n {
        0 | 1 => {
            peer.authenticate();
            assert_eq!(peer.read_line(), "PING");
            peer.write(&format!("OK 7f3a9c21-{}\n", 2 + n));
            let request = peer.read_line();
            let cursor = format!("\"after\":\"7f3a9c21-{}\"", 1 + n);
            assert_eq!(request.contains(&cursor), n > 0, "{request}");
            peer.write(&event(2 + n as u64, &format!("event {n}")));
        }
        2 => {
            peer.read_line();
            peer.write("ERR 75 too many connections\n");
        }
        _ => {
            peer.read_line();
            peer.write("ERR 77 revoked\n");
        }
    });
    let [_, tail] = both(&bridge.address);
    let mut tail = tail.args(&["-f", "-q", "-o", "cat"]).start();
    assert_eq!(tail.line(), "event 0");
    assert_eq!(tail.line(), "event 1");
    // Only the refusal ends it.
    let done = tail.wait();
    done.failed(77, &["refused", "revoked", &bridge.address]);
    bridge.assert_no_more();
}

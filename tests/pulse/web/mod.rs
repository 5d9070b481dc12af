//! The monitor's HTTP door on real sockets: sign-in, rights, streams, POST, hostile clients, proxies, metrics.

mod hostile;
mod metrics;
mod post;
mod proxy;
mod shared;
mod sign_in;
mod site;
mod stop;
mod stream;
mod tls;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::harness::{Agent, TIMEOUT};

/// A request or response on one connection, byte by byte.
pub(super) struct Http<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

/// The head of a response, and its body if that has an end.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Http {
    #[track_caller]
    pub(super) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the monitor listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("not zero");
        stream.set_write_timeout(Some(TIMEOUT)).expect("not zero");
        stream.set_nodelay(true).expect("a TCP socket");
        Self::from_stream(stream)
    }
}

impl<S: Read + Write> Http<S> {
    pub(super) fn from_stream(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    #[track_caller]
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("the agent reads");
        self
    }

    /// Writes. `false` if the agent has closed the connection.
    pub(super) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// `false` at the end of the stream.
    #[track_caller]
    fn read_more(&mut self) -> bool {
        let mut bytes = [0; 64 << 10];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(length) => {
                    self.buffer.extend_from_slice(&bytes[..length]);
                    return true;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return false,
                Err(e) => panic!("cannot read from the agent: {e}"),
            }
        }
    }

    /// Bytes up to and with `end`. `None` if the stream ends before.
    #[track_caller]
    fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        let mut from = 0;
        loop {
            let found = self.buffer[from..].windows(end.len()).position(|bytes| bytes == end);
            if let Some(at) = found {
                return Some(self.buffer.drain(..from + at + end.len()).collect());
            }
            from = self.buffer.len().saturating_sub(end.len() - 1);
            if !self.read_more() {
                return None;
            }
        }
    }

    #[track_caller]
    fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.read_more(), "the stream ends within a body");
        }
        self.buffer.drain(..length).collect()
    }

    /// The head of the next response. `None` at the end of the stream.
    #[track_caller]
    pub(super) fn try_head(&mut self) -> Option<Response> {
        let head = String::from_utf8(self.until(b"\r\n\r\n")?).expect("a head is ASCII");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a response: {head:?}"));
        Some(Response { status, head, body: Vec::new() })
    }

    /// The next response, with its body.
    #[track_caller]
    pub(super) fn try_response(&mut self) -> Option<Response> {
        let mut response = self.try_head()?;
        if response.status == 100 {
            return self.try_response();
        }
        if let Some(length) = response.header("content-length") {
            let length = length.parse().expect("a number");
            response.body = self.exactly(length);
        } else if response.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk() {
                response.body.extend(chunk);
            }
        }
        Some(response)
    }

    #[track_caller]
    pub(super) fn response(&mut self) -> Response {
        self.try_response().expect("a response before the end of the stream")
    }

    /// The next chunk of a body (RFC 9112, section 7.1). `None` at its end.
    #[track_caller]
    pub(super) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.until(b"\r\n")?;
        let size = std::str::from_utf8(&size[..size.len() - 2]).expect("ASCII");
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|e| panic!("{e}: {size:?}"));
        let chunk = self.exactly(size);
        assert_eq!(self.exactly(2), b"\r\n");
        (size > 0).then_some(chunk)
    }

    /// Waits until the agent closes the connection.
    #[track_caller]
    pub(super) fn until_closed(&mut self) {
        while self.read_more() {}
    }
}

/// One frame of Server-Sent Events.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Frame {
    pub(super) event: Option<String>,
    pub(super) id: Option<String>,
    pub(super) data: String,
    pub(super) retry: Option<u64>,
}

impl Frame {
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// An open stream of frames.
pub(super) struct Sse {
    pub(super) http: Http,
    text: Vec<u8>,
}

impl Sse {
    /// The next frame that is not mere progress. `None` at the end.
    #[track_caller]
    pub(super) fn try_next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.try_frame()?;
            if !frame.data.starts_with("{\"at\":") {
                return Some(frame);
            }
        }
    }

    /// The next frame, without comments. `None` at the end.
    #[track_caller]
    pub(super) fn try_frame(&mut self) -> Option<Frame> {
        loop {
            let end = self.text.windows(2).position(|bytes| bytes == b"\n\n");
            let Some(end) = end else {
                self.text.extend(self.http.chunk()?);
                continue;
            };
            let block: Vec<u8> = self.text.drain(..end + 2).collect();
            let block = String::from_utf8(block).expect("frames are UTF-8");
            let mut frame = Frame::default();
            for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
                match line.split_once(": ").unwrap_or_else(|| panic!("{line:?}")) {
                    ("event", name) => frame.event = Some(name.into()),
                    ("id", id) => frame.id = Some(id.into()),
                    ("data", data) => frame.data += data,
                    ("retry", millis) => frame.retry = Some(millis.parse().expect("a number")),
                    _ => panic!("{line:?}"),
                }
            }
            if frame != Frame::default() {
                return Some(frame);
            }
        }
    }

    #[track_caller]
    pub(super) fn next(&mut self) -> Frame {
        self.try_next().expect("a frame before the end of the stream")
    }
}

/// A signed-in browser, or the holder of a token.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) address: SocketAddr,
    /// A header field.
    pub(super) secret: String,
}

impl Visitor {
    /// A request on a connection of its own, whose response is read to its end.
    #[track_caller]
    pub(super) fn request(&self, line: &str, more: &[&str]) -> Response {
        let mut http = Http::connect(self.address);
        http.send(self.head(line, more));
        http.response()
    }

    #[track_caller]
    pub(super) fn get(&self, target: &str) -> Response {
        self.request(&format!("GET {target}"), &[])
    }

    /// The head of a request.
    pub(super) fn head(&self, line: &str, more: &[&str]) -> String {
        let mut head = format!("{line} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for field in more.iter().chain([&self.secret.as_str()]).filter(|field| !field.is_empty()) {
            head += &format!("{field}\r\n");
        }
        head + "\r\n"
    }

    /// Posts a body. Returns the response.
    #[track_caller]
    pub(super) fn post(&self, body: impl AsRef<[u8]>) -> Response {
        let body = body.as_ref();
        let mut http = Http::connect(self.address);
        let length = format!("Content-Length: {}", body.len());
        http.send(self.head("POST /events", &[&length])).send(body);
        http.response()
    }

    /// Opens a stream of frames.
    #[track_caller]
    pub(crate) fn stream(&self, target: &str, more: &[&str]) -> Sse {
        let mut http = Http::connect(self.address);
        let fields = [&["Accept: text/event-stream"], more].concat();
        http.send(self.head(&format!("GET {target}"), &fields));
        let head = http.try_head().expect("a response");
        assert_eq!(head.status, 200, "{head:?} {:?}", String::from_utf8_lossy(&http.buffer));
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        Sse { http, text: Vec::new() }
    }

    /// Opens `/feed` with these subscriptions, a JSON array.
    #[track_caller]
    pub(super) fn feed(&self, subs: &str) -> Sse {
        self.stream(&format!("/feed?subs={}", encoded(subs)), &[])
    }

    /// All event lines from the oldest.
    #[track_caller]
    pub(super) fn lines(&self, query: &str) -> Vec<String> {
        let response =
            self.request(&format!("GET /events?{query}"), &["Accept: application/x-ndjson"]);
        assert_eq!(response.status, 200, "{response:?}");
        response.text().lines().map(str::to_owned).collect()
    }
}

/// Percent-encodes text for a query string.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let one =
        |byte: u8| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

impl Agent {
    /// A new one-time link.
    #[track_caller]
    pub(super) fn link(&self) -> String {
        link_of(&self.connect().request("LINK"))
    }

    /// The address of its monitor.
    #[track_caller]
    pub(crate) fn web(&self) -> SocketAddr {
        address_of(&self.link())
    }

    /// Signs root in.
    #[track_caller]
    pub(crate) fn sign_in(&self) -> Visitor {
        redeem(&self.link())
    }

    /// Its monitor, without a secret.
    #[track_caller]
    pub(super) fn visitor(&self) -> Visitor {
        Visitor { address: self.web(), secret: String::new() }
    }

    /// Its monitor with a token that may send and tail what these globs match.
    #[track_caller]
    pub(super) fn bearer(&self, name: &str, send: &[&str], tail: &[&str]) -> Visitor {
        let token = self.token(name, send, tail);
        Visitor { address: self.web(), secret: format!("Authorization: Bearer {token}") }
    }
}

/// The link of the answer to LINK.
#[track_caller]
pub(super) fn link_of(answer: &str) -> String {
    answer.strip_prefix("OK ").unwrap_or_else(|| panic!("LINK: {answer}")).to_owned()
}

/// The address in a link of a plain loopback monitor.
#[track_caller]
pub(super) fn address_of(link: &str) -> SocketAddr {
    let rest = link.strip_prefix("http://").expect("no TLS");
    rest.split('/').next().and_then(|address| address.parse().ok()).expect("an address")
}

/// The path and query of a link.
pub(super) fn target_of(link: &str) -> &str {
    &link[link.find("/login").expect("a link")..]
}

/// Redeems a link.
#[track_caller]
pub(super) fn redeem(link: &str) -> Visitor {
    let visitor = Visitor { address: address_of(link), secret: String::new() };
    let response = visitor.get(target_of(link));
    assert_eq!(response.status, 200, "{response:?}");
    let cookie = response.header("set-cookie").expect("a cookie");
    let cookie = cookie.split(';').next().expect("a pair");
    Visitor { secret: format!("Cookie: {cookie}"), ..visitor }
}

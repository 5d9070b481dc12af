//! Engines that are none, or that lie: senders and followers notice nothing of it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::engine::Engine;
use super::{assert_forwarded, send, wait_for_trouble};
use crate::harness::{Agent, FIRST, parse};

/// What a server sends to a client before it has read anything.
const INFO: &str = "INFO {\"server_id\":\"X\",\"version\":\"2.9.10\",\"proto\":1,\"headers\":true,\
    \"max_payload\":1048576,\"host\":\"h\",\"port\":1,\"jetstream\":true}\r\n";

/// Runs `serve` for each connection to a port, and returns the line that configures an agent for it.
fn server(serve: impl Fn(TcpStream) + Copy + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    format!("nats.url = \"nats://127.0.0.1:{port}\"")
}

/// Asserts that the agent serves senders and followers, and stops in time.
#[track_caller]
fn assert_serves(agent: &mut Agent) {
    let mut follower = agent.connect();
    follower.follow("");
    send(&mut agent.connect(), 0..1000);
    (0..1000).for_each(|n| assert_eq!(parse(&follower.line()).seq_range().0, FIRST + n));
    assert!(agent.stop().success());
    assert!(!agent.output().contains("did not finish in time"), "{}", agent.output());
}

#[test]
fn what_is_no_engine_is_reported() {
    for (url, trouble) in [
        (
            server(|mut stream| drop(stream.write_all(b"HTTP/1.1 400 \x1b[2J\r\n\r\n"))),
            "connect to",
        ),
        (server(|mut stream| drop(stream.write_all(INFO.as_bytes()))), "connect to"),
        (server(|mut stream| drop(stream.read(&mut [0; 1 << 16]))), "not within 5 s"),
    ] {
        let mut agent = Agent::with(&[&url]);
        wait_for_trouble(&agent, "connecting", trouble);
        assert!(!agent.output().contains('\x1b'), "{:?}", agent.output());
        assert_serves(&mut agent);
    }
}

/// Says yes to the connection, and answers each request with this.
fn answer_all(mut stream: TcpStream, answer: &str) {
    let _ = stream.write_all(INFO.as_bytes());
    let mut text = String::new();
    let mut buffer = [0; 1 << 16];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        text.push_str(&String::from_utf8_lossy(&buffer[..len]));
        while let Some((line, rest)) = text.split_once("\r\n") {
            let words: Vec<&str> = line.split(' ').collect();
            let reply = match words[..] {
                ["PING"] => Some("PONG\r\n".to_owned()),
                ["PUB", _, inbox, _] => {
                    Some(format!("MSG {inbox} 0 {}\r\n{answer}\r\n", answer.len()))
                }
                _ => None,
            };
            text = rest.to_owned();
            if reply.is_some_and(|reply| stream.write_all(reply.as_bytes()).is_err()) {
                return;
            }
        }
    }
}

#[test]
fn senseless_answers_are_reported() {
    let url = server(|stream| {
        answer_all(
            stream,
            "{\"error\":{\"code\":500,\"err_code\":1,\"description\":\"\\u001b[2J\"}}",
        );
    });
    let mut agent = Agent::with(&[&url]);
    wait_for_trouble(&agent, "connecting", "find stream pulse");
    assert!(!agent.output().contains('\x1b'), "{:?}", agent.output());
    assert_serves(&mut agent);
    let url = server(|stream| answer_all(stream, "[]"));
    let mut agent = Agent::with(&[&url]);
    wait_for_trouble(&agent, "connecting", "find stream pulse");
    assert_serves(&mut agent);
}

/// Copies one direction of a connection, and replaces a text by one of the same length.
fn copy(mut from: TcpStream, mut to: TcpStream, replace: (&str, &str)) {
    let mut buffer = [0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..len]).replace(replace.0, replace.1);
        if to.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn acknowledgements_of_another_stream_do_not_count() {
    let engine = Engine::start();
    let port = engine.port();
    let url = server(move |near| {
        let far = TcpStream::connect(("127.0.0.1", port)).expect("a running engine");
        let (near_end, far_end) =
            (near.try_clone().expect("a descriptor"), far.try_clone().expect("a descriptor"));
        thread::spawn(move || copy(near, far, ("\u{1}", "\u{1}")));
        copy(far_end, near_end, ("{\"stream\":\"pulse\"", "{\"stream\":\"other\""));
    });
    let mut agent = Agent::with(&[&url, "nats.compress = false"]);
    wait_for_trouble(&agent, "connecting", "of stream other");
    assert_eq!(agent.stats()["nats"]["messages"], 0);
    assert_serves(&mut agent);
    // What the engine has stored all the same is not repeated.
    agent.configure(&[&engine.url()]);
    agent.restart();
    assert_forwarded(&engine, &agent);
}

//! `pulse-tail --merge` and `--host`.

use super::engine::Engine;
use super::hosts::{agents, messages};
use super::{send, wait_until_forwarded};
use crate::harness::{Agent, Running};

#[test]
fn merge_shows_all_hosts_and_survives_a_restart_of_the_agent() {
    let engine = Engine::start();
    let [mut web1, web2] = agents(&engine, ["web1", "web2"]);
    send(&mut web2.connect(), 0..10);
    wait_until_forwarded(&web2);
    wait_until_forwarded(&web1);
    let tool = web1.tail(&["-m", "-f", "-n", "3", "-o", "cat"]);
    let mut tail = tool.start();
    for message in messages(7..10) {
        assert_eq!(next_message(&mut tail), message);
    }
    send(&mut web1.connect(), 0..1);
    assert_eq!(next_message(&mut tail), messages(0..1)[0]);
    web1.kill();
    send(&mut web2.connect(), 10..20);
    wait_until_forwarded(&web2);
    web1.restart();
    for message in messages(10..20) {
        assert_eq!(next_message(&mut tail), message);
    }
}

/// The next line that is not about a gap.
fn next_message(tail: &mut Running) -> String {
    loop {
        let line = tail.line();
        if line.starts_with("query") {
            return line;
        }
    }
}

#[test]
fn a_cursor_file_continues_on_another_agent() {
    let engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    let file = web1.dir().join("cursor");
    let file = file.to_str().expect("UTF-8");
    wait_until_forwarded(&web1);
    let run = |agent: &Agent| {
        let arguments =
            ["-M", "web2", "-o", "cat", "-g", "query", "--cursor-file", file, "-n", "all"];
        agent.tail(&arguments).ok()
    };
    for round in 0..4 {
        send(&mut web2.connect(), 100 * round..100 * round + 100);
        wait_until_forwarded(&web2);
        let out = run([&web1, &web2][round as usize % 2]);
        let shown: Vec<&str> = out.lines().filter(|line| line.starts_with("query")).collect();
        assert_eq!(shown, messages(100 * round..100 * round + 100));
    }
    assert!(std::fs::read_to_string(file).expect("a file").contains('.'));
    let cursor = web1.tail(&["-m", "-n", "1", "--show-cursor"]).ok();
    assert!(
        cursor
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("-- cursor: ") && line.contains('.')),
        "{cursor}"
    );
}

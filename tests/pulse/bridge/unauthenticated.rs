//! Clients without a good token.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::{BRIDGE, REFUSAL, WRONG};
use crate::harness::{Agent, Client, parse, wait_for};

/// The least delay of the first refusal. It doubles with each further one.
const DELAY: Duration = Duration::from_millis(250);

/// The deadline for a good token.
const HANDSHAKE: Duration = Duration::from_secs(10);

#[test]
fn refuses_uniformly_with_growing_delay() {
    let agent = Agent::with(&[BRIDGE]);
    let revoked = agent.token("gone", &["*"], &["*"]);
    agent.pulsed(&["token", "revoke", "gone"]).ok();
    let good = agent.token("good", &["*"], &["*"]);
    let short = &good[..63];
    thread::scope(|scope| {
        for request in [
            format!("AUTH {WRONG}"),
            format!("AUTH {revoked}"),
            format!("AUTH {short}"),
            format!("AUTH {good}0"),
            "AUTH".into(),
            "AUTH \u{1b}[2J".into(),
            "TAIL".into(),
            "SEND hello".into(),
            "nonsense".into(),
        ] {
            let mut client = agent.connect_tcp();
            scope.spawn(move || {
                for delay in [DELAY, 2 * DELAY, 4 * DELAY] {
                    let begin = Instant::now();
                    assert_eq!(client.request(&request), REFUSAL, "{request}");
                    assert!(begin.elapsed() >= delay, "{request}: {:?}", begin.elapsed());
                }
            });
        }
    });
    agent.wait_for_output("127.0.0.1: not authenticated: ");
    assert_eq!(agent.history_text(), "");
}

#[test]
fn wrong_tokens_do_not_block_others() {
    let agent = Agent::with(&[BRIDGE]);
    let good = agent.token("good", &["*"], &["*"]);
    let mut wrong = agent.connect_tcp();
    wrong.write(format!("AUTH {WRONG}\n").repeat(4));
    let refused = thread::spawn(move || {
        let answers: Vec<String> = (0..4).map(|_| wrong.line()).collect();
        (answers, Instant::now(), wrong)
    });
    agent.connect_with_token(&good);
    let authenticated = Instant::now();
    let (answers, refused, mut wrong) = refused.join().expect("four answers");
    assert_eq!(answers, [REFUSAL; 4]);
    assert!(authenticated < refused, "a good token waited for wrong ones");
    // A wrong token does not disqualify the connection.
    wrong.auth(&good);
}

#[test]
fn disconnects_after_handshake_timeout() {
    let agent = Agent::with(&[BRIDGE]);
    let inputs: [(&str, &[u8]); 4] = [
        ("silence", b""),
        ("half an AUTH", b"AUTH 0123"),
        ("a line without end", &[b'x'; 5000]),
        ("telnet options without end", &[0xff; 2001]),
    ];
    thread::scope(|scope| {
        for (what, input) in inputs {
            let begin = Instant::now();
            let mut client = agent.connect_tcp();
            scope.spawn(move || {
                client.write(input);
                let mut last = None;
                while let Some(line) = client.try_whole_line() {
                    assert!(last.is_none() || last.as_deref() == Some(REFUSAL), "{what}: {last:?}");
                    last = Some(line);
                }
                // A silent client may be about to start TLS, so it gets no text.
                let late = (!input.is_empty()).then_some("ERR 75 no good token within 10 s");
                assert_eq!(last.as_deref(), late, "{what}");
                assert!(begin.elapsed() >= HANDSHAKE, "{what}: {:?}", begin.elapsed());
            });
        }
    });
    agent.wait_for_output("127.0.0.1: not authenticated: ");
    agent.wait_for_output("no good token within 10 s");
    wait_for("no other connection", || (agent.stats()["connections"] == 1).then_some(()));
}

#[test]
fn silent_connection_does_not_delay_stop() {
    let mut agent = Agent::with(&[BRIDGE]);
    let _silent = agent.connect_tcp();
    let mut wrong = agent.connect_tcp();
    assert_eq!(wrong.request("nonsense"), REFUSAL);
    assert!(agent.stop().success());
    assert!(!agent.output().contains("disconnecting"), "{}", agent.output());
}

#[test]
fn limits_one_address_to_64() {
    let agent = Agent::with(&[BRIDGE]);
    let good = agent.token("good", &["*"], &["*"]);
    // Authenticated connections do not count.
    let mut authenticated: Vec<Client> = (0..3).map(|_| agent.connect_with_token(&good)).collect();
    let unauthenticated: Vec<Client> = (0..64).map(|_| agent.connect_tcp()).collect();
    wait_for("64 unauthenticated connections", || {
        (agent.stats()["connections"] == 68).then_some(())
    });
    let mut refused = agent.connect_tcp();
    let rest = refused.rest();
    assert_eq!(rest, ["ERR 75 too many connections from your address: try again later"]);
    for client in &mut authenticated {
        client.write("SEND hello\n").sync();
    }
    drop(unauthenticated);
    wait_for("a free connection", || {
        let mut client = agent.connect_tcp();
        client.try_write(format!("AUTH {good}\n"));
        (client.try_whole_line()? == "OK good").then_some(())
    });
}

#[test]
fn rejects_syslog_over_tcp() {
    let agent = Agent::with(&[BRIDGE]);
    let good = agent.token("good", &["*"], &["*"]);
    for input in [
        format!("<13>app: hello\nAUTH {good}\n<13>app: hello\n"),
        format!("14 <13>app: hello{} <13>AUTH {good}\n", 9 + good.len()),
        format!("hello\n<13>app: hello\nSEND hello\nAUTH {WRONG}\nSEND hello\n"),
        format!("{{\"msg\":\"hello\"}}\nAUTH {good}\n"),
    ] {
        let mut client = agent.connect_tcp();
        client.write(&input).shutdown_write();
        for line in client.rest() {
            assert_eq!(line, REFUSAL, "{input}");
        }
    }
    assert_eq!(agent.stats()["events"], 0);
    // The dialect does not change after a good token.
    let mut client = agent.connect_with_token(&good);
    assert!(client.request("<13>app: hello").starts_with("ERR 64 "));
    assert_eq!(agent.stats()["events"], 0);
}

#[test]
fn token_never_leaks() {
    let agent = Agent::with(&[BRIDGE]);
    let good = agent.token("good", &["*"], &["*"]);
    let mistyped = format!("{}!", &good[..63]);
    let mut wrong = agent.connect_tcp();
    for request in [format!("AUTH {mistyped}"), format!("AUT {good}"), format!("SEND AUTH {good}")]
    {
        assert_eq!(wrong.request(&request), REFUSAL);
    }
    let mut client = agent.connect_with_token(&good);
    client.write("SEND hello\n").sync();
    // The answer to a needless AUTH does not repeat the token.
    let answers =
        [client.request(&format!("AUTH {good}")), agent.connect().request(&format!("AUTH {good}"))];
    agent.wait_for_output("not authenticated");
    agent.pulsed(&["token", "revoke", "good"]).ok();
    assert_eq!(client.rest(), [""; 0]);
    agent.wait_for_output("token good: access revoked, disconnecting");
    let proc =
        |file: &str| fs::read(format!("/proc/{}/{file}", agent.pid())).expect("a running process");
    let mut places = vec![agent.output(), agent.history_text(), answers.concat()];
    places.extend(["cmdline", "environ"].map(|file| String::from_utf8_lossy(&proc(file)).into()));
    for entry in fs::read_dir(agent.history()).expect("a history") {
        let bytes = fs::read(entry.expect("a readable entry").path()).unwrap_or_default();
        places.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    for text in places {
        assert!(!text.contains(&good[..63]), "{text}");
    }
    assert_eq!(parse(&agent.connect().tail("{}")[0]).msg(), Some("hello"));
}

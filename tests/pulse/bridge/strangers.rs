//! Who has no token, or none that is good.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::{BRIDGE, REFUSAL, WRONG};
use crate::harness::{Agent, Client, parse, wait_for};

/// How long the first wrong token takes at least; then twice that, and so on.
const DELAY: Duration = Duration::from_millis(250);

/// How long a stranger is waited for.
const HANDSHAKE: Duration = Duration::from_secs(10);

#[test]
fn whatever_is_wrong_the_answer_is_the_same_and_takes_longer_each_time() {
    let agent = Agent::with(&[BRIDGE]);
    let revoked = agent.token("gone", &["*"], &["*"]);
    agent.pulsed(&["token", "revoke", "gone"]).ok();
    let good = agent.token("good", &["*"], &["*"]);
    let short = &good[..63];
    thread::scope(|scope| {
        for said in [
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
                for wait in [DELAY, 2 * DELAY, 4 * DELAY] {
                    let begun = Instant::now();
                    assert_eq!(client.request(&said), REFUSAL, "{said}");
                    assert!(begun.elapsed() >= wait, "{said}: {:?}", begun.elapsed());
                }
            });
        }
    });
    agent.wait_for_output("127.0.0.1: not authenticated: ");
    assert_eq!(agent.history_text(), "");
}

#[test]
fn wrong_tokens_shut_nobody_else_out_of_the_same_address() {
    let agent = Agent::with(&[BRIDGE]);
    let good = agent.token("good", &["*"], &["*"]);
    let mut wrong = agent.connect_tcp();
    wrong.write(format!("AUTH {WRONG}\n").repeat(4));
    let answered = thread::spawn(move || {
        let told: Vec<String> = (0..4).map(|_| wrong.line()).collect();
        (told, Instant::now(), wrong)
    });
    agent.connect_with_token(&good);
    let came_in = Instant::now();
    let (told, answered, mut wrong) = answered.join().expect("four answers");
    assert_eq!(told, [REFUSAL; 4]);
    assert!(came_in < answered, "it waited for somebody else");
    // And a slip of the pen shuts nobody out for good.
    wrong.auth(&good);
}

#[test]
fn without_a_good_token_a_connection_ends_after_10_s() {
    let agent = Agent::with(&[BRIDGE]);
    let beginnings: [(&str, &[u8]); 4] = [
        ("silence", b""),
        ("half an AUTH", b"AUTH 0123"),
        ("a line without end", &[b'x'; 5000]),
        ("telnet's options without end", &[0xff; 2001]),
    ];
    thread::scope(|scope| {
        for (what, said) in beginnings {
            let begun = Instant::now();
            let mut client = agent.connect_tcp();
            scope.spawn(move || {
                client.write(said);
                let mut last = None;
                while let Some(line) = client.try_whole_line() {
                    assert!(last.is_none() || last.as_deref() == Some(REFUSAL), "{what}: {last:?}");
                    last = Some(line);
                }
                // Whoever has not said a word may be about to speak TLS.
                let late = (!said.is_empty()).then_some("ERR 75 no good token within 10 s");
                assert_eq!(last.as_deref(), late, "{what}");
                assert!(begun.elapsed() >= HANDSHAKE, "{what}: {:?}", begun.elapsed());
            });
        }
    });
    agent.wait_for_output("127.0.0.1: not authenticated: ");
    agent.wait_for_output("no good token within 10 s");
    wait_for("nobody but who asks", || (agent.stats()["connections"] == 1).then_some(()));
}

#[test]
fn whoever_says_nothing_does_not_hold_up_the_agents_end() {
    let mut agent = Agent::with(&[BRIDGE]);
    let _silent = agent.connect_tcp();
    let mut wrong = agent.connect_tcp();
    assert_eq!(wrong.request("nonsense"), REFUSAL);
    assert!(agent.stop().success());
    assert!(!agent.output().contains("disconnecting"), "{}", agent.output());
}

#[test]
fn one_address_may_have_64_strangers_and_no_more() {
    let agent = Agent::with(&[BRIDGE]);
    let good = agent.token("good", &["*"], &["*"]);
    // Who has come in is none.
    let mut guests: Vec<Client> = (0..3).map(|_| agent.connect_with_token(&good)).collect();
    let strangers: Vec<Client> = (0..64).map(|_| agent.connect_tcp()).collect();
    wait_for("64 strangers", || (agent.stats()["connections"] == 68).then_some(()));
    let mut refused = agent.connect_tcp();
    let told = refused.rest();
    assert_eq!(told, ["ERR 75 too many connections from your address: try again later"]);
    for guest in &mut guests {
        guest.write("SEND hello\n").sync();
    }
    drop(strangers);
    wait_for("room", || {
        let mut client = agent.connect_tcp();
        client.try_write(format!("AUTH {good}\n"));
        (client.try_whole_line()? == "OK good").then_some(())
    });
}

#[test]
fn what_syslog_says_by_tcp_never_becomes_an_event() {
    let agent = Agent::with(&[BRIDGE]);
    let good = agent.token("good", &["*"], &["*"]);
    for said in [
        format!("<13>app: hello\nAUTH {good}\n<13>app: hello\n"),
        format!("14 <13>app: hello{} <13>AUTH {good}\n", 9 + good.len()),
        format!("hello\n<13>app: hello\nSEND hello\nAUTH {WRONG}\nSEND hello\n"),
    ] {
        let mut client = agent.connect_tcp();
        client.write(&said).shutdown_write();
        for line in client.rest() {
            assert_eq!(line, REFUSAL, "{said}");
        }
    }
    assert_eq!(agent.stats()["events"], 0);
    // Nor is it another dialect behind a good token.
    let mut client = agent.connect_with_token(&good);
    assert!(client.request("<13>app: hello").starts_with("ERR 64 "));
    assert_eq!(agent.stats()["events"], 0);
}

#[test]
fn a_token_is_nowhere_but_with_whom_it_was_given_to() {
    let agent = Agent::with(&[BRIDGE]);
    let good = agent.token("good", &["*"], &["*"]);
    let slip = format!("{}!", &good[..63]);
    let mut stranger = agent.connect_tcp();
    for said in [format!("AUTH {slip}"), format!("AUT {good}"), format!("SEND AUTH {good}")] {
        assert_eq!(stranger.request(&said), REFUSAL);
    }
    let mut client = agent.connect_with_token(&good);
    client.write("SEND hello\n").sync();
    // Said once more, where it is not needed: what is answered does not repeat it.
    let told =
        [client.request(&format!("AUTH {good}")), agent.connect().request(&format!("AUTH {good}"))];
    agent.wait_for_output("not authenticated");
    agent.pulsed(&["token", "revoke", "good"]).ok();
    assert_eq!(client.rest(), [""; 0]);
    agent.wait_for_output("token good: access revoked, disconnecting");
    let proc = |file: &str| fs::read(format!("/proc/{}/{file}", agent.pid())).expect("proc");
    let mut places = vec![agent.output(), agent.history_text(), told.concat()];
    places.extend(["cmdline", "environ"].map(|file| String::from_utf8_lossy(&proc(file)).into()));
    for entry in fs::read_dir(agent.history()).expect("a history") {
        let bytes = fs::read(entry.expect("read").path()).unwrap_or_default();
        places.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    for text in places {
        assert!(!text.contains(&good[..63]), "{text}");
    }
    assert_eq!(parse(&agent.connect().tail("{}")[0]).msg(), Some("hello"));
}

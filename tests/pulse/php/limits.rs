//! An agent that is away, hangs, is slow or refuses: the page goes on, and what was lost is counted.

use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{Backlog, listen};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::site::library;
use super::{code, code_for, events, messages, sum};
use crate::bridge::tls::make_certificate;
use crate::harness::{Agent, Tool, as_root, wait_for};

/// A socket that is not an agent's.
fn socket() -> (TempDir, UnixListener) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let listener = UnixListener::bind(dir.path().join("sock")).expect("a writable directory");
    (dir, listener)
}

/// The least time that 1,000 events and the end of their request took, of several attempts, in milliseconds. The machine may be
/// busy: the least one shows whether the library waits.
fn least_time(path: &Path, prepare: impl Fn() -> Option<UnixStream>) -> f64 {
    let text = "Pulse::send('warm'); Pulse::endRequest(); Pulse::beginRequest();
        $begun = hrtime(true);
        for ($n = 0; $n < 1000; $n++) { Pulse::send(\"User $n has logged in\", ['rows' => $n, 'name' => str_repeat('x', 200)]); }
        Pulse::endRequest();
        echo (hrtime(true) - $begun) / 1e6;";
    let times = (0..10).map(|_| {
        let held = prepare();
        let out = code(text).env("PULSED_SOCKET", path.to_str().expect("UTF-8")).ok();
        drop(held);
        out.parse::<f64>().expect("a number")
    });
    times.fold(f64::INFINITY, f64::min)
}

/// What 1,000 events may take in these tests, in milliseconds. The goal is 5, which the benchmark measures.
const TIME_MAX: f64 = 15.0;

#[test]
fn an_agent_that_is_away_costs_little() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let time = least_time(&dir.path().join("nothing"), || None);
    assert!(time < TIME_MAX, "{time} ms");
}

#[test]
fn an_agent_that_never_reads_costs_little() {
    let (dir, listener) = socket();
    let path = dir.path().join("sock");
    // It accepts, and reads nothing.
    thread::spawn(move || {
        listener.incoming().map(|stream| stream.expect("a connection")).collect::<Vec<_>>()
    });
    let time = least_time(&path, || None);
    assert!(time < TIME_MAX, "{time} ms");
}

#[test]
fn an_agent_that_never_accepts_costs_little() {
    let (dir, listener) = socket();
    let path = dir.path().join("sock");
    listen(&listener, Backlog::new(0).expect("a small number")).expect("a bound socket");
    let full = UnixStream::connect(&path).expect("room for one");
    let time = least_time(&path, || None);
    assert!(time < TIME_MAX, "{time} ms");
    drop(full);
}

#[test]
fn an_agent_that_closes_every_connection_costs_little() {
    let (dir, listener) = socket();
    let path = dir.path().join("sock");
    thread::spawn(move || listener.incoming().for_each(drop));
    let time = least_time(&path, || None);
    assert!(time < TIME_MAX, "{time} ms");
}

#[test]
fn a_slow_agent_gets_whole_lines_and_the_exact_count_of_the_others() {
    let (dir, listener) = socket();
    let path = dir.path().join("sock");
    let text = "for ($n = 0; $n < 20000; $n++) {
            Pulse::send(\"event $n\", ['pad' => str_repeat('x', $n * 7 % 3000)]);
            if ($n % 100 === 0) { usleep(500); }
        }
        echo \"sent\\n\"; fgets(STDIN);
        Pulse::beginRequest(); Pulse::send('last'); Pulse::flush(); Pulse::flush();";
    let mut running = code(text).env("PULSED_SOCKET", path.to_str().expect("UTF-8")).start();
    let (mut stream, _) = listener.accept().expect("a connection");
    let mut received = Vec::new();
    let reader = thread::spawn(move || {
        let mut piece = [0; 7001];
        loop {
            match stream.read(&mut piece) {
                Ok(0) => return received,
                Ok(length) => received.extend_from_slice(&piece[..length]),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return received,
                Err(e) => panic!("{e}"),
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(running.line(), "sent");
    // Until the reader has read all that the socket holds, and the library tries again.
    thread::sleep(Duration::from_millis(2500));
    running.write_stdin("\n");
    assert_eq!(running.wait().code, Some(0));
    let received = String::from_utf8(reader.join().expect("no panic")).expect("UTF-8");
    let lines: Vec<Value> = received
        .lines()
        .filter(|line| !line.is_empty() && *line != "SYNC")
        .map(|line| {
            let object = line.strip_prefix("SEND ").unwrap_or_else(|| panic!("{line}"));
            serde_json::from_str(object).unwrap_or_else(|e| panic!("{e}: {line}"))
        })
        .collect();
    let (reports, sent): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line["tag"] == "php.pulse");
    let lost = sum(&reports, "lost");
    assert!(lost > 0, "the reader was not slow enough");
    assert_eq!(sent.len() as u64 + lost, 20_001, "{} reports", reports.len());
    assert_eq!(sent.last().map(|line| &line["msg"]), Some(&json!("last")));
}

#[test]
fn counts_what_an_absent_agent_did_not_get() {
    let mut agent = Agent::prepare(&[]);
    let text =
        "for ($n = 0; $n < 3000; $n++) { Pulse::send('early', ['pad' => str_repeat('x', 100)]); }
        echo \"sent\\n\"; fgets(STDIN);
        usleep(2100000); Pulse::send('late');";
    let mut running = code_for(&agent, text).start();
    assert_eq!(running.line(), "sent");
    agent.restart();
    running.write_stdin("\n");
    assert_eq!(running.wait().code, Some(0));
    let all = events(&agent);
    let early = all.iter().filter(|event| event["msg"] == "early").count() as u64;
    let report = all.iter().find(|event| event["tag"] == "php.pulse").expect("a report");
    assert_eq!(early + report["fields"]["lost"].as_u64().expect("a count"), 3000, "{report}");
    assert_eq!((report["level"].as_str(), early > 100), (Some("warning"), true));
    assert!(
        report["fields"]["why"].as_str().is_some_and(|why| why.contains("cannot connect")),
        "{report}"
    );
    assert_eq!(all.iter().filter(|event| event["msg"] == "late").count(), 1);
}

#[test]
fn counts_refusals_and_never_stops_for_their_answers() {
    if !as_root("that refused events are counted") {
        return;
    }
    let rules = "[[access]]\ntag = \"ok.*\"\nsend = [\"*\"]\n[[access]]\ntag = \"php.pulse\"\nsend = [\"*\"]\n\
        [[access]]\ntag = \"*\"\nsend = []";
    let agent = Agent::with(&[rules]);
    let copy = agent.dir().join("php");
    Tool::new("cp").arg("-r").arg(library("")).arg(&copy).ok();
    Tool::new("chmod").args(&["-R", "a+rX"]).arg(&copy).ok();
    let text = format!(
        "require {:?};
         for ($n = 0; $n < 5000; $n++) {{ Pulse::send(\"refused $n\"); if ($n % 50 === 0) {{ usleep(1000); }} }}
         for ($n = 0; $n < 20; $n++) {{ usleep(60000); Pulse::send('accepted', tag: 'ok.x'); Pulse::flush(); }}",
        copy.join("pulse.php")
    );
    let user = Tool::new("setpriv").args(&["--reuid=4242", "--clear-groups", "php", "-r", &text]);
    user.env("PULSED_SOCKET", agent.socket_text()).ok();
    let all = events(&agent);
    assert_eq!(sum(&all, "refused"), 5000, "{all:#?}");
    assert_eq!(all.iter().filter(|event| event["msg"] == "accepted").count(), 20);
}

#[test]
fn needs_at_most_256_kib() {
    let (dir, listener) = socket();
    let agent = Agent::start();
    thread::spawn(move || {
        listener.incoming().map(|stream| stream.expect("a connection")).collect::<Vec<_>>()
    });
    let text =
        "Pulse::send('warm', ['list' => [1]]); Pulse::begin(\"\\xFF\")->end(); Pulse::flush();
        $long = str_repeat('x', 5000000); $wide = array_fill(0, 100000, 'y');
        $bad = str_repeat(\"\\xFF\", 50000); $control = str_repeat(\"\\x01\", 50000);
        memory_reset_peak_usage(); $before = memory_get_usage();
        for ($n = 0; $n < 2000; $n++) {
            Pulse::send($long, ['long' => $long, 'wide' => $wide, 'control' => $control]);
            Pulse::send($bad, [$bad, $control, $control, $control, $control]);
            if ($n % 100 === 0) { for ($k = 0; $k < 150; $k++) { Pulse::begin($long); } }
        }
        echo memory_get_peak_usage() - $before;";
    let hung = dir.path().join("sock");
    for socket in [agent.socket(), hung, dir.path().join("nothing")] {
        // memory_reset_peak_usage() is one of PHP 8.2.
        let out = code(text).env("PULSED_SOCKET", socket.to_str().expect("UTF-8")).ok();
        let peak: u64 = out.parse().expect("a number");
        assert!(peak <= 256 << 10, "{}: {peak} bytes", socket.display());
    }
}

/// Options of a bridge, and a script with them.
fn through_bridge(server: &str, token: &str, ca: Option<&Path>, text: &str) -> Tool {
    let options = json!({"server": server, "token": token, "ca": ca});
    code(&format!("Pulse::configure(json_decode('{options}', true)); {text}"))
}

#[test]
fn sends_through_the_bridge() {
    let mut agent = Agent::prepare(&[]);
    let (cert, key) = (agent.dir().join("cert.pem"), agent.dir().join("key.pem"));
    make_certificate(&cert, &key);
    agent.configure(&[
        "tcp.listen = \"127.0.0.1:0\"",
        &format!("tcp.cert = {cert:?}"),
        &format!("tcp.key = {key:?}"),
    ]);
    agent.restart();
    let token = agent.token("web", &["php*"], &["*"]);
    let port = agent.tcp().port();
    let mut attempt = 0;
    for (server, ca) in [("127.0.0.1", None), ("localhost", Some(cert.as_path()))] {
        // On a busy machine, a connection may take longer than it may.
        wait_for("1,000 events and a run", || {
            attempt += 1;
            let text = format!(
                "for ($n = 0; $n < 1000; $n++) {{
                     Pulse::send('event {attempt}', ['pad' => str_repeat('x', 300)]);
                     if ($n % 50 === 0) {{ Pulse::flush(); usleep(2000); }}
                 }}
                 Pulse::begin('event {attempt}')->end();"
            );
            through_bridge(&format!("{server}:{port}"), &token, ca, &text).ok();
            let all = events(&agent);
            assert!(all.iter().all(|event| event["origin"]["token"] == "web"));
            let sent = messages(&all).into_iter().filter(|msg| *msg == format!("event {attempt}"));
            (sent.count() == 1002).then_some(())
        });
    }

    // Neither a wrong token nor a certificate that is not trusted gets an event through, or fails the page.
    let other = agent.dir().join("other.pem");
    make_certificate(&other, &agent.dir().join("other.key"));
    for (token, ca) in [("wrong", &cert), (token.as_str(), &other)] {
        let done =
            through_bridge(&format!("localhost:{port}"), token, Some(ca), "Pulse::send('no');")
                .run();
        assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (Some(0), "", ""));
    }
    assert!(!messages(&events(&agent)).contains(&"no"));
}

#[test]
fn a_bridge_that_does_not_answer_is_tried_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server = listener.local_addr().expect("a bound socket").to_string();
    let (sender, accepted) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            held.push(stream.expect("a connection"));
            let _ = sender.send(held.len());
        }
    });
    let text = "$begun = hrtime(true);
        for ($k = 0; $k < 20; $k++) { Pulse::send('x'); Pulse::flush(); usleep(30000); Pulse::beginRequest(); }
        echo (hrtime(true) - $begun) / 1e9;";
    let took: f64 = through_bridge(&server, "token", None, text).ok().parse().expect("a number");
    // 0.6 s of sleep, and one wait of 0.25 s.
    assert!((0.8..15.0).contains(&took), "{took} s");
    wait_for("a connection", || accepted.try_recv().ok());
    assert!(accepted.try_recv().is_err(), "a second connection");
}

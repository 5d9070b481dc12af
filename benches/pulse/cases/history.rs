//! A large history, filled through the agent: how soon a reader has the first line of a time, how soon an agent is
//! ready, and how long a search through all of it takes, compared with grep over the files and with journalctl.

mod journal;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use crate::load::{Kind, MESSAGES, Message};
use crate::random::Random;
use crate::systems::{Agent, Settings, System as _};
use crate::table::{Row, Target, Unit};
use crate::{BenchError, Options, refused};

/// How many needles are among the events, evenly spread.
const NEEDLES: u64 = 10;

/// Searches of one pattern end after so many, or when they took so long together.
const SEARCHES: (usize, Duration) = (5, Duration::from_secs(15));

/// The searches: their name, the pattern for us, grep's options, and the target in its speed. The capital makes a
/// search of ours heed the case, as grep does.
const PATTERNS: [(&str, &str, &[&str], Option<f64>); 3] = [
    ("literal", "Haystack", &["-F"], Some(0.4)),
    ("regex", "H[a-z]+ck.number.[0-9]+.of.the", &["-E"], Some(0.4)),
    ("literal in any case", "haystack", &["-i", "-F"], None),
];

/// How long a connection may be silent during a search.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// An agent with a large history.
struct Filled {
    agent: Agent,
    events: u64,
    bytes: u64,
    /// Times within the history.
    times: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let mut filled = fill(options)?;
    let size = format!("{:.1} GB of history", filled.bytes as f64 / 1e9);
    let singles = options.singles();
    let mut random = Random(options.seed);
    let first = (0..singles).map(|_| first_line(&filled, &mut random)).collect::<Result<_, _>>()?;
    let mut rows = vec![
        Row::new(format!("first line of `--since`, {size}"), Unit::Millis, first)
            .target(Target::Value(5.0)),
    ];
    let mut literal = Vec::new();
    for (name, pattern, grep, target) in PATTERNS {
        let (ours, peer) = search_in_turns(&filled, pattern, grep)?;
        let speed = |seconds: &f64| filled.bytes as f64 / seconds;
        let row = Row::new(
            format!("`-g` through {size}, {name}"),
            Unit::BytesPerSecond,
            ours.iter().map(speed).collect(),
        )
        .peer("grep", peer.iter().map(speed).collect());
        rows.push(match target {
            Some(aim) => row.target(Target::Peer(aim)),
            None => row,
        });
        if literal.is_empty() {
            literal = ours;
        }
    }
    let events = |seconds: &f64| filled.events as f64 / seconds;
    let journal = journal::search(options, &texts(options), "Haystack", NEEDLES)?;
    rows.push(
        Row::new(
            format!("`-g` through {size}, literal, in events"),
            Unit::PerSecond,
            literal.iter().map(events).collect(),
        )
        .peer("journalctl --grep", journal),
    );
    let ready = (0..singles).map(|_| ready(&mut filled, options)).collect::<Result<_, _>>()?;
    rows.insert(
        1,
        Row::new(format!("ready after kill -9, {size}"), Unit::Millis, ready)
            .target(Target::Value(50.0)),
    );
    Ok(rows)
}

/// Text and objects in turns.
fn texts(options: &Options) -> Vec<Message> {
    let (text, objects) = (options.load(Kind::Text), options.load(Kind::Objects));
    text.into_iter().zip(objects).flat_map(|(text, object)| [text, object]).take(MESSAGES).collect()
}

/// A message that is searched for.
fn needle(number: u64) -> String {
    format!("Needle in the Haystack number {number} of the run took 40ms")
}

/// Sends events until the history has the wanted size.
fn fill(options: &Options) -> Result<Filled, BenchError> {
    // Nothing may be removed.
    let history_size = options.history * 2 + (1 << 30);
    let agent = Agent::start_with(Settings { history: true, history_size, web: false })?;
    let load = texts(options);
    let requests: Vec<u8> = load.iter().flat_map(|message| agent.request(message)).collect();
    let mut sender = agent.sender()?;
    let mut filled = Filled { agent, events: 0, bytes: 0, times: Vec::new() };
    let mut needles = 0;
    while filled.bytes < options.history || needles < NEEDLES {
        if filled.bytes * NEEDLES >= options.history * needles && needles < NEEDLES {
            needles += 1;
            let request = format!("SEND {}\n", needle(needles));
            sender.write_all(request.as_bytes()).map_err(refused("fill a history"))?;
        }
        sender.write_all(&requests).map_err(refused("fill a history"))?;
        sender.ask("SYNC", "OK ")?;
        filled.times.push(Timestamp::now().to_string());
        filled.events += load.len() as u64;
        filled.bytes = files(&filled.agent)?.1;
    }
    // A last time with nothing after it would wait for events that do not come.
    filled.times.pop();
    Ok(filled)
}

/// The files of the history, and their size.
fn files(agent: &Agent) -> Result<(Vec<PathBuf>, u64), BenchError> {
    let list = || {
        let (mut files, mut bytes) = (Vec::new(), 0);
        for entry in fs::read_dir(agent.history())? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_file() {
                files.push(entry.path());
                bytes += about.len();
            }
        }
        Ok((files, bytes))
    };
    list().map_err(refused("read the directory of a history"))
}

/// From the request for events since a time to the first line, in ms.
fn first_line(filled: &Filled, random: &mut Random) -> Result<f64, BenchError> {
    let mut reader = filled.agent.sender()?;
    reader.ask("PING", "OK ")?;
    let time = &filled.times[random.below(filled.times.len() as u64) as usize];
    let begin = Instant::now();
    reader.ask(&format!("TAIL {{\"since\":\"{time}\"}}"), "{\"seq\":")?;
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}

/// From the start of an agent that was killed to its first answer, in ms.
fn ready(filled: &mut Filled, options: &Options) -> Result<f64, BenchError> {
    let mut sender = filled.agent.sender()?;
    let load = options.load(Kind::Text);
    let requests: Vec<u8> = load.iter().flat_map(|message| filled.agent.request(message)).collect();
    sender.write_all(&requests).map_err(refused("send"))?;
    filled.agent.finish(&mut sender)?;
    Ok(filled.agent.restart("PING", "OK ")?.as_secs_f64() * 1e3)
}

/// Our searches and those of grep, in seconds.
fn search_in_turns(
    filled: &Filled,
    pattern: &str,
    grep: &[&str],
) -> Result<(Vec<f64>, Vec<f64>), BenchError> {
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    let (most, time) = SEARCHES;
    let since = Instant::now();
    while ours.is_empty() || (ours.len() < most && since.elapsed() < time) {
        ours.push(search(&filled.agent, pattern)?);
        peer.push(search_files(&filled.agent, pattern, grep)?);
    }
    Ok((ours, peer))
}

fn search(agent: &Agent, pattern: &str) -> Result<f64, BenchError> {
    let mut socket = agent.sender()?;
    socket.set_read_timeout(SILENCE_MAX).map_err(refused("search"))?;
    let matching = Value::from(format!("msg~{pattern}"));
    let begin = Instant::now();
    socket
        .write_all(format!("TAIL {{\"match\":{matching}}}\n").as_bytes())
        .map_err(refused("search"))?;
    let (mut found, mut line) = (0, String::new());
    let mut reader = BufReader::new(socket);
    while !line.starts_with("OK ") {
        line.clear();
        let read = reader.read_line(&mut line).map_err(refused("search"))?;
        if read == 0 || line.starts_with("ERR") {
            return Err(BenchError::Failed(format!("the search ended: {line}")));
        }
        found += u64::from(line.starts_with("{\"seq\""));
    }
    let seconds = begin.elapsed().as_secs_f64();
    complete(found, "pulsed").map(|()| seconds)
}

fn search_files(agent: &Agent, pattern: &str, options: &[&str]) -> Result<f64, BenchError> {
    let (files, _) = files(agent)?;
    let begin = Instant::now();
    let output = Command::new("grep")
        .args(["-a", "-h"])
        .args(options)
        .args(["-e", pattern])
        .args(files)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(refused("run grep"))?;
    let seconds = begin.elapsed().as_secs_f64();
    complete(output.stdout.iter().filter(|byte| **byte == b'\n').count() as u64, "grep")
        .map(|()| seconds)
}

/// A search that does not find all is no result.
fn complete(found: u64, who: &str) -> Result<(), BenchError> {
    if found == NEEDLES {
        return Ok(());
    }
    Err(BenchError::Failed(format!("{who} found {found} of {NEEDLES} needles")))
}

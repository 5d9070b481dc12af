//! Pages that do all that pages do: with and without the library, their output, headers, exit codes and logs are
//! the same, byte for byte.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use nix::sys::socket::{Backlog, listen};

use super::errors::{events, wait_for_events};
use super::site::{
    Pool, SETTINGS, Site, are_installed, can_start, library, pages_dir, without_times,
};
use crate::harness::{Agent, wait_for};

/// Takes a second.
const SLOW: &str = "time_limit.php";

/// Needs a client that goes away.
const ABORTED: &str = "abort.php";

/// Counts the sockets that a child process inherits. A persistent connection is one of them.
const CHILDREN: &str = "children.php";

/// The names of all pages, in order.
fn pages() -> Vec<String> {
    let entries = fs::read_dir(pages_dir()).expect("the folder of pages");
    let names =
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert!(names.len() > 40, "{names:?}");
    names
}

/// An agent that never answers.
struct Silent {
    dir: tempfile::TempDir,
    _listener: UnixListener,
}

impl Silent {
    /// Accepts this many connections, and reads none of them.
    fn with_room_for(connections: i32) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let listener =
            UnixListener::bind(dir.path().join("pulsed.sock")).expect("a writable directory");
        listen(&listener, Backlog::new(connections).expect("a small number"))
            .expect("a bound socket");
        Self { dir, _listener: listener }
    }

    /// Refuses all connections.
    fn refusing() -> Self {
        let silent = Self::with_room_for(1);
        let dir = tempfile::tempdir().expect("a temporary directory");
        drop(UnixListener::bind(dir.path().join("pulsed.sock")).expect("a writable directory"));
        Self { dir, ..silent }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.dir.path().join("pulsed.sock")
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]).into_owned()
}

#[test]
fn fpm_answers_are_the_same() {
    if !can_start("pages behind nginx and php-fpm, with and without the PHP library") {
        return;
    }
    let agent = Agent::start();
    let (hung, full, refusing) =
        (Silent::with_room_for(64), Silent::with_room_for(0), Silent::refusing());
    let pools = [
        Pool::plain(),
        Pool::with_library("up", &agent.socket()),
        Pool::with_library("away", Path::new("/nonexistent/pulsed.sock")),
        Pool::with_library("hung", &hung.socket()),
        Pool::with_library("full", &full.socket()),
        Pool::with_library("refusing", &refusing.socket()),
    ];
    let site = Site::start(&pages_dir(), &pools);
    let mut compared = pages();
    compared.retain(|page| page != ABORTED && page != CHILDREN);
    let arguments =
        ["-H", "Accept-Encoding: gzip", "-H", "Cookie: basket=7", "-d", "a=1&b[]=2", "-X"];
    for page in &compared {
        // Twice: the second one finds the script compiled and the connection open.
        for round in 0..if page == SLOW { 1 } else { 2 } {
            let method = if round == 0 { "POST" } else { "GET" };
            let arguments = [&arguments[..], &[method]].concat();
            let ask = |pool: &Pool| site.get(pool.name, &format!("/{page}?q=1"), &arguments);
            let expected = ask(&pools[0]);
            assert!(expected.starts_with(b"HTTP/1.1 "), "{page}: {}", shown(&expected));
            for pool in &pools[1..] {
                let answer = ask(pool);
                assert!(
                    answer == expected,
                    "{page}, agent {}, round {round}:\n{}\n--- without the library:\n{}",
                    pool.name,
                    shown(&answer),
                    shown(&expected)
                );
            }
        }
    }
    for pool in &pools[1..] {
        assert_eq!(site.log(pool.name), site.log("plain"), "the error log, agent {}", pool.name);
    }
    assert_all_ended(&agent, &compared);
}

/// Asserts that the end of each page was sent, and that none was abandoned.
fn assert_all_ended(agent: &Agent, pages: &[String]) {
    let ended = wait_for("the end of each page", || {
        let ended = events(agent, "tag=php.request took>=0");
        let has_ended = |page: &String| {
            let names = [format!("/{page}").into(), page.as_str().into()];
            ended.iter().any(|event| names.contains(&event["fields"]["page"]))
        };
        pages.iter().all(has_ended).then_some(ended)
    });
    assert!(ended.iter().all(|event| event["abandoned"].is_null()), "{ended:#?}");
}

/// What a command has shown: exit code, stdout, stderr and its error log.
fn outcome(
    program: &str,
    page: &str,
    agent: Option<&Path>,
) -> (Option<i32>, String, String, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let log = dir.path().join("log");
    let mut command = Command::new(program);
    command.current_dir(pages_dir()).arg("-n");
    for setting in SETTINGS {
        command.args(["-d", setting]);
    }
    command.args(["-d", &format!("error_log={}", log.display())]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("SESSION_DIR", dir.path());
    if let Some(agent) = agent {
        command.args(["-d", &format!("auto_prepend_file={}", library("prepend.php").display())]);
        command.env("PULSED_SOCKET", agent);
    }
    if program == "php" {
        command.arg(page);
    } else {
        command.env("REDIRECT_STATUS", "200").env("REQUEST_METHOD", "GET");
        command
            .env("SCRIPT_FILENAME", pages_dir().join(page))
            .env("SCRIPT_NAME", format!("/{page}"));
    }
    let done = command.stdin(std::process::Stdio::null()).output().expect("tests/run installs it");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let log = without_times(&fs::read_to_string(log).unwrap_or_default());
    (done.status.code(), text(&done.stdout), text(&done.stderr), log)
}

fn assert_same_outcome(program: &str) {
    if !are_installed(&[program], "pages with and without the PHP library") {
        return;
    }
    let agent = Agent::start();
    let agents = [("up", agent.socket()), ("away", "/nonexistent/pulsed.sock".into())];
    let mut compared = pages();
    compared.retain(|page| program == "php" || page != CHILDREN);
    for page in &compared {
        let expected = outcome(program, page, None);
        for (state, socket) in &agents {
            assert_eq!(outcome(program, page, Some(socket)), expected, "{page}, agent {state}");
        }
    }
    assert_all_ended(&agent, &compared);
}

#[test]
fn cli_output_and_exit_codes_are_the_same() {
    assert_same_outcome("php");
}

#[test]
fn cgi_output_and_exit_codes_are_the_same() {
    assert_same_outcome("php-cgi");
}

#[test]
fn aborted_page_ends_as_without_the_library() {
    if !can_start("pages whose client goes away, with the PHP library") {
        return;
    }
    let agent = Agent::start();
    let pools = [Pool::plain(), Pool::with_library("up", &agent.socket())];
    let site = Site::start(&pages_dir(), &pools);
    let mut seen = Vec::new();
    for pool in &pools {
        let mut client = UnixStream::connect(site.web(pool.name)).expect("nginx listens");
        client.write_all(b"GET /abort.php HTTP/1.1\r\nHost: site\r\n\r\n").expect("nginx reads");
        client.read_exact(&mut [0; 1000]).expect("the beginning of the page");
        drop(client);
        let file = site.dir().join(format!("abort-{}", pool.name));
        seen.push(wait_for("the page's shutdown function", || {
            fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n'))
        }));
    }
    assert_eq!(seen, ["1\n", "1\n"]);
    let ended = wait_for_events(&agent, "tag=php.request took>=0", 1);
    assert!(ended[0]["abandoned"].is_null(), "{ended:?}");
}

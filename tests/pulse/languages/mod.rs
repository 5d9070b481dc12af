//! docs/languages.md: every example runs as it stands there, with the real interpreter or server and a real agent, and
//! makes the documented events. `tests/run` installs what is missing.

mod document;
mod programs;
mod servers;
mod units;

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Agent, Output, PULSED, Tool, as_root, parse, wait_for};
use document::{Example, Sender, example, examples};

/// The first part of the names of examples that this module and its parts test.
const TESTED: [&str; 12] = [
    "shell", "cron", "python", "node", "ruby", "perl", "go", "java", "c", "unit", "nginx",
    "haproxy",
];

/// The paths in the document.
const SOCKET: &str = "/run/pulsed/pulsed.sock";
const DATAGRAMS: &str = "/run/pulsed/syslog.sock";

/// The jobs in the document, and what they do here.
const JOBS: [(&str, &str); 2] = [
    ("/usr/local/sbin/backup", "#!/bin/sh\nexit 0\n"),
    ("/usr/local/sbin/cleanup", "#!/bin/sh\necho removed 3 files\necho\n"),
];

/// Runs the program with an empty /dev, where `log` is the socket, unless it is absent.
const WITH_DEV_LOG: &str = "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && \
    if [ -S \"$0\" ]; then touch /dev/log && mount --bind \"$0\" /dev/log; fi && exec \"$@\"";

/// A directory with the files of one example, and the sockets that it uses.
struct Stage<'a> {
    dir: PathBuf,
    agent: &'a Agent,
    /// The sockets in the document are replaced by ones that do not exist.
    is_away: bool,
}

impl<'a> Stage<'a> {
    fn new(agent: &'a Agent) -> Self {
        let dir = agent.dir().join("stage");
        fs::create_dir_all(&dir).expect("a writable directory");
        for (path, script) in JOBS {
            let file = dir.join(Path::new(path).file_name().expect("a name"));
            fs::write(&file, script).expect("a writable directory");
            let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(file, executable).expect("ours");
        }
        Self { dir, agent, is_away: false }
    }

    fn away(agent: &'a Agent) -> Self {
        Self { is_away: true, ..Self::new(agent) }
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().expect("UTF-8").to_owned()
    }

    fn socket(&self) -> String {
        if self.is_away { self.path("none") } else { self.agent.socket_text().to_owned() }
    }

    fn datagrams(&self) -> String {
        let path = self.agent.datagrams();
        if self.is_away { self.path("none") } else { path.to_str().expect("UTF-8").to_owned() }
    }

    /// The code with the paths of this stage.
    fn replaced(&self, code: &str) -> String {
        let code = code.replace(SOCKET, &self.socket()).replace(DATAGRAMS, &self.datagrams());
        JOBS.iter().fold(code, |code, (path, _)| {
            let name = Path::new(path).file_name().and_then(|name| name.to_str()).expect("UTF-8");
            code.replace(path, &self.path(name))
        })
    }

    /// The code with these paths, in a file of this name.
    fn write(&self, name: &str, code: &str) -> String {
        let path = self.path(name);
        fs::write(&path, self.replaced(code)).expect("a writable directory");
        path
    }

    /// The tool with our programs in its path, and this stage's socket as their default.
    fn with_environment(&self, tool: Tool) -> Tool {
        tool.env("PATH", &search_path()).env("PULSED_SOCKET", &self.socket())
    }

    /// The command that runs this code.
    #[track_caller]
    fn command(&self, language: &str, code: &str) -> Tool {
        let run = |program: &str, name: &str| Tool::new(program).args(&[&self.write(name, code)]);
        let tool = match language {
            "sh" => run("sh", "shop.sh"),
            "python" => run("python3", "shop.py"),
            "js" => run("node", "shop.js"),
            "ruby" => run("ruby", "shop.rb"),
            "perl" => run("perl", "shop.pl"),
            "java" => run("java", "Shop.java"),
            "go" => self.compile("gccgo", "shop.go", code),
            "c" => {
                let (program, arguments) = self.compile("cc", "shop.c", code).words();
                assert!(arguments.is_empty());
                let script = ["--mount", "sh", "-c", WITH_DEV_LOG, &self.datagrams()];
                Tool::new("unshare").args(&script).arg(program)
            }
            _ => panic!("no interpreter for {language}"),
        };
        self.with_environment(tool)
    }

    #[track_caller]
    fn compile(&self, compiler: &str, name: &str, code: &str) -> Tool {
        let (program, source) = (self.path("shop"), self.write(name, code));
        Tool::new(compiler).args(&["-o", &program, &source]).ok();
        Tool::new(&program)
    }

    /// The events of the agent, with the paths of the document.
    fn events(&self) -> Vec<Value> {
        let printed = self.agent.tail(&["-n", "all", "-o", "json"]).ok();
        let printed = JOBS.iter().fold(printed, |printed, (path, _)| {
            let name = Path::new(path).file_name().and_then(|name| name.to_str()).expect("UTF-8");
            printed.replace(&self.path(name), path)
        });
        let items = printed.lines().map(parse);
        items.filter(|item| item.gap().is_none()).map(|item| item.event().clone()).collect()
    }

    /// Waits for the events of an example, and compares them.
    #[track_caller]
    fn expect(&self, example: &Example) {
        let events = wait_for(&format!("the events of {}", example.name), || {
            let events = self.events();
            (events.len() >= example.count()).then_some(events)
        });
        example.assert_events(&events, Sender::Own);
    }
}

/// Where our programs are, then the usual directories.
fn search_path() -> String {
    let ours = Path::new(PULSED).parent().expect("a directory").display();
    format!("{ours}:{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// Runs every example of this language: with an agent; and the safe ones also without, and with one that hangs.
#[track_caller]
fn check(language: &str) {
    let mut checked = 0;
    for example in examples() {
        if example.name.split_once('.').is_none_or(|(first, _)| first != language) {
            continue;
        }
        checked += 1;
        check_with_agent(&example);
        if example.is_safe {
            check_without_agent(&example);
            check_with_hung_agent(&example);
        }
    }
    assert!(checked > 0, "no example of {language}");
}

fn check_with_agent(example: &Example) {
    let agent = Agent::start();
    let stage = Stage::new(&agent);
    let done = stage.command(&example.language, &example.code).run();
    assert_eq!(done.code, Some(0), "{}: {done:#?}", example.name);
    assert_eq!(done.err, "", "{}: {done:#?}", example.name);
    stage.expect(example);
}

fn check_without_agent(example: &Example) {
    let agent = Agent::prepare(&[]);
    let done = Stage::away(&agent).command(&example.language, &example.code).run();
    assert_eq!(done.code, Some(0), "{}: {done:#?}", example.name);
    assert!(done.err.is_empty() || example.is_noisy, "{}: {done:#?}", example.name);
}

/// The program ends, and the agent has the events as soon as it continues.
fn check_with_hung_agent(example: &Example) {
    let agent = Agent::start();
    let stage = Stage::new(&agent);
    agent.signal(Signal::SIGSTOP);
    let Output { code, err, .. } = stage.command(&example.language, &example.code).run();
    agent.signal(Signal::SIGCONT);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{}", example.name);
    stage.expect(example);
}

#[test]
fn every_example_is_tested_and_has_events() {
    let examples = examples();
    for example in &examples {
        let first = example.name.split_once('.').map(|(first, _)| first);
        assert!(first.is_some_and(|first| TESTED.contains(&first)), "{}", example.name);
        assert!(example.count() > 0 || example.name == "haproxy.unit", "{}", example.name);
        assert_eq!(examples.iter().filter(|other| other.name == example.name).count(), 1);
    }
}

#[test]
fn shell() {
    check("shell");
}

#[test]
fn python() {
    check("python");
}

#[test]
fn node() {
    check("node");
}

#[test]
fn ruby() {
    check("ruby");
}

#[test]
fn perl() {
    check("perl");
}

#[test]
fn go() {
    check("go");
}

#[test]
fn java() {
    check("java");
}

#[test]
fn c() {
    if as_root("syslog(3) with the socket mounted over /dev/log") {
        check("c");
    }
}

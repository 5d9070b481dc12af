//! The examples for programs that run for long: they survive a restart of the agent, they do not wait for one that
//! hangs, and their runs are abandoned if they are killed.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Stage, example};
use crate::harness::{Agent, Running, wait_for};

/// More than the kernel holds for an agent that does not read.
const FLOOD: usize = 700;

/// The size of one message of the flood.
const FLOOD_MESSAGE: usize = 1024;

/// Follows an example: sends each line of stdin as an event, of a run if it is `run`, then writes a line.
const PYTHON: &str = "
import sys
for line in map(str.strip, sys.stdin):
    log.info(line, extra={'pulse': {'run': 'loop'} if line == 'run' else {}})
    print('sent', flush=True)
";

const NODE: &str = "
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  pulse({ msg: line, ...(line === 'run' ? { run: 'loop' } : {}) })
  console.log('sent')
})
";

const RUBY: &str = "
$stdout.sync = true
while (line = gets)
  LOG.info(line.chomp == 'run' ? { msg: 'run', run: 'loop' } : line.chomp)
  puts 'sent'
end
";

const PERL: &str = "
$| = 1;
while (my $line = <STDIN>) {
    chomp $line;
    pulse(msg => $line, $line eq 'run' ? (run => 'loop') : ());
    print \"sent\\n\";
}
";

const GO: &str = "
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		next := event{\"tag\": \"shop.query\", \"msg\": lines.Text()}
		if lines.Text() == \"run\" {
			next[\"run\"] = \"loop\"
		}
		pulse.Encode(next)
		os.Stdout.WriteString(\"sent\\n\")
	}
}
";

const JAVA: &str = "
        var lines = new java.util.Scanner(System.in);
        while (lines.hasNextLine()) {
            LOG.info(lines.nextLine());
            System.out.println(\"sent\");
        }
    }
}
";

/// The code without its end, then this.
#[track_caller]
fn instead_of(code: &str, end: &str, with: &str) -> String {
    format!("{}{with}", code.strip_suffix(end).expect("its end"))
}

/// Sends one line, and waits until the program continues.
fn send(program: &mut Running, line: &str) {
    program.write_stdin(&format!("{line}\n"));
    assert_eq!(program.line(), "sent");
}

fn with_msg<'e>(events: &'e [Value], msg: &str) -> Option<&'e Value> {
    events.iter().find(|event| event["msg"] == msg)
}

/// Sends a message until it arrives: those that find the connection closed are lost.
#[track_caller]
fn send_until_there(program: &mut Running, stage: &Stage<'_>, msg: &str) {
    wait_for(&format!("an event {msg}"), || {
        send(program, msg);
        with_msg(&stage.events(), msg).map(drop)
    });
}

/// `has_runs`: it can report runs.
fn check(name: &str, with_loop: impl FnOnce(&str) -> String, has_runs: bool) {
    let example = example(name);
    let mut agent = Agent::start();
    let stage = Stage::new(&agent);
    let tool = stage.command(&example.language, &with_loop(&example.code));
    let mut program = tool.start();
    stage.expect(&example);
    send(&mut program, "first");
    wait_for("an event", || with_msg(&stage.events(), "first").map(drop));

    assert!(agent.stop().success());
    send(&mut program, "without an agent");
    send(&mut program, "still without");
    agent.restart();
    let stage = Stage::new(&agent);
    send_until_there(&mut program, &stage, "after the restart");

    agent.signal(Signal::SIGSTOP);
    let long = "x".repeat(FLOOD_MESSAGE);
    for _ in 0..FLOOD {
        send(&mut program, &long);
    }
    agent.signal(Signal::SIGCONT);
    send_until_there(&mut program, &stage, "after the flood");
    let lines = stage.events();
    let broken = lines.iter().find(|event| !event["fields"]["repaired"].is_null());
    assert!(broken.is_none_or(|event| event["fields"]["repaired"] == "object"), "{broken:?}");

    if has_runs {
        send(&mut program, "run");
        let begun = wait_for("a begin", || with_msg(&stage.events(), "run").cloned());
        assert_eq!(begun["run"], "loop");
        program.signal(Signal::SIGKILL);
        wait_for("an abandoned run", || {
            let events = stage.events();
            let ended = |event: &&Value| event["abandoned"] == true && event["run"] == "loop";
            events.iter().find(ended).map(drop)
        });
    } else {
        let done = program.wait();
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:#?}");
    }
}

#[test]
fn python_runs_for_long() {
    check("python.program", |code| format!("{code}{PYTHON}"), true);
}

#[test]
fn node_runs_for_long() {
    check("node.program", |code| format!("{code}{NODE}"), true);
}

#[test]
fn ruby_runs_for_long() {
    check("ruby.program", |code| format!("{code}{RUBY}"), true);
}

#[test]
fn perl_runs_for_long() {
    check("perl.program", |code| format!("{code}{PERL}"), true);
}

#[test]
fn go_runs_for_long() {
    let with_loop = |code: &str| {
        instead_of(code, "}\n", GO).replace("import (\n", "import (\n\t\"bufio\"\n\t\"os\"\n")
    };
    check("go.program", with_loop, true);
}

#[test]
fn java_runs_for_long() {
    check("java.program", |code| instead_of(code, "    }\n}\n", JAVA), false);
}

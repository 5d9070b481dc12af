//! One event sent by a command: pulse-send, which waits for the agent's answer, and logger, which does not.
//! Each is timed as a script runs it, from fork to exit, against the same agent.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, io};

use crate::systems::{Agent, DISK, programs};
use crate::table::{Row, Target, Unit};
use crate::{BenchError, Options, refused};

/// How many runs of each command are measured, in turns.
const RUNS: usize = 200;

/// How many runs of each warm up before.
const WARM_UP: usize = 10;

/// The message of each.
const MESSAGE: &str = "query took 40ms";

const PLAIN: &str = "one acknowledged `pulse-send`, plain build, whole process";
const STATIC: &str = "one acknowledged `pulse-send`, static musl build, whole process";

pub(crate) fn run(_options: &Options) -> Result<Vec<Row>, BenchError> {
    let agent = Agent::start(true)?;
    let programs = [
        Some(PathBuf::from("logger")).filter(|logger| is_installed(logger)),
        Some(programs().send),
        static_build()?,
    ];
    let mut taken = [const { Vec::new() }; 3];
    let mut expected = 0;
    for run in 0..WARM_UP + RUNS {
        for (program, taken) in programs.iter().zip(&mut taken) {
            let Some(program) = program else { continue };
            let micros = time_once(program, &agent.socket())?;
            expected += 1;
            if run >= WARM_UP {
                taken.push(micros);
            }
        }
    }
    all_arrived(&agent, expected)?;
    let [logger, plain, musl] = taken;
    let row = |what, program: &Option<PathBuf>, micros, target| match program {
        None => Row::unavailable(what, "target not installed"),
        Some(_) => Row::new(what, Unit::Micros, micros)
            .peer("logger", logger.clone())
            .target(Target::Peer(target)),
    };
    Ok(vec![row(PLAIN, &programs[1], plain, 0.8), row(STATIC, &programs[2], musl, 0.25)])
}

/// The time of one run, in µs.
fn time_once(program: &Path, socket: &Path) -> Result<f64, BenchError> {
    let mut command = Command::new(program);
    command.arg("-u").arg(socket).arg(MESSAGE).stdin(Stdio::null()).stdout(Stdio::null());
    let begin = Instant::now();
    let status = command.status();
    let micros = begin.elapsed().as_secs_f64() * 1e6;
    let status = status.map_err(refused(format!("run {}", program.display())))?;
    if !status.success() {
        return Err(BenchError::Failed(format!("{}: {status}", program.display())));
    }
    Ok(micros)
}

/// Waits until the agent has all events: logger may exit before its line is read.
fn all_arrived(agent: &Agent, expected: u64) -> Result<(), BenchError> {
    agent.wait_for(&format!("\"events\":{expected},"))
}

fn is_installed(program: &Path) -> bool {
    let started = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    !matches!(started, Err(e) if e.kind() == io::ErrorKind::NotFound)
}

/// pulse-send as packages ship it: `$PULSE_SEND_MUSL`, or built here, as contrib/package does. `None` if the
/// target is not installed.
fn static_build() -> Result<Option<PathBuf>, BenchError> {
    if let Some(path) = env::var_os("PULSE_SEND_MUSL") {
        return Ok(Some(path.into()));
    }
    let target = format!("{}-unknown-linux-musl", env::consts::ARCH);
    if !has_target(&target) {
        return Ok(None);
    }
    eprintln!("building: pulse-send for {target}");
    let dir = Path::new(DISK).join("musl");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--locked", "--profile", "dist", "--no-default-features"])
        .args(["--features", "tls", "--bin", "pulse-send", "--target", &target, "--target-dir"])
        .arg(&dir)
        .env("RUSTFLAGS", "-Crelocation-model=static")
        .env(format!("CC_{}", target.replace('-', "_")), "gcc")
        .env(format!("CFLAGS_{}", target.replace('-', "_")), "-DBORINGSSL_NO_STATIC_INITIALIZER")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .map_err(refused("run cargo"))?;
    if !built.success() {
        return Err(BenchError::Failed(format!("pulse-send for {target} was not built: {built}")));
    }
    Ok(Some(dir.join(target).join("dist/pulse-send")))
}

fn has_target(target: &str) -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsStr::new("rustc").to_owned());
    let asked = Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output();
    asked.is_ok_and(|answer| {
        let dir = String::from_utf8_lossy(&answer.stdout).into_owned();
        answer.status.success() && Path::new(dir.trim_end()).is_dir()
    })
}

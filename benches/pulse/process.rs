//! Processes that the benchmark started, and what they use.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::process::Child;

use crate::{BenchError, refused};

/// A running program, killed when it is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if the process has already exited.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The resident memory of a process now, in MiB.
pub(crate) fn resident(pid: u32) -> Result<f64, BenchError> {
    status(pid, "VmRSS:")
}

/// The most resident memory that a process ever had, in MiB.
pub(crate) fn peak(pid: u32) -> Result<f64, BenchError> {
    status(pid, "VmHWM:")
}

fn status(pid: u32, name: &str) -> Result<f64, BenchError> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(refused(format!("read the status of process {pid}")))?;
    Ok(figure(&text, name) as f64 / 1024.0)
}

/// The page faults of a process so far.
pub(crate) fn page_faults(pid: u32) -> Result<u64, BenchError> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(refused(format!("read the figures of process {pid}")))?;
    // After the name of the program: state, parent, group, session, terminal, its group, flags, minor faults.
    let mut fields = text.rsplit(") ").next().unwrap_or_default().split(' ');
    Ok(fields.nth(7).and_then(|field| field.parse().ok()).unwrap_or_default())
}

/// The context switches of each thread of a process.
pub(crate) fn switches(pid: u32) -> Result<BTreeMap<OsString, u64>, BenchError> {
    let count = || {
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?;
            let text = fs::read_to_string(thread.path().join("status"))?;
            let count = figure(&text, "voluntary_ctxt_switches:")
                + figure(&text, "nonvoluntary_ctxt_switches:");
            threads.insert(thread.file_name(), count);
        }
        Ok(threads)
    };
    count().map_err(refused("read the status of the threads"))
}

/// The number after a name that begins a line; 0 if there is none.
fn figure(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

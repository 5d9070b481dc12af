//! Clients of other users that mean no good.

use super::Tool;

/// A hostile client of this user: see hostile.php for its modes, and for its line.
pub(crate) fn hostile(uid: u32, mode: &str, address: &str, count: usize, line: &str) -> Tool {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pulse/hostile.php");
    let user = format!("--reuid={uid}");
    Tool::new("prlimit").args(&["--nofile=20000", "setpriv", &user, "--clear-groups"]).args(&[
        "nice",
        "-n19",
        "php",
        "-d",
        "memory_limit=-1",
        "-r",
        // Passed as an argument, because other users may have no access to the source.
        &std::fs::read_to_string(script).expect("a readable script").replace("<?php", ""),
        "--",
        mode,
        address,
        &count.to_string(),
        line,
    ])
}

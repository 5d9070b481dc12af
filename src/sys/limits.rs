//! What the kernel allows one process.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit on open files to the hard one (getrlimit(2)) and returns it. Every
/// connection is a file, and the usual soft limit of 1,024 is for programs that use select(2).
pub fn raise_open_files() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_soft_and_hard_are_the_same() {
        let raised = raise_open_files().expect("a process may raise its soft limit");
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).expect("limits"), (raised, raised));
    }
}

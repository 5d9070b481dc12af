//! Resource limits of this process.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit on open files to the hard limit (getrlimit(2)) and returns it. Every connection is
/// a descriptor, and the usual soft limit of 1,024 exists for select(2).
///
/// # Errors
/// Those of getrlimit(2) and setrlimit(2).
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
    fn soft_limit_becomes_the_hard_one() {
        let raised = raise_open_files().expect("a process may raise its soft limit");
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).expect("limits"), (raised, raised));
    }
}

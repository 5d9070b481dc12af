//! The sockets at which an agent may listen on this machine.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::sys::paths;

/// The environment variable that names the socket.
pub const SOCKET_VARIABLE: &str = "PULSED_SOCKET";

/// A socket to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its path.
    pub path: PathBuf,
    /// Where the path comes from, for error messages.
    pub(super) source: &'static str,
}

/// Why a candidate has no agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Absence {
    /// There is no such file.
    #[error("does not exist")]
    NoFile,
    /// No process listens on the socket.
    #[error("no process listens")]
    NoListener,
}

/// A candidate without an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The candidate.
    pub candidate: Candidate,
    /// What was found.
    pub absence: Absence,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Candidate { path, source } = &self.candidate;
        write!(f, "{} ({source}, {})", path.display(), self.absence)
    }
}

/// The candidates, in order: only the option, else only `$PULSED_SOCKET`, else the user's own agent and then
/// the system's.
pub(super) fn candidates(option: Option<&Path>) -> Vec<Candidate> {
    let variable = std::env::var_os(SOCKET_VARIABLE).filter(|path| !path.is_empty());
    select(option, variable.map(PathBuf::from), paths::user_socket())
}

fn select(
    option: Option<&Path>,
    variable: Option<PathBuf>,
    own: Option<PathBuf>,
) -> Vec<Candidate> {
    let candidate = |path, source| Candidate { path, source };
    if let Some(path) = option {
        return vec![candidate(path.to_owned(), "as asked")];
    }
    if let Some(path) = variable {
        return vec![candidate(path, "from $PULSED_SOCKET")];
    }
    let own = own.map(|path| candidate(path, "your own agent's"));
    let system = candidate(paths::SYSTEM_SOCKET.into(), "the system's");
    own.into_iter().chain([system]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths_of(candidates: &[Candidate]) -> Vec<&str> {
        candidates.iter().filter_map(|candidate| candidate.path.to_str()).collect()
    }

    #[test]
    fn a_named_socket_is_the_only_candidate() {
        let (variable, own) = (Some("/v".into()), Some("/own".into()));
        let all = select(Some(Path::new("/o")), variable.clone(), own.clone());
        assert_eq!(paths_of(&all), ["/o"]);
        assert_eq!(paths_of(&select(None, variable, own.clone())), ["/v"]);
        assert_eq!(paths_of(&select(None, None, own)), ["/own", paths::SYSTEM_SOCKET]);
        assert_eq!(paths_of(&select(None, None, None)), [paths::SYSTEM_SOCKET]);
    }
}

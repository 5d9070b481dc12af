//! Where the agent is: the first of four places that takes us in.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::OpenError;
use crate::sys::{connect, paths};

/// The environment variable that names the socket.
pub const SOCKET_VARIABLE: &str = "PULSED_SOCKET";

/// A place to look at, and who named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The socket.
    pub path: PathBuf,
    /// For people.
    named: &'static str,
}

/// What was found at a place where no agent is.
#[derive(Debug)]
pub struct Looked {
    place: Place,
    /// Nobody listens on the socket that is there.
    refuses: bool,
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = if self.refuses { "nobody listens" } else { "does not exist" };
        write!(f, "{} ({}, {found})", self.place.path.display(), self.place.named)
    }
}

/// Where to look, in this order: only the option, else only `$PULSED_SOCKET`, else the user's own
/// agent and then the system's.
pub(super) fn places(option: Option<&Path>) -> Vec<Place> {
    let variable = std::env::var_os(SOCKET_VARIABLE).filter(|path| !path.is_empty());
    places_of(option, variable.map(PathBuf::from), paths::user_socket())
}

fn places_of(option: Option<&Path>, variable: Option<PathBuf>, own: Option<PathBuf>) -> Vec<Place> {
    let place = |path, named| Place { path, named };
    if let Some(path) = option {
        return vec![place(path.to_owned(), "as asked")];
    }
    if let Some(path) = variable {
        return vec![place(path, "from $PULSED_SOCKET")];
    }
    let own = own.map(|path| place(path, "your own agent's"));
    let system = place(paths::SYSTEM_SOCKET.into(), "the system's");
    own.into_iter().chain([system]).collect()
}

/// Connects to the first place with an agent. A socket that refuses counts as absent.
pub(super) fn first(
    places: Vec<Place>,
    timeout: Duration,
) -> Result<(UnixStream, PathBuf), OpenError> {
    let mut looked = Vec::new();
    for place in places {
        let source = match connect::unix(&place.path, timeout) {
            Ok(stream) => return Ok((stream, place.path)),
            Err(source) => source,
        };
        let path = place.path.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                looked.push(Looked { place, refuses: false });
            }
            io::ErrorKind::ConnectionRefused => looked.push(Looked { place, refuses: true }),
            io::ErrorKind::PermissionDenied => return Err(OpenError::Denied { path, source }),
            io::ErrorKind::WouldBlock => return Err(OpenError::TimedOut { path, timeout }),
            _ => return Err(OpenError::Other { path, source }),
        }
    }
    Err(OpenError::Absent(looked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Code;
    use std::os::unix::net::UnixListener;

    const LONG: Duration = Duration::from_secs(10);

    fn paths_of(places: &[Place]) -> Vec<&str> {
        places.iter().filter_map(|place| place.path.to_str()).collect()
    }

    #[test]
    fn what_is_named_is_the_only_place() {
        let (variable, own) = (Some("/v".into()), Some("/own".into()));
        let all = places_of(Some(Path::new("/o")), variable.clone(), own.clone());
        assert_eq!(paths_of(&all), ["/o"]);
        assert_eq!(paths_of(&places_of(None, variable, own.clone())), ["/v"]);
        assert_eq!(paths_of(&places_of(None, None, own)), ["/own", paths::SYSTEM_SOCKET]);
        assert_eq!(paths_of(&places_of(None, None, None)), [paths::SYSTEM_SOCKET]);
    }

    #[test]
    fn absent_and_refusing_places_are_passed_over_and_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let (absent, dead, live) =
            (dir.path().join("absent"), dir.path().join("dead"), dir.path().join("live"));
        drop(UnixListener::bind(&dead).expect("bound"));
        let _listener = UnixListener::bind(&live).expect("bound");
        let place = |path: &PathBuf| Place { path: path.clone(), named: "as asked" };

        let (_, found) = first(vec![place(&absent), place(&dead), place(&live)], LONG)
            .expect("the third is live");
        assert_eq!(found, live);

        let error = first(vec![place(&absent), place(&dead)], LONG).expect_err("nobody");
        assert_eq!(error.code(), Code::Unavailable);
        let text = error.to_string();
        assert!(text.contains("absent (as asked, does not exist)"), "{text}");
        assert!(text.contains("dead (as asked, nobody listens)"), "{text}");
        assert!(!text.contains('\n'));
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_named() {
        let long = PathBuf::from(format!("/{}", "x".repeat(200)));
        let place = Place { path: long.clone(), named: "as asked" };
        let error = first(vec![place], LONG).expect_err("too long");
        assert!(matches!(&error, OpenError::Other { path, .. } if *path == long));
        assert_eq!(error.code(), Code::Unavailable);
    }
}

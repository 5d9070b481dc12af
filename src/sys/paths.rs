//! Where things are. uid 0 always means the system's places; another user has places of their own.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

/// The system's agent.
pub const SYSTEM_SOCKET: &str = "/run/pulsed/pulsed.sock";

/// The system's configuration.
#[cfg(feature = "agent")]
pub const SYSTEM_CONFIG: &str = "/etc/pulsed/pulsed.toml";

/// The system's history.
#[cfg(feature = "agent")]
pub const SYSTEM_STATE: &str = "/var/lib/pulsed";

/// Where this user's own agent listens: `$XDG_RUNTIME_DIR/pulsed/pulsed.sock`, else
/// `/run/user/UID/pulsed/pulsed.sock` if that directory is the user's. None for uid 0, whose agent is
/// the system's, and where there is no such directory.
pub fn user_socket() -> Option<PathBuf> {
    user_socket_of(geteuid().as_raw(), std::env::var_os("XDG_RUNTIME_DIR"), Path::new("/run/user"))
}

fn user_socket_of(uid: u32, xdg: Option<OsString>, run_user: &Path) -> Option<PathBuf> {
    if uid == 0 {
        return None;
    }
    // The XDG base directory specification: a path that is not absolute is to be ignored.
    let named = xdg.map(PathBuf::from).filter(|dir| dir.is_absolute());
    let dir = named.or_else(|| {
        let dir = run_user.join(uid.to_string());
        fs::metadata(&dir).ok().filter(|meta| meta.is_dir() && meta.uid() == uid).map(|_| dir)
    })?;
    Some(dir.join("pulsed/pulsed.sock"))
}

/// Where an agent of this user listens if nothing else is configured; none if there is no place for
/// it.
#[cfg(feature = "agent")]
pub fn agent_socket() -> Option<PathBuf> {
    if geteuid().is_root() { Some(SYSTEM_SOCKET.into()) } else { user_socket() }
}

/// Where an agent of this user looks for its configuration: `/etc/pulsed/pulsed.toml`, or the file in
/// the user's own configuration directory; none for a user without a home.
#[cfg(feature = "agent")]
pub fn config_file() -> Option<PathBuf> {
    if geteuid().is_root() {
        return Some(SYSTEM_CONFIG.into());
    }
    project().map(|dirs| dirs.config_dir().join("pulsed.toml"))
}

/// Where an agent of this user keeps its history: `/var/lib/pulsed`, or the user's own state
/// directory; none for a user without a home.
#[cfg(feature = "agent")]
pub fn state_dir() -> Option<PathBuf> {
    if geteuid().is_root() {
        return Some(SYSTEM_STATE.into());
    }
    project().and_then(|dirs| dirs.state_dir().map(Path::to_owned))
}

#[cfg(feature = "agent")]
fn project() -> Option<directories::ProjectDirs> {
    directories::ProjectDirs::from("", "", "pulsed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_socket_where_the_user_has_a_directory() {
        let run_user = tempfile::tempdir().expect("a directory");
        let uid = fs::metadata(run_user.path()).expect("it is there").uid();
        // A test that runs as root cannot own a directory as another user without chown.
        let (me, run) = if uid == 0 { (1234, None) } else { (uid, Some(())) };
        let dir = run_user.path().join(me.to_string());
        let of = |uid, xdg: Option<&str>| user_socket_of(uid, xdg.map(Into::into), run_user.path());

        assert_eq!(of(me, None), None, "there is no directory");
        fs::create_dir(&dir).expect("made");
        if run.is_none() {
            assert_eq!(of(me, None), None, "the directory is root's");
            std::os::unix::fs::chown(&dir, Some(me), None).expect("root may");
        }
        assert_eq!(of(me, None), Some(dir.join("pulsed/pulsed.sock")));
        assert_eq!(of(me, Some("/x")), Some("/x/pulsed/pulsed.sock".into()));
        for ignored in ["", "x"] {
            assert_eq!(of(me, Some(ignored)), Some(dir.join("pulsed/pulsed.sock")));
        }
        assert_eq!(of(0, Some("/x")), None, "root's agent is the system's");
    }

    #[test]
    #[cfg(feature = "agent")]
    fn root_means_the_system() {
        if geteuid().is_root() {
            assert_eq!(agent_socket(), Some(SYSTEM_SOCKET.into()));
            assert_eq!(config_file(), Some(SYSTEM_CONFIG.into()));
            assert_eq!(state_dir(), Some(SYSTEM_STATE.into()));
            assert_eq!(user_socket(), None);
        } else {
            assert_ne!(agent_socket(), Some(SYSTEM_SOCKET.into()));
        }
    }
}

//! Default paths. uid 0 uses the system's; each other user has its own.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

/// The socket of the system's agent.
pub const SYSTEM_SOCKET: &str = "/run/pulsed/pulsed.sock";

/// The configuration of the system's agent.
#[cfg(feature = "agent")]
pub const SYSTEM_CONFIG: &str = "/etc/pulsed/pulsed.toml";

/// The state directory of the system's agent.
#[cfg(feature = "agent")]
pub const SYSTEM_STATE: &str = "/var/lib/pulsed";

/// The socket of this user's own agent: `$XDG_RUNTIME_DIR/pulsed/pulsed.sock`, else
/// `/run/user/UID/pulsed/pulsed.sock` if the user owns that directory. `None` for uid 0, and if there is no
/// runtime directory.
pub fn user_socket() -> Option<PathBuf> {
    user_socket_in(geteuid().as_raw(), std::env::var_os("XDG_RUNTIME_DIR"), Path::new("/run/user"))
}

fn user_socket_in(uid: u32, xdg: Option<OsString>, run_user: &Path) -> Option<PathBuf> {
    if uid == 0 {
        return None;
    }
    // The XDG base directory specification ignores relative paths.
    let named = xdg.map(PathBuf::from).filter(|dir| dir.is_absolute());
    let dir = named.or_else(|| {
        let dir = run_user.join(uid.to_string());
        fs::metadata(&dir).ok().filter(|meta| meta.is_dir() && meta.uid() == uid).map(|_| dir)
    })?;
    Some(dir.join("pulsed/pulsed.sock"))
}

/// The default socket of an agent that this user runs. `None` if there is no runtime directory.
#[cfg(feature = "agent")]
pub fn agent_socket() -> Option<PathBuf> {
    if geteuid().is_root() { Some(SYSTEM_SOCKET.into()) } else { user_socket() }
}

/// The default configuration file of an agent that this user runs. `None` if the user has no home
/// directory.
#[cfg(feature = "agent")]
pub fn config_file() -> Option<PathBuf> {
    if geteuid().is_root() {
        return Some(SYSTEM_CONFIG.into());
    }
    project().map(|dirs| dirs.config_dir().join("pulsed.toml"))
}

/// The default state directory of an agent that this user runs. `None` if the user has no home directory.
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
    fn the_user_socket_is_in_the_users_runtime_directory() {
        let run_user = tempfile::tempdir().expect("a directory");
        let uid = fs::metadata(run_user.path()).expect("it is there").uid();
        // As root, the directory is given to another user.
        let (me, run) = if uid == 0 { (1234, None) } else { (uid, Some(())) };
        let dir = run_user.path().join(me.to_string());
        let of = |uid, xdg: Option<&str>| user_socket_in(uid, xdg.map(Into::into), run_user.path());

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
    fn root_uses_the_system_paths() {
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

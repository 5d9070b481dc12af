//! The configuration: a file is valid, within all bounds, or the error is one line that names the file and the
//! line.
//!
//! The input is the file.

#![no_main]

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pulsed::access::{Group, RULES_MAX, Rules, SUBJECTS_MAX, Subject};
use pulsed::config::{
    AGE_MAX, AGE_MIN, Config, ConfigError, HISTORY_MAX, HISTORY_MIN, HOST_MAX, Machine, PATH_MAX,
    SOCKET_PATH_MAX, SYNC_MAX, SYNC_MIN, SyncSetting, WINDOW_MAX, WINDOW_MIN,
};
use tempfile::TempDir;

fuzz_target!(|data: &[u8]| {
    let path = file();
    fs::write(&path, data).expect("written");
    match Config::load(Some(&path), &machine()) {
        Ok(config) => {
            check(&config);
            check_commented(data, &config, &path);
        }
        Err(error) => check_error(&error, data, &path),
    }
});

fn file() -> PathBuf {
    static DIR: OnceLock<TempDir> = OnceLock::new();
    let in_memory = || tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    DIR.get_or_init(|| in_memory().expect("a temporary directory")).path().join("pulsed.toml")
}

fn machine() -> Machine {
    Machine {
        host: "web1".into(),
        file: None,
        socket: Some("/run/pulsed/pulsed.sock".into()),
        socket_mode: 0o666,
        syslog: None,
        state: Some("/var/lib/pulsed".into()),
        user: |name| Ok((name == "root").then_some(0)),
        group: |name| match name {
            "broken" => Err(std::io::Error::other("the directory is unavailable")),
            name => Ok((name == "root").then_some(0)),
        },
    }
}

fn check(config: &Config) {
    let is_good = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    assert!((1..=HOST_MAX).contains(&config.host.len()) && config.host.bytes().all(is_good));
    check_path(&config.socket.path, SOCKET_PATH_MAX);
    assert!(config.socket.mode <= 0o777);
    // The uid and gid that chown(2) ignores.
    assert!(config.socket.owner != Some(u32::MAX) && config.socket.group != Some(u32::MAX));
    assert!((WINDOW_MIN..=WINDOW_MAX).contains(&config.window.size));
    if let Some(history) = &config.history {
        check_path(&history.dir, PATH_MAX);
        assert!((HISTORY_MIN..=HISTORY_MAX).contains(&history.size));
        assert!((AGE_MIN..=AGE_MAX).contains(&history.age));
        if let SyncSetting::Within(time) = history.sync {
            assert!((SYNC_MIN..=SYNC_MAX).contains(&time));
        }
    }
    check_path(config.tokens.as_ref().expect("a default path"), PATH_MAX + "/tokens".len());
    if let Some(path) = &config.syslog {
        // The default one is beside a socket whose own path may be the longest.
        check_path(path, SOCKET_PATH_MAX + "syslog.sock".len());
    }
    if let Some(tcp) = &config.tcp {
        assert!(tcp.tls.is_some() || tcp.listen.ip().is_loopback(), "{tcp:?}");
        for file in tcp.tls.iter().flat_map(|tls| [&tls.cert, &tls.key]) {
            check_path(file, PATH_MAX);
        }
    }
    assert!(config.access.iter().count() <= RULES_MAX);
    for rule in config.access.iter() {
        assert!(rule.send.len() <= SUBJECTS_MAX && rule.tail.len() <= SUBJECTS_MAX);
        // Only root and its group exist, and other groups occur only in the default rule.
        let exists = |subject: &Subject| match subject {
            Subject::Group(Group::Name(name)) => {
                name == "root" || config.access == Rules::default()
            }
            Subject::Named { name, uid } => name == "root" && *uid == 0,
            Subject::User(id) | Subject::Group(Group::Id(id)) => *id != u32::MAX,
            Subject::Anyone => true,
        };
        assert!(rule.send.iter().chain(&rule.tail).all(exists), "{rule:?}");
    }
}

fn check_path(path: &Path, max: usize) {
    let bytes = path.as_os_str().as_bytes();
    assert!(path.is_absolute() && bytes.len() <= max && !bytes.contains(&0), "{path:?}");
}

/// Comments do not change the configuration.
fn check_commented(data: &[u8], config: &Config, path: &Path) {
    let commented = [b"# \"[no\n", data, b"\n# comment"].concat();
    // A byte order mark is valid only at the beginning.
    if data.starts_with("\u{feff}".as_bytes()) {
        return;
    }
    fs::write(path, commented).expect("written");
    let again = Config::load(Some(path), &machine()).expect("valid with comments");
    assert_eq!(*config, again);
}

fn check_error(error: &ConfigError, data: &[u8], path: &Path) {
    let text = error.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.contains(path.to_str().expect("UTF-8")), "{text:?}");
    match error {
        ConfigError::Read { .. } => assert!(std::str::from_utf8(data).is_err(), "{text}"),
        ConfigError::Wrong { line, problem, .. } => {
            let lines = 1 + data.iter().filter(|b| **b == b'\n').count();
            assert!((1..=lines).contains(line), "{text}");
            assert!(!problem.to_string().is_empty(), "{text}");
        }
        ConfigError::NoDefault { .. } => panic!("every default exists here: {text}"),
    }
}

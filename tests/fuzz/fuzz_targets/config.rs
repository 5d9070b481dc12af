//! The configuration: a text is good as a whole, within all bounds, or what is wrong is told in one
//! line that names the file and the line.
//!
//! The input is the file.

#![no_main]

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pulsed::access::{Group, SUBJECTS_MAX, Party, RULES_MAX, Rules};
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
        Err(error) => check_told(&error, data, &path),
    }
});

fn file() -> PathBuf {
    static DIR: OnceLock<TempDir> = OnceLock::new();
    let in_memory = || tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    DIR.get_or_init(|| in_memory().expect("a directory")).path().join("pulsed.toml")
}

fn machine() -> Machine {
    Machine {
        host: "web1".into(),
        file: None,
        socket: Some("/run/pulsed/pulsed.sock".into()),
        socket_mode: 0o666,
        state: Some("/var/lib/pulsed".into()),
        user: |name| Ok((name == "root").then_some(0)),
        group: |name| match name {
            "broken" => Err(std::io::Error::other("the directory is away")),
            name => Ok((name == "root").then_some(0)),
        },
    }
}

fn check(config: &Config) {
    let is_good = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    assert!((1..=HOST_MAX).contains(&config.host.len()) && config.host.bytes().all(is_good));
    check_path(&config.socket.path, SOCKET_PATH_MAX);
    assert!(config.socket.mode <= 0o777);
    // The number that means "leave it as it is".
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
    check_path(
        config.tokens.as_ref().expect("there is a place for it"),
        PATH_MAX + "/tokens".len(),
    );
    if let Some(tcp) = &config.tcp {
        assert!(tcp.tls.is_some() || tcp.listen.ip().is_loopback(), "{tcp:?}");
        for file in tcp.tls.iter().flat_map(|tls| [&tls.cert, &tls.key]) {
            check_path(file, PATH_MAX);
        }
    }
    assert!(config.access.iter().count() <= RULES_MAX);
    for rule in config.access.iter() {
        assert!(rule.send.len() <= SUBJECTS_MAX && rule.tail.len() <= SUBJECTS_MAX);
        // Whoever is named is there: root, and no group but root's, unless nothing was said at all.
        let named = |party: &Party| match party {
            Party::Group(Group::Name(name)) => name == "root" || config.access == Rules::default(),
            Party::User(id) | Party::Group(Group::Id(id)) => *id != u32::MAX,
            Party::Anyone => true,
        };
        assert!(rule.send.iter().chain(&rule.tail).all(named), "{rule:?}");
    }
}

fn check_path(path: &Path, max: usize) {
    let bytes = path.as_os_str().as_bytes();
    assert!(path.is_absolute() && bytes.len() <= max && !bytes.contains(&0), "{path:?}");
}

/// A comment changes nothing.
fn check_commented(data: &[u8], config: &Config, path: &Path) {
    let commented = [b"# \"[no\n", data, b"\n# comment"].concat();
    // A byte order mark is only one at the beginning.
    if data.starts_with("\u{feff}".as_bytes()) {
        return;
    }
    fs::write(path, commented).expect("written");
    let again = Config::load(Some(path), &machine()).expect("as good with a comment");
    assert_eq!(*config, again);
}

fn check_told(error: &ConfigError, data: &[u8], path: &Path) {
    let told = error.to_string();
    assert!(!told.contains(char::is_control), "{told:?}");
    assert!(told.contains(path.to_str().expect("text")), "{told:?}");
    match error {
        ConfigError::Read { .. } => assert!(std::str::from_utf8(data).is_err(), "{told}"),
        ConfigError::Wrong { line, problem, .. } => {
            let lines = 1 + data.iter().filter(|b| **b == b'\n').count();
            assert!((1..=lines).contains(line), "{told}");
            assert!(!problem.to_string().is_empty(), "{told}");
        }
        ConfigError::NoDefault { .. } => panic!("every default is good here: {told}"),
    }
}

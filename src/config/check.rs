//! From what was typed to what it means on this machine.

use std::fmt::Display;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::DeTable;

use super::error::{ConfigError, Problem, Wrong, not_a_list, unknown};
use super::raw::{Raw, RawHistory, RawSocket};
use super::value::{Account, Mode, Period, Size, SyncWord};
use super::{Config, History, Machine, Socket, SyncSetting, Warning, Window, access, tcp};

/// The longest name of a machine, in bytes: that of a domain name.
pub const HOST_MAX: usize = 253;
/// The longest path of a directory, in bytes; it leaves room for the names of files in it
/// (`PATH_MAX` is 4096).
pub const PATH_MAX: usize = 3840;
/// The longest path of a socket, in bytes (unix(7): 108 with its NUL).
pub const SOCKET_PATH_MAX: usize = 107;
/// The smallest window, in bytes.
pub const WINDOW_MIN: u64 = 1 << 20;
/// The largest window, in bytes.
pub const WINDOW_MAX: u64 = 16 << 30;
/// The smallest history, in bytes.
pub const HISTORY_MIN: u64 = 1 << 20;
/// The largest history, in bytes.
pub const HISTORY_MAX: u64 = 1024 << 40;
/// The shortest time that history is kept.
pub const AGE_MIN: Duration = Duration::from_secs(1);
/// The longest time that history is kept: some ten years.
pub const AGE_MAX: Duration = Duration::from_secs(3660 * 86_400);
/// The shortest time between two fsyncs.
pub const SYNC_MIN: Duration = Duration::from_millis(10);
/// The longest time that an event may stay unsynced.
pub const SYNC_MAX: Duration = Duration::from_secs(3600);

/// The mode of the socket: every local user may connect, as to /dev/log.
pub const DEFAULT_MODE: u32 = 0o666;

const DEFAULT_HISTORY: u64 = 1 << 30;
const DEFAULT_AGE: Duration = Duration::from_secs(7 * 86_400);
const DEFAULT_SYNC: SyncSetting = SyncSetting::Within(Duration::from_secs(1));
const DEFAULT_WINDOW: u64 = 64 << 20;

/// Checks the text of a file, or the defaults alone.
pub(super) fn check(
    file: Option<&Path>,
    text: &str,
    machine: &Machine,
) -> Result<Config, ConfigError> {
    let path = file.unwrap_or(Path::new(""));
    let table = DeTable::parse(text).map_err(|e| Wrong::syntax(&e).told(path, text, None))?;
    let table = table.into_inner();
    let config = meaning(text, &table, machine).map_err(|error| match error {
        Fault::Typed(wrong) => wrong.told(path, text, Some(&table)),
        Fault::Default(key, problem) => {
            let problem = Box::new(problem);
            ConfigError::NoDefault { key, problem }
        }
    })?;
    Ok(Config { file: file.map(Path::to_owned), ..config })
}

/// Where a problem comes from.
pub(super) enum Fault {
    Typed(Wrong),
    Default(&'static str, Problem),
}

impl From<Wrong> for Fault {
    fn from(wrong: Wrong) -> Self {
        Self::Typed(wrong)
    }
}

fn meaning(text: &str, table: &DeTable<'_>, machine: &Machine) -> Result<Config, Fault> {
    if let Some(wrong) = unknown(table).or_else(|| not_a_list(table)) {
        return Err(wrong.into());
    }
    let deserializer = toml::Deserializer::parse(text).map_err(|e| Wrong::syntax(&e))?;
    let mut raw = Raw::deserialize(deserializer).map_err(|e| Wrong::value(&e))?;
    let host = host(raw.host, machine)?;
    let socket = socket(raw.socket, machine)?;
    let (history, history_dir) = history(raw.history, machine)?;
    let tokens = tcp::tokens(raw.tcp.tokens.take(), history_dir)?;
    let unheard = raw.tcp.cert.is_some() && raw.tcp.listen.is_none();
    Ok(Config {
        host,
        socket,
        history,
        tcp: tcp::tcp(raw.tcp, tokens.is_some())?,
        tokens,
        access: access::rules(raw.access, machine)?,
        window: Window { size: size(raw.window.size, DEFAULT_WINDOW, WINDOW_MIN, WINDOW_MAX)? },
        file: None,
        warnings: unheard.then_some(Warning::NoListen).into_iter().collect(),
    })
}

fn host(typed: Option<Spanned<String>>, machine: &Machine) -> Result<String, Wrong> {
    let is_good = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    let Some(typed) = typed else {
        // Nobody chose it for us, so it is made to fit.
        let fit = machine.host.bytes().map(|b| if is_good(b) { char::from(b) } else { '_' });
        let name: String = fit.take(HOST_MAX).collect();
        return Ok(if name.is_empty() { "localhost".into() } else { name });
    };
    checked(typed, |name| {
        let good = (1..=HOST_MAX).contains(&name.len()) && name.bytes().all(is_good);
        if good { Ok(name) } else { Err(Problem::Host(name)) }
    })
}

fn socket(raw: RawSocket, machine: &Machine) -> Result<Socket, Fault> {
    let default = machine.socket.clone().ok_or(Problem::NoRuntimeDir);
    Ok(Socket {
        path: path("socket.path", raw.path, default, SOCKET_PATH_MAX)?,
        mode: raw.mode.map_or(machine.socket_mode, |Mode(mode)| mode),
        owner: id(raw.owner, "user", machine.user)?,
        group: id(raw.group, "group", machine.group)?,
    })
}

/// What is wrong in a history that is off is still wrong; only its place need not be known. Gives that
/// place too, if it is.
fn history(
    raw: RawHistory,
    machine: &Machine,
) -> Result<(Option<History>, Option<PathBuf>), Fault> {
    let enabled = raw.enabled.unwrap_or(true);
    let known = raw.dir.is_some() || machine.state.is_some();
    let default = match &machine.state {
        Some(dir) => Ok(dir.clone()),
        None if !enabled => Ok(PathBuf::from("/")),
        None => Err(Problem::NoHome),
    };
    let history = History {
        dir: path("history.dir", raw.dir, default, PATH_MAX)?,
        size: size(raw.size, DEFAULT_HISTORY, HISTORY_MIN, HISTORY_MAX)?,
        age: match raw.age {
            None => DEFAULT_AGE,
            Some(age) => within(age, Period(AGE_MIN), Period(AGE_MAX))?.0,
        },
        sync: sync(raw.sync)?,
    };
    let dir = known.then(|| history.dir.clone());
    Ok((enabled.then_some(history), dir))
}

fn sync(typed: Option<Spanned<SyncWord>>) -> Result<SyncSetting, Wrong> {
    let Some(typed) = typed else { return Ok(DEFAULT_SYNC) };
    let span = typed.span();
    Ok(match typed.into_inner() {
        SyncWord::Always => SyncSetting::Always,
        SyncWord::Never => SyncSetting::Never,
        SyncWord::Within(period) => {
            let (min, max) = (Period(SYNC_MIN), Period(SYNC_MAX));
            SyncSetting::Within(within(Spanned::new(span, period), min, max)?.0)
        }
    })
}

fn size(typed: Option<Spanned<Size>>, default: u64, min: u64, max: u64) -> Result<u64, Wrong> {
    match typed {
        None => Ok(default),
        Some(size) => within(size, Size(min), Size(max)).map(|Size(bytes)| bytes),
    }
}

fn within<T: Copy + PartialOrd + Display>(typed: Spanned<T>, min: T, max: T) -> Result<T, Wrong> {
    checked(typed, |given| {
        if (min..=max).contains(&given) {
            return Ok(given);
        }
        let (given, min, max) = (given.to_string(), min.to_string(), max.to_string());
        Err(Problem::Bounds { given, min, max })
    })
}

pub(super) fn path(
    key: &'static str,
    typed: Option<Spanned<String>>,
    default: Result<PathBuf, Problem>,
    max: usize,
) -> Result<PathBuf, Fault> {
    let fits = |path: PathBuf| {
        let bytes = path.as_os_str().as_bytes();
        match bytes.len() {
            _ if !path.is_absolute() => Err(Problem::Relative(path.display().to_string())),
            _ if bytes.contains(&0) => Err(Problem::Nul),
            len if len > max => Err(Problem::TooLong { len, max }),
            _ => Ok(path),
        }
    };
    match typed {
        Some(typed) => Ok(checked(typed, |text| fits(text.into()))?),
        None => default.and_then(fits).map_err(|problem| Fault::Default(key, problem)),
    }
}

fn id(
    typed: Option<Spanned<Account>>,
    kind: &'static str,
    look_up: fn(&str) -> io::Result<Option<u32>>,
) -> Result<Option<u32>, Wrong> {
    let Some(typed) = typed else { return Ok(None) };
    let id = checked(typed, |account| match account {
        Account::Id(id) => Ok(id),
        Account::Name(name) => known(kind, name, look_up),
    })?;
    Ok(Some(id))
}

/// The number of a user or a group that this machine must know.
pub(super) fn known(
    kind: &'static str,
    name: String,
    look_up: fn(&str) -> io::Result<Option<u32>>,
) -> Result<u32, Problem> {
    match look_up(&name) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(Problem::Nobody { kind, name }),
        Err(cause) => Err(Problem::LookUp { kind, name, cause }),
    }
}

/// Takes a typed value through a check; what is wrong is told where it was typed.
pub(super) fn checked<T, U>(
    typed: Spanned<T>,
    check: impl FnOnce(T) -> Result<U, Problem>,
) -> Result<U, Wrong> {
    let span = typed.span();
    check(typed.into_inner()).map_err(|problem| Wrong { span, problem })
}

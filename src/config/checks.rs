//! Checks that several sections share. Each takes a value as typed and reports a problem at its place.

use std::fmt::Display;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use toml::Spanned;

use super::error::{Fault, Problem, Wrong};
use super::value::{Account, Size};

/// The longest path of a directory or a file, in bytes. It leaves room for the names of files in it
/// (the kernel's `PATH_MAX` is 4096).
pub const PATH_MAX: usize = 3840;

/// Applies a check to a typed value.
pub(super) fn checked<T, U>(
    typed: Spanned<T>,
    check: impl FnOnce(T) -> Result<U, Problem>,
) -> Result<U, Wrong> {
    let span = typed.span();
    check(typed.into_inner()).map_err(|problem| Wrong { span, problem })
}

/// Checks bounds, both inclusive.
pub(super) fn within<T: Copy + PartialOrd + Display>(
    typed: Spanned<T>,
    min: T,
    max: T,
) -> Result<T, Wrong> {
    checked(typed, |given| {
        if (min..=max).contains(&given) {
            return Ok(given);
        }
        let (given, min, max) = (given.to_string(), min.to_string(), max.to_string());
        Err(Problem::Bounds { given, min, max })
    })
}

/// Checks the bounds of a size, in bytes.
pub(super) fn size(
    typed: Option<Spanned<Size>>,
    default: u64,
    min: u64,
    max: u64,
) -> Result<u64, Wrong> {
    match typed {
        None => Ok(default),
        Some(size) => within(size, Size(min), Size(max)).map(|Size(bytes)| bytes),
    }
}

/// Checks that a path, or the default for `key`, is absolute and at most `max` bytes long.
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

/// Returns the id of a user or a group. `kind` is `user` or `group`.
pub(super) fn account(
    typed: Option<Spanned<Account>>,
    kind: &'static str,
    lookup: fn(&str) -> io::Result<Option<u32>>,
) -> Result<Option<u32>, Wrong> {
    let Some(typed) = typed else { return Ok(None) };
    let id = checked(typed, |account| match account {
        Account::Id(id) => Ok(id),
        Account::Name(name) => known_account(kind, name, lookup),
    })?;
    Ok(Some(id))
}

/// Returns the id of a user or a group, which must exist.
pub(super) fn known_account(
    kind: &'static str,
    name: String,
    lookup: fn(&str) -> io::Result<Option<u32>>,
) -> Result<u32, Problem> {
    match lookup(&name) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(Problem::NoAccount { kind, name }),
        Err(cause) => Err(Problem::Lookup { kind, name, cause }),
    }
}

//! The budget: how many instructions each case may take, for one compiler and one target.

use std::collections::BTreeMap;
use std::process::Command;
use std::{fmt, fs};

use serde::Deserialize;

/// Where the budget is, below the crate.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/budget.toml");

/// What writes it.
pub(crate) const COMMAND: &str = "cargo bench --bench instructions -- write";

/// How far a count may be from its budget, in percent of it.
pub(crate) const TOLERANCE: u64 = 10;

/// What the counts depend on besides the code.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Toolchain {
    /// The release of rustc.
    pub(crate) rustc: String,
    /// The target triple.
    pub(crate) target: String,
}

/// The file `budget.toml`.
#[derive(Debug, Deserialize)]
pub(crate) struct Budget {
    pub(crate) toolchain: Toolchain,
    /// Instructions of each case, for one event.
    pub(crate) instructions: BTreeMap<String, u64>,
}

/// How a count compares with its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    /// More than [`TOLERANCE`] above.
    Over,
    /// More than [`TOLERANCE`] below: such a budget would hide what slows the code down next.
    Loose,
}

impl Verdict {
    pub(crate) fn new(counted: u64, budget: u64) -> Self {
        if counted * 100 > budget * (100 + TOLERANCE) {
            Self::Over
        } else if counted * 100 < budget * (100 - TOLERANCE) {
            Self::Loose
        } else {
            Self::Kept
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "",
            Self::Over => "  TOO MANY",
            Self::Loose => "  fewer: lower the budget",
        })
    }
}

impl Toolchain {
    /// That of the compiler that cargo uses here.
    pub(crate) fn current() -> Result<Self, String> {
        let output = Command::new("rustc").arg("-vV").output();
        let output = output.map_err(|e| format!("cannot run rustc -vV: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let value = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            found.map(str::to_owned).ok_or_else(|| format!("rustc -vV prints no {name:?}: {text}"))
        };
        Ok(Self { rustc: value("release: ")?, target: value("host: ")? })
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc {} for {}", self.rustc, self.target)
    }
}

impl Budget {
    pub(crate) fn read() -> Result<Self, String> {
        let text = fs::read_to_string(PATH).map_err(|e| format!("cannot read {PATH}: {e}"))?;
        toml::from_str(&text).map_err(|e| format!("cannot read {PATH}: {e}"))
    }
}

/// Writes the counts as the new budget.
pub(crate) fn write(toolchain: &Toolchain, counts: &[(&str, u64)]) -> Result<(), String> {
    let Toolchain { rustc, target } = toolchain;
    let mut text = format!(
        "# Instructions for one event, counted by valgrind. Written by `{COMMAND}`.\n\n\
         [toolchain]\nrustc = {rustc:?}\ntarget = {target:?}\n\n[instructions]\n"
    );
    for (case, count) in counts {
        text += &format!("{case:?} = {count}\n");
    }
    fs::write(PATH, text).map_err(|e| format!("cannot write {PATH}: {e}"))
}

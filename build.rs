//! Links libgcc's unwinder into pulse-send instead of loading libgcc_s.
//!
//! Process start dominates a run of pulse-send, and loading libgcc_s is a tenth of it: about 80 µs in a
//! virtual machine, where each `cpuid` instruction in its constructor traps. rustc always links with
//! `-lgcc_s`. A linker script of that name, found first, substitutes the static libgcc_eh that every gcc
//! has. If the compiler does not have it, the build is unchanged.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let gnu = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    // cc(1) knows only the libraries of the build machine.
    let native = env::var_os("TARGET") == env::var_os("HOST");
    if !gnu || !native {
        return;
    }
    let (Some(dir), Some(unwinder)) = (env::var_os("OUT_DIR"), unwinder()) else { return };
    let script = format!("INPUT({} -lgcc)\n", unwinder.display());
    if fs::write(Path::new(&dir).join("libgcc_s.so"), script).is_ok() {
        println!("cargo::rustc-link-arg-bin=pulse-send=-L{}", Path::new(&dir).display());
    }
}

/// The path of the static unwinder, `libgcc_eh.a`. `None` if the compiler does not have it.
fn unwinder() -> Option<PathBuf> {
    let output = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output().ok()?;
    // cc(1) prints a file name that it does not find unchanged.
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}

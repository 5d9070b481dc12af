//! Links libgcc's unwinder into pulse-send instead of loading libgcc_s.
//!
//! A run of pulse-send is little more than its start, and loading that library is a tenth of it: some
//! 80 µs in a virtual machine, where each of the `cpuid` instructions of its constructor traps. rustc
//! always asks for `-lgcc_s`; a linker script of that name, found first, answers with the static half
//! that every gcc has. Where it cannot be found, the build is as it would be without this file.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let gnu = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    // cc(1) speaks only for the machine that builds.
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

/// The static half, if the compiler knows where it is.
fn unwinder() -> Option<PathBuf> {
    let output = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output().ok()?;
    // What it does not find, it prints as it was asked.
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}

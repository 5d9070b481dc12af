//! The machine's name.

use nix::sys::utsname;

/// The host name (uname(2)); `localhost` if it is empty or not UTF-8.
pub fn name() -> String {
    let name = utsname::uname().ok().and_then(|u| u.nodename().to_str().map(str::to_owned));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_kernels() {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("proc");
        assert_eq!(name(), kernel.trim_end());
    }
}

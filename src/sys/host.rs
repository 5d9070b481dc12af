//! The machine's name.

use nix::sys::utsname;

/// The name that the machine gives itself (uname(2)), as it is set; `localhost` if it has none that
/// is UTF-8.
pub fn name() -> String {
    let name = utsname::uname().ok().and_then(|u| u.nodename().to_str().map(str::to_owned));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_kernel_says() {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("proc");
        assert_eq!(name(), kernel.trim_end());
    }
}

//! Finds the systemd unit in the text of `/proc/PID/cgroup` (cgroups(7), proc(5)).

/// The suffixes of units that have processes (systemd.unit(5)).
const SUFFIXES: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

/// Returns the unit of a process.
///
/// That is the outermost unit in the path of its control group: the names below it were chosen by the
/// process to which the group was delegated, for example a container. The exception is a user's manager
/// (`user@UID.service`), where it is the next unit. That name is chosen by the user, not by the system: a
/// reader who must be sure compares the uid as well.
pub(super) fn unit(cgroup: &str) -> Option<&str> {
    unit_in_path(systemd_path(cgroup)?)
}

/// The path in systemd's hierarchy: the one of cgroup v2 if it holds a unit, else `name=systemd`.
fn systemd_path(cgroup: &str) -> Option<&str> {
    let entries = || {
        cgroup.lines().filter_map(|line| {
            let (number, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            Some((number, controllers, path))
        })
    };
    let unified = entries().find(|(number, controllers, path)| {
        *number == "0" && controllers.is_empty() && unit_in_path(path).is_some()
    });
    let named = || entries().find(|(_, controllers, _)| *controllers == "name=systemd");
    unified.or_else(named).map(|(_, _, path)| path)
}

fn unit_in_path(path: &str) -> Option<&str> {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let mut units = path.split('/').map(unescape).filter(|name| is_unit(name));
    let outermost = units.next()?;
    let is_user_manager = outermost.starts_with("user@") && outermost.ends_with(".service");
    if is_user_manager { units.next().or(Some(outermost)) } else { Some(outermost) }
}

/// Removes the underscore before a name that would clash with a file of the kernel.
fn unescape(name: &str) -> &str {
    name.strip_prefix('_').unwrap_or(name)
}

fn is_unit(name: &str) -> bool {
    SUFFIXES.iter().any(|suffix| name.strip_suffix(suffix).is_some_and(|stem| !stem.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn finds_units_in_cgroup_v2() {
        for (cgroup, unit) in [
            ("0::/system.slice/php8.2-fpm.service\n", Some("php8.2-fpm.service")),
            ("0::/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service")),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", Some("session-3.scope")),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service\n",
                Some("foo.service"),
            ),
            ("0::/user.slice/user-1000.slice/user@1000.service", Some("user@1000.service")),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service/b.service",
                Some("a.service"),
            ),
            (
                "0::/system.slice/docker-1f.scope/system.slice/nginx.service",
                Some("docker-1f.scope"),
            ),
            ("0::/system.slice/a.service/init.scope", Some("a.service")),
            ("0::/system.slice/_cgroup.service", Some("cgroup.service")),
            ("0::/system.slice/a.service (deleted)", Some("a.service")),
            ("0::/init.scope", Some("init.scope")),
            ("0::/../../other.slice/a.service", Some("a.service")),
            ("0::/\n", None),
            ("0::/system.slice", None),
            ("0::/.service", None),
            ("", None),
            ("nonsense", None),
        ] {
            assert_eq!(super::unit(cgroup), unit, "{cgroup}");
        }
    }

    #[test]
    fn finds_units_in_cgroup_v1_and_hybrid() {
        let v1 = "12:pids:/docker/a.service\n1:name=systemd:/system.slice/cron.service\n";
        assert_eq!(unit(v1), Some("cron.service"));
        let hybrid = "1:name=systemd:/system.slice/cron.service\n0::/\n";
        assert_eq!(unit(hybrid), Some("cron.service"));
        let both = "1:name=systemd:/a.service\n0::/b.service\n";
        assert_eq!(unit(both), Some("b.service"));
    }

    proptest! {
        #[test]
        fn returns_only_units(text in "(0::)?(/?[a-z_@.]{0,9}(\\.service|\\.scope|:|/|\n)?){0,6}") {
            if let Some(unit) = unit(&text) {
                prop_assert!(text.contains(unit) && is_unit(unit) && !unit.contains('/'));
            }
        }
    }
}

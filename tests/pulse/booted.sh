#!/bin/bash
# Boots a real systemd in namespaces of its own, on top of this machine's files, with the shipped units. Runs a
# script there and removes everything. The booted system cannot reach the one outside.
#
# usage: booted.sh BINARIES CONTRIB OUT
#   BINARIES  the directory of the three programs
#   CONTRIB   the directory of the units and their configuration
#   OUT       a directory with test.sh, which is run and sees this directory as /out
#
# Exits with 77 if this machine does not allow it.
set -euo pipefail

# The mount point of cgroup v2.
groups=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)

outside() {
    [ -n "$groups" ] && grep -qw overlay /proc/filesystems || exit 77
    local own=$groups/pulse-test-$$ work child status=0 tries=0
    unshare -m -p -C -i -u -n -f true 2> /dev/null && mkdir "$own" 2> /dev/null || exit 77
    work=$(mktemp -d)
    (
        # Output goes to a file: systemd must have no access to this terminal.
        echo "$BASHPID" > "$own/cgroup.procs"
        # The booted system ends with this script, however the script ends.
        exec setpriv --pdeathsig KILL unshare -m -p -C -i -u -n -f --kill-child "$0" --inside "$@" "$work" < /dev/null
    ) > "$3/console" 2>&1 &
    child=$!
    # The inner script creates this file at its end. Its PID 1 does not exit.
    while [ ! -e "$3/done" ] && kill -0 $child 2> /dev/null; do sleep 0.05; done
    kill -9 $child 2> /dev/null || true
    wait $child 2> /dev/null || status=$?
    # Its processes were killed, but may not have exited yet.
    while ! find "$own" -depth -type d -exec rmdir {} + 2> /dev/null && ((tries++ < 200)); do
        sleep 0.05
    done
    rmdir "$work"
    [ -e "$3/done" ] || exit "$((status == 77 ? 77 : 1))"
}

inside() {
    local binaries=$1 contrib=$2 out=$3 work=$4 root=$4/root name
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$work"
    mkdir "$work"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$root" || exit 77
    install_into "$root" "$binaries" "$contrib"
    mkdir -p "$root/out" "$root/dev" "$root/old"
    mount --bind "$out" "$root/out"
    mount -t proc proc "$root/proc"
    # Kernel settings are shared with the machine.
    mount --bind -o ro "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    for name in run tmp dev; do mount -t tmpfs -o mode=0755 tmpfs "$root/$name"; done
    for name in null zero full random urandom tty ptmx; do
        touch "$root/dev/$name"
        mount --bind "/dev/$name" "$root/dev/$name"
    done
    cd "$root"
    pivot_root . old
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test chroot . /bin/sh -c \
        'umount -l /old; exec /lib/systemd/systemd --unit=test.target --log-target=null --show-status=no'
}

install_into() {
    local root=$1 binaries=$2 contrib=$3 name units=$1/usr/lib/systemd/system
    for name in pulsed pulse-send pulse-tail; do
        touch "$root/usr/bin/$name"
        mount --bind "$binaries/$name" "$root/usr/bin/$name"
    done
    mkdir -p "$root"/usr/lib/{sysusers.d,tmpfiles.d} "$root/etc/pulsed"
    rm -rf "$root/var/lib/pulsed" "$root"/etc/systemd/system/pulsed*
    install -m 0644 "$contrib"/systemd/* "$units"
    install -m 0644 "$contrib/sysusers/pulsed.conf" "$root/usr/lib/sysusers.d/"
    install -m 0644 "$contrib/tmpfiles/pulsed.conf" "$root/usr/lib/tmpfiles.d/"
    install -m 0644 "$contrib/pulsed.toml" "$root/etc/pulsed/"
    printf '%032x\n' 1 > "$root/etc/machine-id"
    printf '[Unit]\nDefaultDependencies=no\nWants=test.service\nAllowIsolate=yes\n' \
        > "$units/test.target"
    printf '[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n%s\n%s\n%s\n%s\n' \
        'ExecStart=/bin/bash -eux /out/test.sh' 'ExecStopPost=/bin/touch /out/done' \
        'StandardOutput=file:/out/output' 'StandardError=file:/out/output' > "$units/test.service"
}

if [ "$1" = --inside ]; then
    shift
    inside "$@"
else
    outside "$@"
fi

//! A file system for the history of one agent, which a test can fill, freeze and make read-only.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::NamedTempFile;

use crate::harness::{Agent, report};

/// A mounted file system. Drop unmounts it, also while it is in use.
pub(super) struct Place {
    at: PathBuf,
    frozen: bool,
    /// The image that holds the ext4.
    _image: Option<NamedTempFile>,
}

impl Place {
    /// Mounts a tmpfs of `mib` MiB on this agent's history directory.
    pub(super) fn in_memory(agent: &Agent, mib: u32) -> Self {
        let at = mount_point(agent);
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "none", text(&at)]);
        Self { at, frozen: false, _image: None }
    }

    /// Mounts an ext4, which can be frozen and made read-only. `None`, with a report, if there is no loop device.
    pub(super) fn on_ext4(agent: &Agent) -> Option<Self> {
        let at = mount_point(agent);
        let image = NamedTempFile::new().expect("a file");
        image.as_file().set_len(64 << 20).expect("space for a sparse file");
        run("mkfs.ext4", &["-q", "-F", text(image.path())]);
        let mounted = try_run("mount", &["-o", "loop", text(image.path()), text(&at)]);
        if !mounted {
            report(
                "\n*** NOT TESTED, because there is no loop device: hung and read-only disks ***\n",
            );
            return None;
        }
        Some(Self { at, frozen: false, _image: Some(image) })
    }

    /// Fills it.
    pub(super) fn fill(&self) {
        let mut filler = File::create(self.filler()).expect("a file");
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    /// Frees what [`Place::fill`] used.
    pub(super) fn make_room(&self) {
        fs::remove_file(self.filler()).expect("the file of fill");
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }

    /// Makes writes block.
    pub(super) fn freeze(&mut self) {
        run("fsfreeze", &["-f", text(&self.at)]);
        self.frozen = true;
    }

    /// Lets blocked writes continue.
    pub(super) fn thaw(&mut self) {
        run("fsfreeze", &["-u", text(&self.at)]);
        self.frozen = false;
    }

    /// Forbids all writes, also by root (`+i`), or permits them again (`-i`).
    pub(super) fn set_immutable(&self, how: &str) {
        let mut paths = vec![self.at.clone()];
        let entries = fs::read_dir(&self.at)
            .expect("a directory")
            .map(|entry| entry.expect("a readable entry"));
        paths.extend(entries.map(|entry| entry.path()).filter(|path| path.is_file()));
        for path in paths {
            run("chattr", &[how, text(&path)]);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.frozen {
            try_run("fsfreeze", &["-u", text(&self.at)]);
        }
        try_run("umount", &["-l", text(&self.at)]);
    }
}

fn mount_point(agent: &Agent) -> PathBuf {
    let at = agent.history();
    fs::create_dir_all(&at).expect("a writable directory");
    at
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Runs a program that may be outside of a user's PATH. `true` if it succeeds.
fn try_run(program: &str, arguments: &[&str]) -> bool {
    let with_path = "PATH=$PATH:/usr/sbin:/sbin exec \"$@\"";
    let status = Command::new("sh").args(["-c", with_path, "sh", program]).args(arguments).status();
    status.expect("a shell").success()
}

#[track_caller]
pub(super) fn run(program: &str, arguments: &[&str]) {
    assert!(try_run(program, arguments), "{program} {arguments:?}");
}

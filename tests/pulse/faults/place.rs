//! A file system of its own for the history, which a test can fill, freeze and take away.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::NamedTempFile;

use crate::harness::Agent;

/// A mounted file system. It is taken off when it is dropped, whoever uses it then.
pub(super) struct Place {
    at: PathBuf,
    frozen: bool,
    /// What an ext4 is on.
    _image: Option<NamedTempFile>,
}

impl Place {
    /// So many MiB of memory, where this agent has its history.
    pub(super) fn in_memory(agent: &Agent, mib: u32) -> Self {
        let at = made(agent);
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "none", text(&at)]);
        Self { at, frozen: false, _image: None }
    }

    /// An ext4 in a file, which can be frozen and made read-only. None where the kernel has no loop device to give.
    pub(super) fn on_ext4(agent: &Agent) -> Option<Self> {
        let at = made(agent);
        let image = NamedTempFile::new().expect("a file");
        image.as_file().set_len(64 << 20).expect("room");
        run("mkfs.ext4", &["-q", "-F", text(image.path())]);
        let mounted = try_run("mount", &["-o", "loop", text(image.path()), text(&at)]);
        if !mounted {
            let told = "\n*** NOT TESTED, because there is no loop device: disks that hang or are read-only ***\n";
            let _ = std::io::stderr().write_all(told.as_bytes());
            return None;
        }
        Some(Self { at, frozen: false, _image: Some(image) })
    }

    /// Uses up all of its room.
    pub(super) fn fill(&self) {
        let mut filler = File::create(self.filler()).expect("a file");
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    /// Gives the room back.
    pub(super) fn make_room(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }

    /// From now on, whoever writes waits.
    pub(super) fn freeze(&mut self) {
        run("fsfreeze", &["-f", text(&self.at)]);
        self.frozen = true;
    }

    /// Whoever waits goes on.
    pub(super) fn thaw(&mut self) {
        run("fsfreeze", &["-u", text(&self.at)]);
        self.frozen = false;
    }

    /// Lets nobody write, root neither: `+i`. Or lets them again: `-i`.
    pub(super) fn set_immutable(&self, how: &str) {
        let mut paths = vec![self.at.clone()];
        let entries =
            fs::read_dir(&self.at).expect("a directory").map(|entry| entry.expect("read"));
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

fn made(agent: &Agent) -> PathBuf {
    let at = agent.history();
    fs::create_dir_all(&at).expect("the directory is ours");
    at
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Runs a program that may be where only root looks.
fn try_run(program: &str, arguments: &[&str]) -> bool {
    let with_path = "PATH=$PATH:/usr/sbin:/sbin exec \"$@\"";
    let status = Command::new("sh").args(["-c", with_path, "sh", program]).args(arguments).status();
    status.expect("a shell").success()
}

#[track_caller]
pub(super) fn run(program: &str, arguments: &[&str]) {
    assert!(try_run(program, arguments), "{program} {arguments:?}");
}

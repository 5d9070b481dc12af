//! A MariaDB server in a directory of its own, on a Unix socket.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

use crate::harness::{Running, Tool, wait_for};

/// The programs that [`MariaDb`] needs.
pub(super) const PROGRAMS: [&str; 3] = ["mariadbd", "mariadb", "mariadb-install-db"];

/// The server. Drop kills it.
pub(super) struct MariaDb {
    dir: TempDir,
    server: Option<Running>,
}

impl MariaDb {
    /// Starts a server whose user `root` needs no password, with one empty database.
    pub(super) fn start(database: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data = format!("--datadir={}", dir.path().join("data").display());
        let user = User::from_uid(geteuid()).ok().flatten().expect("a user with a name").name;
        let user = format!("--user={user}");
        // Servers with one directory for temporary tables delete those of each other.
        let temporary = dir.path().to_str().expect("UTF-8").to_owned();
        let install = Tool::new("mariadb-install-db").env("TMPDIR", &temporary);
        let install = install.args(&["--no-defaults", &user, &data]);
        let done =
            install.args(&["--auth-root-authentication-method=normal", "--skip-test-db"]).run();
        assert_eq!(done.code, Some(0), "{done:#?}");
        let mut server = Self { dir, server: None };
        let socket = format!("--socket={}", server.socket().display());
        let pid = format!("--pid-file={}", server.dir().join("pid").display());
        let error = format!("--log-error={}", server.dir().join("log").display());
        let tool = Tool::new("mariadbd").env("TMPDIR", &temporary);
        let tool = tool.args(&["--no-defaults", &user, &data, &socket, &pid, &error]);
        let small = [
            "--innodb-buffer-pool-size=16M",
            "--innodb-log-file-size=8M",
            "--performance-schema=off",
        ];
        let quick = ["--skip-networking", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"];
        server.server = Some(tool.args(&small).args(&quick).start());
        wait_for("MariaDB", || (server.query("select 1").code == Some(0)).then_some(()));
        let created = server.query(&format!("create database {database}"));
        assert_eq!(created.code, Some(0), "{created:#?}");
        server
    }

    /// The path of its socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("mariadb.sock")
    }

    /// Kills it.
    pub(super) fn kill(&mut self) {
        self.server = None;
        fs::remove_file(self.socket()).expect("the socket that it listened on");
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn query(&self, sql: &str) -> crate::harness::Output {
        let socket = format!("--socket={}", self.socket().display());
        Tool::new("mariadb").args(&["--no-defaults", &socket, "-uroot", "-e", sql]).run()
    }
}

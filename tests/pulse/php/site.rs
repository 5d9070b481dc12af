//! php-fpm behind nginx, in a directory of their own.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::harness::{Running, TIMEOUT, Tool, report, wait_for};

/// php-fpm of Debian's package.
const FPM: &str = "php-fpm8.2";

/// The settings of every PHP: those of `php.ini` depend on the machine.
pub(super) const SETTINGS: [&str; 9] = [
    "zend_extension=opcache",
    // Without it, children of exec inherit the connection.
    "extension=sockets",
    "opcache.enable=1",
    "opcache.enable_cli=1",
    "display_errors=1",
    "log_errors=1",
    "html_errors=0",
    "error_reporting=32767",
    "date.timezone=UTC",
];

/// `true` if all of these programs are there. Otherwise reports what is not tested.
pub(super) fn are_installed(programs: &[&str], what: &str) -> bool {
    let missing = |program: &&&str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
        !found.is_ok_and(|found| found.status.success())
    };
    let missing: Vec<_> = programs.iter().filter(missing).collect();
    if !missing.is_empty() {
        report(&format!("\n*** NOT TESTED, because {missing:?} are not installed: {what} ***\n"));
    }
    missing.is_empty()
}

/// `true` if a site can be started.
pub(super) fn can_start(what: &str) -> bool {
    are_installed(&["nginx", FPM, "curl"], what)
}

/// A pool of one worker, at a web server of its own.
pub(super) struct Pool {
    pub(super) name: &'static str,
    /// The socket of its agent. None: PHP without the library.
    pub(super) agent: Option<PathBuf>,
    /// What `auto_prepend_file` names, if there is an agent.
    pub(super) prepend: PathBuf,
    /// Further settings, as `name=value`.
    pub(super) settings: Vec<&'static str>,
}

impl Pool {
    /// PHP without the library.
    pub(super) fn plain() -> Self {
        Self { name: "plain", agent: None, prepend: PathBuf::new(), settings: Vec::new() }
    }

    /// PHP with one `auto_prepend_file` line.
    pub(super) fn with_library(name: &'static str, agent: &Path) -> Self {
        Self {
            agent: Some(agent.to_owned()),
            prepend: library("prepend.php"),
            name,
            ..Self::plain()
        }
    }
}

/// A file of the library.
pub(super) fn library(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/php").join(file)
}

/// The test pages.
pub(super) fn pages_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pulse/php/pages")
}

/// nginx and php-fpm. Drop stops both.
pub(super) struct Site {
    dir: TempDir,
    fpm: Running,
    nginx: Option<Running>,
}

impl Site {
    /// Serves this directory with each of these pools.
    pub(super) fn start(root: &Path, pools: &[Pool]) -> Self {
        Self::start_with(root, pools, &[])
    }

    /// The same with these extensions of PHP.
    pub(super) fn start_with(root: &Path, pools: &[Pool], extensions: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let nginx = write(dir.path(), "nginx.conf", &nginx_config(dir.path(), root, pools));
        let fpm = write(dir.path(), "fpm.conf", &fpm_config(dir.path(), pools));
        let mut tool = Tool::new(FPM).args(&["-n", "-F", "-R", "-y", &fpm]);
        for setting in SETTINGS {
            tool = tool.args(&["-d", setting]);
        }
        for extension in extensions {
            tool = tool.args(&["-d", &format!("extension={extension}")]);
        }
        let mut site = Self { fpm: tool.start(), nginx: None, dir };
        for pool in pools {
            wait_for("php-fpm", || UnixStream::connect(site.path("fpm", pool.name)).ok());
        }
        let nginx = Tool::new("nginx").args(&[
            "-p",
            site.dir.path().to_str().expect("UTF-8"),
            "-c",
            &nginx,
        ]);
        site.nginx = Some(nginx.start());
        for pool in pools {
            wait_for("nginx", || UnixStream::connect(site.path("web", pool.name)).ok());
        }
        site
    }

    /// Its directory.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The web server of a pool.
    pub(super) fn web(&self, pool: &str) -> PathBuf {
        self.path("web", pool)
    }

    /// What a pool has written to its error log, without times.
    pub(super) fn log(&self, pool: &str) -> String {
        let text = fs::read(self.dir.path().join(format!("log-{pool}"))).unwrap_or_default();
        without_times(&String::from_utf8_lossy(&text))
    }

    fn path(&self, kind: &str, pool: &str) -> PathBuf {
        self.dir.path().join(format!("{kind}-{pool}.sock"))
    }

    /// Requests a page. Returns the whole answer, without its date. `arguments` are further ones of curl.
    pub(super) fn get(&self, pool: &str, target: &str, arguments: &[&str]) -> Vec<u8> {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-i", "-m", &TIMEOUT.as_secs().to_string(), "--unix-socket"]);
        curl.arg(self.web(pool)).args(arguments).arg(format!("http://site{target}"));
        let done = curl.output().expect("tests/run installs it");
        without_date(&done.stdout)
    }

    /// The same as text.
    pub(super) fn text(&self, pool: &str, target: &str, arguments: &[&str]) -> String {
        String::from_utf8_lossy(&self.get(pool, target, arguments)).into_owned()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.nginx.take());
        // php-fpm ends its workers only if it is not killed.
        self.fpm.signal(Signal::SIGTERM);
        self.fpm.wait();
    }
}

/// Log lines without the times at their beginnings.
pub(super) fn without_times(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("] ") {
        Some((time, rest)) if time.starts_with('[') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn without_date(answer: &[u8]) -> Vec<u8> {
    let lines = answer.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !line.starts_with(b"Date: ")).collect::<Vec<_>>().concat()
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, text).expect("a writable directory");
    path.to_str().expect("UTF-8").to_owned()
}

fn nginx_config(dir: &Path, root: &Path, pools: &[Pool]) -> String {
    let mut servers = String::new();
    for Pool { name, .. } in pools {
        servers += &format!(
            "server {{
                listen unix:{dir}/web-{name}.sock; server_name site; root {root}; index index.php;
                location ~ \\.php$ {{
                    include /etc/nginx/fastcgi_params; fastcgi_buffering off; fastcgi_read_timeout 60;
                    fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
                    fastcgi_param SESSION_DIR {dir}/sessions-{name};
                    fastcgi_param ABORT_FILE {dir}/abort-{name};
                    fastcgi_pass unix:{dir}/fpm-{name}.sock;
                }}
            }}\n",
            dir = dir.display(),
            root = root.display(),
        );
        fs::create_dir(dir.join(format!("sessions-{name}"))).expect("a writable directory");
    }
    let user = if geteuid().is_root() { "user root;" } else { "" };
    format!(
        "daemon off; master_process off; {user} pid {dir}/nginx.pid; error_log {dir}/nginx.log;
         events {{}}
         http {{
            access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
            uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
            {servers}
         }}",
        dir = dir.display(),
    )
}

fn fpm_config(dir: &Path, pools: &[Pool]) -> String {
    let dir = dir.display();
    let mut text = format!("[global]\nerror_log = {dir}/fpm.log\ndaemonize = no\n");
    let user = if geteuid().is_root() { "user = root\ngroup = root\n" } else { "" };
    for pool in pools {
        let name = pool.name;
        text += &format!(
            "[{name}]\n{user}listen = {dir}/fpm-{name}.sock\npm = static\npm.max_children = 1\n"
        );
        text += &format!("php_admin_value[error_log] = {dir}/log-{name}\n");
        for setting in &pool.settings {
            let (setting, value) = setting.split_once('=').expect("name=value");
            text += &format!("php_value[{setting}] = {value}\n");
        }
        if let Some(agent) = &pool.agent {
            text += &format!("env[PULSED_SOCKET] = {}\n", agent.display());
            text += &format!("php_value[auto_prepend_file] = {}\n", pool.prepend.display());
        }
    }
    text
}

//! rsyslogd: the peer for syslog lines, from a Unix socket to a TCP connection.

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Socket, System, spawn, until_it_works};
use crate::load::Message;
use crate::process::Running;
use crate::{BenchError, refused};

pub(super) const SETTINGS: &str = "imptcp on a Unix socket, omfwd to one TCP connection, raw lines; \
    a queue in memory of 400,000 lines, batches of 1,024";

/// The line that makes rsyslogd connect to its follower.
const FIRST: &str = "<14>Nov 22 17:48:17 web1 first: line";

/// A running rsyslogd.
pub(crate) struct Rsyslog {
    program: Running,
    _dir: TempDir,
    path: PathBuf,
    /// Where it connects to.
    listener: TcpListener,
}

impl Rsyslog {
    /// Starts rsyslogd and waits until it listens. `None` if it is not installed.
    pub(crate) fn start() -> Result<Option<Self>, BenchError> {
        let dir = tempfile::tempdir().map_err(refused("make a directory"))?;
        let (path, file) = (dir.path().join("in.sock"), dir.path().join("rsyslog.conf"));
        let listen = || {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?.port(), listener))
        };
        let (port, listener) = listen().map_err(refused("listen for rsyslogd"))?;
        let text = format!(
            r#"global(workDirectory="{dir}" parser.escapeControlCharactersOnReceive="off")
main_queue(queue.type="FixedArray" queue.size="400000" queue.dequeueBatchSize="1024")
module(load="imptcp")
input(type="imptcp" path="{path}")
template(name="raw" type="string" string="%rawmsg%\n")
*.* action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" template="raw")
"#,
            dir = dir.path().display(),
            path = path.display(),
        );
        fs::write(&file, text).map_err(refused("write a configuration"))?;
        let pid = dir.path().join("pid");
        let arguments = [Path::new("-n"), Path::new("-f"), &file, Path::new("-i"), &pid];
        let Some(program) = spawn("rsyslogd", &arguments)? else { return Ok(None) };
        let rsyslog = Self { program, _dir: dir, path, listener };
        until_it_works(|| rsyslog.sender())?;
        Ok(Some(rsyslog))
    }
}

impl System for Rsyslog {
    fn name(&self) -> &'static str {
        "rsyslogd"
    }

    fn pid(&self) -> u32 {
        self.program.pid()
    }

    fn sender(&self) -> Result<Socket, BenchError> {
        Socket::unix(&self.path)
    }

    /// The only one: rsyslogd has one connection, and makes it when it has something to send.
    fn follower(&self) -> Result<Socket, BenchError> {
        let failed = || refused("follow rsyslogd");
        self.sender()?.write_all(format!("{FIRST}\n").as_bytes()).map_err(failed())?;
        let (stream, _) = until_it_works(|| self.listener.accept().map_err(failed()))?;
        let begin = || {
            stream.set_nonblocking(false)?;
            let mut socket = Socket::Tcp(stream).with_timeouts()?;
            let line = socket.read_line()?;
            if line.trim_end() == FIRST { Ok(socket) } else { Err(io::Error::other(line)) }
        };
        begin().map_err(failed())
    }

    fn request(&self, message: &Message) -> Vec<u8> {
        format!("{}\n", message.line).into_bytes()
    }

    fn delivered(&self, message: &Message) -> Vec<u8> {
        self.request(message)
    }
}

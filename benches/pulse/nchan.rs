//! nginx with nchan: the peer of the fan-out over HTTP.

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::systems::{Running, WAIT_MAX, connect, free_port};
use crate::{BenchError, refused};

/// Where Debian's package installs the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// How many messages a channel keeps: more than a follower is ever behind.
const KEPT: u64 = 50_000;

/// A running nginx with one channel.
pub(crate) struct Nchan {
    _program: Running,
    _dir: TempDir,
    port: u16,
}

impl Nchan {
    /// Starts nginx with this many workers and waits until it listens. `None` if nginx or nchan is not installed.
    pub(crate) fn start(workers: usize) -> Result<Option<Self>, BenchError> {
        if !Path::new(MODULE).exists() {
            return Ok(None);
        }
        let dir = tempfile::tempdir().map_err(refused("make a directory"))?;
        let port = free_port()?;
        let file = dir.path().join("nginx.conf");
        fs::write(&file, configuration(dir.path(), port, workers))
            .map_err(refused("write a configuration"))?;
        // Debian installs it where only root's PATH looks.
        let started = spawn("nginx", &file).or_else(|e| match e.kind() {
            io::ErrorKind::NotFound => spawn("/usr/sbin/nginx", &file),
            _ => Err(e),
        });
        let program = match started {
            Ok(child) => Running(child),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(refused("start nginx")(e)),
        };
        let nchan = Self { _program: program, _dir: dir, port };
        let since = Instant::now();
        while let Err(e) = connect(port) {
            if since.elapsed() > WAIT_MAX {
                return Err(e);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(Some(nchan))
    }

    /// The request of a follower of a channel.
    pub(crate) fn follow(channel: usize) -> String {
        format!(
            "GET /sub?id={channel} HTTP/1.1\r\nHost: nchan\r\nAccept: text/event-stream\r\n\r\n"
        )
    }

    /// The request that publishes a message.
    pub(crate) fn publish(channel: usize, message: &str) -> Vec<u8> {
        let length = message.len();
        format!("POST /pub?id={channel} HTTP/1.1\r\nHost: nchan\r\nContent-Length: {length}\r\n\r\n{message}")
            .into_bytes()
    }

    /// A connection for requests. Responses to publishers are read by a thread of their own.
    pub(crate) fn publisher(&self) -> Result<TcpStream, BenchError> {
        let mut stream = connect(self.port)?;
        let mut responses = stream.try_clone().map_err(refused("connect to nginx"))?;
        // The copy lives on in the thread, until nginx closes the connection.
        responses.set_read_timeout(None).map_err(refused("connect to nginx"))?;
        thread::spawn(move || io::copy(&mut responses, &mut io::sink()));
        stream.flush().map_err(refused("connect to nginx"))?;
        Ok(stream)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

fn spawn(program: &str, file: &Path) -> io::Result<Child> {
    Command::new(program)
        .arg("-c")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Everything of nginx in `dir`, and nothing logged.
fn configuration(dir: &Path, port: u16, workers: usize) -> String {
    let dir = dir.display();
    format!(
        "load_module {MODULE};
daemon off;
worker_processes {workers};
worker_rlimit_nofile 8192;
pid {dir}/pid;
error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  nchan_shared_memory_size 512m;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  server {{
    listen 127.0.0.1:{port};
    location = /pub {{
      nchan_publisher;
      nchan_channel_id $arg_id;
      nchan_message_buffer_length {KEPT};
      nchan_message_timeout 1h;
    }}
    location = /sub {{
      nchan_subscriber eventsource;
      nchan_channel_id $arg_id;
      nchan_subscriber_first_message newest;
    }}
  }}
}}
"
    )
}

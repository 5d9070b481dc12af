//! nginx with nchan: the peer of the fan-out over HTTP.

use std::path::Path;
use std::{fs, io, thread};

use tempfile::TempDir;

use super::{Socket, System, follow_http, free_port, spawn, until_it_works};
use crate::check::Part;
use crate::load::Message;
use crate::process::Running;
use crate::{BenchError, refused};

pub(super) const SETTINGS: &str = "with nchan: one channel, POST over one pipelined connection, EventSource over \
    loopback TCP; one worker, and one for each core";

/// Where Debian's package installs the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// How many messages a channel keeps: more than a follower is ever behind.
const KEPT: u64 = 50_000;

/// A running nginx with one channel.
pub(crate) struct Nchan {
    program: Running,
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
        let Some(program) = spawn("nginx", &[Path::new("-c"), &file])? else { return Ok(None) };
        let nchan = Self { program, _dir: dir, port };
        until_it_works(|| nchan.sender())?;
        Ok(Some(nchan))
    }
}

impl System for Nchan {
    fn name(&self) -> &'static str {
        "nginx with nchan"
    }

    fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// A publisher: one connection with pipelined requests, the fastest of what was tried (more connections,
    /// WebSocket). A thread of its own reads the responses.
    fn sender(&self) -> Result<Socket, BenchError> {
        let socket = Socket::tcp(self.port)?;
        let mut responses = socket.try_clone().map_err(refused("connect to nginx"))?;
        // Until nginx closes the connection, or is silent for too long.
        thread::spawn(move || io::copy(&mut responses, &mut io::sink()));
        Ok(socket)
    }

    fn follower(&self) -> Result<Socket, BenchError> {
        let request = "GET /sub?id=1 HTTP/1.1\r\nHost: nchan\r\nAccept: text/event-stream\r\n\r\n";
        follow_http(self.port, request)
    }

    fn request(&self, message: &Message) -> Vec<u8> {
        let (line, length) = (&message.line, message.line.len());
        format!("POST /pub?id=1 HTTP/1.1\r\nHost: nchan\r\nContent-Length: {length}\r\n\r\n{line}")
            .into_bytes()
    }

    fn head(&self) -> &'static [Part] {
        &[Part::Text(b"id: "), Part::Line, Part::Text(b"data: ")]
    }

    fn delivered(&self, message: &Message) -> Vec<u8> {
        format!("{}\n\n", message.line).into_bytes()
    }

    fn noise(&self) -> &'static [&'static [Part]] {
        &[&[Part::Text(b": hi\n\n")]]
    }
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

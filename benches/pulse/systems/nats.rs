//! nats-server: a broker of messages.

use std::path::Path;

use tempfile::TempDir;

use super::{Socket, System, free_port, spawn, until_it_works};
use crate::check::Part;
use crate::load::Message;
use crate::process::Running;
use crate::{BenchError, refused};

pub(super) const SETTINGS: &str =
    "one subject over loopback TCP, because it has no Unix socket; nothing stored";

/// A running nats-server.
pub(crate) struct Nats {
    program: Running,
    _dir: TempDir,
    port: u16,
}

impl Nats {
    /// Starts nats-server and waits until it listens. `None` if it is not installed.
    pub(crate) fn start() -> Result<Option<Self>, BenchError> {
        let port = free_port()?;
        let dir = tempfile::tempdir().map_err(refused("make a directory"))?;
        let file = dir.path().join("nats.conf");
        // The benchmark's clients do not answer pings.
        std::fs::write(&file, format!("listen: 127.0.0.1:{port}\nping_interval: \"1h\"\n"))
            .map_err(refused("write a configuration"))?;
        let Some(program) = spawn("nats-server", &[Path::new("-c"), &file])? else {
            return Ok(None);
        };
        let nats = Self { program, _dir: dir, port };
        until_it_works(|| nats.sender())?;
        Ok(Some(nats))
    }
}

impl System for Nats {
    fn name(&self) -> &'static str {
        "nats-server"
    }

    fn pid(&self) -> u32 {
        self.program.pid()
    }

    fn sender(&self) -> Result<Socket, BenchError> {
        let mut socket = Socket::tcp(self.port)?;
        socket.ask("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r", "PONG")?;
        Ok(socket)
    }

    fn follower(&self) -> Result<Socket, BenchError> {
        let mut socket = self.sender()?;
        socket.ask("SUB x 1\r\nPING\r", "PONG")?;
        Ok(socket)
    }

    fn request(&self, message: &Message) -> Vec<u8> {
        let line = &message.line;
        format!("PUB x {}\r\n{line}\r\n", line.len()).into_bytes()
    }

    fn delivered(&self, message: &Message) -> Vec<u8> {
        let line = &message.line;
        format!("MSG x 1 {}\r\n{line}\r\n", line.len()).into_bytes()
    }

    fn noise(&self) -> &'static [&'static [Part]] {
        &[&[Part::Text(b"PING\r\n")]]
    }

    fn finish(&self, sender: &mut Socket) -> Result<(), BenchError> {
        sender.ask("PING\r", "PONG").map(drop)
    }
}

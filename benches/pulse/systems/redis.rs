//! redis-server: publish and subscribe.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use tempfile::TempDir;

use super::{Socket, System, spawn, until_it_works};
use crate::load::Message;
use crate::process::Running;
use crate::{BenchError, refused};

pub(super) const SETTINGS: &str = "PUBLISH to one channel over a Unix socket, replies off; nothing stored; default limits of output buffers";

/// A running redis-server.
pub(crate) struct Redis {
    program: Running,
    _dir: TempDir,
    path: PathBuf,
}

impl Redis {
    /// Starts redis-server and waits until it listens. `None` if it is not installed.
    pub(crate) fn start() -> Result<Option<Self>, BenchError> {
        let dir = tempfile::tempdir().map_err(refused("make a directory"))?;
        let path = dir.path().join("redis.sock");
        let socket = path.to_string_lossy().into_owned();
        let place = dir.path().to_string_lossy().into_owned();
        let arguments = [
            "--port",
            "0",
            "--unixsocket",
            &socket,
            "--dir",
            &place,
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        let Some(program) = spawn("redis-server", &arguments)? else { return Ok(None) };
        let redis = Self { program, _dir: dir, path };
        until_it_works(|| redis.sender())?;
        Ok(Some(redis))
    }
}

impl System for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn pid(&self) -> u32 {
        self.program.pid()
    }

    fn sender(&self) -> Result<Socket, BenchError> {
        let mut socket = Socket::unix(&self.path)?;
        socket.ask("PING\r", "+PONG")?;
        socket.write_all(b"CLIENT REPLY OFF\r\n").map_err(refused("set up redis"))?;
        Ok(socket)
    }

    fn follower(&self) -> Result<Socket, BenchError> {
        let mut socket = Socket::unix(&self.path)?;
        let mut answer = [0; "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n".len()];
        socket
            .write_all(b"SUBSCRIBE x\r\n")
            .and_then(|()| socket.read_exact(&mut answer))
            .map_err(refused("follow redis"))?;
        Ok(socket)
    }

    fn request(&self, message: &Message) -> Vec<u8> {
        let line = &message.line;
        format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nx\r\n${}\r\n{line}\r\n", line.len()).into_bytes()
    }

    fn delivered(&self, message: &Message) -> Vec<u8> {
        let line = &message.line;
        format!("*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n${}\r\n{line}\r\n", line.len()).into_bytes()
    }

    fn finish(&self, sender: &mut Socket) -> Result<(), BenchError> {
        sender.ask("CLIENT REPLY ON\r", "+OK")?;
        sender.write_all(b"CLIENT REPLY OFF\r\n").map_err(refused("set up redis"))
    }
}

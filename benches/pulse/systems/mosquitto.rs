//! mosquitto: a broker of MQTT.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Socket, System, spawn, until_it_works};
use crate::load::Message;
use crate::process::Running;
use crate::{BenchError, refused};

pub(super) const SETTINGS: &str =
    "one topic over a Unix socket, QoS 0, queues without a limit; nothing stored";

/// A running mosquitto.
pub(crate) struct Mosquitto {
    program: Running,
    _dir: TempDir,
    path: PathBuf,
}

impl Mosquitto {
    /// Starts mosquitto and waits until it listens. `None` if it is not installed.
    pub(crate) fn start() -> Result<Option<Self>, BenchError> {
        let dir = tempfile::tempdir().map_err(refused("make a directory"))?;
        let (path, file) = (dir.path().join("mqtt.sock"), dir.path().join("mosquitto.conf"));
        let text = format!(
            "listener 0 {}\nuser root\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n\
             log_dest none\n",
            path.display()
        );
        fs::write(&file, text).map_err(refused("write a configuration"))?;
        let Some(program) = spawn("mosquitto", &[Path::new("-c"), &file])? else { return Ok(None) };
        let mosquitto = Self { program, _dir: dir, path };
        until_it_works(|| mosquitto.sender())?;
        Ok(Some(mosquitto))
    }
}

impl System for Mosquitto {
    fn name(&self) -> &'static str {
        "mosquitto"
    }

    fn pid(&self) -> u32 {
        self.program.pid()
    }

    fn sender(&self) -> Result<Socket, BenchError> {
        let mut socket = Socket::unix(&self.path)?;
        // CONNECT of version 3.1.1: a clean session, no keep-alive, no name. Its answer is CONNACK.
        let connect = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00";
        exchange(&mut socket, connect, b"\x20\x02\x00\x00")?;
        Ok(socket)
    }

    fn follower(&self) -> Result<Socket, BenchError> {
        let mut socket = self.sender()?;
        exchange(&mut socket, b"\x82\x06\x00\x01\x00\x01x\x00", b"\x90\x03\x00\x01\x00")?;
        Ok(socket)
    }

    fn request(&self, message: &Message) -> Vec<u8> {
        publish(&message.line)
    }

    fn delivered(&self, message: &Message) -> Vec<u8> {
        publish(&message.line)
    }

    fn finish(&self, sender: &mut Socket) -> Result<(), BenchError> {
        exchange(sender, b"\xc0\x00", b"\xd0\x00")
    }
}

fn exchange(socket: &mut Socket, packet: &[u8], expected: &[u8]) -> Result<(), BenchError> {
    let mut answer = vec![0; expected.len()];
    socket
        .write_all(packet)
        .and_then(|()| socket.read_exact(&mut answer))
        .map_err(refused("get an answer of mosquitto"))?;
    if answer != expected {
        return Err(BenchError::Failed(format!("mosquitto answers {answer:02x?}")));
    }
    Ok(())
}

/// A PUBLISH packet: its length in groups of seven bits, topic and message.
fn publish(line: &str) -> Vec<u8> {
    let mut packet = vec![0x30];
    let mut left = 3 + line.len();
    while left >= 0x80 {
        packet.push(0x80 | (left & 0x7f) as u8);
        left >>= 7;
    }
    packet.push(left as u8);
    packet.extend_from_slice(b"\x00\x01x");
    packet.extend_from_slice(line.as_bytes());
    packet
}

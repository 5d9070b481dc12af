//! Connections of other users, over TCP and through TLS.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::{Agent, Client, Tool, wait_for};

/// A client whose bytes a child process relays in both directions. Drop kills the child.
pub(crate) struct Relay {
    client: Client,
    child: Child,
}

impl Relay {
    /// Relays through this command line.
    #[track_caller]
    pub(crate) fn command(words: &[&str]) -> Self {
        let (near, far) = UnixStream::pair().expect("free descriptors");
        let out = far.try_clone().expect("a free descriptor");
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(OwnedFd::from(far)).stdout(OwnedFd::from(out));
        let child = command.stderr(Stdio::null()).spawn().expect("tests/run installs it");
        Self { client: Client::from_stream(near), child }
    }

    /// Waits until the child has exited.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self) {
        wait_for("the relay's exit", || self.child.try_wait().expect("a child process"));
    }
}

impl Deref for Relay {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Relay {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    /// Connects over TCP, from this machine.
    #[track_caller]
    pub(crate) fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the bridge listens");
        stream.set_nodelay(true).expect("a TCP socket");
        // Reads, writes and timeouts are the same system calls for every kind of stream socket.
        Self::from_stream(UnixStream::from(OwnedFd::from(stream)))
    }

    /// Requests AUTH, which must succeed.
    #[track_caller]
    pub(crate) fn auth(&mut self, token: &str) {
        let answer = self.request(&format!("AUTH {token}"));
        assert!(answer.starts_with("OK "), "{answer}");
    }
}

impl Agent {
    /// A connection by another user.
    #[track_caller]
    pub(crate) fn connect_as(&self, uid: u32) -> Relay {
        let reuid = format!("--reuid={uid}");
        Relay::command(&["setpriv", &reuid, "--clear-groups", "nc", "-NU", self.socket_text()])
    }

    /// The address of its TCP bridge.
    #[track_caller]
    pub(crate) fn tcp(&self) -> SocketAddr {
        let address = &self.stats()["tcp"];
        address.as_str().and_then(|text| text.parse().ok()).expect("a bridge is configured")
    }

    /// An unauthenticated connection through its bridge.
    #[track_caller]
    pub(crate) fn connect_tcp(&self) -> Client {
        Client::tcp(self.tcp())
    }

    /// A connection through its bridge, authenticated with a token.
    #[track_caller]
    pub(crate) fn connect_with_token(&self, token: &str) -> Client {
        let mut client = self.connect_tcp();
        client.auth(token);
        client
    }

    /// Adds a token that may send and tail what these globs match.
    #[track_caller]
    pub(crate) fn token(&self, name: &str, send: &[&str], tail: &[&str]) -> String {
        let mut tool = self.pulsed(&["token", "add", name]);
        for (option, globs) in [("--send", send), ("--tail", tail)] {
            for glob in globs {
                tool = tool.args(&[option, glob]);
            }
        }
        tool.ok().trim_end().to_owned()
    }

    /// From its next start on, only the agent sees these users and groups, in a mount namespace of its own.
    /// They are in the files `passwd` and `group` in its directory, and may be rewritten at any time.
    pub(crate) fn set_accounts(&mut self, passwd: &str, group: &str) {
        let dir = self.dir().to_str().expect("UTF-8").to_owned();
        self.write_groups(group);
        fs::write(self.dir().join("passwd"), passwd).expect("a writable directory");
        let mount = "mount --bind $0/passwd /etc/passwd && mount --bind $0/group /etc/group && \
            exec \"$@\"";
        self.launch_with(&["unshare", "--mount", "sh", "-c", mount, &dir]);
    }

    /// Rewrites the groups of [`Agent::set_accounts`].
    pub(crate) fn write_groups(&self, group: &str) {
        fs::write(self.dir().join("group"), group).expect("a writable directory");
    }
}

impl Tool {
    /// The same command as another user. Runs a copy in the agent's directory, because other users may have no
    /// access to the build directory.
    pub(crate) fn with_user(self, uid: u32, agent: &Agent) -> Self {
        let (program, arguments) = self.words();
        let copy = agent.dir().join(std::path::Path::new(&program).file_name().expect("a name"));
        if !copy.exists() {
            // By another process: a file that this one has open for writing cannot be executed.
            Self::new("cp").arg(&program).arg(&copy).ok();
        }
        let reuid = format!("--reuid={uid}");
        let tool = Self::new("setpriv").args(&[&reuid, "--clear-groups"]).arg(copy);
        arguments.into_iter().fold(tool, Self::arg)
    }
}

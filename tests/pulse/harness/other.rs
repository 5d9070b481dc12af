//! Connections that are not the test's own: of other users, over TCP, through TLS.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::{Agent, Client, Tool, until};

/// A client that speaks through a program which passes on what is said, both ways. The program ends with
/// it.
pub(crate) struct Via {
    client: Client,
    child: Child,
}

impl Via {
    /// Through this command line.
    #[track_caller]
    pub(crate) fn command(words: &[&str]) -> Self {
        let (near, far) = UnixStream::pair().expect("a pair");
        let out = far.try_clone().expect("a descriptor");
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(OwnedFd::from(far)).stdout(OwnedFd::from(out));
        let child = command.stderr(Stdio::null()).spawn().expect("tests/run installs it");
        Self { client: Client::over(near), child }
    }

    /// Waits until the program has ended.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self) {
        until("the program's end", || self.child.try_wait().expect("our child"));
    }
}

impl Deref for Via {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Via {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Drop for Via {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    /// Over TCP, from this machine.
    #[track_caller]
    pub(crate) fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the bridge listens");
        stream.set_nodelay(true).expect("TCP");
        // What is done with a stream here, the kernel does with every kind of socket.
        Self::over(UnixStream::from(OwnedFd::from(stream)))
    }
}

impl Agent {
    /// A connection to it by another user.
    #[track_caller]
    pub(crate) fn connect_as(&self, uid: u32) -> Via {
        let reuid = format!("--reuid={uid}");
        Via::command(&["setpriv", &reuid, "--clear-groups", "nc", "-NU", self.socket_text()])
    }

    /// Where its bridge listens.
    #[track_caller]
    pub(crate) fn tcp(&self) -> SocketAddr {
        let address = &self.stats()["tcp"];
        address.as_str().and_then(|text| text.parse().ok()).expect("it has a bridge")
    }

    /// A connection through its bridge, which nobody has let in yet.
    #[track_caller]
    pub(crate) fn connect_by_tcp(&self) -> Client {
        Client::tcp(self.tcp())
    }

    /// A connection through its bridge that a token has opened.
    #[track_caller]
    pub(crate) fn connect_with(&self, token: &str) -> Client {
        let mut client = self.connect_by_tcp();
        client.auth(token);
        client
    }

    /// Makes a token, which may be sent and followed with as these globs say.
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

    /// From now on it sees these users and groups, and nobody else does: they are in the files `passwd` and
    /// `group` in its directory, which may be written anew at any time.
    pub(crate) fn live_among(&mut self, passwd: &str, group: &str) {
        let dir = self.dir().to_str().expect("UTF-8").to_owned();
        self.write_groups(group);
        fs::write(self.dir().join("passwd"), passwd).expect("the directory is ours");
        let mount = "mount --bind $0/passwd /etc/passwd && mount --bind $0/group /etc/group && \
            exec \"$@\"";
        self.launch_by(&["unshare", "--mount", "sh", "-c", mount, &dir]);
    }

    /// Changes who is in which group, for an agent that sees such.
    pub(crate) fn write_groups(&self, group: &str) {
        fs::write(self.dir().join("group"), group).expect("the directory is ours");
    }
}

impl Client {
    /// Says AUTH, which must succeed.
    #[track_caller]
    pub(crate) fn auth(&mut self, token: &str) {
        let told = self.ask(&format!("AUTH {token}"));
        assert!(told.starts_with("OK "), "{told}");
    }
}

impl Tool {
    /// The same, run by another user: a copy of it in the agent's directory, since the tests' own place may
    /// be closed to others.
    pub(crate) fn by(self, uid: u32, agent: &Agent) -> Self {
        let (program, arguments) = self.words();
        let copy = agent.dir().join(std::path::Path::new(&program).file_name().expect("a name"));
        if !copy.exists() {
            fs::copy(&program, &copy).expect("the directory is ours");
        }
        let reuid = format!("--reuid={uid}");
        let tool = Self::new("setpriv").args(&[&reuid, "--clear-groups"]).arg(copy);
        arguments.into_iter().fold(tool, Self::arg)
    }
}

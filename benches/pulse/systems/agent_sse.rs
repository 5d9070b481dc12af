//! Our agent with followers over HTTP, by Server-Sent Events.

use super::agent::{Agent, HEAD};
use super::{Socket, System, follow_http};
use crate::BenchError;
use crate::check::Part;
use crate::load::Message;

/// What stands before each event: its cursor, then a line as on the socket.
const SSE_HEAD: [Part; 6] =
    [Part::Text(b"id: "), Part::Line, Part::Text(b"data: {\"seq\":"), HEAD[1], HEAD[2], HEAD[3]];

/// A running agent, and a session of its monitor.
pub(crate) struct AgentSse {
    agent: Agent,
    cookie: String,
}

impl AgentSse {
    /// Starts an agent with history, and signs in.
    pub(crate) fn start() -> Result<Self, BenchError> {
        let agent = Agent::start_web()?;
        let cookie = agent.sign_in()?;
        Ok(Self { agent, cookie })
    }
}

impl System for AgentSse {
    fn name(&self) -> &'static str {
        "SSE"
    }

    fn pid(&self) -> u32 {
        self.agent.pid()
    }

    fn sender(&self) -> Result<Socket, BenchError> {
        self.agent.sender()
    }

    fn follower(&self) -> Result<Socket, BenchError> {
        let newest = self.sender()?.ask("PING", "OK ")?;
        let (port, cookie) = (self.agent.web_port(), &self.cookie);
        let request = format!(
            "GET /events?after={newest} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\
             Accept: text/event-stream\r\n\r\n"
        );
        follow_http(port, &request)
    }

    fn request(&self, message: &Message) -> Vec<u8> {
        self.agent.request(message)
    }

    fn head(&self) -> &'static [Part] {
        &SSE_HEAD
    }

    /// Unused: [`System::expected`] learns it.
    fn delivered(&self, message: &Message) -> Vec<u8> {
        self.agent.delivered(message)
    }

    /// As on the socket, with the end of an event.
    fn expected(
        &self,
        sender: &mut Socket,
        messages: &[Message],
    ) -> Result<Vec<Vec<u8>>, BenchError> {
        let mut expected = self.agent.expected(sender, messages)?;
        expected.iter_mut().for_each(|line| line.push(b'\n'));
        Ok(expected)
    }

    /// Comments, and how far the follower has read.
    fn noise(&self) -> &'static [&'static [Part]] {
        const AT: [Part; 5] = [
            Part::Text(b"id: "),
            Part::Line,
            Part::Text(b"data: {\"at\":"),
            Part::Line,
            Part::Line,
        ];
        &[&[Part::Text(b":"), Part::Line, Part::Line], &AT]
    }

    fn is_chunked(&self) -> bool {
        true
    }

    fn finish(&self, sender: &mut Socket) -> Result<(), BenchError> {
        self.agent.finish(sender)
    }
}

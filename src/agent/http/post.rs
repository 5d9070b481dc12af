//! `POST /events`: JSON lines, each an event as in SEND.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::conn::{Conn, Peer};
use super::respond::{self, Reply, error, error_with};
use super::visitor::{Visitor, unauthorized};
use crate::agent::access::Subject;
use crate::agent::client::Client;
use crate::agent::ingest::intake::{Intake, Pushed};
use crate::agent::limits::{HELD_FREE, Held};
use crate::event::Origin;
use crate::log::Durability;
use crate::wire::{Code, Decoder, Request};

/// The most bytes of one request.
pub const BODY_MAX: usize = 16 << 20;

/// How long a client may take for a request's body.
pub const BODY_WAIT_MAX: Duration = Duration::from_secs(60);

/// Refused lines that the reply describes. The others are counted.
const ERRORS_MAX: usize = 10;

/// Bytes that a client may send in one turn before its task yields.
const TURN_SIZE: usize = 64 << 10;

/// A refused line.
struct RefusedLine {
    line: u64,
    code: Code,
    why: String,
}

/// The lines of one body on their way to the intake.
struct Posted<'a> {
    decoder: Decoder,
    /// The client's share of the memory for unfinished lines.
    held: Held,
    intake: Intake<'a>,
    /// The next byte begins a line.
    at_start: bool,
    /// The last byte is a CR that begins a line: the next one tells whether the line is empty.
    after_cr: bool,
    lines: u64,
    /// Empty lines since the decoder has yielded everything: how many lines were before each, and how many there are.
    blanks: VecDeque<(u64, u64)>,
    /// Lines that were passed to the decoder, and empty ones.
    passed: (u64, u64),
    errors: Vec<RefusedLine>,
}

/// Serves one request.
pub(super) async fn respond(
    conn: &Conn,
    parts: &Parts,
    visitor: Visitor,
    body: Incoming,
) -> Result<Reply, Reply> {
    // A cookie would come along with a form on any page.
    let Subject::Token(token) = visitor.rights.subject() else {
        return Err(unauthorized(conn, "POST needs Authorization: Bearer TOKEN"));
    };
    let origin = Origin {
        addr: address(conn, parts),
        token: Some(token.name.to_string()),
        ..Origin::default()
    };
    let Visitor { rights, rate, quota_key, share, .. } = visitor;
    let client = Client { rights, origin, rate, quota_key, share: Some(share) };
    let runs = conn.services.runs.of_request(client.quota_key.clone());
    let mut posted = Posted {
        decoder: Decoder::new(),
        held: conn.services.limits.held(&client.quota_key),
        intake: Intake::new(conn.services.log.clone(), &client, runs),
        at_start: true,
        after_cr: false,
        lines: 0,
        blanks: VecDeque::new(),
        passed: (0, 0),
        errors: Vec::new(),
    };
    let received = posted.receive(body).await;
    // What came before an error is stored all the same, and the reply counts it.
    let reply = posted.reply().await;
    received.map(|()| reply)
}

/// The address of the client. What a proxy says of it counts only on the Unix socket.
fn address(conn: &Conn, parts: &Parts) -> Option<String> {
    match &conn.peer {
        Peer::Local { address, .. } | Peer::Remote(address) => Some(address.to_string()),
        Peer::Proxy { .. } => {
            let forwarded = parts.headers.get("x-forwarded-for")?.to_str().ok()?;
            let nearest = forwarded.rsplit(',').next()?.trim();
            nearest.parse().ok().map(|address: std::net::IpAddr| address.to_canonical().to_string())
        }
    }
}

impl Posted<'_> {
    async fn receive(&mut self, mut body: Incoming) -> Result<(), Reply> {
        let deadline = Instant::now() + BODY_WAIT_MAX;
        let mut received = 0;
        loop {
            let frame = timeout_at(deadline, async {
                self.hold_rest().await;
                body.frame().await
            });
            let frame = match frame.await {
                Err(_) => {
                    let why = format!("the body did not come within {} s", BODY_WAIT_MAX.as_secs());
                    return Err(error_with(StatusCode::REQUEST_TIMEOUT, Code::Later, &why));
                }
                Ok(None) => break,
                Ok(Some(Err(cause))) => return Err(error(Code::Data, &format!("body: {cause}"))),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            received += data.len();
            if received > BODY_MAX {
                let why = format!("a body has at most {BODY_MAX} bytes: send several");
                return Err(error_with(StatusCode::PAYLOAD_TOO_LARGE, Code::Data, &why));
            }
            self.push(data).await;
        }
        if !self.at_start && !self.after_cr {
            self.decoder.push(b"\n");
        }
        self.decoder.finish();
        self.take().await;
        Ok(())
    }

    /// Before a wait: leaves the decoder only its unfinished line, for which there must be room.
    async fn hold_rest(&mut self) {
        let rest = self.decoder.buffered();
        if rest == 0 || self.decoder.allocated() > rest + HELD_FREE {
            drop(self.decoder.give_back());
        }
        self.held.set(rest);
        self.held.wait_for_room(rest).await;
    }

    /// Passes some bytes to the decoder, each line as a SEND: no line can be another verb.
    async fn push(&mut self, data: Bytes) {
        for turn in data.chunks(TURN_SIZE) {
            for piece in turn.split_inclusive(|byte| *byte == b'\n') {
                self.push_piece(piece);
            }
            self.take().await;
            self.intake.end_turn().await;
        }
    }

    /// Passes a line or a part of one to the decoder, unless the line is empty.
    fn push_piece(&mut self, piece: &[u8]) {
        let at_start = std::mem::replace(&mut self.at_start, piece.ends_with(b"\n"));
        if at_start || self.after_cr {
            match piece {
                b"\n" => return self.note_blank(),
                b"\r\n" if at_start => return self.note_blank(),
                b"\r" if at_start => {
                    self.after_cr = true;
                    return;
                }
                _ => {}
            }
            self.passed.0 += 1;
            self.decoder.push(b"SEND ");
            if std::mem::take(&mut self.after_cr) {
                self.decoder.push(b"\r");
            }
        }
        self.decoder.push(piece);
    }

    fn note_blank(&mut self) {
        self.after_cr = false;
        self.passed.1 += 1;
        match self.blanks.back_mut().filter(|(before, _)| *before == self.passed.0) {
            Some(last) => last.1 = self.passed.1,
            None => self.blanks.push_back(self.passed),
        }
    }

    /// The number within the body of the line that was decoded last.
    fn line_number(&self) -> u64 {
        let mut empty = 0;
        for (before, blanks) in &self.blanks {
            if *before >= self.lines {
                break;
            }
            empty = *blanks;
        }
        self.lines + empty
    }

    /// Passes what was decoded to the intake.
    async fn take(&mut self) {
        while let Some(request) = self.decoder.next() {
            self.lines += 1;
            let refused = match request {
                Ok(Request::Send(draft)) => {
                    let mut pushed = self.intake.push(&draft);
                    if matches!(pushed, Ok(Pushed::RightsNeeded)) {
                        pushed = self.intake.push_with_rights(&draft).await;
                    }
                    match pushed {
                        Ok(Pushed::Full) => {
                            self.intake.flush().await;
                            continue;
                        }
                        Ok(_) => continue,
                        Err(refusal) => (refusal.code(), refusal.to_string()),
                    }
                }
                // Every line is a SEND.
                Ok(_) => continue,
                Err(refused) => {
                    self.intake.charge_request(0);
                    self.intake.note_refused(refused.code);
                    (refused.code, refused.why)
                }
            };
            if self.errors.len() < ERRORS_MAX {
                let ((code, why), line) = (refused, self.line_number());
                self.errors.push(RefusedLine { line, code, why });
            }
        }
        // Of empty lines, only how many there were still counts.
        while self.blanks.len() > 1 && self.blanks[1].0 <= self.lines {
            self.blanks.pop_front();
        }
        self.intake.flush().await;
    }

    async fn reply(mut self) -> Reply {
        let synced = self.intake.sync(Durability::Stored).await;
        if let Err(why) = synced.stored {
            return error(Code::NotStored, &why.to_string());
        }
        let status = synced.first_code.map_or(StatusCode::OK, respond::status);
        let errors = self.errors.iter().map(|refused| {
            json!({ "line": refused.line, "code": refused.code.number(), "why": refused.why })
        });
        let errors: Vec<_> = errors.collect();
        let mut value = json!({
            "cursor": synced.cursor.to_string(),
            "accepted": self.lines - synced.refused,
            "refused": synced.refused,
        });
        if !errors.is_empty() {
            value["errors"] = json!(errors);
        }
        respond::json(status, &value)
    }
}

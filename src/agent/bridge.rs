//! The TCP bridge's porch: from a stranger who has just connected to somebody whose token is known. All of
//! it within [`HANDSHAKE_MAX`].

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::access::{Access, Rights};
use super::connection::{Connection, FIRST_WORDS_WAIT, Input, to_leave};
use super::guest::Guest;
use super::limits::{Limits, Party, Share};
use super::pace::Pace;
use super::stream::Stream;
use super::tokens::TokenName;
use crate::diag::{self, Throttle};
use crate::event::Origin;
use crate::sys::{host, tcp};
use crate::wire::{self, Code, Request};

/// How long a stranger may take to say a good token, with TLS and everything before it.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How often a TLS greeting is answered: it costs a signature, which is up to a millisecond's work.
pub const GREETING_EVERY: Duration = Duration::from_millis(2);

/// How long the answer to a first bad token takes, whatever is bad about it; each further one on the same
/// connection takes twice as long.
pub const REFUSAL_DELAY: Duration = Duration::from_millis(250);

/// The longest such delay.
const REFUSAL_DELAY_MAX: Duration = Duration::from_secs(4);

/// How often strangers who do not come in are told of.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The one answer to whatever a stranger says that is no good token.
const REFUSAL: &str = "not permitted: say AUTH and a token that this agent knows";

/// How much a client may have said before it reads that it is not let in, in bytes: a token and more.
const FIRST_WORDS: usize = 1024;

/// The first byte of every TLS connection: a handshake record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// What stands between the network and the agent.
pub(crate) struct Bridge {
    access: Arc<Access>,
    limits: Arc<Limits>,
    /// None without a certificate.
    tls: Mutex<Option<Arc<ServerConfig>>>,
    greetings: Pace,
    told: Mutex<Throttle>,
    stopping: watch::Receiver<bool>,
}

/// Why a stranger does not come in, for the people who run the agent.
type Refused = String;

impl Bridge {
    pub(crate) fn new(
        access: Arc<Access>,
        limits: Arc<Limits>,
        tls: Option<Arc<ServerConfig>>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let told = Mutex::new(Throttle::new(TELL_EVERY));
        let greetings = Pace::new(GREETING_EVERY);
        Self { access, limits, tls: Mutex::new(tls), greetings, told, stopping }
    }

    /// From here on it proves who it is with this. Who is connected stays so.
    pub(crate) fn renew_tls(&self, tls: Arc<ServerConfig>) {
        *self.tls() = Some(tls);
    }

    fn tls(&self) -> MutexGuard<'_, Option<Arc<ServerConfig>>> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a stranger in who says a good token in time, which is short when the agent stops; tells of others.
    pub(crate) async fn greet(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<(Connection, Guest)> {
        let (mut stopping, until) = (self.stopping.clone(), Instant::now() + FIRST_WORDS_WAIT);
        let greeted = tokio::select! {
            greeted = self.meet(stream, address) => greeted,
            () = to_leave(&mut stopping, Some(until)) => return None,
        };
        greeted.unwrap_or_else(|refused| {
            self.tell(address, &refused);
            None
        })
    }

    /// Tells the people who run the agent. What a stranger said is no part of it: it may be a token with a
    /// slip in it.
    fn tell(&self, address: SocketAddr, why: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left_out) = told.pass(std::time::Instant::now()) {
            let address = address.ip().to_canonical();
            diag::warning(format_args!("{address}: not let in: {why}{left_out}"));
        }
    }

    async fn meet(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<Option<(Connection, Guest)>, Refused> {
        let late = || format!("no good token within {} s", HANDSHAKE_MAX.as_secs());
        let end = Instant::now() + HANDSHAKE_MAX;
        let entered = timeout_at(end, self.take_in(stream, address)).await;
        let Some(mut connection) = entered.map_err(|_| late())?? else { return Ok(None) };
        let Ok(asked) = timeout_at(end, self.ask(&mut connection, address)).await else {
            // Somebody may sit there and type.
            let mut answer = Vec::new();
            wire::encode_err(Code::Later, &late(), &mut answer);
            let _ = connection.write_now(&[IoSlice::new(&answer)]);
            connection.farewell();
            return Err(late());
        };
        let Some((name, rights, share)) = asked? else { return Ok(None) };
        let (addr, token) = (address.ip().to_canonical().to_string(), name.to_string());
        let origin = Origin { addr: Some(addr), token: Some(token), ..Origin::default() };
        let rate = self.limits.rate_of(&Party::Token(name));
        Ok(Some((connection, Guest { rights, origin, rate, _share: Some(share) })))
    }

    /// Agrees with a stranger on how to speak. None if there is nobody any more.
    async fn take_in(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<Option<Connection>, Refused> {
        let failed = |error: io::Error| format!("connection: {error}");
        tcp::prepare(&stream).map_err(failed)?;
        let mut first = [0];
        if stream.peek(&mut first).await.map_err(failed)? == 0 {
            return Ok(None);
        }
        let stream = if first == [TLS_HANDSHAKE] {
            let tls = self.tls().clone().ok_or("TLS, and there is no tcp.cert")?;
            let turn = self.greetings.turn(std::time::Instant::now());
            tokio::time::sleep_until(turn.into()).await;
            let encrypted = TlsAcceptor::from(tls).accept(stream).await;
            Stream::Tls(Box::new(encrypted.map_err(|error| format!("TLS: {error}"))?))
        } else if stays_here(&stream, address) {
            Stream::Tcp(stream)
        } else {
            let mut answer = Vec::new();
            wire::encode_err(Code::Denied, "this agent is reached by TLS only", &mut answer);
            // What came is read first: a connection that is closed over something unread is reset, and a reset
            // may overtake the answer.
            let _ = stream.try_read(&mut [0; FIRST_WORDS]);
            let _ = stream.try_write(&answer);
            return Err("no TLS".into());
        };
        Ok(Some(Connection::new(stream, &host::name(), self.stopping.clone())))
    }

    /// Waits for a good token. None if the stranger goes away without one.
    async fn ask(
        &self,
        connection: &mut Connection,
        address: SocketAddr,
    ) -> Result<Option<(TokenName, Rights, Share)>, Refused> {
        let failed = |error: io::Error| format!("connection: {error}");
        let mut delay = REFUSAL_DELAY;
        loop {
            let until = Instant::now() + delay;
            let (found, why) = match connection.decoder.next() {
                Some(Ok(Request::Quit)) => return Ok(None),
                Some(Ok(Request::Auth(text))) => (self.access.of_token(text).await, "wrong token"),
                Some(_) => (None, "no token"),
                None => match connection.read().await.map_err(failed)? {
                    Input::Some => continue,
                    Input::End if connection.decoder.buffered() > 0 => continue,
                    Input::End | Input::Stopping => return Ok(None),
                },
            };
            let mut answer = Vec::new();
            let Some((token, rights)) = found else {
                self.tell(address, why);
                tokio::time::sleep_until(until).await;
                wire::encode_err(Code::Denied, REFUSAL, &mut answer);
                connection.write_all(&answer).await.map_err(failed)?;
                delay = (delay * 2).min(REFUSAL_DELAY_MAX);
                continue;
            };
            let name = token.name.clone();
            let share = self.limits.share(Party::Token(name.clone()));
            match &share {
                Ok(_) => wire::encode_ok(&name, &mut answer),
                Err(full) => wire::encode_err(Code::Later, &full.to_string(), &mut answer),
            }
            connection.write_all(&answer).await.map_err(failed)?;
            let share = share.map_err(|full| format!("token {name}: {full}"))?;
            return Ok(Some((name, rights, share)));
        }
    }
}

/// Whether nothing of it leaves this machine, so that nobody can read it on the way.
fn stays_here(stream: &TcpStream, address: SocketAddr) -> bool {
    let own = stream.local_addr().map(|own| own.ip().to_canonical());
    own.is_ok_and(|own| own.is_loopback()) && address.ip().to_canonical().is_loopback()
}

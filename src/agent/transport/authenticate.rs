//! AUTH: from a connection over TCP to a client with a token's rights.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, Input};
use crate::agent::access::Access;
use crate::agent::client::Client;
use crate::agent::limits::{Limits, QuotaKey, TooMany};
use crate::auth::tokens::{Token, TokenName};
use crate::event::Origin;
use crate::wire::{self, Code, Request};

/// Delay of the reply to a first bad token, whatever is wrong with it. Doubles with each further one on the
/// same connection, up to `REFUSAL_DELAY_MAX`.
pub const REFUSAL_DELAY: Duration = Duration::from_millis(250);

/// The longest delay of such a reply.
const REFUSAL_DELAY_MAX: Duration = Duration::from_secs(4);

/// The one reply to everything that is no good token, so that a client learns nothing from it.
const REFUSAL: &str = "not permitted: say AUTH and a token that this agent knows";

/// Why a client did not authenticate, for the diagnostics. It never contains what the client sent, which may be
/// a token with a typing error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    #[error("token {name}: {cause}")]
    TooMany { name: TokenName, cause: TooMany },
}

/// Authenticates clients.
pub(crate) struct Authenticator {
    pub(crate) access: Arc<Access>,
    pub(crate) limits: Arc<Limits>,
}

impl Authenticator {
    /// Waits for a good token; `report` is called with each bad one's description. `None` if the client leaves
    /// without one.
    pub(crate) async fn run(
        &self,
        connection: &mut Connection,
        address: SocketAddr,
        report: impl Fn(&str),
    ) -> Result<Option<Client>, AuthError> {
        let mut delay = REFUSAL_DELAY;
        loop {
            let until = Instant::now() + delay;
            let (found, fault) = match connection.decoder.next() {
                Some(Ok(Request::Quit)) => return Ok(None),
                Some(Ok(Request::Auth(text))) => (self.access.token(text).await, "wrong token"),
                Some(_) => (Ok(None), "no token"),
                None => match connection.read().await? {
                    Input::Some => continue,
                    Input::End if connection.decoder.buffered() > 0 => continue,
                    Input::End | Input::Stopping => return Ok(None),
                },
            };
            let mut reply = Vec::new();
            match found {
                Ok(Some(token)) => return self.admit(connection, address, token).await.map(Some),
                Ok(None) => {
                    report(fault);
                    wire::encode_err(Code::Denied, REFUSAL, &mut reply);
                }
                Err(unavailable) => {
                    let why = unavailable.to_string();
                    report(&why);
                    wire::encode_err(Code::Later, &why, &mut reply);
                }
            }
            tokio::time::sleep_until(until).await;
            connection.write_all(&reply).await?;
            delay = (delay * 2).min(REFUSAL_DELAY_MAX);
        }
    }

    async fn admit(
        &self,
        connection: &mut Connection,
        address: SocketAddr,
        token: Arc<Token>,
    ) -> Result<Client, AuthError> {
        let name = token.name.clone();
        let key = QuotaKey::Token(name.clone());
        let share = self.limits.share(key.clone());
        let mut reply = Vec::new();
        match &share {
            Ok(_) => wire::encode_ok(&name, &mut reply),
            Err(full) => wire::encode_err(Code::Later, &full.to_string(), &mut reply),
        }
        connection.write_all(&reply).await?;
        let share = share.map_err(|cause| AuthError::TooMany { name: name.clone(), cause })?;
        connection.hold_for(self.limits.held(&key));
        let origin = Origin {
            addr: Some(address.ip().to_canonical().to_string()),
            token: Some(name.to_string()),
            ..Origin::default()
        };
        Ok(Client {
            rights: Arc::new(self.access.rights_of_token(token)),
            origin,
            rate: self.limits.rate_of(&key),
            quota_key: key,
            share: Some(share),
        })
    }
}

//! One connection to the engine.
//!
//! The client must not connect again itself: it would publish what is still in its queue after the forwarder has read
//! where to continue. Each connection is a client of its own, whose tasks end with the runtime of the connection.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;

use super::error::ForwardError;
use crate::agent::forwarding::{ACK_WAIT_MAX, CONNECT_MAX, IN_FLIGHT_MAX};
use crate::config::{Nats, NatsLogin};
use crate::render::escape;
use crate::sys::files::read_text;

/// How long a client whose connection is lost waits before it would connect again. Its runtime ends long before.
const RETIRED: Duration = Duration::from_secs(3600);

/// The longest file with a secret, in bytes.
const SECRET_MAX: u64 = 64 << 10;

/// The longest text of the engine that is repeated in a diagnostic, in bytes.
const SAID_MAX: usize = 300;

/// A connection to the engine.
pub(super) struct Engine {
    client: Client,
    pub(super) jetstream: jetstream::Context,
    watched: Watched,
}

/// What the client's events report.
#[derive(Clone)]
struct Watched {
    lost: watch::Sender<bool>,
    /// The last error that the engine sent on its own.
    said: Arc<Mutex<Option<String>>>,
}

impl Engine {
    /// Connects and authenticates.
    pub(super) async fn connect(config: &Nats, host: &str) -> Result<Self, ForwardError> {
        let urls = config.urls.join(" ");
        let watched = Watched { lost: watch::Sender::new(false), said: Arc::default() };
        let options = options(config, host, &watched)?;
        let connecting = options.connect(&config.urls[..]);
        let client = match tokio::time::timeout(CONNECT_MAX, connecting).await {
            Err(_) => return Err(ForwardError::ConnectLate { urls }),
            Ok(Err(error)) => {
                let cause = match error.kind() {
                    ConnectErrorKind::AuthorizationViolation => {
                        "the engine refuses this login".to_owned()
                    }
                    // As `openssl req -x509` creates by default.
                    _ if error.to_string().contains("CaUsedAsEndEntity") => {
                        "its certificate is a CA certificate, not a server's".to_owned()
                    }
                    _ => bounded(&error.to_string()),
                };
                return Err(ForwardError::Connect { urls, cause });
            }
            Ok(Ok(client)) => client,
        };
        let jetstream = ContextBuilder::new()
            .timeout(ACK_WAIT_MAX)
            .ack_timeout(ACK_WAIT_MAX)
            .max_ack_inflight(IN_FLIGHT_MAX)
            .build(client.clone());
        Ok(Self { client, jetstream, watched })
    }

    /// The largest message that the engine accepts, headers included, in bytes.
    pub(super) fn payload_max(&self) -> usize {
        self.client.max_payload()
    }

    /// Waits until the connection is lost.
    pub(super) async fn lost(&self) -> ForwardError {
        // Fails only if the sender is gone, which `self` holds.
        let _ = self.watched.lost.subscribe().wait_for(|lost| *lost).await;
        ForwardError::Disconnected(self.said())
    }

    /// What the engine said last, to be appended to an error.
    pub(super) fn said(&self) -> String {
        let said = self.watched.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.as_ref().map_or(String::new(), |said| format!(": the engine says: {said}"))
    }

    /// An error of a request that did `doing`.
    pub(super) fn failed(&self, doing: String, cause: &dyn std::fmt::Display) -> ForwardError {
        let cause = format!("{}{}", bounded(&cause.to_string()), self.said());
        ForwardError::Request { doing, cause }
    }
}

impl Watched {
    fn note(&self, event: &Event) {
        match event {
            Event::Disconnected | Event::Closed => {
                self.lost.send_replace(true);
            }
            Event::ServerError(error) => {
                let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
                *said = Some(bounded(&error.to_string()));
            }
            _ => {}
        }
    }
}

/// A text of the engine, which may be hostile.
pub(super) fn bounded(text: &str) -> String {
    escape(crate::event::cut(text, SAID_MAX)).into_owned()
}

fn options(config: &Nats, host: &str, watched: &Watched) -> Result<ConnectOptions, ForwardError> {
    let (for_events, for_delay) = (watched.clone(), watched.lost.clone());
    let mut options = ConnectOptions::new()
        .name(format!("pulsed {host}"))
        .custom_inbox_prefix(Nats::inbox(host))
        .connection_timeout(CONNECT_MAX)
        .request_timeout(Some(ACK_WAIT_MAX))
        .max_reconnects(config.urls.len())
        .ignore_discovered_servers()
        .reconnect_delay_callback(move |_| match *for_delay.borrow() {
            true => RETIRED,
            false => Duration::ZERO,
        })
        .event_callback(move |event| {
            for_events.note(&event);
            std::future::ready(())
        });
    if let Some(ca) = &config.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let Some(files) = &config.tls {
        options = options.add_client_certificate(files.cert.clone(), files.key.clone());
    }
    Ok(match &config.login {
        NatsLogin::None => options,
        NatsLogin::Token(path) => options.token(secret(path)?.trim().to_owned()),
        NatsLogin::Password { user, password } => {
            let password = secret(password)?;
            // A line end belongs to the file, not to the password.
            options.user_and_password(user.clone(), password.trim_end_matches(['\r', '\n']).into())
        }
        NatsLogin::Credentials(path) => {
            let text = secret(path)?;
            if text.contains("-----BEGIN") {
                let with = options.credentials(&text);
                with.map_err(|cause| ForwardError::File { path: path.clone(), cause })?
            } else {
                options.nkey(text.trim().to_owned())
            }
        }
    })
}

fn secret(path: &Path) -> Result<String, ForwardError> {
    let read = File::open(path).and_then(|file| read_text(file, SECRET_MAX));
    read.map_err(|cause| ForwardError::File { path: path.to_owned(), cause })
}

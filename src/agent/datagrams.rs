//! The tasks that serve the datagrams of one user each.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access::Rights;
use super::client::Client;
use super::ingest::intake::{Intake, Pushed, Refusal};
use super::limits::turn::Turn;
use super::limits::{QuotaKey, Rate, Share, fair};
use super::services::Services;
use super::transport::datagram::{self, Door, Inbox, Message, User, queue};
use crate::event::Origin;
use crate::sys::host;
use crate::sys::socket::SocketFile;
use crate::wire::DatagramDecoder;

/// How long a user's name is valid for datagrams. That of a connection is looked up once.
const NAME_VALID_FOR: Duration = Duration::from_secs(1);

/// How long a user's rights are valid for datagrams, unless the name or the rules change.
const RIGHTS_VALID_FOR: Duration = Duration::from_secs(60);

/// Reads and serves datagrams until the agent stops.
///
/// # Errors
/// The socket cannot be used.
pub(super) fn spawn(
    services: &Arc<Services>,
    socket: std::os::unix::net::UnixDatagram,
    file: Option<SocketFile>,
) -> io::Result<()> {
    let door = Door { socket: tokio::net::UnixDatagram::from_std(socket)?, file };
    let (stopping, refused) = (services.stopping.clone(), unlimited(services));
    let for_users = services.clone();
    let admit = move |uid| admit(&for_users, uid);
    drop(services.clients.spawn(datagram::run(door, stopping, refused, admit)));
    Ok(())
}

/// Counts refused events, and refuses none.
fn unlimited(services: &Services) -> Arc<Rate> {
    Arc::new(Rate::new(services.log.clone(), u64::MAX))
}

/// Begins to serve a user. `None` if the user has too many connections.
fn admit(services: &Arc<Services>, uid: u32) -> Option<User> {
    let key = QuotaKey::User(uid);
    let share = services.limits.share(key.clone()).ok()?;
    let rate = services.limits.rate_of(&key);
    let refused = rate.clone().unwrap_or_else(|| unlimited(services));
    let (queue, inbox) = queue();
    let turns = share.turns();
    let server =
        Server { services: services.clone(), uid, rate, refused: refused.clone(), _share: share };
    drop(services.clients.spawn(fair(turns, Box::pin(server.run(inbox)))));
    Some(User { queue, refused })
}

struct Server {
    services: Arc<Services>,
    uid: u32,
    /// `None` if the user is not limited.
    rate: Option<Arc<Rate>>,
    /// Counts what is refused.
    refused: Arc<Rate>,
    /// Counts as one of the user's connections.
    _share: Share,
}

/// The rights of a user, and what they are valid for.
struct Known {
    rights: Arc<Rights>,
    name: Option<String>,
    since: Instant,
}

impl Server {
    async fn run(self, mut inbox: Inbox) {
        let mut decoder = DatagramDecoder::for_host(&host::name());
        let mut known = None;
        while inbox.wait().await {
            let Known { rights, name, .. } = self.renew(&mut known).await;
            let (rights, user) = (rights.clone(), name.clone());
            let client = Client {
                rights,
                origin: Origin { uid: Some(self.uid), user, ..Origin::default() },
                rate: self.rate.clone(),
                quota_key: QuotaKey::User(self.uid),
                share: None,
            };
            self.serve(&client, &mut inbox, &mut decoder).await;
        }
        self.refused.report();
    }

    /// What is known about the user now. Rights are looked up again if the user may have others.
    async fn renew<'k>(&self, known: &'k mut Option<Known>) -> &'k Known {
        let name = self.services.origins.user(self.uid).await;
        let valid = known.take().filter(|known| {
            known.name == name
                && !known.rights.rules_changed()
                && known.since.elapsed() < RIGHTS_VALID_FOR
        });
        known.insert(valid.unwrap_or_else(|| {
            let rights = Arc::new(self.services.access.rights_of_user(self.uid));
            Known { rights, name, since: Instant::now() }
        }))
    }

    /// Serves messages for as long as the name and the rights are valid.
    async fn serve(&self, client: &Client, inbox: &mut Inbox, decoder: &mut DatagramDecoder) {
        // Datagrams have no connection whose end could end a run.
        let runs = self.services.runs.of_request(client.quota_key.clone());
        let mut intake = Intake::new(self.services.log.clone(), client, runs);
        let since = Instant::now();
        loop {
            let mut turn = Turn::begin();
            while let Some(message) = inbox.next() {
                let length = message.bytes.len();
                self.push(&mut intake, decoder, message).await;
                if turn.note(length) {
                    break;
                }
            }
            intake.flush().await;
            intake.end_turn().await;
            if !inbox.wait().await
                || since.elapsed() >= NAME_VALID_FOR
                || client.rights.rules_changed()
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The sender reads no answer: what is refused is counted in a gap.
    async fn push(
        &self,
        intake: &mut Intake<'_>,
        decoder: &mut DatagramDecoder,
        message: Message<'_>,
    ) {
        let Some(draft) = decoder.decode(message.bytes, message.cut) else { return };
        intake.set_pid(message.pid);
        let mut pushed = intake.push(&draft);
        if matches!(pushed, Ok(Pushed::RightsNeeded)) {
            pushed = intake.push_with_rights(&draft).await;
        }
        match pushed {
            Ok(Pushed::Full) => intake.flush().await,
            Ok(Pushed::Accepted | Pushed::RightsNeeded) => {}
            // The intake has counted it.
            Err(Refusal::Rate(_)) if self.rate.is_some() => {}
            Err(_) => self.refused.note_refused(),
        }
    }
}

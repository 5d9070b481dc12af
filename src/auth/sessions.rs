//! The monitor's sessions: what a browser's cookie stands for. Kept in a file of hashes, so that a restart of the
//! agent keeps every browser signed in.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::file::{self, Record};
use super::secret::{Hash, Secret};
use crate::diag;
use crate::event::Timestamp;
use crate::sys::single_flight::SingleFlight;

/// How long a session lasts without a request.
pub const IDLE_MAX: Duration = Duration::from_secs(12 * 3600);

/// How long a session lasts in all.
pub const AGE_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Sessions of one user. A further one ends the one that was idle longest.
pub const SESSIONS_OF_USER_MAX: usize = 32;

/// Sessions in all. A further one ends the one that was idle longest.
pub const SESSIONS_MAX: usize = 4096;

/// How old the stored time of the last request may become: a session that is in use is written this often.
const SAVE_USE_AFTER: Duration = Duration::from_secs(600);

/// How long a client that signs in or out waits until that is stored. A file that hangs then costs it what a restart
/// of the agent forgets.
pub const SAVE_WAIT_MAX: Duration = Duration::from_millis(250);

/// The name of the file, in the directory of the agent's state.
const FILE: &str = "web-sessions";

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    hash: Hash,
    /// The user whose rights it has.
    pub uid: u32,
    /// The name of that user at the begin, `None` if the uid had none. The uid of a deleted user can be given to another
    /// one: the session is void once the uid has another name.
    pub user: Option<String>,
    /// The local user whose browser it is, if it connects over loopback.
    pub peer: Option<u32>,
    /// When it began.
    began: Timestamp,
    /// When it was last used.
    used: Timestamp,
    /// What is stored of `used`.
    saved: Timestamp,
}

/// A session's line in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionLine {
    sha256: String,
    uid: u32,
    #[serde(default)]
    user: Option<String>,
    peer: Option<u32>,
    began: String,
    used: String,
}

impl Record for Session {
    type Line = SessionLine;

    const NAME: &'static str = "session";

    const MAX: usize = SESSIONS_MAX;

    fn from_line(line: SessionLine) -> Result<Self, String> {
        let time = |text: &str| text.parse::<Timestamp>().map_err(|error| error.to_string());
        let used = time(&line.used)?;
        Ok(Self {
            hash: Hash::from_hex(&line.sha256).ok_or("sha256 is not 64 hexadecimal digits")?,
            uid: line.uid,
            user: line.user,
            peer: line.peer,
            began: time(&line.began)?,
            used,
            saved: used,
        })
    }

    fn to_line(&self) -> SessionLine {
        SessionLine {
            sha256: self.hash.to_hex(),
            uid: self.uid,
            user: self.user.clone(),
            peer: self.peer,
            began: self.began.to_string(),
            used: self.used.to_string(),
        }
    }
}

impl Session {
    fn is_live(&self, now: Timestamp) -> bool {
        is_within(self.used, IDLE_MAX, now) && is_within(self.began, AGE_MAX, now)
    }
}

fn is_within(since: Timestamp, max: Duration, now: Timestamp) -> bool {
    now.micros() - since.micros() < max.as_micros() as i64
}

/// The sessions of a running agent.
pub(crate) struct Sessions {
    table: Arc<Mutex<Vec<Session>>>,
    /// Writes all sessions, off the threads that serve clients. `None` without a directory: a restart ends the sessions.
    save: Option<SingleFlight>,
    /// Counts the sessions that ended.
    ended: watch::Sender<u64>,
}

impl Sessions {
    /// Reads the sessions in a directory, which is created if it does not exist. A file that cannot be read is
    /// reported, and has no sessions.
    pub(crate) fn open(dir: Option<&Path>, now: Timestamp) -> Self {
        let path = dir.filter(|dir| is_usable(dir)).map(|dir| dir.join(FILE));
        let read = path.as_deref().map(file::read::<Session>).transpose();
        let mut sessions = match read {
            Ok(contents) => contents.map(|contents| contents.records).unwrap_or_default(),
            Err(error) => {
                diag::warning(format_args!("{error}: sign in to the monitor again"));
                Vec::new()
            }
        };
        sessions.retain(|session| session.is_live(now));
        let table = Arc::new(Mutex::new(sessions));
        let save = path.map(|path| {
            let table = table.clone();
            SingleFlight::new(move || {
                // The lock is held for the copy only, not while the file is written.
                let sessions = lock(&table).clone();
                save(&path, &sessions);
            })
        });
        Self { table, save, ended: watch::Sender::new(0) }
    }

    fn table(&self) -> MutexGuard<'_, Vec<Session>> {
        lock(&self.table)
    }

    /// Begins a session of the user with this uid, and its name now. Returns its secret.
    ///
    /// # Errors
    /// What the kernel says if it has no random numbers.
    pub(crate) async fn begin(
        &self,
        uid: u32,
        user: Option<String>,
        peer: Option<u32>,
        now: Timestamp,
    ) -> io::Result<Secret> {
        let secret = Secret::random()?;
        let hash = Hash::from_text(secret.text());
        {
            let mut table = self.table();
            table.retain(|session| session.is_live(now));
            let of_user = table.iter().filter(|session| session.uid == uid).count();
            if of_user >= SESSIONS_OF_USER_MAX {
                self.end_idlest(&mut table, |session| session.uid == uid);
            } else if table.len() >= SESSIONS_MAX {
                self.end_idlest(&mut table, |_| true);
            }
            table.push(Session { hash, uid, user, peer, began: now, used: now, saved: now });
        }
        self.stored().await;
        Ok(secret)
    }

    fn end_idlest(&self, table: &mut Vec<Session>, of: impl Fn(&Session) -> bool) {
        let among = table.iter().enumerate().filter(|(_, session)| of(session));
        let idlest = among.min_by_key(|(_, session)| session.used).map(|(at, _)| at);
        if let Some(at) = idlest {
            table.remove(at);
            self.ended.send_modify(|ended| *ended += 1);
        }
    }

    /// Returns the session with this secret for a request of `peer`, and notes the use. `None` if there is none, it has
    /// expired, or it is another local user's. The time this takes does not depend on the secret.
    pub(crate) fn find(&self, text: &str, peer: Option<u32>, now: Timestamp) -> Option<Session> {
        let hash = Hash::from_text(text);
        let table = self.table();
        let found = table
            .iter()
            .fold(None, |found, session| if session.hash == hash { Some(session) } else { found });
        let found = found.cloned();
        drop(table);
        found.filter(|session| session.peer == peer && self.use_again(session, now))
    }

    /// Notes that a session is in use. `false` if it has ended or expired.
    pub(crate) fn use_again(&self, session: &Session, now: Timestamp) -> bool {
        let mut table = self.table();
        let Some(known) = table.iter_mut().find(|known| known.hash == session.hash) else {
            return false;
        };
        if !known.is_live(now) {
            return false;
        }
        known.used = known.used.max(now);
        let save = !is_within(known.saved, SAVE_USE_AFTER, now);
        if save {
            known.saved = known.used;
        }
        drop(table);
        if let Some(file) = self.save.as_ref().filter(|_| save) {
            file.request();
        }
        true
    }

    /// Ends a session.
    pub(crate) async fn end(&self, session: &Session) {
        self.table().retain(|known| known.hash != session.hash);
        self.ended.send_modify(|ended| *ended += 1);
        self.stored().await;
    }

    /// Sees each end of a session.
    pub(crate) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Waits until the sessions as they are now are stored, at most [`SAVE_WAIT_MAX`].
    async fn stored(&self) {
        let Some(save) = &self.save else { return };
        if !save.run(SAVE_WAIT_MAX).await {
            let wait = SAVE_WAIT_MAX.as_millis();
            diag::warning(format_args!("the monitor's sessions are not saved within {wait} ms"));
        }
    }
}

fn lock(table: &Mutex<Vec<Session>>) -> MutexGuard<'_, Vec<Session>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes all sessions. A failure is reported: then a restart ends what was not written.
fn save(path: &Path, sessions: &[Session]) {
    if let Err(error) = file::replace(path, sessions) {
        diag::warning(format_args!("the monitor's sessions are not saved: {error}"));
    }
}

/// Creates the directory if there is none.
fn is_usable(dir: &Path) -> bool {
    match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Ok(()) => true,
        Err(error) => {
            diag::warning(format_args!(
                "cannot create {}: {error}: the monitor's sessions end with the agent",
                dir.display()
            ));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default().plus_micros(seconds as i64 * 1_000_000)
    }

    fn sessions() -> Sessions {
        Sessions::open(None, at(0))
    }

    async fn begin(sessions: &Sessions, uid: u32, peer: Option<u32>, now: u64) -> Secret {
        let begun = sessions.begin(uid, Some("alice".into()), peer, at(now)).await;
        begun.expect("random numbers")
    }

    #[tokio::test]
    async fn works_for_the_peer_that_signed_in_only() {
        let sessions = sessions();
        let secret = begin(&sessions, 1000, Some(1000), 0).await;
        let uid = |peer| sessions.find(secret.text(), peer, at(1)).map(|session| session.uid);
        assert_eq!([uid(Some(1000)), uid(Some(1001)), uid(None)], [Some(1000), None, None]);
        assert!(sessions.find("guessed", Some(1000), at(1)).is_none());
    }

    #[tokio::test]
    async fn ends_when_idle_or_old() {
        let (idle, age) = (IDLE_MAX.as_secs(), AGE_MAX.as_secs());
        let sessions = sessions();
        let secret = begin(&sessions, 1, None, 0).await;
        let mut now = 0;
        while now + idle - 1 < age {
            now += idle - 1;
            assert!(sessions.find(secret.text(), None, at(now)).is_some(), "{now}");
        }
        assert!(sessions.find(secret.text(), None, at(age)).is_none(), "too old");
        let secret = begin(&sessions, 1, None, 0).await;
        assert!(sessions.find(secret.text(), None, at(idle)).is_none(), "too long idle");
    }

    #[tokio::test]
    async fn one_session_too_many_ends_the_idlest_of_its_user() {
        let sessions = sessions();
        let other = begin(&sessions, 2, None, 0).await;
        let mut own = Vec::new();
        for n in 0..SESSIONS_OF_USER_MAX {
            own.push(begin(&sessions, 1, None, n as u64 + 1).await);
        }
        assert!(sessions.find(own[0].text(), None, at(100)).is_some());
        let ended = sessions.ended();
        let _one_more = begin(&sessions, 1, None, 101).await;
        assert!(ended.has_changed().expect("open"));
        let live = |secret: &Secret| sessions.find(secret.text(), None, at(102)).is_some();
        assert_eq!(
            [live(&own[0]), live(&own[1]), live(&own[2]), live(&other)],
            [true, false, true, true]
        );
    }

    #[tokio::test]
    async fn survives_a_restart() {
        let dir = tempfile::tempdir().expect("a directory");
        let sessions = Sessions::open(Some(dir.path()), at(0));
        let kept = begin(&sessions, 1, Some(1), 0).await;
        let ended = begin(&sessions, 1, Some(1), 0).await;
        let session = sessions.find(ended.text(), Some(1), at(1)).expect("begun");
        sessions.end(&session).await;
        let text = std::fs::read_to_string(dir.path().join(FILE)).expect("a file");
        assert!(!text.contains(kept.text()), "only hashes are stored");
        let again = Sessions::open(Some(dir.path()), at(2));
        let session = again.find(kept.text(), Some(1), at(3)).expect("kept");
        assert_eq!(session.user.as_deref(), Some("alice"));
        assert!(again.find(ended.text(), Some(1), at(3)).is_none());
    }

    #[test]
    fn reads_a_session_without_a_name() {
        let line = format!(
            "{{\"sha256\":\"{}\",\"uid\":1,\"peer\":null,\"began\":\"2026-11-22T17:32:05Z\",\"used\":\"2026-11-22T17:32:05Z\"}}",
            "0".repeat(64)
        );
        let line = serde_json::from_str(&line).expect("a line of an earlier version");
        assert_eq!(Session::from_line(line).expect("a session").user, None);
    }
}

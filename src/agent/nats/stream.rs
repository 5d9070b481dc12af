//! The stream: created if there is none, and checked whether it can hold a host's events.

use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, Stream as Handle};
use async_nats::jetstream::{ErrorCode, stream::LastRawMessageErrorKind};

use super::engine::{Engine, bounded};
use super::envelope::Envelope;
use super::error::ForwardError;
use crate::agent::forwarding::MESSAGE_MIN;
use crate::config::Nats;
use crate::diag;

/// The stream of the configuration.
pub(super) struct Stream {
    handle: Handle,
    /// When it was created.
    pub(super) created: String,
    /// How long it keeps a message. Zero without a limit.
    pub(super) age_max: Duration,
    /// The largest message that it accepts, headers included, in bytes.
    pub(super) message_max: usize,
}

/// A message in the stream.
pub(super) struct Stored {
    pub(super) sequence: u64,
    /// `None` if it is not from an agent.
    pub(super) envelope: Option<Envelope>,
}

impl Stream {
    /// A stream to read from, which was found.
    pub(super) fn to_read(handle: Handle, engine: &Engine) -> Self {
        let info = handle.cached_info();
        let (created, age_max) = (format!("{:?}", info.created), info.config.max_age);
        Self { handle, created, age_max, message_max: engine.payload_max() }
    }

    /// The stream's own interface.
    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// Finds or creates the stream and checks it. Other limits than configured are reported if `reports`.
pub(super) async fn open(
    engine: &Engine,
    config: &Nats,
    subject: &str,
    reports: bool,
) -> Result<Stream, ForwardError> {
    let handle = match find(engine, config).await? {
        Some(found) => found,
        None => create(engine, config).await?,
    };
    let info = handle.cached_info();
    let unfit = |why| ForwardError::Stream { stream: config.stream.clone(), why };
    check(&info.config, subject).map_err(unfit)?;
    if reports && let Some(differences) = differences(&info.config, config) {
        diag::notice(format_args!(
            "nats: stream {} has other limits than [nats] says, which only count when the agent creates it: \
             {differences}",
            config.stream
        ));
    }
    let own = usize::try_from(info.config.max_message_size).ok().filter(|size| *size > 0);
    let message_max = own.unwrap_or(usize::MAX).min(engine.payload_max());
    if message_max < MESSAGE_MIN {
        let why =
            format!("it accepts messages of {message_max} bytes, and {MESSAGE_MIN} are needed");
        return Err(unfit(why));
    }
    let (created, age_max) = (format!("{:?}", info.created), info.config.max_age);
    Ok(Stream { handle, created, age_max, message_max })
}

pub(super) async fn find(engine: &Engine, config: &Nats) -> Result<Option<Handle>, ForwardError> {
    match engine.jetstream.get_stream(&config.stream).await {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(cause)
                if cause.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                Ok(None)
            }
            _ => Err(engine.failed(format!("find stream {}", config.stream), &error)),
        },
    }
}

async fn create(engine: &Engine, config: &Nats) -> Result<Handle, ForwardError> {
    let wanted = Config {
        name: config.stream.clone(),
        description: Some("Events of Pulse agents".into()),
        subjects: vec![format!("{}.*", config.prefix)],
        max_bytes: i64::try_from(config.size).unwrap_or(i64::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_age: config.age,
        num_replicas: config.replicas.into(),
        allow_direct: true,
        ..Config::default()
    };
    let doing = || format!("create stream {}", config.stream);
    match engine.jetstream.create_stream(wanted).await {
        Ok(created) => {
            diag::notice(format_args!("nats: created stream {}", config.stream));
            Ok(Handle::clone(&created))
        }
        Err(error) => match error.kind() {
            // Another agent was faster.
            CreateStreamErrorKind::JetStream(cause)
                if cause.error_code() == ErrorCode::STREAM_NAME_EXIST =>
            {
                find(engine, config).await?.ok_or_else(|| engine.failed(doing(), &error))
            }
            _ => Err(engine.failed(doing(), &error)),
        },
    }
}

/// What makes a stream useless for events.
fn check(config: &Config, subject: &str) -> Result<(), String> {
    if config.mirror.is_some() {
        return Err("it is a mirror, which accepts no messages".into());
    }
    if config.sealed {
        return Err("it is sealed".into());
    }
    if config.no_ack {
        return Err("it acknowledges nothing (no_ack)".into());
    }
    if config.retention != RetentionPolicy::Limits {
        return Err("it deletes messages that were read: its retention must be limits".into());
    }
    if !config.subjects.iter().any(|filter| covers(filter, subject)) {
        let subjects = bounded(&config.subjects.join(" "));
        return Err(format!("its subjects ({subjects}) do not include {subject}"));
    }
    Ok(())
}

/// `true` if a filter of subjects includes this subject.
fn covers(filter: &str, subject: &str) -> bool {
    let (mut filter, mut subject) = (filter.split('.'), subject.split('.'));
    loop {
        match (filter.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some(part), Some(own)) if part == "*" || part == own => {}
            _ => return false,
        }
    }
}

/// How a stream differs from what the agent would have created.
fn differences(found: &Config, wanted: &Nats) -> Option<String> {
    let mut all = Vec::new();
    if u64::try_from(found.max_bytes).ok() != Some(wanted.size) {
        all.push(format!("max_bytes {} instead of {}", found.max_bytes, wanted.size));
    }
    if found.max_age != wanted.age {
        all.push(format!("max_age {:?} instead of {:?}", found.max_age, wanted.age));
    }
    if found.num_replicas != usize::from(wanted.replicas) {
        all.push(format!("{} replicas instead of {}", found.num_replicas, wanted.replicas));
    }
    if found.max_messages > 0 {
        all.push(format!("max_msgs {}", found.max_messages));
    }
    if found.max_messages_per_subject > 0 {
        all.push(format!("max_msgs_per_subject {}", found.max_messages_per_subject));
    }
    if found.discard != DiscardPolicy::Old {
        all.push("discard new: once it is full, nothing is forwarded".into());
    }
    (!all.is_empty()).then(|| all.join(", "))
}

impl Stream {
    /// The last message of a subject.
    pub(super) async fn last(
        &self,
        engine: &Engine,
        subject: &str,
    ) -> Result<Option<Stored>, ForwardError> {
        let request = self.handle.raw_message_builder().last_by_subject(subject);
        self.get(engine, subject, request.send()).await
    }

    /// The first message of a subject that has this stream sequence or a later one.
    pub(super) async fn next(
        &self,
        engine: &Engine,
        subject: &str,
        sequence: u64,
    ) -> Result<Option<Stored>, ForwardError> {
        let request = self.handle.raw_message_builder();
        let request = request.sequence(sequence).next_by_subject(subject);
        self.get(engine, subject, request.send()).await
    }

    async fn get(
        &self,
        engine: &Engine,
        subject: &str,
        request: impl Future<Output = Result<Message, async_nats::jetstream::stream::RawMessageError>>,
    ) -> Result<Option<Stored>, ForwardError> {
        match request.await {
            Ok(message) => Ok(Some(Stored {
                sequence: message.sequence,
                envelope: Envelope::parse(&message.headers),
            })),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(engine.failed(format!("read {subject}"), &error)),
        }
    }
}

type Message = async_nats::jetstream::message::StreamMessage;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_cover_subjects() {
        for (filter, subject, covered) in [
            ("pulse.*", "pulse.web1", true),
            ("pulse.>", "pulse.web1", true),
            (">", "pulse.web1", true),
            ("pulse.web1", "pulse.web1", true),
            ("*.web1", "pulse.web1", true),
            ("pulse.*", "pulse.a.web1", false),
            ("pulse.*.web1", "pulse.web1", false),
            ("pulse", "pulse.web1", false),
            ("pulse.web1.>", "pulse.web1", false),
            ("pulse.web2", "pulse.web1", false),
        ] {
            assert_eq!(covers(filter, subject), covered, "{filter} {subject}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_stream() {
        let good = Config { subjects: vec!["pulse.*".into()], ..Config::default() };
        assert_eq!(check(&good, "pulse.web1"), Ok(()));
        for (config, why) in [
            (Config { sealed: true, ..good.clone() }, "sealed"),
            (Config { no_ack: true, ..good.clone() }, "no_ack"),
            (Config { retention: RetentionPolicy::WorkQueue, ..good.clone() }, "retention"),
            (Config { subjects: vec!["a.*".into(), "b".into()], ..good }, "(a.* b) do not include"),
        ] {
            let error = check(&config, "pulse.web1").expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }
}

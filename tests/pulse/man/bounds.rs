//! The bounds in the pages, compared with the constants that hold them.

use std::time::Duration;

use pulsed::agent::{
    ACK_WAIT_MAX, ANSWER_VALID_FOR, BODY_MAX, BODY_WAIT_MAX, BURST_OF_HISTORY, BURST_SECONDS,
    BYTES_PER_SECOND, CLOCK_AHEAD_MAX, CONNECTIONS_MAX, CONNECTIONS_OF_ONE_MAX,
    CONNECTIONS_RESERVED, DATAGRAM_USERS_MAX, DATAGRAMS_OF_ONE_MAX, DESCRIPTORS_OF_CONNECTION,
    DESCRIPTORS_RESERVED, DRAIN_MAX, ERRS_MAX, EVENTS_PER_SECOND, FLUSH_MAX, GONE_CHECK_EVERY,
    GROUPS_WAIT_MAX, HANDSHAKE_MAX, HANDSHAKES_PERCENT, HEADER_WAIT_MAX, HEARTBEAT, HELD_FREE,
    HELD_MAX, HELD_OF_ONE_MAX, HOSTS_WINDOW, IGNORED_MAX, IN_FLIGHT_MAX, LAST_MESSAGES_MAX, LINGER,
    MESSAGE_SIZE, METRIC_TAGS_MAX, METRICS_KEPT_FOR, ORIGIN_WAIT_MAX, PART_WINDOW, PARTS_MAX,
    PARTS_OF_ONE_MAX, PASSED_OVER_MAX, PATTERNS_HELD_MAX, PATTERNS_OF_ONE_MAX, READY_OF_ONE_MAX,
    REFUSAL_DELAY, REST_MAX, RESUME_MAX, RUN_TEXT_MAX, RUNS_BYTES_MAX, RUNS_MAX,
    RUNS_OF_CONNECTION_MAX, RUNS_OF_USER_MAX, SCAN_SHARE, SLOW_SCANS_MAX, STREAM_WAIT_MAX,
    STREAMS_MAX, TIME_SHARE, TURN_MAX, UNAUTHENTICATED_MAX, UNAUTHENTICATED_OF_ONE_MAX,
    UNSTORED_MAX,
};
use pulsed::auth::{links, sessions, tokens};
use pulsed::cli::{send, tail};
use pulsed::client::{ADDRESSES_MAX, PORT, TOKEN_MAX};
use pulsed::event::{
    DRAFT_MAX, FIELD_NAME_MAX, FIELDS_MAX, LINE_MAX, MESSAGE_LINES_MAX, RUN_MAX, Seq, TAG_MAX,
    duration,
};
use pulsed::filter::{
    PATTERN_SIZE_MAX, PATTERN_TEXT_MAX, PATTERNS_MAX, PLACES_MAX, TERMS_MAX, TEXT_MAX,
};
use pulsed::log::{
    CLOSE_STALL_MAX, CLOSE_WAIT_MAX, GATHER_LINES, GATHER_TIME, HISTORY_READERS, HOLD_MIN,
    SHARE_TIME, STALL_MAX, SYNC_WAIT_MAX,
};
use pulsed::render::{FIELD_SHOWN_MAX, MESSAGE_SHOWN_MAX};
use pulsed::sys::interrupt::GRACE;
use pulsed::sys::users::{LOOK_EVERY, NAME_VALID_FOR};
use pulsed::{diag, views, wire};

use super::page::Page;

/// A number of bytes in the largest unit that divides it: `64 KiB`.
fn size(bytes: usize) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

/// A number with thousands separators.
fn count(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", count(number / 1000), number % 1000),
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

fn percent(share: f64) -> String {
    format!("{} %", 100.0 * share)
}

/// The items of a list of bounds: each name with its value, up to the first punctuation.
fn documented(page: &str, section: &str) -> Vec<(String, String)> {
    let number = |line: &str| line.split([';', ' ']).take(2).collect::<Vec<_>>().join(" ");
    let clean = |text: String| text.trim_end_matches([',', ' ']).to_owned();
    let items = Page::read(page).items(section);
    let bounds = items.into_iter().map(|item| (item.head.clone(), clean(number(&item.body[1]))));
    bounds.collect()
}

fn assert_list(page: &str, section: &str, known: &[(&str, String)]) {
    let known: Vec<_> = known.iter().map(|(what, n)| ((*what).to_owned(), n.clone())).collect();
    // Text may follow the number.
    let bounds =
        documented(page, section).into_iter().zip(&known).map(|((what, shown), (_, n))| {
            let begins = shown
                .strip_prefix(n.as_str())
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
            (what, if begins { n.clone() } else { shown })
        });
    assert_eq!(bounds.collect::<Vec<_>>(), known);
    assert_eq!(documented(page, section).len(), known.len());
}

#[test]
fn protocol_bounds_match_constants() {
    let list = [
        ("A draft, after its verb", size(DRAFT_MAX)),
        ("The event line", size(LINE_MAX)),
        ("The fields of a draft", FIELDS_MAX.to_string()),
        ("The name of a field, in bytes", FIELD_NAME_MAX.to_string()),
        ("A tag, in bytes", TAG_MAX.to_string()),
        ("A run, in characters", RUN_MAX.to_string()),
        ("The text of an ERR, in characters", wire::WHY_MAX.to_string()),
        ("ERRs between two SYNCs; further ones are counted", ERRS_MAX.to_string()),
        ("Events without a match before an \\(dqat\\(dq", count(PASSED_OVER_MAX)),
        ("The rate of a TAIL, in events a second", count(wire::RATE_MAX.into())),
        ("A sign-in link", seconds(links::LINK_VALID_FOR)),
        ("A MATCH", size(TEXT_MAX)),
        ("The terms of a MATCH", TERMS_MAX.to_string()),
        ("The regular expressions of a MATCH", PATTERNS_MAX.to_string()),
        ("The places of the regular expressions of a MATCH", PLACES_MAX.to_string()),
        ("The text that regular expressions see", size(PATTERN_TEXT_MAX)),
        ("The name of a token, in bytes", tokens::NAME_MAX.to_string()),
        ("The globs of a token, for sending and for following each", tokens::GLOBS_MAX.to_string()),
        ("The TCP handshake, from connecting to a valid token", seconds(HANDSHAKE_MAX)),
        ("The delay of the first refusal of a token", millis(REFUSAL_DELAY)),
        ("The timeout of the group database", millis(GROUPS_WAIT_MAX)),
    ];
    assert_list("pulse-protocol.7", "Bounds", &list);
}

#[test]
fn agent_limits_match_constants() {
    let list = [
        ("Connections", count(CONNECTIONS_MAX as u64)),
        ("Of those, reserved for root and the agent's own user", CONNECTIONS_RESERVED.to_string()),
        (
            "Connections of one other user, one address or one token",
            count(CONNECTIONS_OF_ONE_MAX as u64),
        ),
        ("Unauthenticated TCP connections", UNAUTHENTICATED_MAX.to_string()),
        ("Of those, from one address", UNAUTHENTICATED_OF_ONE_MAX.to_string()),
        ("The TCP handshake, from connecting to a valid token", seconds(HANDSHAKE_MAX)),
        ("The delay of the first refusal of a token", millis(REFUSAL_DELAY)),
        ("The time of all TLS handshakes", format!("{HANDSHAKES_PERCENT} %")),
        ("Tokens", count(tokens::TOKENS_MAX as u64)),
        ("Globs of one token, for sending and for following each", tokens::GLOBS_MAX.to_string()),
        ("The name of a token, in bytes", tokens::NAME_MAX.to_string()),
        ("Events a second of one other user or one token", count(EVENTS_PER_SECOND as u64)),
        ("Bytes a second of one other user or one token", size(BYTES_PER_SECOND as usize)),
        ("A turn of a task", format!("{} µs", TURN_MAX.as_micros())),
        (
            "Tasks of one other user, one address or one token that are ready",
            READY_OF_ONE_MAX.to_string(),
        ),
        ("The time that they may take together", percent(TIME_SHARE)),
        ("The time that their followers may take for regular expressions", percent(SCAN_SHARE)),
        ("Followers beyond that which are served at the same time", SLOW_SCANS_MAX.to_string()),
        ("What a follower may send besides QUIT", size(IGNORED_MAX)),
        ("The time until a follower that has gone is noticed", seconds(GONE_CHECK_EVERY)),
        ("Regular expressions of all followers", PATTERNS_HELD_MAX.to_string()),
        ("Of those, of one user or one address", PATTERNS_OF_ONE_MAX.to_string()),
        ("The timeout of the group database", millis(GROUPS_WAIT_MAX)),
        ("Open runs", count(RUNS_MAX as u64)),
        ("Of those, of one other user or one token", count(RUNS_OF_USER_MAX as u64)),
        ("Of those, of one connection", count(RUNS_OF_CONNECTION_MAX as u64)),
        ("The memory of open runs", size(RUNS_BYTES_MAX)),
        ("The memory of unfinished lines", size(HELD_MAX)),
        ("Of that, of one other user, one address or one token", size(HELD_OF_ONE_MAX)),
        ("What each connection may hold of an unfinished line in any case", size(HELD_FREE)),
        ("Users whose datagrams are served at the same time", DATAGRAM_USERS_MAX.to_string()),
        ("Datagrams of one user that wait", size(DATAGRAMS_OF_ONE_MAX)),
        ("The rest of a line that a stalled follower holds", size(REST_MAX)),
        ("Unstored events of one connection", size(UNSTORED_MAX)),
        ("The time until an event is written that no sender waits for", millis(GATHER_TIME)),
        ("Such events that wait at most", count(GATHER_LINES)),
        ("The timeout of a disk without progress", seconds(STALL_MAX)),
        ("The timeout of a requested fsync", seconds(SYNC_WAIT_MAX)),
        ("The timeout of a stop for a disk without progress", seconds(CLOSE_STALL_MAX)),
        ("The timeout of a stop for a slow disk", seconds(CLOSE_WAIT_MAX)),
        ("Descriptors of one connection", DESCRIPTORS_OF_CONNECTION.to_string()),
        ("Descriptors that no connection takes", DESCRIPTORS_RESERVED.to_string()),
        ("Concurrent readers of the history", HISTORY_READERS.to_string()),
        (
            "The head of an HTTP request, from connecting or from the one before",
            seconds(HEADER_WAIT_MAX),
        ),
        ("The body of a POST", size(BODY_MAX)),
        ("The timeout of such a body", seconds(BODY_WAIT_MAX)),
        ("Streams of a feed", STREAMS_MAX.to_string()),
        ("Events across which a stream of a feed resumes", count(RESUME_MAX)),
        ("Sign-in links", count(links::LINKS_MAX as u64)),
        ("Of those, of one user", links::LINKS_OF_USER_MAX.to_string()),
        ("Sessions of the monitor", count(sessions::SESSIONS_MAX as u64)),
        ("Of those, of one user", sessions::SESSIONS_OF_USER_MAX.to_string()),
        ("The answer of a NATS server, and connecting to it", seconds(ACK_WAIT_MAX)),
        ("Messages to NATS in flight", IN_FLIGHT_MAX.to_string()),
        ("The size of such a message, unless it is one longer line", size(MESSAGE_SIZE)),
        ("The time of a stop for what is not forwarded", seconds(FLUSH_MAX)),
        ("A diagnostic", size(diag::LINE_MAX)),
        ("Diagnostics queued for a slow reader", diag::QUEUE_MAX.to_string()),
    ];
    assert_list("pulsed.8", "Limits", &list);
}

fn assert_contains(page: &str, sentences: &[String]) {
    let text = Page::read(page).rendered();
    for sentence in sentences {
        assert!(text.contains(sentence.as_str()), "{page} does not contain {sentence:?}");
    }
}

#[test]
fn numbers_in_sentences_match_constants() {
    let hour = 60 * 60;
    let tag = format!("1 to {TAG_MAX} of A-Z a-z 0-9 _ . / : -");
    let name = format!("1 to {FIELD_NAME_MAX} of A-Z a-z 0-9 _ . -");
    let burst = format!("and a burst of {BURST_SECONDS} s worth of them");
    assert_contains(
        "pulsed.8",
        &[
            format!("at most {} ms; no other connection waits", ORIGIN_WAIT_MAX.as_millis()),
            format!(
                "again after {}, and within {} after",
                seconds(NAME_VALID_FOR),
                seconds(LOOK_EVERY)
            ),
            format!("follows it, and {} longer,", seconds(LINGER)),
            format!("a window of {} that all", size(HOSTS_WINDOW)),
            format!(
                "by at most {PARTS_MAX} such readers at a time, and {PARTS_OF_ONE_MAX} for one user"
            ),
            format!("at most {} well-formed lines", count(MESSAGE_LINES_MAX - 1)),
            format!("share the answer for {}.", seconds(ANSWER_VALID_FOR)),
            format!("read last work for {} more.", seconds(tokens::SEEN_VALID_FOR)),
            format!("waits {} and then gets", millis(tokens::LOOK_WAIT_MAX)),
            format!("sessions are not saved within {}", millis(sessions::SAVE_WAIT_MAX)),
            format!("not ended after {} s are closed", DRAIN_MAX.as_secs()),
            format!("Datagrams of at most {DATAGRAM_USERS_MAX} users"),
            format!("Beyond {} it is cut.", size(DRAFT_MAX)),
            format!("50,000, {burst}"),
            format!("16 MiB, {burst}, but of at most 1/{BURST_OF_HISTORY} of history.size"),
            format!("NAME is 1 to {} of A-Z a-z 0-9 _ . -,", tokens::NAME_MAX),
            format!("does not answer within {}", millis(GROUPS_WAIT_MAX)),
            format!("answers an invalid token after {}", millis(REFUSAL_DELAY)),
            format!("not sent a valid token within {}.", seconds(HANDSHAKE_MAX)),
            format!("The link works once, within {}.", seconds(links::LINK_VALID_FOR)),
            format!("works within {} minutes.", links::FIRST_LINK_VALID_FOR.as_secs() / 60),
            format!(
                "ends {} hours after its last request, {} days after its begin",
                sessions::IDLE_MAX.as_secs() / hour,
                sessions::AGE_MAX.as_secs() / hour / 24
            ),
            format!("a JSON list of at most {STREAMS_MAX} objects"),
            format!("events old, at most {}, continues", count(RESUME_MAX)),
            format!("did not arrive within {}", seconds(BODY_WAIT_MAX)),
            format!("or has more than {}.", size(BODY_MAX)),
            format!("client_max_body_size {}m;", BODY_MAX >> 20),
            format!("a comment at least every {}.", seconds(HEARTBEAT)),
            format!("by tag, for {METRIC_TAGS_MAX} tags by name"),
            format!("until {} after the last one", seconds(METRICS_KEPT_FOR)),
        ],
    );
    assert_contains(
        "pulse-protocol.7",
        &[
            format!("the stream got {} before", seconds(CLOCK_AHEAD_MAX)),
            format!("{} messages and {}.", count(LAST_MESSAGES_MAX), size(PART_WINDOW)),
            format!("after at most {}.", seconds(STREAM_WAIT_MAX)),
        ],
    );
    let hold = HOLD_MIN.as_secs() / hour;
    assert_eq!(SHARE_TIME.as_secs(), hour, "the last hour");
    assert_contains(
        "pulsed.toml.5",
        &[format!("seen it ahead for {hold} hours, and within {} hours.", 2 * hold)],
    );
    assert_contains(
        "pulse-protocol.7",
        &[
            format!("After {ERRS_MAX} such answers"),
            format!("events a second, from 1 to {}, for people", count(wire::RATE_MAX.into())),
            format!("It works for {}.", seconds(links::LINK_VALID_FOR)),
            format!("After {} events without a match", count(PASSED_OVER_MAX)),
            format!("below 2^{}.", (Seq::MAX.get() + 1).ilog2()),
            format!("from 0 to 1e{}.", duration::SECONDS_MAX.log10()),
            format!("At most {FIELDS_MAX}, each name once. Names are {name}"),
            format!("none empty: {tag}"),
            format!("1 to {RUN_MAX} characters"),
            format!("the first {RUN_TEXT_MAX} bytes of its message"),
            format!("The whole handshake must complete within {}", seconds(HANDSHAKE_MAX)),
            format!("Its first {} were kept", size(DRAFT_MAX)),
            format!("more than {} levels deep", wire::DEPTH_MAX),
            format!("{} after the line was read", millis(REFUSAL_DELAY)),
            format!("{} after it was accepted, the agent answers", seconds(HANDSHAKE_MAX)),
        ],
    );
    for page in ["pulse-send.1", "pulse-tail.1"] {
        assert_contains(
            page,
            &[
                format!("Default for the port: {PORT}."),
                format!("It is at most {} long.", size(TOKEN_MAX)),
                format!("at most {ADDRESSES_MAX} of them"),
            ],
        );
    }
    for mut command in [send::command(), tail::command()] {
        let help = command.render_help().to_string();
        assert!(help.contains(&format!("[default PORT: {PORT}]")), "{help}");
    }
    let wait = send::TIMEOUT_MAX.as_secs() / hour;
    assert_contains(
        "pulse-send.1",
        &[
            format!("{tag}, without an empty part"),
            format!("Names are {name}, not beginning with _."),
            format!("at most {FIELDS_MAX} fields, each name once"),
            format!("1 to {RUN_MAX} characters."),
            format!("1 to {DRAFT_MAX}, or in KiB"),
            format!("the agent keeps the first {} of an event", size(DRAFT_MAX)),
            format!("At most {wait}h. Default: {}s.", send::TIMEOUT_DEFAULT.as_secs()),
            format!("every {} events", count(send::SYNC_EVENTS)),
            format!("It holds at most {} of events", size(send::HELD_MAX)),
        ],
    );
    assert_contains(
        "pulse-tail.1",
        &[
            format!("the last {} events of", tail::LINES_DEFAULT),
            format!("The link works once, within {}.", seconds(links::LINK_VALID_FOR)),
            format!("Default: {}; all of them", tail::LINES_DEFAULT),
            format!("At most {} days.", tail::TIMEOUT_MAX.as_secs() / hour / 24),
            format!(
                "more than {MESSAGE_SHOWN_MAX} characters and field values of more than \
                 {FIELD_SHOWN_MAX}"
            ),
            format!(
                "at most {}, {TERMS_MAX} terms and {PATTERNS_MAX} different regular \
                 expressions, each of at most {}",
                size(TEXT_MAX),
                size(PATTERN_SIZE_MAX)
            ),
            format!("none of the last {} events has", tail::HINT_EVENTS),
            format!(
                "At most {} values of together {} are printed",
                count(tail::VALUES_MAX as u64),
                size(tail::VALUES_BYTES_MAX)
            ),
            format!("together at most {PLACES_MAX} places"),
            format!("see the first {} of a text", size(PATTERN_TEXT_MAX)),
            format!("at most {} tags by name", count(views::ENTRIES_MAX as u64)),
            format!("at most {} runs", count(views::RUNS_MAX as u64)),
            format!("covers the last {} minutes", views::WINDOW_MINUTES),
            format!("the agent have a timeout of {}.", seconds(tail::ANSWER_WAIT)),
            format!("each further answer, of {}.", seconds(tail::SILENCE_MAX)),
            format!("if necessary after {}.", seconds(GRACE)),
        ],
    );
}

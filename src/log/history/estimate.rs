//! What senders appended before the start, estimated from samples: a restart in the middle of a flood forgets
//! little of it.

use std::io;

use super::disk::{self, each_line};
use crate::event::Line;
use crate::log::retry;
use crate::log::sender::Sender;
use crate::log::state::{Segment, name_of};
use crate::sys::directory::Directory;
use crate::sys::users;

/// The maximum number of samples: bounds how long the writer is busy with it. Each one is at most
/// [`CHUNK_SIZE`](super::read_buffer::CHUNK_SIZE) bytes.
const SAMPLES_MAX: usize = 64;

/// Bytes of lines in these segments by sender, without root and the agent's own user. A segment that cannot be
/// read counts for no sender.
///
/// # Errors
/// Only those that pass.
pub(crate) fn bytes_by_sender(
    dir: &Directory,
    segments: &[Segment],
) -> io::Result<Vec<(Sender, u64)>> {
    let mut all = Vec::new();
    let step = segments.len().div_ceil(SAMPLES_MAX).max(1);
    for segment in segments.iter().step_by(step) {
        // A sample stands for the segments up to the next one.
        match sample(dir, segment, step as u64, &mut all) {
            Err(cause) if retry::is_passing(&cause) => return Err(cause),
            _ => {}
        }
    }
    let trusted = [Sender::User(0), Sender::User(users::current())];
    all.retain(|(sender, _)| !trusted.contains(sender));
    Ok(all)
}

/// Adds the last lines of a segment, as if all of it were like them.
fn sample(
    dir: &Directory,
    segment: &Segment,
    weight: u64,
    all: &mut Vec<(Sender, u64)>,
) -> io::Result<()> {
    let file = dir.read(&name_of(segment.first))?;
    let lines = disk::lines_before(&file, segment.size)?.bytes;
    for line in each_line(&lines) {
        let parsed = std::str::from_utf8(line).ok().and_then(Line::parse);
        let Some(Line::Event(event)) = parsed else { continue };
        let Some(sender) = Sender::of_event(&event) else { continue };
        let share = weight * line.len() as u64 * segment.size / lines.len() as u64;
        match all.iter_mut().find(|(known, _)| *known == sender) {
            Some((_, bytes)) => *bytes += share,
            None => all.push((sender, share)),
        }
    }
    Ok(())
}

//! What goes to stdout: lines, or a summary.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::stats::Stats;
use crate::event::Line;
use crate::render::Style;
use crate::sys::clock;

/// How much text is gathered at most before it is written, in bytes. It is also written before each
/// wait, so this only bounds memory.
const TEXT_MAX: usize = 64 << 10;

/// The shortest time between two drawings of a summary.
const DRAW_MIN: Duration = Duration::from_millis(250);

/// How soon a summary is drawn again when only time passes.
const DRAW_MAX: Duration = Duration::from_secs(1);

/// Everything that is written to stdout.
pub(super) struct Output<W> {
    out: W,
    style: Style,
    /// What is not written yet.
    text: String,
    summary: Option<Summary>,
}

struct Summary {
    stats: Stats,
    /// Whether it is drawn while it changes: on a terminal, while following.
    live: bool,
    /// Since it was drawn.
    changed: bool,
    drawn_at: Option<Instant>,
    /// How many lines of the terminal it takes.
    height: usize,
}

impl<W: Write> Output<W> {
    /// Writes to `out` as planned.
    pub(super) fn new(plan: &Plan, out: W) -> Self {
        let summary = plan.stats.then(|| Summary {
            stats: Stats::default(),
            live: plan.terminal && plan.tail.follow,
            changed: true,
            drawn_at: None,
            height: 0,
        });
        Self { out, style: plan.style.clone(), text: String::new(), summary }
    }

    /// Takes one line.
    ///
    /// # Errors
    /// What stdout says.
    pub(super) fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        if let Some(summary) = &mut self.summary {
            summary.stats.add(line);
            summary.changed = true;
            return Ok(());
        }
        self.style.line(line, &mut self.text);
        if self.text.len() >= TEXT_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes what there is to write before a wait. Tells when to come again, though nothing came.
    ///
    /// # Errors
    /// What stdout says.
    pub(super) fn pause(&mut self, now: Instant) -> io::Result<Option<Instant>> {
        let mut again = None;
        if let Some(summary) = self.summary.as_mut().filter(|summary| summary.live) {
            let due = summary.due(now);
            if due.is_some_and(|due| due <= now) {
                summary.draw(&mut self.text);
                summary.drawn_at = Some(now);
            }
            again = summary.due(now);
        }
        self.flush()?;
        Ok(again)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// What stdout says.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if let Some(summary) = &mut self.summary {
            summary.draw(&mut self.text);
        }
        self.flush()
    }

    /// Writes a line of our own.
    ///
    /// # Errors
    /// What stdout says.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.text.push_str(text);
        self.text.push('\n');
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let written = self.out.write_all(self.text.as_bytes());
        // Written or not, it is not written again.
        self.text.clear();
        written.and_then(|()| self.out.flush())
    }
}

impl Summary {
    /// When it should be drawn next; none while it would stay the same.
    fn due(&self, now: Instant) -> Option<Instant> {
        let Some(drawn_at) = self.drawn_at else { return Some(now) };
        if self.changed {
            return Some(drawn_at + DRAW_MIN);
        }
        self.stats.moves(clock::now()).then(|| drawn_at + DRAW_MAX)
    }

    /// Draws it, over the one before.
    fn draw(&mut self, text: &mut String) {
        let shown = self.stats.text(if self.live { Some(clock::now()) } else { None });
        if self.live {
            if self.height > 0 {
                text.push_str(&format!("\x1b[{}F", self.height));
            }
            // What is too wide for the terminal is cut by it, so that a line stays a line.
            text.push_str("\x1b[J\x1b[?7l");
            text.push_str(&shown);
            text.push_str("\x1b[?7h");
        } else {
            text.push_str(&shown);
        }
        self.height = shown.lines().count();
        self.changed = false;
    }
}

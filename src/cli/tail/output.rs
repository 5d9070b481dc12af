//! The output on stdout: lines, or a summary.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::plan::{self, Plan};
use super::stats::Stats;
use super::values::Values;
use crate::event::Line;
use crate::render::Style;
use crate::sys::clock;

/// The size of the output buffer, in bytes. It is also flushed before each wait, so this only bounds memory.
const TEXT_MAX: usize = 64 << 10;

/// The shortest time between two drawings of a changed summary.
const DRAW_MIN: Duration = Duration::from_millis(250);

/// The time between two drawings of a summary in which only the clock moves.
const DRAW_MAX: Duration = Duration::from_secs(1);

/// Writes to stdout.
pub(super) struct Output<W> {
    out: W,
    style: Style,
    /// The output buffer.
    text: String,
    summary: Option<Summary>,
    values: Option<Values>,
}

struct Summary {
    stats: Stats,
    /// Whether it is drawn repeatedly: on a terminal, while following.
    live: bool,
    /// Whether it changed after it was drawn.
    changed: bool,
    drawn_at: Option<Instant>,
    /// The lines of the terminal that it covers.
    height: usize,
}

impl<W: Write> Output<W> {
    /// Creates the output of a plan.
    pub(super) fn new(plan: &Plan, out: W) -> Self {
        let live = plan.terminal && plan.tail.follow;
        let summary = plan.stats.then(|| Summary {
            stats: Stats::new(live),
            live,
            changed: true,
            drawn_at: None,
            height: 0,
        });
        let values = plan.field.clone().map(Values::new);
        Self { out, style: plan.style.clone(), text: String::new(), summary, values }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// Those of the write.
    pub(super) fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        if let Some(summary) = &mut self.summary {
            summary.stats.add(line);
            summary.changed = true;
            return Ok(());
        }
        match (&mut self.values, line) {
            (None, line) => self.style.line(line, &mut self.text),
            (Some(values), Line::Event(event)) => values.add(event, &mut self.text),
            (Some(_), Line::Gap(_)) => {}
        }
        if self.text.len() >= TEXT_MAX { self.flush() } else { Ok(()) }
    }

    /// Flushes before a wait. Returns when to call it again even if nothing arrives.
    ///
    /// # Errors
    /// Those of the write.
    pub(super) fn pause(&mut self, now: Instant) -> io::Result<Option<Instant>> {
        self.style.this_year = Some(plan::year(clock::now(), &self.style.tz));
        let mut next = None;
        if let Some(summary) = self.summary.as_mut().filter(|summary| summary.live) {
            let due = summary.due(now);
            if due.is_some_and(|due| due <= now) {
                summary.draw(&mut self.text);
                summary.drawn_at = Some(now);
            }
            next = summary.due(now);
        }
        self.flush()?;
        Ok(next)
    }

    /// Flushes at the end.
    ///
    /// # Errors
    /// Those of the write.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if let Some(summary) = &mut self.summary {
            summary.draw(&mut self.text);
        }
        self.flush()
    }

    /// Writes a line that is not an event.
    ///
    /// # Errors
    /// Those of the write.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        self.text.push_str(text);
        self.text.push('\n');
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let written = self.out.write_all(self.text.as_bytes());
        // A failed write is not repeated.
        self.text.clear();
        written.and_then(|()| self.out.flush())
    }
}

impl Summary {
    /// When to draw it next. `None` while it would not change.
    fn due(&self, now: Instant) -> Option<Instant> {
        let Some(drawn_at) = self.drawn_at else { return Some(now) };
        if self.changed {
            return Some(drawn_at + DRAW_MIN);
        }
        self.stats.moves(clock::now()).then(|| drawn_at + DRAW_MAX)
    }

    /// Draws it, over the previous drawing.
    fn draw(&mut self, text: &mut String) {
        let shown = self.stats.text(if self.live { Some(clock::now()) } else { None });
        if self.live {
            if self.height > 0 {
                text.push_str(&format!("\x1b[{}F", self.height));
            }
            // Without line wrap: the terminal cuts long lines, so the height stays known.
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

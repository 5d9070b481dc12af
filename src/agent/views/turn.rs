//! Work on many lines in turns, so that other tasks and watchers need not wait for all of it.

use crate::agent::limits::turn::Turn;
use crate::event::Line;

/// Passes lines to `each` for the length of a turn. `true` if there may be more.
pub(super) fn turn<'a>(
    lines: &mut impl Iterator<Item = Line<'a>>,
    mut each: impl FnMut(&Line<'a>),
) -> bool {
    let turn = Turn::begin();
    for line in lines {
        each(&line);
        if turn.is_over() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::agent::limits::TURN_MAX;
    use crate::log::lines_of;

    const LINES: &str = concat!(
        r#"{"gap":{"after":1,"before":3,"lost":1,"why":"rate"},"time":"2026-11-22T17:32:05Z","host":"a"}"#,
        "\n",
        r#"{"gap":{"after":3,"before":5,"lost":1,"why":"rate"},"time":"2026-11-22T17:32:05Z","host":"a"}"#,
        "\n",
    );

    #[test]
    fn ends_after_its_length() {
        let mut lines = lines_of(LINES.as_bytes());
        let mut seen = 0;
        let slow = |_: &Line<'_>| {
            seen += 1;
            let begin = Instant::now();
            while begin.elapsed() < TURN_MAX {
                std::hint::spin_loop();
            }
        };
        assert!(turn(&mut lines, slow));
        assert_eq!(seen, 1);
        let mut rest = 0;
        while turn(&mut lines, |_| rest += 1) {}
        assert_eq!(rest, 1);
    }
}

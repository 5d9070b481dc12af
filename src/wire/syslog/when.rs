//! The time in a header, as programs write it: `Nov 22 17:48:17`, with or without year, fraction and
//! zone, and ISO 8601 with or without zone.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Names of zones that may follow a time. Any other word is a host.
const ZONES: [&str; 13] =
    ["UTC", "GMT", "Z", "CET", "CEST", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT"];

/// Splits off a time: the time, and what follows it and its space. A router marks a clock that is not
/// set by `*` or `.`, and ends the time with a colon.
pub(super) fn strip(text: &str) -> Option<(&str, &str)> {
    if let Some(found) = usual(text) {
        return Some(found);
    }
    let text = text.strip_prefix(['*', '.']).unwrap_or(text);
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let mut scan = Scan(text);
    scan.iso().or_else(|| {
        scan = Scan(text);
        scan.bsd()
    })?;
    let time = &text[..text.len() - scan.0.len()];
    let rest = scan.0.strip_prefix(':').unwrap_or(scan.0);
    if rest.is_empty() {
        return Some((time, rest));
    }
    Some((time, rest.strip_prefix(' ')?.trim_start_matches(' ')))
}

/// Splits off `Nov 22 17:48:17 `, which most programs write, before a word that is part of no time.
fn usual(text: &str) -> Option<(&str, &str)> {
    const SHAPE: &[u8; 13] = b" _0 00:00:00 ";
    let (time, rest) = text.as_bytes().split_at_checked(3 + SHAPE.len())?;
    let (month, clock) = time.split_at(3);
    let fits = |(b, shape): (&u8, &u8)| match shape {
        b'0' => b.is_ascii_digit(),
        b'_' => b.is_ascii_digit() || *b == b' ',
        mark => b == mark,
    };
    // A zone, a year or further spaces.
    let more = matches!(rest, [b' ' | b'+' | b'-' | b'0'..=b'9' | b'A'..=b'Z', ..]);
    let month = month.first_chunk::<3>()?;
    let known = MONTHS.iter().any(|name| name.as_bytes().first_chunk() == Some(month));
    let found = !more && known && clock.iter().zip(SHAPE).all(fits);
    found.then(|| (&text[..time.len() - 1], &text[time.len()..]))
}

/// `true` if the whole word is a time of a message of RFC 5424, also without a zone, or a number of
/// seconds since 1970.
pub(super) fn is_word(word: &str) -> bool {
    let seconds = word.split('.').next().unwrap_or_default();
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let epoch =
        (9..=13).contains(&seconds.len()) && number(seconds) && number(&word.replace('.', ""));
    epoch || matches!(strip(word), Some((_, "")))
}

/// What is not read yet.
struct Scan<'a>(&'a str);

impl Scan<'_> {
    /// `2026-11-22T17:48:17.5+01:00`, also with `/` between the numbers, a space for `T`, or no zone.
    fn iso(&mut self) -> Option<()> {
        self.digits(4, 4)?;
        let mark = self.one_of(&['-', '/'])?;
        self.digits(2, 2)?;
        self.one_of(&[mark])?;
        self.digits(2, 2)?;
        self.one_of(&['T', 't', ' '])?;
        self.clock()?;
        self.zone();
        Some(())
    }

    /// `Nov 22 17:48:17`, also with a day of the week before it, and the year at one of three places.
    fn bsd(&mut self) -> Option<()> {
        if self.name(&DAYS).is_some() {
            self.one_of(&[' '])?;
        }
        if self.digits(4, 4).is_some() {
            self.one_of(&[' '])?;
        }
        self.name(&MONTHS)?;
        self.spaces()?;
        self.digits(1, 2)?;
        self.spaces()?;
        if self.year().is_some() {
            self.one_of(&[' '])?;
        }
        self.clock()?;
        self.zone();
        let before = self.0;
        if self.one_of(&[' ']).and_then(|_| self.year()).is_none() || !self.ends_word() {
            self.0 = before;
        }
        Some(())
    }

    /// `17:48:17`, and a fraction.
    fn clock(&mut self) -> Option<()> {
        self.digits(1, 2)?;
        self.one_of(&[':'])?;
        self.digits(2, 2)?;
        self.one_of(&[':'])?;
        self.digits(2, 2)?;
        let before = self.0;
        if self.one_of(&['.', ',']).and_then(|_| self.digits(1, 9)).is_none() {
            self.0 = before;
        }
        Some(())
    }

    /// `Z`, `+01:00`, `+0100` or `+01`, joined or after a space, or a name after a space.
    fn zone(&mut self) {
        let before = self.0;
        let spaced = self.one_of(&[' ']).is_some();
        let found = match self.one_of(&['+', '-']) {
            Some(_) => {
                let hours = self.digits(2, 2).is_some();
                let before = self.0;
                self.one_of(&[':']);
                if self.digits(2, 2).is_none() {
                    self.0 = before;
                }
                hours
            }
            None => {
                let word = self.0.split([' ', ':']).next().unwrap_or_default();
                let named = if spaced { ZONES.contains(&word) } else { matches!(word, "Z" | "z") };
                self.0 = &self.0[if named { word.len() } else { 0 }..];
                named
            }
        };
        if !found || !self.ends_word() {
            self.0 = before;
        }
    }

    fn ends_word(&self) -> bool {
        let rest = self.0.strip_prefix(':').unwrap_or(self.0);
        rest.is_empty() || rest.starts_with(' ')
    }

    fn year(&mut self) -> Option<()> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        (digits == 4).then(|| self.0 = &self.0[4..])
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<()> {
        let digits = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        (digits >= least).then(|| self.0 = &self.0[digits..])
    }

    fn one_of(&mut self, marks: &[char]) -> Option<char> {
        let mark = self.0.chars().next().filter(|c| marks.contains(c))?;
        self.0 = &self.0[mark.len_utf8()..];
        Some(mark)
    }

    fn spaces(&mut self) -> Option<()> {
        let rest = self.0.trim_start_matches(' ');
        let found = rest.len() < self.0.len();
        self.0 = rest;
        found.then_some(())
    }

    fn name(&mut self, names: &[&str]) -> Option<()> {
        let word = self.0.get(..3)?;
        let found = names.iter().any(|name| word.eq_ignore_ascii_case(name));
        found.then(|| self.0 = &self.0[3..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_times_as_programs_write_them() {
        for time in [
            "Nov 22 17:48:17",
            "Nov  2 17:48:17",
            "Nov 2 7:48:17",
            "nov 2 17:48:17.123456",
            "Nov 22 2026 17:48:17",
            "2026 Nov 22 17:48:17",
            "Nov 22 17:48:17 2026",
            "Sun Nov 22 17:48:17 2026",
            "Nov 22 17:48:17.001 UTC",
            "Nov 22 17:48:17 CEST",
            "2026-11-22T17:48:17Z",
            "2026-11-22T17:48:17",
            "2026-11-22 17:48:17,123",
            "2026/11/22 17:48:17",
            "2026-11-22T17:48:17.123456+01:00",
            "2026-11-22T17:48:17+0100",
            "2026-11-22 17:48:17 -05",
        ] {
            assert_eq!(strip(&format!("{time} web1 x")), Some((time, "web1 x")), "{time}");
            assert_eq!(strip(&format!("{time}: web1 x")), Some((time, "web1 x")), "{time}");
            assert_eq!(strip(time), Some((time, "")), "{time}");
        }
        assert_eq!(strip("*Mar  1 18:46:11: x"), Some(("Mar  1 18:46:11", "x")));
        assert_eq!(strip("Nov 22 17:48:17 2027 app"), Some(("Nov 22 17:48:17 2027", "app")));
        assert_eq!(strip("Nov 22 17:48:17 20270 app"), Some(("Nov 22 17:48:17", "20270 app")));
    }

    #[test]
    fn other_text_is_no_time() {
        for text in [
            "",
            "Nox 22 17:48:17 x",
            "Nov 17:48:17 x",
            "Nov 22 17:48 x",
            "Nov 22 17:48:17x",
            "22 Nov 17:48:17 x",
            "2026-11-22 x",
            "2026-11/22 17:48:17 x",
            "November 22 17:48:17",
            "é",
            "No",
            "2026-11-22T17:48:17Zx y",
        ] {
            assert_eq!(strip(text), None, "{text}");
        }
        assert!(is_word("2026-11-22T17:48:17") && is_word("1795368725.5"));
        assert!(!is_word("today") && !is_word("12") && !is_word("2026-11-22T17:48:17Z:x"));
    }
}

//! Sizes: one grammar for every option and configuration key.

/// The units, each with its bytes. The single letters are those of logger(1) and systemd.
const UNITS: [(&[&str], u64); 5] = [
    (&["TiB", "T"], 1 << 40),
    (&["GiB", "G"], 1 << 30),
    (&["MiB", "M"], 1 << 20),
    (&["KiB", "K", "k"], 1 << 10),
    (&["B", ""], 1),
];

/// Parses a number of bytes: digits, alone or with a unit (`64MiB`, `64 MiB`, `64M`, `65536`). `None`
/// for any other text, also for `MB`, which is a power of 1000 to some and of 1024 to others.
pub fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, rest) = text.split_at(digits);
    let unit = rest.strip_prefix(' ').unwrap_or(rest);
    let (_, bytes) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
    let is_whole = rest.is_empty() || !unit.is_empty();
    count.parse::<u64>().ok().filter(|_| is_whole)?.checked_mul(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_every_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65_536),
            ("1B", 1),
            ("512KiB", 512 << 10),
            ("4k", 4096),
            ("4K", 4096),
            ("64 MiB", 64 << 20),
            ("64M", 64 << 20),
            ("1GiB", 1 << 30),
            ("2 G", 2 << 30),
            ("3T", 3 << 40),
            ("16777215TiB", 16_777_215 << 40),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_is_ambiguous_or_too_large() {
        for text in [
            "",
            " ",
            "k",
            "MiB",
            "64MB",
            "64mib",
            "64m",
            "1.5GiB",
            "-1B",
            "+1B",
            "1  B",
            " 1B",
            "1B ",
            "1 ",
            "16777216TiB",
            "99999999999999999999",
            "99999999999999999999k",
            "1KiB1B",
            "0x10",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}

//! Random numbers from the kernel (random(4)).

use std::fs::File;
use std::io::{self, Read as _};

/// Returns unpredictable bytes.
///
/// # Errors
/// /dev/urandom cannot be read.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Returns an unpredictable number, for example a log's id.
///
/// # Errors
/// /dev/urandom cannot be read.
pub fn number() -> io::Result<u32> {
    bytes().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_differ() {
        assert_ne!(bytes::<16>().expect("urandom"), bytes::<16>().expect("urandom"));
        let numbers: Vec<u32> = (0..4).map(|_| number().expect("urandom")).collect();
        assert!(numbers.iter().any(|n| *n != numbers[0]));
    }
}

//! Random numbers from the kernel (random(4)).

use std::fs::File;
use std::io::{self, Read as _};

/// Bytes that nobody can guess.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A number that nobody can guess, for example a log's id.
pub fn number() -> io::Result<u32> {
    bytes().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_not_the_same() {
        assert_ne!(bytes::<16>().expect("urandom"), bytes::<16>().expect("urandom"));
        let numbers: Vec<u32> = (0..4).map(|_| number().expect("urandom")).collect();
        assert!(numbers.iter().any(|n| *n != numbers[0]));
    }
}

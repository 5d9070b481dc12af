//! The body of an HTTP response in chunks (RFC 9112, section 7.1), without what is between them.

use crate::BenchError;

/// Where in the body a reader is.
#[derive(Default)]
pub(crate) struct Chunks {
    /// The bytes left of the chunk, with its line end.
    left: usize,
    /// The size of the next chunk, as far as it was read.
    size: usize,
}

/// The line end after a chunk, in bytes.
const END: usize = 2;

impl Chunks {
    /// Moves the data in `bytes` to the front. Returns its length.
    pub(crate) fn data(&mut self, bytes: &mut [u8]) -> Result<usize, BenchError> {
        let (mut at, mut len) = (0, 0);
        while at < bytes.len() {
            if self.left > END {
                let part = (self.left - END).min(bytes.len() - at);
                bytes.copy_within(at..at + part, len);
                self.left -= part;
                at += part;
                len += part;
                continue;
            }
            let byte = bytes[at];
            at += 1;
            if self.left > 0 {
                self.left -= 1;
            } else if byte == b'\n' {
                self.left = std::mem::take(&mut self.size) + END;
            } else if byte != b'\r' {
                let digit = char::from(byte).to_digit(16);
                let digit =
                    digit.ok_or_else(|| BenchError::Failed("no chunk of a response".into()))?;
                self.size = self.size * 16 + digit as usize;
            }
        }
        Ok(len)
    }
}

//! The bytes of a connection, and the chunks that reads return.

/// The byte that repeats the next one [`TIMES`] times, so that a small input can have lines of any permitted
/// length, and longer ones.
const STRETCH: u8 = 0x0e;

/// 64 times this is the longest draft.
const TIMES: usize = 1024;

/// The input with its repetitions, cut to `len_max` bytes.
pub(crate) fn stretched(data: &[u8], len_max: usize) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(data.len()), data);
    while let Some((first, after)) = rest.split_first() {
        rest = match after.split_first() {
            Some((repeated, after)) if *first == STRETCH => {
                bytes.resize(bytes.len() + TIMES, *repeated);
                after
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
        if bytes.len() >= len_max {
            break;
        }
    }
    bytes.truncate(len_max);
    bytes
}

/// Splits the bytes into chunks, from one byte to large ones. The sizes depend only on the bytes and the seed, so that
/// an input is reproducible.
pub(crate) fn chunks(bytes: &[u8], seed: u64) -> impl Iterator<Item = &[u8]> {
    // FNV-1a, then xorshift.
    let hash = |hash: u64, b: &u8| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325 ^ seed, hash) | 1;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let most = [1, 3, 40, 2000, 70_000][(state >> 32) as usize % 5];
        let (chunk, after) = rest.split_at((1 + state as usize % most).min(rest.len()));
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    })
}

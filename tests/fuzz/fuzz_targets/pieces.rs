//! The bytes of a connection, and the pieces in which they come.

/// The byte that stretches: what follows it stands there [`TIMES`] times. So a small input has lines
/// that are as long as any may be, and longer.
const STRETCH: u8 = 0x0e;

/// How often: 64 times this is the longest draft.
const TIMES: usize = 1024;

/// The input as it is sent, `len_max` bytes of it.
pub(crate) fn stretched(data: &[u8], len_max: usize) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(data.len()), data);
    while let Some((first, behind)) = rest.split_first() {
        rest = match behind.split_first() {
            Some((repeated, behind)) if *first == STRETCH => {
                bytes.resize(bytes.len() + TIMES, *repeated);
                behind
            }
            _ => {
                bytes.push(*first);
                behind
            }
        };
        if bytes.len() >= len_max {
            break;
        }
    }
    bytes.truncate(len_max);
    bytes
}

/// The bytes in pieces whose sizes only depend on the bytes, so that an input always does the same:
/// some of one byte, some large. The seed changes the sizes.
pub(crate) fn pieces(bytes: &[u8], seed: u64) -> impl Iterator<Item = &[u8]> {
    // FNV-1a, then xorshift.
    let hash = |hash: u64, b: &u8| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325 ^ seed, hash) | 1;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let most = [1, 3, 40, 2000, 70_000][(state >> 32) as usize % 5];
        let (piece, behind) = rest.split_at((1 + state as usize % most).min(rest.len()));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

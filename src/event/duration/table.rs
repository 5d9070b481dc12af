//! A table of words, which is searched without allocation and in any case.

/// The longest word of a table, in bytes.
pub(super) const WORD_MAX: usize = 12;

/// The bytes of a word in lower case, as a number.
type Packed = u128;

/// How many first bytes are told apart.
const LETTERS: usize = 32;

/// How many lengths are told apart.
const LENGTHS: usize = 16;

/// Words and what they mean.
pub(super) struct Table<T, const N: usize> {
    /// By first letter, and then by length.
    words: [(Packed, T); N],
    /// Where the words of each first letter and length begin. Most other words are refused by this.
    starts: [u8; LETTERS * LENGTHS + 1],
}

impl<T: Copy, const N: usize> Table<T, N> {
    /// The words must be in lower case and at most [`WORD_MAX`] long.
    pub(super) const fn new(list: [(&str, T); N]) -> Self {
        assert!(N < u8::MAX as usize);
        let mut words = [(0, list[0].1); N];
        let mut starts = [0; LETTERS * LENGTHS + 1];
        let (mut class, mut len) = (0, 0);
        while class < LETTERS * LENGTHS {
            let mut at = 0;
            while at < N {
                let word = list[at].0.as_bytes();
                assert!(word.len() <= WORD_MAX);
                if self::class(word) == class {
                    words[len] = (pack(word), list[at].1);
                    len += 1;
                }
                at += 1;
            }
            class += 1;
            starts[class] = len as u8;
        }
        Self { words, starts }
    }

    /// The meaning of a word in any case. The word is of ASCII letters and digits.
    #[inline]
    pub(super) fn find(&self, word: &[u8]) -> Option<T> {
        if word.is_empty() || word.len() > WORD_MAX {
            return None;
        }
        let class = class(word);
        let (from, to) = (usize::from(self.starts[class]), usize::from(self.starts[class + 1]));
        if from == to {
            return None;
        }
        let packed = pack(word);
        self.words[from..to].iter().find(|(word, _)| *word == packed).map(|(_, meaning)| *meaning)
    }
}

/// The number of the first letter and the length of a word. It has at most [`WORD_MAX`] bytes, and at least one.
const fn class(word: &[u8]) -> usize {
    letter(word[0]) * LENGTHS + word.len() % LENGTHS
}

/// The number of a letter in any case. Other bytes share the numbers of letters.
const fn letter(b: u8) -> usize {
    (b as usize) % LETTERS
}

/// Packs a word from both ends, which may overlap, so that it needs no loop. Words of different lengths may be equal.
const fn pack(word: &[u8]) -> Packed {
    let (low, high) = match (word.first_chunk::<8>(), word.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => match (word.first_chunk::<4>(), word.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
                (first as u64 | (last as u64) << 32, 0)
            }
            _ => (pack_short(word), 0),
        },
    };
    // Turns capital letters into small ones. Digits have this bit too.
    const SMALL: u64 = u64::MAX / 255 * 0x20;
    (low | SMALL) as Packed | ((high | SMALL) as Packed) << 64
}

/// Packs a word of one to three bytes.
const fn pack_short(word: &[u8]) -> u64 {
    let [first, .., last] = word else { return word[0] as u64 };
    *first as u64 | (word[1] as u64) << 8 | (*last as u64) << 16
}

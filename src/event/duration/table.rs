//! A table of words, which is searched without allocation and in any case.

/// The longest word of a table, in bytes.
pub(super) const WORD_MAX: usize = 12;

/// A word of at most [`WORD_MAX`] bytes in lower case, as a number.
type Packed = u128;

/// How many first bytes are told apart.
const LETTERS: usize = 32;

/// Words and what they mean.
pub(super) struct Table<T, const N: usize> {
    /// By first letter.
    words: [(Packed, T); N],
    /// Where the words of each first letter begin.
    starts: [u8; LETTERS + 1],
    /// For each first letter, bit N is set if a word has N bytes. Most other words are refused by this.
    lengths: [u16; LETTERS],
}

impl<T: Copy, const N: usize> Table<T, N> {
    /// The words must be in lower case and at most [`WORD_MAX`] long.
    pub(super) const fn new(list: [(&str, T); N]) -> Self {
        assert!(N < u8::MAX as usize);
        let mut words = [(0, list[0].1); N];
        let mut starts = [0; LETTERS + 1];
        let mut lengths = [0; LETTERS];
        let (mut first, mut len) = (0, 0);
        while first < LETTERS {
            let mut at = 0;
            while at < N {
                let word = list[at].0.as_bytes();
                if letter(word[0]) == first {
                    assert!(word.len() <= WORD_MAX);
                    words[len] = (pack(word), list[at].1);
                    lengths[first] |= 1 << word.len();
                    len += 1;
                }
                at += 1;
            }
            first += 1;
            starts[first] = len as u8;
        }
        Self { words, starts, lengths }
    }

    /// The meaning of a word in any case. The word is of ASCII letters and digits.
    #[inline]
    pub(super) fn find(&self, word: &[u8]) -> Option<T> {
        let first = letter(*word.first()?);
        if word.len() > WORD_MAX || self.lengths[first] & (1 << word.len()) == 0 {
            return None;
        }
        let packed = pack(word);
        let words =
            &self.words[usize::from(self.starts[first])..usize::from(self.starts[first + 1])];
        words.iter().find(|(word, _)| *word == packed).map(|(_, meaning)| *meaning)
    }
}

/// The number of a letter in any case. Other bytes share the numbers of letters.
const fn letter(b: u8) -> usize {
    (b as usize) % LETTERS
}

const fn pack(word: &[u8]) -> Packed {
    let mut packed = 0;
    let mut at = 0;
    while at < word.len() {
        // Digits have this bit too.
        packed = packed << 8 | (word[at] | 0x20) as Packed;
        at += 1;
    }
    packed
}

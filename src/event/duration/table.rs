//! A sorted table of words, which is searched without allocation and in any case.

/// The longest word of a table, in bytes.
pub(super) const WORD_MAX: usize = 12;

/// A word of at most [`WORD_MAX`] bytes in lower case, as a number.
type Packed = u128;

/// Words and what they mean.
pub(super) struct Table<T, const N: usize> {
    sorted: [(Packed, T); N],
    /// For each first letter, bit N is set if a word has N bytes. Most other words are refused by this.
    lengths: [u16; 32],
}

impl<T: Copy, const N: usize> Table<T, N> {
    /// Sorts the words. They must be in lower case, at most [`WORD_MAX`] long, and different.
    pub(super) const fn new(words: [(&str, T); N]) -> Self {
        let mut table = [(0, words[0].1); N];
        let mut lengths = [0; 32];
        let mut at = 0;
        while at < N {
            let (word, meaning) = words[at];
            assert!(word.len() <= WORD_MAX);
            lengths[letter(word.as_bytes()[0])] |= 1 << word.len();
            let packed = pack(word.as_bytes());
            let mut to = at;
            while to > 0 && table[to - 1].0 >= packed {
                assert!(table[to - 1].0 > packed);
                table[to] = table[to - 1];
                to -= 1;
            }
            table[to] = (packed, meaning);
            at += 1;
        }
        Self { sorted: table, lengths }
    }

    /// The meaning of a word in any case.
    #[inline]
    pub(super) fn find(&self, word: &[u8]) -> Option<T> {
        let lengths = self.lengths[letter(*word.first()?)];
        if word.len() > WORD_MAX || lengths & (1 << word.len()) == 0 {
            return None;
        }
        self.search(pack(word))
    }

    fn search(&self, packed: Packed) -> Option<T> {
        let at = self.sorted.binary_search_by_key(&packed, |(word, _)| *word).ok()?;
        Some(self.sorted[at].1)
    }
}

/// The number of a letter in any case. Other bytes share the numbers of letters.
const fn letter(b: u8) -> usize {
    (b & 31) as usize
}

const fn pack(word: &[u8]) -> Packed {
    let mut packed = 0;
    let mut at = 0;
    while at < word.len() {
        packed = packed << 8 | word[at].to_ascii_lowercase() as Packed;
        at += 1;
    }
    packed
}

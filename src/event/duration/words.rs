//! The words beside a number that say what it is.

use super::table::Table;

/// What a word says about the numbers near it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// *total*.
    Total,
    /// A word that a measured duration follows, and never a time of day: *elapsed*, *in*.
    Cue,
    /// A word that a measured duration follows, and sometimes a time of day: *time*, *after*.
    WeakCue,
    /// A cue that ends the reach of a limit before it: *took* in `timeout 30s took 40ms`.
    Shield,
    /// As [`Self::Shield`], and sometimes followed by a time of day.
    WeakShield,
    /// *done*: ends the reach of a limit, and no more.
    Done,
    /// A word that a limit or an interval follows: *timeout*, *every*, *retry*.
    Limit,
    /// A limit that *in* makes a measurement: `restarted in 5s`.
    PastLimit,
    /// A limit that is often followed by a number without a unit, which is then its value: `limit 10`.
    Bound,
    /// A limit only directly before the number: *last*, *per*, *than*.
    Direct,
    /// A word before a time of day, directly before the number: *at*, *since*.
    Clock,
    /// In the name of a value it says that the value is a moment or an age: `start_time`.
    Moment,
    /// *up*: what follows directly is an age.
    Up,
    /// Before *after* or *in* it ends the reach of a limit: `deadline exceeded after 5s`.
    Past,
    /// *the*.
    The,
    /// A word that is not counted: *of*, *about*.
    Filler,
    /// A word that joins two numbers: *and*, *to*.
    Link,
    /// The second word of *back off* and *keep alive*.
    Half,
    /// Any other word.
    Other,
}

/// The most letters of a [`Short`] word.
pub(super) const SHORT_MAX: usize = 6;

/// A word of at most [`SHORT_MAX`] small letters as one number, the last letter lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short(pub(super) u64);

impl Short {
    const fn from_word(word: &[u8]) -> Self {
        let (mut short, mut at) = (0, 0);
        while at < word.len() {
            short = short << 8 | word[at] as u64;
            at += 1;
        }
        Self(short)
    }

    /// The place in [`SHORT_WORDS`]: the highest bits of a product, to which all letters contribute.
    const fn slot(self) -> usize {
        (self.0.wrapping_mul(MULTIPLIER) >> (u64::BITS - SLOT_BITS)) as usize
    }
}

/// `false` for most words that are no name of a unit, by their last two letters, the last one lowest.
#[inline]
pub(super) const fn may_be_unit(letters: u64) -> bool {
    let [last, before, ..] = letters.to_le_bytes();
    match [before, last] {
        // The symbols, and the plurals.
        [b' ', _] | [_, b's'] => true,
        // sec, second, min, minute, hr, hour, year, day, week, month.
        [b'e', b'c' | b'k'] | [b'n', b'd'] | [b'i', b'n'] | [b't', b'e' | b'h'] => true,
        [b'h' | b'u' | b'a', b'r'] | [b'a', b'y'] => true,
        _ => false,
    }
}

impl Word {
    /// As [`Self::parse`].
    #[inline]
    pub(super) fn parse_short(word: Short) -> Self {
        let slot = word.slot();
        // Words of which only a part has a meaning are longer, or have a digit.
        if SHORT_WORDS.keys[slot] == word.0 { SHORT_WORDS.meanings[slot] } else { Self::Other }
    }

    /// The meaning of a word in any case.
    #[inline]
    pub(super) fn parse(word: &[u8]) -> Self {
        WORDS.find(word).unwrap_or_else(|| Self::compound(word))
    }

    /// Words of which only a part has a meaning: `readtimeout`, `p99`.
    #[inline]
    fn compound(word: &[u8]) -> Self {
        let ends = |with: &[u8]| {
            let from = word.len().checked_sub(with.len());
            from.is_some_and(|from| word[from..].eq_ignore_ascii_case(with))
        };
        let percentile =
            |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        match word {
            [b'p' | b'P', digits @ ..] if percentile(digits) => Self::Limit,
            [.., b't' | b'T'] if ends(b"timeout") => Self::Limit,
            [.., b's' | b'S'] if ends(b"timeouts") => Self::Limit,
            [.., b'l' | b'L'] if ends(b"interval") => Self::Limit,
            _ => Self::Other,
        }
    }

    /// `true` for the last part of a key whose number without a unit is in seconds.
    pub(super) fn names_duration(word: &[u8]) -> bool {
        DURATIONS.find(word).is_some()
    }

    /// `true` for a word that, directly before a unit in a key, says what was measured: `query_ms`.
    pub(super) fn names_work(word: &[u8]) -> bool {
        WORK.find(word).is_some()
    }

    /// `true` for a word that, directly after a number, says that it is a limit, an interval or an age.
    pub(super) fn is_limit_after(word: &[u8]) -> bool {
        LIMITS_AFTER.find(word).is_some()
    }

    /// `false` for the first two bytes of most words that, directly after a number, say nothing.
    #[inline]
    pub(super) fn may_mean_after([first, second]: [u8; 2]) -> bool {
        PAIRS_AFTER[usize::from(first % 32)] >> (second % 32) & 1 != 0
    }
}

/// For each first letter, bit N is set if a word that is asked for after a number goes on with letter N. Letters in any
/// case have their number in the lowest five bits.
static PAIRS_AFTER: [u32; 32] = {
    let mut pairs = [0; 32];
    let mut at = 0;
    while at < AFTER.len() {
        let word = AFTER[at].0.as_bytes();
        pairs[(word[0] % 32) as usize] |= 1 << (word[1] % 32);
        at += 1;
    }
    // *total* and *elapsed*.
    pairs[(b't' % 32) as usize] |= 1 << (b'o' % 32);
    pairs[(b'e' % 32) as usize] |= 1 << (b'l' % 32);
    pairs
};

/// The words before a number.
static WORDS: Table<Word, 147> = Table::new(LIST);

/// How many bits choose a place in [`SHORT_WORDS`].
const SLOT_BITS: u32 = 9;

/// A factor by which no two words of the list get one place. Found by trying; the table does not compile with another.
const MULTIPLIER: u64 = 0x0530_3c20_1d7c_a029;

/// The short ones among the words before a number, each in a place that follows from its letters, so that one comparison
/// tells whether a word is among them.
struct ShortWords {
    keys: [u64; 1 << SLOT_BITS],
    meanings: [Word; 1 << SLOT_BITS],
}

static SHORT_WORDS: ShortWords = {
    let mut words =
        ShortWords { keys: [0; 1 << SLOT_BITS], meanings: [Word::Other; 1 << SLOT_BITS] };
    let mut at = 0;
    while at < LIST.len() {
        let (word, meaning) = LIST[at];
        if word.len() <= SHORT_MAX {
            let short = Short::from_word(word.as_bytes());
            assert!(words.keys[short.slot()] == 0, "two words have one place");
            words.keys[short.slot()] = short.0;
            words.meanings[short.slot()] = meaning;
        }
        at += 1;
    }
    words
};

const LIST: [(&str, Word); 147] = {
    use Word::*;
    [
        ("total", Total),
        ("took", Shield),
        ("elapsed", Shield),
        ("ran", WeakShield),
        ("completed", WeakShield),
        ("finished", WeakShield),
        ("done", Done),
        ("in", Cue),
        ("duration", Cue),
        ("latency", Cue),
        ("runtime", Cue),
        ("time", WeakCue),
        ("after", WeakCue),
        ("service", WeakCue),
        ("timeout", Limit),
        ("timeouts", Limit),
        ("deadline", Limit),
        ("deadlines", Limit),
        ("avg", Limit),
        ("average", Limit),
        ("mean", Limit),
        ("median", Limit),
        ("percentile", Limit),
        ("maximum", Limit),
        ("minimum", Limit),
        ("within", Limit),
        ("every", Limit),
        ("interval", Limit),
        ("intervals", Limit),
        ("ttl", Limit),
        ("expire", Limit),
        ("expires", Limit),
        ("expiring", Limit),
        ("expiry", Limit),
        ("expiration", Limit),
        ("valid", Limit),
        ("retry", Limit),
        ("retries", Limit),
        ("retrying", Limit),
        ("delay", Limit),
        ("delays", Limit),
        ("delaying", Limit),
        ("backoff", Limit),
        ("backoffs", Limit),
        ("wait", Limit),
        ("waits", Limit),
        ("waiting", Limit),
        ("renew", Limit),
        ("renews", Limit),
        ("renewing", Limit),
        ("renewal", Limit),
        ("reconnect", Limit),
        ("reconnects", Limit),
        ("reconnecting", Limit),
        ("restart", Limit),
        ("restarts", Limit),
        ("restarting", Limit),
        ("keepalive", Limit),
        ("keepalives", Limit),
        ("period", Limit),
        ("cooldown", Limit),
        ("window", Limit),
        ("sla", Limit),
        ("slo", Limit),
        ("allowed", Limit),
        ("expected", Limit),
        ("budget", Limit),
        ("eta", Limit),
        ("uptime", Limit),
        ("lifetime", Limit),
        ("bantime", Limit),
        ("age", Limit),
        ("starting", Limit),
        ("scheduled", Limit),
        ("expired", PastLimit),
        ("retried", PastLimit),
        ("delayed", PastLimit),
        ("waited", PastLimit),
        ("renewed", PastLimit),
        ("reconnected", PastLimit),
        ("restarted", PastLimit),
        ("limit", Bound),
        ("limits", Bound),
        ("limited", Bound),
        ("limiting", Bound),
        ("threshold", Bound),
        ("thresholds", Bound),
        ("max", Bound),
        ("min", Bound),
        ("next", Bound),
        ("last", Direct),
        ("past", Direct),
        ("per", Direct),
        ("than", Direct),
        ("least", Direct),
        ("most", Direct),
        ("each", Direct),
        ("exceeds", Direct),
        ("exceeded", Past),
        ("reached", Past),
        ("failed", Past),
        ("succeeded", Past),
        ("aborted", Past),
        ("cancelled", Past),
        ("canceled", Past),
        ("exceeding", Direct),
        ("at", Clock),
        ("since", Clock),
        ("until", Clock),
        ("from", Clock),
        ("on", Clock),
        ("between", Clock),
        ("start", Moment),
        ("started", Moment),
        ("end", Moment),
        ("ended", Moment),
        ("up", Up),
        ("m", Moment),
        ("ban", Moment),
        ("life", Moment),
        ("begin", Moment),
        ("current", Moment),
        ("local", Moment),
        ("server", Moment),
        ("utc", Moment),
        ("date", Moment),
        ("boot", Moment),
        ("created", Moment),
        ("modified", Moment),
        ("updated", Moment),
        ("unix", Moment),
        ("epoch", Moment),
        ("the", The),
        ("a", Filler),
        ("an", Filler),
        ("of", Filler),
        ("is", Filler),
        ("was", Filler),
        ("be", Filler),
        ("are", Filler),
        ("set", Filler),
        ("about", Filler),
        ("and", Link),
        ("or", Link),
        ("to", Link),
        ("off", Half),
        ("alive", Half),
    ]
};

/// The words directly after a number that say that it is a limit, an interval or an age.
static LIMITS_AFTER: Table<(), 23> = Table::new(AFTER);

const AFTER: [(&str, ()); 23] = [
    ("timeout", ()),
    ("timeouts", ()),
    ("limit", ()),
    ("limits", ()),
    ("ago", ()),
    ("left", ()),
    ("old", ()),
    ("remaining", ()),
    ("interval", ()),
    ("intervals", ()),
    ("deadline", ()),
    ("delay", ()),
    ("ttl", ()),
    ("backoff", ()),
    ("threshold", ()),
    ("window", ()),
    ("windows", ()),
    ("segments", ()),
    ("chunks", ()),
    ("steps", ()),
    ("period", ()),
    ("cooldown", ()),
    ("max", ()),
];

/// The last parts of keys whose number without a unit is in seconds.
static DURATIONS: Table<(), 9> = Table::new([
    ("took", ()),
    ("dur", ()),
    ("responsetime", ()),
    ("time", ()),
    ("duration", ()),
    ("elapsed", ()),
    ("latency", ()),
    ("service", ()),
    ("runtime", ()),
]);

/// What takes a while, in the names of fields.
static WORK: Table<(), 4> =
    Table::new([("response", ()), ("request", ()), ("query", ()), ("exec", ())]);

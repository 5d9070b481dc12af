//! The log against a model: a list of everything that was ever appended.

mod checks;

pub(super) use checks::check_files;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};

use super::*;
use crate::event::{Cursor, DRAFT_MAX, LogId};
use crate::log::Sender;
use crate::log::state::EXTENT_SIZE;

/// The number of random sequences.
const CASES: u32 = 24;

/// So few that reservations are renewed often and run out.
const RESERVED_AHEAD: u64 = 400;

/// How the messages of the sender begin that fills history.
const FLOOD: &str = "flood ";

#[derive(Clone, Debug)]
enum Step {
    Append {
        count: usize,
        len: usize,
        /// By a sender whose events need not outlive those of others.
        flood: bool,
    },
    /// The longest lines.
    AppendLong(usize),
    Refuse(u64),
    Sync(Durability),
    /// One read, of which `lines` are consumed.
    Read {
        reader: usize,
        lines: usize,
    },
    CatchUp {
        reader: usize,
    },
    Backward,
    Search {
        seconds: i64,
    },
    Clock {
        seconds: i64,
    },
    Restart,
    Kill,
    Break,
    Repair,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let how = prop_oneof![Just(Durability::Stored), Just(Durability::Synced)];
    let step = prop_oneof![
        20 => (1..200_usize, 0..8000_usize, any::<bool>())
            .prop_map(|(count, len, flood)| Step::Append { count, len, flood }),
        1 => (1..3_usize).prop_map(Step::AppendLong),
        3 => (1..1000_u64).prop_map(Step::Refuse),
        5 => how.prop_map(Step::Sync),
        15 => (0..3_usize, 1..300_usize).prop_map(|(reader, lines)| Step::Read { reader, lines }),
        3 => (0..3_usize).prop_map(|reader| Step::CatchUp { reader }),
        2 => Just(Step::Backward),
        3 => (-60..60_i64).prop_map(|seconds| Step::Search { seconds }),
        5 => (-15..40_i64).prop_map(|seconds| Step::Clock { seconds }),
        2 => Just(Step::Restart),
        2 => Just(Step::Kill),
        2 => Just(Step::Break),
        3 => Just(Step::Repair),
    ];
    proptest::collection::vec(step, 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: CASES, failure_persistence: None, max_shrink_iters: 300, ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_lost_silently(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let mut world = World::new();
            for step in &steps {
                world.take(step).await;
            }
            world.finish().await;
        });
    }
}

/// What a number stands for.
#[derive(Debug)]
enum Item {
    Event(String),
    Refused(u64),
}

/// A log, and everything that its clients know about it.
struct World {
    site: Site,
    running: Option<Running>,
    /// Everything under the current id, also what can no longer be read.
    ever: BTreeMap<u64, Item>,
    /// What must be readable, unless retention removed it.
    firm: BTreeSet<u64>,
    /// Events that are not acknowledged.
    open: Option<(Seq, Seq)>,
    /// The newest number of each log.
    newest: HashMap<LogId, Seq>,
    readers: [Seq; 3],
    /// The disk rejects writes.
    broken: bool,
    /// The disk has rejected writes since the log was opened.
    was_broken: bool,
    count: usize,
}

impl World {
    fn new() -> Self {
        let mut site = Site::in_memory();
        site.size = 2 << 20;
        site.age = Duration::from_secs(300);
        std::fs::create_dir(site.root.path().join("real0")).expect("a directory");
        let mut world = Self {
            site,
            running: None,
            ever: BTreeMap::new(),
            firm: BTreeSet::new(),
            open: None,
            newest: HashMap::new(),
            readers: [Seq::BEFORE_FIRST; 3],
            broken: false,
            was_broken: false,
            count: 0,
        };
        world.point_at("real0");
        world.open();
        world
    }

    /// The history directory is a symbolic link, so that it can be replaced atomically.
    fn point_at(&self, name: &str) {
        let fresh = self.site.root.path().join("link");
        std::os::unix::fs::symlink(self.site.root.path().join(name), &fresh).expect("a link");
        std::fs::rename(fresh, self.site.dir()).expect("renamed");
    }

    fn real(&self) -> PathBuf {
        let newest = (0..=self.count).rev().map(|n| self.site.root.path().join(format!("real{n}")));
        { newest }.find(|dir| dir.exists()).expect("one")
    }

    fn open(&mut self) {
        let options = self.site.options(&self.site.dir());
        let Opened { running, repairs } = open_reserving(options, RESERVED_AHEAD).expect("opened");
        assert!(repairs.len() < 3, "{repairs:?}");
        self.running = Some(running);
        self.was_broken = false;
    }

    fn log(&self) -> Log {
        self.running.as_ref().expect("open").log().clone()
    }

    async fn take(&mut self, step: &Step) {
        let log = self.log();
        match step {
            Step::Append { count, len, flood } => {
                let messages: Vec<String> =
                    (0..*count).map(|n| self.message(n * len / count)).collect();
                if *flood {
                    self.flood(messages).await;
                } else {
                    self.append(messages).await;
                }
            }
            Step::AppendLong(count) => {
                let messages = (0..*count).map(|_| self.message(DRAFT_MAX)).collect();
                self.append(messages).await;
            }
            Step::Refuse(lost) => {
                log.append_refused(*lost);
                self.ever.insert(log.newest().seq.get(), Item::Refused(*lost));
            }
            Step::Sync(how) => self.sync(*how).await,
            Step::Read { reader, lines } => {
                self.read(*reader, *lines).await;
            }
            Step::CatchUp { reader } => while self.read(*reader, usize::MAX).await {},
            Step::Backward => self.backward().await,
            Step::Search { seconds } => self.search(*seconds).await,
            Step::Clock { seconds } => {
                self.site.step(*seconds);
            }
            Step::Restart => self.restart().await,
            Step::Kill => self.kill().await,
            Step::Break if !self.broken => {
                std::fs::write(self.site.root.path().join("file"), "").expect("written");
                self.point_at("file");
                self.only_acknowledged_is_firm();
                (self.broken, self.was_broken) = (true, true);
            }
            Step::Repair if self.broken => {
                self.repair();
            }
            Step::Break | Step::Repair => {}
        }
        let newest = self.log().newest();
        self.newest.insert(newest.log, newest.seq);
    }

    fn message(&mut self, len: usize) -> String {
        self.count += 1;
        let mut text = format!("{} ", self.count);
        // Control characters are the longest when they are encoded.
        let filler = if len == DRAFT_MAX { "\u{1}" } else { "x" };
        text.push_str(&filler.repeat(len.saturating_sub(text.len())));
        text
    }

    async fn append(&mut self, messages: Vec<String>) {
        let (first, last) = append(&self.log(), &messages).await;
        for (n, msg) in (first.get()..).zip(messages) {
            self.ever.insert(n, Item::Event(msg));
            if !self.was_broken {
                self.firm.insert(n);
            }
        }
        self.open = Some((self.open.map_or(first, |(first, _)| first), last));
    }

    async fn flood(&mut self, messages: Vec<String>) {
        let messages: Vec<String> = messages.iter().map(|msg| format!("{FLOOD}{msg}")).collect();
        let log = self.log().for_sender(Some(Sender::User(7)));
        let mut batch = Batch::default();
        for msg in &messages {
            let draft = Draft { msg: msg.into(), ..Draft::default() };
            batch.push(&draft, "t", br#"{"uid":7}"#);
        }
        let last = log.append_waiting(&batch).await;
        let first = seq(last.get() + 1 - messages.len() as u64);
        self.ever.extend((first.get()..).zip(messages.into_iter().map(Item::Event)));
        self.open = Some((self.open.map_or(first, |(first, _)| first), last));
    }

    async fn sync(&mut self, how: Durability) {
        let Some((first, last)) = self.open.take() else { return };
        let done = self.log().sync(first, last, how).await;
        assert!(done.is_ok() || self.was_broken, "{done:?}");
        if done.is_ok() {
            let events = self.ever.range(first.get()..=last.get());
            let events = events
                .filter(|(_, item)| matches!(item, Item::Event(msg) if !msg.starts_with(FLOOD)));
            self.firm.extend(events.map(|(n, _)| *n));
        }
    }

    /// Reads once. `false` at the end.
    async fn read(&mut self, which: usize, lines_used: usize) -> bool {
        let log = self.log();
        let mut reader = log.reader(self.readers[which]);
        let seen = match reader.read().await {
            Read::End => return false,
            Read::Gap(gap) => {
                reader.skip(gap);
                vec![Seen::Gap(gap)]
            }
            Read::Lines(chunk) => {
                let bytes: Vec<u8> = chunk.pieces.concat();
                let used = bytes.split_inclusive(|b| *b == b'\n').take(lines_used);
                let len = used.map(<[u8]>::len).sum();
                reader.advance(&chunk, len);
                assert!(chunk.len() < EXTENT_SIZE * 4);
                lines(&bytes[..len])
            }
        };
        self.check(self.readers[which].get() + 1, &seen);
        assert_eq!(reader.seen().get(), seen.last().expect("something").last());
        self.readers[which] = reader.seen();
        true
    }

    fn repair(&mut self) {
        let real = self.real();
        self.point_at(real.file_name().and_then(|name| name.to_str()).expect("a name"));
        self.broken = false;
    }

    async fn restart(&mut self) {
        let newest = self.log().newest();
        let closed = self.running.take().expect("open").close();
        assert!(closed.is_ok() || self.was_broken, "{closed:?}");
        if self.broken {
            self.repair();
        }
        self.open();
        // A sender syncs with the agent that accepted its events, or never.
        if closed.is_err() {
            self.only_acknowledged_is_firm();
        }
        self.open = None;
        if closed.is_ok() {
            let next = Cursor { seq: newest.seq.next(), ..newest };
            assert_eq!(self.log().newest(), next);
            let start = read_all(&self.log(), newest.seq.get()).await;
            assert_eq!(start, [clean_start(newest.seq.get())]);
        } else {
            self.reopened(newest.log).await;
        }
    }

    async fn kill(&mut self) {
        let id = self.log().newest().log;
        self.only_acknowledged_is_firm();
        self.count += 1;
        let (from, name) = (self.real(), format!("real{}", self.count));
        let to = self.site.root.path().join(&name);
        copy_dir(&from, &to);
        drop(self.running.take());
        self.point_at(&name);
        self.broken = false;
        self.open();
        self.reopened(id).await;
    }

    fn only_acknowledged_is_firm(&mut self) {
        let first = self.open.map_or(u64::MAX, |(first, _)| first.get());
        self.firm.split_off(&first);
    }

    /// After an unclean stop.
    async fn reopened(&mut self, id: LogId) {
        let log = self.log();
        let newest = log.newest();
        let before = self.newest.get(&newest.log).copied().unwrap_or(Seq::ZERO);
        assert!(newest.seq > before, "numbers of {} went back: {before} {newest}", newest.log);
        if newest.log != id {
            // To readers it is another log: they begin at the oldest line, after a gap `restart`.
            self.readers = [log.oldest().previous(); 3];
            self.ever.split_off(&(newest.seq.get() + 1));
        }
        let all = self.everything().await;
        self.check(log.oldest().get(), &all);
        let Some(Seen::Gap(gap)) = all.last() else { panic!("no gap: {:?}", all.last()) };
        assert_eq!((gap.last(), gap.lost), (newest.seq, None));
        self.open = None;
        self.firm = all
            .iter()
            .filter_map(|seen| match seen {
                Seen::Event(n, msg) if !msg.starts_with(FLOOD) => Some(*n),
                Seen::Event(..) | Seen::Gap(_) => None,
            })
            .collect();
    }

    /// All readers read to the end. Checks the files.
    async fn finish(mut self) {
        if self.broken {
            self.repair();
        }
        for reader in 0..3 {
            while self.read(reader, usize::MAX).await {}
        }
        let newest = self.log().newest().seq;
        assert!(self.readers.iter().all(|seen| *seen == newest));
        self.restart().await;
        drop(self.running.take());
        check_files(&self.real(), self.site.size);
    }
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("listed") {
        let entry = entry.expect("listed");
        // Retention may remove a file meanwhile.
        let _ = std::fs::copy(entry.path(), to.join(entry.file_name()));
    }
}

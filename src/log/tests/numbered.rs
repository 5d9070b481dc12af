//! Logs whose lines come with numbers.

use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::event::LogId;
use crate::log::{Numbered, open_numbered};

const ID: LogId = LogId::of_stream(7);

fn of_stream(keeps: bool, next: Seq) -> Log {
    let site = Site::new();
    open_numbered(site.options(&site.dir()), ID, next, keeps)
}

fn at(message: u64, line: u64) -> Seq {
    Seq::in_message(message, line).expect("small")
}

/// The lines of a message, of which those at `gaps` are gap lines.
fn message(number: u64, lines: std::ops::Range<u64>, gaps: &[u64], len: usize) -> Numbered {
    let time = Timestamp::from_micros(number as i64 * SECOND);
    let mut numbered = Numbered::new(time, at(number + 1, 0));
    for line in lines {
        let seq = at(number, line);
        let is_gap = gaps.contains(&line);
        numbered.push(seq, seq, is_gap, |out| {
            let text = if is_gap {
                let gap = Gap { after: seq.previous(), before: seq.next(), lost: None, why: Why::Upstream };
                let mut line = Vec::new();
                gap.encode(time, "web2", &mut line);
                String::from_utf8(line).expect("UTF-8")
            } else {
                format!(
                    "{{\"seq\":{seq},\"time\":\"{time}\",\"host\":\"web1\",\"tag\":\"t\",\"level\":\"info\",\
                     \"msg\":\"{}\"}}\n",
                    "x".repeat(len)
                )
            };
            out.extend_from_slice(text.as_bytes());
        });
    }
    numbered
}

/// The numbers after `seen`, and the gaps that are no lines.
async fn numbers_after(log: &Log, seen: Seq) -> (Vec<Seq>, Vec<Gap>) {
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    let mut reader = log.reader(seen);
    loop {
        match reader.read().await {
            Read::Lines(chunk) => {
                let lines: Vec<_> = chunk.lines_from(0).collect();
                found.extend(lines.iter().map(|placed| placed.line.last_seq()));
                // In two steps, as a sink whose client takes no more.
                let first = lines.first().expect("a line").end;
                reader.advance(&chunk, first);
                if first == chunk.len() {
                    continue;
                }
                assert_eq!(reader.seen().next(), lines[1].line.first_seq());
                reader.advance(&chunk, chunk.len());
            }
            Read::Gap(gap) => {
                gaps.push(gap);
                reader.skip(gap);
            }
            Read::End => {
                assert_eq!(reader.seen(), log.newest().seq);
                return (found, gaps);
            }
        }
    }
}

#[tokio::test]
async fn holes_are_no_loss_and_gap_lines_are_not_joined() {
    let log = of_stream(false, at(5, 0));
    assert_eq!((log.newest().log, log.newest().seq), (ID, at(5, 0).previous()));
    assert_eq!(numbers_after(&log, log.newest().seq).await, (vec![], vec![]));
    log.append_numbered(&message(5, 1..4, &[], 10)).await;
    // A message without lines, two after a hole, and gap lines side by side.
    log.append_numbered(&message(6, 0..0, &[], 10)).await;
    log.append_numbered(&message(90, 0..3, &[0, 2], 10)).await;
    log.append_numbered(&message(91, 0..2, &[0], 10)).await;
    let all = [at(5, 1), at(5, 2), at(5, 3), at(90, 0), at(90, 1), at(90, 2), at(91, 0), at(91, 1)];
    assert_eq!(log.newest().seq, at(92, 0).previous());
    // From every number, a line's or not.
    for seen in (at(5, 0).get() - 1..=at(7, 0).get()).chain(at(89, 0).get()..at(92, 0).get()) {
        let seen = seq(seen);
        let expected: Vec<_> = all.iter().copied().filter(|number| *number > seen).collect();
        assert_eq!(numbers_after(&log, seen).await, (expected, vec![]), "after {seen}");
    }
    for before in all.into_iter().chain([at(6, 7), at(50, 0), at(92, 0)]) {
        let mut backward = log.backward(before);
        let mut found = Vec::new();
        while let Some(block) = backward.read().await.expect("no history") {
            let lines: Vec<_> = crate::log::lines_of(&block).map(|line| line.last_seq()).collect();
            found.splice(0..0, lines);
        }
        let expected: Vec<_> = all.iter().copied().filter(|number| *number < before).collect();
        assert_eq!(found, expected, "before {before}");
    }
}

#[tokio::test]
async fn what_was_evicted_is_a_gap_of_unknown_count() {
    let log = of_stream(false, at(1, 0));
    for number in 1..100 {
        log.append_numbered(&message(number, 1..20, &[], 5000)).await;
    }
    let (found, gaps) = numbers_after(&log, at(1, 0)).await;
    let [gap] = gaps[..] else { panic!("one gap: {gaps:?}") };
    assert_eq!((gap.after, gap.lost, gap.why), (at(1, 0), None, Why::Retention));
    assert_eq!(gap.before, log.oldest());
    assert_eq!(found.last(), Some(&at(99, 19)));
    assert!(found[0] >= gap.before && found.len() < 99 * 19);
    // Within the hole before the first line, nothing is missing.
    assert_eq!(numbers_after(&log, log.oldest().previous()).await, (found, vec![]));
}

#[tokio::test]
async fn a_log_that_keeps_waits_for_its_reader() {
    let log = of_stream(true, at(1, 0));
    let writer = log.clone();
    let append = async move {
        for number in 1..100 {
            writer.append_numbered(&message(number, 1..20, &[], 5000)).await;
        }
    };
    let mut append = std::pin::pin!(append);
    assert!(timeout(Duration::from_millis(50), &mut append).await.is_err(), "it is full");
    let (mut found, mut reader) = (Vec::new(), log.reader(at(1, 0)));
    let read = async {
        while found.len() < 99 * 19 {
            reader.wait().await;
            match reader.read().await {
                Read::Lines(chunk) => {
                    found.extend(chunk.lines_from(0).map(|placed| placed.line.last_seq()));
                    reader.advance(&chunk, chunk.len());
                    log.release_before(reader.seen().next());
                }
                Read::Gap(gap) => panic!("{gap:?}"),
                Read::End => {}
            }
        }
    };
    tokio::join!(read, append);
    let expected: Vec<_> =
        (1..100).flat_map(|number| (1..20).map(move |line| at(number, line))).collect();
    assert_eq!(found, expected);
}

//! The check of the benchmark: it notices each message that is lost, repeated, changed or out of order.

use std::sync::Arc;

#[path = "../../benches/pulse/check.rs"]
mod check;

use check::{Check, Expected, Numbers, Part};

/// A number, and a time that is not compared.
const HEAD: &[Part] = &[Part::Text(b"{\"seq\":"), Part::Number, Part::Text(b"@"), Part::Skip(3)];

/// What may come between messages.
const NOISE: &[&[Part]] = &[&[Part::Text(b"PING"), Part::Line]];

/// The number of the first message.
const FIRST: u64 = 98;

/// Frames in a test: more than a sender has different messages.
const COUNT: usize = 20;

/// What a sender sends again and again. The second message is not delivered.
fn messages(sender: char) -> Expected {
    let text = |n: usize| format!(" {sender}: query {n} took {n}ms\n").into_bytes();
    Arc::new((0..7).map(|n| if n == 1 { Vec::new() } else { text(n) }).collect())
}

/// What a follower of these senders, who take turns, receives.
fn frames(senders: &[char]) -> Vec<Vec<u8>> {
    let delivered = senders.iter().map(|sender| {
        let texts: Vec<_> =
            messages(*sender).iter().filter(|text| !text.is_empty()).cloned().collect();
        texts.into_iter().cycle()
    });
    let mut delivered: Vec<_> = delivered.collect();
    let mut frame = |at: usize| {
        let turn = at % delivered.len();
        let text = delivered[turn].next().expect("without end");
        let head = format!("{{\"seq\":{}@{:03}", FIRST + at as u64, 7 * at);
        [head.into_bytes(), text].concat()
    };
    (0..COUNT).map(&mut frame).collect()
}

/// `Ok` if the check accepts all, which arrives byte by byte. What it has passed otherwise.
fn follow(senders: &[char], numbers: Numbers, frames: &[Vec<u8>]) -> Result<u64, String> {
    let expected: Vec<Expected> = senders.iter().map(|sender| messages(*sender)).collect();
    let mut check = Check::new(HEAD, NOISE, &expected, numbers);
    let bytes = frames.concat();
    let mut from = 0;
    for end in 0..=bytes.len() {
        from += check.check(&bytes[from..end]).map_err(|unexpected| unexpected.to_string())?;
    }
    assert_eq!(from, bytes.len());
    Ok(check.passed())
}

#[test]
fn accepts_what_was_sent() {
    for numbers in [Numbers::Any, Numbers::From(FIRST), Numbers::After(FIRST - 1)] {
        // With those that are not delivered: one after each first of six.
        assert_eq!(follow(&['a'], numbers, &frames(&['a'])), Ok(COUNT as u64 + 4));
        assert!(follow(&['a', 'b'], numbers, &frames(&['a', 'b'])).is_ok());
    }
    let mut noisy = frames(&['a']);
    noisy.insert(0, b"PING\r\n".to_vec());
    noisy.insert(9, b"PING 12\n".to_vec());
    assert!(follow(&['a'], Numbers::Any, &noisy).is_ok());
}

#[test]
fn notices_each_fault_at_each_place() {
    for senders in [&['a'][..], &['a', 'b']] {
        let sent = frames(senders);
        // The last one that is lost shows by the missing end, not here.
        for at in 0..COUNT - 1 {
            let fault = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
                let mut frames = sent.clone();
                change(&mut frames);
                let found = follow(senders, Numbers::From(FIRST), &frames);
                assert!(found.is_err(), "{at}: {}", String::from_utf8_lossy(&frames.concat()));
            };
            fault(&|frames| drop(frames.remove(at)));
            fault(&|frames| frames.insert(at, frames[at].clone()));
            fault(&|frames| frames.swap(at, at + 1));
            fault(&|frames| frames[at].insert(0, b'x'));
            for byte in 0..sent[at].len() {
                // The time is not compared.
                let head = sent[at].iter().position(|b| *b == b'@').expect("a head");
                if !(head + 1..head + 4).contains(&byte) {
                    fault(&|frames| frames[at][byte] ^= 1);
                }
            }
        }
    }
}

#[test]
fn notices_messages_without_numbers_out_of_order() {
    let delivered = messages('a');
    let delivered = delivered.iter().filter(|text| !text.is_empty()).cloned();
    let texts: Vec<Vec<u8>> =
        delivered.collect::<Vec<_>>().into_iter().cycle().take(COUNT).collect();
    let accepts = |texts: &[Vec<u8>]| {
        let mut check = Check::new(&[], NOISE, &[messages('a')], Numbers::Any);
        check.check(&texts.concat()).is_ok()
    };
    assert!(accepts(&texts));
    for at in 0..COUNT - 1 {
        let (mut lost, mut repeated, mut moved) = (texts.clone(), texts.clone(), texts.clone());
        lost.remove(at);
        repeated.insert(at, texts[at].clone());
        moved.swap(at, at + 1);
        assert!(!accepts(&lost) && !accepts(&repeated) && !accepts(&moved), "{at}");
    }
}

#[test]
fn reads_numbers_of_a_fixed_length() {
    let head = &[Part::Padded];
    let follow = |numbers: &[&str]| {
        let mut check = Check::new(head, NOISE, &[messages('a')], Numbers::Any);
        let texts = messages('a');
        let texts = texts.iter().filter(|text| !text.is_empty());
        let all: Vec<u8> = numbers
            .iter()
            .zip(texts)
            .flat_map(|(number, text)| [number.as_bytes(), text].concat())
            .collect();
        check.check(&all).is_ok()
    };
    assert!(follow(&["0000000000000041", "0000000000000042"]));
    assert!(!follow(&["0000000000000041", "0000000000000043"]));
    assert!(!follow(&["0000000000000041", "0000000000000041"]));
}

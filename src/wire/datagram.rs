//! The agent's decoder of datagrams: each is one syslog message.

use super::syslog::Syslog;
use crate::event::{DRAFT_MAX, Draft};

/// The most that is read of one datagram, in bytes: the longest message, and its line end or octet count.
pub const DATAGRAM_MAX: usize = DRAFT_MAX + 64;

/// Decodes datagrams, of which none depends on another one.
///
/// ```
/// use pulsed::wire::DatagramDecoder;
///
/// let mut decoder = DatagramDecoder::for_host("web1");
/// let draft = decoder.decode(b"<13>Nov 27 02:20:48 shop[9]: two\nlines\n", false).expect("a message");
/// assert_eq!(draft.msg, "two\nlines");
/// assert!(decoder.decode(b"\n", false).is_none());
/// ```
#[derive(Debug)]
pub struct DatagramDecoder {
    syslog: Syslog,
}

impl DatagramDecoder {
    /// A decoder on the machine `host`, whose name it recognizes in messages.
    pub fn for_host(host: &str) -> Self {
        Self { syslog: Syslog::with_host(host.into()) }
    }

    /// Decodes one datagram. `cut`: it was longer than what was read of it. `None` if it is empty.
    pub fn decode<'b>(&mut self, bytes: &'b [u8], cut: bool) -> Option<Draft<'b>> {
        self.syslog.datagram(bytes, cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Level, Value};

    fn decode(bytes: &[u8]) -> Option<Draft<'_>> {
        DatagramDecoder::for_host("web1").decode(bytes, false)
    }

    fn repaired(draft: &Draft<'_>) -> Option<String> {
        let field = draft.fields.iter().find(|field| field.name == "repaired")?;
        let Value::Text(repairs) = &field.value else { panic!("{field:?}") };
        Some(repairs.clone().into_owned())
    }

    #[test]
    fn is_one_message_however_it_is_framed() {
        for (bytes, msg) in [
            (&b"<13>shop: one"[..], "one"),
            (b"<13>shop: one\n", "one"),
            (b"<13>shop: one\r\n", "one"),
            (b"<13>shop: one\0", "one"),
            (b"<13>shop: one\n\0", "one"),
            (b"\n \0\xef\xbb\xbf<13>shop: one", "one"),
            (b"<13>shop: one\ntwo\n<14>three", "one\ntwo\n<14>three"),
            (b"<13>shop: one\0two", "one\0two"),
            (b"13 <13>shop: one", "one"),
            (b"14 <13>shop: one\n", "one"),
        ] {
            let draft = decode(bytes).expect("a message");
            assert_eq!((&*draft.msg, repaired(&draft)), (msg, None), "{bytes:?}");
            assert_eq!(draft.tag.as_ref().map(|tag| tag.as_str()), Some("shop"), "{bytes:?}");
        }
        for empty in [&b""[..], b"\n", b"\0", b" \r\n\0"] {
            assert!(decode(empty).is_none(), "{empty:?}");
        }
    }

    #[test]
    fn a_number_that_is_no_count_is_text() {
        for text in ["12 <13>shop: one", "15 <13>shop: one", "404 not found"] {
            assert_eq!(decode(text.as_bytes()).expect("a message").msg, text);
        }
    }

    #[test]
    fn nothing_is_inherited_from_the_datagram_before() {
        let mut decoder = DatagramDecoder::for_host("web1");
        let header = b"<35>Nov 27 02:20:48 db1 shop[7]: broken";
        let first = decoder.decode(header, false).expect("a message");
        assert_eq!(first.level, Level::Err);
        let names: Vec<_> = first.fields.iter().map(|field| &*field.name).collect();
        assert_eq!(names, ["facility", "host", "pid", "sent"]);
        let second = decoder.decode(b"without a priority", false).expect("a message");
        assert_eq!((&second.tag, second.level), (&None, Level::default()));
        assert!(second.fields.is_empty(), "{second:?}");
    }

    #[test]
    fn long_ones_are_cut_at_a_character() {
        let head = b"<13>shop: ";
        let message = |len: usize| [&head[..], &b"x".repeat(len - head.len())].concat();
        let longest = message(DRAFT_MAX);
        assert_eq!(repaired(&decode(&longest).expect("a message")), None);
        let with_end = [&longest[..], b"\r\n\0"].concat();
        assert_eq!(repaired(&decode(&with_end).expect("a message")), None);
        let longer = message(DRAFT_MAX + 1);
        let draft = decode(&longer).expect("a message");
        assert_eq!(draft.msg.len(), DRAFT_MAX - head.len());
        assert_eq!(repaired(&draft).as_deref(), Some("cut"));
        let split = [&message(DRAFT_MAX - 1)[..], "é".as_bytes()].concat();
        let draft = decode(&split).expect("a message");
        assert_eq!(draft.msg.len(), DRAFT_MAX - 1 - head.len());
        assert_eq!(repaired(&draft).as_deref(), Some("cut"));
        let mut decoder = DatagramDecoder::for_host("web1");
        let draft = decoder.decode(&longest, true).expect("a message");
        assert_eq!(repaired(&draft).as_deref(), Some("cut"), "the kernel has cut it");
    }
}

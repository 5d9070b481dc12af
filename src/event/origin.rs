//! Origins: what the agent verified about a sender.

use super::json;

/// The client that connected, as the kernel (Unix socket) or the agent (TCP bridge) verified it. A
/// sender can claim none of it. What could not be verified is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The process.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: Option<u32>,
    /// The name of that user.
    pub user: Option<String>,
    /// The command name of the process, at most 15 bytes (proc(5)).
    pub comm: Option<String>,
    /// The systemd unit that the process belongs to.
    pub unit: Option<String>,
    /// The address of a TCP peer.
    pub addr: Option<String>,
    /// The name of the token that authenticated a TCP peer.
    pub token: Option<String>,
    /// The number of the connection, from 1 at each start of the agent. Only connections that begin
    /// runs have one, and only their events with a run carry it.
    pub conn: Option<u64>,
}

impl Origin {
    /// Appends the JSON object, or nothing if every part is `None`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let texts = [
            ("user", &self.user),
            ("comm", &self.comm),
            ("unit", &self.unit),
            ("addr", &self.addr),
            ("token", &self.token),
        ];
        let mut open = b'{';
        encode_number(out, &mut open, "pid", self.pid.map(u64::from));
        encode_number(out, &mut open, "uid", self.uid.map(u64::from));
        for (name, text) in texts {
            if let Some(text) = text {
                json::member(out, &mut open, name);
                json::string(out, text);
            }
        }
        encode_number(out, &mut open, "conn", self.conn);
        if open == b',' {
            out.push(b'}');
        }
    }
}

fn encode_number(out: &mut Vec<u8>, open: &mut u8, name: &str, number: Option<u64>) {
    if let Some(number) = number {
        json::member(out, open, name);
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn omits_unknown_parts() {
        let mut out = Vec::new();
        Origin::default().encode(&mut out);
        assert_eq!(out, b"");
        let origin = Origin { uid: Some(33), comm: Some("a\"b".into()), ..Origin::default() };
        origin.encode(&mut out);
        assert_eq!(out, br#"{"uid":33,"comm":"a\"b"}"#);
    }

    #[test]
    fn the_connection_number_is_the_last_member() {
        let mut out = Vec::new();
        Origin { conn: Some(u64::MAX), ..Origin::default() }.encode(&mut out);
        assert_eq!(out, br#"{"conn":18446744073709551615}"#);
        out.clear();
        let origin =
            Origin { pid: Some(1), token: Some("t".into()), conn: Some(7), ..Origin::default() };
        origin.encode(&mut out);
        assert_eq!(out, br#"{"pid":1,"token":"t","conn":7}"#);
    }
}

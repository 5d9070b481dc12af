//! What is vouched for about a sender.

use super::json;

/// Who connected, as the kernel says it for the Unix socket and the agent for the TCP bridge. A
/// sender can never claim any of it. What could not be verified is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The process that connected.
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
    /// The name of the token that a TCP peer gave.
    pub token: Option<String>,
}

impl Origin {
    /// Appends the JSON object, or nothing when nothing is known.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let numbers = [("pid", self.pid), ("uid", self.uid)];
        let texts = [
            ("user", &self.user),
            ("comm", &self.comm),
            ("unit", &self.unit),
            ("addr", &self.addr),
            ("token", &self.token),
        ];
        let mut open = b'{';
        for (name, number) in numbers {
            if let Some(number) = number {
                json::member(out, &mut open, name);
                out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
        }
        for (name, text) in texts {
            if let Some(text) = text {
                json::member(out, &mut open, name);
                json::string(out, text);
            }
        }
        if open == b',' {
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_absent() {
        let mut out = Vec::new();
        Origin::default().encode(&mut out);
        assert_eq!(out, b"");
        let origin = Origin { uid: Some(33), comm: Some("a\"b".into()), ..Origin::default() };
        origin.encode(&mut out);
        assert_eq!(out, br#"{"uid":33,"comm":"a\"b"}"#);
    }
}

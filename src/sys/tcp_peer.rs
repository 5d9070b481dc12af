//! The user of a local TCP peer, by the kernel's socket diagnostics (sock_diag(7)).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// `SOCK_DIAG_BY_FAMILY` (linux/sock_diag.h).
const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// `NLMSG_ERROR` (netlink(7)).
const NLMSG_ERROR: u16 = 2;

/// `NLM_F_REQUEST` (netlink(7)).
const NLM_F_REQUEST: u16 = 1;

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// The size of `struct nlmsghdr`, in bytes.
const HEADER: usize = 16;

/// The size of `struct inet_diag_req_v2`, in bytes.
const REQUEST: usize = 56;

/// The offset of `idiag_uid` in `struct inet_diag_msg`, in bytes.
const UID: usize = 64;

/// The offset of `idiag_inode` in `struct inet_diag_msg`, in bytes.
const INODE: usize = 68;

/// Returns the uid of the process that opened the other end of a TCP connection between two addresses of this machine.
/// `peer` is that other end, `local` the agent's.
///
/// # Errors
/// Those of socket(2), and [`io::ErrorKind::NotFound`] if no process holds that socket: it is closed, or in another network
/// namespace.
pub fn uid(peer: SocketAddr, local: SocketAddr) -> io::Result<u32> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    let kernel = NetlinkAddr::new(0, 0);
    sendto(socket.as_raw_fd(), &request(peer, local), &kernel, MsgFlags::empty())?;
    reply(&socket)
}

fn request(peer: SocketAddr, local: SocketAddr) -> Vec<u8> {
    // A socket that accepts both families has IPv4 peers as mapped addresses, and they are IPv4 sockets themselves.
    let (peer_ip, local_ip) = (peer.ip().to_canonical(), local.ip().to_canonical());
    let family = match peer_ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let length = (HEADER + REQUEST) as u32;
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    // Sequence and sender.
    bytes.extend([0; 8]);
    // No extensions.
    bytes.extend([family as u8, TCP, 0, 0]);
    // Any state.
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(peer.port().to_be_bytes());
    bytes.extend(local.port().to_be_bytes());
    push_address(peer_ip, &mut bytes);
    push_address(local_ip, &mut bytes);
    // Any interface, no cookie.
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend([0xff; 8]);
    bytes
}

fn push_address(ip: IpAddr, bytes: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(v4) => {
            bytes.extend(v4.octets());
            bytes.extend([0; 12]);
        }
        IpAddr::V6(v6) => bytes.extend(v6.octets()),
    }
}

fn reply(socket: &OwnedFd) -> io::Result<u32> {
    let mut buffer = [0; 512];
    let len = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    let message = &buffer[..len];
    let kind = message.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
    let word = |at: usize| message.get(at..at + 4).and_then(|word| <[u8; 4]>::try_from(word).ok());
    match kind {
        Some(SOCK_DIAG_BY_FAMILY) => {
            let number = |at: usize| word(at).map(u32::from_ne_bytes);
            match (number(HEADER + UID), number(HEADER + INODE)) {
                // Once its process has closed it, a socket has no inode, and its uid may read 0 for any user.
                (Some(_), Some(0)) => Err(io::ErrorKind::NotFound.into()),
                (Some(uid), Some(_)) => Ok(uid),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Some(NLMSG_ERROR) => {
            let errno = word(HEADER).map_or(0, i32::from_ne_bytes);
            Err(io::Error::from_raw_os_error(-errno))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::geteuid;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn finds_the_user_of_a_local_peer() {
        for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = listener.local_addr().expect("bound").port();
            let target = if address == "[::1]:0" { "[::1]" } else { "127.0.0.1" };
            let _client = TcpStream::connect(format!("{target}:{port}")).expect("connected");
            let (accepted, peer) = listener.accept().expect("accepted");
            let local = accepted.local_addr().expect("known");
            assert_eq!(uid(peer, local).expect("found"), geteuid().as_raw(), "{address}");
        }
    }

    #[test]
    fn a_socket_that_its_user_has_closed_has_no_uid() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (accepted, peer) = listener.accept().expect("accepted");
        let local = accepted.local_addr().expect("known");
        drop(client);
        let error = uid(peer, local).expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn reports_a_socket_that_does_not_exist() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let error = uid(address(1), address(2)).expect_err("not there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

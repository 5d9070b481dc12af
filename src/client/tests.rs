use super::*;
use crate::wire::Code;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(20);

/// A connection, and the other end of it.
fn pair(timeout: Duration) -> (Connection, UnixStream, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).expect("bound");
    let connection = Connection::open(&Address::Local(Some(path)), timeout).expect("listening");
    let (peer, _) = listener.accept().expect("accepted");
    (connection, peer, dir)
}

#[test]
fn answers_come_whole_in_order_and_then_the_end() {
    let (mut connection, mut peer, _dir) = pair(LONG);
    connection.write(b"PING\n").expect("written");
    let mut asked = [0; 5];
    peer.read_exact(&mut asked).expect("read");
    assert_eq!(&asked, b"PING\n");
    let writer = thread::spawn(move || {
        for piece in ["OK 7f3a", "9c21-1042\nERR 65 no", " good\n"] {
            peer.write_all(piece.as_bytes()).expect("written");
        }
    });
    assert!(matches!(connection.answer(), Ok(Some(Answer::Ok("7f3a9c21-1042")))));
    assert!(matches!(
        connection.answer(),
        Ok(Some(Answer::Err { code: Code::Data, why: "no good" }))
    ));
    writer.join().expect("joined");
    assert!(matches!(connection.answer(), Ok(None)));
}

#[test]
fn an_answer_is_waited_for_only_so_long() {
    let (mut connection, mut peer, _dir) = pair(SHORT);
    let error = connection.answer().expect_err("silence");
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    assert_eq!(error.code(), Code::Later);
    // And it may be asked again.
    peer.write_all(b"OK 00000000-1\n").expect("written");
    connection.set_timeout(Some(LONG)).expect("set");
    assert!(matches!(connection.answer(), Ok(Some(Answer::Ok("00000000-1")))));
}

#[test]
fn an_answer_that_trickles_has_the_same_bound() {
    let (mut connection, mut peer, _dir) = pair(Duration::from_millis(100));
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let trickle = thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(5)).is_err() {
            if peer.write_all(b"O").is_err() {
                break;
            }
        }
    });
    let error = connection.answer().expect_err("never a whole line");
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    stop.send(()).expect("waiting");
    trickle.join().expect("joined");
}

#[test]
fn a_write_that_nobody_reads_has_a_bound() {
    let (mut connection, peer, _dir) = pair(SHORT);
    let error = connection.write(&vec![b'x'; 8 << 20]).expect_err("full");
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    drop(peer);
    let error = connection.write(b"x").expect_err("gone");
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
    assert_eq!(error.code(), Code::Unavailable);
}

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
fn reads_answers_in_order_up_to_the_end() {
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
fn a_missing_answer_times_out() {
    let (mut connection, mut peer, _dir) = pair(SHORT);
    let error = connection.answer().expect_err("silence");
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    assert_eq!(error.code(), Code::Later);
    // It can be called again.
    peer.write_all(b"OK 00000000-1\n").expect("written");
    connection.set_timeout(Some(LONG)).expect("set");
    assert!(matches!(connection.answer(), Ok(Some(Answer::Ok("00000000-1")))));
}

#[test]
fn a_trickling_answer_times_out() {
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
fn a_blocked_write_times_out() {
    let (mut connection, peer, _dir) = pair(SHORT);
    let error = connection.write(&vec![b'x'; 8 << 20]).expect_err("full");
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    drop(peer);
    let error = connection.write(b"x").expect_err("gone");
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
    assert_eq!(error.code(), Code::Unavailable);
}

#[cfg(feature = "tls")]
mod under_tls {
    use super::*;
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, ServerConnection};
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;

    /// A certificate for 127.0.0.1 that is its own CA, and its key, made by openssl(1).
    fn certificate(dir: &Path) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let config = "[req]\ndistinguished_name=n\nx509_extensions=e\n[n]\n[e]\n\
            basicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1\n";
        std::fs::write(dir.join("config"), config).expect("ours");
        let words = "req -config config -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
            -keyout key.pem -out cert.pem -subj /CN=x -days 9";
        let mut command = Command::new("openssl");
        let done = command.args(words.split_whitespace()).current_dir(dir).output();
        assert!(done.expect("openssl is installed: tests/run does it").status.success());
        let cert = CertificateDer::from_pem_file(dir.join("cert.pem")).expect("a certificate");
        (cert, PrivateKeyDer::from_pem_file(dir.join("key.pem")).expect("a key"))
    }

    /// An authenticated connection and its other end.
    fn pair(timeout: Duration) -> (Connection, ServerConnection, TcpStream) {
        let dir = tempfile::tempdir().expect("a directory");
        let (cert, key) = certificate(dir.path());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider's")
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .expect("a pair");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = listener.local_addr().expect("bound").to_string().parse().expect("one");
        let serving = thread::spawn(move || {
            let (mut tcp, _) = listener.accept().expect("accepted");
            let mut session = ServerConnection::new(Arc::new(config)).expect("sound");
            let mut heard = Vec::new();
            while !heard.ends_with(b"\n") {
                session.complete_io(&mut tcp).expect("a client");
                let _ = session.reader().read_to_end(&mut heard);
            }
            assert_eq!(heard, b"AUTH s3cret\n");
            session.writer().write_all(b"OK bridge\n").expect("buffered");
            session.complete_io(&mut tcp).expect("a client");
            (session, tcp)
        });
        let token = dir.path().join("token");
        std::fs::write(&token, "s3cret\n").expect("ours");
        let ca = dir.path().join("cert.pem");
        let address = Address::new(None, Some(&server), Some(&ca), Some(&token)).expect("a token");
        let mut connection = Connection::open(&address, LONG).expect("authenticated");
        let (session, tcp) = serving.join().expect("joined");
        connection.set_timeout(Some(timeout)).expect("set");
        (connection, session, tcp)
    }

    /// The TLS record of a text.
    fn record(session: &mut ServerConnection, text: &str) -> Vec<u8> {
        let mut record = Vec::new();
        session.writer().write_all(text.as_bytes()).expect("buffered");
        session.write_tls(&mut record).expect("memory");
        record
    }

    #[test]
    fn resumes_a_record_after_a_timeout() {
        let (mut connection, mut session, mut tcp) = pair(SHORT);
        let record = record(&mut session, "OK 00000000-1\n");
        for piece in record[..record.len() - 1].chunks(record.len() / 3) {
            tcp.write_all(piece).expect("written");
            let error = connection.answer().expect_err("half a record");
            assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
        }
        tcp.write_all(&record[record.len() - 1..]).expect("written");
        connection.set_timeout(Some(LONG)).expect("set");
        assert!(matches!(connection.answer(), Ok(Some(Answer::Ok("00000000-1")))));
    }

    #[test]
    fn a_trickling_record_times_out() {
        let (mut connection, mut session, mut tcp) = pair(Duration::from_millis(100));
        let record = record(&mut session, &"x".repeat(10_000));
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let trickle = thread::spawn(move || {
            for byte in record {
                if stopped.recv_timeout(Duration::from_millis(5)).is_ok()
                    || tcp.write_all(&[byte]).is_err()
                {
                    break;
                }
            }
        });
        let error = connection.answer().expect_err("never a whole record");
        assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
        stop.send(()).expect("waiting");
        trickle.join().expect("joined");
    }

    #[test]
    fn ends_with_and_without_close_notify() {
        for notify in [true, false] {
            let (mut connection, mut session, mut tcp) = pair(LONG);
            // More than one read returns: the rest within TLS is not lost at the end.
            let lines = "{}\n".repeat(READ_MIN);
            tcp.write_all(&record(&mut session, &lines)).expect("written");
            if notify {
                session.send_close_notify();
                session.complete_io(&mut tcp).expect("written");
            }
            drop(tcp);
            for _ in 0..READ_MIN {
                assert!(matches!(connection.answer(), Ok(Some(Answer::Line("{}")))));
            }
            assert!(matches!(connection.answer(), Ok(None)));
        }
    }

    #[test]
    fn a_blocked_write_times_out() {
        let (mut connection, _session, tcp) = pair(SHORT);
        let error = connection.write(&vec![b'x'; 32 << 20]).expect_err("full");
        assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
        drop(tcp);
    }

    #[test]
    fn sends_close_notify() {
        let (connection, mut session, mut tcp) = pair(LONG);
        drop(connection);
        while session.read_tls(&mut tcp).expect("the end") > 0 {
            let state = session.process_new_packets().expect("sound");
            if state.peer_has_closed() {
                return;
            }
        }
        panic!("no close_notify");
    }
}

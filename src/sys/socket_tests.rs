use std::os::unix::net::{UnixDatagram, UnixStream};

use super::*;

const OPEN: Permissions = Permissions { mode: 0o666, owner: None, group: None };

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pulsed.sock");
    (dir, path)
}

/// Leaves a socket as a killed agent does. It never had a listener, which a child forked by another test
/// could keep alive.
fn leave_dead(path: &Path) {
    let socket = new_socket(SockType::Stream).expect("a socket");
    socket::bind(socket.as_raw_fd(), &UnixAddr::new(path).expect("short")).expect("bound");
}

#[test]
fn listens_with_its_mode_and_is_removed() {
    let (_dir, path) = place();
    for mode in [0o600, 0o666, 0o660] {
        let (listener, file) = bind(&path, Permissions { mode, ..OPEN }).expect("bound");
        assert_eq!(metadata(&path).expect("there").expect("there").mode() & 0o7777, mode);
        assert_eq!(file.path(), path);
        let error = listener.accept().expect_err("it does not block");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        UnixStream::connect(&path).expect("connected");
        listener.accept().expect("accepted");
        drop((listener, file));
        assert!(!path.exists());
    }
}

#[test]
fn sets_owner_and_group() {
    let (_dir, path) = place();
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    // Only root can give a socket away.
    let (owner, group) = if uid.is_root() { (1, 2) } else { (uid.as_raw(), gid.as_raw()) };
    let given = Permissions { mode: 0o620, owner: Some(owner), group: Some(group) };
    let (_listener, _file) = bind(&path, given).expect("bound");
    let meta = metadata(&path).expect("there").expect("there");
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (owner, group, 0o620));
}

#[test]
fn replaces_a_dead_socket() {
    let (_dir, path) = place();
    leave_dead(&path);
    assert!(path.exists());
    let (_listener, _file) = bind(&path, OPEN).expect("bound");
    UnixStream::connect(&path).expect("connected");
}

#[test]
fn refuses_a_live_socket_and_names_its_process() {
    let (_dir, path) = place();
    let (listener, file) = bind(&path, OPEN).expect("bound");
    let error = bind(&path, OPEN).expect_err("taken");
    let me = std::process::id();
    assert!(matches!(error, BindError::Running { pid: Some(pid), .. } if pid == me), "{error}");
    assert!(error.to_string().contains(&format!("(pid {me})")), "{error}");
    UnixStream::connect(&path).expect("the first still listens");
    drop((listener, file));

    // The same without a lock file.
    let _foreign = UnixListener::bind(&path).expect("bound");
    let error = bind(&path, OPEN).expect_err("taken");
    assert!(matches!(error, BindError::Running { pid: Some(pid), .. } if pid == me), "{error}");
}

#[test]
fn a_full_accept_queue_is_alive() {
    let (_dir, path) = place();
    let socket = new_socket(SockType::Stream).expect("a socket");
    socket::bind(socket.as_raw_fd(), &UnixAddr::new(&path).expect("short")).expect("bound");
    socket::listen(&socket, Backlog::new(0).expect("small")).expect("listens");
    let mut waiting = Vec::new();
    loop {
        let client = new_socket(SockType::Stream).expect("a socket");
        let address = UnixAddr::new(&path).expect("short");
        match socket::connect(client.as_raw_fd(), &address) {
            Ok(()) => waiting.push(client),
            Err(error) => break assert_eq!(error, Errno::EAGAIN),
        }
    }
    assert!(matches!(bind(&path, OPEN), Err(BindError::Running { pid: None, .. })));
    assert!(path.exists());
}

#[test]
fn one_of_many_concurrent_binds_succeeds() {
    let (_dir, path) = place();
    leave_dead(&path);
    let start = std::sync::Barrier::new(8);
    let bound: Vec<_> = std::thread::scope(|scope| {
        let begin = || {
            start.wait();
            bind(&path, OPEN)
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(bound.iter().filter(|result| result.is_ok()).count(), 1);
    let mut refused = bound.iter().filter_map(|result| result.as_ref().err());
    assert!(refused.all(|error| matches!(error, BindError::Running { .. })), "{bound:?}");
    UnixStream::connect(&path).expect("connected");
}

#[test]
fn leaves_other_files_alone() {
    let (dir, path) = place();
    fs::write(&path, "precious").expect("written");
    assert!(matches!(bind(&path, OPEN), Err(BindError::Occupied { .. })));
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");

    let link = dir.path().join("link.sock");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    assert!(matches!(bind(&link, OPEN), Err(BindError::Occupied { .. })));

    let datagram = dir.path().join("datagram.sock");
    let _socket = UnixDatagram::bind(&datagram).expect("bound");
    assert!(matches!(bind(&datagram, OPEN), Err(BindError::Occupied { .. })));
}

#[test]
fn binds_datagrams_as_streams() {
    let (dir, path) = place();
    let send = || UnixDatagram::unbound().and_then(|socket| socket.send_to(b"one", &path));
    drop(UnixDatagram::bind(&path).expect("bound"));
    for mode in [0o600, 0o666] {
        let permissions = Permissions { mode, ..OPEN };
        let (socket, file) = bind_datagram(&path, permissions).expect("a dead one is replaced");
        assert_eq!(metadata(&path).expect("there").expect("there").mode() & 0o7777, mode);
        send().expect("sent");
        assert_eq!(socket.recv(&mut [0; 8]).expect("received"), 3);
        let error = socket.recv(&mut [0; 8]).expect_err("it does not block");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);

        let error = bind_datagram(&path, OPEN).expect_err("taken");
        assert!(matches!(error, BindError::Running { pid: Some(_), .. }), "{error}");
        assert!(error.to_string().contains("syslog.path"), "{error}");
        send().expect("the first still receives");
        drop((socket, file));
        assert!(!path.exists());
    }
    // The same without a lock file.
    let _foreign = UnixDatagram::bind(&path).expect("bound");
    assert!(matches!(bind_datagram(&path, OPEN), Err(BindError::Running { .. })));
    let stream = dir.path().join("stream.sock");
    let _listener = UnixListener::bind(&stream).expect("bound");
    assert!(matches!(bind_datagram(&stream, OPEN), Err(BindError::Occupied { .. })));
}

#[test]
fn does_not_remove_a_replaced_file() {
    let (_dir, path) = place();
    let (_listener, file) = bind(&path, OPEN).expect("bound");
    // Created beside the old one, so that it has another inode.
    let other = path.with_extension("other");
    let _foreign = UnixListener::bind(&other).expect("bound");
    fs::rename(&other, &path).expect("replaced");
    drop(file);
    assert!(path.exists());
}

#[test]
fn errors_name_the_path() {
    let (dir, _) = place();
    let lost = dir.path().join("missing/pulsed.sock");
    let error = bind(&lost, OPEN).expect_err("there is no such directory");
    assert!(error.to_string().contains("missing"), "{error}");

    let too_long = dir.path().join("a".repeat(PATH_MAX));
    assert!(matches!(bind(&too_long, OPEN), Err(BindError::Io { .. })));
    let longest = PATH_MAX - dir.path().as_os_str().len() - 1;
    bind(&dir.path().join("a".repeat(longest)), OPEN).expect("the longest is not too long");
}

#[test]
fn creates_the_default_directory_regardless_of_the_umask() {
    let (dir, _) = place();
    let made = dir.path().join("pulsed");
    create_directory(&made).expect("made");
    assert_eq!(fs::metadata(&made).expect("there").mode() & 0o777, 0o755);
    fs::set_permissions(&made, fs::Permissions::from_mode(0o700)).expect("closed");
    create_directory(&made).expect("it is there");
    assert_eq!(fs::metadata(&made).expect("there").mode() & 0o777, 0o700, "left as it was");
}

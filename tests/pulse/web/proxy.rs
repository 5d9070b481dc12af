//! The monitor on a Unix socket behind the nginx and the Caddy of Debian.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use super::{Sse, Visitor, target_of};
use crate::harness::{Agent, as_root, parse, wait_for};

/// A proxy. Drop stops it.
struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its workers end with it.
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.child.id() as i32),
            nix::sys::signal::Signal::SIGTERM,
        );
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound")
}

/// An agent on a Unix socket, whose pages a proxy serves below a path.
fn agent_behind(address: SocketAddr) -> Agent {
    let mut agent = Agent::prepare(&[]);
    let socket = agent.dir().join("web.sock").display().to_string();
    agent.configure(&[
        &format!("web.listen = \"unix:{socket}\""),
        "web.mode = \"0666\"",
        &format!("web.url = \"http://{address}/pulse/\""),
    ]);
    agent.restart();
    agent
}

fn start(command: &mut Command, address: SocketAddr) -> Proxy {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("tests/run installs it");
    wait_for("a proxy that listens", || {
        let exited = child.try_wait().expect("a child process");
        assert!(exited.is_none(), "the proxy exited: {exited:?}");
        std::net::TcpStream::connect(address).ok()
    });
    Proxy { child, address }
}

fn nginx(agent: &Agent, address: SocketAddr) -> Proxy {
    let dir = agent.dir().join("nginx");
    fs::create_dir(&dir).expect("a writable directory");
    let (dir, socket) =
        (dir.display().to_string(), agent.dir().join("web.sock").display().to_string());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
        .concat();
    let text = format!(
        "daemon off; pid {dir}/pid; error_log {dir}/error.log;\nevents {{}}\nhttp {{\n{temporary}access_log off;\n\
         server {{ listen {address}; location /pulse/ {{ proxy_pass http://unix:{socket}:/pulse/;\n\
         proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection \"\";\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}\n}}\n"
    );
    let file = format!("{dir}/nginx.conf");
    fs::write(&file, text).expect("a writable directory");
    let log = format!("{dir}/error.log");
    start(Command::new("nginx").args(["-e", &log, "-p", &dir, "-c", &file]), address)
}

fn caddy(agent: &Agent, address: SocketAddr) -> Proxy {
    let socket = agent.dir().join("web.sock").display().to_string();
    let text = format!(
        "{{\n admin off\n auto_https off\n}}\nhttp://{address} {{\n handle_path /pulse/* {{\n  reverse_proxy unix/{socket}\n }}\n}}\n"
    );
    let file = agent.dir().join("Caddyfile").display().to_string();
    fs::write(&file, text).expect("a writable directory");
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config", &file]);
    start(command.env("HOME", agent.dir()).env("XDG_DATA_HOME", agent.dir()), address)
}

fn serves(agent: &Agent, proxy: &Proxy) {
    let link = agent.link();
    assert!(link.starts_with(&format!("http://{}/pulse/login?link=", proxy.address)), "{link}");
    let unsigned = Visitor { address: proxy.address, secret: String::new() };
    let page = unsigned.get(&format!("/pulse{}", target_of(&link)));
    assert_eq!(page.status, 200, "{page:?}");
    let cookie = page.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("; Path=/pulse/"), "{cookie}");
    let secret = format!("Cookie: {}", cookie.split(';').next().expect("a pair"));
    let session = Visitor { secret, ..unsigned.clone() };
    assert_eq!(session.get("/pulse/").status, 200);
    // Events pass at once: the proxy would keep small ones for long.
    let mut stream: Sse = session.stream("/pulse/events", &[]);
    for n in 0..3 {
        agent.connect().write(format!("SEND {n}\n")).sync();
        assert_eq!(stream.next().json()["msg"], n.to_string());
    }
    let token = agent.token("shop", &["*"], &[]);
    let shop = Visitor { secret: format!("Authorization: Bearer {token}"), ..unsigned };
    let forged = "X-Forwarded-For: 203.0.113.7";
    let posted = shop.request("POST /pulse/events", &[forged, "Content-Length: 0"]);
    assert_eq!(posted.status, 200, "{posted:?}");
    let mut http = super::Http::connect(proxy.address);
    http.send(shop.head("POST /pulse/events", &[forged, "Content-Length: 4"])).send("four");
    assert_eq!(http.response().status, 200);
    let line = agent.connect().tail(r#"{"lines":1}"#).pop().expect("a line");
    // What the client claims comes before what the proxy has seen.
    assert_eq!(parse(&line).event()["origin"]["addr"], "127.0.0.1");
}

#[test]
fn nginx_passes_everything_on() {
    if !as_root("the monitor behind nginx") {
        return;
    }
    let address = free_address();
    let agent = agent_behind(address);
    serves(&agent, &nginx(&agent, address));
}

#[test]
fn caddy_passes_everything_on() {
    let address = free_address();
    let agent = agent_behind(address);
    serves(&agent, &caddy(&agent, address));
}

#[test]
fn forwarded_addresses_count_behind_a_proxy_only() {
    let agent = Agent::start();
    let shop = agent.bearer("shop", &["*"], &[]);
    let mut http = super::Http::connect(shop.address);
    let fields =
        ["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7", "Content-Length: 3"];
    http.send(shop.head("POST /events", &fields)).send("msg");
    assert_eq!(http.response().status, 200);
    let line = agent.connect().tail(r#"{"lines":1}"#).pop().expect("a line");
    assert_eq!(parse(&line).event()["origin"]["addr"], "127.0.0.1");
}

//! The configurations of nginx and Caddy in pulsed(8), in front of a real agent.

use std::fs;
use std::path::Path;

use super::page::Page;
use crate::harness::{Agent, Running, Tool, report, wait_for};

/// What the page says of the proxied monitor.
const SITE: &str = "http://web1.example/pulse";

/// The socket on the page.
const DOCUMENTED_SOCKET: &str = "/run/pulsed-web/web.sock";

/// The display in pulsed(8) that begins so.
fn documented(begins: &str) -> String {
    let shown = Page::read("pulsed.8").displays();
    shown.into_iter().find(|text| text.starts_with(begins)).expect("a configuration on the page")
}

/// An agent with the documented `[web]`, on another socket.
fn agent() -> Agent {
    let agent = Agent::prepare(&[]);
    let web = documented("[web]").replace(DOCUMENTED_SOCKET, &socket(agent.dir(), "web.sock"));
    let web: Vec<&str> = web.lines().filter(|line| !line.starts_with("group")).collect();
    agent.configure(&web);
    agent
}

fn socket(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().expect("UTF-8").to_owned()
}

/// Starts nginx in this directory. `None` if it is not installed.
fn nginx(dir: &Path) -> Option<Running> {
    let location = documented("location ").replace(DOCUMENTED_SOCKET, &socket(dir, "web.sock"));
    let dir = dir.to_str().expect("UTF-8");
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/nginx-{name};\n"))
        .concat();
    // One process, of the user who runs the test, who owns the agent's socket.
    let user = if nix::unistd::geteuid().is_root() { "user root;\n" } else { "" };
    let config = format!(
        "daemon off;\nmaster_process off;\n{user}pid {dir}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{paths}access_log off;\n\
         server {{\nlisten unix:{dir}/proxy.sock;\n{location}\n}}\n}}\n"
    );
    let file = format!("{dir}/nginx.conf");
    fs::write(&file, config).expect("a writable directory");
    is_installed("nginx", "-v").then(|| Tool::new("nginx").args(&["-c", &file]).start())
}

/// Starts Caddy in this directory. `None` if it is not installed.
fn caddy(dir: &Path) -> Option<Running> {
    let site = documented("web1.example").replace(DOCUMENTED_SOCKET, &socket(dir, "web.sock"));
    // Without the certificate, which it would fetch.
    let bind = format!("http://web1.example {{\n    bind unix/{}\n", socket(dir, "proxy.sock"));
    let site = site.replace("web1.example {\n", &bind);
    let file = socket(dir, "Caddyfile");
    fs::write(&file, format!("{{\n    admin off\n    auto_https off\n}}\n{site}\n"))
        .expect("a file");
    let run = ["run", "--config", &file, "--adapter", "caddyfile"];
    let home = dir.to_str().expect("UTF-8");
    let tool = || Tool::new("caddy").args(&run).env("HOME", home).env("XDG_DATA_HOME", home);
    is_installed("caddy", "version").then(|| tool().start())
}

/// Reads up to a line that contains this text.
fn wait_for_line(running: &mut Running, text: &str) {
    while !running.line().contains(text) {}
}

fn is_installed(program: &str, version: &str) -> bool {
    let installed = std::process::Command::new(program).arg(version).output().is_ok();
    if !installed {
        report(&format!(
            "\n*** NOT TESTED, because {program} is missing: the proxy in pulsed(8) ***\n"
        ));
    }
    installed
}

#[test]
fn documented_proxies_pass_live_streams() {
    for proxy in [nginx, caddy] {
        let mut agent = agent();
        agent.restart();
        let Some(_running) = proxy(agent.dir()) else { continue };
        let proxied = socket(agent.dir(), "proxy.sock");
        let curl = |arguments: &[&str]| {
            let tool = Tool::new("curl").args(&["-sSN", "--unix-socket", &proxied]);
            tool.args(arguments)
        };
        wait_for("a proxy that answers", || {
            let health = curl(&[&format!("{SITE}/healthz")]).run();
            (health.out == "ok\n").then_some(())
        });

        // The link is that of the proxied site, and so is the cookie.
        let link = agent.connect().request("LINK");
        let link = link.strip_prefix("OK https://web1.example/pulse/").expect("the site's URL");
        let signed_in = curl(&["-i", &format!("{SITE}/{link}")]).ok();
        let is_cookie = |line: &&str| line.to_ascii_lowercase().starts_with("set-cookie: ");
        let cookie = signed_in.lines().find(is_cookie).unwrap_or_else(|| panic!("{signed_in}"));
        assert!(cookie.contains("; Path=/pulse/;") && cookie.contains("; Secure"), "{cookie}");
        let pair = cookie.split([';', ' ']).nth(1).expect("a pair");
        let header = format!("Cookie: {pair}");
        let stats = curl(&["-H", &header, &format!("{SITE}/stats")]).ok();
        assert!(stats.contains("\"every_tag\":true"), "{stats}");

        // An event is passed on at once, while the response goes on.
        let accept = "Accept: text/event-stream";
        let mut follow = curl(&["-H", &header, "-H", accept, &format!("{SITE}/events")]).start();
        wait_for_line(&mut follow, ": pulsed");
        agent.send(&["through the proxy"]).ok();
        wait_for_line(&mut follow, "through the proxy");
    }
}

#[test]
fn proxy_on_unix_socket_names_the_client() {
    let mut agent = agent();
    agent.restart();
    let token = format!("Authorization: Bearer {}", agent.token("proxy", &["*"], &[]));
    let web = socket(agent.dir(), "web.sock");
    let url = format!("{SITE}/events");
    for forwarded in ["192.0.2.7", "203.0.113.9, 192.0.2.7", "203.0.113.9,::ffff:192.0.2.7"] {
        let header = format!("X-Forwarded-For: {forwarded}");
        let post = ["-sS", "--unix-socket", &web, "-H", &token, "-H", &header, "-d", "hello", &url];
        let posted = Tool::new("curl").args(&post).ok();
        assert!(posted.contains("\"accepted\":1"), "{posted}");
        let line = agent.tail(&["-n1", "-o", "json"]).ok();
        assert!(line.contains(r#""origin":{"addr":"192.0.2.7","token":"proxy"}"#), "{line}");
    }
}

//! The monitor under TLS on a network address, HTTP/1.1 and HTTP/2.

use std::process::Command;

use crate::harness::{Agent, HOST, Tool};

/// An agent that listens on every address with a certificate of its own. Returns its port too.
fn start() -> (Agent, String) {
    let agent = Agent::prepare(&[]);
    let names = format!("subjectAltName=DNS:{HOST},IP:127.0.0.1");
    let done = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=test", "-days", "9"])
        .args(["-addext", &names])
        .current_dir(agent.dir())
        .output()
        .expect("tests/run installs openssl");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let key = |name: &str| format!("{:?}", agent.dir().join(name).display().to_string());
    let (cert, key) = (key("cert.pem"), key("key.pem"));
    agent.configure(&[
        "web.listen = \"0.0.0.0:0\"",
        &format!("web.cert = {cert}"),
        &format!("web.key = {key}"),
    ]);
    let mut agent = agent;
    agent.restart();
    let link = agent.link();
    let port = link.split(['/', ':']).find_map(|part| part.parse::<u16>().ok()).expect("a port");
    (agent, port.to_string())
}

fn curl(agent: &Agent, port: &str, arguments: &[&str]) -> String {
    let resolve = format!("{HOST}:{port}:127.0.0.1");
    let cert = agent.dir().join("cert.pem");
    let tool = Tool::new("curl").args(&["-s", "-m", "20", "--resolve", &resolve, "--cacert"]);
    tool.arg(cert).args(arguments).ok()
}

#[test]
fn serves_http2_and_http1_with_a_secure_cookie() {
    let (agent, port) = start();
    for version in ["--http2", "--http1.1"] {
        let link = agent.link();
        assert!(link.starts_with(&format!("https://{HOST}:{port}/login?link=")), "{link}");
        let jar = agent.dir().join("jar").display().to_string();
        let head = curl(&agent, &port, &[version, "-i", "-c", &jar, &link]);
        assert!(
            head.starts_with(if version == "--http2" { "HTTP/2 200" } else { "HTTP/1.1 200" }),
            "{head}"
        );
        assert!(
            head.contains("; Secure") && head.contains(&format!("__Host-pulse-{port}=")),
            "{head}"
        );
        let stats =
            curl(&agent, &port, &[version, "-b", &jar, &format!("https://{HOST}:{port}/stats")]);
        assert!(stats.contains("\"user\":"), "{stats}");
        agent.connect().write("SEND once\n").sync();
        let url = format!("https://{HOST}:{port}/events?lines=1&follow=false");
        let lines = curl(&agent, &port, &[version, "-b", &jar, &url]);
        assert!(lines.contains("\"msg\":\"once\""), "{lines}");
    }
}

#[test]
fn refuses_foreign_hosts_under_tls() {
    let (agent, port) = start();
    let url = format!("https://{HOST}:{port}/");
    for (version, host) in [("--http2", "evil.example"), ("--http1.1", "evil.example")] {
        let status = [
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            version,
            "-H",
            &format!("Host: {host}"),
            &url,
        ];
        assert_eq!(curl(&agent, &port, &status), "421", "{version}");
    }
}

#[test]
fn a_token_posts_over_http2() {
    let (agent, port) = start();
    let token = agent.token("shop", &["*"], &[]);
    let field = format!("Authorization: Bearer {token}");
    let url = format!("https://{HOST}:{port}/events");
    let reply =
        curl(&agent, &port, &["--http2", "-H", &field, "--data-binary", "one\ntwo\n", &url]);
    assert!(reply.contains("\"accepted\":2"), "{reply}");
}

//! Real programs that log to the socket for datagrams. `tests/run` installs what is missing.

use std::fs;
use std::process::Command;

use nix::unistd::geteuid;

use crate::harness::{Agent, Tool, as_root, report, wait_for};

/// `true` if this program is there. Otherwise reports what is not tested.
fn is_installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
    let installed = found.is_ok_and(|found| found.status.success());
    if !installed {
        report(&format!(
            "\n*** NOT TESTED, because {program} is not installed: its datagrams ***\n"
        ));
    }
    installed
}

fn event(msg: &str) -> String {
    format!("msg={msg:?}")
}

#[test]
fn logger_sends_one_event_each() {
    let agent = Agent::start();
    let path = agent.datagrams_text();
    for (arguments, msg, tag) in [
        (&["-t", "shop", "plain"][..], "plain", "shop"),
        (&["--rfc3164", "-t", "old", "3164"], "3164", "old"),
        (&["--rfc5424", "-t", "new", "5424"], "5424", "new"),
        (&["-d", "-t", "dgram", "forced"], "forced", "dgram"),
        (&["-i", "--socket-errors=on", "-t", "strict", "errors on"], "errors on", "strict"),
        (&["--octet-count", "-t", "counted", "with a count"], "with a count", "counted"),
    ] {
        let tool = Tool::new("logger").args(&["-u", &path, "-p", "local0.warning"]);
        tool.args(arguments).ok();
        let event = &agent.wait_for_events(&event(msg), 1)[0];
        assert_eq!((&event["tag"], &event["level"]), (&tag.into(), &"warning".into()), "{event}");
        assert_eq!(event["fields"]["facility"], "local0", "{event}");
        let origin = &event["origin"];
        assert_eq!(origin["uid"], geteuid().as_raw(), "{event}");
        assert!(origin["pid"].is_u64(), "{event}");
        // Only a pidfd would prove that they are those of the sender.
        assert!(origin["comm"].is_null() && origin["unit"].is_null(), "{event}");
    }
}

#[test]
fn php_and_logger_log_through_dev_log() {
    if !as_root("programs with the socket mounted over /dev/log") {
        return;
    }
    let agent = Agent::start();
    let path = agent.datagrams_text();
    // /dev may have no log, and is shared with other tests: a directory of this test's own is mounted there.
    let script = "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && touch /dev/log && \
        mount --bind \"$0\" /dev/log && exec \"$@\"";
    let in_namespace = |words: &[&str]| {
        let tool = Tool::new("unshare").args(&["--mount", "sh", "-c", script, &path]);
        tool.args(words).ok()
    };
    let program = "openlog('shop.page', LOG_PID, LOG_LOCAL1); syslog(LOG_ERR, \"lost é\");";
    in_namespace(&["php", "-r", program]);
    let event = &agent.wait_for_events("tag=shop.page", 1)[0];
    assert_eq!((&event["msg"], &event["level"]), (&"lost é".into(), &"err".into()));
    assert_eq!(event["fields"]["facility"], "local1");
    in_namespace(&["logger", "-t", "plain", "through libc's path"]);
    agent.wait_for_events("tag=plain", 1);
}

#[test]
fn python_handler_logs() {
    if !is_installed("python3") {
        return;
    }
    let mut agent = Agent::start();
    let program = "
import logging, logging.handlers, sys
handler = logging.handlers.SysLogHandler(address=sys.argv[1], facility='local2')
handler.setFormatter(logging.Formatter('shop.py[%(process)d]: %(message)s'))
log = logging.getLogger()
log.addHandler(handler)
log.warning('first\\nsecond line')
print('sent', flush=True)
sys.stdin.readline()
log.error('after a restart')
";
    let tool = Tool::new("python3").args(&["-c", program, &agent.datagrams_text()]);
    let mut running = tool.start();
    assert_eq!(running.line(), "sent");
    let event = &agent.wait_for_events("tag=shop.py", 1)[0];
    assert_eq!((&event["msg"], &event["level"]), (&"first\nsecond line".into(), &"warning".into()));
    assert!(agent.stop().success());
    agent.restart();
    running.write_stdin("go\n");
    let done = running.wait();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:?}");
    let events = agent.wait_for_events("tag=shop.py", 2);
    assert_eq!(
        (&events[1]["msg"], &events[1]["level"]),
        (&"after a restart".into(), &"err".into())
    );
}

#[test]
fn nginx_logs_requests() {
    if !is_installed("nginx") {
        return;
    }
    let agent = Agent::start();
    let web = agent.dir().join("nginx.sock");
    let text = format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log syslog:server=unix:{log},tag=ngerr;
         events {{}}
         http {{
            access_log syslog:server=unix:{log},facility=local7,tag=nginx,severity=info combined;
            client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
            uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
            server {{ listen unix:{web}; location / {{ return 204; }} }}
         }}",
        dir = agent.dir().display(),
        log = agent.datagrams_text(),
        web = web.display(),
    );
    let config = agent.dir().join("nginx.conf");
    fs::write(&config, text).expect("a writable directory");
    let config = config.to_str().expect("UTF-8");
    let _nginx = Tool::new("nginx").args(&["-c", config]).start();
    wait_for("nginx", || web.exists().then_some(()));
    let url = ["-sf", "--unix-socket", web.to_str().expect("UTF-8"), "http://web/basket?id=7"];
    Tool::new("curl").args(&url).ok();
    let event = &agent.wait_for_events("tag=nginx", 1)[0];
    assert!(
        event["msg"].as_str().is_some_and(|msg| msg.contains("\"GET /basket?id=7 HTTP/1.1\" 204"))
    );
    assert_eq!(event["fields"]["facility"], "local7", "{event}");
    assert_eq!(event["origin"]["uid"], geteuid().as_raw(), "{event}");
}

#[test]
fn haproxy_logs_requests() {
    if !is_installed("haproxy") {
        return;
    }
    let agent = Agent::start();
    let web = agent.dir().join("haproxy.sock");
    let text = format!(
        "global\n log {log} format rfc3164 local3\ndefaults\n mode http\n log global\n option httplog\n \
         timeout connect 5s\n timeout client 5s\n timeout server 5s\nfrontend shop\n bind unix@{web}\n \
         http-request return status 204\n",
        log = agent.datagrams_text(),
        web = web.display(),
    );
    let config = agent.dir().join("haproxy.cfg");
    fs::write(&config, text).expect("a writable directory");
    let config = config.to_str().expect("UTF-8");
    let _haproxy = Tool::new("haproxy").args(&["-db", "-f", config]).start();
    wait_for("haproxy", || web.exists().then_some(()));
    let url = ["-sf", "--unix-socket", web.to_str().expect("UTF-8"), "http://web/basket?id=7"];
    Tool::new("curl").args(&url).ok();
    let event = &agent.wait_for_events("tag=haproxy msg~basket", 1)[0];
    assert!(event["msg"].as_str().is_some_and(|msg| msg.contains("GET /basket?id=7 HTTP/1.1")));
    assert_eq!(event["fields"]["facility"], "local3", "{event}");
}

//! The examples for cron and nginx.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use crate::harness::{Agent, Tool, as_root, wait_for};

use super::{Stage, example, search_path};

/// The schedule of every line in the document ends with this.
const SCHEDULE: &str = " * * *  ";

/// Runs cron with an empty configuration, except for the crontab `$0` of root. Its processes end with it.
const CRON: &str = "mount -t tmpfs none /var/spool/cron && mkdir /var/spool/cron/crontabs && \
    mount -t tmpfs none /run && mount -t tmpfs none /etc/cron.d && \
    mount --bind /dev/null /etc/crontab && \
    install -m 600 \"$0\" /var/spool/cron/crontabs/root && exec cron -f";

#[test]
fn cron_reports_jobs() {
    if !as_root("jobs of cron") {
        return;
    }
    let example = example("cron.tab");
    let agent = Agent::start();
    let stage = Stage::new(&agent);
    // At once, instead of at night.
    let commands = example.code.lines().map(|line| {
        let (_, command) = line.split_once(SCHEDULE).expect("a schedule");
        format!("@reboot  {command}\n")
    });
    let commands: String = commands.collect();
    let variables = format!("PATH={}\nPULSED_SOCKET={}\n", search_path(), stage.socket());
    let table = stage.write("crontab", &(variables + &commands));
    let words = ["--mount", "--pid", "--kill-child", "--fork", "--mount-proc", "sh", "-c", CRON];
    let _cron = Tool::new("unshare").args(&words).args(&[&table]).start();
    stage.expect(&example);
}

#[test]
fn cron_runs_jobs_without_an_agent() {
    let agent = Agent::prepare(&[]);
    let stage = Stage::away(&agent);
    for line in example("cron.tab").code.lines() {
        let (_, command) = line.split_once(SCHEDULE).expect("a schedule");
        let tool = Tool::new("/bin/sh").args(&["-c", &stage.replaced(command)]);
        let done = stage.with_environment(tool).run();
        assert_eq!((done.out.as_str(), done.err.lines().count()), ("", 1), "{done:#?}");
        assert_eq!(done.code == Some(0), command.contains("--time"), "{done:#?}");
    }
}

#[test]
fn nginx_reports_requests() {
    let example = example("nginx.conf");
    let agent = Agent::start();
    let stage = Stage::new(&agent);
    // Free again at once, so that nginx can take it.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let dir = stage.dir.display();
    let text = format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log stderr;
         events {{}}
         http {{
            {}
            client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
            uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
            server {{ listen {address}; location / {{ return 200 basket; }} }}
         }}",
        example.code
    );
    let config = stage.write("nginx.conf", &text);
    let _nginx = Tool::new("nginx").args(&["-e", "stderr", "-c", &config]).start();
    let pid = stage.dir.join("nginx.pid");
    wait_for("nginx", || fs::read_to_string(&pid).ok().filter(|pid| pid.ends_with('\n')));
    let get = |path: &str| {
        let url = format!("http://{address}{path}");
        Tool::new("curl").args(&["-sfg", "-u", "anna:secret", &url]).ok();
    };
    get("/basket?id=7");
    stage.expect(&example);
    // What a client sends cannot end the object.
    get("/a%22%2c%22user%22%3a%22root%0a%5c?\"");
    let hostile = wait_for("the second request", || stage.events().get(1).cloned());
    assert_eq!(hostile["fields"]["page"], "/a\",\"user\":\"root\n\\", "{hostile}");
    assert_eq!(hostile["fields"]["user"], "anna", "{hostile}");
}

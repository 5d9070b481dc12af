//! What is sent about the requests of pages: their errors, status and duration, and what becomes of them if a worker
//! is killed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::site::{Pool, Site, can_start, library, pages_dir};
use crate::harness::{Agent, parse, wait_for};

/// The events of an agent that match, so far.
pub(super) fn events(agent: &Agent, matching: &str) -> Vec<Value> {
    let request = format!("{{\"match\":{}}}", Value::from(matching));
    let lines = agent.connect().tail(&request);
    let items = lines.iter().map(|line| parse(line)).filter(|item| item.msg().is_some());
    items.map(|item| item.event().clone()).collect()
}

/// The events of an agent that match, once there are this many.
#[track_caller]
pub(super) fn wait_for_events(agent: &Agent, matching: &str, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} events: {matching}"), || {
        Some(events(agent, matching)).filter(|found| found.len() >= count)
    })
}

#[test]
fn errors_are_sent_with_their_request() {
    if !can_start("errors of pages, with the PHP library") {
        return;
    }
    let agent = Agent::start();
    let site = Site::start(&pages_dir(), &[Pool::with_library("up", &agent.socket())]);
    for (page, status, message, line) in [
        ("uncaught", 200, "Uncaught Shop\\Refused: no credit\nin two lines", 8),
        ("uncaught_hidden", 500, "Uncaught Exception: hidden", 4),
        ("uncaught_chain", 200, "Uncaught DomainException: third", 9),
        ("fatal", 200, "Uncaught Error: Call to undefined function undefined_function()", 3),
        ("parse_error", 200, "syntax error, unexpected token \"=\"", 3),
        ("user_error", 200, "given up", 3),
        ("time_limit", 200, "Maximum execution time of 1 second exceeded", 6),
        ("memory_small", 200, "Allowed memory size of 16777216 bytes exhausted", 9),
        ("recursion", 200, "Allowed memory size of 16777216 bytes exhausted", 5),
        // Its shutdown function clears the error.
        ("shutdown_after_fatal", 502, "Uncaught Error: Call to undefined function", 10),
        ("shutdown_fatal", 200, "Uncaught Error: Call to undefined function", 4),
        ("error_handler_throws", 200, "Uncaught ErrorException: Undefined variable", 10),
    ] {
        site.get("up", &format!("/{page}.php?secret=1"), &[]);
        let error = &wait_for_events(&agent, &format!("tag=php.error page=/{page}.php"), 1)[0];
        let text = error["msg"].as_str().expect("a message");
        assert!(text.starts_with(message), "{page}: {error}");
        assert!(
            error["fields"]["file"]
                .as_str()
                .is_some_and(|file| file.ends_with(&format!("/{page}.php"))),
            "{error}"
        );
        assert!(error["fields"]["line"] == line || page == "time_limit", "{page}: {error}");
        assert_eq!(error["level"], "err", "{page}");
        let ended =
            &wait_for_events(&agent, &format!("tag=php.request took>=0 page=/{page}.php"), 1)[0];
        assert_eq!(
            (&ended["level"], &ended["fields"]["status"]),
            (&"err".into(), &status.into()),
            "{ended}"
        );
        assert_eq!(ended["fields"]["req"], error["fields"]["req"], "{page}");
        assert_eq!(ended["msg"], format!("GET /{page}.php"), "{page}");
    }
    let all = events(&agent, "");
    let text = format!("{all:?}");
    // The arguments in a trace, and the query string, may be secrets.
    assert!(!text.contains("4111") && !text.contains("secret"), "{text}");
    let trace = &events(&agent, "tag=php.error page=/uncaught.php")[0]["fields"]["trace"];
    let trace = trace.as_str().expect("a trace");
    assert!(trace.ends_with("uncaught.php(12): Shop\\pay()\n#1 {main}"), "{trace}");
}

#[test]
fn handled_exception_shows_by_its_status() {
    if !can_start("pages with an exception handler, with the PHP library") {
        return;
    }
    let agent = Agent::start();
    let site = Site::start(&pages_dir(), &[Pool::with_library("up", &agent.socket())]);
    site.get("up", "/exception_handler.php", &[]);
    let ended = &wait_for_events(&agent, "tag=php.request took>=0", 1)[0];
    assert_eq!((&ended["level"], &ended["fields"]["status"]), (&"err".into(), &503.into()));
    assert_eq!(events(&agent, "tag=php.error").len(), 0);
}

/// A file for `auto_prepend_file` with these options, and a page.
fn site_with(agent: &Agent, options: &str, page: &str) -> (TempDir, Site) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("page.php"), page).expect("a writable directory");
    let prepend = dir.path().join("own.php");
    let text = format!(
        "<?php require '{}'; Pulse::configure([{options}]); require '{}';",
        library("pulse.php").display(),
        library("prepend.php").display()
    );
    fs::write(&prepend, text).expect("a writable directory");
    let pool = Pool { prepend, ..Pool::with_library("up", &agent.socket()) };
    let site = Site::start(dir.path(), &[pool]);
    (dir, site)
}

#[test]
fn warnings_are_sent_if_asked_and_bounded() {
    if !can_start("warnings of pages, with the PHP library") {
        return;
    }
    let agent = Agent::start();
    let page = "<?php echo $undefined; trigger_error('old', E_USER_DEPRECATED); @$undefined[1]; @fopen('/none', 'r');
        for ($i = 0; $i < 200; $i++) { trigger_error(\"notice $i\"); } echo 'end';";
    let (dir, site) = site_with(&agent, "'errors' => 'all'", page);
    let text = site.text("up", "/page.php", &[]);
    assert!(
        text.ends_with("end") && text.contains("Warning: Undefined variable $undefined"),
        "{text}"
    );
    let ended = &wait_for_events(&agent, "tag=php.request took>=0", 1)[0];
    assert_eq!(ended["fields"]["errors"], 202, "{ended}");
    let errors = events(&agent, "tag=php.error");
    assert_eq!(errors.len(), 100, "{errors:?}");
    let levels: Vec<&str> = errors.iter().filter_map(|error| error["level"].as_str()).collect();
    assert_eq!(levels[..3], ["warning", "notice", "notice"]);
    assert!(
        errors[0]["msg"]
            .as_str()
            .is_some_and(|msg| msg.starts_with("Undefined variable $undefined in "))
    );
    // The page's own handler replaces it.
    let own = "<?php set_error_handler(fn() => print('mine')); echo $undefined; restore_error_handler(); echo $undefined;";
    fs::write(dir.path().join("own_handler.php"), own).expect("a writable directory");
    let text = site.text("up", "/own_handler.php", &[]);
    assert!(text.contains("\r\n\r\nmine\nWarning: Undefined"), "{text}");
    wait_for_events(&agent, "tag=php.error page=/own_handler.php", 1);
}

#[test]
fn slow_request_is_a_warning() {
    if !can_start("slow pages, with the PHP library") {
        return;
    }
    let agent = Agent::start();
    let (_dir, site) = site_with(&agent, "'slow' => 0.02", "<?php usleep((int) $_GET['us']);");
    site.get("up", "/page.php?us=30000", &[]);
    site.get("up", "/page.php?us=0", &[]);
    let ended = wait_for_events(&agent, "tag=php.request took>=0", 2);
    assert_eq!(
        (&ended[0]["level"], &ended[0]["fields"]["slow"]),
        (&"warning".into(), &true.into())
    );
    // On a busy machine the other one may be slow too.
    assert!(ended[1]["took"].as_f64() >= Some(0.02) || ended[1]["level"] == "info", "{ended:?}");
}

#[test]
fn requests_of_a_worker_are_apart() {
    if !can_start("requests of one worker, with the PHP library") {
        return;
    }
    let agent = Agent::start();
    let page = "<?php session_save_path($_SERVER['SESSION_DIR']); if (isset($_GET['user'])) { session_start();
        $_SESSION['user'] = $_GET['user']; } if (isset($_GET['open'])) { Pulse::begin('left open'); } echo 'end';";
    let (_dir, site) = site_with(&agent, "", page);
    for query in ["user=anna", "", "user=ben&open", ""] {
        assert!(site.text("up", &format!("/page.php?{query}"), &[]).ends_with("end"));
    }
    let ended = wait_for_events(&agent, "tag=php.request took>=0", 4);
    let users: Vec<&Value> = ended.iter().map(|event| &event["fields"]["user"]).collect();
    assert_eq!(users, [&Value::from("anna"), &Value::Null, &"ben".into(), &Value::Null]);
    // How many different values there are.
    let different = |pointer: &str| {
        let values = ended.iter().map(|event| event.pointer(pointer).map(Value::to_string));
        values.collect::<BTreeSet<_>>().len()
    };
    let numbers = ["/fields/req", "/origin/pid", "/origin/conn"].map(different);
    assert_eq!(numbers, [4, 1, 1], "requests, workers and connections: {ended:#?}");
    let left = wait_for_events(&agent, "left_open=true", 1);
    assert!(left[0]["took"].is_f64() && left[0]["abandoned"].is_null(), "{left:?}");
}

#[test]
fn killed_worker_abandons_its_request() {
    if !can_start("a killed worker, with the PHP library") {
        return;
    }
    let agent = Agent::start();
    let page = "<?php if (isset($_GET['hang'])) { Pulse::user('anna'); Pulse::send('hangs'); Pulse::flush(); sleep(60); } echo 'end';";
    let (_dir, site) = site_with(&agent, "", page);
    let mut client = UnixStream::connect(site.web("up")).expect("nginx listens");
    client.write_all(b"GET /page.php?hang HTTP/1.1\r\nHost: site\r\n\r\n").expect("nginx reads");
    let hangs = &wait_for_events(&agent, "msg=hangs user=anna", 1)[0];
    let mut view = agent.connect();
    view.write("VIEW {\"name\":\"running\"}\n");
    let running: Value = serde_json::from_str(&view.line()).expect("JSON");
    assert_eq!(running["running"], 1, "{running}");
    assert_eq!(
        (&running["runs"][0]["msg"], &running["runs"][0]["page"]),
        (&"GET /page.php".into(), &"/page.php".into())
    );
    let worker = hangs["origin"]["pid"].as_i64().expect("a verified sender");
    kill(Pid::from_raw(worker as i32), Signal::SIGKILL).expect("a running worker");
    let abandoned = &wait_for_events(&agent, "abandoned=true", 1)[0];
    assert_eq!(
        (&abandoned["msg"], &abandoned["fields"]["req"]),
        (&"GET /page.php".into(), &hangs["fields"]["req"])
    );
    // php-fpm has started another worker.
    assert!(site.text("up", "/page.php", &[]).ends_with("end"));
    wait_for_events(&agent, "tag=php.request took>=0 abandoned!=true", 1);
}

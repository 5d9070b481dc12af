//! The tracking class of mysqli, with a real MariaDB.

use nix::sys::signal::Signal;

use super::mariadb::{MariaDb, PROGRAMS};
use super::queries::{
    add_user, assert_same, find, has_extensions, script, statements, wait_for_abandoned,
    wait_for_running,
};
use super::site::are_installed;
use crate::harness::Agent;

/// A MariaDB server with a user `web`, and the path of its socket.
fn mariadb(what: &str) -> Option<(MariaDb, String)> {
    if !are_installed(&PROGRAMS, what) || !has_extensions(&["mysqli"], what) {
        return None;
    }
    let database = MariaDb::start("shop");
    add_user(&database);
    let socket = database.socket().to_str().expect("UTF-8").to_owned();
    Some((database, socket))
}

#[test]
fn mysqli_is_the_same_for_the_page() {
    let Some((_database, socket)) = mariadb("that mysqli is the same for the page") else {
        return;
    };
    let mut agent = Agent::start();
    assert_same("same_mysqli.php", agent.socket_text(), &[&socket, "web"]);
    assert!(!agent.history_text().contains("geheim"), "the password of the connection");
    agent.stop();
    assert_same("same_mysqli.php", agent.socket_text(), &[&socket, "web"]);
}

#[test]
fn mysqli_statements_are_shown() {
    let Some((_database, socket)) = mariadb("the statements of mysqli") else {
        return;
    };
    let agent = Agent::start();
    assert_eq!(script("queries.php", agent.socket_text(), &["mysqli", &socket]).ok(), "");
    let ends: Vec<_> =
        statements(&agent).into_iter().filter(|text| !text.starts_with("begin")).collect();
    let syntax = |near: &str| {
        format!(
            "1064 You have an error in your SQL syntax; check the manual that corresponds to your \
             MariaDB server version for the right syntax to use near '{near}' at line 1"
        )
    };
    let expected = [
        "end connect to mysql:shop",
        "end DROP TABLE IF EXISTS q rows=0",
        "end CREATE TABLE q (a INTEGER PRIMARY KEY, b VARCHAR(40)) rows=0",
        "end INSERT INTO q VALUES (1, 'x'), (2, 'y') rows=2",
        "end SELECT a FROM q rows=2",
        &format!("end SELEC 1 error={}", syntax("SELEC 1")),
        "end SELECT 1; SELECT 2",
        "end SELECT 1; SELECT 2 rowset=2",
        "end INSERT INTO q VALUES (?, ?) rows=1",
        "end INSERT INTO q VALUES (?, ?) error=1062 Duplicate entry '?' for key '?'",
        &format!("only SELEC ? error={}", syntax("SELEC ?")),
        "end SELECT b FROM q WHERE a = ? rows=1",
        "end BEGIN",
        "end COMMIT",
        "end BEGIN",
        "end ROLLBACK",
        "end SELECT 7 rows=1",
        "end SELECT 10 rows=1",
    ];
    assert_eq!(ends, expected);
    assert_eq!(find(&agent, "tag=php.query msg~10 took>=0")[0]["fields"]["db"], "mysql:mysql");
    assert!(!agent.history_text().contains("anna"));

    let agent = Agent::start();
    assert_eq!(script("queries.php", agent.socket_text(), &["mysqli binds", &socket]).ok(), "");
    let binds = |text: &String| text.starts_with("begin SELECT ? binds='anna'");
    assert_eq!(statements(&agent).iter().filter(|text| binds(text)).count(), 3);
}

#[test]
fn mysqli_statement_that_hangs_is_shown_until_its_worker_is_killed() {
    let Some((_database, socket)) = mariadb("a statement of mysqli that hangs") else {
        return;
    };
    let agent = Agent::start();
    for (case, place, text) in
        [("mysqli sleeps", "sleeps", "SELECT SLEEP(?)"), ("async", "async", "SELECT SLEEP(1000)")]
    {
        let mut page = script("queries.php", agent.socket_text(), &[case, &socket]).start();
        assert_eq!(page.line(), place);
        let row = wait_for_running(&agent, text);
        page.signal(Signal::SIGKILL);
        assert_eq!(wait_for_abandoned(&agent, text)["run"], row["run"]);
    }
}

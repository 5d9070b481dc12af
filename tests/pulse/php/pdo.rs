//! The tracking class of PDO: statements are visible from their begin, and the page sees what PDO does.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::mariadb::{MariaDb, PROGRAMS};
use super::queries::{
    add_user, assert_same, events, find, has_extensions, in_short, running, script, statements,
    wait_for_abandoned, wait_for_running,
};
use super::site::{are_installed, library};
use crate::harness::{Agent, Tool};

const MEMORY: &str = "sqlite::memory:";

/// `Statements::TEXT_MAX`, in bytes.
const TEXT_MAX: usize = 4096;

/// `Statements::BEGINS_MAX` and `FAST_RUNS`.
const BEGINS_MAX: usize = 100;
const FAST_RUNS: usize = 10;

fn has_sqlite(what: &str) -> bool {
    has_extensions(&["pdo_sqlite"], what)
}

/// A MariaDB server with a user `web`, and its DSN.
fn mariadb(what: &str) -> Option<(MariaDb, String)> {
    if !are_installed(&PROGRAMS, what) || !has_extensions(&["pdo_mysql", "mysqli"], what) {
        return None;
    }
    let database = MariaDb::start("shop");
    add_user(&database);
    let dsn = format!("mysql:unix_socket={};dbname=shop", database.socket().display());
    Some((database, dsn))
}

/// The events of the statements of a case of `queries.php` on SQLite.
fn run(agent: &Agent, arguments: &[&str]) -> Vec<String> {
    assert_eq!(script("queries.php", agent.socket_text(), arguments).ok(), "");
    statements(agent)
}

#[test]
fn pdo_on_sqlite_is_the_same_for_the_page() {
    if !has_sqlite("that PDO is the same for the page") {
        return;
    }
    let mut agent = Agent::start();
    assert_same("same_pdo.php", agent.socket_text(), &[MEMORY, ""]);
    agent.stop();
    assert_same("same_pdo.php", agent.socket_text(), &[MEMORY, ""]);
}

#[test]
fn pdo_on_mariadb_is_the_same_for_the_page() {
    let Some((_database, dsn)) = mariadb("that PDO is the same for the page on MariaDB") else {
        return;
    };
    let agent = Agent::start();
    assert_same("same_pdo.php", agent.socket_text(), &[&dsn, "web"]);
    assert!(!agent.history_text().contains("geheim"), "the password of the connection");
}

#[test]
fn public_interface_is_that_of_the_parents() {
    if !has_extensions(&["pdo", "mysqli"], "the public interface of the tracking classes") {
        return;
    }
    let differences = script("api.php", "/nowhere", &[]).ok();
    let count: Option<usize> =
        differences.strip_suffix(" methods\n").and_then(|count| count.parse().ok());
    assert!(count.is_some_and(|count| count > 100), "{differences}");
}

#[test]
fn readme_states_the_bounds() {
    let program = "require $argv[1]; use Pulse\\Statements as S;
        echo json_encode([S::TEXT_MAX, S::BEGINS_MAX, S::FAST_RUNS, S::FAST_NS]);";
    let path = library("pulse.php");
    let bounds = Tool::new("php").args(&["-r", program, path.to_str().expect("UTF-8")]).ok();
    assert_eq!(bounds, format!("[{TEXT_MAX},{BEGINS_MAX},{FAST_RUNS},1000000]"));
    let readme = std::fs::read_to_string(library("README.md")).expect("a README");
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for stated in [
        format!("of a text over {} KiB", TEXT_MAX >> 10),
        format!("After {BEGINS_MAX} statements in a request"),
        format!("the last {FAST_RUNS} of its shape"),
        "took less than 1 ms each".into(),
    ] {
        assert!(readme.contains(&stated), "{stated}");
    }
}

#[test]
fn statement_that_hangs_is_shown_while_it_hangs() {
    if !has_sqlite("that a statement is shown while it hangs") {
        return;
    }
    let agent = Agent::start();
    let mut page = script("queries.php", agent.socket_text(), &["blocks", MEMORY]).start();
    assert_eq!(page.line(), "blocks");
    let row = wait_for_running(&agent, "SELECT block() WHERE 1 = ?");
    assert_eq!((&row["tag"], &row["page"]), (&"php.query".into(), &"queries.php".into()), "{row}");
    assert!(row["req"].is_string(), "{row}");
    page.write_stdin("go on\n");
    assert_eq!(page.line(), "done");
    page.write_stdin("end\n");
    running(&agent, "nothing that runs", |shown| shown["running"] == 0);
    let ends = events(&agent, "tag=php.query took>=0");
    let [end] = &ends[..] else { panic!("{ends:?}") };
    assert_eq!(in_short(end), "end SELECT block() WHERE 1 = ?");
    assert_eq!((&end["run"], &end["abandoned"]), (&row["run"], &Value::Null));
    assert_eq!(page.wait().code, Some(0));
}

#[test]
fn killed_worker_abandons_its_statement() {
    let Some((_database, dsn)) = mariadb("that a killed worker abandons its statement") else {
        return;
    };
    let agent = Agent::start();
    let mut page = script("queries.php", agent.socket_text(), &["sleeps", &dsn, "web"]).start();
    assert_eq!(page.line(), "sleeps");
    let row = wait_for_running(&agent, "SELECT SLEEP(1000)");
    page.signal(Signal::SIGKILL);
    let abandoned = wait_for_abandoned(&agent, "SELECT SLEEP(1000)");
    assert_eq!((&abandoned["run"], &abandoned["level"]), (&row["run"], &"warning".into()));
    assert_eq!(abandoned["fields"]["req"], row["req"]);
    assert!(abandoned["took"].is_number(), "{abandoned}");
}

#[test]
fn errors_end_their_statements_without_bound_values() {
    if !has_sqlite("errors of statements") {
        return;
    }
    let agent = Agent::start();
    let syntax = r#"1 near "SELEC": syntax error"#;
    let unique = "19 UNIQUE constraint failed: t.a";
    let expected = [
        "begin CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(40))",
        "end CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(40)) rows=0",
        "begin SELEC 1",
        &format!("end SELEC 1 error=SQLSTATE[HY000]: {syntax}"),
        "begin SELEC 2",
        &format!("end SELEC 2 error=SQLSTATE[HY000]: {syntax}"),
        &format!("only SELEC ? error=SQLSTATE[HY000]: {syntax}"),
        "begin INSERT INTO t VALUES (?, ?)",
        "end INSERT INTO t VALUES (?, ?) rows=1",
        "begin INSERT INTO t VALUES (?, ?)",
        &format!("end INSERT INTO t VALUES (?, ?) error=SQLSTATE[23000]: {unique}"),
        "begin SELEC 3",
        &format!("end SELEC 3 error=SQLSTATE[HY000]: General error: {syntax}"),
        "begin INSERT INTO t VALUES (?, ?)",
        &format!(
            "end INSERT INTO t VALUES (?, ?) \
             error=SQLSTATE[23000]: Integrity constraint violation: {unique}"
        ),
        "begin COMMIT",
        "end COMMIT error=There is no active transaction",
    ];
    assert_eq!(run(&agent, &["errors", MEMORY]), expected);
    let failed = find(&agent, "tag=php.query level=err");
    assert_eq!(failed.len(), expected.iter().filter(|text| text.contains("error=")).count());
    assert!(!agent.history_text().contains("anna"));
}

#[test]
fn rows_and_transactions_are_reported() {
    if !has_sqlite("rows and transactions") {
        return;
    }
    let agent = Agent::start();
    let ends: Vec<_> =
        run(&agent, &["rows", MEMORY]).into_iter().filter(|text| text.starts_with("end")).collect();
    let expected = [
        "end CREATE TABLE t (a INTEGER PRIMARY KEY) rows=0",
        "end INSERT INTO t VALUES (1), (2), (3) rows=3",
        "end UPDATE t SET a = a + ? rows=3",
        "end SELECT a FROM t",
        "end BEGIN",
        "end ROLLBACK",
        "end BEGIN",
        "end COMMIT",
    ];
    assert_eq!(ends, expected);
    let ended = &find(&agent, "tag=php.query took>=0")[0];
    assert_eq!(ended["fields"]["db"], "sqlite:memory");
}

#[test]
fn begins_of_fast_shapes_are_left_out_after_a_hundred() {
    if !has_sqlite("a thousand statements") {
        return;
    }
    let agent = Agent::start();
    let all = run(&agent, &["thousand", MEMORY]);
    let count = |what: &str| all.iter().filter(|text| text.starts_with(what)).count();
    // None is lost: each has its end.
    assert_eq!(count("end SELECT wait(), ?") + count("only SELECT wait(), ?"), 1000);
    assert_eq!(count("begin"), count("end"));
    let begins = |what: &str| {
        all.iter()
            .take_while(|text| !text.starts_with(what))
            .filter(|text| text.starts_with("begin"))
            .count()
    };
    assert_eq!(begins("only"), BEGINS_MAX);
    // The slow one in the middle makes its shape slow, until it was fast so many times again. A busy machine may
    // make others slow.
    let slow = find(&agent, "tag=php.query took>=5ms msg~wait");
    assert!(!slow.is_empty());
    assert!(
        count("begin SELECT wait(), ?") >= BEGINS_MAX + FAST_RUNS,
        "{}",
        count("begin SELECT wait(), ?")
    );
    assert!(count("only SELECT wait(), ?") > 100, "{}", count("only SELECT wait(), ?"));
    assert!(
        (FAST_RUNS..20).contains(&count("begin SELECT 'text")),
        "{}",
        count("begin SELECT 'text")
    );
    assert_eq!(count("begin SELECT 1 AS never_seen_before"), 1);
}

#[test]
fn texts_are_cut_repaired_and_in_one_line() {
    if !has_sqlite("large and invalid texts") {
        return;
    }
    let agent = Agent::start();
    run(&agent, &["sizes", MEMORY]);
    let ends = find(&agent, "tag=php.query took>=0");
    let [megabyte, letters, invalid, lines, quotes] = &ends[..] else {
        panic!("{} events", ends.len())
    };
    let msg = |event: &Value| event["msg"].as_str().expect("a message").to_owned();
    assert_eq!(msg(megabyte).len(), TEXT_MAX);
    assert_eq!(megabyte["fields"]["cut"], format!("msg={}", (1 << 20) + "SELECT ''".len()));
    // Not within a letter.
    assert_eq!(msg(letters).len(), TEXT_MAX - 1);
    assert_eq!(letters["fields"]["repaired"], Value::Null);
    assert_eq!(msg(invalid), "SELECT '\u{fffd}\u{fffd}'");
    assert_eq!(invalid["fields"]["repaired"], "utf8");
    assert_eq!(msg(lines), "SELECT 1, 2");
    assert_eq!(msg(quotes), "SELECT '{\"msg\":1}\t\"'");
}

#[test]
fn bound_values_are_sent_only_if_asked() {
    if !has_sqlite("bound values") {
        return;
    }
    let agent = Agent::start();
    run(&agent, &["binds", MEMORY]);
    assert!(!agent.history_text().contains("anna"));
    let agent = Agent::start();
    let text = "SELECT 1 WHERE 1 = ? OR 2 = ? OR 3 = ? binds=";
    let [first, second] = ["'anna', 2, NULL", "'anna', 'anna', 3"];
    let expected = [
        format!("begin {text}{first}"),
        format!("end {text}{first}"),
        format!("begin {text}{second}"),
        format!("end {text}{second}"),
    ];
    assert_eq!(run(&agent, &["binds", MEMORY, "binds"]), expected);
}

#[test]
fn passwords_in_texts_are_replaced() {
    if !has_sqlite("passwords in statements") {
        return;
    }
    let agent = Agent::start();
    let shown = run(&agent, &["passwords", MEMORY]);
    let begins: Vec<_> = shown.iter().filter(|text| text.starts_with("begin")).collect();
    let expected = [
        r#"begin CREATE USER x IDENTIFIED BY "?""#,
        r#"begin SELECT * FROM "users" WHERE password = '?'"#,
        "begin ALTER USER x IDENTIFIED BY '?'",
    ];
    assert_eq!(begins, expected);
    assert!(!agent.history_text().contains("geheim"));
}

#[test]
fn persistent_connections_and_other_statement_classes() {
    if !has_sqlite("persistent connections") {
        return;
    }
    let begins = |case: &str| {
        let agent = Agent::start();
        let all = run(&agent, &[case, MEMORY]);
        all.iter()
            .filter_map(|text| text.strip_prefix("begin ").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(begins("persistent"), ["SELECT 1", "SELECT 2", "SELECT 3"]);
    // Executions of a statement of the page's own class are not seen.
    assert_eq!(begins("own class"), ["SELECT 2", "SELECT 3", "SELECT 4"]);
}

#[test]
fn connection_attempts_show_no_password() {
    if !has_extensions(&["pdo_mysql"], "connection attempts") {
        return;
    }
    let agent = Agent::start();
    let shown = run(&agent, &["connect", MEMORY]);
    assert_eq!(
        (shown[0].as_str(), shown[2].as_str()),
        ("begin connect to mysql:shop", "begin connect to pgsql")
    );
    assert!(
        shown[1].starts_with("end connect to mysql:shop error=SQLSTATE[HY000] [2002]"),
        "{shown:?}"
    );
    assert!(!agent.history_text().contains("geheim"));
}

#[test]
fn each_rowset_of_many_statements_is_shown() {
    let Some((_database, dsn)) = mariadb("many statements in one text") else {
        return;
    };
    let agent = Agent::start();
    let text = "SELECT 1; SELECT SLEEP(0.01); SELECT 3";
    let shown = run(&agent, &["many", &dsn, "web"]);
    let begins: Vec<_> = shown.iter().filter(|text| text.starts_with("begin")).skip(1).collect();
    let rowsets =
        ["", " rowset=2", " rowset=3", " rowset=4"].map(|rowset| format!("begin {text}{rowset}"));
    assert_eq!(begins, rowsets.iter().collect::<Vec<_>>());
    assert_eq!(shown[5], format!("end {text} rows=1 rowset=2"));
}

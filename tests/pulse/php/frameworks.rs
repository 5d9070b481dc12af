//! Doctrine DBAL and Laravel from Debian's packages. WordPress is tested as an application.

use std::path::Path;

use super::queries::{events, has_extensions, in_short, script, statements};
use super::site::library;
use crate::harness::{Agent, Tool, report};

const DOCTRINE: &str = "/usr/share/php/Doctrine/DBAL/autoload.php";
const LARAVEL: &str = "/usr/share/php/Illuminate/autoload.php";

fn can_run(autoload: &str, what: &str) -> bool {
    let exists = Path::new(autoload).exists();
    if !exists {
        report(&format!("\n*** NOT TESTED, because {autoload} is missing: {what} ***\n"));
    }
    exists && has_extensions(&["pdo_sqlite"], what)
}

/// Runs an application without the library and with it, which must be the same, and returns its output.
fn run(name: &str, agent: &Agent, arguments: impl Fn(&str, &str) -> Vec<String>) -> String {
    let outputs = ["plain", "tracked"].map(|mode| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let arguments = arguments(mode, dir.path().to_str().expect("UTF-8"));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // Each prints what its user sees.
        let socket = if mode == "plain" { "/nowhere" } else { agent.socket_text() };
        script(name, socket, &arguments).ok()
    });
    let [plain, tracked] = outputs;
    assert_eq!(plain, tracked);
    tracked
}

#[test]
fn doctrine_statements_are_shown() {
    if !can_run(DOCTRINE, "Doctrine DBAL with the PHP library") {
        return;
    }
    let agent = Agent::start();
    run("doctrine.php", &agent, |mode, dir| vec![mode.into(), format!("{dir}/d.sqlite")]);
    let ends: Vec<_> =
        statements(&agent).into_iter().filter(|text| !text.starts_with("begin")).collect();
    let syntax = r#"error=SQLSTATE[HY000]: General error: 1 near "SELEC": syntax error"#;
    let expected = [
        "end CREATE TABLE d (a INTEGER PRIMARY KEY, b VARCHAR(20)) rows=0",
        "end INSERT INTO d (a, b) VALUES (?, ?) rows=1",
        "end INSERT INTO d (a, b) VALUES (?, ?) \
         error=SQLSTATE[23000]: Integrity constraint violation: 19 UNIQUE constraint failed: d.a",
        "end BEGIN",
        "end UPDATE d SET b = ? WHERE a = ? rows=1",
        "end COMMIT",
        "end BEGIN",
        "end ROLLBACK",
        "end SELECT * FROM d WHERE b = ?",
        "end SELECT a FROM d WHERE a = ?",
        "end SELECT a FROM d WHERE a IN (?, ?)",
        "end SELECT b FROM d WHERE a = ?",
        &format!("end SELEC {syntax}"),
        &format!("end SELEC {syntax}"),
        &format!("only SELEC ? {syntax}"),
        "end SELECT a FROM d WHERE a = ?",
    ];
    assert_eq!(ends, expected);
    let history = agent.history_text();
    assert!(!history.contains("geheim") && !history.contains("anna"));
}

#[test]
fn laravel_statements_jobs_users_and_errors_are_shown() {
    if !can_run(LARAVEL, "Laravel with the PHP library") {
        return;
    }
    let agent = Agent::start();
    let pages = run("laravel.php", &agent, |mode, dir| vec![dir.into(), mode.into()]);
    assert!(pages.starts_with("200 [{\"id\":5,\"name\":\"berta\"}]\n500 "), "{pages}");

    let shown = statements(&agent);
    let has = |text: &str| assert!(shown.iter().any(|shown| shown == text), "{text}: {shown:#?}");
    has("begin insert into \"users\" (\"id\", \"name\") values (?, ?)");
    has("end insert into \"users\" (\"id\", \"name\") values (?, ?) rows=1");
    has("end insert into \"users\" (\"id\", \"name\") values (?, ?) \
         error=SQLSTATE[23000]: Integrity constraint violation: 19 UNIQUE constraint failed: users.name");
    has("end COMMIT");
    // A connection with another PDO has no begins.
    has("only SELECT 9 WHERE 1 = ?");
    // One statement is not shown twice.
    assert_eq!(
        shown.iter().filter(|text| text.as_str() == "end select * from \"users\"").count(),
        1
    );

    let jobs: Vec<_> = events(&agent, "tag=php.job").iter().map(in_short).collect();
    let failed = "end job SendMail error=RuntimeException: the mail server is away";
    let [begin, end] = ["begin job SendMail", "end job SendMail"];
    assert_eq!(jobs, [begin, end, begin, failed, begin, end]);
    let by_worker = events(&agent, "tag=php.query page=SendMail \"msg=SELECT 7\" took>=0");
    assert_eq!(by_worker.len(), 1);

    let errors = events(&agent, "tag=php.error");
    let [query, basket] = &errors[..] else { panic!("{errors:#?}") };
    assert_eq!((&query["fields"]["user"], &basket["fields"]["user"]), (&"5".into(), &"5".into()));
    assert!(
        query["msg"]
            .as_str()
            .is_some_and(|msg| msg.contains("UNIQUE constraint failed: users.name"))
    );
    assert!(
        basket["msg"]
            .as_str()
            .is_some_and(|msg| msg.starts_with("LogicException: the basket is broken"))
    );
    assert!(!agent.history_text().contains("berta"), "a bound value");
}

#[test]
fn texts_in_statements_of_wordpress_are_replaced() {
    let cases = [
        ("SELECT 1", "SELECT 1"),
        ("a = 'x' AND `b` = \"y\" AND c = 5", "a = '?' AND `b` = \"?\" AND c = 5"),
        (r"'it\'s' x", "'?' x"),
        ("'a''b' x", "'?''?' x"),
        ("a = '' b", "a = '?' b"),
        ("'open", "'?'"),
        (r"'open\", "'?'"),
        ("", ""),
    ];
    for (text, expected) in cases {
        let program = "require $argv[1]; echo Pulse\\Shape::withoutTexts($argv[2]);";
        let library = library("pulse.php");
        let arguments = ["-r", program, "--", library.to_str().expect("UTF-8"), text];
        assert_eq!(Tool::new("php").args(&arguments).ok(), expected, "{text}");
    }
}

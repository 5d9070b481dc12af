//! What a script sends, and what becomes of its runs.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::site::library;
use super::{code, code_for, events, messages, php};
use crate::harness::{Agent, Tool, parse};

#[test]
fn sends_with_one_require() {
    let agent = Agent::start();
    let page = agent.dir().join("shop.php");
    let text = "Pulse::send(\"User 123 has logged in\", ['user' => 123], tag: 'shop.login', level: 'notice');";
    fs::write(&page, format!("<?php require {:?}; {text} echo 'page';", library("pulse.php")))
        .expect("writable");
    let out = php().env("PULSED_SOCKET", agent.socket_text()).arg(&page).ok();
    assert_eq!(out, "page");
    let event = &events(&agent)[0];
    assert_eq!(
        (&event["tag"], &event["level"], &event["msg"]),
        (&json!("shop.login"), &json!("notice"), &json!("User 123 has logged in"))
    );
    let fields = &event["fields"];
    assert_eq!((&fields["user"], &fields["page"]), (&json!(123), &json!("shop.php")));
    assert_eq!(fields["req"].as_str().map(str::len), Some(16), "{event}");
    assert_eq!((&fields["method"], &fields["repaired"]), (&json!(null), &json!(null)), "{event}");
}

#[test]
fn fields_levels_and_durations_arrive_as_given() {
    let agent = Agent::start();
    code_for(
        &agent,
        "Pulse::configure(['tag' => 'shop', 'level' => 'info']);
         Pulse::send('a', ['order' => ['id' => 7, 'lines' => [1, 2]], 'ok' => true, 'none' => null], took: 0.25);
         Pulse::send('b', took: '40ms', level: 'error');
         Pulse::send('not sent', level: 'debug');
         Pulse::user('anna');
         Pulse::send('c', ['duration_ms' => 12]);",
    )
    .ok();
    let all = events(&agent);
    assert_eq!(messages(&all), ["a", "b", "c"]);
    assert_eq!((&all[0]["tag"], &all[0]["took"]), (&json!("shop"), &json!(0.25)));
    let fields = &all[0]["fields"];
    for (name, value) in [
        ("order.id", json!(7)),
        ("order.lines.0", json!(1)),
        ("order.lines.1", json!(2)),
        ("ok", json!(true)),
        ("none", json!(null)),
        ("repaired", json!(null)),
    ] {
        assert_eq!(fields[name], value, "{fields}");
    }
    assert_eq!((&all[1]["level"], &all[1]["took"]), (&json!("err"), &json!(0.04)));
    assert_eq!((&all[2]["took"], &all[2]["fields"]["user"]), (&json!(0.012), &json!("anna")));
}

#[test]
fn shows_a_run_while_it_lasts_and_abandons_it_when_killed() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    let mut running = code_for(
        &agent,
        "Pulse::send('before');
         $run = Pulse::begin('select sleep(60)', ['db' => 'shop'], tag: 'shop.query');
         echo \"begun\\n\"; sleep(60);",
    )
    .start();
    let before = parse(&follower.line());
    assert_eq!(before.msg(), Some("before"));
    let begin = parse(&follower.line()).event().clone();
    assert_eq!((&begin["msg"], &begin["took"]), (&json!("select sleep(60)"), &json!(null)));
    assert_eq!(running.line(), "begun");
    running.signal(Signal::SIGKILL);
    let end = parse(&follower.line()).event().clone();
    assert_eq!((&end["run"], &end["abandoned"]), (&begin["run"], &json!(true)));
}

#[test]
fn ends_a_run_once() {
    let agent = Agent::start();
    code_for(
        &agent,
        "$run = Pulse::begin('import', ['files' => 3]); usleep(2000); $run->end('imported', ['rows' => 7]);
         $run->end(); $run = null; Pulse::begin('second')->end();",
    )
    .ok();
    let all = events(&agent);
    assert_eq!(messages(&all), ["import", "imported", "second", "second"]);
    assert_eq!((&all[1]["run"], &all[1]["fields"]["rows"]), (&all[0]["run"], &json!(7)));
    assert!(all[1]["took"].as_f64().is_some_and(|took| took >= 0.002), "{}", all[1]);
    assert_ne!(all[0]["run"], all[2]["run"]);
}

#[test]
fn ends_open_runs_however_the_script_ends() {
    for end in [
        "",
        "exit(3);",
        "throw new Exception('uncaught');",
        "undefined_function();",
        "ini_set('memory_limit', '16M'); $all = []; while (true) { $all[] = str_repeat('x', 1000); }",
        "ini_set('memory_limit', '16M'); str_repeat('x', 100000000);",
        "set_time_limit(1); while (true) {}",
        "register_shutdown_function(fn () => exit(4));",
        "register_shutdown_function(function () { throw new Exception('uncaught'); });",
        "register_shutdown_function(fn () => undefined_function());",
        "register_shutdown_function(fn () => register_shutdown_function(fn () => Pulse::begin('late')));",
        "class Late { function __destruct() { Pulse::begin('late'); } } $late = new Late();",
        "class Ends { function __destruct() { exit; } } $ends = new Ends();",
    ] {
        let agent = Agent::start();
        let text = format!("Pulse::begin('open', tag: 'job'); Pulse::send('pending'); {end}");
        code_for(&agent, &text).args(&["-d", "log_errors=0"]).run();
        let all = events(&agent);
        assert_eq!(messages(&all)[..2], ["open", "pending"], "{end}: {all:#?}");
        let ends: Vec<_> = all.iter().filter(|event| !event["took"].is_null()).collect();
        let ended = |end: &&serde_json::Value| end["run"] == all[0]["run"];
        let own = ends.iter().copied().find(ended).unwrap_or_else(|| panic!("{end}: {all:#?}"));
        assert_eq!((&own["tag"], &own["level"]), (&json!("job"), &json!("warning")), "{end}");
        assert_eq!(
            (&own["fields"]["left_open"], &own["abandoned"]),
            (&json!(true), &json!(null)),
            "{end}: {own}"
        );
        let begins = all.iter().filter(|event| event["run"].is_string() && event["took"].is_null());
        assert_eq!(begins.count(), ends.len(), "{end}: {all:#?}");
    }
}

#[test]
fn begins_and_ends_requests_by_call() {
    let agent = Agent::start();
    code_for(
        &agent,
        "Pulse::configure(['user' => fn () => $GLOBALS['user'] ?? null]);
         $trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
         Pulse::beginRequest(['REQUEST_METHOD' => 'POST', 'REQUEST_URI' => '/cart?token=secret', 'HTTP_TRACEPARENT' => $trace]);
         Pulse::send('first');
         $user = 'anna';
         Pulse::send('second');
         $run = Pulse::begin('left open');
         $user = 'bert';
         Pulse::beginRequest(['REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/', 'HTTP_X_REQUEST_ID' => 'abc-7']);
         $run->end('of another request');
         Pulse::send('third');
         Pulse::endRequest();
         Pulse::endRequest();
         Pulse::send('between');",
    )
    .ok();
    let all = events(&agent);
    assert_eq!(messages(&all), ["first", "second", "left open", "left open", "third", "between"]);
    let of = |name: &str| all.iter().map(|event| event["fields"][name].clone()).collect::<Vec<_>>();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(of("req")[..5], [trace, trace, trace, trace, "abc-7"]);
    assert_eq!(of("page")[..5], ["/cart", "/cart", "/cart", "/cart", "/"]);
    assert_eq!(of("method")[..5], ["POST", "POST", "POST", "POST", "GET"]);
    assert_eq!(
        of("user")[..5],
        [json!(null), json!("anna"), json!("anna"), json!("anna"), json!("bert")]
    );
    assert_ne!(of("req")[5], "abc-7");
    assert_eq!(all[3]["fields"]["left_open"], true);
}

#[test]
fn rejects_request_ids_that_are_none() {
    for server in [
        "['HTTP_TRACEPARENT' => '00-00000000000000000000000000000000-00f067aa0ba902b7-01']",
        "['HTTP_TRACEPARENT' => '00-4BF92F-x']",
        "['HTTP_X_REQUEST_ID' => str_repeat('x', 65)]",
        "['HTTP_X_REQUEST_ID' => \"a\\nSEND b\"]",
        "['HTTP_X_REQUEST_ID' => '']",
        "['HTTP_X_REQUEST_ID' => ['a']]",
    ] {
        let agent = Agent::start();
        code_for(&agent, &format!("Pulse::beginRequest({server}); Pulse::send('x');")).ok();
        let all = events(&agent);
        let req = all[0]["fields"]["req"].as_str().expect("a string").to_owned();
        let made = req.len() == 16 && req.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(all.len() == 1 && made, "{server}: {all:#?}");
    }
}

#[test]
fn a_forked_child_has_its_own_connection() {
    let agent = Agent::start();
    code_for(
        &agent,
        "Pulse::send('before'); $run = Pulse::begin('of the parent'); Pulse::send('pending');
         $child = pcntl_fork();
         if ($child === 0) {
             $run->end('not in the child'); Pulse::send('child'); Pulse::begin('of the child'); exit;
         }
         pcntl_waitpid($child, $status);
         $idle = pcntl_fork();
         if ($idle === 0) { exit; }
         pcntl_waitpid($idle, $status);
         Pulse::send('after'); $run->end('parent ends');",
    )
    .ok();
    let all = events(&agent);
    let pid = |event: &serde_json::Value| event["origin"]["pid"].clone();
    let before =
        all.iter().find(|event| event["msg"] == "before").expect("the parent's first event");
    let (parents, children): (Vec<_>, Vec<_>) =
        all.iter().cloned().partition(|event| pid(event) == pid(before));
    assert_eq!(messages(&parents), ["before", "of the parent", "pending", "after", "parent ends"]);
    assert_eq!(messages(&children), ["child", "of the child", "of the child"]);
    assert_eq!(children[2]["fields"]["left_open"], true);
    assert!(all.iter().all(|event| event["abandoned"].is_null()), "{all:#?}");
}

#[test]
fn a_child_of_exec_does_not_hold_the_connection() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    let mut running = code_for(
        &agent,
        "Pulse::begin('parent'); echo exec('sleep 300 > /dev/null 2>&1 & echo $!'), \"\\n\"; sleep(60);",
    )
    .start();
    let begin = parse(&follower.line()).event().clone();
    let child = Pid::from_raw(running.line().parse().expect("a process id"));
    running.signal(Signal::SIGKILL);
    let end = parse(&follower.line()).event().clone();
    let is_alive = kill(child, None).is_ok();
    kill(child, Signal::SIGKILL).expect("a running child");
    assert_eq!((&end["run"], &end["abandoned"]), (&begin["run"], &json!(true)));
    assert!(is_alive, "the child ended before the connection");
}

#[test]
fn signal_handlers_may_send_and_throw() {
    let agent = Agent::start();
    let out = code_for(
        &agent,
        "pcntl_async_signals(true);
         $handled = $thrown = $caught = $sent = 0; $on = $may = false;
         pcntl_signal(SIGUSR1, function () use (&$handled, &$thrown, &$on, &$may) {
             if (!$on) { return; }
             Pulse::send('handler');
             if (++$handled % 7 === 0 && $may) { $may = false; $thrown++; throw new LogicException('of the page'); }
         });
         $parent = getmypid();
         $child = pcntl_fork();
         if ($child === 0) {
             while (posix_getppid() === $parent) { posix_kill($parent, SIGUSR1); usleep(50); }
             posix_kill(getmypid(), SIGKILL);
         }
         $on = true;
         while ($caught < 10) {
             for ($n = 0; $n < 50; $n++) {
                 try { $may = true; $sent++; Pulse::send('main'); $may = false; } catch (LogicException $e) { $caught++; }
             }
             try { $may = true; Pulse::flush(); usleep(1000); $may = false; } catch (LogicException $e) { $caught++; }
         }
         $on = false;
         posix_kill($child, SIGKILL); pcntl_waitpid($child, $status);
         echo json_encode([$sent, $handled, $thrown, $caught]);",
    )
    .ok();
    let [sent, handled, thrown, caught]: [usize; 4] =
        serde_json::from_str(&out).expect("four numbers");
    assert_eq!(thrown, caught, "each exception reaches the page");
    let all = events(&agent);
    let count = |msg: &str| all.iter().filter(|event| event["msg"] == msg).count();
    assert_eq!(count("handler"), handled);
    // An exception may interrupt the event that it comes with.
    assert!(
        count("main") <= sent && count("main") >= sent - caught,
        "{sent} {caught} {}",
        count("main")
    );
    assert_eq!(super::sum(&all, "lost"), 0);
}

#[test]
fn logs_through_psr_3() {
    let agent = Agent::start();
    let logs = "$logger = new Pulse\\Logger('shop');
        $logger->warning('{user} bought {n} of {what}{none}', ['user' => 'anna', 'n' => 3, 'what' => 'tea', 'tags' => ['a']]);
        $logger->log('critical', 'failed', ['exception' => new RuntimeException('why', 7)]);
        echo $logger instanceof Psr\\Log\\LoggerInterface ? 'psr' : 'none';";
    assert_eq!(code_for(&agent, logs).ok(), "none");
    for (parameter, result) in
        [("", ""), ("string|\\Stringable", ""), ("string|\\Stringable", ": void")]
    {
        let method = |name: &str| {
            format!("public function {name}({parameter} $message, array $context = []){result};")
        };
        let names =
            ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];
        let interface = format!(
            "namespace Psr\\Log; interface LoggerInterface {{ {} {} }}",
            names.map(method).concat(),
            method("log").replace('(', "($level, ")
        );
        let text = format!("eval({}); {logs}", php_string(&interface));
        assert_eq!(code_for(&agent, &text).ok(), "psr", "{interface}");
    }
    let monolog = "require '/usr/share/php/Psr/Log/autoload.php'; require '/usr/share/php/Monolog/autoload.php';
        $monolog = new Monolog\\Logger('channel');
        $monolog->pushHandler(new Monolog\\Handler\\PsrHandler(new Pulse\\Logger()));
        $monolog->notice('through Monolog', ['n' => 1]);";
    if std::path::Path::new("/usr/share/php/Monolog").exists() {
        code_for(&agent, monolog).ok();
    } else {
        crate::harness::report(
            "\n*** NOT TESTED, because php-monolog is not installed: Monolog ***\n",
        );
    }
    let all = events(&agent);
    let first = &all[0];
    assert_eq!(first["msg"], "anna bought 3 of tea{none}");
    assert_eq!((&first["tag"], &first["level"]), (&json!("shop"), &json!("warning")));
    assert_eq!(
        (&first["fields"]["tags.0"], &first["fields"]["user"]),
        (&json!("a"), &json!("anna"))
    );
    let second = &all[1];
    assert_eq!(
        (&second["level"], &second["fields"]["exception.class"]),
        (&json!("crit"), &json!("RuntimeException"))
    );
    assert_eq!(second["fields"]["exception.message"], "why");
    let last = all.last().expect("events");
    assert!(
        last["msg"] == "through Monolog" && last["fields"]["n"] == 1 || all.len() == 8,
        "{last}"
    );
}

/// A PHP string literal.
fn php_string(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[test]
fn finds_the_socket_as_the_commands_do() {
    let agent = Agent::start();
    let named =
        format!("Pulse::configure(['socket' => {:?}]); Pulse::send('by option');", agent.socket());
    code(&named).env("PULSED_SOCKET", "/nonexistent").ok();
    code_for(&agent, "Pulse::send('by variable');").ok();
    let tagged = code_for(&agent, "Pulse::send('with a tag');").env("PULSED_TAG", "nightly");
    tagged.ok();
    let all = events(&agent);
    assert_eq!(messages(&all), ["by option", "by variable", "with a tag"]);
    assert_eq!((&all[1]["tag"], &all[2]["tag"]), (&json!("php"), &json!("nightly")));
}

#[test]
fn loads_once_from_two_places() {
    let agent = Agent::start();
    let copy = agent.dir().join("copy");
    Tool::new("cp").args(&["-r"]).arg(library("")).arg(&copy).ok();
    let text = format!("require {:?}; Pulse::send('once');", copy.join("pulse.php"));
    assert_eq!(code_for(&agent, &text).ok(), "");
    assert_eq!(messages(&events(&agent)), ["once"]);
}

#[test]
fn sends_the_pending_events_with_the_next_one_after_50_ms() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    let mut running = code_for(
        &agent,
        "Pulse::send('one'); Pulse::send('two'); usleep(60000); Pulse::send('three'); echo \"sent\\n\"; fgets(STDIN);",
    )
    .start();
    assert_eq!(running.line(), "sent");
    for expected in ["one", "two", "three"] {
        assert_eq!(parse(&follower.line()).msg(), Some(expected));
    }
    running.write_stdin("\n");
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn keeps_events_while_the_agent_restarts() {
    let mut agent = Agent::start();
    let text = "Pulse::send('before'); Pulse::flush(); echo \"1\\n\"; fgets(STDIN);
        Pulse::send('meanwhile'); Pulse::flush(); $run = Pulse::begin('begun meanwhile'); echo \"2\\n\"; fgets(STDIN);
        usleep(100000); Pulse::send('after'); $run->end();";
    let mut running = code_for(&agent, text).start();
    assert_eq!(running.line(), "1");
    assert!(agent.stop().success());
    running.write_stdin("\n");
    assert_eq!(running.line(), "2");
    agent.restart();
    running.write_stdin("\n");
    assert_eq!(running.wait().code, Some(0));
    let mut all = events(&agent);
    all.retain(|event| event["gap"].is_null());
    let sent = ["before", "meanwhile", "begun meanwhile", "after", "begun meanwhile"];
    assert_eq!(messages(&all), sent, "{all:#?}");
}

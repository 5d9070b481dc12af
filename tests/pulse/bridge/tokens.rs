//! Tokens: the commands that keep them, what may be done with them, and their end.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::json;

use super::{BRIDGE, REFUSAL};
use crate::harness::{Agent, FIRST, Item, Tool, as_root, begins_log, parse, until};

fn messages(lines: &[String]) -> Vec<String> {
    // A new log begins with a gap.
    let items = lines.iter().map(|line| parse(line)).filter(|item| item.numbers().0 >= FIRST);
    items.map(|item| item.msg().expect("an event").to_owned()).collect()
}

#[test]
fn the_commands_keep_tokens_and_say_what_is_wrong() {
    let agent = Agent::with(&[BRIDGE]);
    let token = |arguments: &[&str]| agent.pulsed(&[&["token"], arguments].concat());
    let file = agent.history().join("tokens");
    let none = format!("there are no tokens in {}\n", file.display());
    assert_eq!(token(&["list"]).ok(), none);
    let text = token(&["add", "web2", "--send", "shop.*", "--send", "cron"]).ok();
    assert_eq!(text.trim_end().len(), 64);
    assert!(text.trim_end().bytes().all(|b| b.is_ascii_hexdigit()), "{text}");
    token(&["add", "wall", "--tail", "*"]).ok();
    let list = token(&["list"]).ok();
    let lines: Vec<Vec<&str>> =
        list.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(lines, [["NAME", "SEND", "TAIL"], ["web2", "shop.*,cron", "-"], ["wall", "-", "*"]]);
    assert_eq!(fs::metadata(&file).expect("made").mode() & 0o7777, 0o600);

    token(&["add", "web2", "--send", "x"]).run().failed(1, &["web2", "already"]);
    token(&["revoke", "web3"]).run().failed(1, &["web3", "there is no token"]);
    for bad in [
        &["add", "a:b", "--send", "x"][..],
        &["add", "a b", "--send", "x"],
        &["add", "", "--send", "x"],
        &["add", "a", "--send", "a b"],
        &["add", "a"],
        &["add"],
        &["revoke"],
        &["revoke", "a/b"],
        &["lsit"],
        &[],
    ] {
        let done = token(bad).run();
        assert_eq!((done.code, done.out.as_str()), (Some(64), ""), "{bad:?} {done:#?}");
        assert!(!done.err.is_empty());
    }
    token(&[]).run().failed(64, &["requires a subcommand", "add, list, revoke"]);
    assert_eq!(token(&["list"]).ok(), list, "nothing was changed");
    assert_eq!(token(&["revoke", "web2"]).ok(), "web2: revoked\n");
    assert_eq!(token(&["list"]).ok().lines().count(), 2);

    // What anybody might have written is not believed, by the commands and by the agent.
    let wall = token(&["add", "wall2", "--tail", "*"]).ok();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o620)).expect("ours");
    token(&["list"]).run().failed(1, &["tokens", "not trusted"]);
    assert_eq!(agent.connect_by_tcp().ask(&format!("AUTH {wall}")), REFUSAL);
    agent.until_said("until then nobody comes in by TCP");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
    agent.connect_with(wall.trim_end());
    fs::write(&file, "{}\n").expect("ours");
    token(&["list"]).run().failed(1, &[":1: not a token as pulsed writes it"]);
}

#[test]
fn without_an_agent_tokens_can_be_kept_as_well() {
    let agent = Agent::prepare(&[BRIDGE]);
    let done = agent.pulsed(&["token", "add", "web2", "--send", "*"]).run();
    done.failed(1, &["there is no directory", "history", "when it first starts"]);
    fs::create_dir(agent.history()).expect("ours");
    agent.token("web2", &["*"], &[]);
    let file = fs::read_to_string(agent.history().join("tokens")).expect("made");
    assert_eq!(file.lines().count(), 1);
}

#[test]
fn tokens_take_no_place_for_a_socket() {
    if !as_root("tokens of a user who has no directory for a socket") {
        return;
    }
    let agent = Agent::prepare(&[]);
    let token = |arguments: &[&str]| {
        let tool = Tool::pulsed().args(&["token"]).args(arguments).by(65534, &agent);
        tool.env("HOME", "/nowhere")
    };
    let place = "/nowhere/.local/state/pulsed";
    assert_eq!(token(&["list"]).ok(), format!("there are no tokens in {place}/tokens\n"));
    token(&["add", "web2", "--send", "*"]).run().failed(1, &["there is no directory", place]);
}

#[test]
fn what_is_not_a_file_is_no_file_of_tokens() {
    let agent = Agent::with(&[BRIDGE]);
    let file = agent.history().join("tokens");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("ours");
    agent.pulsed(&["token", "list"]).run().failed(1, &["tokens", "not trusted"]);
    assert_eq!(agent.connect_by_tcp().ask("AUTH x"), REFUSAL);
    fs::remove_file(&file).expect("ours");
    std::os::unix::fs::symlink("/etc/passwd", &file).expect("ours");
    agent.pulsed(&["token", "list"]).run().failed(1, &["tokens", "cannot read"]);
}

#[test]
fn an_event_by_tcp_says_its_address_and_its_token_and_nothing_else() {
    let agent = Agent::with(&[BRIDGE]);
    let token = agent.token("web2", &["*"], &["*"]);
    let mut client = agent.connect_with(&token);
    client.say("SEND hello\nSEND {\"tag\":\"shop.a\",\"msg\":\"sold\"}\n").sync();
    agent.connect().say("SEND from here\n").sync();
    let items: Vec<Item> = client.tail("{}").iter().map(|line| parse(line)).collect();
    assert_eq!(items[0].event()["tag"], "web2", "the name of the token");
    for item in &items[..2] {
        assert_eq!(item.event()["origin"], json!({"addr": "127.0.0.1", "token": "web2"}));
    }
    for (matching, told) in [
        ("_token=web2", &["hello", "sold"][..]),
        ("_addr=127.0.0.1", &["hello", "sold"]),
        ("_token!=web2", &["from here"]),
        ("_addr=127.0.0.2", &[]),
    ] {
        let lines = client.tail(&format!("{{\"match\":\"{matching}\"}}"));
        assert_eq!(messages(&lines), told, "{matching}");
    }
}

#[test]
fn a_token_opens_the_tags_of_its_globs_and_no_others() {
    let agent = Agent::with(&[BRIDGE]);
    let token = agent.token("web2", &["shop.*"], &["shop.*", "news"]);
    let mut live = agent.connect_with(&token);
    live.follow("");
    let mut client = agent.connect_with(&token);
    client.say("SEND {\"tag\":\"shop.a\",\"msg\":\"sold\"}\n");
    assert!(client.ask("SEND {\"tag\":\"news\"}").starts_with("ERR 77 "));
    assert!(client.ask("SEND hello").starts_with("ERR 77 "), "its name is no tag of its own");
    assert!(client.ask("SYNC").starts_with("ERR 77 2 refused, rest stored at "));
    agent.until_said("token web2 may not send the tag news: refused");
    let mut root = agent.connect();
    root.say(
        "SEND {\"tag\":\"secret\",\"msg\":\"hidden\"}\nSEND {\"tag\":\"news\",\"msg\":\"new\"}\n",
    );
    root.sync();
    assert_eq!(messages(&client.tail("{}")), ["sold", "new"]);
    assert_eq!(messages(&[live.line(), live.line()]), ["sold", "new"]);
    // Only what it is for.
    let mut sends = agent.connect_with(&agent.token("sends", &["*"], &[]));
    sends.say("SEND hello\n").sync();
    assert!(sends.ask("TAIL").starts_with("ERR 77 ") && sends.ask("STATS").starts_with("ERR 77 "));
    let mut tails = agent.connect_with(&agent.token("tails", &[], &["*"]));
    assert!(tails.ask("SEND hello").starts_with("ERR 77 "));
    assert_eq!(tails.tail("{}").len(), 4);
}

#[test]
fn a_token_that_is_revoked_ends_its_connections_and_no_others() {
    let agent = Agent::with(&[BRIDGE]);
    let gone = agent.token("gone", &["*"], &["*"]);
    let stays = agent.token("stays", &["*"], &["*"]);
    let mut cut: Vec<_> = (0..4).map(|_| agent.connect_with(&gone)).collect();
    cut[0].follow("");
    cut[1].say("TAIL\n");
    cut[2].say("SEND 0\n").sync();
    let mut follower = agent.connect_with(&stays);
    follower.say("TAIL {\"since\":\"2000-01-01T00:00:00Z\",\"follow\":true}\n");
    let mut sender = agent.connect_with(&stays);
    agent.pulsed(&["token", "revoke", "gone"]).ok();
    for client in &mut cut {
        assert!(client.rest().len() <= 1, "its end");
    }
    // Who takes its name does not take its place.
    let anew = agent.token("gone", &["*"], &["*"]);
    assert_eq!(agent.connect_by_tcp().ask(&format!("AUTH {gone}")), REFUSAL);
    agent.connect_with(&anew);
    for n in 1..100 {
        sender.say(format!("SEND {n}\n")).sync();
    }
    assert!(begins_log(&follower.line()));
    for n in 0..100 {
        let item = parse(&follower.line());
        assert_eq!((item.numbers().0, item.msg()), (FIRST + n, Some(n.to_string().as_str())));
    }
}

#[test]
fn telnet_shows_what_happens_and_nothing_drives_the_terminal() {
    let agent = Agent::with(&[BRIDGE]);
    let token = agent.token("wall", &[], &["*"]);
    let port = agent.tcp().port().to_string();
    let mut telnet = Tool::new("telnet").args(&["127.0.0.1", &port]).start();
    telnet.type_in(&format!("auth {token}\n"));
    while !telnet.line().ends_with("OK wall") {}
    telnet.type_in("tail\n");
    until("a follower", || (agent.stats()["followers"] == 1).then_some(()));
    agent.connect().say("SEND plain \u{e9}\nSEND \u{1b}[2J\u{9b}1m\u{202e}gnp.exe\n").sync();
    let (plain, hostile) = (telnet.line(), telnet.line());
    assert!(plain.contains(": plain \u{e9}"), "{plain}");
    assert!(hostile.contains(": \\x1b[2J\\u{9b}1m\\u{202e}gnp.exe"), "{hostile:?}");
    telnet.type_in("quit\n");
    until("no follower", || (agent.stats()["followers"] == 0).then_some(()));
    let done = telnet.wait();
    assert!(!done.out.contains('\u{1b}'), "{done:?}");
}

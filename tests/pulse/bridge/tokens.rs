//! Tokens: the commands that manage them, what they grant, and their revocation.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::json;

use super::{BRIDGE, REFUSAL};
use crate::harness::{Agent, FIRST, Item, Tool, as_root, begins_log, parse, wait_for};

fn messages(lines: &[String]) -> Vec<String> {
    // A new log begins with a gap.
    let items = lines.iter().map(|line| parse(line)).filter(|item| item.seq_range().0 >= FIRST);
    items.map(|item| item.msg().expect("an event").to_owned()).collect()
}

#[test]
fn token_commands_add_list_and_revoke() {
    let agent = Agent::with(&[BRIDGE]);
    let token = |arguments: &[&str]| agent.pulsed(&[&["token"], arguments].concat());
    let file = agent.history().join("tokens");
    let none = format!("no tokens in {}\n", file.display());
    assert_eq!(token(&["list"]).ok(), none);
    let text = token(&["add", "web2", "--send", "shop.*", "--send", "cron"]).ok();
    assert_eq!(text.trim_end().len(), 64);
    assert!(text.trim_end().bytes().all(|b| b.is_ascii_hexdigit()), "{text}");
    token(&["add", "wall", "--tail", "*"]).ok();
    let list = token(&["list"]).ok();
    let lines: Vec<Vec<&str>> =
        list.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(lines, [["NAME", "SEND", "TAIL"], ["web2", "shop.*,cron", "-"], ["wall", "-", "*"]]);
    assert_eq!(fs::metadata(&file).expect("a written file").mode() & 0o7777, 0o600);

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
        let output = token(bad).run();
        assert_eq!((output.code, output.out.as_str()), (Some(64), ""), "{bad:?} {output:#?}");
        assert!(!output.err.is_empty());
    }
    token(&[]).run().failed(64, &["requires a subcommand", "add, list, revoke"]);
    assert_eq!(token(&["list"]).ok(), list, "no token changed");
    assert_eq!(token(&["revoke", "web2"]).ok(), "web2: revoked\n");
    assert_eq!(token(&["list"]).ok().lines().count(), 2);

    // A file that others may write is not trusted, neither by the commands nor by the agent.
    let wall = token(&["add", "wall2", "--tail", "*"]).ok();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o620)).expect("a writable file");
    token(&["list"]).run().failed(1, &["tokens", "not trusted"]);
    assert_eq!(agent.connect_tcp().request(&format!("AUTH {wall}")), REFUSAL);
    agent.wait_for_output("no client can authenticate over TCP until this is fixed");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a writable file");
    agent.connect_with_token(wall.trim_end());
    fs::write(&file, "{}\n").expect("a writable file");
    token(&["list"]).run().failed(1, &[":1: not a token as pulsed writes it"]);
}

#[test]
fn token_commands_work_without_agent() {
    let agent = Agent::prepare(&[BRIDGE]);
    let output = agent.pulsed(&["token", "add", "web2", "--send", "*"]).run();
    output.failed(1, &["there is no directory", "history", "when it first starts"]);
    fs::create_dir(agent.history()).expect("a writable directory");
    agent.token("web2", &["*"], &[]);
    let file = fs::read_to_string(agent.history().join("tokens")).expect("a written file");
    assert_eq!(file.lines().count(), 1);
}

#[test]
fn token_commands_need_no_socket_path() {
    if !as_root("tokens of a user without a directory for a socket") {
        return;
    }
    let agent = Agent::prepare(&[]);
    let token = |arguments: &[&str]| {
        let tool = Tool::pulsed().args(&["token"]).args(arguments).with_user(65534, &agent);
        tool.env("HOME", "/nowhere")
    };
    let place = "/nowhere/.local/state/pulsed";
    assert_eq!(token(&["list"]).ok(), format!("no tokens in {place}/tokens\n"));
    token(&["add", "web2", "--send", "*"]).run().failed(1, &["there is no directory", place]);
}

#[test]
fn rejects_irregular_token_file() {
    let agent = Agent::with(&[BRIDGE]);
    let file = agent.history().join("tokens");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::from_bits_truncate(0o600))
        .expect("a writable directory");
    agent.pulsed(&["token", "list"]).run().failed(1, &["tokens", "not trusted"]);
    assert_eq!(agent.connect_tcp().request("AUTH x"), REFUSAL);
    fs::remove_file(&file).expect("a writable file");
    std::os::unix::fs::symlink("/etc/passwd", &file).expect("a writable directory");
    agent.pulsed(&["token", "list"]).run().failed(1, &["tokens", "cannot read"]);
}

#[test]
fn origin_holds_address_and_token() {
    let agent = Agent::with(&[BRIDGE]);
    let token = agent.token("web2", &["*"], &["*"]);
    let mut client = agent.connect_with_token(&token);
    client.write("SEND hello\nSEND {\"tag\":\"shop.a\",\"msg\":\"sold\"}\n").sync();
    agent.connect().write("SEND from here\n").sync();
    let items: Vec<Item> = client.tail("{}").iter().map(|line| parse(line)).collect();
    assert_eq!(items[0].event()["tag"], "web2", "the name of the token");
    for item in &items[..2] {
        assert_eq!(item.event()["origin"], json!({"addr": "127.0.0.1", "token": "web2"}));
    }
    for (matching, expected) in [
        ("_token=web2", &["hello", "sold"][..]),
        ("_addr=127.0.0.1", &["hello", "sold"]),
        ("_token!=web2", &["from here"]),
        ("_addr=127.0.0.2", &[]),
    ] {
        let lines = client.tail(&format!("{{\"match\":\"{matching}\"}}"));
        assert_eq!(messages(&lines), expected, "{matching}");
    }
}

#[test]
fn token_grants_only_its_globs() {
    let agent = Agent::with(&[BRIDGE]);
    let token = agent.token("web2", &["shop.*"], &["shop.*", "news"]);
    let mut live = agent.connect_with_token(&token);
    live.follow("");
    let mut client = agent.connect_with_token(&token);
    client.write("SEND {\"tag\":\"shop.a\",\"msg\":\"sold\"}\n");
    assert!(client.request("SEND {\"tag\":\"news\"}").starts_with("ERR 77 "));
    assert!(
        client.request("SEND hello").starts_with("ERR 77 "),
        "the token's name, its default tag, is not permitted"
    );
    assert!(client.request("SYNC").starts_with("ERR 77 2 refused, rest stored at "));
    agent.wait_for_output("token web2 may not send the tag news: refused");
    let mut root = agent.connect();
    root.write(
        "SEND {\"tag\":\"secret\",\"msg\":\"hidden\"}\nSEND {\"tag\":\"news\",\"msg\":\"new\"}\n",
    );
    root.sync();
    assert_eq!(messages(&client.tail("{}")), ["sold", "new"]);
    assert_eq!(messages(&[live.line(), live.line()]), ["sold", "new"]);
    // A token for one direction permits nothing in the other.
    let mut sender = agent.connect_with_token(&agent.token("sends", &["*"], &[]));
    sender.write("SEND hello\n").sync();
    assert!(
        sender.request("TAIL").starts_with("ERR 77 ")
            && sender.request("STATS").starts_with("ERR 77 ")
    );
    let mut follower = agent.connect_with_token(&agent.token("tails", &[], &["*"]));
    assert!(follower.request("SEND hello").starts_with("ERR 77 "));
    assert_eq!(follower.tail("{}").len(), 4);
}

#[test]
fn revoked_token_disconnects_only_its_clients() {
    let agent = Agent::with(&[BRIDGE]);
    let revoked = agent.token("gone", &["*"], &["*"]);
    let stays = agent.token("stays", &["*"], &["*"]);
    let mut clients: Vec<_> = (0..4).map(|_| agent.connect_with_token(&revoked)).collect();
    clients[0].follow("");
    clients[1].write("TAIL\n");
    clients[2].write("SEND 0\n").sync();
    let mut follower = agent.connect_with_token(&stays);
    follower.write("TAIL {\"since\":\"2000-01-01T00:00:00Z\",\"follow\":true}\n");
    let mut sender = agent.connect_with_token(&stays);
    agent.pulsed(&["token", "revoke", "gone"]).ok();
    for client in &mut clients {
        assert!(client.rest().len() <= 1, "at most an event, then the end");
    }
    // A new token of the same name does not revive the old one.
    let replacement = agent.token("gone", &["*"], &["*"]);
    assert_eq!(agent.connect_tcp().request(&format!("AUTH {revoked}")), REFUSAL);
    agent.connect_with_token(&replacement);
    for n in 1..100 {
        sender.write(format!("SEND {n}\n")).sync();
    }
    assert!(begins_log(&follower.line()));
    for n in 0..100 {
        let item = parse(&follower.line());
        assert_eq!((item.seq_range().0, item.msg()), (FIRST + n, Some(n.to_string().as_str())));
    }
}

#[test]
fn telnet_output_is_terminal_safe() {
    let agent = Agent::with(&[BRIDGE]);
    let token = agent.token("wall", &[], &["*"]);
    let port = agent.tcp().port().to_string();
    let mut telnet = Tool::new("telnet").args(&["127.0.0.1", &port]).start();
    telnet.write_stdin(&format!("auth {token}\n"));
    while !telnet.line().ends_with("OK wall") {}
    telnet.write_stdin("tail\n");
    wait_for("a follower", || (agent.stats()["followers"] == 1).then_some(()));
    agent.connect().write("SEND plain \u{e9}\nSEND \u{1b}[2J\u{9b}1m\u{202e}gnp.exe\n").sync();
    let (plain, hostile) = (telnet.line(), telnet.line());
    assert!(plain.contains(": plain \u{e9}"), "{plain}");
    assert!(hostile.contains(": \\x1b[2J\\u{9b}1m\\u{202e}gnp.exe"), "{hostile:?}");
    telnet.write_stdin("quit\n");
    wait_for("no follower", || (agent.stats()["followers"] == 0).then_some(()));
    let output = telnet.wait();
    assert!(!output.out.contains('\u{1b}'), "{output:?}");
}

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use proptest::prelude::{prop_assert, proptest};

use crate::access::{Group, RULES_MAX, Rule, SUBJECTS_MAX, Subject};
use crate::filter::Glob;

use super::web::BadUrl;
use super::*;

fn machine() -> Machine {
    Machine {
        host: "web1".into(),
        file: None,
        socket: Some("/run/pulsed/pulsed.sock".into()),
        socket_mode: DEFAULT_MODE,
        syslog: None,
        state: Some("/var/lib/pulsed".into()),
        user: |name| Ok((name == "root").then_some(0)),
        group: |name| match name {
            "broken" => Err(io::Error::other("the directory is away")),
            "root" => Ok(Some(0)),
            "adm" => Ok(Some(4)),
            name => Ok((name == "pulsed").then_some(990)),
        },
    }
}

fn checked(text: &str) -> Result<Config, ConfigError> {
    Config::check(Some(Path::new("/etc/p.toml")), text, &machine())
}

fn refused(text: &str) -> String {
    checked(text).expect_err(text).to_string()
}

#[test]
fn defaults_are_valid() {
    let config = Config::load(None, &machine()).expect("the defaults");
    let expected = Config {
        host: "web1".into(),
        socket: Socket {
            path: "/run/pulsed/pulsed.sock".into(),
            mode: 0o666,
            owner: None,
            group: None,
        },
        syslog: Some("/run/pulsed/syslog.sock".into()),
        history: Some(History {
            dir: "/var/lib/pulsed".into(),
            size: 1 << 30,
            age: Duration::from_secs(7 * 24 * 3600),
            sync: SyncSetting::Within(Duration::from_secs(1)),
        }),
        window: Window { size: 64 << 20 },
        tcp: None,
        web: Some(Web { listen: WebListen::Default, tls: None, url: None }),
        nats: None,
        state: Some("/var/lib/pulsed".into()),
        tokens: Some("/var/lib/pulsed/tokens".into()),
        access: Rules::default(),
        file: None,
        warnings: Vec::new(),
    };
    assert_eq!(config, expected);
}

#[test]
fn datagrams_are_received_beside_the_socket() {
    let path = |text: &str| checked(text).expect(text).syslog;
    let some = |path: &str| Some(PathBuf::from(path));
    for (text, expected) in [
        ("syslog.path = \"/s/log\"", some("/s/log")),
        ("syslog.path = true", some("/run/pulsed/syslog.sock")),
        ("syslog.path = false", None),
        ("socket.path = \"/x/y.sock\"", some("/x/syslog.sock")),
        ("socket.path = \"/x/y.sock\"\nsyslog.path = false", None),
    ] {
        assert_eq!(path(text), expected, "{text}");
    }
    for (value, why) in [
        ("\"log\"", "not an absolute path"),
        ("7", "a path in quotes, or false"),
        (&format!("\"/{}\"", "x".repeat(SOCKET_PATH_MAX)), "108 bytes, of at most 107"),
    ] {
        let error = refused(&format!("syslog.path = {value}"));
        assert!(error.starts_with("/etc/p.toml:1: syslog.path: "), "{error}");
        assert!(error.contains(why), "{error}");
    }
    let inherited = Machine { syslog: some("/i/log"), ..machine() };
    assert_eq!(Config::parse("", &inherited).expect("valid").syslog, some("/i/log"));
}

#[test]
fn escapes_keys_in_errors() {
    let error = refused("\"a\\nb\\u001b[2J\" = 1\n");
    assert!(error.starts_with("/etc/p.toml:1: a\\nb\\x1b[2J: unknown key"), "{error}");
}

#[test]
fn the_example_has_every_key_and_its_default() {
    let example = include_str!("../../contrib/pulsed.toml");
    let commented = checked(example).expect("as shipped");
    assert_eq!(commented, checked("").expect("empty"));

    // A key or a section that is commented out has no space after its #.
    let is_key = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(key) if is_key(key) => format!("{key}\n"),
        _ => format!("{line}\n"),
    };
    let uncommented: String = example.lines().map(uncomment).collect();
    // Keys without a written default: the agent's own user and group, the bridge, and the monitor's address.
    let defaults = checked(
        r#"
        socket = { owner = 0, group = 0 }
        tcp = { listen = "127.0.0.1:7465", cert = "/etc/pulsed/cert.pem", key = "/etc/pulsed/key.pem" }
        [web]
        listen = "127.0.0.1:7464"
        cert = "/etc/pulsed/cert.pem"
        key = "/etc/pulsed/key.pem"
        url = "https://web1.example/pulse/"
        [nats]
        url = "nats://127.0.0.1:4222"
        credentials = "/etc/pulsed/nats.creds"
        ca = "/etc/pulsed/nats-ca.pem"
        cert = "/etc/pulsed/cert.pem"
        key = "/etc/pulsed/key.pem"
        [[access]]
        send = ["*"]
        tail = ["@adm", "@pulsed"]
        [[access]]
        host = "*"
        tail = ["@adm", "@pulsed"]
        "#,
    );
    // The last keys of the monitor are for a Unix socket, which has no certificate.
    let of_unix = "mode = \"0660\"\nowner = \"root\"\ngroup = \"www-data\"\n";
    let (of_tcp, rest) = uncommented.split_once(of_unix).expect("the last keys");
    // Of the ways to authenticate to NATS only one can be used.
    let others = "token = \"/etc/pulsed/nats.token\"\nuser = \"web1\"\npassword = \"/etc/pulsed/nats.password\"\n";
    let (before, after) = rest.split_once(others).expect("the other ways");
    let of_tcp = checked(&format!("{of_tcp}{before}{after}")).expect("uncommented");
    assert_eq!(of_tcp, defaults.expect("root's"));
    let unix = |keys: &str| {
        let text = format!("[web]\nlisten = 'unix:/w'\nurl = 'http://w'\n{keys}");
        checked(&text).expect("good").web.map(|web| web.listen)
    };
    assert_eq!(unix(""), Some(on_unix(0o660, None, None)));
    let of_unix = of_unix.replace("www-data", "adm");
    assert_eq!(unix(&of_unix), Some(on_unix(0o660, Some(0), Some(4))));

    let mut section = String::new();
    let mut keys = Vec::new();
    for line in uncommented.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned() + ".";
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| is_key(line)) {
            let key = format!("{section}{key}");
            // There are two rules.
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    assert_eq!(keys, KEYS, "in the program's order");
}

#[test]
fn reads_every_key() {
    let config = checked(
        r#"
        host = "db-2.example"
        [socket]
        path = "/tmp/p.sock"
        mode = "0620"
        owner = 33
        group = "root"
        [history]
        enabled = true
        dir = "/srv/pulsed"
        size = "2 GiB"
        age = "12h"
        sync = "always"
        [window]
        size = "16MiB"
        [tcp]
        listen = "[::]:7465"
        cert = "/etc/c.pem"
        key = "/etc/k.pem"
        tokens = "/srv/tokens"
        [web]
        listen = "0.0.0.0:7464"
        cert = "/etc/wc.pem"
        key = "/etc/wk.pem"
        url = "https://Web1.example:7464"
        [[access]]
        tag = "shop.*"
        send = ["*"]
        tail = ["@adm", "@7", "root", "33"]
        [[access]]
        "#,
    )
    .expect("good");
    assert_eq!(config.host, "db-2.example");
    let socket =
        Socket { path: "/tmp/p.sock".into(), mode: 0o620, owner: Some(33), group: Some(0) };
    assert_eq!(config.socket, socket);
    let history = History {
        dir: "/srv/pulsed".into(),
        size: 2 << 30,
        age: Duration::from_secs(12 * 3600),
        sync: SyncSetting::Always,
    };
    assert_eq!(config.history, Some(history));
    assert_eq!(config.window.size, 16 << 20);
    let files =
        |keys, cert: &str, key: &str| Some(TlsFiles { keys, cert: cert.into(), key: key.into() });
    let listen = "[::]:7465".parse().expect("an address");
    let tls = files(TlsKeys::TCP, "/etc/c.pem", "/etc/k.pem");
    assert_eq!(config.tcp, Some(Tcp { listen, tls }));
    let web = Web {
        listen: WebListen::Tcp("0.0.0.0:7464".parse().expect("an address")),
        tls: files(TlsKeys::WEB, "/etc/wc.pem", "/etc/wk.pem"),
        url: Some(url(true, "web1.example:7464", "/")),
    };
    assert_eq!(config.web, Some(web));
    assert_eq!(config.state.as_deref(), Some(Path::new("/srv/pulsed")));
    assert_eq!(config.tokens.as_deref(), Some(Path::new("/srv/tokens")));
    let shop = Rule {
        tag: Glob::new("shop.*").expect("a glob"),
        host: None,
        send: vec![Subject::Anyone],
        tail: vec![
            Subject::Group(Group::Name("adm".into())),
            Subject::Group(Group::Id(7)),
            Subject::Named { name: "root".into(), uid: 0 },
            Subject::User(33),
        ],
    };
    let rest = Rule { tag: Glob::any(), host: None, send: vec![], tail: vec![] };
    assert_eq!(config.access, Rules::new(vec![shop, rest]));
    assert_eq!(config.file.as_deref(), Some(Path::new("/etc/p.toml")));

    assert_eq!(checked("history.enabled = false").expect("good").history, None);
    let never = checked("history.sync = 'never'").expect("good").history.expect("on");
    assert_eq!(never.sync, SyncSetting::Never);
}

#[test]
fn errors_name_file_line_and_key() {
    for (text, error) in [
        (
            "[socket]\n\npth = '/x'",
            "/etc/p.toml:3: socket.pth: unknown key; did you mean socket.path?",
        ),
        (
            "size = '1GiB'",
            "/etc/p.toml:1: size: unknown key; did you mean history.size or nats.size or window.size?",
        ),
        ("[histroy]\nsize='1GiB'", "/etc/p.toml:1: histroy: unknown key; did you mean history?"),
        ("host.name = 'x'", "/etc/p.toml:1: host: invalid type: map, expected a string"),
        (
            "socket = 5",
            "/etc/p.toml:1: socket: invalid type: integer `5`, expected a section: [socket]",
        ),
        (
            "[socket]\nmode = 666",
            "/etc/p.toml:2: socket.mode: invalid type: integer `666`, expected an octal mode in quotes \
             such as \"0660\" (from \"0000\" to \"0777\")",
        ),
        (
            "[history]\nsize = '1GB'",
            "/etc/p.toml:2: history.size: \"1GB\" is not a size in quotes such as \"64MiB\" (B, KiB, \
             MiB, GiB or TiB)",
        ),
        (
            "[window]\nsize = '512KiB'",
            "/etc/p.toml:2: window.size: 512KiB is out of bounds: from 1MiB to 16GiB",
        ),
        (
            "[history]\nsync = '2h'",
            "/etc/p.toml:2: history.sync: 2h is out of bounds: from 10ms to 1h",
        ),
        (
            "socket.path = 'p.sock'",
            "/etc/p.toml:1: socket.path: \"p.sock\" is not an absolute path: it must begin with /",
        ),
        ("socket.path = '/a\\u0000'\n[", "/etc/p.toml:2: this is not TOML: "),
        (
            "socket.path = \"/a\\u0000\"",
            "/etc/p.toml:1: socket.path: a path cannot have a NUL byte",
        ),
        (
            "socket.owner = 'nobdy'",
            "/etc/p.toml:1: socket.owner: there is no user \"nobdy\" on this machine",
        ),
        (
            "socket.group = 'broken'",
            "/etc/p.toml:1: socket.group: cannot look up the group \"broken\": the directory is away",
        ),
        (
            "socket.owner = -1",
            "/etc/p.toml:1: socket.owner: -1 is not the number of a user or a group",
        ),
        (
            "socket.owner = '4294967295'",
            "/etc/p.toml:1: socket.owner: 4294967295 is not the number",
        ),
        (
            "[[access]]\n[[access]]\ntail = ['*', '@nobdy']",
            "/etc/p.toml:3: access.tail: there is no group \"nobdy\" on this machine",
        ),
        ("[[access]]\nsend = ['nobdy']", "/etc/p.toml:2: access.send: there is no user \"nobdy\""),
        (
            "[[access]]\nsend = ['@*']",
            "/etc/p.toml:2: access.send: \"@*\" is not a user or a group: write",
        ),
        (
            "[[access]]\nsend = ['']",
            "/etc/p.toml:2: access.send: \"\" is not a user or a group: write",
        ),
        (
            "[[access]]\nsend = ['4294967295']",
            "/etc/p.toml:2: access.send: \"4294967295\" is not a user or a group",
        ),
        (
            "[[access]]\ntag = 'a['",
            "/etc/p.toml:2: access.tag: \"a[\" is not a pattern of tags: the tag has the character '[': use \
             letters, digits and _ . / : -, and * and ? for any text and any character",
        ),
        (
            "[[access]]\nsent = ['*']",
            "/etc/p.toml:2: access.sent: unknown key; did you mean access.send?",
        ),
        (
            "[access]\nsend = ['*']",
            "/etc/p.toml:1: access: there may be several of these: write [[access]]",
        ),
        (
            "access = 5",
            "/etc/p.toml:1: access: invalid type: integer `5`, expected a list in brackets",
        ),
        (
            "[[access]]\ntag = 'a'\nsend = 'root'",
            "/etc/p.toml:3: access.send: invalid type: string \"root\", expected a list in brackets",
        ),
        (
            "[[access]]\ntag = ['a', 'b']\n[[access]]\n",
            "/etc/p.toml:2: access.tag: invalid type: sequence, expected a string",
        ),
        (
            "[[access]]\nsend = ['adm']",
            "/etc/p.toml:2: access.send: there is no user \"adm\" on this machine; for the group write \
             \"@adm\"",
        ),
        (
            "[tcp]\ncertificate = '/c'",
            "/etc/p.toml:2: tcp.certificate: unknown key; known are tcp.listen, tcp.cert, tcp.key, \
             tcp.tokens",
        ),
        ("tcp.listen = '7465'", "/etc/p.toml:1: tcp.listen: \"7465\" is not an address and a port"),
        ("tcp.listen = 'localhost:7465'", "/etc/p.toml:1: tcp.listen: \"localhost:7465\" is not"),
        (
            "tcp.listen = '0.0.0.0:7465'",
            "/etc/p.toml:1: tcp.listen: 0.0.0.0:7465 is not a loopback address: ",
        ),
        (
            "[tcp]\ncert = '/c'",
            "/etc/p.toml:2: tcp.cert: tcp.cert and tcp.key go together: tcp.key is missing",
        ),
        (
            "[tcp]\nkey = '/c'",
            "/etc/p.toml:2: tcp.key: tcp.cert and tcp.key go together: tcp.cert is",
        ),
        ("[tcp]\nkey = '/c'\ncert = 'c'", "/etc/p.toml:3: tcp.cert: \"c\" is not an absolute path"),
        (
            "web.listen = 7464",
            "/etc/p.toml:1: web.listen: an address in quotes, \"unix:/PATH\", or",
        ),
        (
            "web.listen = '7464'",
            "/etc/p.toml:1: web.listen: \"7464\" is not an address and a port, such as \"127.0.0.1:7464\", nor",
        ),
        ("web.listen = 'unix/w'", "/etc/p.toml:1: web.listen: \"unix/w\" is not an address"),
        (
            "web.listen = '0.0.0.0:7464'",
            "/etc/p.toml:1: web.listen: 0.0.0.0:7464 is not a loopback address: without TLS, tokens and events \
             could be read on the network; set web.cert and web.key, or",
        ),
        (
            "[web]\ncert = '/c'",
            "/etc/p.toml:2: web.cert: web.cert and web.key go together: web.key is missing",
        ),
        (
            "[web]\nlisten = false\nkey = '/k'",
            "/etc/p.toml:3: web.key: web.cert and web.key go together: web.cert is missing",
        ),
        (
            "web.listen = 'unix:/w'",
            "/etc/p.toml:1: web.listen: behind a proxy, web.url is needed too: the URL in the browser",
        ),
        (
            "[web]\nurl = 'http://w'\nlisten = 'unix:w'",
            "/etc/p.toml:3: web.listen: \"w\" is not an absolute path",
        ),
        (
            "[web]\nurl = 'http://w'\ncert = '/c'\nkey = '/k'\nlisten = 'unix:/w'",
            "/etc/p.toml:5: web.listen: a Unix socket has no TLS",
        ),
        ("web.mode = '0600'", "/etc/p.toml:1: web.mode: only for a Unix socket: web.listen = "),
        ("[web]\nlisten = false\nowner = 0", "/etc/p.toml:3: web.owner: only for a Unix socket"),
        (
            "[web]\nlisten = '127.0.0.1:1'\ngroup = 'adm'",
            "/etc/p.toml:3: web.group: only for a Unix socket",
        ),
        (
            "[web]\nurl = 'http://w'\nlisten = 'unix:/w'\ngroup = 'nobdy'",
            "/etc/p.toml:4: web.group: there is no group \"nobdy\" on this machine",
        ),
        (
            "web.url = 'web1'",
            "/etc/p.toml:1: web.url: \"web1\" is not the URL of the monitor, such as",
        ),
        ("web.prot = 1", "/etc/p.toml:1: web.prot: unknown key; "),
        ("host = 'a b'", "/etc/p.toml:1: host: \"a b\" is not a machine's name"),
        ("host = 'a'\nhost = 'b'", "/etc/p.toml:2: this is not TOML: duplicate key"),
        ("\n\nhost = ", "/etc/p.toml:3: this is not TOML: "),
    ] {
        let error_text = refused(text);
        assert!(error_text.starts_with(error), "{text:?}\n  is: {error_text}\nnot: {error}");
        assert!(!error_text.contains('\n'), "{error_text:?}");
    }
    for later in ["kafka", "limits"] {
        let error = refused(&format!("[{later}]"));
        assert!(error.contains("unknown key; known are host, socket.path"), "{error}");
    }
}

#[test]
fn keeps_bounds() {
    let long = |len: usize| format!("/{}", "a".repeat(len - 1));
    for (key, good, bad) in [
        (
            "host",
            vec!["a".to_owned(), "a".repeat(HOST_MAX)],
            vec![String::new(), "a".repeat(HOST_MAX + 1)],
        ),
        ("socket.path", vec![long(SOCKET_PATH_MAX)], vec![long(SOCKET_PATH_MAX + 1)]),
        ("history.dir", vec![long(PATH_MAX)], vec![long(PATH_MAX + 1)]),
        ("window.size", strings(&["1MiB", "16GiB"]), strings(&["1048575B", "17179869185B"])),
        ("history.size", strings(&["1MiB", "1024TiB"]), strings(&["1023KiB", "1025TiB"])),
        ("history.age", strings(&["1s", "3660d"]), strings(&["999ms", "3661d"])),
        ("history.sync", strings(&["10ms", "1h"]), strings(&["9ms", "61min"])),
    ] {
        for value in good {
            checked(&format!("{key} = '{value}'")).expect("within its bounds");
        }
        for value in bad {
            assert!(refused(&format!("{key} = '{value}'")).contains(key));
        }
    }
}

#[test]
fn bounds_rules_and_subjects() {
    let rules = |n: usize| "[[access]]\n".repeat(n);
    checked(&rules(RULES_MAX)).expect("just as many");
    let error = refused(&rules(RULES_MAX + 1));
    assert_eq!(error, format!("/etc/p.toml:{}: access: more than 64 rules", RULES_MAX + 1));
    let subjects = |n: usize| format!("[[access]]\ntail = [{}]", "'root',\n".repeat(n));
    checked(&subjects(SUBJECTS_MAX)).expect("just as many");
    let error = refused(&subjects(SUBJECTS_MAX + 1));
    let line = SUBJECTS_MAX + 2;
    assert_eq!(error, format!("/etc/p.toml:{line}: access.tail: more than 64 users and groups"));
}

#[test]
fn a_reload_changes_rules_and_certificate_only() {
    let same = "tcp.listen = '127.0.0.1:1'\ntcp.cert = '/c'\ntcp.key = '/k'\n";
    let before = checked(same).expect("good");
    for (text, at_once) in [
        ("tcp.listen = '127.0.0.1:1'\n[[access]]", false),
        ("tcp.listen = '127.0.0.1:1'\ntcp.cert = '/d'\ntcp.key = '/e'\n[[access]]", true),
        ("tcp.listen = '127.0.0.1:2'", false),
        ("", false),
        ("tcp.listen = '127.0.0.1:1'\nhost = 'other'", false),
        (&format!("{same}web.listen = false"), false),
        (&format!("{same}web.url = 'http://w'"), false),
        (&format!("{same}web.cert = '/c'\nweb.key = '/k'"), false),
    ] {
        assert_eq!(before.differs_only_in_access(&checked(text).expect("good")), at_once, "{text}");
    }
}

fn url(secure: bool, authority: &str, path: &str) -> Url {
    Url { secure, authority: authority.into(), path: path.into() }
}

fn on_unix(mode: u32, owner: Option<u32>, group: Option<u32>) -> WebListen {
    WebListen::Unix { path: "/w".into(), mode, owner, group }
}

#[test]
fn web_listens_by_default_on_an_address_or_on_a_socket() {
    let listen = |text: &str| checked(text).expect(text).web.map(|web| web.listen);
    let tcp = |text: &str| Some(WebListen::Tcp(text.parse().expect("an address")));
    assert_eq!(listen(""), Some(WebListen::Default));
    assert_eq!(listen("web.listen = true"), Some(WebListen::Default));
    assert_eq!(listen("web.listen = false"), None);
    assert_eq!(listen("web.listen = '127.0.0.1:80'"), tcp("127.0.0.1:80"));
    assert_eq!(listen("web.listen = '[::1]:0'"), tcp("[::1]:0"));
    let tls = "web.cert = '/c'\nweb.key = '/k'\n";
    assert_eq!(listen(&format!("{tls}web.listen = '0.0.0.0:443'")), tcp("0.0.0.0:443"));
    let unix = "web.listen = 'unix:/w'\nweb.url = 'https://w'\n";
    assert_eq!(listen(unix), Some(on_unix(0o660, None, None)));
    let keys = format!("{unix}web.mode = '0600'\nweb.owner = 33\nweb.group = 'adm'");
    assert_eq!(listen(&keys), Some(on_unix(0o600, Some(33), Some(4))));
}

#[test]
fn web_url_is_that_of_a_site() {
    let parse = |text: &str| text.parse::<Url>();
    for (text, expected) in [
        ("http://web1", url(false, "web1", "/")),
        ("HTTPS://Web1.Example:443/", url(true, "web1.example", "/")),
        ("https://web1:80/pulse", url(true, "web1:80", "/pulse/")),
        ("http://[::1]:7464//a//", url(false, "[::1]:7464", "//a/")),
    ] {
        assert_eq!(parse(text), Ok(expected.clone()), "{text}");
        assert_eq!(parse(&expected.to_string()), Ok(expected), "{text}");
    }
    for text in [
        "",
        "web1",
        "/pulse/",
        "//web1/",
        "ftp://web1/",
        "http://",
        "http:///x",
        "http://:80/",
        "http://ana@web1/",
        "http://web1/?a=b",
        "http://web1/#a",
        "http://web1/a b",
        "http://web1/\u{e4}",
        "http://web1/\n",
    ] {
        assert_eq!(parse(text), Err(BadUrl), "{text:?}");
    }
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn only_the_default_file_may_be_absent() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pulsed.toml");
    let machine = Machine { file: Some(path.clone()), ..machine() };
    assert_eq!(Config::load(None, &machine).expect("absent").file, None);
    let error = Config::load(Some(&path), &machine).expect_err("absent");
    assert!(error.to_string().contains("pulsed.toml"), "{error}");

    fs::write(&path, "host = 'found'").expect("written");
    let found = Config::load(None, &machine).expect("there");
    assert_eq!((found.host.as_str(), found.file.as_deref()), ("found", Some(path.as_path())));
    let named = Config::load(Some(&path), &machine).expect("there");
    assert_eq!(named, found);
}

#[test]
fn warns_of_a_world_writable_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pulsed.toml");
    fs::write(&path, "").expect("written");
    for (mode, warns) in [(0o644, false), (0o664, false), (0o666, true), (0o602, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
        let config = Config::load(Some(&path), &machine()).expect("good all the same");
        assert_eq!(!config.warnings.is_empty(), warns, "{mode:o}");
    }
}

#[test]
fn a_reload_changes_the_monitors_certificate() {
    let before = checked("web.cert = '/c'\nweb.key = '/k'").expect("good");
    let other_files = checked("web.cert = '/d'\nweb.key = '/e'").expect("good");
    assert!(before.differs_only_in_access(&other_files));
    assert!(!before.differs_only_in_access(&checked("").expect("good")));
}

#[test]
fn warns_of_an_unused_certificate() {
    let files = "[tcp]\ncert = '/c'\nkey = '/k'\n";
    let config = checked(files).expect("good all the same");
    assert_eq!((config.tcp, config.warnings), (None, vec![Warning::NoListen]));
    let config = checked(&format!("{files}listen = '[::]:7465'\n")).expect("good");
    assert_eq!(config.warnings, []);
}

#[test]
fn bounds_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pulsed.toml");
    let mut text = "#".repeat(FILE_MAX as usize);
    fs::write(&path, &text).expect("written");
    Config::load(Some(&path), &machine()).expect("just short enough");
    text.push('#');
    fs::write(&path, &text).expect("written");
    assert!(matches!(Config::load(Some(&path), &machine()), Err(ConfigError::Read { .. })));
}

#[test]
fn errors_of_missing_defaults_name_key_and_option() {
    let homeless = Machine { socket: None, state: None, ..machine() };
    let parse = |text: &str| Config::parse(text, &homeless);
    let error = parse("").expect_err("no place").to_string();
    assert!(error.contains("socket.path") && error.contains("--config"), "{error}");
    let error = parse("socket.path = '/x'").expect_err("no place").to_string();
    assert!(error.contains("history.dir") && error.contains("--config"), "{error}");
    parse("socket.path = '/x'\nhistory.dir = '/y'").expect("both are said");
    let off = parse("socket.path = '/x'\nhistory.enabled = false").expect("off");
    assert_eq!((off.history, off.tokens), (None, None));
    let bridged = "socket.path = '/x'\nhistory.enabled = false\ntcp.listen = '127.0.0.1:1'\n";
    let error = parse(bridged).expect_err("no place").to_string();
    assert!(error.contains("tcp.tokens") && error.contains("--config"), "{error}");
    parse(&format!("{bridged}tcp.tokens = '/t'")).expect("all are said");
}

#[test]
fn adapts_the_machines_name() {
    for (name, host) in [("web1", "web1"), ("my host!", "my_host_"), ("", "localhost")] {
        let machine = Machine { host: name.into(), ..machine() };
        assert_eq!(Config::parse("", &machine).expect("good").host, host);
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "(\\[?(socket|history|window|tcp|web|access|[access]|host|\\PC{0,4})[].=]{0,2} ?('\\PC{0,5}'|[0-9]{1,3}|\\{\\})?\n?){0,5}") {
        if let Err(error) = checked(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

mod nats;

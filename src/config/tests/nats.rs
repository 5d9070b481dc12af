//! `[nats]`.

use super::{checked, refused, strings};
use crate::config::{NATS_NAME_MAX, NATS_URLS_MAX, Nats, NatsLogin, TlsFiles, TlsKeys, Warning};
use std::time::Duration;

fn nats(text: &str) -> Nats {
    checked(&format!("[nats]\nurl = 'nats://localhost'\n{text}")).expect(text).nats.expect("set")
}

#[test]
fn is_disabled_without_a_url() {
    assert_eq!(checked("").expect("empty").nats, None);
    assert_eq!(checked("nats.stream = 'web'").expect("good").nats, None);
    assert!(refused("nats.stream = 'a b'").contains("nats.stream: \"a b\" is not a name"));
}

#[test]
fn reads_every_key() {
    let config = checked(
        r#"
        [nats]
        url = ["tls://a.example:4222", "nats://127.0.0.1"]
        token = "/etc/token"
        ca = "/etc/ca.pem"
        cert = "/etc/c.pem"
        key = "/etc/k.pem"
        stream = "EVENTS"
        prefix = "site.web-1"
        size = "2GiB"
        age = "12h"
        replicas = 3
        compress = false
        "#,
    )
    .expect("good");
    let (keys, cert, key) = (TlsKeys::NATS, "/etc/c.pem".into(), "/etc/k.pem".into());
    let expected = Nats {
        urls: strings(&["tls://a.example:4222", "nats://127.0.0.1"]),
        login: NatsLogin::Token("/etc/token".into()),
        ca: Some("/etc/ca.pem".into()),
        tls: Some(TlsFiles { keys, cert, key }),
        stream: "EVENTS".into(),
        prefix: "site.web-1".into(),
        size: 2 << 30,
        age: Duration::from_secs(12 * 3600),
        replicas: 3,
        compress: false,
    };
    assert_eq!(config.nats, Some(expected));
    assert_eq!(config.warnings.contains(&Warning::NoNats), !cfg!(feature = "nats"));
}

#[test]
fn authenticates_in_one_way() {
    assert_eq!(nats("").login, NatsLogin::None);
    let credentials = NatsLogin::Credentials("/c".into());
    assert_eq!(nats("credentials = '/c'").login, credentials);
    let password = NatsLogin::Password { user: "web1".into(), password: "/p".into() };
    assert_eq!(nats("user = 'web1'\npassword = '/p'").login, password);
    for (text, error) in [
        ("token = '/t'\ncredentials = '/c'", "nats.token: set only one of nats.credentials,"),
        ("token = '/t'\nuser = 'a'\npassword = '/p'", "nats.user: set only one of"),
        ("user = 'a'", "nats.user: nats.user, a name, and nats.password, a file, go together"),
        ("password = '/p'", "nats.password: nats.user, a name, and nats.password,"),
        ("user = ''\npassword = '/p'", "nats.user: nats.user, a name, and"),
        ("token = 't'", "nats.token: \"t\" is not an absolute path"),
        ("cert = '/c'", "nats.cert: nats.cert and nats.key go together: nats.key is missing"),
    ] {
        let refused = refused(&format!("[nats]\n{text}"));
        assert!(refused.contains(error), "{text:?}: {refused}");
    }
}

#[test]
fn requires_tls_beyond_this_machine() {
    for url in ["nats://localhost", "nats://127.0.0.2:1", "nats://[::1]:4222", "tls://10.0.0.1"] {
        checked(&format!("nats.url = '{url}'")).expect(url);
    }
    for url in
        ["nats://nats.example", "nats://10.0.0.1:4222", "nats://[2001:db8::1]", "nats://0.0.0.0"]
    {
        let error = refused(&format!("nats.url = ['tls://a', '{url}']"));
        assert!(error.contains(&format!("nats.url: {url:?} is not on this machine")), "{error}");
    }
    for url in [
        "",
        "localhost",
        "http://localhost",
        "nats://",
        "nats://u:p@localhost",
        "tls://a/b",
        "tls://a b",
    ] {
        let error = refused(&format!("nats.url = '{url}'"));
        assert!(error.contains("is not the URL of a NATS server"), "{url}: {error}");
    }
    assert!(refused("nats.url = []").contains("is not the URL of a NATS server"));
}

#[test]
fn keeps_bounds() {
    let long = "a".repeat(NATS_NAME_MAX);
    for (key, good, bad) in [
        (
            "stream",
            strings(&["a", "A-b_9", &long]),
            strings(&["", "a.b", "a*", "ä", &format!("{long}a")]),
        ),
        (
            "prefix",
            strings(&["a", "a.b", &long]),
            strings(&["", "a.", ".a", "a..b", "a.>", "$JS", &format!("{long}a")]),
        ),
        ("size", strings(&["1MiB", "1024TiB"]), strings(&["1023KiB", "1025TiB"])),
        ("age", strings(&["1s", "3660d"]), strings(&["999ms", "3661d"])),
    ] {
        for value in good {
            checked(&format!("nats.{key} = '{value}'")).expect("within its bounds");
        }
        for value in bad {
            assert!(refused(&format!("nats.{key} = '{value}'")).contains(key), "{value}");
        }
    }
    for (replicas, valid) in [(0, false), (1, true), (5, true), (6, false)] {
        assert_eq!(checked(&format!("nats.replicas = {replicas}")).is_ok(), valid);
    }
    let urls = |n| format!("nats.url = [{}]", "'tls://a',".repeat(n));
    checked(&urls(NATS_URLS_MAX)).expect("just as many");
    assert!(refused(&urls(NATS_URLS_MAX + 1)).contains("more than 16 URLs"));
}

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::sync::mpsc;

use super::*;

fn name(text: &str) -> TokenName {
    TokenName::new(text).expect("a name")
}

fn globs(list: &[&str]) -> Vec<Glob> {
    list.iter().map(|text| Glob::new(text).expect("a glob")).collect()
}

fn add_to(path: &Path, called: &str) -> Result<String, TokenError> {
    let now = "2026-11-22T17:32:05Z".parse().expect("a time");
    add(path, name(called), globs(&["shop.*"]), globs(&[]), now)
}

async fn find(tokens: &Tokens, text: &str) -> Option<Arc<Token>> {
    tokens.find(text).await.expect("a file that answers")
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("tokens");
    (dir, path)
}

#[tokio::test]
async fn stores_only_the_hash() {
    let (_dir, path) = place();
    assert!(list(&path).expect("no file, no tokens").is_empty());
    let text = add_to(&path, "web2").expect("added");
    assert!(text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()));
    let kept = fs::read_to_string(&path).expect("written");
    assert!(!kept.contains(&text), "{kept}");
    assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
    let other = add_to(&path, "web3").expect("added");
    assert_ne!(text, other);
    let names: Vec<String> =
        list(&path).expect("good").iter().map(|token| token.name.to_string()).collect();
    assert_eq!(names, ["web2", "web3"]);

    let tokens = Tokens::new(path.clone());
    let found = find(&tokens, &text).await.expect("known");
    assert_eq!(found.name, name("web2"));
    assert!(found.may_send().allows("shop.query") && !found.may_send().allows("cron"));
    assert_eq!(found.may_tail(), TagScope::Nothing);
    for wrong in ["", "x", &text[1..], &format!("{text}0"), &text.to_uppercase()] {
        // A token of digits alone has no upper case.
        assert!(find(&tokens, wrong).await.is_none() || wrong == text, "{wrong}");
    }
}

#[tokio::test]
async fn notices_changes_and_reused_names() {
    let (_dir, path) = place();
    let tokens = Tokens::new(path.clone());
    assert!(find(&tokens, "x").await.is_none());
    let text = add_to(&path, "web2").expect("added");
    let found = find(&tokens, &text).await.expect("noticed");
    assert!(tokens.again(&found).is_some());
    revoke(&path, &name("web2")).expect("revoked");
    let again = add_to(&path, "web2").expect("the name is free");
    assert!(find(&tokens, &text).await.is_none());
    assert!(find(&tokens, &again).await.is_some());
    assert!(tokens.again(&found).is_none());
}

#[tokio::test]
async fn a_look_that_hangs_stops_no_client_that_is_known() {
    let (_dir, path) = place();
    let text = add_to(&path, "web2").expect("added");
    let (publish, seen) = watch::channel(Seen::default());
    let (release, hanging) = mpsc::channel::<()>();
    let hanging = Mutex::new(hanging);
    let look = SingleFlight::new(move || {
        let _ = hanging.lock().expect("no panic").recv();
    });
    let tokens = Tokens { path, look, seen, reports: Mutex::new(Throttle::new(REPORT_EVERY)) };
    assert_eq!(tokens.find(&text).await, Err(TokensUnavailable), "no look has ended yet");
    Looker { path: tokens.path.clone(), stamp: None, error: None }.look(&publish);
    let known = find(&tokens, &text).await.expect("seen within a minute");
    assert!(tokens.again(&known).is_some());
    assert_eq!(tokens.find("not seen yet").await, Err(TokensUnavailable));
    let long_ago = Instant::now().checked_sub(SEEN_VALID_FOR).expect("some uptime");
    publish.send_modify(|seen| seen.at = Some(long_ago));
    assert_eq!(tokens.find(&text).await, Err(TokensUnavailable), "too long ago");
    assert!(tokens.again(&known).is_some(), "no revocation was seen");
    drop(release);
}

#[test]
fn rejects_bad_names_and_busy_file() {
    let (_dir, path) = place();
    add_to(&path, "web2").expect("added");
    assert!(
        matches!(add_to(&path, "web2"), Err(TokenError::Taken(taken)) if taken == name("web2"))
    );
    let unknown = revoke(&path, &name("web")).expect_err("unknown");
    assert!(unknown.to_string().contains("there is no token web"), "{unknown}");
    for bad in ["", "a b", "a/b", "a:b", ".a", "é", &"x".repeat(NAME_MAX + 1)] {
        assert!(matches!(TokenName::new(bad), Err(TokenError::Name(_))), "{bad:?}");
    }
    assert!(TokenName::new(&"x".repeat(NAME_MAX)).is_ok());
    let held = fs::File::open(path.parent().expect("one")).expect("there");
    held.lock().expect("free");
    assert!(matches!(add_to(&path, "web3"), Err(TokenError::File(FileError::Busy { .. }))));
}

#[test]
fn bounds_number_of_tokens() {
    let (_dir, path) = place();
    add_to(&path, "t0").expect("added");
    let line = fs::read_to_string(&path).expect("written");
    let lines = |n: usize| -> String {
        (0..n).map(|n| line.replace("\"t0\"", &format!("\"t{n}\""))).collect()
    };
    fs::write(&path, lines(TOKENS_MAX - 1)).expect("ours");
    add_to(&path, "last").expect("just room");
    assert!(matches!(add_to(&path, "more"), Err(TokenError::File(FileError::TooMany { .. }))));
    fs::write(&path, lines(TOKENS_MAX + 1)).expect("ours");
    assert!(matches!(list(&path), Err(TokenError::File(FileError::TooMany { .. }))));
}

#[tokio::test]
async fn trusts_only_private_files() {
    let (dir, path) = place();
    let text = add_to(&path, "web2").expect("added");
    let tokens = Tokens::new(path.clone());
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
    for bad in [0o620, 0o602] {
        mode(bad);
        assert!(matches!(list(&path), Err(TokenError::File(FileError::Untrusted(_)))), "{bad:o}");
        assert!(find(&tokens, &text).await.is_none(), "{bad:o}");
    }
    mode(0o600);
    assert!(find(&tokens, &text).await.is_some());
    if crate::sys::users::current() == 0 {
        chown(&path, Some(4711), None).expect("root may");
        assert!(matches!(list(&path), Err(TokenError::File(FileError::Untrusted(_)))));
        chown(dir.path(), Some(4711), Some(4711)).expect("root may");
        list(&path).expect("the directory's owner");
        add_to(&path, "web3").expect("root may");
        let meta = fs::metadata(&path).expect("there");
        assert_eq!((meta.uid(), meta.gid()), (4711, 4711), "owned as its directory");
    }
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&path, &elsewhere).expect("ours");
    symlink(&elsewhere, &path).expect("made");
    assert!(
        matches!(list(&path), Err(TokenError::File(FileError::Io { .. }))),
        "a link is not followed"
    );
}

#[test]
fn reports_bad_lines_by_number() {
    let (_dir, path) = place();
    add_to(&path, "web2").expect("added");
    let good = fs::read_to_string(&path).expect("written");
    for (bad, what) in [
        ("", "EOF"),
        ("{}", "missing field"),
        (&good.replace("web2", "a b"), "not a token's name"),
        (&good.replace("shop.*", "shop["), "shop["),
        (&good.replace("\"sha256\":\"", "\"sha256\":\"0"), "64 hexadecimal digits"),
        (&good.replace("2026", "soon"), "time"),
        (&good.replace("\"added\"", "\"color\":1,\"added\""), "color"),
    ] {
        fs::write(&path, format!("{good}{}\n", bad.trim_end())).expect("ours");
        let error = list(&path).expect_err(bad).to_string();
        assert!(error.contains("tokens:2: ") && error.contains(what), "{error}");
    }
}

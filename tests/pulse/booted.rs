//! The service under a real systemd, with the shipped units and their sandbox. `booted.sh` boots it in
//! namespaces of its own, on top of this machine's files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Gap, Item, PULSED, Tool, as_root, assert_contiguous, parse, report};

const BOOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pulse/booted.sh");
const CONTRIB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib");

/// What the package does after it is unpacked: the start of every script.
const INSTALL: &str = "
systemd-sysusers /usr/lib/sysusers.d/pulsed.conf
systemd-tmpfiles --create /usr/lib/tmpfiles.d/pulsed.conf
systemctl start pulsed.socket pulsed-web.socket
";

/// The output and the files of a booted system.
pub(crate) struct Booted {
    out: TempDir,
}

impl Booted {
    /// Boots one, runs the script in it, and shuts it down. `None`, with a report, if this machine does not
    /// allow that.
    #[track_caller]
    pub(crate) fn run(script: &str) -> Option<Self> {
        let what = "the service under a real systemd";
        if !as_root(what) {
            return None;
        }
        let out = tempfile::tempdir().expect("a directory");
        fs::write(out.path().join("test.sh"), format!("cd /out{INSTALL}{script}\ntouch passed\n"))
            .expect("a writable directory");
        let binaries = Path::new(PULSED).parent().expect("a parent directory");
        let tool = Tool::new(BOOT).arg(binaries).arg(CONTRIB).arg(out.path());
        let done = tool.run();
        if done.code == Some(77) {
            report(&format!("\n*** NOT TESTED, because no systemd boots here: {what} ***\n"));
            return None;
        }
        let booted = Self { out };
        let passed = done.code == Some(0) && booted.path("passed").exists();
        assert!(passed, "{done:?} {:?}", (booted.text("output"), booted.text("console")));
        Some(booted)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.out.path().join(name)
    }

    /// The content of a file that the script wrote. Empty if there is none.
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The parsed lines of a file that the script wrote.
    pub(crate) fn items(&self, name: &str) -> Vec<Item> {
        self.text(name).lines().map(parse).collect()
    }
}

#[test]
fn datagrams_wait_for_the_agent_and_keep_their_senders() {
    let Some(booted) = Booted::run(
        r#"
        # No agent runs yet: the first one starts it.
        [ "$(systemctl show -P MainPID pulsed.service)" = 0 ]
        as_daemon='setpriv --reuid=daemon --clear-groups logger -u /run/pulsed/syslog.sock'
        $as_daemon -t early one
        cat > /run/systemd/system/app.service <<'END'
[Service]
Type=oneshot
User=daemon
BindPaths=/run/pulsed/syslog.sock:/dev/log
ExecStart=/usr/bin/logger -t bound two
END
        systemctl daemon-reload
        systemctl start app.service
        systemctl stop pulsed.service
        $as_daemon -t stopped three
        count() { pulse-tail -n all -o cat | grep -c -E '^(one|two|three)$'; }
        until [ "$(count)" = 3 ]; do sleep 0.05; done
        pulse-tail -n all -o json > events
        stat -c '%a %U' /run/pulsed/syslog.sock > mode
        "#,
    ) else {
        return;
    };
    let items = booted.items("events");
    let events: Vec<&Value> =
        items.iter().filter(|item| item.gap().is_none()).map(Item::event).collect();
    let tags: Vec<_> = events.iter().map(|event| &event["tag"]).collect();
    assert_eq!(tags, ["early", "bound", "stopped"]);
    for event in events {
        let origin = &event["origin"];
        assert_eq!(origin["uid"], 1, "{event}");
        // A lookup of the name that takes too long leaves it out.
        assert!(origin["user"] == "daemon" || origin["user"].is_null(), "{event}");
        assert!(event["origin"]["pid"].as_u64().is_some(), "{event}");
    }
    assert_eq!(booted.text("mode"), "666 root\n");
}

#[test]
fn sandboxed_agent_identifies_senders() {
    let Some(booted) = Booted::run(
        r#"
        printf '[tcp]\nlisten = "127.0.0.1:7465"\n' > /etc/pulsed/pulsed.toml
        token=$(pulsed token add web2 --send '*')
        cat > /run/systemd/system/app.service <<'END'
[Service]
Type=oneshot
User=daemon
ExecStart=/usr/bin/pulse-send --timeout 20s hello
END
        systemctl daemon-reload
        systemctl start app.service
        setpriv --reuid=daemon --clear-groups pulse-send --timeout 20s again
        printf 'AUTH %s\nSEND over TCP\nSYNC\n' "$token" | nc -N 127.0.0.1 7465 > answers
        # A user may tail soon after joining the group: a refusal is remembered for a second.
        watch='setpriv --reuid=daemon --clear-groups pulse-tail _token=web2'
        $watch 2> refused || echo $? >> refused
        usermod --append --groups pulsed daemon
        timeout 30 sh -c "until $watch > watched; do sleep 0.1; done"
        pulse-tail -n all -o json > events
        stat -c '%n %a %U' /run/pulsed /run/pulsed/* /var/lib/pulsed /var/lib/pulsed/{*.jsonl,tokens} > modes
        systemctl show pulsed.service > shown
        pid=$(systemctl show -P MainPID pulsed.service)
        grep -E '^(Uid|Cap(Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/$pid/status > status
        systemctl stop pulsed.socket pulsed.service
        ls -A /run/pulsed > left
        "#,
    ) else {
        return;
    };
    let items = booted.items("events");
    let events = items.iter().filter(|item| item.gap().is_none());
    let mut origins: Vec<&Value> = events.map(|item| &item.event()["origin"]).collect();
    assert_eq!(origins.pop(), Some(&json!({"addr": "127.0.0.1", "token": "web2"})));
    assert_eq!(origins.len(), 2);
    for (origin, unit) in origins.into_iter().zip(["app.service", "test.service"]) {
        assert_eq!((&origin["uid"], &origin["user"]), (&1.into(), &"daemon".into()), "{origin}");
        assert_eq!((&origin["comm"], &origin["unit"]), (&"pulse-send".into(), &unit.into()));
    }
    assert!(booted.text("answers").starts_with("OK web2\nOK "), "{}", booted.text("answers"));
    assert!(booted.text("refused").ends_with("\n77\n"), "{}", booted.text("refused"));
    assert!(booted.text("watched").ends_with(": over TCP\n"), "{}", booted.text("watched"));
    let modes = booted.text("modes");
    for line in [
        "/run/pulsed 755 root\n",
        "/run/pulsed/pulsed.sock 666 root\n",
        "/var/lib/pulsed 700 pulsed\n",
        ".jsonl 600 pulsed\n",
        "/tokens 600 pulsed\n",
    ] {
        assert!(modes.contains(line), "{line}: {modes}");
    }
    let shown = booted.text("shown");
    for line in [
        "\nActiveState=active\n",
        "\nNotifyAccess=main\n",
        "\nStatusText=listening on /run/pulsed/pulsed.sock: ",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let status = booted.text("status");
    for line in ["CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "NoNewPrivs:\t1\n"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    assert!(status.contains("Seccomp:\t2\n"), "a seccomp filter: {status}");
    assert_eq!(booted.text("left"), "", "no stale socket is left");
}

#[test]
fn monitor_gets_its_port_before_any_local_user() {
    let Some(booted) = Booted::run(
        r#"
        # No agent runs yet, and the port is taken.
        [ "$(systemctl is-active pulsed.service)" != active ]
        as_daemon='setpriv --reuid=daemon --clear-groups'
        $as_daemon nc -l 127.0.0.1 7464 2> taken || true
        curl -sS http://127.0.0.1:7464/healthz > health

        # The kernel reports the user of a browser to the sandboxed agent.
        usermod --append --groups pulsed daemon
        install -d -o daemon /run/browser
        browse="curl -sS -b /run/browser/cookies -w \n%{http_code}\n"
        stats=http://127.0.0.1:7464/stats
        $as_daemon $browse -c /run/browser/cookies "$($as_daemon pulse-tail --web)" > signed.in
        $as_daemon $browse $stats > own
        $browse $stats > other
        systemctl restart pulsed.service
        $as_daemon $browse $stats > restarted

        # For a proxy: a Unix socket, with the drop-in of pulsed(8).
        mkdir -p /etc/systemd/system/pulsed.service.d
        printf '%s\n' '[Service]' RuntimeDirectory=pulsed-web SupplementaryGroups=www-data \
            SystemCallFilter=@chown > /etc/systemd/system/pulsed.service.d/override.conf
        cat > /etc/pulsed/pulsed.toml <<'END'
[web]
listen = "unix:/run/pulsed-web/web.sock"
url = "https://web1.example/pulse/"
group = "www-data"
END
        systemctl daemon-reload
        systemctl stop pulsed-web.socket
        systemctl restart pulsed.service
        setpriv --reuid=www-data --regid=www-data --clear-groups \
            curl -sS --unix-socket /run/pulsed-web/web.sock http://web1.example/pulse/readyz > proxied
        pulse-tail --web > link
        stat -c '%n %a %U %G' /var/lib/pulsed/web-* /run/pulsed-web/web.sock > modes
        "#,
    ) else {
        return;
    };
    assert!(booted.text("taken").contains("in use"), "{}", booted.text("taken"));
    assert_eq!(booted.text("health"), "ok\n");
    assert!(booted.text("signed.in").ends_with("\n200\n"), "{}", booted.text("signed.in"));
    for name in ["own", "restarted"] {
        let stats = booted.text(name);
        assert!(stats.contains("\"user\":\"daemon\"") && stats.ends_with("\n200\n"), "{stats}");
    }
    let other = booted.text("other");
    assert!(other.ends_with("\n401\n"), "root with the cookie of another user: {other}");
    assert_eq!(booted.text("proxied"), "ok\n");
    assert!(booted.text("link").starts_with("https://web1.example/pulse/login?link="));
    let modes = booted.text("modes");
    for line in [
        "/var/lib/pulsed/web-sessions 600 pulsed pulsed\n",
        "/run/pulsed-web/web.sock 660 pulsed www-data\n",
    ] {
        assert!(modes.contains(line), "{line}: {modes}");
    }
    assert!(!modes.contains("web-port"), "the port is systemd's: {modes}");
}

#[test]
fn restart_under_load_refuses_no_sender() {
    let Some(booted) = Booted::run(
        r"
        pulse-send --timeout 20s --cursor first > begin
        pulse-tail -f -o json --after-cursor $(cat begin) --until-match 'msg=last' > followed &
        tail=$!
        touch go
        # Keeps the shell trace out of the senders' stderr.
        set +x
        for sender in 1 2 3; do
            (
                n=0
                while [ -e go ]; do
                    n=$((n + 1))
                    pulse-send --timeout 20s $sender:$n && echo $sender:$n
                done
            ) > sent.$sender 2> failed.$sender &
        done
        for round in 1 2 3 4 5; do
            enough=$(($(cat sent.* | wc -l) + 50))
            until [ $(cat sent.* | wc -l) -ge $enough ]; do sleep 0.02; done
            systemctl restart pulsed.service
        done
        set -x
        rm go
        wait %2 %3 %4
        pulse-send --timeout 20s last
        wait $tail
        systemctl show -P NRestarts pulsed.service > crashes
        ",
    ) else {
        return;
    };
    let items = booted.items("followed");
    let first = items.first().expect("at least one event").seq_range().0;
    assert_contiguous(first - 1, &items);
    let gaps: Vec<&Gap> = items.iter().filter_map(Item::gap).collect();
    assert_eq!(gaps.len(), 5, "one for each restart");
    assert!(gaps.iter().all(|gap| gap.why == "restart" && gap.lost == Some(0)), "{gaps:?}");
    let mut seen: Vec<&str> = items.iter().filter_map(Item::msg).collect();
    assert_eq!(seen.pop(), Some("last"));
    seen.sort_unstable();
    let sent: Vec<String> = (1..=3).map(|n| booted.text(&format!("sent.{n}"))).collect();
    let mut sent: Vec<&str> = sent.iter().flat_map(|text| text.lines()).collect();
    sent.sort_unstable();
    assert!(sent.len() >= 250 && sent == seen, "every acknowledged event is seen once");
    for n in 1..=3 {
        assert_eq!(booted.text(&format!("failed.{n}")), "", "sender {n} saw an error");
    }
    assert_eq!(booted.text("crashes"), "0\n");
}

#[test]
fn recovers_from_kill_hang_and_misconfiguration() {
    let Some(booted) = Booted::run(
        r#"
        pulse-send --timeout 20s first
        pid() { systemctl show -P MainPID pulsed.service; }

        # After a kill, systemd restarts it.
        kill -KILL $(pid)
        pulse-send --timeout 20s 'after a kill'
        systemctl show -P NRestarts pulsed.service > killed

        # An invalid configuration fails the reload, and the old one stays.
        before=$(pid)
        echo nonsense > /etc/pulsed/pulsed.toml
        systemctl reload pulsed.service && touch reloaded
        [ $(pid) = $before ]
        pulse-send --timeout 20s 'after a bad reload'

        # A socket whose mode is not the configured one fails the start, until the drop-in sets it.
        printf '[socket]\nmode = "0660"\n' > /etc/pulsed/pulsed.toml
        systemctl restart pulsed.service && touch started
        systemctl show -P ExecMainStatus pulsed.service > refused
        mkdir -p /etc/systemd/system/pulsed.socket.d
        printf '[Socket]\nSocketMode=0660\n' > /etc/systemd/system/pulsed.socket.d/override.conf
        systemctl daemon-reload
        systemctl restart pulsed.socket
        pulse-send --timeout 20s 'after the drop-in'
        stat -c %a /run/pulsed/pulsed.sock > mode

        # After a hang, the watchdog kills and restarts it.
        mkdir -p /run/systemd/system/pulsed.service.d
        printf '[Service]\nWatchdogSec=1\n' > /run/systemd/system/pulsed.service.d/fast.conf
        systemctl daemon-reload
        systemctl restart pulsed.service
        hung=$(pid)
        kill -STOP $hung
        until [ $(pid) != $hung ] && [ $(pid) != 0 ]; do sleep 0.05; done
        pulse-send --timeout 20s 'after a hang'
        pulse-tail -n all -o cat > events
        "#,
    ) else {
        return;
    };
    assert_eq!(booted.text("killed"), "1\n");
    assert!(!booted.path("reloaded").exists(), "the reload fails");
    assert!(!booted.path("started").exists(), "the start fails");
    assert_eq!(booted.text("refused"), "78\n");
    assert_eq!(booted.text("mode"), "660\n");
    let events = booted.text("events");
    for message in ["first", "kill", "bad reload", "drop-in", "hang"] {
        assert_eq!(events.matches(message).count(), 1, "{message}: {events}");
    }
}

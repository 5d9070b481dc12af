//! The examples for systemd, and HAProxy in Debian's unit, under a real systemd.

use serde_json::Value;

use super::document::{Example, Sender};
use super::example;
use crate::booted::Booted;

/// Waits for the events of an example that match, and compares them.
#[track_caller]
fn check(example: &Example, script: &str) {
    let count = example.count();
    let collect = format!(
        "
events() {{ pulse-tail -n all -o json '_user!=pulsed' | grep -v '^{{\"gap\"'; }}
until [ \"$(events | wc -l)\" -ge {count} ]; do sleep 0.05; done
events > events
"
    );
    let Some(booted) = Booted::run(&format!("{script}{collect}")) else { return };
    let events: Vec<Value> =
        booted.items("events").iter().map(|item| item.event().clone()).collect();
    example.assert_events(&events, Sender::Documented);
}

/// Starts `shop.service`, which runs this script as the user daemon, with a drop-in.
fn unit(drop_in: &str, program: &str) -> String {
    format!(
        "
mkdir /run/systemd/system/shop.service.d
printf '%s\\n' '#!/bin/sh' > /usr/local/bin/shop
cat >> /usr/local/bin/shop <<'END'
{program}
END
chmod +x /usr/local/bin/shop
printf '%s\\n' '[Service]' User=daemon ExecStart=/usr/local/bin/shop > /run/systemd/system/shop.service
cat > /run/systemd/system/shop.service.d/pulse.conf <<'END'
{drop_in}
END
systemctl daemon-reload
systemctl start shop.service
"
    )
}

/// Writes the files of an example, each of which follows a comment with its path.
fn files(code: &str) -> String {
    let mut script = String::new();
    for file in code.split("# /").skip(1) {
        let (path, text) = file.split_once('\n').expect("a path, and text");
        script += &format!("mkdir -p \"$(dirname /{path})\"\ncat > /{path} <<'END'\n{text}END\n");
    }
    script
}

#[test]
fn unit_logs_with_syslog() {
    let example = example("unit.syslog");
    check(&example, &unit(&example.code, "logger -t shop 'query took 40ms'"));
}

#[test]
fn unit_keeps_its_last_lines() {
    let example = example("unit.lines");
    let program = "trap 'echo ends; exit 3' TERM
echo 'query took 40ms'
sleep 60 &
wait";
    let stop = "
until pulse-tail | grep query; do sleep 0.05; done
systemctl stop shop.service
# Of the program, not of the shell around it.
[ \"$(systemctl show -P ExecMainStatus shop.service)\" = 3 ]
";
    check(&example, &(unit(&example.code, program) + stop));
}

#[test]
fn unit_writes_json() {
    let example = example("unit.json");
    let program = "echo '{\"tag\":\"shop.query\",\"msg\":\"list orders\",\"user\":\"anna\",\"took\":\"40ms\"}'
exec sleep 60";
    check(&example, &unit(&example.code, program));
}

#[test]
fn journal_forwards_units() {
    let example = example("unit.journal");
    let restart = "systemd-tmpfiles --create\nsystemctl restart systemd-journald\n";
    let program = "echo '{\"msg\":\"list orders\",\"user\":\"anna\",\"took\":\"40ms\"}'";
    check(&example, &format!("{}{restart}{}", files(&example.code), unit("", program)));
}

#[test]
fn haproxy_reports_requests() {
    let (example, drop_in) = (example("haproxy.conf"), example("haproxy.unit"));
    let script = format!(
        "
ip link set lo up
mkdir -p /run/systemd/system/haproxy.service.d
cat > /run/systemd/system/haproxy.service.d/pulse.conf <<'END'
{}END
cat > /etc/haproxy/haproxy.cfg <<'END'
global
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
{}
frontend shop
    bind 127.0.0.1:8080
    http-request return status 204
END
systemctl daemon-reload
systemctl start haproxy.service
curl -sf 'http://127.0.0.1:8080/basket?id=7'
",
        drop_in.code, example.code
    );
    check(&example, &script);
}

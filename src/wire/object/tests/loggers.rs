//! Lines of other loggers.

use super::super::{KEYS, draft};
use super::{check, show};
use crate::wire::fields::Repairs;

/// One line of each logger, as its manual or its source shows the keys.
#[test]
fn understands_other_loggers() {
    check(&[
        // pino, also with a name, with base: null, and of an HTTP server.
        (
            r#"{"level":50,"time":1700000000123,"pid":42,"hostname":"alpha","msg":"boom","err":{"type":"Error"}}"#,
            "err - sent=#1700000000123 pid=#42 hostname=alpha err.type=Error repaired=nested | boom",
        ),
        (
            r#"{"level":20,"time":1700000000123,"pid":42,"hostname":"alpha","name":"shop","msg":"x"}"#,
            "debug shop sent=#1700000000123 pid=#42 hostname=alpha | x",
        ),
        (r#"{"level":60,"time":1700000000123,"msg":"x"}"#, "crit - sent=#1700000000123 | x"),
        (
            r#"{"level":40,"time":1700000000123,"pid":1,"hostname":"a","responseTime":12,"msg":"request completed"}"#,
            "warning - took:0.012 sent=#1700000000123 pid=#1 hostname=a responseTime=#12 | request completed",
        ),
        (
            r#"{"level":"warn","time":1700000000123,"pid":1,"hostname":"a","name":"shop","responseTime":7,"msg":"x"}"#,
            "warning shop took:0.007 sent=#1700000000123 pid=#1 hostname=a responseTime=#7 | x",
        ),
        // bunyan
        (
            r#"{"name":"shop","hostname":"alpha","pid":42,"level":40,"msg":"low","time":"2026-03-14T05:06:07.000Z","v":0}"#,
            "warning shop sent=2026-03-14T05:06:07.000Z hostname=alpha pid=#42 v=#0 | low",
        ),
        // slog, whose durations are nanoseconds
        (
            r#"{"time":"2026-03-14T05:06:07.1Z","level":"ERROR","msg":"x","elapsed":1500000,"rows":3}"#,
            "err - took:0.0015 sent=2026-03-14T05:06:07.1Z elapsed=#1500000 rows=#3 | x",
        ),
        (
            r#"{"time":"2026-03-14T05:06:07.1Z","level":"DEBUG-4","source":{"function":"main.f","line":7},"msg":"x"}"#,
            "debug - sent=2026-03-14T05:06:07.1Z source.function=main.f source.line=#7 repaired=nested | x",
        ),
        (
            r#"{"time":"t","level":"WARN+2","msg":"x","elapsed":0.5}"#,
            "warning - sent=t elapsed=#0.5 | x",
        ),
        // zap
        (
            r#"{"level":"error","ts":1700000000.123,"logger":"shop.db","caller":"db/x.go:7","msg":"slow","elapsed":0.25}"#,
            "err shop.db took:0.25 sent=#1700000000.123 caller=db/x.go:7 elapsed=#0.25 | slow",
        ),
        (
            r#"{"level":"INFO","ts":"2026-03-14T05:06:07.1Z","caller":"x.go:7","msg":"x","duration":0.5}"#,
            "info - took:0.5 sent=2026-03-14T05:06:07.1Z caller=x.go:7 duration=#0.5 | x",
        ),
        // zerolog
        (
            r#"{"level":"warn","time":1700000000,"elapsed":12.5,"message":"x"}"#,
            "warning - took:0.0125 sent=#1700000000 elapsed=#12.5 | x",
        ),
        // logrus
        (
            r#"{"animal":"cat","level":"info","msg":"x","time":"2026-03-14T05:06:07Z","elapsed":"45ms"}"#,
            "info - took:0.045 sent=2026-03-14T05:06:07Z animal=cat elapsed=45ms | x",
        ),
        // structlog
        (
            r#"{"user":7,"event":"signed in","level":"error","logger":"shop.auth","timestamp":"2026-03-14T05:06:07Z"}"#,
            "err shop.auth sent=2026-03-14T05:06:07Z user=#7 | signed in",
        ),
        // Python's JSON formatters
        (
            r#"{"asctime":"2026-03-14 05:06:07,123","name":"shop.mail","levelname":"WARNING","message":"x"}"#,
            "warning shop.mail sent=2026-03-14 05:06:07,123 | x",
        ),
        // Monolog
        (
            r#"{"message":"x","context":{"user":"anna"},"level":550,"level_name":"ALERT","channel":"shop","datetime":"2026-03-14T05:06:07+00:00","extra":{}}"#,
            "alert shop sent=2026-03-14T05:06:07+00:00 context.user=anna repaired=nested | x",
        ),
        (
            r#"{"message":"x","context":[],"level":250,"level_name":"NOTICE","channel":"app","datetime":"t"}"#,
            "notice app sent=t repaired=nested | x",
        ),
        // Elastic Common Schema, dotted and nested
        (
            r#"{"@timestamp":"2026-03-14T05:06:07Z","log.level":"ERROR","message":"x","log.logger":"com.example.Shop","event.duration":1500000}"#,
            "err com.example.Shop took:0.0015 sent=2026-03-14T05:06:07Z event.duration=#1500000 | x",
        ),
        (
            r#"{"@timestamp":"t","log":{"level":"debug","logger":"shop"},"message":"x","service":{"name":"s"}}"#,
            "debug shop sent=t service.name=s | x",
        ),
        // OpenTelemetry
        (
            r#"{"Timestamp":"t","SeverityText":"ERROR","SeverityNumber":17,"Body":"x","TraceId":"7b"}"#,
            "err - sent=t SeverityNumber=#17 TraceId=7b | x",
        ),
        (
            r#"{"timeUnixNano":"1700000000000000000","severityNumber":13,"body":{"stringValue":"x"},"attributes":[{"key":"user","value":{"stringValue":"anna"}},{"key":"n","value":{"intValue":"7"}}]}"#,
            "warning - sent=1700000000000000000 attributes.user=anna attributes.n=7 repaired=nested | x",
        ),
        // journalctl -o json, also with a message that is not UTF-8
        (
            r#"{"MESSAGE":"x","PRIORITY":"3","SYSLOG_IDENTIFIER":"sshd","_PID":"42","__REALTIME_TIMESTAMP":"1700000000000000"}"#,
            "err sshd sent=1700000000000000 PID=42 repaired=fields | x",
        ),
        (r#"{"MESSAGE":[104,105,255],"PRIORITY":"6"}"#, "info - repaired=utf8 msg | hi\u{fffd}"),
        // GELF, logstash, Serilog, Docker
        (
            r#"{"version":"1.1","host":"alpha","short_message":"x","level":4,"timestamp":1700000000.5,"_user":"anna"}"#,
            "warning - sent=#1700000000.5 version=1.1 host=alpha user=anna repaired=claim fields | x",
        ),
        (
            r#"{"@timestamp":"t","@version":"1","message":"x","logger_name":"shop","thread_name":"main","level":"WARN"}"#,
            "warning shop sent=t -version=1 thread_name=main repaired=fields | x",
        ),
        // log4j, winston, Google Cloud
        (
            r#"{"instant":{"epochSecond":17,"nanoOfSecond":5},"level":"WARN","loggerName":"a.B","message":"x"}"#,
            "warning a.B sent=#17 instant.nanoOfSecond=#5 repaired=nested | x",
        ),
        (r#"{"level":"error","message":"x","timestamp":"t"}"#, "err - sent=t | x"),
        (r#"{"severity":"ERROR","message":"x","time":"t"}"#, "err - sent=t | x"),
        (r#"{"@t":"t","@m":"x","@l":"Warning"}"#, "warning - sent=t | x"),
        (r#"{"log":"x\n","stream":"stderr","time":"t"}"#, "info - sent=t stream=stderr | x"),
    ]);
}

#[test]
fn every_key_of_ours_has_a_meaning() {
    for key in KEYS {
        let object = format!("{{\"{key}\":\"3\"}}");
        let made = draft(&object, Repairs::default()).expect("an object");
        let is_field = made.fields.iter().any(|field| field.name == key);
        assert_eq!(is_field, key == "fields", "{key}: {}", show(&made));
    }
}

/// Keys mean something only in the objects of those loggers.
#[test]
fn objects_of_people_keep_their_fields() {
    check(&[
        (r#"{"msg":"x","name":"anna","channel":"news"}"#, "info - name=anna channel=news | x"),
        (r#"{"msg":"x","message":"y","event":"z"}"#, "info - message=y event=z | x"),
        (r#"{"event":"z","message":"y","msg":"x"}"#, "info - event=z message=y | x"),
        (r#"{"msg":"x","tag":"a","logger":"b"}"#, "info a logger=b | x"),
        (r#"{"logger":"b","tag":"a","msg":"x"}"#, "info a logger=b | x"),
        (r#"{"msg":"x","time":"t","ts":7}"#, "info - sent=t ts=#7 | x"),
        (r#"{"msg":"x","level":"err","severity":"debug"}"#, "err - severity=debug | x"),
        (r#"{"msg":"x","level":"purple","severity":"debug"}"#, "debug - level=purple | x"),
        (
            r#"{"msg":"x","event":{"kind":"a"},"log":7}"#,
            "info - event.kind=a log=#7 repaired=nested | x",
        ),
        (r#"{"msg":"x","level":30}"#, "info - level=#30 repaired=level | x"),
        (r#"{"msg":"x","level":3}"#, "err - | x"),
        (r#"{"msg":"x","level":"3"}"#, "err - | x"),
        (
            r#"{"msg":"x","fields":{"level":"err","message":"y","time":7,"name":"n"}}"#,
            "info - level=err message=y time=#7 name=n | x",
        ),
        (
            r#"{"msg":"x","timeout_ms":5,"uptime":7,"time":9}"#,
            "info - sent=#9 timeout_ms=#5 uptime=#7 | x",
        ),
    ]);
}

#[test]
fn durations_of_fields_are_measured() {
    check(&[
        (r#"{"msg":"x","duration_ms":45}"#, "info - took:0.045 duration_ms=#45 | x"),
        (r#"{"msg":"x","duration_ms":"45"}"#, "info - took:0.045 duration_ms=45 | x"),
        (r#"{"msg":"x","elapsed_ns":1500}"#, "info - took:0.0000015 elapsed_ns=#1500 | x"),
        (r#"{"msg":"x","fields":{"latencyUs":7}}"#, "info - took:0.000007 latencyUs=#7 | x"),
        (
            r#"{"msg":"x","http":{"duration_s":1.5}}"#,
            "info - took:1.5 http.duration_s=#1.5 repaired=nested | x",
        ),
        (r#"{"msg":"x","duration":"2s"}"#, "info - took:2 duration=2s | x"),
        (r#"{"msg":"x","took":"1.5 s"}"#, "info - took:1.5 | x"),
        (r#"{"msg":"x","took":2,"duration_ms":45}"#, "info - took:2 duration_ms=#45 | x"),
        (r#"{"msg":"x","duration_ms":1e3}"#, "info - took:1 duration_ms=#1e3 | x"),
        // No unit, no duration, a limit, or within a list.
        (r#"{"msg":"x","duration":45}"#, "info - duration=#45 | x"),
        (r#"{"msg":"x","duration":"45"}"#, "info - duration=45 | x"),
        (r#"{"msg":"x","duration_ms":-1}"#, "info - duration_ms=#-1 | x"),
        (r#"{"msg":"x","max_duration_ms":45}"#, "info - max_duration_ms=#45 | x"),
        (
            r#"{"msg":"x","q":[{"duration_ms":45}]}"#,
            "info - q.0.duration_ms=#45 repaired=nested | x",
        ),
        // Only a given duration ends a run.
        (r#"{"msg":"x","run":"r","duration_ms":45}"#, "info - run:r duration_ms=#45 | x"),
        (r#"{"msg":"x","run":"r","took":45}"#, "info - run:r took:45 | x"),
    ]);
}

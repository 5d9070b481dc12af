//! Messages with a duration.

use super::super::find;

#[track_caller]
fn check(cases: &[(&str, f64)]) {
    for (msg, took) in cases {
        assert_eq!(find(msg), Some(*took), "{msg:?}");
    }
}

#[test]
fn finds_one_number_with_a_unit() {
    check(&[
        ("query took 40ms", 0.04),
        ("40ms", 0.04),
        ("(1.5s)", 1.5),
        ("took=12us;", 0.000012),
        ("12µs and 3ms", 0.000012),
        ("12μs", 0.000012),
        ("7ns", 0.000000007),
        ("served in 250 ns", 0.00000025),
        ("took 40 ms", 0.04),
        ("2 rows in 3.25ms.", 0.00325),
        ("0.3ms", 0.0003),
        ("v1.2.3 took 5ms", 0.005),
        ("7 s, then 6ms", 7.0),
        ("1e3ms 4ms", 0.004),
        ("0s", 0.0),
        (".5s", 0.5),
        ("123456789012345678901ms 4ms", 0.004),
        ("cache warmed, 2.25 seconds", 2.25),
        ("cache warmed, 3 secs", 3.0),
        ("index rebuilt: 850 milliseconds", 0.85),
        ("index rebuilt: 850 MSECS", 0.85),
        ("lookup 85 µs", 0.000085),
        ("lookup in 85 us", 0.000085),
        ("lookup in 85 microseconds", 0.000085),
        ("Export ran 7 minutes", 420.0),
        ("archived in 3 h", 10_800.0),
        ("ran 2 days", 172_800.0),
        ("done after 15m", 900.0),
        ("7 minutes elapsed", 420.0),
        ("took 340s", 340.0),
        ("Task a1 succeeded in 0.0451234567890123456s: None", 0.045_123_456_789_012_35),
        ("took 0.100000000000000005551115123125782702s", 0.1),
    ]);
}

#[test]
fn sums_parts() {
    check(&[
        ("took 2m 5s", 125.0),
        ("took 2m5s", 125.0),
        ("took 2h:0m:5s", 7205.0),
        ("took 2 min 5 sec", 125.0),
        ("import: 3h 0m 4.5s", 10_804.5),
        ("import: 3h0m4.5s", 10_804.5),
        ("1d2h3m4s", 93_784.0),
        ("1 day, 1 hour, 1 minute and 1 second", 90_061.0),
        ("1 day, 1 hour, 1 minute, and 1 second", 90_061.0),
        ("2 minutes and 3 seconds", 123.0),
        ("7s 250ms", 7.25),
        ("1ms 500us", 0.0015),
        ("1h 500ms", 3600.5),
        ("took 1h 90m", 3600.0),
        ("12ms, 3ms", 0.012),
        ("5s, 6s", 5.0),
        ("1.5h 3m took 2ms", 0.002),
        ("user\t0m2.250s", 2.25),
        ("Rows matched (2 min 1.50 sec)", 121.5),
        ("8ms + 4ms = 12ms", 0.012),
        ("Boot done in 1.5s (firmware) + 2s (loader) + 3.25s (rest) = 6.75s.", 6.75),
        ("Boot done in 50s (loader) + 30s (rest) = 1min 20s", 80.0),
    ]);
}

#[test]
fn finds_stopwatches_after_a_cue() {
    check(&[
        ("elapsed 00:01:23", 83.0),
        ("took 2:05", 125.0),
        ("Elapsed: 1:05:30.5", 3930.5),
        ("Elapsed (wall clock) time (h:mm:ss or m:ss): 0:02.50", 2.5),
        ("0.02user 0.01system 0:07.25elapsed 4%CPU", 7.25),
        ("Total time: 12:05:30", 43_530.0),
        ("Time: 00:03.125, Memory: 12 MB", 3.125),
        ("Total time:  03:10 min", 190.0),
        ("0:45 elapsed", 45.0),
    ]);
}

#[test]
fn finds_values_of_keys() {
    check(&[
        ("took=40ms", 0.04),
        ("took: 40ms", 0.04),
        ("took:40ms", 0.04),
        ("took = 40ms", 0.04),
        ("took='40ms'", 0.04),
        ("took[1.25ms], took_millis[1200], types[]", 0.00125),
        ("elapsed=0.250", 0.25),
        ("upstream_response_time=0.125", 0.125),
        ("Exec_time: 3.251593  Wait: 0.1", 3.251593),
        ("service=\"0.125\"", 0.125),
        ("{\"path\":\"/a\",\"elapsed\":0.125}", 0.125),
        ("{\\\"took\\\":\\\"40ms\\\"}", 0.04),
        ("time=999999.999", 999_999.999),
        ("duration_us=45", 0.000045),
        ("duration_ns=45", 0.000000045),
        ("duration_seconds=45", 45.0),
        ("latency_ms: 45.5", 0.0455),
        ("elapsedMs=45", 0.045),
        ("{\"durationMillis\":45,\"ok\":1}", 0.045),
        ("request.duration.ms=45", 0.045),
        ("total_ms=45", 0.045),
        ("retries=3 elapsed=0.250", 0.25),
        ("sleep 9  0.01s user 0.02s system 0% cpu 9.012 total", 9.012),
    ]);
}

#[test]
fn what_stands_around_a_number_does_not_hide_it() {
    for around in [
        "«_»",
        "“_”",
        "*_*",
        "`_`",
        "~_",
        "≈_",
        "_.",
        "_!",
        "_?",
        "_…",
        "_...",
        "(_)",
        "[x _]",
        "用时：_，成功",
        "耗时_完成",
        "処理は_でした",
        "ใช้เวลา_แล้ว",
        "소요 시간은_입니다",
        "ລາວ_ລາວ",
        "ខ្មែរ_ខ្មែរ",
        "a\t_\tb",
        "a\n_\nb",
        "a\u{a0}_\u{a0}b",
        "\u{1b}[32m_\u{1b}[0m",
        "\u{1b}[1;38;5;9m_\u{1b}[m",
        "\u{1b}]0;7s\u{7}_",
        "\u{1b}]8;;http://x/7s\u{1b}\\_\u{1b}]8;;\u{1b}\\",
        "\u{1b}(B_",
        "—_—",
        "|_|",
    ] {
        let msg = around.replace('_', "73ms");
        assert_eq!(find(&msg), Some(0.073), "{msg:?}");
    }
    check(&[
        ("took \u{1b}[1m73\u{1b}[0mms", 0.073),
        ("took \u{1b}[1m73\u{1b}[0m \u{1b}[2mms\u{1b}[0m", 0.073),
        ("took 73\u{a0}ms", 0.073),
        ("took 73\u{202f}ms", 0.073),
        ("took\u{a0}73ms", 0.073),
        ("1\u{a0}min 13\u{a0}s", 73.0),
    ]);
}

#[test]
fn chooses_what_was_measured() {
    check(&[
        ("limit 10s, took 2.5s", 2.5),
        ("took 2.5s, limit 10s", 2.5),
        ("timeout=10s 2.5s", 2.5),
        ("2.5s timeout=10s", 2.5),
        ("2.5s max-age=10s", 2.5),
        ("10s timeout exceeded after 12.5s", 12.5),
        ("deadline exceeded after 12.5s", 12.5),
        ("lock request timed out after 12.5s", 12.5),
        ("deadline 10s, ran 12.5s", 12.5),
        ("retry 2 took 300ms", 0.3),
        ("retry 2 failed after 300ms", 0.3),
        ("waited 5s, took 300ms", 0.3),
        ("every 60s: sync took 300ms", 0.3),
        ("heartbeat interval 60s; sync 300ms", 0.3),
        ("ttl=3600s; login took 300ms", 0.3),
        ("Reconnected in 340ms", 0.34),
        ("SELECT a FROM b LIMIT 10 (4ms)", 0.004),
        ("[gc] overhead, spent [345ms] collecting in the last [1s]", 0.345),
        ("parse 1.2s, run 2s, total 3.2s", 3.2),
        ("parse took 1.2s, run took 2s, total took 3.2s", 3.2),
        ("parse 1.2s, run 2s, 3.2s total", 3.2),
        ("connect=1ms service=45ms status=200", 0.045),
        ("pause 5s; saved in 45ms", 0.045),
        ("Done 200 in 45ms (views 30ms, db 12ms)", 0.045),
        ("HEAD /a?wait=10s 304 45ms", 0.045),
        ("/srv/clips/10s.webm copied in 45ms", 0.045),
        ("fetched http://h/?t=10s in 45ms", 0.045),
        ("backed up, 12.5s", 12.5),
        ("[12.3s] query took 45ms", 0.045),
        ("[45ms]", 0.045),
        ("  (0.4ms)  BEGIN", 0.0004),
        ("Time (avg ± dev):  45 ms ±  2 ms", 0.045),
        ("10 packets sent, 10 received, time 4005ms", 4.005),
        ("seq=1 ttl=57 time=12.5 ms", 0.0125),
        ("p95=80ms took=45ms", 0.045),
        ("saved after 3 retries in 45ms", 0.045),
        ("limit 30s exceeded: 31.2s", 31.2),
        ("30s limit exceeded (31.2s)", 31.2),
        ("max allowed 30s but took 31.2s", 31.2),
        ("31.2s elapsed, timeout is 60s", 31.2),
        ("reconnecting in 5s, last attempt took 31.2s", 31.2),
        ("limit 30s (31.2s)", 31.2),
        ("limit: 30s, actual: 31.2s", 31.2),
        ("limit 30s, got 31.2s", 31.2),
        ("allowed 30s; used 31.2s", 31.2),
        ("should be < 30s, was 31.2s", 31.2),
        ("2h old dump restored in 3m", 180.0),
        ("12 tests passed in 63.5s (0:01:03)", 63.5),
        ("Duration: 1 minutes 5.30 seconds", 65.3),
        ("5 files, 1.2 MiB in 0:03", 3.0),
        ("finished at 17:05:03, took 45ms", 0.045),
    ]);
}

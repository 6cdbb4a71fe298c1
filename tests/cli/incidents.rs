//! What is one incident, as the run record and `agent why` tell it.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// A week of one host, a record every ten minutes from Monday 2026-01-05 on: on Monday at 9 the CPU is busy and the disk is
/// full for an hour, on Friday at 14 the latency rises, then the CPU is far busier than on Monday.
fn week(newest_first: bool) -> String {
    let record = |at: u64| {
        let hours = at as f64 / 6.0;
        let then = |from: f64, to: f64, value: f64, usual: f64| if hours >= from && hours < to { value } else { usual };
        let friday = 4.0 * 24.0 + 14.0;
        json!({
            "timestamp": 1_767_571_200 + at * 600,
            "host": "web-1",
            "cpu_usage": then(9.0, 10.0, 72.0, then(friday + 0.5, friday + 2.0, 97.0, 30.0)),
            "latency_ms": then(friday, friday + 2.0, 340.0, 80.0),
            "disk_usage": then(9.0, 10.0, 88.0, 40.0),
        })
        .to_string()
    };
    let mut lines: Vec<String> = (0..7 * 144).map(record).collect();
    if newest_first {
        lines.reverse();
    }
    lines.join("\n") + "\n"
}

fn incidents(sandbox: &Sandbox, input: &str) -> Value {
    let to = ["-q", "--output", "report.json", "--run-record", "record.json"];
    sandbox.agent(&[&["run", "graphs/default.toml", "--input", input, "--offline"], &to[..]].concat()).exits(0);
    let record: Value = serde_json::from_str(&sandbox.read("record.json")).unwrap();
    record["incidents"].clone()
}

#[test]
fn a_mild_monday_has_no_part_in_a_severe_friday() {
    let sandbox = Sandbox::new();
    sandbox.write("week.ndjson", &week(false));
    sandbox.write("reversed.ndjson", &week(true));
    let found = incidents(&sandbox, "week.ndjson");
    let expected = json!([
        {
            "id": "disk_usage@web-1/20260105T090000Z", "severity": "medium",
            "since": "2026-01-05T09:00:00Z", "until": "2026-01-05T09:50:00Z",
            "entities": ["web-1"], "services": [], "first": "disk_usage@web-1", "anomalies": ["disk_usage@web-1"],
        },
        {
            "id": "latency_ms@web-1/20260109T140000Z", "severity": "high",
            "since": "2026-01-09T14:00:00Z", "until": "2026-01-09T15:50:00Z",
            "entities": ["web-1"], "services": [], "first": "latency_ms@web-1",
            "anomalies": ["latency_ms@web-1", "cpu_usage@web-1"],
        },
    ]);
    assert_eq!(found, expected);
    let page = sandbox.agent(&["why", "last", "cpu_usage@web-1"]).exits(0).stdout;
    assert!(page.contains("2026-01-09T14:00:00Z") && !page.contains("disk_usage"), "{page}");
    assert_eq!(incidents(&sandbox, "reversed.ndjson"), expected);
}

//! The report of `agent run`, reckoned once more by other means. Shares no code with `src/`: records are plain JSON
//! values, sums are exact integers, times are compared as text, the bands are written out here.

mod compare;
mod read;
mod reckon;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use compare::differences;
use read::read;
use reckon::{BANDS, mean, reckon, stated};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The report that the binary writes of an input, as text. Nothing of this environment reaches it.
fn report_of(input: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = home.path().join("report.json");
    let done = Command::new(env!("CARGO_BIN_EXE_agent"))
        .args(["run", "graphs/default.toml", "--input", input, "--offline", "--no-journal", "--output"])
        .arg(&output)
        .current_dir(root())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{input}: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr));
    std::fs::read_to_string(output).unwrap()
}

fn check(input: &str) -> Value {
    let report: Value = serde_json::from_str(&report_of(input)).unwrap();
    let faults = differences(&read(&root().join(input)), &report);
    assert!(faults.is_empty(), "{input}:\n{}", faults.join("\n"));
    report
}

#[test]
fn five_days_of_a_platform() {
    check("fixtures/infrastructure.json");
}

#[test]
fn the_sample_record() {
    let report = check("fixtures/sample.json");
    let found: BTreeSet<(&str, &str)> = report["anomalies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (a["metric"].as_str().unwrap(), a["severity"].as_str().unwrap()))
        .collect();
    let expected = [("cpu_usage", "medium"), ("latency_ms", "medium"), ("service_status.api_gateway", "medium")];
    assert_eq!(found, BTreeSet::from(expected));
}

/// What is written as 90 is at 90, and what is written as 89.9999999 is not.
#[test]
fn values_within_a_rounding_of_their_band() {
    let home = tempfile::tempdir().unwrap();
    let input = home.path().join("near.ndjson");
    let line = |minute: usize, host: &str, fields: &str| {
        format!(r#"{{"timestamp":"2024-01-01T00:{minute:02}:00Z","host":"{host}",{fields},"service_status":{{}}}}"#)
    };
    let lines = [
        line(0, "a", r#""network_in_kbps":2999.9999999999,"disk_usage":94.9999999999"#),
        line(1, "b", r#""network_in_kbps":2999.99999,"disk_usage":94.9999999"#),
        line(2, "c", r#""network_in_kbps":1999.999999999,"disk_usage":74.9999999"#),
        line(3, "d", r#""io_wait":7.99999999999,"thread_count":169.999999"#),
    ];
    std::fs::write(&input, lines.join("\n")).unwrap();
    let report = check(input.to_str().unwrap());
    let found = |name: &str| {
        let anomalies = report["anomalies"].as_array().unwrap();
        anomalies.iter().find(|a| a["metric"] == name).map(|a| (a["value"].to_string(), a["severity"].clone()))
    };
    assert_eq!(found("disk_usage@a"), Some(("95".into(), json!("high"))));
    assert_eq!(found("disk_usage@b"), Some(("94.9999999".into(), json!("medium"))));
    assert_eq!(found("network_in_kbps@c"), Some(("2000".into(), json!("low"))));
    assert_eq!(found("disk_usage@c"), None);
    assert_eq!(found("io_wait@d"), Some(("8".into(), json!("low"))));
    assert_eq!(found("thread_count@d"), None);
}

#[test]
fn a_fleet_gives_the_same_report_from_both_formats() {
    check("fixtures/fleet.ndjson");
    check("fixtures/fleet.csv");
    assert_eq!(report_of("fixtures/fleet.ndjson"), report_of("fixtures/fleet.csv"));
}

#[test]
fn five_hundred_records_written_by_others() {
    let input = "../shared/data/rapport.json";
    if !root().join(input).is_file() {
        println!("skipped: there is no {input}");
        return;
    }
    let insights = &check(input)["insights"];
    let figures = ["average_latency_ms", "max_cpu_usage", "max_memory_usage", "error_rate", "uptime_seconds"];
    assert_eq!(figures.map(|f| insights[f].as_f64().unwrap()), [156.018, 99.0, 92.0, 0.03158, 1258200.0]);
}

// What follows holds the reckoning itself to cases made by hand.

/// Three records of two hosts, and their report, made by hand.
fn by_hand() -> (Vec<Value>, Value) {
    let records = [
        r#"{"timestamp":"2024-01-01T00:00:00Z","host":"a","cpu_usage":91,"latency_ms":100,"error_rate":0.01,"uptime_seconds":500,"service_status":{"db":"degraded"}}"#,
        r#"{"timestamp":"2024-01-01T00:10:00Z","host":"a","cpu_usage":70,"latency_ms":101,"uptime_seconds":20,"service_status":{"db":"online"}}"#,
        r#"{"timestamp":"2024-01-01T00:05:00Z","host":"b","cpu_usage":12.5,"latency_ms":1101,"error_rate":0.02,"uptime_seconds":90,"service_status":{"db":"degraded","web":"online"}}"#,
    ];
    let records = records.iter().map(|r| serde_json::from_str(r).unwrap()).collect();
    let report = json!({
        "timestamp": "2024-01-01T00:10:00Z",
        "insights": {
            "average_latency_ms": 434, "max_cpu_usage": 91, "max_memory_usage": null, "error_rate": 0.015, "uptime_seconds": 20
        },
        "anomalies": [
            { "metric": "latency_ms@b", "value": 1101, "threshold": 300, "severity": "high", "description":
              "Latency on b peaked at 1,101 ms (high severity, threshold 300 ms): 1 of 1 record was at or above the low threshold of 200 ms, at 2024-01-01T00:05:00Z." },
            { "metric": "cpu_usage@a", "value": 91, "threshold": 90, "severity": "high", "description":
              "CPU usage on a peaked at 91% (high severity, threshold 90%): 2 of 2 records were at or above the low threshold of 70%, first at 2024-01-01T00:00:00Z, last at 2024-01-01T00:10:00Z, worst at 2024-01-01T00:00:00Z." },
            { "metric": "service_status.db@a", "value": 1, "threshold": 1, "severity": "medium", "description":
              "Service db on a was degraded at worst (medium severity): it was not online in 1 of 2 records, at 2024-01-01T00:00:00Z." },
            { "metric": "service_status.db@b", "value": 1, "threshold": 1, "severity": "medium", "description":
              "Service db on b was degraded at worst (medium severity): it was not online in 1 of 1 record, at 2024-01-01T00:05:00Z." },
        ],
        "recommendations": [],
        "service_status_summary": { "online": ["web"], "degraded": ["db"], "offline": [] },
    });
    (records, report)
}

#[test]
fn figures_are_stated_to_nine_digits() {
    for (text, expected) in [
        ("89.9999999999", 90.0),
        ("89.9999999", 89.9999999),
        ("0.0499999999999", 0.05),
        ("-1234567894", -1234567890.0),
        ("1.2345678951e20", 1.2345679e20),
        ("12", 12.0),
        ("0", 0.0),
    ] {
        assert_eq!(stated(&serde_json::from_str(text).unwrap()), expected, "{text}");
    }
}

#[test]
fn a_true_report_has_no_differences() {
    let (records, report) = by_hand();
    assert_eq!(differences(&records, &report), Vec::<String>::new());
}

#[test]
fn every_falsehood_is_found() {
    let check = |pointer: &str, falsehood: Value| {
        let (records, mut report) = by_hand();
        let place = report.pointer_mut(pointer).unwrap();
        assert_ne!(*place, falsehood, "{pointer} is no falsehood");
        *place = falsehood;
        assert_ne!(differences(&records, &report), Vec::<String>::new(), "{pointer}");
    };
    check("/timestamp", json!("2024-01-01T00:05:00Z"));
    check("/insights/average_latency_ms", json!(434.000001));
    check("/insights/max_memory_usage", json!(0));
    check("/insights/uptime_seconds", json!(90));
    check("/service_status_summary/degraded", json!([]));
    check("/anomalies/0/value", json!(1101.5));
    check("/anomalies/0/threshold", json!(250));
    check("/anomalies/1/severity", json!("medium"));
    let (_, report) = by_hand();
    let mut swapped = report["anomalies"].as_array().unwrap().clone();
    swapped.swap(0, 1);
    check("/anomalies", json!(swapped));
    check("/anomalies", json!(report["anomalies"].as_array().unwrap()[..3]));
    // One word of a sentence: a count, a time, a figure, a unit, a severity, a host.
    for (at, word, wrong) in [
        (1, "2 of 2", "1 of 2"),
        (1, "2 of 2", "2 of 3"),
        (1, "2 of 2", "12 of 2"),
        (1, "last at 2024-01-01T00:10:00Z", "last at 2024-01-01T00:05:00Z"),
        (1, "worst at 2024-01-01T00:00:00Z", "worst at 2024-01-01T00:10:00Z"),
        (1, "91%", "92%"),
        (1, "of 70%", "of 80%"),
        (0, "1,101 ms", "1,101 s"),
        (0, "high", "low"),
        (2, "degraded", "offline"),
        (2, " on a ", " on b "),
        (3, "1 of 1", "1 of 2"),
    ] {
        let sentence = report["anomalies"][at]["description"].as_str().unwrap().replacen(word, wrong, 1);
        check(&format!("/anomalies/{at}/description"), json!(sentence));
    }
}

#[test]
fn means_are_rounded_to_nine_digits() {
    let check = |values: &[&str], expected: f64| {
        let records: Vec<Value> =
            values.iter().map(|v| serde_json::from_str(&format!("{{\"x\":{v}}}")).unwrap()).collect();
        assert_eq!(mean(&records, "x"), Some(expected), "{values:?}");
    };
    check(&["1", "0", "0"], 0.333333333);
    check(&["2", "0", "0"], 0.666666667);
    check(&["156.018"], 156.018);
    check(&["1234567891.5"], 1234567890.0);
    check(&["0", "0"], 0.0);
    assert_eq!(mean(&[], "x"), None);
}

/// A fixture of calm days would prove little.
#[test]
fn the_infrastructure_fixture_has_something_to_find() {
    let found = reckon(&read(&root().join("fixtures/infrastructure.json"))).anomalies;
    let severities: BTreeSet<usize> = found.iter().map(|f| f.severity).collect();
    let metrics = found.iter().filter(|f| !f.name.starts_with("service_status")).count();
    assert_eq!(severities, BTreeSet::from([0, 1, 2]));
    assert!(metrics > 6 && metrics < BANDS.len(), "{metrics} of the metrics reach a band");
    let offline = found.iter().find(|f| f.name == "service_status.api_gateway").unwrap();
    assert!(offline.severity == 2 && offline.of - offline.reached > 200, "{offline:?}");
}

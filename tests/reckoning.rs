//! The report of `agent run`, reckoned once more by other means. Shares no code with `src/`: records are plain JSON
//! values, sums are exact integers, times are compared as text, the bands are written out here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Metric, unit as sentences write it, low, medium and high.
const BANDS: [(&str, &str, [f64; 3]); 12] = [
    ("cpu_usage", "%", [70.0, 80.0, 90.0]),
    ("memory_usage", "%", [75.0, 85.0, 92.0]),
    ("latency_ms", " ms", [200.0, 250.0, 300.0]),
    ("disk_usage", "%", [75.0, 85.0, 95.0]),
    ("io_wait", "%", [8.0, 10.0, 15.0]),
    ("error_rate", "", [0.05, 0.08, 0.10]),
    ("temperature_celsius", " °C", [70.0, 78.0, 85.0]),
    ("thread_count", "", [170.0, 185.0, 200.0]),
    ("active_connections", "", [80.0, 110.0, 140.0]),
    ("network_in_kbps", " kbps", [2000.0, 2500.0, 3000.0]),
    ("network_out_kbps", " kbps", [1800.0, 2200.0, 2600.0]),
    ("power_consumption_watts", " W", [300.0, 350.0, 400.0]),
];
const SEVERITIES: [&str; 3] = ["low", "medium", "high"];
const STATUSES: [&str; 3] = ["online", "degraded", "offline"];

// --- Reading ------------------------------------------------------------------------------------------------------

/// The records of a fixture as JSON objects, CSV ones too.
fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    match path.extension().and_then(|e| e.to_str()) {
        Some("json") => match serde_json::from_str(&text).unwrap() {
            Value::Array(records) => records,
            record => vec![record],
        },
        Some("ndjson") => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        Some("csv") => read_csv(&text),
        other => panic!("no reader for {other:?}"),
    }
}

/// Without quoting, which the fixtures do not use. An empty cell is a field that the record lacks.
fn read_csv(text: &str) -> Vec<Value> {
    assert!(!text.contains('"'));
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let mut record = json!({ "service_status": {} });
        for (name, cell) in header.iter().zip(line.split(',')).filter(|(_, cell)| !cell.is_empty()) {
            match name.strip_prefix("service_status.") {
                Some(service) => record["service_status"][service] = json!(cell),
                None => record[*name] = serde_json::from_str(cell).unwrap_or(json!(cell)),
            }
        }
        record
    };
    lines.map(row).collect()
}

// --- Reckoning ----------------------------------------------------------------------------------------------------

/// What a report must say of its records.
#[derive(Debug)]
struct Expected {
    timestamp: String,
    insights: BTreeMap<&'static str, Option<f64>>,
    /// In the order of the report.
    anomalies: Vec<Found>,
    /// Services by status.
    services: BTreeMap<&'static str, Vec<String>>,
}

#[derive(Debug)]
struct Found {
    name: String,
    value: f64,
    threshold: f64,
    severity: usize,
    reached: usize,
    of: usize,
    first: String,
    last: String,
    worst: String,
    /// What the sentence says of value and threshold.
    phrases: Vec<String>,
}

fn time(record: &Value) -> &str {
    record["timestamp"].as_str().unwrap()
}

/// Empty where the record names none.
fn host(record: &Value) -> &str {
    record["host"].as_str().unwrap_or("")
}

/// Millionths, exactly, from the digits as written.
fn millionths(number: &Value) -> i128 {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<6}").parse().unwrap()
}

fn values<'a>(records: &'a [Value], metric: &str) -> Vec<&'a Value> {
    records.iter().filter_map(|r| r.get(metric)).filter(|v| v.is_number()).collect()
}

/// To nine significant digits, by integer division.
fn mean(records: &[Value], metric: &str) -> Option<f64> {
    let values = values(records, metric);
    let sum: i128 = values.iter().map(|v| millionths(v)).sum();
    let count = values.len() as i128;
    if count == 0 || sum == 0 {
        return (count > 0).then_some(0.0);
    }
    let mut exponent = -6;
    let (mut over, mut under) = (sum, count);
    while over / under >= 1_000_000_000 {
        (under, exponent) = (under * 10, exponent + 1);
    }
    while over / under < 100_000_000 {
        (over, exponent) = (over * 10, exponent - 1);
    }
    Some(format!("{}e{exponent}", (over * 2 + under) / (under * 2)).parse().unwrap())
}

fn largest(records: &[Value], metric: &str) -> Option<f64> {
    values(records, metric).into_iter().max_by_key(|v| millionths(v)).and_then(Value::as_f64)
}

/// Of each host the newest, of those the smallest.
fn newest(records: &[Value], metric: &str) -> Option<f64> {
    let mut newest: BTreeMap<&str, (&str, i128, f64)> = BTreeMap::new();
    for record in records.iter().filter(|r| r.get(metric).is_some_and(Value::is_number)) {
        let reading = (time(record), millionths(&record[metric]), record[metric].as_f64().unwrap());
        let known = newest.entry(host(record)).or_insert(reading);
        if reading.0 >= known.0 {
            *known = reading;
        }
    }
    newest.values().min_by_key(|(_, millionths, _)| *millionths).map(|(_, _, value)| *value)
}

fn reckon(records: &[Value]) -> Expected {
    let hosts: BTreeSet<&str> = records.iter().map(host).collect();
    let mut anomalies = Vec::new();
    for host_name in hosts {
        let here: Vec<&Value> = records.iter().filter(|r| host(r) == host_name).collect();
        anomalies.extend(BANDS.iter().filter_map(|(metric, unit, bands)| {
            let series: Vec<(&str, f64)> =
                here.iter().filter_map(|r| Some((time(r), r.get(metric)?.as_f64()?))).collect();
            let mut found = worst_of(&series, bands, named(metric, host_name))?;
            found.threshold = bands[found.severity];
            found.phrases = vec![
                format!("peaked at {}{unit} (", shown(found.value)),
                format!("threshold {}{unit})", shown(found.threshold)),
                format!("at or above the low threshold of {}{unit}, ", shown(bands[0])),
            ];
            Some(found)
        }));
        for service in services(&here) {
            let series: Vec<(&str, f64)> =
                here.iter().filter_map(|r| Some((time(r), level(r, &service)? as f64))).collect();
            // Degraded is medium, offline high: there is no low.
            let found =
                worst_of(&series, &[f64::INFINITY, 1.0, 2.0], named(&format!("service_status.{service}"), host_name));
            anomalies.extend(found.map(|mut found| {
                found.threshold = found.value;
                let worst = STATUSES[found.value as usize];
                found.phrases = vec![format!("was {worst} at worst ("), "it was not online in ".to_string()];
                found
            }));
        }
    }
    anomalies.sort_by(|a, b| {
        let distance = |f: &Found| ((f.value - f.threshold) / f.threshold).abs();
        (b.severity, distance(b)).partial_cmp(&(a.severity, distance(a))).unwrap().then(a.name.cmp(&b.name))
    });
    let insights = BTreeMap::from([
        ("average_latency_ms", mean(records, "latency_ms")),
        ("max_cpu_usage", largest(records, "cpu_usage")),
        ("max_memory_usage", largest(records, "memory_usage")),
        ("error_rate", mean(records, "error_rate")),
        ("uptime_seconds", newest(records, "uptime_seconds")),
    ]);
    let timestamp = records.iter().map(time).max().unwrap().to_string();
    Expected { timestamp, insights, anomalies, services: summary(records) }
}

fn named(metric: &str, host: &str) -> String {
    if host.is_empty() { metric.to_string() } else { format!("{metric}@{host}") }
}

/// `threshold` and `phrases` are left for the caller.
fn worst_of(series: &[(&str, f64)], bands: &[f64; 3], name: String) -> Option<Found> {
    let reached: Vec<&(&str, f64)> = series.iter().filter(|(_, v)| bands.iter().any(|band| v >= band)).collect();
    let value = reached.iter().map(|(_, v)| *v).reduce(f64::max)?;
    let times = || reached.iter().map(|(time, _)| time.to_string());
    Some(Found {
        name,
        value,
        threshold: f64::NAN,
        severity: (0..3).rev().find(|s| value >= bands[*s])?,
        reached: reached.len(),
        of: series.len(),
        first: times().min()?,
        last: times().max()?,
        worst: reached.iter().filter(|(_, v)| *v == value).map(|(time, _)| time.to_string()).min()?,
        phrases: vec![],
    })
}

fn level(record: &Value, service: &str) -> Option<usize> {
    let word = record["service_status"][service].as_str()?;
    STATUSES.iter().position(|status| *status == word)
}

fn services(records: &[&Value]) -> BTreeSet<String> {
    records.iter().filter_map(|r| r["service_status"].as_object()).flat_map(|s| s.keys().cloned()).collect()
}

fn summary(records: &[Value]) -> BTreeMap<&'static str, Vec<String>> {
    let mut by_status: BTreeMap<&str, Vec<String>> = STATUSES.iter().map(|s| (*s, vec![])).collect();
    for service in services(&records.iter().collect::<Vec<_>>()) {
        let mut newest: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
        for record in records {
            if let Some(level) = level(record, &service) {
                let known = newest.entry(host(record)).or_insert((time(record), level));
                if time(record) >= known.0 {
                    *known = (time(record), level);
                }
            }
        }
        let worst = newest.values().map(|(_, level)| *level).max().unwrap();
        by_status.get_mut(STATUSES[worst]).unwrap().push(service);
    }
    by_status
}

/// With a comma after every three digits before the point.
fn shown(value: f64) -> String {
    let text = value.to_string();
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut groups: Vec<String> =
        whole.as_bytes().rchunks(3).map(|group| String::from_utf8(group.to_vec()).unwrap()).collect();
    groups.reverse();
    groups.join(",") + fraction
}

// --- Comparing ----------------------------------------------------------------------------------------------------

/// Everything in which a report differs from what its records say.
fn differences(records: &[Value], report: &Value) -> Vec<String> {
    let expected = reckon(records);
    let mut faults = Vec::new();
    let mut same = |what: &str, got: &Value, wanted: Value| {
        // Numbers by value: 93 and 93.0 are one.
        if *got != wanted && (got.as_f64() != wanted.as_f64() || got.as_f64().is_none()) {
            faults.push(format!("{what} is {got}, not {wanted}"));
        }
    };
    same("timestamp", &report["timestamp"], json!(expected.timestamp));
    for (name, value) in &expected.insights {
        same(name, &report["insights"][name], json!(value));
    }
    same("the number of insights", &json!(report["insights"].as_object().map(|o| o.len())), json!(5));
    for status in STATUSES {
        same(status, &report["service_status_summary"][status], json!(expected.services[status]));
    }
    let got = report["anomalies"].as_array().cloned().unwrap_or_default();
    let names: Vec<&Value> = got.iter().map(|a| &a["metric"]).collect();
    same(
        "the order of anomalies",
        &json!(names),
        json!(expected.anomalies.iter().map(|a| &a.name).collect::<Vec<_>>()),
    );
    for wanted in &expected.anomalies {
        let Some(anomaly) = got.iter().find(|a| a["metric"] == json!(wanted.name)) else { continue };
        same(&format!("value of {}", wanted.name), &anomaly["value"], json!(wanted.value));
        same(&format!("threshold of {}", wanted.name), &anomaly["threshold"], json!(wanted.threshold));
        same(&format!("severity of {}", wanted.name), &anomaly["severity"], json!(SEVERITIES[wanted.severity]));
        let sentence = anomaly["description"].as_str().unwrap_or_default();
        let missing = missing_from(sentence, wanted);
        same(&format!("what `{sentence}` lacks"), &json!(missing), json!([]));
    }
    faults
}

/// What the sentence should say and does not.
fn missing_from(sentence: &str, wanted: &Found) -> Vec<String> {
    let mut phrases = wanted.phrases.clone();
    phrases.push(format!("{} severity", SEVERITIES[wanted.severity]));
    let noun = if wanted.of == 1 { "record" } else { "records" };
    phrases.push(format!(" {} of {} {noun}", shown(wanted.reached as f64), shown(wanted.of as f64)));
    if let Some((_, host)) = wanted.name.split_once('@') {
        phrases.push(format!(" on {host} "));
    }
    if wanted.first == wanted.last {
        phrases.push(format!(", at {}.", wanted.first));
    } else {
        let Found { first, last, worst, .. } = wanted;
        phrases.push(format!(", first at {first}, last at {last}, worst at {worst}."));
    }
    phrases.retain(|phrase| !sentence.contains(phrase.as_str()));
    phrases
}

// --- Running ------------------------------------------------------------------------------------------------------

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

// --- The reckoning itself -----------------------------------------------------------------------------------------

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

//! What a report must say of its records.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Metric, unit as sentences write it, low, medium and high.
pub const BANDS: [(&str, &str, [f64; 3]); 12] = [
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
pub const SEVERITIES: [&str; 3] = ["low", "medium", "high"];
pub const STATUSES: [&str; 3] = ["online", "degraded", "offline"];

/// What a report must say of its records.
#[derive(Debug)]
pub struct Expected {
    pub timestamp: String,
    pub insights: BTreeMap<&'static str, Option<f64>>,
    /// In the order of the report.
    pub anomalies: Vec<Found>,
    /// Services by status.
    pub services: BTreeMap<&'static str, Vec<String>>,
}

#[derive(Debug)]
pub struct Found {
    pub name: String,
    pub value: f64,
    pub threshold: f64,
    pub severity: usize,
    pub reached: usize,
    pub of: usize,
    pub first: String,
    pub last: String,
    pub worst: String,
    /// What the sentence says of value and threshold.
    pub phrases: Vec<String>,
}

fn time(record: &Value) -> &str {
    record["timestamp"].as_str().unwrap()
}

/// Empty where the record names none.
fn host(record: &Value) -> &str {
    record["host"].as_str().unwrap_or("")
}

/// Billionths, exactly, from the digits as written.
fn billionths(number: &Value) -> i128 {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    assert!(fraction.len() <= 9 && !text.contains('e'), "{text} has more than billionths");
    format!("{whole}{fraction:0<9}").parse().unwrap()
}

/// As a report states it: nine significant digits, the tenth rounded half up. By hand on the digits as written.
pub fn stated(number: &Value) -> f64 {
    let text = number.to_string();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let sign = if whole.starts_with('-') { "-" } else { "" };
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let digits = digits.trim_start_matches('0');
    let Some((kept, rest)) = digits.split_at_checked(9).filter(|(_, rest)| !rest.is_empty()) else {
        return number.as_f64().unwrap();
    };
    let up = u64::from(rest.as_bytes()[0] >= b'5');
    let exponent = exponent.parse::<i64>().unwrap() + rest.len() as i64 - fraction.len() as i64;
    format!("{sign}{}e{exponent}", kept.parse::<u64>().unwrap() + up).parse().unwrap()
}

fn values<'a>(records: &'a [Value], metric: &str) -> Vec<&'a Value> {
    records.iter().filter_map(|r| r.get(metric)).filter(|v| v.is_number()).collect()
}

/// To nine significant digits, by integer division.
pub fn mean(records: &[Value], metric: &str) -> Option<f64> {
    let values = values(records, metric);
    let sum: i128 = values.iter().map(|v| billionths(v)).sum();
    let count = values.len() as i128;
    if count == 0 || sum == 0 {
        return (count > 0).then_some(0.0);
    }
    let mut exponent = -9;
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
    values(records, metric).into_iter().max_by_key(|v| billionths(v)).and_then(Value::as_f64)
}

/// Of each host the newest, of those the smallest.
fn newest(records: &[Value], metric: &str) -> Option<f64> {
    let mut newest: BTreeMap<&str, (&str, i128, f64)> = BTreeMap::new();
    for record in records.iter().filter(|r| r.get(metric).is_some_and(Value::is_number)) {
        let reading = (time(record), billionths(&record[metric]), record[metric].as_f64().unwrap());
        let known = newest.entry(host(record)).or_insert(reading);
        if reading.0 >= known.0 {
            *known = reading;
        }
    }
    newest.values().min_by_key(|(_, billionths, _)| *billionths).map(|(_, _, value)| *value)
}

pub fn reckon(records: &[Value]) -> Expected {
    let hosts: BTreeSet<&str> = records.iter().map(host).collect();
    let mut anomalies = Vec::new();
    for host_name in hosts {
        let here: Vec<&Value> = records.iter().filter(|r| host(r) == host_name).collect();
        anomalies.extend(BANDS.iter().filter_map(|(metric, unit, bands)| {
            let series: Vec<(&str, f64)> =
                here.iter().filter_map(|r| Some((time(r), stated(r.get(metric).filter(|v| v.is_number())?)))).collect();
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
    // Distances are fractions, compared exactly: a/b > c/d as a·d > c·b.
    let distance = |f: &Found| {
        let (value, threshold) = (billionths(&json!(f.value)), billionths(&json!(f.threshold)));
        ((value - threshold).abs(), threshold.abs())
    };
    anomalies.sort_by(|a, b| {
        let ((over_a, under_a), (over_b, under_b)) = (distance(a), distance(b));
        (b.severity, over_b * under_a).cmp(&(a.severity, over_a * under_b)).then(a.name.cmp(&b.name))
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
pub fn shown(value: f64) -> String {
    let text = value.to_string();
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut groups: Vec<String> =
        whole.as_bytes().rchunks(3).map(|group| String::from_utf8(group.to_vec()).unwrap()).collect();
    groups.reverse();
    groups.join(",") + fraction
}

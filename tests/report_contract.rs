//! The report's keys, written out here once more, and held against the schema and against a report as it is written:
//! neither may have a key that the other lacks.

use std::collections::{BTreeMap, BTreeSet};

use agent::domain::{
    Figure, Insights, Parameter, Report, ReportAnomaly, ReportRecommendation, ServiceSummary, Severity, Timestamp,
};
use serde_json::Value;

/// Every object of a report, by path (`[]` is an element of a list), with all of its keys.
const KEYS: &[(&str, &[&str])] = &[
    ("", &["timestamp", "insights", "anomalies", "recommendations", "service_status_summary"]),
    ("insights", &["average_latency_ms", "max_cpu_usage", "max_memory_usage", "error_rate", "uptime_seconds"]),
    ("anomalies[]", &["metric", "value", "threshold", "severity", "description"]),
    ("recommendations[]", &["id", "action", "target", "parameters", "benefit_estimate"]),
    ("service_status_summary", &["online", "degraded", "offline"]),
];

/// The one object whose keys are free: a formula of the playbook names them.
const FREE: &str = "recommendations[].parameters";

fn expected() -> BTreeMap<String, BTreeSet<String>> {
    KEYS.iter().map(|(path, keys)| (path.to_string(), keys.iter().map(|k| k.to_string()).collect())).collect()
}

fn schema() -> Value {
    Report::schema(Insights::DEFAULT.map(|(name, _, _)| name)).to_value()
}

fn report() -> Report {
    let figure = |v: f64| Figure::new(v).unwrap();
    Report {
        timestamp: Timestamp::parse("2023-10-01T12:00:00Z").unwrap(),
        insights: Insights(
            Insights::DEFAULT.iter().map(|(name, _, _)| (name.to_string(), Some(figure(1.5)))).collect(),
        ),
        anomalies: vec![ReportAnomaly {
            metric: "cpu_usage@web-1".into(),
            value: figure(93.0),
            threshold: figure(90.0),
            severity: Severity::High,
            description: "CPU usage peaked.".into(),
        }],
        recommendations: vec![ReportRecommendation {
            id: "scale-out:api".into(),
            action: "Scale out.".into(),
            target: "api".into(),
            parameters: BTreeMap::from([
                ("replicas".into(), Parameter::Number(figure(3.0))),
                ("drain".into(), Parameter::Flag(true)),
                ("mode".into(), Parameter::Text("rolling".into())),
            ]),
            benefit_estimate: "None can be derived.".into(),
        }],
        service_status_summary: ServiceSummary { online: vec!["db".into()], degraded: vec![], offline: vec![] },
    }
}

/// Walks a schema with its references followed: closed objects with their keys, and the paths of open ones.
fn walk_schema(
    schema: &Value,
    root: &Value,
    path: &str,
    closed: &mut BTreeMap<String, BTreeSet<String>>,
    open: &mut Vec<String>,
) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#')).expect("every reference resolves");
        return walk_schema(target, root, path, closed, open);
    }
    if let Some(items) = schema.get("items") {
        walk_schema(items, root, &format!("{path}[]"), closed, open);
    }
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return;
    }
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        open.push(path.to_string());
        return;
    }
    let properties = schema.get("properties").and_then(Value::as_object).expect("a closed object has properties");
    let keys: BTreeSet<String> = properties.keys().cloned().collect();
    let required: BTreeSet<String> =
        schema["required"].as_array().unwrap().iter().map(|k| k.as_str().unwrap().to_string()).collect();
    assert_eq!(required, keys, "every key of `{path}` is required");
    closed.insert(path.to_string(), keys);
    for (key, property) in properties {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        walk_schema(property, root, &path, closed, open);
    }
}

fn walk_value(value: &Value, path: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk_value(item, &format!("{path}[]"), found)),
        Value::Object(map) if path != FREE => {
            found.insert(path.to_string(), map.keys().cloned().collect());
            for (key, value) in map {
                walk_value(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_schema_has_exactly_the_documented_keys() {
    let schema = schema();
    let (mut closed, mut open) = (BTreeMap::new(), Vec::new());
    walk_schema(&schema, &schema, "", &mut closed, &mut open);
    assert_eq!(closed, expected());
    assert_eq!(open, [FREE]);
}

#[test]
fn a_written_report_has_exactly_the_documented_keys_and_fits_the_schema() {
    let text = serde_json::to_string_pretty(&report()).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    let mut found = BTreeMap::new();
    walk_value(&written, "", &mut found);
    assert_eq!(found, expected());
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert!(validator.is_valid(&written));
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report());
    // In the order in which they are documented.
    for (indent, keys) in [("  ", KEYS[0].1), ("    ", KEYS[1].1)] {
        let places: Vec<usize> = keys.iter().filter_map(|key| text.find(&format!("\n{indent}\"{key}\": "))).collect();
        assert!(places.len() == keys.len() && places.is_sorted(), "{keys:?} at {places:?}");
    }
}

#[test]
fn the_schema_refuses_keys_more_and_keys_less_everywhere() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let good = serde_json::to_value(report()).unwrap();
    for (path, keys) in KEYS {
        let pointer = if path.is_empty() { String::new() } else { format!("/{}", path.replace("[]", "/0")) };
        let mut more = good.clone();
        more.pointer_mut(&pointer).unwrap()["surplus"] = Value::from(1);
        assert!(!validator.is_valid(&more), "a key more in `{path}`");
        for key in *keys {
            let mut less = good.clone();
            less.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(*key).unwrap();
            assert!(!validator.is_valid(&less), "`{path}` without `{key}`");
        }
    }
    let mut unknown = good.clone();
    unknown["insights"]["max_cpu_usage"] = Value::Null;
    assert!(validator.is_valid(&unknown), "an insight may be null");
    unknown["anomalies"][0]["severity"] = Value::from("awful");
    assert!(!validator.is_valid(&unknown));
}

#[test]
fn a_graph_with_insights_of_its_own_has_a_schema_of_its_own() {
    let schema = Report::schema(["max_power"]).to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut value = serde_json::to_value(report()).unwrap();
    assert!(!validator.is_valid(&value));
    value["insights"] = serde_json::json!({ "max_power": 3 });
    assert!(validator.is_valid(&value));
}

//! Records of a fixture as plain JSON.

use std::path::Path;

use serde_json::{Value, json};

/// The records of a fixture as JSON objects, CSV ones too.
pub fn read(path: &Path) -> Vec<Value> {
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

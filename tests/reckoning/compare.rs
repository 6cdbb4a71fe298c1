//! In what a report differs from its records.

use serde_json::{Value, json};

use crate::reckon::{Found, SEVERITIES, STATUSES, reckon, shown};

/// Everything in which a report differs from what its records say.
pub fn differences(records: &[Value], report: &Value) -> Vec<String> {
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

//! What is judged of a metric beside how high it is: the page of `agent why` for each, and what is said where there was
//! nothing to judge by.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

const RULES: &str = r#"
[metrics.temperature]
unit = "°C"
rate = { medium = 2, high = 5, direction = "down" }

[metrics.requests_total]
unit = "requests"
counter = { high = 100 }

[metrics.heartbeat]
stale = { medium = "5m", high = "1h" }

[metrics.battery]
unit = "%"
below = { low = 30, high = 10 }

[metrics.orders]
unit = "orders"
unusual = { season = "none", direction = "down" }

[ratios.error_share]
of = "errors"
to = "answers"
unit = "%"
high = 20

[conditions.overload]
when = "queue > 80 && busy > queue / 100"
severity = "medium"

[status]
flapping = { low = 3, within = "10m" }
"#;

/// Two hours, a record a minute of each host, with one thing of it out of the ordinary.
fn history() -> String {
    let record = |minute: u64, host: &str, fields: Value| {
        let mut record = json!({ "timestamp": 1_767_225_600 + minute * 60, "host": host });
        record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        record.to_string()
    };
    let mut lines = Vec::new();
    for minute in 0..120 {
        let once = |at: u64, then: f64, else_: f64| if minute == at { then } else { else_ };
        lines.push(record(minute, "oven", json!({ "temperature": 60.0 - once(70, 6.5, 0.0) })));
        // Counted up by 600 a minute, from 0 again at 40.
        let total = if minute < 40 { 600 * minute } else { 600 * (minute - 40) + 9000 };
        lines.push(record(minute, "gate", json!({ "requests_total": total })));
        if !(50..57).contains(&minute) {
            lines.push(record(minute, "pump", json!({ "heartbeat": 1 })));
        }
        lines.push(record(minute, "lamp", json!({ "battery": 90 - minute / 2 - minute / 10 })));
        lines.push(record(minute, "shop", json!({ "orders": once(100, 12.0, 40.0 + (minute % 4) as f64) })));
        lines.push(record(minute, "site", json!({ "errors": once(30, 9.0, 0.0), "answers": 30 })));
        lines.push(record(minute, "work", json!({ "queue": once(20, 85.0, 10.0), "busy": 0.9 })));
        let status = if minute >= 80 && minute % 2 == 0 && minute < 88 { "offline" } else { "online" };
        lines.push(record(minute, "node", json!({ "service_status": { "cache": status } })));
    }
    lines.join("\n") + "\n"
}

#[test]
fn each_aspect_has_a_page_that_says_how_its_verdict_comes_about() {
    let sandbox = Sandbox::new();
    sandbox.write("rules.toml", RULES);
    sandbox.write("history.ndjson", &history());
    let rules = format!("anomalies.rules={}", sandbox.at("rules.toml").display());
    sandbox.agent(&["run", "graphs/nab.toml", "--input", "history.ndjson", "--set", &rules, "-q"]).exits(0);
    let report: Value = serde_json::from_str(&sandbox.read("nab-report.json")).unwrap();
    let mut names: Vec<&str> =
        report["anomalies"].as_array().unwrap().iter().map(|a| a["metric"].as_str().unwrap()).collect();
    names.sort_unstable();
    let expected = [
        "battery@lamp",
        "error_share@site",
        "heartbeat@pump#stale",
        "orders@shop#unusual",
        "overload@work",
        "requests_total@gate#counter",
        "service_status.cache@node#flapping",
        "temperature@oven#rate",
    ];
    assert_eq!(names, expected);
    let actions: Vec<&str> =
        report["recommendations"].as_array().unwrap().iter().map(|r| r["action"].as_str().unwrap()).collect();
    for what in [
        "battery (low value)",
        "heartbeat (silence)",
        "orders (unusual value)",
        "overload (bad state)",
        "requests_total (fast increase)",
        "service_status (flapping status)",
        "temperature (fast change)",
    ] {
        assert!(actions.iter().any(|action| action.contains(what)), "{what}: {actions:#?}");
    }
    let page = |name: &&str| sandbox.redact(&sandbox.agent(&["why", "last", name]).exits(0).stdout);
    let pages: Vec<String> = expected.iter().map(page).collect();
    insta::assert_snapshot!("aspects_why", pages.join("\n----------\n\n"));
}

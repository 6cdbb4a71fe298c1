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

/// The surprise and the score as a person reckons them from a page: margins in usual steps, no more than ten each, added up
/// and divided by the views.
fn by_hand(page: &str) -> (f64, f64) {
    let between = |from: &str, to: &str| {
        let text = page.split_whitespace().collect::<Vec<_>>().join(" ");
        let rest = text.split_once(from).unwrap_or_else(|| panic!("no `{from}` in {text}")).1;
        rest.split_once(to).unwrap().0.parse::<f64>().unwrap()
    };
    let (change, range) = (between("the greater of ", ","), between("3% of the range ", " "));
    let step = change.max(0.03 * range);
    let table = page.lines().skip_while(|line| !line.starts_with("view ")).skip(1).take_while(|line| !line.is_empty());
    let beyond = table.map(|line| line.split_whitespace().rev().nth(1).unwrap().parse::<f64>().unwrap());
    let views: f64 = page.split_once(" views = ").unwrap().0.rsplit(' ').next().unwrap().parse().unwrap();
    let surprise = beyond.map(|beyond| (beyond / step).min(10.0)).sum::<f64>() / views;
    assert!(surprise > 1.5 * between("it counts: h = ", " "), "{page}");
    let greatest = between("and m = ", ",");
    (surprise, (surprise / (surprise + 0.125 + 0.075 * greatest) * 1000.0).floor() / 1000.0)
}

/// What the page says: the surprise, and the score.
fn printed(page: &str) -> (f64, f64) {
    let after = |label: &str| {
        let rest = page.split_once(label).unwrap_or_else(|| panic!("no `{label}` in {page}")).1;
        rest.split([' ', ',', '\n']).next().unwrap().parse::<f64>().unwrap()
    };
    (after(" views = "), after("0.075 m) = "))
}

/// What a `[[maintenance]]` and a rule's terms say of one entity: each thing that happens once for too short a time, at the wrong
/// hour or in maintenance, and then as the rule wants it.
const TERMS: &str = r#"
zone = "Europe/Paris"

[metrics.cpu]
unit = "%"
low = 70
high = 90
for = "5m"
clear = 60
hours = "Mon-Fri 08:00-18:00"

[[metrics.cpu.override]]
entity = "db-*"
high = 95
for = "3m"

[metrics.temperature]
rate = { high = 5, for = "2m" }

[metrics.heartbeat]
stale = { high = "1h" }
hours = "08:00-18:00"

[metrics.load]
unusual = { direction = "up" }

[ratios.error_share]
of = "errors"
to = "answers"
unit = "%"
high = 60

[conditions.busy]
when = "queue > 80 && error_share > 5"
severity = "medium"
for = "3m"

[[conditions.busy.override]]
entity = "w*"
severity = "high"

[[maintenance]]
from = 2026-01-01T16:30:00Z
to = 2026-01-01T16:40:00Z
entities = ["pump", "spare-*"]

[[maintenance]]
from = 2026-01-01T09:00:00Z
to = 2026-01-01T09:10:00Z
entities = ["elsewhere"]
"#;

/// From Thursday, 00:00 in UTC: two days, and ten of the load.
fn days() -> String {
    let mut lines = Vec::new();
    let mut add = |minute: u64, host: &str, mut fields: Value| {
        fields["timestamp"] = json!(1_767_225_600 + minute * 60);
        fields["host"] = json!(host);
        lines.push((minute, fields.to_string()));
    };
    for minute in 0..24 * 60 {
        let within = |hour: u64, minutes: u64| (hour * 60..hour * 60 + minutes).contains(&minute);
        let cpu = if within(3, 10) || within(10, 3) { 99.0 } else { 50.0 };
        add(minute, "db-1", json!({ "cpu": if within(11, 6) { 95.0 + (minute % 60) as f64 / 10.0 } else { cpu } }));
        let rise = match minute {
            840 => 50.0,
            900..906 => 6.0 * (minute - 899) as f64,
            _ => 0.0,
        };
        add(minute, "oven", json!({ "temperature": 20.0 + rise }));
        let errors = if within(12, 1) {
            40
        } else if within(13, 5) {
            10 + minute % 60
        } else {
            0
        };
        add(minute, "work", json!({ "queue": 90 + minute % 60, "errors": errors, "answers": 100 }));
    }
    for minute in (450..=960).step_by(10).chain((1920..2000).step_by(10)) {
        add(minute, "pump", json!({ "heartbeat": 1 }));
    }
    for at in 0..10 * 144 {
        let hour = at / 6 % 24;
        let usual = if (8..20).contains(&hour) { 60.0 } else { 20.0 } + (at * 7 % 11) as f64 / 2.0;
        // At night as by day: each value has been seen, but not at this hour.
        let load = if (9 * 144 + 12..9 * 144 + 18).contains(&at) { usual + 41.0 } else { usual };
        add(at * 10, "grid", json!({ "load": load }));
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line + "\n").collect()
}

#[test]
fn the_terms_of_a_rule_for_an_entity_and_the_figures_of_what_lasted_are_on_the_page() {
    let sandbox = Sandbox::new();
    sandbox.write("rules.toml", TERMS);
    sandbox.write("history.ndjson", &days());
    let rules = format!("anomalies.rules={}", sandbox.at("rules.toml").display());
    sandbox.agent(&["run", "graphs/nab.toml", "--input", "history.ndjson", "--set", &rules, "-q"]).exits(0);
    // What the file says afterwards is not what was judged by.
    sandbox.write("rules.toml", "[metrics.cpu]\nhigh = 1\n");
    let page = |name: &str| sandbox.redact(&sandbox.agent(&["why", "last", name]).exits(0).stdout);
    let flat = |page: &str| page.split_whitespace().collect::<Vec<_>>().join(" ");
    let names = ["busy@work", "cpu@db-1", "heartbeat@pump#stale", "load@grid#unusual", "temperature@oven#rate"];
    let pages = names.map(page);
    let [busy, cpu, stale, unusual, rate] = &pages;
    assert!(
        busy.contains("queue 90, error_share 10 (errors 10, answers 100) (record "),
        "of the stretch that lasted: {busy}"
    );
    assert!(busy.contains("this is the override of \"w*\"; for all others: medium, for 180 s\n"), "{busy}");
    assert!(cpu.contains("Mon-Fri 08:00-18:00 (Europe/Paris)") && cpu.contains("Lasted     300 s"), "{cpu}");
    let others = "override of \"db-*\"; for all others: low from 70%, high from 90%, for 300 s, clear 60%";
    assert!(flat(cpu).contains(others), "{cpu}");
    assert!(
        flat(stale).contains("of which 3 d 15 h 50 min (316200 s) count") && stale.contains("\"spare-*\""),
        "{stale}"
    );
    assert!(!stale.contains("elsewhere"), "{stale}");
    assert!(rate.contains("36 / 60 s × 60 s = 36 /min"), "of what lasted, not of the one great step: {rate}");
    let (reckoned, stated) = (by_hand(unusual), printed(unusual));
    assert!((reckoned.0 - stated.0).abs() < 1e-6 && reckoned.1 == stated.1, "{reckoned:?}, {stated:?}: {unusual}");
    insta::assert_snapshot!("aspects_terms", pages.join("\n----------\n\n"));
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
    let orders = pages.iter().find(|page| page.starts_with("orders@")).unwrap();
    assert_eq!(by_hand(orders), printed(orders), "{orders}");
    insta::assert_snapshot!("aspects_why", pages.join("\n----------\n\n"));
}

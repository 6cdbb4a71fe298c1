//! Reports and alerts as they reach files and receivers.

use crate::sandbox::Sandbox;

/// Nobody listens there.
const AWAY: &str = "http://127.0.0.1:9/services/T000/SECRETTOKEN0123";

#[test]
fn an_alert_that_cannot_be_delivered_is_kept_and_told_of_and_its_address_is_not() {
    let sandbox = Sandbox::new();
    let graph = sandbox.read("graphs/default.toml");
    let alert = "\n[nodes.alert]\nkind = \"output.webhook\"\nurl = \"${ALERT_URL}\"\nretries = 1\nformat = \"slack\"\n\
                 inputs = { report = \"report\", anomalies = \"anomalies\" }\n";
    sandbox.write("graphs/default.toml", &format!("{graph}{alert}"));
    // One node writes reports, so that `--output` need not say which.
    let arguments = ["run", "graphs/default.toml", "--offline", "--output", "here.json", "--run-record", "run.json"];
    let ran = sandbox.agent_with(&[("ALERT_URL", AWAY)], &arguments).exits(0);
    assert!(ran.stderr.contains("AG0402: http://127.0.0.1:9 did not get an alert"), "{}", ran.stderr);
    assert!(sandbox.read("here.json").contains("\"anomalies\""));
    let record: serde_json::Value = serde_json::from_str(&sandbox.read("run.json")).unwrap();
    let delivery = &record["deliveries"][0];
    assert_eq!((&delivery["outcome"], &delivery["attempts"]), (&"dead_lettered".into(), &2.into()), "{record:#}");
    assert_eq!(delivery["key"], format!("{}/alert", record["run"].as_str().unwrap()));
    let letters = sandbox.read("graphs/alerts-failed.ndjson");
    let letter: serde_json::Value = serde_json::from_str(&letters).unwrap();
    assert_eq!(letter["key"], delivery["key"]);
    let text = letter["payload"]["text"].as_str().unwrap();
    assert!(text.contains("*high*, new: "), "{text}");
    let run = &sandbox.runs()[0];
    let journal = std::fs::read_to_string(sandbox.state().join("runs").join(run).join("events.ndjson")).unwrap();
    for text in [&ran.stdout, &ran.stderr, &letters, &record.to_string(), &journal] {
        assert!(!text.contains("SECRETTOKEN"), "{text}");
    }
}

#[test]
fn appended_reports_are_lines_and_a_report_is_not_repeated() {
    let sandbox = Sandbox::new();
    let run = |input: &str| {
        let arguments =
            ["run", "graphs/default.toml", "--offline", "-q", "--set", "output.append=true", "--output", "all.ndjson"];
        sandbox.agent(&[&arguments[..], &["--input", input]].concat()).exits(0);
        sandbox.read("all.ndjson")
    };
    let once = run("fixtures/sample.json");
    assert_eq!(run("fixtures/sample.json"), once);
    let twice = run("fixtures/infrastructure.json");
    assert!(twice.starts_with(&once) && twice.lines().count() == 2, "{twice}");
    let lines = twice.lines().map(serde_json::from_str::<serde_json::Value>);
    assert!(lines.into_iter().all(|line| line.unwrap()["timestamp"].is_string()));
}

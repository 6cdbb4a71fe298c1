//! Reports and alerts as they reach files and receivers.

use crate::sandbox::Sandbox;

/// Nobody listens there.
const AWAY: &str = "http://127.0.0.1:9/services/T000/SECRETTOKEN0123";

#[test]
fn an_alert_that_cannot_be_delivered_is_kept_and_told_of_and_its_address_is_not() {
    let sandbox = Sandbox::new();
    let graph = sandbox.read("graphs/default.toml");
    let alert = "\n[nodes.alert]\nkind = \"output.notify\"\nurl = \"${ALERT_URL}\"\nretries = 1\nformat = \"slack\"\n\
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
    assert!(text.contains("anomalies, the worst of high severity: "), "{text}");
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

/// The example: a line per report, and an alert that nobody takes here.
#[test]
fn the_example_of_alerts_runs() {
    let sandbox = Sandbox::new();
    let graph = "graphs/alert.toml";
    sandbox.agent(&["check", graph]).exits(0);
    let ran =
        sandbox.agent_with(&[("ALERT_URL", AWAY)], &["run", graph, "--offline", "--set", "alert.retries=0"]).exits(0);
    assert!(ran.stderr.contains("AG0402"), "{}", ran.stderr);
    assert_eq!(sandbox.read("reports.ndjson").lines().count(), 1);
    assert_eq!(sandbox.read("graphs/alerts-failed.ndjson").lines().count(), 1);
    // Quiet is errors only, and a lost alert is one.
    let quiet = ["run", graph, "--offline", "-q", "--set", "alert.retries=0"];
    let ran = sandbox.agent_with(&[("ALERT_URL", AWAY)], &quiet).exits(0);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("AG0402"), "{ran:#?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
}

/// Every host sends a record every 30 s, one of them less and less; one never does.
#[test]
fn missing_records_are_anomalies_of_the_report_with_an_action_of_their_own() {
    let sandbox = Sandbox::new();
    let mut telemetry = String::new();
    for step in 0..20 {
        for host in ["web-1", "web-2"] {
            if host == "web-1" || step < 12 {
                let (minute, second) = (step / 2, step % 2 * 30);
                telemetry.push_str(&format!(
                    "{{\"timestamp\":\"2024-01-01T00:{minute:02}:{second:02}Z\",\"host\":\"{host}\",\"cpu_usage\":20}}\n"
                ));
            }
        }
    }
    sandbox.write("fixtures/silent.ndjson", &telemetry);
    let node = "\n[nodes.completeness]\nkind = \"completeness\"\ninputs = { telemetry = \"telemetry\" }\n\
                expected_every = \"30s\"\nentities = [\"web-3\"]\n";
    let graph = sandbox.read("graphs/default.toml");
    let both = "anomalies = [\"anomalies\", \"completeness.anomalies\"]";
    sandbox.write("graphs/default.toml", &(graph.replace("anomalies = \"anomalies\"", both) + node));
    let arguments = ["run", "graphs/default.toml", "--offline", "--input", "fixtures/silent.ndjson"];
    sandbox.agent(&[&arguments[..], &["--run-record", "run.json"]].concat()).exits(0);
    let report: serde_json::Value = serde_json::from_str(&sandbox.read("output.json")).unwrap();
    let found = |key: &str| -> Vec<String> {
        let anomalies = report["anomalies"].as_array().unwrap().iter();
        anomalies.map(|anomaly| anomaly[key].to_string().replace('"', "")).collect()
    };
    assert_eq!(found("metric"), ["missing_records@web-3", "missing_records@web-2"], "{report:#}");
    assert_eq!(
        (found("severity"), found("value")),
        (vec!["high".into(), "medium".into()], vec!["100".into(), "36.84".into()])
    );
    let targets: Vec<&str> =
        report["recommendations"].as_array().unwrap().iter().map(|made| made["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["web-3", "web-2"], "{report:#}");
    let record: serde_json::Value = serde_json::from_str(&sandbox.read("run.json")).unwrap();
    let completeness = &record["completeness"][0];
    assert_eq!((&completeness["expected"], &completeness["received"]), (&58.into(), &32.into()), "{completeness:#}");
    assert_eq!(completeness["gaps"][0]["missing"], 19); // the one that is due at the very end is not late yet
    let why = sandbox.agent(&["why", "last", "missing_records@web-2"]).exits(0);
    insta::assert_snapshot!(why.stdout, @r#"
    missing_records@web-2: medium

    Rule       missing_records
               low from 5%, medium from 20%, high from 50%
               expected_every = "30s"
    Records    7 of the 19 that were due for web-2 did not come in fixtures/silent.ndjson

               record  time                  value
    first          24  2024-01-01T00:05:30Z         before the first gap
    worst          24  2024-01-01T00:05:30Z         before the longest gap
    last         none  2024-01-01T00:09:30Z         after the last gap
    newest         24  2024-01-01T00:05:30Z         newest that came

    Share      7 / 19 × 100 = 36.84%, rounded to hundredths
    Gaps       7 from 2024-01-01T00:05:30Z to 2024-01-01T00:09:30Z
    Threshold  36.84% reaches 20% (medium band; a value equal to a band has reached it)
    Incident   missing_records@web-2/20240101T000530Z, from 2024-01-01T00:05:30Z to 2024-01-01T00:09:30Z
               nothing else is part of it
    Sentence   7 of 19 records that were due from web-2 are missing (36.84%, medium severity, threshold
               20%), the longest gap from 2024-01-01T00:05:30Z to 2024-01-01T00:09:30Z.
    "#);
}

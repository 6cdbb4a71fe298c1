//! Graphs of other shapes than the shipped one, over the real kinds: the wiring is the user's.

use serde_json::Value;

use crate::sandbox::{Sandbox, repository};

const RENAMED: &str = r#"
[nodes.a]
kind = "ingest.file"
path = "fixtures/infrastructure.json"
[nodes.b]
kind = "insights"
inputs = { telemetry = "a" }
[nodes.c]
kind = "detect"
inputs = { telemetry = "a" }
rules = "graphs/rules/infrastructure.toml"
[nodes.d]
kind = "plan"
inputs = { anomalies = "c" }
playbook = "graphs/playbooks/infrastructure.toml"
[nodes.g]
kind = "merge"
inputs = { summary = "b", anomalies = "c", recommendations = "d.recommendations" }
[nodes.h]
kind = "output.file"
inputs = { report = "g" }
path = "report.json"
"#;

/// Runs a graph at the top of the sandbox and reads its report.
fn report(sandbox: &Sandbox, graph: &str) -> Value {
    sandbox.write("shape.toml", graph);
    sandbox.agent(&["run", "shape.toml", "-q"]).exits(0);
    serde_json::from_str(&sandbox.read("report.json")).unwrap()
}

fn metrics(report: &Value) -> Vec<String> {
    let metric = |anomaly: &Value| anomaly["metric"].as_str().unwrap().to_string();
    report["anomalies"].as_array().unwrap().iter().map(metric).collect()
}

/// Other names, other order of nodes, and neither `draft` nor `validate`: what the default graph writes offline.
#[test]
fn renamed_nodes_without_draft_give_the_default_report() {
    let sandbox = Sandbox::new();
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(repository().join("output.json")).unwrap()).unwrap();
    assert_eq!(report(&sandbox, RENAMED), expected);
    let mut nodes: Vec<&str> = RENAMED.split("\n[nodes.").filter(|node| !node.trim().is_empty()).collect();
    nodes.reverse();
    let reversed: String =
        nodes.iter().map(|node| format!("\n[nodes.{}", node.trim_start_matches("[nodes."))).collect();
    assert_eq!(report(&sandbox, &reversed), expected);
}

/// What a graph finds can be reported without anybody who says what to do about it.
#[test]
fn a_graph_without_a_playbook_reports_what_it_finds() {
    let sandbox = Sandbox::new();
    let mut expected = report(&sandbox, RENAMED);
    expected["recommendations"] = serde_json::json!([]);
    let plan = RENAMED.find("[nodes.d]").unwrap()..RENAMED.find("[nodes.g]").unwrap();
    let mut without = RENAMED.replace(", recommendations = \"d.recommendations\"", "");
    without.replace_range(plan, "");
    assert_eq!(report(&sandbox, &without), expected);
}

/// Two sources into one summary, a detector each, joined in one plan and one report.
#[test]
fn two_ingests_and_two_detectors_make_one_report() {
    let sandbox = Sandbox::new();
    let alone = metrics(&report(&sandbox, RENAMED));
    let fleet = metrics(&report(&sandbox, &RENAMED.replace("infrastructure.json", "fleet.ndjson")));
    let both = RENAMED
        .replace("inputs = { telemetry = \"a\" }\n[nodes.c]", "inputs = { telemetry = [\"a\", \"a2\"] }\n[nodes.c]")
        .replace("anomalies = \"c\"", "anomalies = [\"c\", \"c2\"]")
        + r#"
[nodes.a2]
kind = "ingest.file"
path = "fixtures/fleet.ndjson"
[nodes.c2]
kind = "detect"
inputs = { telemetry = "a2" }
rules = "graphs/rules/infrastructure.toml"
"#;
    let joined = report(&sandbox, &both);
    let mut expected: Vec<String> = alone.into_iter().chain(fleet).collect();
    let mut found = metrics(&joined);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(joined["timestamp"], "2024-05-06T17:50:00Z", "the newest of both");
    // With two of a sort, the flags cannot know which is meant.
    let ran = sandbox.agent(&["run", "shape.toml", "--input", "x.json"]).exits(2);
    assert!(ran.stderr.contains("a, a2") && ran.stderr.contains("--set"), "{}", ran.stderr);
}

/// One detector feeds two plans, which meet again in one report; the same series twice is one anomaly.
#[test]
fn a_diamond_of_plans_and_a_doubled_detector() {
    let sandbox = Sandbox::new();
    let once = report(&sandbox, RENAMED);
    let diamond = RENAMED
        .replace(
            "recommendations = \"d.recommendations\"",
            "recommendations = [\"d.recommendations\", \"e.recommendations\"]",
        )
        .replace("anomalies = \"c\", rec", "anomalies = [\"c\", \"c2\"], rec")
        + r#"
[nodes.e]
kind = "plan"
inputs = { anomalies = "c" }
playbook = "graphs/playbooks/infrastructure.toml"
[nodes.c2]
kind = "detect"
inputs = { telemetry = "a" }
rules = "graphs/rules/infrastructure.toml"
"#;
    let both = report(&sandbox, &diamond);
    assert_eq!(both, once);
    // A plan that decides otherwise is heard beside the first.
    sandbox.edit("shape.toml", "[nodes.e]", "[nodes.e.assumptions]\ncurrent_replicas = 4\n[nodes.e]");
    sandbox.agent(&["run", "shape.toml", "-q"]).exits(0);
    let other: Value = serde_json::from_str(&sandbox.read("report.json")).unwrap();
    let ids: Vec<&str> =
        other["recommendations"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().filter(|id| **id == "scale-out:api_gateway").count(), 2);
    assert_eq!(ids.len(), once["recommendations"].as_array().unwrap().len() + 1);
}

//! The schemas that `agent schema` prints: valid ones, and true of what the program reads and writes.

use jsonschema::Validator;
use serde_json::Value;

use crate::sandbox::{Sandbox, repository};

const GRAPH: &str = "graphs/default.toml";

/// The schema, held to the meta-schema of JSON Schema.
fn schema(sandbox: &Sandbox, arguments: &[&str]) -> Validator {
    let ran = sandbox.agent(&[&["schema"], arguments].concat()).exits(0);
    assert_eq!(ran.stderr, "");
    let schema: Value = serde_json::from_str(&ran.stdout).unwrap();
    if let Err(error) = jsonschema::meta::validate(&schema) {
        panic!("{arguments:?}: {error}");
    }
    jsonschema::validator_for(&schema).unwrap()
}

fn faults(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// What editors do: TOML as JSON.
fn toml(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn graph_files_fit_the_schema_of_graphs_and_mistaken_ones_do_not() {
    let sandbox = Sandbox::new();
    let validator = schema(&sandbox, &["graph"]);
    let text = sandbox.read(GRAPH);
    assert_eq!(faults(&validator, &toml(&text)), Vec::<String>::new());
    let with_all = text.replace("max_repairs = 2", "timeout = '30s'\nretry = 2\non_error = 'fail'\nmax_repairs = 0");
    assert_eq!(faults(&validator, &toml(&with_all)), Vec::<String>::new());
    let joined = text.replace("{ telemetry = \"telemetry\" }", "{ telemetry = [\"telemetry\"] }");
    assert_eq!(faults(&validator, &toml(&joined)), Vec::<String>::new());
    for (from, to) in [
        ("playbook =", "playbok ="),
        ("kind = \"detect\"", "kind = \"detcet\""),
        ("language = \"en\"", "language = \"de\""),
        ("max_repairs = 2", "max_repairs = \"two\""),
        ("path = \"../output.json\"", ""),
        ("inputs = { draft = \"wording\" }", "inputs = { draft = 3 }"),
        ("name = \"infrastructure\"", "nmae = \"infrastructure\""),
    ] {
        let mistaken = text.replacen(from, to, 1);
        assert!(mistaken != text && !validator.is_valid(&toml(&mistaken)), "{from} → {to}");
        sandbox.write("graphs/mistaken.toml", &mistaken);
        sandbox.agent(&["check", "graphs/mistaken.toml"]).exits(78);
    }
}

#[test]
fn reports_and_run_records_fit_their_schemas() {
    let sandbox = Sandbox::new();
    let of_reports = schema(&sandbox, &["report"]);
    let committed = std::fs::read_to_string(repository().join("output.json")).unwrap();
    assert_eq!(faults(&of_reports, &json(&committed)), Vec::<String>::new());
    let of_records = schema(&sandbox, &["run"]);
    for input in ["infrastructure.json", "sample.json", "dirty.ndjson", "fleet.csv", "fleet.ndjson"] {
        let ran = sandbox.agent(&["run", GRAPH, "--output", "-", "--input", &format!("fixtures/{input}")]).exits(0);
        assert_eq!(faults(&of_reports, &json(&ran.stdout)), Vec::<String>::new(), "{input}");
        let folder = sandbox.state().join("runs").join(sandbox.runs().pop().unwrap());
        let record = std::fs::read_to_string(folder.join("run.json")).unwrap();
        assert_eq!(faults(&of_records, &json(&record)), Vec::<String>::new(), "{input}");
        assert!(std::fs::read_to_string(folder.join("report.json")).unwrap() == ran.stdout, "the report is kept too");
    }
    let mut surplus = json(&committed);
    surplus["surplus"] = 1.into();
    assert!(!of_reports.is_valid(&surplus));
}

#[test]
fn a_graph_with_other_insights_has_another_schema_of_its_reports() {
    let sandbox = Sandbox::new();
    let own = "kind = \"insights\"\nvalues = { peak = { metric = \"power_consumption_watts\", stat = \"max\" } }";
    let text = sandbox.read(GRAPH).replace("kind = \"insights\"", own);
    sandbox.write("graphs/own.toml", &text);
    let ran = sandbox.agent(&["run", "graphs/own.toml", "--output", "-"]).exits(0);
    let report = json(&ran.stdout);
    assert!(report["insights"].as_object().unwrap().keys().eq(["peak"]), "{report}");
    assert_eq!(faults(&schema(&sandbox, &["report", "graphs/own.toml"]), &report), Vec::<String>::new());
    assert!(!schema(&sandbox, &["report"]).is_valid(&report));
}

#[test]
fn every_kind_has_a_schema_of_its_nodes() {
    let sandbox = Sandbox::new();
    let graph = toml(&sandbox.read(GRAPH));
    let nodes = graph["nodes"].as_object().unwrap();
    assert_eq!(nodes.len(), 8);
    for (name, node) in nodes {
        let validator = schema(&sandbox, &[node["kind"].as_str().unwrap()]);
        assert_eq!(faults(&validator, node), Vec::<String>::new(), "{name}");
        let other = nodes.values().find(|other| other["kind"] != node["kind"]).unwrap();
        assert!(!validator.is_valid(other), "{name}");
    }
}

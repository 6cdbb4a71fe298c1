//! Stores: written by runs, asked by `agent query`, copied out by `agent export`; and what becomes of runs whose store fails.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::{Ran, Sandbox};

const GRAPH: &str = r#"name = "kept"
{window}
[nodes.telemetry]
kind = "ingest.file"
path = "telemetry.ndjson"
{follow}

[nodes.measurements]
kind = "output.measurements"
inputs = { telemetry = "telemetry" }
database = "${STORE:-kept.db}"
units = { cpu_usage = "%" }

[nodes.insights]
kind = "insights"
inputs = { telemetry = "telemetry" }

[nodes.anomalies]
kind = "detect"
inputs = { telemetry = "telemetry" }
rules = "graphs/rules/infrastructure.toml"

[nodes.report]
kind = "merge"
inputs = { summary = "insights", anomalies = "anomalies" }

[nodes.output]
kind = "output.file"
inputs = { report = "report" }
path = "output.json"
"#;

const STORE: &str = r#"
[nodes.store]
kind = "output.store"
inputs = { report = "report", anomalies = "anomalies" }
database = "${STORE:-kept.db}"
"#;

fn record(second: u32, host: &str, cpu: f64) -> String {
    let time = format!("2024-01-01T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
    format!("{{\"timestamp\":\"{time}\",\"host\":\"{host}\",\"cpu_usage\":{cpu}}}\n")
}

/// A graph that reads once and keeps all; `more` nodes.
fn sandbox(more: &str, telemetry: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("kept.toml", &(GRAPH.replace("{window}", "").replace("{follow}", "") + more));
    sandbox.write("telemetry.ndjson", telemetry);
    sandbox
}

/// The same that follows its file in windows of ten seconds.
fn live() -> Sandbox {
    let sandbox = Sandbox::new();
    let window = "[window]\nevery = \"10s\"\n";
    sandbox.write("kept.toml", &GRAPH.replace("{window}", window).replace("{follow}", "follow = true"));
    sandbox.edit("kept.toml", "output.json", "reports/{window}.json");
    sandbox.write("telemetry.ndjson", "");
    sandbox
}

fn few() -> String {
    [record(0, "web-1", 40.5), record(1, "web-2", 97.25), record(3600, "web-1", 41.5)].concat()
}

#[test]
fn what_a_run_keeps_is_asked_and_copied_out() {
    let sandbox = sandbox(STORE, &few());
    for _ in 0..2 {
        sandbox.agent(&["run", "kept.toml"]).exits(0); // the second changes nothing of the measurements
    }
    let sql = "SELECT entity, metric, unit, time, value FROM reading ORDER BY time";
    let expected = "entity,metric,unit,time,value\n\
                    web-1,cpu_usage,%,2024-01-01T00:00:00.000Z,40.5\n\
                    web-2,cpu_usage,%,2024-01-01T00:00:01.000Z,97.25\n\
                    web-1,cpu_usage,%,2024-01-01T01:00:00.000Z,41.5\n";
    for store in ["kept.db", "kept.toml"] {
        assert_eq!(sandbox.agent(&["query", store, sql]).exits(0).stdout, expected);
    }
    let rows =
        |form: &str| sandbox.agent(&["query", "kept.db", "SELECT 1 AS a, NULL AS b, 'c' AS c", "--format", form]);
    assert_eq!(rows("table").exits(0).stdout, "a  b  c\n1     c\n");
    assert_eq!(rows("ndjson").exits(0).stdout, "{\"a\":1,\"b\":null,\"c\":\"c\"}\n");
    assert_eq!(rows("json").exits(0).stdout, "[\n{\"a\":1,\"b\":null,\"c\":\"c\"}\n]\n");
    let none = sandbox.agent(&["query", "kept.db", "SELECT 1 WHERE 1 = 0", "--format", "json"]).exits(0);
    assert_eq!(none.stdout, "[]\n");
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i FROM n";
    let shown = sandbox.agent(&["query", "kept.db", many, "--format", "table"]).exits(0).stdout;
    assert!(shown.ends_with("1000\n… the first 1000 rows; `--format csv` has all of them\n"), "{shown}");

    let export = |arguments: &[&str]| sandbox.agent(&[&["export", "kept.toml"], arguments].concat()).exits(0).stdout;
    let all = export(&[]);
    let expected = "graph,entity,metric,kind,unit,time,value\n\
                    kept,web-1,cpu_usage,metric,%,2024-01-01T00:00:00Z,40.5\n\
                    kept,web-1,cpu_usage,metric,%,2024-01-01T01:00:00Z,41.5\n\
                    kept,web-2,cpu_usage,metric,%,2024-01-01T00:00:01Z,97.25\n";
    assert_eq!(all, expected);
    let some = export(&["--entity", "web-1", "--from", "2024-01-01T00:30:00Z", "--format", "ndjson"]);
    assert!(some.lines().count() == 1 && some.contains("\"time\":\"2024-01-01T01:00:00Z\",\"value\":41.5"), "{some}");
    let hours = export(&["--what", "hourly", "--to", "2024-01-01T01:00:00Z"]);
    assert!(hours.ends_with("kept,web-2,cpu_usage,metric,%,2024-01-01T00:00:00Z,1,97.25,97.25,97.25\n"), "{hours}");
    let reports = export(&["--what", "reports", "--format", "ndjson"]);
    let report: Value = serde_json::from_str(reports.lines().last().unwrap()).unwrap();
    assert_eq!(report["report"], serde_json::from_str::<Value>(&sandbox.read("output.json")).unwrap());
    let anomalies = export(&["--what", "anomalies", "--format", "ndjson", "--entity", "web-2"]);
    let anomaly: Value = serde_json::from_str(anomalies.lines().last().unwrap()).unwrap();
    assert_eq!((&anomaly["severity"], &anomaly["facts"]["records"]), (&"high".into(), &1.into()));
    let runs = export(&["--what", "runs", "--format", "ndjson"]);
    let run: Value = serde_json::from_str(runs.lines().last().unwrap()).unwrap();
    assert_eq!((&run["status"], &run["record"]["stored"][0]["samples"]), (&"done".into(), &3.into()));
    assert_eq!(export(&["--what", "episodes"]).lines().count(), 1, "without windows there are none");
    assert_eq!(export(&["--output", "all.csv"]), "");
    assert_eq!(sandbox.read("all.csv"), all);
}

#[test]
fn a_query_cannot_write() {
    let sandbox = sandbox("", &few());
    sandbox.agent(&["run", "kept.toml"]).exits(0);
    let before = sandbox.agent(&["export", "kept.db"]).exits(0).stdout;
    for sql in [
        "DELETE FROM measurement",
        "DROP TABLE measurement",
        "SELECT 1; DELETE FROM measurement",
        "PRAGMA user_version = 7",
        "VACUUM INTO 'copy.db'",
        "ATTACH DATABASE 'other.db' AS other",
        "WITH a AS (SELECT 1) INSERT INTO store_version SELECT * FROM a",
        "SELEC 1",
        "SELECT nothing FROM nowhere",
    ] {
        let ran = sandbox.agent(&["query", "kept.db", sql]).exits(2);
        assert!(ran.stderr.contains("AG0412") && ran.stdout.is_empty(), "{sql}: {ran:?}");
    }
    assert!(!sandbox.at("copy.db").exists() && !sandbox.at("other.db").exists());
    assert_eq!(sandbox.agent(&["export", "kept.db"]).exits(0).stdout, before);
}

#[test]
fn what_is_no_store_is_told() {
    let sandbox = sandbox("", &few());
    let says = |arguments: &[&str], code: i32, text: &str| {
        let ran = sandbox.agent(arguments).exits(code);
        assert!(ran.stderr.replace("\n  │ ", " ").contains(text), "{arguments:?}: {}", ran.stderr);
    };
    says(&["query", "none.db", "SELECT 1"], 1, "AG0411");
    assert!(!sandbox.at("none.db").exists());
    says(&["export", "telemetry.ndjson"], 1, "not a database");
    says(&["query", "graphs/default.toml", "SELECT 1"], 2, "has no node that keeps anything in a store");
    says(&["query", "none.toml", "SELECT 1"], 78, "none.toml");
    says(&["export", "kept.db", "--what", "runs", "--metric", "cpu_usage"], 2, "not for reports and runs");
    says(&["query", "oracle://me:secret@host/db", "SELECT 1"], 1, "oracle://…@host/db");
    sandbox.edit("kept.toml", "[nodes.insights]", "[nodes.more]\nkind = \"output.measurements\"\ninputs = { telemetry = \"telemetry\" }\ndatabase = \"other.db\"\n\n[nodes.insights]");
    says(&["query", "kept.toml", "SELECT 1"], 2, "has several stores: `kept.db`, `other.db`");
}

/// A store that a newer program has written.
fn make_newer(sandbox: &Sandbox) {
    let store = rusqlite::Connection::open(sandbox.at("kept.db")).unwrap();
    store
        .execute_batch("CREATE TABLE store_version (version BIGINT NOT NULL); INSERT INTO store_version VALUES (99)")
        .unwrap();
}

#[test]
fn a_run_whose_store_fails_has_its_report_and_says_so() {
    let sandbox = sandbox("", &few());
    make_newer(&sandbox);
    let ran = sandbox.agent(&["run", "kept.toml", "--run-record", "record.json"]).exits(1);
    assert!(ran.stderr.contains("AG0411") && ran.stderr.contains("`measurements` did not keep all records"), "{ran:?}");
    assert!(sandbox.read("output.json").contains("web-2"));
    let record: Value = serde_json::from_str(&sandbox.read("record.json")).unwrap();
    let error = record["stored"][0]["error"].as_str().unwrap();
    assert!(error.contains("it is of version 99, and this program knows 1 and older"), "{error}");
}

#[test]
fn a_live_graph_whose_store_fails_ends() {
    let sandbox = live();
    make_newer(&sandbox);
    sandbox.write("telemetry.ndjson", &few());
    let ran = sandbox.agent(&["run", "kept.toml"]).exits(1);
    assert!(ran.stderr.contains("AG0411") && ran.stderr.contains("version 99"), "{ran:?}");
    assert!(!sandbox.at("reports").exists());
}

/// Runs where no file can be longer than so many blocks of 512 bytes, as on a disk that is full.
#[cfg(unix)]
fn cramped(sandbox: &Sandbox, blocks: u32) -> Ran {
    let mut command = std::process::Command::new("sh");
    let agent = sandbox.command(&["run", "kept.toml", "--run-record", "record.json"]);
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh"]);
    command.arg(agent.get_program()).args(agent.get_args()).current_dir(sandbox.at("")).env_clear();
    command.envs(agent.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).output().unwrap().into()
}

#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing_that_was_said_to_be_safe() {
    let many: String = (0..7200).map(|second| record(second, &format!("web-{}", second % 7), 40.5)).collect();
    let sandbox = sandbox("", &many);
    let ran = cramped(&sandbox, 400);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("AG0411"), "{ran:?}");
    assert!(sandbox.read("output.json").contains("cpu_usage"));
    let record: Value = serde_json::from_str(&sandbox.read("record.json")).unwrap();
    assert!(record["stored"][0]["error"].is_string(), "{record}");

    let sandbox = live();
    sandbox.write("telemetry.ndjson", &many);
    let ran = cramped(&sandbox, 400);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("AG0411"), "{ran:?}");
    // With room again it goes on, and all is there once.
    let mut child = sandbox.spawn(&[], &["run", "kept.toml", "-q"]);
    let count = || {
        sandbox
            .agent(&["query", "kept.db", "SELECT count(*), count(DISTINCT micros) FROM reading WHERE value = 40.5"])
            .stdout
    };
    let begun = Instant::now();
    let mut file = OpenOptions::new().append(true).open(sandbox.at("telemetry.ndjson")).unwrap();
    file.write_all(record_at_end().as_bytes()).unwrap();
    while !count().ends_with("\n7200,7200\n") && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(count().ends_with("\n7200,7200\n"), "{}", count());
}

/// Closes the windows before it.
fn record_at_end() -> String {
    record(8000, "web-1", 1.0)
}
